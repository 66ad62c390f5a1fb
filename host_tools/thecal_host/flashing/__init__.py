"""Installing the firmware: what goes on a board (`bundle`), how it gets there by stock mpremote (`install`), and how it begins
(`begin`).

Invariant of the package: whatever interrupts it, the board is left with its motor driver off and either the old firmware whole,
the new one whole, or no main.py at all; doing it again goes on where it ended.
"""
