"""Thecal firmware. Not a medical device; never for use on people or animals."""
