"""The accumulator against an oracle in fractions.Fraction, written from the definition alone: a basal rate in nL/day, a bolus of
V nL spread evenly over T ms, time in ms. At every point |steps x step volume - integral| < 1 step, strictly."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core.accumulator import FAR_MS, Accumulator

DAY_MS = 86_400_000
RATES = st.one_of(st.sampled_from((0, 1_000, 1_001, 200_000_000)), st.integers(1_000, 200_000_000))
STEPS_PL = st.one_of(
    st.sampled_from((100_000_000, 41_282_490_964, 1_000_000_000_000, 999_999_999_989)),
    st.integers(100_000_000, 1_000_000_000_000),
)
DT_MS = st.one_of(
    st.integers(0, 3),
    st.sampled_from((1, 10, 999, 1_000, 60_000, DAY_MS)),
    st.integers(0, 3_600_000),
    st.integers(0, 40 * DAY_MS),
)
CHANGES = st.one_of(
    st.tuples(st.just("rate"), RATES),
    st.tuples(st.just("bolus"), st.integers(1, 50_000_000), st.integers(1, DAY_MS)),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("hold"), DT_MS),
    st.tuples(st.just("run"), st.lists(DT_MS, min_size=1, max_size=6)),
)


class Oracle:
    """The exact volume in nL."""

    def __init__(self) -> None:
        self.volume = Fraction(0)
        self.rate = 0
        self.bolus: tuple[int, int, int] | None = None  # V nL, T ms, elapsed ms

    def run(self, dt_ms: int) -> None:
        self.volume += Fraction(self.rate * dt_ms, DAY_MS)
        if self.bolus is not None:
            volume, total_ms, elapsed = self.bolus
            used = min(dt_ms, total_ms - elapsed)
            self.volume += Fraction(volume * used, total_ms)
            elapsed += used
            self.bolus = None if elapsed == total_ms else (volume, total_ms, elapsed)

    def missing(self) -> Fraction:
        if self.bolus is None:
            return Fraction(0)
        volume, total_ms, elapsed = self.bolus
        return Fraction(volume * (total_ms - elapsed), total_ms)


class Pair:
    """Accumulator and oracle side by side; `run` compares after every advance."""

    def __init__(self, step_pl: int) -> None:
        self.step_nl = Fraction(step_pl, 10**9)
        self.real = Accumulator(step_pl)
        self.oracle = Oracle()
        self.steps = 0

    def run(self, dt_ms: int) -> int:
        new = self.real.advance(dt_ms)
        assert new >= 0
        self.steps += new
        self.oracle.run(dt_ms)
        self.compare()
        return new

    def compare(self) -> None:
        error = self.steps * self.step_nl - self.oracle.volume
        assert -self.step_nl < error < self.step_nl
        assert 0 <= self.real.phase < self.real.step_units

    def apply(self, change: tuple) -> None:
        if change[0] == "rate":
            self.real.set_rate(change[1])
            self.oracle.rate = change[1]
        elif change[0] == "bolus" and self.oracle.bolus is None:
            self.real.start_bolus(change[1], change[2])
            self.oracle.bolus = (change[1], change[2], 0)
        elif change[0] == "cancel":
            missing = self.real.cancel_bolus()
            exact = self.oracle.missing()
            self.oracle.bolus = None
            assert -1 < missing - exact < 1
            self.compare()
        elif change[0] == "run":
            for dt_ms in change[1]:
                self.run(dt_ms)


def test_one_nl_a_step() -> None:
    """1 nL a microstep at 86,400 nL/day is one step a second, at the very millisecond."""
    accumulator = Accumulator(1_000_000_000)
    accumulator.set_rate(86_400)
    assert [accumulator.advance(500) for _ in range(6)] == [0, 1, 0, 1, 0, 1]
    assert accumulator.advance(999) == 0
    assert accumulator.advance(1) == 1
    assert accumulator.advance(DAY_MS) == 86_400


def test_nothing_programmed_nothing_moves() -> None:
    accumulator = Accumulator(1_000_000_000)
    assert accumulator.advance(1000 * DAY_MS) == 0
    assert accumulator.ms_to_step(1) == FAR_MS


def test_a_bolus_ends_exactly() -> None:
    accumulator = Accumulator(1_000_000_000)
    accumulator.start_bolus(7, 3_000)
    assert [accumulator.advance(1_000) for _ in range(4)] == [2, 2, 3, 0]
    assert accumulator.cancel_bolus() == 0


def test_cancel_says_what_is_missing() -> None:
    accumulator = Accumulator(1_000_000_000)
    accumulator.start_bolus(100, 1_000)
    assert accumulator.advance(250) == 25
    assert accumulator.bolus_left_nl() == 75
    assert accumulator.cancel_bolus() == 75
    assert accumulator.advance(10_000) == 0


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="step_pl_per_million"):
        Accumulator(0)
    accumulator = Accumulator(1_000_000_000)
    with pytest.raises(ValueError, match="rate_nl_per_day"):
        accumulator.set_rate(-1)
    for volume, duration in ((0, 1), (1, 0), (-1, 1)):
        with pytest.raises(ValueError, match="bolus"):
            accumulator.start_bolus(volume, duration)
    accumulator.start_bolus(1, 1)
    with pytest.raises(ValueError, match="bolus_running"):
        accumulator.start_bolus(1, 1)


@settings(max_examples=300, deadline=None)
@given(STEPS_PL, st.lists(CHANGES, max_size=40))
def test_error_is_always_below_one_step(step_pl: int, changes: list[tuple]) -> None:
    pair = Pair(step_pl)
    for change in changes:
        pair.apply(change)


@settings(max_examples=100, deadline=None)
@given(
    STEPS_PL,
    RATES,
    st.integers(1, 50_000_000),
    st.integers(1, DAY_MS),
    st.lists(st.integers(1, 3_600_000), min_size=1, max_size=30),
)
def test_the_clock_s_granularity_changes_nothing(step_pl: int, rate: int, volume: int, duration: int, cuts: list[int]) -> None:
    fine, coarse = Pair(step_pl), Pair(step_pl)
    for pair in (fine, coarse):
        pair.apply(("rate", rate))
        pair.apply(("bolus", volume, duration))
    for dt_ms in cuts:
        fine.run(dt_ms)
    coarse.run(sum(cuts))
    assert (fine.steps, fine.real.phase) == (coarse.steps, coarse.real.phase)


@settings(max_examples=150, deadline=None)
@given(
    STEPS_PL,
    RATES,
    st.one_of(st.none(), st.tuples(st.integers(1, 50_000_000), st.integers(1, DAY_MS))),
    DT_MS,
    st.integers(1, 2_000),
)
def test_the_forecast_is_what_happens(step_pl: int, rate: int, bolus: tuple[int, int] | None, before: int, n: int) -> None:
    """`ms_to_step(n)` is the least time after which n more steps are due, `steps_in` counts them, and neither changes
    anything."""
    pair = Pair(step_pl)
    pair.apply(("rate", rate))
    if bolus is not None:
        pair.apply(("bolus", *bolus))
    pair.run(before)
    wait = pair.real.ms_to_step(n)
    phase = pair.real.phase
    if wait == FAR_MS:
        assert rate == 0 and pair.oracle.missing() < n * pair.step_nl
        return
    assert pair.real.steps_in(wait) >= n
    assert wait == 0 or pair.real.steps_in(wait - 1) < n
    assert (wait - 1) * 1000 <= pair.real.us_to_step(n) <= wait * 1000
    assert pair.real.phase == phase
    assert pair.run(wait) >= n


def test_every_millisecond_of_a_busy_minute() -> None:
    """The worst granularity there is, through a bolus, a change of rate and a cancel: the bound holds at each of 60,000
    points."""
    pair = Pair(41_282_490_964)
    pair.apply(("rate", 480_000))
    for ms in range(60_000):
        if ms == 7_001:
            pair.apply(("bolus", 40_000, 600_000))
        if ms == 31_337:
            pair.apply(("rate", 123_456_789))
        if ms == 50_003:
            pair.apply(("cancel",))
        pair.run(1)
    assert pair.steps > 900


def test_the_phase_of_a_bolus_is_never_behind_the_integral() -> None:
    """Rounding up, not down, is what makes the bound strict: 1 nL over 7 ms, looked at every ms."""
    acc = Accumulator(100_000_000)
    acc.start_bolus(1, 7)
    given = 0
    for elapsed in range(1, 8):
        given += acc.advance(1) * acc.step_units
        exact = Fraction(54_000_000_000 * elapsed, 7)
        assert 0 <= given + acc.phase - exact < 1
