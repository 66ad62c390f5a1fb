"""The permit: the one token that lets the motor driver move. Made
only by the ledger, spent only by drivers/motor.py (an AST test)."""

from thecal.core.compat import const

LEASE_MAX_STEPS = const(256)  # the most that one permit is spent on: one lease


class Permit:
    """Steps `first` (inclusive) to `last` (exclusive) of the pump's
    lifetime count, covered by the intent of ledger write `seq`; `reverse`: they
    draw the plunger back. The count rises all the same."""

    __slots__ = ("first", "last", "reverse", "seq", "spent")

    def __init__(self, seq: int, first: int, last: int, reverse: bool = False) -> None:
        self.seq = seq
        self.first = first
        self.last = last
        self.reverse = reverse
        self.spent = False
