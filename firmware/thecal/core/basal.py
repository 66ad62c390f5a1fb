"""Which basal rate holds when: the schedule, the wall clock it needs, and what lies over it for a while.

Invariant: for every board time there is one rate; without a wall clock a flex program has its declared safe rate and nothing
else (SR-24). A temporary rate outlives a reset only where it lowers the rate (CAPPED): nobody knows how long the power was gone,
and what raises a dose must not last longer than it was allowed to.
"""

from thecal.core.compat import const
from thecal.core.schedule import DAY_MS, FAR_MS, MINUTE_MS, OFFSET_BIAS_MIN, Schedule, week_ms

NONE = const(0)
TEMP = const(1)
MINIMUM = const(2)
CAPPED = const(3)  # a temporary rate after a reset: the lower of it and the schedule

# why a rate holds: the detail of a RATE record
WHY_PROGRAM = const(0)
WHY_SCHEDULE = const(1)
WHY_TEMP = const(2)
WHY_MINIMUM = const(3)
WHY_NO_CLOCK = const(4)
WHY_NORMAL = const(5)
WHY_CLOCK = const(6)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


NOTHING = {"week": b"", "rate_nl_per_day": 0, "utc_offset_biased_min": 1440}  # where there is no program


class Basal:
    """The basal rate of one program over board time. `wall_ms` is Unix ms minus board ms, None while the clock is unknown;
    `kind`, `rate` and `until_ms` (board time) are the overlay."""

    def __init__(self, fields: "dict[str, Any]") -> None:
        self.flex = len(fields["week"]) == 7
        self.schedule = Schedule(fields)
        self.safe_nl_per_day = fields["rate_nl_per_day"]
        self._offset_ms = (fields["utc_offset_biased_min"] - OFFSET_BIAS_MIN) * MINUTE_MS
        self.wall_ms: "int | None" = None
        self.kind = NONE
        self.rate = 0
        self.until_ms = 0

    def twin(self) -> "Basal":
        """A copy to try something on; the schedule is shared, it never changes."""
        other = Basal(NOTHING)
        other.flex = self.flex
        other.schedule = self.schedule
        other.safe_nl_per_day = self.safe_nl_per_day
        other._offset_ms = self._offset_ms
        other.wall_ms = self.wall_ms
        other.kind = self.kind
        other.rate = self.rate
        other.until_ms = self.until_ms
        return other

    def plain(self) -> "Basal":
        """A copy with nothing over the schedule."""
        other = self.twin()
        other.lay(NONE, 0, 0)
        return other

    def lay(self, kind: int, rate_nl_per_day: int, until_ms: int) -> None:
        """Put an overlay over the schedule, or NONE."""
        self.kind = kind
        self.rate = rate_nl_per_day
        self.until_ms = until_ms

    def clock_known(self) -> bool:
        """True where the rate does not wait for a clock."""
        return not self.flex or self.wall_ms is not None

    def scheduled(self, t_ms: int) -> int:
        """Rate of the program alone at board time `t_ms`, nL/day."""
        if not self.flex or self.wall_ms is None:
            return self.safe_nl_per_day
        return self.schedule.rate_at(week_ms(t_ms + self.wall_ms + self._offset_ms))

    def rate_at(self, t_ms: int) -> int:
        """Rate at board time `t_ms`, overlay included, nL/day."""
        if self.kind == MINIMUM:
            return self.rate
        if self.kind == NONE or t_ms >= self.until_ms:
            return self.scheduled(t_ms)
        return self.rate if self.kind == TEMP else min(self.rate, self.scheduled(t_ms))

    def next_change_ms(self, t_ms: int) -> int:
        """The first board time after `t_ms` at which another rate may hold; FAR_MS when there is none."""
        if self.kind == MINIMUM:
            return FAR_MS
        over = self.kind != NONE and t_ms < self.until_ms
        if over and self.kind == TEMP:
            return self.until_ms
        change = FAR_MS
        if self.flex and self.wall_ms is not None:
            left = self.schedule.left_ms(week_ms(t_ms + self.wall_ms + self._offset_ms))
            if left < FAR_MS:
                change = t_ms + left
        return min(change, self.until_ms) if over else change

    def peak_nl_per_day(self) -> int:
        """The highest rate this program can have without an overlay."""
        return max(self.schedule.peak_nl_per_day(), self.safe_nl_per_day)

    def daily_nl(self) -> int:
        """The greatest scheduled dose of one day, nL rounded up; the safe rate counts too."""
        return max(self.schedule.daily_max_nl(), self.safe_nl_per_day)

    def units(self, t0_ms: int, t1_ms: int) -> int:
        """Sum of rate x time over [t0, t1), in nL/day x ms; divided by DAY_MS it is nL."""
        total = 0
        while t0_ms < t1_ms:
            end = min(self.next_change_ms(t0_ms), t1_ms)
            total += self.rate_at(t0_ms) * (end - t0_ms)
            t0_ms = end
        return total

    def nl(self, t0_ms: int, t1_ms: int) -> int:
        """Basal over [t0, t1), nL rounded up."""
        return -(-self.units(t0_ms, t1_ms) // DAY_MS)
