"""The switches of the RP2040: bolus button, emergency stop, home. Polled; nothing is counted in an interrupt.

Invariant: an input closes for the firmware when three looks in a row say so, and opens only after it has been seen open for
RELEASE_MS: contacts bounce, and one press is one press. Every pin is pulled up; button and home connect it to ground, the
emergency stop is a closed contact to ground that opens, so a broken wire stops the pump.
"""

from time import ticks_diff, ticks_ms

import machine

from thecal.core.compat import const

RELEASE_MS = const(30)
LOOKS = const(3)
SWITCHES = (("button", 1, 0), ("estop", 2, 1), ("home", 4, 0))  # name in the board file, bit, level of the pin when it acts


class Inputs:
    """Seam `Inputs`. `pins` is that section of the board file; what it does not name is not fitted and never acts. A press
    shorter than the clock's SLICE_MS may be missed."""

    def __init__(self, pins: "dict") -> None:
        self.fitted = 0
        self._switches = []  # [pin, bit, level when it acts, ticks_ms when it was last seen acting]
        for name, bit, acts in SWITCHES:
            number = pins.get(name)
            if number is not None:
                self.fitted |= bit
                self._switches.append([machine.Pin(number, machine.Pin.IN, machine.Pin.PULL_UP), bit, acts, 0])
        self._state = 0
        self._seen = 0  # what `changed` saw last
        self._told = 0  # what ended a wait last, or was seen since

    def _look(self) -> int:
        state = self._state
        if not self.fitted:
            return 0
        now = ticks_ms()
        for switch in self._switches:
            pin, bit, acts, seen_ms = switch
            looks = 0
            while looks < LOOKS and pin.value() == acts:
                looks += 1
            if looks == LOOKS:
                state |= bit
                switch[3] = now
            elif looks:
                switch[3] = now if state & bit else seen_ms  # neither open nor closed: it bounces
            elif state & bit and ticks_diff(now, seen_ms) >= RELEASE_MS:
                state &= ~bit
        self._state = state
        return state

    def read(self) -> int:
        """The mask of what acts now; for anybody, at any time."""
        return self._look()

    def changed(self) -> bool:
        """True when the mask is not what it was at the last call (before the first: 0). For the one who serves the inputs."""
        state = self._look()
        changed = state != self._seen
        self._seen = self._told = state
        return changed

    def news(self) -> bool:
        """True once for each change that `changed` has not seen: ends a wait, and does not keep the next one from idling."""
        state = self._look()
        news = state not in (self._seen, self._told)
        self._told = state
        return news
