"""Curves from event records: programmed volume and rate, delivered volume as an interval [min, max], and what happened on the
way.

Invariants: integers only; times are board ms (the shortest time that can have passed, so a power cut has no width on this axis),
moved later where a restart took board time back, so they never fall;
`min_nl` never exceeds `max_nl`, and neither ever falls. Made for `plot` and `demo`; needs the step volume of the program's
calibration.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from thecal.core import events, states
from thecal.core.events import Record, unpack_record

DAY_MS = 86_400_000
LEASE_MAX_STEPS = 256  # of one lease (firmware/thecal/drivers/motor.py)
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
class Programmed:
    """From `t_ms` on the programmed rate is `rate_nl_per_day` (bolus included); until then `volume_nl` was programmed in all."""

    t_ms: int
    rate_nl_per_day: int
    volume_nl: int


@dataclass(frozen=True)
class Bolus:
    """A granted bolus: `missing_nl` of it were not delivered; `end_ms` is -1 while its end is not in the log."""

    command_id: int
    t_ms: int
    nl: int
    duration_ms: int
    end_ms: int = -1
    missing_nl: int = 0


@dataclass(frozen=True)
class Mark:
    """A refusal, a restart or an alarm at `t_ms`; `detail`, `value`, `limit` as in the record."""

    t_ms: int
    detail: int
    value: int = 0
    limit: int = 0


@dataclass
class Series:
    """Everything a plot or a verdict needs. `cuts` are restarts other than commanded ones, the first start not counted."""

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


class _Programme:
    """Integrates the programmed rate: basal while infusing plus the running bolus, exactly, in units of nL * DAY_MS * bolus
    ms."""

    def __init__(self, begin_ms: int) -> None:
        self.points: list[Programmed] = []
        self._t_ms = begin_ms
        self._basal = 0
        self._on = False
        self._whole_nl = 0
        self._part = 0  # nL * DAY_MS left over from basal
        self._bolus: Bolus | None = None
        self._bolus_done_nl = 0

    def _bolus_nl(self, t_ms: int) -> int:
        bolus = self._bolus
        if bolus is None:
            return 0
        spent = min(t_ms - bolus.t_ms, bolus.duration_ms)
        return bolus.nl if spent >= bolus.duration_ms else bolus.nl * spent // bolus.duration_ms

    def to(self, t_ms: int) -> None:
        """Move on to `t_ms`; a bolus that ends before it is closed at its own end."""
        bolus = self._bolus
        if bolus is not None and self._t_ms <= bolus.t_ms + bolus.duration_ms < t_ms:
            self._run(bolus.t_ms + bolus.duration_ms)
            self.end_bolus()
            self.mark()
        self._run(t_ms)

    def _run(self, t_ms: int) -> None:
        if t_ms <= self._t_ms:
            return
        if self._on:
            total = self._part + self._basal * (t_ms - self._t_ms)
            self._whole_nl += total // DAY_MS
            self._part = total % DAY_MS
        self._t_ms = t_ms

    def mark(self) -> None:
        """Leave a point with the rate that holds from now on."""
        bolus = self._bolus
        rate = self._basal if self._on else 0
        if bolus is not None and bolus.duration_ms:
            rate += bolus.nl * DAY_MS // bolus.duration_ms
        self.points.append(Programmed(self._t_ms, rate, self._whole_nl + self._bolus_done_nl + self._bolus_nl(self._t_ms)))

    def set_basal(self, nl_per_day: int) -> None:
        self._basal = nl_per_day

    def set_on(self, on: bool) -> None:
        self._on = on
        if not on:
            self.end_bolus()

    def begin_bolus(self, bolus: Bolus) -> None:
        self.end_bolus()
        self._bolus = bolus

    def end_bolus(self) -> None:
        """What of it was due until now stays programmed; the rest was taken back."""
        self._bolus_done_nl += self._bolus_nl(self._t_ms)
        self._bolus = None


def build(raws: Iterable[bytes], step_pl_per_million: int) -> Series:
    """The Series of `raws` (by rising sequence; damaged ones are left out). `step_pl_per_million`: pL per 1,000,000
    microsteps."""
    records = [record for record in map(unpack_record, raws) if record is not None]
    series = Series()
    if not records:
        return series
    _lay_out(records)
    series.begin_ms, series.end_ms = records[0].t_ms, max(record.t_ms for record in records)
    builder = _Builder(series, step_pl_per_million, records)
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

    def __init__(self, series: Series, step_pl: int, records: list[Record]) -> None:
        self._s = series
        self._pl = step_pl
        self._programme = _Programme(series.begin_ms)
        self._next_seq = records[0].seq
        self._base = -1
        self._uncertain = 0  # steps of all earlier restarts that may not have been delivered
        self._base_uncertain = 0
        self._running: dict[int, int] = {}

    def take(self, r: Record) -> None:
        s = self._s
        s.lost_records += max(0, r.seq - self._next_seq)
        self._next_seq = r.seq + 1
        self._programme.to(r.t_ms)
        if r.code == events.BOOT:
            self._boot(r)
        elif r.code == events.DOSE:
            self._point(r.t_ms, r.a, r.a + r.b)
        elif r.code == events.RATE:
            self._programme.set_basal(r.b)
            self._programme.mark()
        elif r.code == events.STATE:
            if r.b == states.INFUSING and r.c != states.INFUSING:
                self._point(r.t_ms, r.a - LEASE_MAX_STEPS, r.a)  # the lease in flight may or may not be part of its position
            self._programme.set_on(r.c == states.INFUSING)
            self._programme.mark()
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
        elif r.code in (events.FAULT, events.MONITOR_TRIP):
            s.faults.append(Mark(r.t_ms, r.detail, r.b))

    def _boot(self, r: Record) -> None:
        """A restart: everything intended counts in max (r.a), and r.b is the least delivered; therapy is off until a STATE says
        else."""
        self._programme.set_on(False)
        self._programme.mark()
        for index in self._running.values():
            bolus = self._s.boluses[index]
            self._s.boluses[index] = Bolus(bolus.command_id, bolus.t_ms, bolus.nl, bolus.duration_ms, r.t_ms, bolus.missing_nl)
        self._running.clear()
        if self._base < 0:
            self._base_uncertain = r.a - r.b
        elif r.detail != 2:
            self._s.cuts.append(Mark(r.t_ms, r.detail, r.a - r.b - self._uncertain))
        self._uncertain = r.a - r.b
        self._point(r.t_ms, r.a, r.a)
        self._s.uncertain_steps = self._uncertain - self._base_uncertain

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
        low = settled - self._base - (self._uncertain - self._base_uncertain)
        high = intent - self._base
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
