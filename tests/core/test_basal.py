"""Which rate holds when: by hand, then against a calendar written with Python's datetime."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weeks import Pattern, fields_of, minute_by_minute, weeks

from thecal.core import basal
from thecal.core.basal import Basal
from thecal.core.schedule import DAY_MS, FAR_MS

HOUR = 3_600_000
MONDAY_MS = 1_767_571_200_000  # 2026-01-05 00:00 UTC
DAY: Pattern = [(0, 48_000), (480, 96_000), (1320, 24_000)]
EVERY_DAY = [1] * 7


def at_unix(b: Basal, unix_ms: int, board_ms: int = 0) -> Basal:
    """`b` with its wall clock set so that it is `unix_ms` at board time `board_ms`."""
    b.wall_ms = unix_ms - board_ms
    return b


def flex(offset_min: int = 0, safe: int = 12_000) -> Basal:
    return Basal(fields_of([DAY], EVERY_DAY, safe, offset_min))


@pytest.mark.sr("SR-24")
def test_without_a_clock_a_flex_program_has_its_safe_rate_and_nothing_else() -> None:
    b = flex()
    assert not b.clock_known()
    assert {b.rate_at(t) for t in range(0, 2 * DAY_MS, HOUR)} == {12_000}
    assert b.next_change_ms(5) == FAR_MS
    assert b.nl(0, DAY_MS) == 12_000
    at_unix(b, MONDAY_MS)
    assert b.clock_known()
    assert (b.rate_at(0), b.rate_at(8 * HOUR), b.rate_at(22 * HOUR)) == (48_000, 96_000, 24_000)
    assert b.nl(0, DAY_MS) == 74_000
    assert (b.peak_nl_per_day(), b.daily_nl()) == (96_000, 74_000)


def test_the_safe_rate_counts_in_peak_and_daily_dose() -> None:
    b = flex(safe=100_000)
    assert (b.peak_nl_per_day(), b.daily_nl()) == (100_000, 100_000)


def test_a_continuous_program_needs_no_clock() -> None:
    b = Basal({"rate_nl_per_day": 480_000, "week": b"", "utc_offset_biased_min": 1440})
    assert b.clock_known()
    assert b.rate_at(0) == b.rate_at(10 * DAY_MS) == 480_000
    assert b.next_change_ms(0) == FAR_MS
    at_unix(b, MONDAY_MS)
    assert b.next_change_ms(0) == FAR_MS


@pytest.mark.parametrize(
    ("offset_min", "rate"), [(0, 48_000), (60, 48_000), (480, 96_000), (-60, 24_000), (-120, 24_000), (-121, 96_000)]
)
def test_the_offset_is_minutes_east_of_utc(offset_min: int, rate: int) -> None:
    assert at_unix(flex(offset_min), MONDAY_MS).rate_at(0) == rate


def test_a_temporary_rate_holds_until_its_time_and_not_a_ms_longer() -> None:
    b = at_unix(flex(), MONDAY_MS)
    b.lay(basal.TEMP, 7_000, 9 * HOUR)
    assert b.rate_at(9 * HOUR - 1) == 7_000
    assert b.rate_at(9 * HOUR) == 96_000
    assert b.next_change_ms(0) == 9 * HOUR
    assert b.next_change_ms(9 * HOUR) == 22 * HOUR
    assert b.scheduled(0) == 48_000
    b.lay(basal.NONE, 0, 0)
    assert (b.rate_at(0), b.next_change_ms(0)) == (48_000, 8 * HOUR)


def test_minimum_has_no_end_and_hides_the_schedule() -> None:
    b = at_unix(flex(), MONDAY_MS)
    b.lay(basal.MINIMUM, 1_000, 0)
    assert b.rate_at(0) == b.rate_at(100 * DAY_MS) == 1_000
    assert b.next_change_ms(0) == FAR_MS


@pytest.mark.sr("SR-24")
def test_capped_only_lowers() -> None:
    b = at_unix(flex(), MONDAY_MS)
    b.lay(basal.CAPPED, 50_000, 23 * HOUR)
    assert [b.rate_at(h * HOUR) for h in (0, 8, 22, 23)] == [48_000, 50_000, 24_000, 24_000]
    assert [b.next_change_ms(h * HOUR) for h in (0, 8, 22)] == [8 * HOUR, 22 * HOUR, 23 * HOUR]
    b.wall_ms = None
    assert b.rate_at(0) == 12_000


def test_a_twin_is_tried_on_without_touching_the_first() -> None:
    b = at_unix(flex(60), MONDAY_MS)
    b.lay(basal.CAPPED, 5_000, HOUR)
    twin = b.twin()
    for name in ("kind", "rate", "until_ms", "wall_ms", "flex", "safe_nl_per_day", "schedule", "_offset_ms"):
        assert getattr(twin, name) == getattr(b, name)
    assert vars(twin).keys() == vars(b).keys()
    twin.lay(basal.TEMP, 200_000, 5 * HOUR)
    assert b.rate_at(0) == 5_000
    assert (b.plain().rate_at(0), b.plain().next_change_ms(0)) == (48_000, 7 * HOUR)
    assert b.kind == basal.CAPPED


def true_rate(line: list[int], unix_ms: int, offset_min: int) -> int:
    """By the calendar: what the local clock on the wall shows."""
    local = datetime.fromtimestamp(unix_ms // 1000, UTC) + timedelta(minutes=offset_min)
    return line[local.weekday() * 1440 + local.hour * 60 + local.minute]


UNIX = st.integers(1_577_836_800_000, 4_102_444_800_000)
OFFSETS = st.integers(-14 * 60, 14 * 60)
OVERLAYS = st.tuples(st.sampled_from([0, 1, 2, 3]), st.integers(0, 300_000), st.integers(0, 40 * HOUR))


@settings(max_examples=120, deadline=None)
@given(weeks(most=300_000), UNIX, OFFSETS, OVERLAYS, st.integers(0, 10**9), st.integers(1, 30 * HOUR), st.booleans())
def test_against_the_calendar(
    drawn: tuple[list[Pattern], list[int]],
    unix_ms: int,
    offset_min: int,
    overlay: tuple[int, int, int],
    board_ms: int,
    span_ms: int,
    known: bool,
) -> None:
    """rate, next change and integral, from change to change and minute by minute."""
    line = minute_by_minute(*drawn)
    b = Basal(fields_of(*drawn, safe=2_500, offset_min=offset_min))
    if known:
        at_unix(b, unix_ms, board_ms)
    kind, over, over_ms = overlay
    b.lay(kind, over, board_ms + over_ms)

    def true(t_ms: int) -> int:
        plain = true_rate(line, unix_ms + t_ms - board_ms, offset_min) if known else 2_500
        if kind == 2:
            return over
        if kind == 0 or t_ms >= board_ms + over_ms:
            return plain
        return over if kind == 1 else min(over, plain)

    end_ms = board_ms + span_ms
    total = 0
    t_ms = board_ms
    change = b.next_change_ms(t_ms)
    until_change = true(t_ms)
    while t_ms < end_ms:
        rate = true(t_ms)
        assert b.rate_at(t_ms) == rate
        if t_ms >= change:
            change = b.next_change_ms(t_ms)
            until_change = rate
        assert change > t_ms
        assert rate == until_change
        then = min(t_ms + 60_000 - (unix_ms + t_ms - board_ms) % 60_000, end_ms)  # the next whole minute on the wall
        if t_ms < board_ms + over_ms < then:
            then = board_ms + over_ms
        total += rate * (then - t_ms)
        t_ms = then
    assert b.units(board_ms, end_ms) == total
    assert b.nl(board_ms, end_ms) == -(-total // DAY_MS)
    assert b.units(end_ms, board_ms) == 0
