"""The virtual chip and its plant. Runs unchanged in CPython and in the MicroPython VM (mounted there read-only as /rom).

Not a medical device; never for use on people or animals. Judges of the firmware may not import this package.
"""
