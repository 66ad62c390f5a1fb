"""The week of a program as rates: day patterns in bytes, and the line they make from Monday 00:00 local time on.

Invariant: a day pattern begins at minute 0 and its minutes rise, so every moment of the week has exactly one rate; volumes are
sums of rate x time in whole numbers (nL/day x minutes), rounded once, upwards, at the end. No clock here: time is an argument.
"""

from thecal.core.compat import const

STEP_BYTES = const(5)  # minute of the day in 11 bits above a rate in 29 bits, little-endian
STEPS_PER_DAY = const(48)
RATE_BITS = const(29)
RATE_MASK = (1 << RATE_BITS) - 1
DAY_MIN = const(1440)
WEEK_MIN = const(10_080)
MINUTE_MS = const(60_000)
DAY_MS = const(86_400_000)
WEEK_MS = const(604_800_000)
EPOCH_MS = const(259_200_000)  # 1970-01-01 was a Thursday, three days after a Monday
OFFSET_BIAS_MIN = const(1440)
DAY_KEYS = ("day_1", "day_2", "day_3", "day_4", "day_5", "day_6", "day_7")
FAR_MS = 1 << 60

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def pack_day(steps: "Sequence[tuple[int, int]]") -> bytes:
    """The bytes of one day: (minute of the day 0..1439, rate in nL/day 0..2^29 - 1) each. ValueError when one does not fit."""
    out = bytearray()
    for minute, rate in steps:
        if not 0 <= minute < DAY_MIN or not 0 <= rate <= RATE_MASK:
            raise ValueError("day step")
        out.extend((minute << RATE_BITS | rate).to_bytes(STEP_BYTES, "little"))
    return bytes(out)


def day_steps(raw: bytes) -> "list[tuple[int, int]]":
    """(minute of the day, rate in nL/day) of each whole step in `raw`; nothing is judged here."""
    steps: "list[tuple[int, int]]" = []
    for at in range(0, len(raw) - STEP_BYTES + 1, STEP_BYTES):
        value = int.from_bytes(raw[at : at + STEP_BYTES], "little")
        steps.append((value >> RATE_BITS, value & RATE_MASK))
    return steps


def week_ms(local_ms: int) -> int:
    """Milliseconds since Monday 00:00 of a local time given as Unix ms + offset."""
    return (local_ms + EPOCH_MS) % WEEK_MS


class Schedule:
    """The rates of one week: `rates[i]` holds from `minutes[i]` (of the week) to the next; `minutes[0]` is 0."""

    def __init__(self, fields: "dict[str, Any]") -> None:
        self.minutes: "list[int]" = []
        self.rates: "list[int]" = []
        day = 0
        for number in fields.get("week", b""):
            for minute, rate in day_steps(fields[DAY_KEYS[number - 1]]):
                if not self.rates or self.rates[-1] != rate:
                    self.minutes.append(day * DAY_MIN + minute)
                    self.rates.append(rate)
            day += 1
        if not self.rates:
            self.minutes = [0]
            self.rates = [fields["rate_nl_per_day"]]
        self._cum = [0]  # nL/day x minutes up to each entry, and of the whole week; made by the first question that needs it
        self._daily = -1
        self._peak = 0

    def _index(self, minute: int) -> int:
        """The last entry that begins at or before `minute` (0..10079)."""
        low, high = 0, len(self.minutes)
        while high - low > 1:
            middle = (low + high) // 2
            if self.minutes[middle] <= minute:
                low = middle
            else:
                high = middle
        return low

    def rate_at(self, at_ms: int) -> int:
        """Rate in nL/day at `at_ms` (0..WEEK_MS - 1) of the week."""
        return self.rates[self._index(at_ms // MINUTE_MS)]

    def left_ms(self, at_ms: int) -> int:
        """Time from `at_ms` of the week to the next change of rate; FAR_MS when there is only one rate."""
        if len(self.rates) == 1:
            return FAR_MS
        at = self._index(at_ms // MINUTE_MS) + 1
        if at == len(self.minutes):
            end_min = WEEK_MIN if self.rates[0] != self.rates[-1] else WEEK_MIN + self.minutes[1]
            return end_min * MINUTE_MS - at_ms
        return self.minutes[at] * MINUTE_MS - at_ms

    def peak_nl_per_day(self) -> int:
        """The highest rate of the week."""
        if not self._peak:
            self._peak = max(self.rates)
        return self._peak

    def _sum_up(self) -> None:
        if len(self._cum) > 1:
            return
        for at in range(len(self.minutes)):
            end = self.minutes[at + 1] if at + 1 < len(self.minutes) else WEEK_MIN
            self._cum.append(self._cum[at] + self.rates[at] * (end - self.minutes[at]))

    def _area(self, minute: int, at: int) -> "tuple[int, int]":
        """(nL/day x minutes from Monday 00:00 to `minute`, 0..2 weeks, the entry it lies in), looked for from entry `at` on;
        entries of the second week count on from those of the first."""
        size = len(self.minutes)
        while True:
            after = at + 1
            begins = (
                self.minutes[after] if after < size else WEEK_MIN + (self.minutes[after - size] if after < 2 * size else WEEK_MIN)
            )
            if begins > minute or after == 2 * size:
                break
            at = after
        week = at // size
        here = at - week * size
        return week * self._cum[-1] + self._cum[here] + self.rates[here] * (minute - week * WEEK_MIN - self.minutes[here]), at

    def worst_window_nl(self, minutes: int) -> int:
        """The most that any `minutes` (1..10080) in a row of this week, repeated for ever, hold; nL rounded up. The greatest is
        found where the window begins or ends at a change of rate."""
        self._sum_up()
        worst = 0
        ahead = behind = 0
        for start in self.minutes:
            begun, _at = self._area(start, behind)
            end, ahead = self._area(start + minutes, max(ahead, behind))
            worst = max(worst, end - begun)
            behind = _at
        ahead = behind = 0
        for end_min in self.minutes:  # windows that end here, a week later, so that none begins before Monday
            begun, behind = self._area(end_min + WEEK_MIN - minutes, behind)
            end, ahead = self._area(end_min + WEEK_MIN, max(ahead, behind))
            worst = max(worst, end - begun)
        return -(-worst // DAY_MIN)

    def daily_max_nl(self) -> int:
        """The greatest dose of one local day (midnight to midnight), nL rounded up."""
        if self._daily < 0:
            self._sum_up()
            worst = begun = at = 0
            for day in range(7):
                end, at = self._area((day + 1) * DAY_MIN, at)
                worst = max(worst, end - begun)
                begun = end
            self._daily = -(-worst // DAY_MIN)
        return self._daily
