"""The board's own monotonic clock (ticks.py over the microsecond timer), and the loop's idle time.

Invariant: `wait` ends at its moment, or within SLICE_MS of serial input (at once) or of a change of a switch: the inputs are
polled here, so no bounce and no storm of edges can take time from the loop.
"""

from time import ticks_us

from thecal.core.compat import const
from thecal.drivers.ticks import TickClock

SLICE_MS = const(50)


class Clock(TickClock):
    """Seam `Clock`. `serial` says when bytes are there, `inputs` when a switch has changed."""

    def __init__(self, serial, inputs) -> None:
        super().__init__(ticks_us)
        self._serial = serial
        self._inputs = inputs

    def wait(self, due_ms: int) -> None:
        """Idle until `due_ms`, or until serial input is there or a switch has changed; looks every SLICE_MS."""
        while True:
            left_ms = due_ms - self.now_ms()
            if left_ms <= 0 or self._inputs.news() or self._serial.wait(min(left_ms, SLICE_MS)):
                return
