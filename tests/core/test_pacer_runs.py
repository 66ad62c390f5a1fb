"""Whole runs of the pacer against the exact integral: random schedules, overlays, boluses and holds, and turns in which
nothing may be written. The oracle is the definition in fractions, over the time for which the pacer counts."""

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from weeks import Pattern, fields_of

from thecal.core import basal, pacer
from thecal.core.basal import Basal
from thecal.core.pacer import AHEAD, CHUNK, END, LEASE, WAIT, Pacer
from thecal.core.permit import LEASE_MAX_STEPS

DAY_MS = 86_400_000
NL_STEP = 1_000_000_000  # pL per 1,000,000 steps: 1 nL a step
RATES = st.one_of(st.sampled_from((0, 1_000, 4_000_000)), st.integers(1_000, 4_000_000))
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.one_of(st.integers(1, 3_000), st.integers(1, 200_000))),
        st.tuples(st.just("temp"), RATES, st.integers(1, 400_000)),
        st.tuples(st.just("minimum"), RATES),
        st.tuples(st.just("normal")),
        st.tuples(st.just("bolus"), st.integers(1, 60_000), st.integers(1, 400_000)),
        st.tuples(st.just("hold"), st.integers(1, 100_000)),
    ),
    min_size=2,
    max_size=14,
)
DAYS = st.lists(st.tuples(st.integers(1, 60), RATES), max_size=8, unique_by=lambda step: step[0])


class Run:
    """A pacer with an endless ledger and a motor that is busy until its last step, and the exact volume beside it: the sum of
    rate x time and of each bolus, as fractions, over the time for which the pacer counts."""

    def __init__(self, p: Pacer, step_pl: int, grudging: int) -> None:
        self.p = p
        self.step_nl = Fraction(step_pl, NL_STEP)
        self.grudging = grudging  # every so many turns no durable write is left
        self.turn = self.now = self.given = self.intent = self.first = self.busy_us = 0
        self.past = Fraction(0)
        self.bolus: tuple[int, int, int] | None = None
        self.page(0)

    def page(self, at_ms: int) -> None:
        """From `at_ms` on the rates are those of this basal."""
        self.since = at_ms
        self.basal = self.p.basal.twin()

    def exact(self, at_ms: int) -> Fraction:
        """Steps that are due by `at_ms`."""
        nl = self.past + Fraction(self.basal.units(self.since, at_ms), DAY_MS)
        if self.bolus is not None:
            start, volume, duration = self.bolus
            nl += Fraction(volume * (min(at_ms, start + duration) - min(self.since, start + duration)), duration)
        return nl / self.step_nl

    def turn_page(self) -> int:
        """What counts up to the pacer's moment is settled; returns that moment."""
        at = max(self.now, self.p._planned_ms)
        self.past = self.exact(at) * self.step_nl
        self.page(at)
        return at

    def check(self) -> None:
        assert abs(self.given + self.p.owed_steps() - self.exact(self.p._planned_ms)) < 1

    def go(self, until_ms: int) -> None:
        while True:
            due = self.look()
            self.check()
            if due > until_ms:
                break
            self.now = max(self.now, due)
        self.now = until_ms

    def look(self) -> int:
        """One turn, as the firmware's; returns when the next is."""
        p, now = self.p, self.now
        self.turn += 1
        may_write = self.turn % self.grudging != 0
        busy = now * 1000 < self.busy_us
        act = p.next_act(now, busy, may_write, self.intent - self.given)
        if act == LEASE:
            first_us, last_us = p.lease_us(now, now * 1000)
            assert now * 1000 <= first_us <= last_us <= now * 1000 + 1_100_000 and first_us >= self.busy_us
            assert 0 < p.steps <= min(LEASE_MAX_STEPS, self.intent - self.given)
            self.first, self.busy_us = self.given, last_us
            self.given += p.steps
            return p.taken(now, self.intent - self.given)
        assert may_write or act == WAIT
        if act in (CHUNK, AHEAD):
            assert busy == (act == AHEAD)
            settled = self.first if busy else self.given
            chunk = p.next_chunk(settled, self.intent, 0)
            if chunk:
                self.intent = settled + chunk
            return now if act == CHUNK else p.wake_ms
        if act == END:
            assert p.cancel_bolus() == 0 and self.bolus is not None
            self.turn_page()
            self.bolus = None
            return now
        if not busy and p.wake_ms > now:  # nothing is due: what was given is what should have been, to the step
            assert p.owed_steps() == 0 and abs(self.given - self.exact(max(now, p._planned_ms))) < 1
        return p.wake_ms

    def do(self, kind: str, *figures: int) -> None:
        p, now = self.p, self.now
        if kind == "run":
            self.go(now + figures[0])
        elif kind == "bolus" and self.bolus is None:
            p.add_bolus(now, *figures)
            self.bolus = (self.turn_page(), figures[0], figures[1])
        elif kind == "hold":
            p.stop(now)
            at = self.turn_page()
            p.cancel_bolus()
            self.bolus = None
            self.now += figures[0]
            p.begin(self.now)
            assert p._planned_ms == self.now + at - now
            self.page(p._planned_ms)
        elif kind != "bolus":
            p._sync(now)
            at = self.turn_page()
            if kind == "temp":
                p.basal.lay(basal.TEMP, figures[0], now + figures[1])
            elif kind == "minimum":
                p.basal.lay(basal.MINIMUM, figures[0], 0)
            else:
                p.basal.lay(basal.NONE, 0, 0)
            p.change_rate_in_run(now, basal.WHY_NORMAL)
            self.page(at)


@settings(max_examples=100, deadline=None)
@given(
    step_pl=st.sampled_from((NL_STEP, 41_282_490_964, 999_999_999_989)),
    rate=RATES,
    day=DAYS,
    begin_ms=st.integers(0, 60_000),
    chunk_nl=st.sampled_from((1, 300, 100_000)),
    grudging=st.sampled_from((2, 3, 1_000_000)),
    events=EVENTS,
)
def test_what_is_given_is_the_exact_integral_within_one_step(
    step_pl: int, rate: int, day: Pattern, begin_ms: int, chunk_nl: int, grudging: int, events: list[tuple[Any, ...]]
) -> None:
    fields = fields_of([[(0, rate), *sorted(day)]], [1] * 7)
    clocked = Basal(fields)
    clocked.wall_ms = 0
    p = Pacer(step_pl, 1_000_000, clocked)
    p.load({"chunk_nl": chunk_nl}, clocked)
    p.begin(begin_ms)
    run = Run(p, step_pl, grudging)
    run.now = begin_ms
    run.page(begin_ms)
    for kind, *figures in events:
        run.do(kind, *figures)
        run.check()
    run.do("run", 5_000)
    assert abs(run.given + p.owed_steps() - run.exact(p._planned_ms)) < 1
    assert p._planned_ms <= run.now + pacer.LOOKAHEAD_MS + 1
