"""What the schedule can need in one interval of board time. Invariant: the budget is never below what a correct pump delivers
in the interval, whatever the wall clock, the program and the overlays did in it; it is the most of all that held in it.

The wall clock is only asked which entry of the table holds; windows and intent never use it. The schedule's minutes are
counted here, not taken from delivery.
"""

from thecal.monitor.limits import WEEK_MIN, entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BOLUS = 1  # what the ledger on flash says is, or just was, under way
TEMP = 2
MINIMUM = 4
OVERLAYS = ("bolus", "temp", "minimum")
LATE_MS = 4000  # a step may be made so much later than it was due: a lease, and a durable write at its worst
FAR_MS = 1 << 60
MINUTE_MS = 60_000
MONDAY_MIN = 4320  # 1970-01-01 was a Thursday


def minute_of_week(unix_ms: int, offset_min: int) -> int:
    """0..10079, Monday 00:00 local time is 0; `offset_min` is minutes east of UTC."""
    return (unix_ms // MINUTE_MS + offset_min + MONDAY_MIN) % WEEK_MIN


class Envelope:
    """The budget of the present interval. `wall(now_ms)` is Unix time in ms, -1 while it is unknown."""

    def __init__(self, wall: "Callable[[int], int]") -> None:
        self._wall = wall
        self._limits: "dict[str, int] | None" = None
        self._blob = b""
        self._old: "dict[str, int] | None" = None
        self._changed_ms = 0
        self._most = 0
        self._ahead: "int | None" = None  # Unix ms less board ms
        self._ahead_before: "int | None" = None  # the same at the look before
        self._looked_ms = 0
        self._until_ms = 0
        self._interval = -1
        self._seen = 0
        self._seen_before = 0

    def load(self, limits: "dict[str, int] | None", blob: bytes) -> None:
        """Other limits hold from now on; what this interval holds so far was counted under the old ones, which count on in it."""
        before = self._limits
        if before is not None:
            old = {}
            for key in OVERLAYS:
                old[key] = max(before[key], self._old[key]) if self._old is not None else before[key]
            self._old = old
        self._limits = limits
        self._blob = blob
        self._changed_ms = FAR_MS
        self._until_ms = 0

    def reset(self, now_ms: int) -> None:
        """Counting begins now, with a new interval; nothing before it is known."""
        self._interval = -1
        self._seen = self._seen_before = 0
        self._looked_ms = now_ms
        self._until_ms = 0

    def look(self, now_ms: int) -> None:
        """Take in which entries of the table held since the look before. To be called before anything is judged."""
        unix_ms = self._wall(now_ms)
        self._ahead_before = self._ahead
        self._ahead = unix_ms - now_ms if unix_ms >= 0 else None
        if self._changed_ms == FAR_MS:
            self._changed_ms = now_ms
        if self._ahead != self._ahead_before:
            # the clock was set at some moment since the last look: each of the two may have held all that time
            self._walk(self._looked_ms, now_ms, self._ahead_before)
            self._walk(self._looked_ms, now_ms, self._ahead)
        elif now_ms >= self._until_ms:
            self._walk(self._looked_ms, now_ms, self._ahead)
        self._looked_ms = now_ms

    def interval_over(self, now_ms: int) -> bool:
        """Does `now_ms` lie in another interval than the one counted in so far?"""
        return self._limits is not None and now_ms // self._limits["interval_ms"] != self._interval

    def turn(self, now_ms: int, live: int) -> None:
        """Begin the interval of `now_ms`. `live` (BOLUS, TEMP, MINIMUM) is what the ledger says now; what it said in the
        interval before still counts, because its last steps may fall into this one."""
        limits = self._limits
        if limits is None:
            return
        self._interval = now_ms // limits["interval_ms"]
        self._seen_before = self._seen
        self._seen = live
        if now_ms - self._changed_ms > LATE_MS:
            self._old = None  # and not earlier: a lease of the old program may still be in flight
        if self._old is None:
            self._most = 0
        begin_ms = self._interval * limits["interval_ms"]
        self._walk(begin_ms, now_ms, self._ahead_before)
        self._walk(begin_ms, now_ms, self._ahead)

    def see(self, live: int) -> None:
        """The ledger says that a bolus, a temporary rate or the minimum rate is under way in this interval."""
        self._seen |= live

    def since_ms(self) -> int:
        """When the interval before this one began, board ms."""
        return (self._interval - 1) * self._limits["interval_ms"] if self._limits is not None else 0

    def allowance(self) -> int:
        """The most steps that may have come in this interval."""
        seen = self._seen | self._seen_before
        steps = self._most
        if seen & TEMP:
            steps = max(steps, self._budget("temp"))
        if seen & MINIMUM:
            steps = max(steps, self._budget("minimum"))
        if seen & BOLUS:
            steps += self._budget("bolus")
        return steps

    def _budget(self, key: str) -> int:
        limits = self._limits
        steps = limits[key] if limits is not None else 0
        return steps if self._old is None else max(steps, self._old[key])

    def _raise(self, steps: int) -> None:
        if steps > self._most:
            self._most = steps

    def _walk(self, from_ms: int, to_ms: int, ahead: "int | None") -> None:
        """Every entry that holds in [from, to] of board time counts; without a clock, or without a table, it is the safe rate."""
        limits = self._limits
        self._until_ms = FAR_MS
        if limits is None:
            return
        if ahead is None or not limits["entries"]:
            self._raise(limits["safe"])
            return
        at_ms = max(from_ms, to_ms - WEEK_MIN * MINUTE_MS)
        while at_ms <= to_ms:
            unix_ms = at_ms + ahead
            steps, left_min = entry(self._blob, limits["entries"], minute_of_week(unix_ms, limits["offset_min"]))
            self._raise(steps)
            at_ms += left_min * MINUTE_MS - unix_ms % MINUTE_MS
        self._until_ms = at_ms
