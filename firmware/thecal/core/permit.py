"""The permit: the one token that lets the motor driver move. Made
only by the ledger, spent only by drivers/motor.py (an AST test)."""


class Permit:
    """Steps `first` (inclusive) to `last` (exclusive) of the pump's
    lifetime count, covered by the intent of ledger write `seq`."""

    __slots__ = ("first", "last", "seq", "spent")

    def __init__(self, seq: int, first: int, last: int) -> None:
        self.seq = seq
        self.first = first
        self.last = last
        self.spent = False
