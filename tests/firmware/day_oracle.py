"""What a flex program should have delivered, as an exact fraction: the oracle of the flex tests.

Written from the specification with Python's own calendar; it shares nothing with core/schedule.py, core/basal.py or
core/accumulator.py. Board time in ms is told to it, and so is every act of the host at its moment.
"""

from datetime import datetime, timedelta
from fractions import Fraction

Pattern = list[tuple[int, int]]  # (minute of the day, nL/day)
DAY_MS = 86_400_000
STEP_NL = Fraction(41_282_490_964, 1_000_000_000)
EPOCH = datetime(1970, 1, 1)  # of the local time that the program's fixed offset makes; no zone is meant


class Oracle:
    """One pump that runs without a hold from `now_ms` on."""

    def __init__(self, days: list[Pattern], week: list[int], safe: int, offset_min: int, now_ms: int) -> None:
        self._days = [days[number - 1] for number in week]
        self._safe = safe
        self._offset_ms = offset_min * 60_000
        self._wall_ms: int | None = None  # Unix ms less board ms
        self._over: tuple[int, int] | None = None  # rate and end of a temporary rate
        self._t_ms = now_ms
        self._sum = 0  # nL/day x ms

    def _schedule(self, t_ms: int) -> tuple[int, int]:
        """(rate, ms until it may change)."""
        if self._wall_ms is None:
            return self._safe, DAY_MS
        local = EPOCH + timedelta(milliseconds=t_ms + self._wall_ms + self._offset_ms)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        into_ms = (local - midnight) // timedelta(milliseconds=1)
        pattern = self._days[local.weekday()]
        rate = [rate for minute, rate in pattern if minute * 60_000 <= into_ms][-1]
        later = [minute * 60_000 for minute, _rate in pattern if minute * 60_000 > into_ms]
        return rate, (later[0] if later else DAY_MS) - into_ms

    def rate(self) -> int:
        """nL/day of this moment."""
        if self._over is not None and self._t_ms < self._over[1]:
            return self._over[0]
        return self._schedule(self._t_ms)[0]

    def to(self, now_ms: int) -> "Oracle":
        """Let the time up to `now_ms` pass."""
        while self._t_ms < now_ms:
            rate, left_ms = self._schedule(self._t_ms)
            end_ms = min(self._t_ms + left_ms, now_ms)
            if self._over is not None and self._t_ms < self._over[1]:
                rate, end_ms = self._over[0], min(end_ms, self._over[1])
            self._sum += rate * (end_ms - self._t_ms)
            self._t_ms = end_ms
        return self

    def clock(self, now_ms: int, unix_ms: int) -> None:
        """The wall clock is set."""
        self.to(now_ms)
        self._wall_ms = unix_ms - now_ms

    def temp(self, now_ms: int, rate: int, ms: int) -> None:
        """A temporary rate begins; 0 ms: what was under way ends."""
        self.to(now_ms)
        self._over = (rate, now_ms + ms) if ms else None

    def unix_ms(self) -> int:
        """What the wall clock of the board shows; it must be known."""
        assert self._wall_ms is not None
        return self._t_ms + self._wall_ms

    def to_next_change_ms(self) -> int:
        """Time to the next step of the schedule, or midnight."""
        return self._schedule(self._t_ms)[1]

    def nl(self) -> Fraction:
        return Fraction(self._sum, DAY_MS)

    def steps(self) -> Fraction:
        """Steps that should have been made, with the part of one."""
        return self.nl() / STEP_NL
