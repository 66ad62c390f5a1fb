"""Curves from event records: programmed volume and rate, delivered volume as an interval [min, max], and what happened on the
way.

Invariants: integers only; times are board ms (the shortest time that can have passed, so a power cut has no width on this axis),
moved later where a restart took board time back, so they never fall;
`min_nl` never exceeds `max_nl`, and neither ever falls; what set-up motions moved with the outlet disconnected, or backwards, is
in neither. Made for `plot` and `demo`; needs the step volume of the program's calibration.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from thecal.core import events, faults, messages, states
from thecal.core.events import Record, unpack_record
from thecal.core.ledger import M_DETACHED, M_REVERSE
from thecal.core.permit import LEASE_MAX_STEPS
from thecal_host.logs.programme import DAY_MS, Bolus, Programme, Programmed
from thecal_host.logs.rate_times import delays

__all__ = ["DAY_MS", "Bolus", "Delivered", "Mark", "Programmed", "Series", "build"]
PL_PER_MILLION_IN_NL = 1_000_000_000


@dataclass(frozen=True)
class Delivered:
    """At `t_ms` at least `min_nl` and at most `max_nl` had been delivered since the first record (steps in `min_steps`,
    `max_steps`)."""

    t_ms: int
    min_nl: int
    max_nl: int
    min_steps: int
    max_steps: int


@dataclass(frozen=True)
class Mark:
    """A refusal, a restart or an alarm at `t_ms`; `detail`, `value`, `limit` as in the record."""

    t_ms: int
    detail: int
    value: int = 0
    limit: int = 0


@dataclass
class Series:
    """Everything a plot or a verdict needs. `cuts` are restarts other than commanded ones, the first start not counted;
    `setup_steps` were moved with the outlet disconnected or backwards, and are no dose."""

    delivered: list[Delivered] = field(default_factory=list)
    programmed: list[Programmed] = field(default_factory=list)
    boluses: list[Bolus] = field(default_factory=list)
    refusals: list[Mark] = field(default_factory=list)
    cuts: list[Mark] = field(default_factory=list)
    alarms: list[Mark] = field(default_factory=list)
    faults: list[Mark] = field(default_factory=list)
    begin_ms: int = 0
    end_ms: int = 0
    uncertain_steps: int = 0
    setup_steps: int = 0
    lost_records: int = 0

    @property
    def programmed_nl(self) -> int:
        """Volume programmed from the first to the last record, nL rounded down."""
        return self.programmed[-1].volume_nl if self.programmed else 0

    def programmed_at(self, t_ms: int) -> int:
        """Volume programmed until `t_ms`, nL rounded down: between two points it is a straight line, outside it is level."""
        at = bisect_right(self.programmed, t_ms, key=lambda point: point.t_ms) - 1
        if at < 0:
            return 0
        here = self.programmed[at]
        if at + 1 == len(self.programmed):
            return here.volume_nl
        after = self.programmed[at + 1]
        return here.volume_nl + (after.volume_nl - here.volume_nl) * (t_ms - here.t_ms) // (after.t_ms - here.t_ms)

    @property
    def delivered_nl(self) -> "tuple[int, int]":
        """[min, max] delivered at the last point, nL."""
        return (self.delivered[-1].min_nl, self.delivered[-1].max_nl) if self.delivered else (0, 0)


def build(raws: Iterable[bytes], step_pl_per_million: int) -> Series:
    """The Series of `raws` (by rising sequence; damaged ones are left out). `step_pl_per_million`: pL per 1,000,000
    microsteps."""
    records = [record for record in map(unpack_record, raws) if record is not None]
    series = Series()
    if not records:
        return series
    late = delays(records)
    _lay_out(records)
    series.begin_ms, series.end_ms = records[0].t_ms, max(record.t_ms for record in records)
    builder = _Builder(series, step_pl_per_million, records, late)
    for record in records:
        builder.take(record)
    builder.finish()
    return series


def _lay_out(records: list[Record]) -> None:
    """Move the times of each start behind those of the one before it. A start's clock goes on from the ledger, which nobody
    writes while therapy is off, so it may begin earlier than the last record: that time was lived through twice."""
    later_ms = end_ms = 0
    boot = -1
    for record in records:
        if record.boot != boot and record.t_ms + later_ms < end_ms:
            later_ms = end_ms - record.t_ms
        boot = record.boot
        record.t_ms += later_ms
        end_ms = max(end_ms, record.t_ms)


class _Builder:
    """One pass over the records; `_base` is the step position at the first record that tells one (a lifetime count)."""

    def __init__(self, series: Series, step_pl: int, records: list[Record], late: dict[int, int]) -> None:
        self._s = series
        self._pl = step_pl
        self._late = late
        self._programme = Programme(series.begin_ms)
        self._next_seq = records[0].seq
        self._base = -1
        self._uncertain = 0  # steps of all earlier restarts that may not have been delivered
        self._base_uncertain = 0
        self._running: dict[int, int] = {}
        self._motion: Record | None = None
        self._motion_first = -1  # position at which a motion began that is no dose; -1: none is under way
        self._apart = 0  # steps since the last restart that were no dose, or may not have been made
        self._cut_short = 0  # steps of the lease that the newest emergency stop ended
        self._moved = 0  # of them, those of set-up motions

    def take(self, r: Record) -> None:
        s = self._s
        s.lost_records += max(0, r.seq - self._next_seq)
        self._next_seq = r.seq + 1
        self._programme.to(r.t_ms)
        if r.code == events.BOOT:
            self._boot(r)
        elif r.code == events.DOSE:
            if self._motion_first < 0:
                self._point(r.t_ms, r.a, r.a + r.b)
        elif r.code == events.RATE:
            self._programme.set_basal(r.b, r.t_ms + self._late.get(r.seq, 0))
            self._programme.mark()
        elif r.code == events.STATE:
            self._state(r)
        elif r.code == events.MOVE:
            self._motion = r
        elif r.code == events.MOVE_END:
            self._programme.end_bolus()
            self._programme.mark()
        elif r.code == events.UNMET and r.a == messages.BUTTON_ID:  # one that came by command has a refusal of its own
            s.refusals.append(Mark(r.t_ms, r.detail))
        elif r.code == events.GRANT:
            bolus = Bolus(r.a, r.t_ms, r.b, r.c)
            self._running[r.a] = len(s.boluses)
            s.boluses.append(bolus)
            self._programme.begin_bolus(bolus)
            self._programme.mark()
        elif r.code == events.BOLUS_END:
            self._end_bolus(r)
        elif r.code == events.REFUSAL:
            s.refusals.append(Mark(r.t_ms, r.detail, r.b, r.c))
        elif r.code == events.ALARM:
            s.alarms.append(Mark(r.t_ms, r.detail, r.b))
            if r.detail == faults.A_ESTOP:
                self._cut_short = r.b
        elif r.code in (events.FAULT, events.MONITOR_TRIP):
            s.faults.append(Mark(r.t_ms, r.detail, r.b))

    def _state(self, r: Record) -> None:
        if r.b == states.INFUSING and r.c != states.INFUSING:
            self._point(r.t_ms, r.a - LEASE_MAX_STEPS, r.a)  # the lease in flight may or may not be part of its position
            if r.detail == states.E_ESTOP:
                self._apart += self._cut_short
        if r.b == states.SETUP and self._motion_first >= 0:
            self._apart += r.a - self._motion_first
            self._s.setup_steps += r.a - self._motion_first
            self._moved += r.a - self._motion_first
            self._motion_first = -1
        self._programme.set_on(r.c == states.INFUSING)
        if r.c == states.SETUP and self._motion is not None:
            motion = self._motion
            if motion.detail & (M_DETACHED | M_REVERSE):
                self._motion_first = r.a
            else:
                self._programme.begin_bolus(Bolus(motion.a, r.t_ms, self._nl(motion.b), motion.c))
        self._programme.mark()

    def _boot(self, r: Record) -> None:
        """A restart: everything intended counts in max (r.a), and r.b is the least delivered; therapy is off until a STATE says
        else."""
        self._programme.set_on(False)
        self._programme.mark()
        for index in self._running.values():
            bolus = self._s.boluses[index]
            self._s.boluses[index] = Bolus(bolus.command_id, bolus.t_ms, bolus.nl, bolus.duration_ms, r.t_ms, bolus.missing_nl)
        self._running.clear()
        self._motion_first = -1  # what of a motion was not settled counts as a dose: the board does the same
        self._apart = 0  # `r.b` knows of it
        if self._base < 0:
            self._base_uncertain = r.a - r.b
        elif r.detail != 2:
            self._s.cuts.append(Mark(r.t_ms, r.detail, max(0, r.a - r.b - self._uncertain - self._moved)))
        self._moved = 0
        self._uncertain = r.a - r.b
        self._point(r.t_ms, r.a, r.a)
        self._s.uncertain_steps = self._uncertain - self._base_uncertain - self._s.setup_steps

    def _end_bolus(self, r: Record) -> None:
        index = self._running.pop(r.a, -1)
        if index >= 0:
            old = self._s.boluses[index]
            self._s.boluses[index] = Bolus(old.command_id, old.t_ms, old.nl, old.duration_ms, r.t_ms, r.c)
        self._programme.end_bolus()
        self._programme.mark()

    def _point(self, t_ms: int, settled: int, intent: int) -> None:
        """At `t_ms` the position was at least `settled` and at most `intent`, the end of what was durably intended."""
        if self._base < 0:
            self._base = settled
        low = settled - self._base - (self._uncertain - self._base_uncertain) - self._apart
        high = intent - self._base - self._s.setup_steps
        if self._s.delivered:
            low = max(low, self._s.delivered[-1].min_steps)
        high = max(high, low)
        self._s.delivered.append(Delivered(t_ms, self._nl(low), -(-high * self._pl // PL_PER_MILLION_IN_NL), low, high))

    def _nl(self, steps: int) -> int:
        return steps * self._pl // PL_PER_MILLION_IN_NL

    def finish(self) -> None:
        self._programme.to(self._s.end_ms)
        self._programme.mark()
        self._s.programmed = self._programme.points
        # Delivered volume only grows, so what a later record bounds is a bound for every moment before it too: intent that was
        # withdrawn by a stop leaves the curve by this.
        points = self._s.delivered
        for index in range(len(points) - 2, -1, -1):
            here, after = points[index], points[index + 1]
            if here.max_steps > after.max_steps:
                points[index] = Delivered(here.t_ms, here.min_nl, after.max_nl, here.min_steps, after.max_steps)
