"""The host's end of the line: a port (`transport`), the protocol's client (`client`) and its errors (`errors`).

Invariant of the package: a dose is sent under one id only, and whoever asks for it gets a definite answer or `Uncertain`.
"""
