"""The board's own monotonic clock: 64 bits, made from the microsecond timer by adding up differences.

Invariant: it never runs backwards and never loses a wrap, as long as it is read once in 8.9 minutes (the loop does so every
few seconds). Milliseconds are kept apart from the rest below one, so that they stay small integers, without garbage, for the
first twelve days.
"""

from time import ticks_diff, ticks_us

from thecal.core.compat import const

SLICE_MS = const(50)


class Clock:
    """Seam `Clock`. `raw` is the `ticks_us` value of the last reading; `serial` says when input is there."""

    def __init__(self, serial) -> None:
        self._serial = serial
        self.raw = ticks_us()
        self._ms = 0
        self._us = 0

    def now_ms(self) -> int:
        """Milliseconds since boot."""
        raw = ticks_us()
        us = self._us + ticks_diff(raw, self.raw)
        self.raw = raw
        if us >= 1000:
            self._ms += us // 1000
            us %= 1000
        self._us = us
        return self._ms

    def now_us(self) -> int:
        """Microseconds since boot, of the same counter."""
        return self.now_ms() * 1000 + self._us

    def wait(self, due_ms: int) -> None:
        """Idle until `due_ms`, or until serial input is there; looks at the clock every SLICE_MS."""
        while True:
            left_ms = due_ms - self.now_ms()
            if left_ms <= 0 or self._serial.wait(min(left_ms, SLICE_MS)):
                return
