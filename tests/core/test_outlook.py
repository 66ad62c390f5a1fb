"""What the windows will hold, against brute force over every window end.

The oracle lives on a grid: all that happens begins, ends or falls on whole grid steps, and so every extreme of the sum is on the
grid or 1 ms before it (a bucket counts until 1 ms before it leaves). It knows nothing of buckets but for `longest`.
"""

from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weeks import Pattern, fields_of, weeks

from thecal.core.basal import TEMP, Basal
from thecal.core.outlook import Line, span_ms, worst_window
from thecal.core.schedule import DAY_MS
from thecal.core.windows import RING_1H, RING_4H, RING_24H, RINGS, Windows

HOUR = 3_600_000
MIN = 60_000
STEP_PL = 41_282_490_964
MONDAY_MS = 1_767_571_200_000
Flow = tuple[int, int, int]


class Case(NamedTuple):
    """Everything `worst_window` is told, with the past as a list of (board ms, steps)."""

    basal: Basal
    past: list[tuple[int, int]]
    flows: list[Flow]
    now_ms: int
    begin_ms: int
    until_ms: int
    history_ms: int = 1 << 50
    extra_steps: int = 0


def told(ring: int, case: Case) -> tuple[int, int]:
    windows = Windows()
    for t_ms, steps in case.past:
        windows.add(t_ms, steps)
    windows.roll(case.now_ms)
    return worst_window(
        ring,
        windows,
        Line(case.basal, case.now_ms, case.until_ms),
        case.flows,
        (case.now_ms, case.begin_ms, case.until_ms),
        (case.history_ms, case.basal.peak_nl_per_day()),
        (case.extra_steps, STEP_PL),
    )


def held(case: Case, end_ms: int, length_ms: int, window_ms: int) -> Fraction:
    """nL in the `length_ms` before `end_ms`. What is missing of the `window_ms` of history is basal at its peak."""
    tail = end_ms - length_ms
    steps = sum(steps for t_ms, steps in case.past if tail < t_ms <= end_ms)
    total = Fraction((steps + case.extra_steps) * STEP_PL, 10**9)
    low = max(tail, case.now_ms)
    total += Fraction(case.basal.units(low, end_ms), DAY_MS)
    for first, last, volume in case.flows:
        part = min(end_ms, last) - max(low, first)
        total += Fraction(volume * max(part, 0), last - first) if last > first else volume * (low <= first <= end_ms)
    missing = window_ms - case.history_ms - (end_ms - case.now_ms)
    return total + Fraction(case.basal.peak_nl_per_day() * max(missing, 0), DAY_MS)


def brute(case: Case, ring: int, longest: bool, grid_ms: int) -> Fraction:
    """The fullest window of every end on the grid. `longest`: windows are one bucket longer, as a ring may see them."""
    length, count = RINGS[ring]
    window_ms = length * count
    seen_ms = window_ms + (length if longest else 0)
    ends = set(range(case.begin_ms, case.until_ms + 1, grid_ms)) | {case.until_ms}
    ends |= {end - 1 for end in ends if end > case.begin_ms}
    return max(held(case, end, seen_ms, window_ms) for end in ends)


def plain(rate: int = 480_000) -> Basal:
    return Basal({"rate_nl_per_day": rate, "week": b"", "utc_offset_biased_min": 1440})


def flex(day: Pattern) -> Basal:
    """Every day the same; it is Monday 00:00 at board time 1,000 h."""
    b = Basal(fields_of([day], [1] * 7))
    b.wall_ms = MONDAY_MS - 1000 * HOUR
    return b


NOW = 1000 * HOUR


# --- by hand ----------------------------------------------------------------------------------------------------------------
def test_constant_basal_fills_the_window_and_one_bucket() -> None:
    case = Case(plain(), [], [], NOW, NOW, NOW + 2 * HOUR)
    assert told(RING_1H, case)[0] == 21_667  # 20 uL/h x 65 min


def test_the_end_of_the_fullest_window_is_told() -> None:
    case = Case(plain(0), [(NOW, 100)], [(NOW + 30 * MIN, NOW + 40 * MIN, 5_000)], NOW, NOW, NOW + 3 * HOUR)
    worst, when = told(RING_1H, case)
    assert worst == 4_129 + 5_000
    assert NOW + 40 * MIN - 1 <= when <= NOW + 40 * MIN  # 1 ms before, less than 1 nL is missing


def test_a_bolus_at_once_is_whole_in_every_window_that_sees_it() -> None:
    case = Case(plain(0), [], [(NOW + MIN, NOW + MIN, 5_000)], NOW, NOW, NOW + HOUR)
    assert told(RING_1H, case) == (5_000, NOW + MIN)


@pytest.mark.sr("SR-02")
def test_a_flex_rate_that_rises_after_the_bolus_counts() -> None:
    """The bolus is long over when the morning rate begins: a rule that looked only at its end would admit it under a limit of
    41 uL. By hand: the fullest 65 min begin with the bolus at 05:30; they hold it, 30 min at 1 uL/h and 35 min at 120 uL/h."""
    rising = flex([(0, 24_000), (360, 2_880_000)])  # 1 uL/h, from 06:00 on 120 uL/h
    at = NOW + 330 * MIN
    bolus = (at, at + 10 * MIN, 40_000)
    case = Case(rising, [], [bolus], at, at, at + 10 * MIN + span_ms(RING_1H))
    assert held(case, bolus[1], HOUR, HOUR) < 41_000
    worst, when = told(RING_1H, case)
    assert worst == 40_000 + 500 + 70_000
    assert at + 65 * MIN - 1 <= when <= at + 65 * MIN
    assert worst >= brute(case, RING_1H, False, 5 * MIN) > 100_000


@pytest.mark.sr("SR-02")
def test_what_is_promised_rests_in_the_window_until_the_wish_meets_it() -> None:
    """The rest of a running bolus, 6 h of it, beside a wish of a minute: every end sees its part of both."""
    case = Case(plain(0), [], [(NOW, NOW + 6 * HOUR, 60_000), (NOW, NOW + MIN, 30_000)], NOW, NOW, NOW + 7 * HOUR)
    worst, when = told(RING_4H, case)
    assert worst == 30_000 + 60_000 * 255 // 360
    assert NOW + 255 * MIN - 1 <= when <= NOW + 255 * MIN
    assert brute(case, RING_4H, False, 5 * MIN) <= worst <= brute(case, RING_4H, True, 5 * MIN) + 4


@pytest.mark.sr("SR-02")
def test_history_that_is_not_known_is_the_highest_rate_of_the_week() -> None:
    """A board that woke an hour ago, at night: its day may have held 16 h at 10 uL/h. Assuming the rate of the moment, or none,
    would admit 140 uL more."""
    night = flex([(0, 24_000), (480, 240_000)])
    young = Case(night, [], [], NOW + 2 * HOUR, NOW + 2 * HOUR, NOW + 2 * HOUR, history_ms=HOUR)
    assert told(RING_24H, young)[0] == 23 * 10_000
    assert told(RING_4H, young)[0] == 3 * 10_000
    assert told(RING_1H, young)[0] == 0
    later = young._replace(until_ms=NOW + 7 * HOUR)  # each hour that passes at 1 uL/h replaces one that was assumed
    assert told(RING_24H, later)[0] == 23 * 10_000
    assert told(RING_4H, young._replace(begin_ms=NOW + 4 * HOUR, until_ms=NOW + 4 * HOUR))[0] == 10_000 + 2_000


@pytest.mark.sr("SR-02")
def test_steps_of_the_past_stay_until_their_bucket_has_left() -> None:
    case = Case(plain(0), [(NOW - 50 * MIN, 1_000)], [(NOW + 12 * MIN, NOW + 13 * MIN, 9_000)], NOW, NOW, NOW + 2 * HOUR)
    assert told(RING_1H, case)[0] == 41_283 + 9_000  # the bucket of 10 past leaves at 15 past
    late = case._replace(flows=[(NOW + 15 * MIN, NOW + 16 * MIN, 9_000)])
    assert told(RING_1H, late)[0] == 41_283
    assert told(RING_1H, late._replace(begin_ms=NOW + 15 * MIN))[0] == 9_000


# --- brute force ------------------------------------------------------------------------------------------------------------
GRID = {RING_1H: 5 * MIN, RING_4H: 15 * MIN, RING_24H: HOUR}


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, Case]:
    """A ring and a case on its grid. Overlays, flex, promises, a future begin and a short history all come up."""
    ring = draw(st.sampled_from([RING_1H, RING_4H, RING_24H]))
    grid = GRID[ring]
    longest = 30 if ring != RING_24H else 12

    def steps(most: int) -> st.SearchStrategy[int]:
        return st.integers(0, most).map(lambda k: k * grid)

    basal = Basal(fields_of(*draw(weeks(3_000_000, grid // MIN)), safe=draw(st.sampled_from([0, 480_000]))))
    now = NOW + draw(steps(200))
    if draw(st.booleans()):
        basal.wall_ms = MONDAY_MS - NOW + draw(steps(2_000))
    if draw(st.booleans()):
        basal.lay(TEMP, draw(st.integers(0, 3_000_000)), now + draw(steps(longest)))
    past = sorted((now - draw(steps(2 * longest)), draw(st.integers(0, 5_000))) for _ in range(draw(st.integers(0, 6))))
    flows = []
    for _ in range(draw(st.integers(0, 3))):
        first = now + draw(steps(longest))
        flows.append((first, first + draw(steps(longest)), draw(st.integers(1, 200_000))))
    begin = now + draw(steps(6))
    until = begin + draw(steps(longest)) + span_ms(ring)
    history = draw(st.one_of(st.just(1 << 50), steps(40)))
    return ring, Case(basal, past, flows, now, begin, until, history, draw(st.integers(0, 40)))


@pytest.mark.sr("SR-02")
@settings(max_examples=150, deadline=None)
@given(cases())
def test_never_less_than_the_truth_and_never_more_than_one_bucket_longer(drawn: tuple[int, Case]) -> None:
    ring, case = drawn
    worst, when = told(ring, case)
    assert brute(case, ring, False, GRID[ring]) <= worst
    assert worst <= brute(case, ring, True, GRID[ring]) + 2 + len(case.flows)  # each part is rounded up
    assert case.begin_ms <= when <= case.until_ms
