"""The limits chain, thought out a second time: slow, plain, by brute force, from whole numbers and lists alone. It imports
nothing of the firmware and knows no buckets, no ledger and no chunks.

Invariant: `given` below is exactly what a pump delivers that follows its program (volumes in units, 54e9 to the nL, in which
every rate and every step is a whole number), and `worst_window` looks at every window end at which a maximum can lie
and at a grid of ends beside them. What it finds above a limit is a true excess at that end.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

NL = 54_000_000_000  # units in one nL
RATE_MS = 625  # units that 1 nL/day gives in one ms: NL / 86,400,000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WINDOWS = (HOUR, 4 * HOUR, DAY)
GRID = 16  # ends looked at beside the corners, per window

NONE, TEMP, MINIMUM, CAPPED = 0, 1, 2, 3  # what lies over the schedule

Pattern = tuple[tuple[int, int], ...]  # (minute of the day, nL/day), first minute 0


@dataclass(frozen=True)
class Plan:
    """A program as a person would write it down. `week` is empty (continuous at `rate`) or the seven days' patterns from
    Monday on; then `rate` is the rate while the clock is unknown. Volumes in nL, rates in nL/day, times in ms."""

    rate: int
    week: tuple[Pattern, ...]
    offset_min: int
    limits: tuple[int, int, int]
    max_rate: int
    max_bolus: int
    lockout: int
    count: int
    chunk: int
    max_temp: int
    min_rate: int
    step_pl_per_million: int
    max_steps_per_s: int

    @property
    def step(self) -> int:
        """Units in one step."""
        return 54 * self.step_pl_per_million

    def peak(self) -> int:
        """The highest rate of the program, the one for an unknown clock included."""
        return max([self.rate] + [rate for day in self.week for _minute, rate in day])

    def rate_at(self, unix_ms: "int | None") -> int:
        """The program's rate at a wall-clock time (None: unknown)."""
        if not self.week or unix_ms is None:
            return self.rate
        days, ms = divmod(unix_ms + self.offset_min * MINUTE, DAY)
        found = -1
        for minute, rate in self.week[(days + 3) % 7]:  # the first of January 1970 was a Thursday
            if minute * MINUTE <= ms:
                found = rate
        return found


@dataclass(frozen=True)
class Course:
    """What will happen by itself: the plan, Unix ms minus our own ms (None: clock unknown), the overlay, what runs of boluses
    (begin, end, units each) and the part of a step already earned, in units."""

    plan: Plan
    now: int
    wall: "int | None"
    overlay: tuple[int, int, int] = (NONE, 0, 0)  # kind, rate, until
    flows: tuple[tuple[int, int, int], ...] = ()
    phase: int = 0

    def rate_at(self, t: int) -> int:
        """Basal rate at our own time `t`."""
        rate = self.plan.rate_at(None if self.wall is None else t + self.wall)
        kind, over, until = self.overlay
        if kind == MINIMUM:
            return over
        if kind == TEMP and t < until:
            return over
        if kind == CAPPED and t < until:
            return min(over, rate)
        return rate

    def changes(self, until: int) -> list[int]:
        """Times in (now, until) at which the basal rate may change, rising."""
        found = {self.overlay[2]}
        if self.plan.week and self.wall is not None:
            shift = self.wall + self.plan.offset_min * MINUTE
            for day in range((self.now + shift) // DAY, (until + shift) // DAY + 1):
                for minute, _rate in self.plan.week[(day + 3) % 7]:
                    found.add(day * DAY + minute * MINUTE - shift)
        return sorted(t for t in found if self.now < t < until)

    def last(self) -> int:
        """The end of everything that was asked for."""
        over = [self.overlay[2]] if self.overlay[0] in (TEMP, CAPPED) else []
        return max([self.now, *over] + [end for _begin, end, _units in self.flows])

    def highest(self, until: int) -> int:
        """The highest basal rate in [now, until)."""
        return max(self.rate_at(t) for t in [self.now, *self.changes(until)])


class Future:
    """`given(t)`: units delivered from now to `t`, basal and boluses, as a broken line over [now, until]."""

    def __init__(self, course: Course, until: int) -> None:
        self.course = course
        self.times = [course.now, *course.changes(until)]
        self.rates = [course.rate_at(t) * RATE_MS for t in self.times]
        self.sums = [0]
        for i in range(1, len(self.times)):
            self.sums.append(self.sums[-1] + self.rates[i - 1] * (self.times[i] - self.times[i - 1]))
        self.corners = set(self.times)
        for begin, end, _units in course.flows:
            self.corners.add(begin)
            self.corners.add(end)

    def given(self, t: int) -> int:
        at = bisect_right(self.times, t) - 1
        total = self.sums[at] + self.rates[at] * (t - self.times[at])
        for begin, end, units in self.course.flows:
            if t >= end:
                total += units
            elif t > begin:
                total += units * (t - begin) // (end - begin)
        return total


def worst_window(
    span: int, course: Course, past: Sequence[int], birth: int, enough: int, whole_steps: bool = True
) -> tuple[int, int]:
    """(units, end) of the fullest window (end - span, end] over all ends from now to the end of everything asked for plus `span`;
    the first one above `enough` ends the search. `past` has the times of the steps delivered so far, rising. Before `birth` the
    plan's peak rate is assumed. With `whole_steps` the future comes in the very steps it will come in, else in straight lines."""
    now, step, phase = course.now, course.plan.step, course.phase
    until = course.last() + span
    future = Future(course, until)
    gap_rate = course.plan.peak() * RATE_MS
    ends = {now, until, birth + span}
    for corner in future.corners:
        ends.add(corner)
        ends.add(corner + span)
    for i in range(bisect_right(past, now - span), len(past)):
        ends.add(past[i] + span - 1)  # the last end at which this step is still inside
    for i in range(1, GRID):
        ends.add(now + (until - now) * i // GRID)
    best, best_end = -1, now
    for end in sorted(ends):
        if not now <= end <= until:
            continue
        begin = end - span
        gone = phase + future.given(end)
        before = phase + future.given(begin) if begin > now else phase
        if whole_steps:
            gone -= gone % step
            before -= before % step
        if begin <= now:  # counted from the past; the part of a step earned before now belongs to the first step to come
            before = 0
        total = (len(past) - bisect_right(past, begin)) * step + gone - before
        if begin < birth:
            total += (birth - begin) * gap_rate
        if total > best:
            best, best_end = total, end
            if best > enough:
                break
    return best, best_end


def fullest_past(span: int, times: Sequence[int]) -> int:
    """The most steps that any window (end - span, end] holds of `times` (rising)."""
    most = 0
    for i, end in enumerate(times):
        most = max(most, i + 1 - bisect_right(times, end - span))
    return most


def begun_within(span: int, now: int, starts: Sequence[int]) -> int:
    """How many of `starts` (rising) lie in (now - span, now]."""
    return len(starts) - bisect_right(starts, now - span)


def step_rate(course: Course, volume_nl: int, duration: int) -> tuple[int, int]:
    """Highest speed while a bolus runs (with the basal beside it) and the part's limit, both in units x ms per ms."""
    speed = volume_nl * NL + course.highest(course.now + duration) * RATE_MS * duration
    return speed * 1000, course.plan.max_steps_per_s * course.plan.step * duration


def steps_between(times: Sequence[int], begin: int, end: int) -> int:
    """Steps in [begin, end)."""
    return bisect_left(times, end) - bisect_left(times, begin)
