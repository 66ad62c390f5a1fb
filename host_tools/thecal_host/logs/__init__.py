"""What the host keeps of the boards' event logs: a store (`store`), CSV files (`export`) and curves (`series`).

Invariant of the package: the raw 32 bytes of every record are kept; everything shown is worked out from them again.
"""
