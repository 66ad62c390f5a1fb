"""A 64-bit clock from a 30-bit microsecond timer, by adding up differences; the same class on every port.

Invariant: it never runs backwards and never loses a wrap, as long as it is read once in 17.8 minutes (the loop does so every few
seconds). Milliseconds are kept apart from the rest below one, so that they stay small integers, without garbage, for the first
twelve days.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class TickClock:
    """The reading half of seam `Clock` over `ticks_us()`: 0 to 2^30 - 1, and 0 again. `raw` is its value at the last reading; the
    clock itself begins at `begin_us`."""

    def __init__(self, ticks_us: "Callable[[], Any]", begin_us: int = 0) -> None:
        self._ticks_us = ticks_us
        self.raw = ticks_us()
        self._ms = begin_us // 1000
        self._us = begin_us % 1000

    def now_ms(self) -> int:
        """Milliseconds since boot."""
        raw = self._ticks_us()
        us = self._us + ((raw - self.raw) & 0x3FFF_FFFF)  # a wrap leaves a negative difference, and its low 30 bits are right
        self.raw = raw
        if us >= 1000:
            self._ms += us // 1000
            us %= 1000
        self._us = us
        return self._ms

    def now_us(self) -> int:
        """Microseconds since boot, of the same counter."""
        return self.now_ms() * 1000 + self._us
