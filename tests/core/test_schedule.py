"""The week as rates: by hand, then against a list of all 10,080 minutes."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from weeks import WEEK_MIN, Pattern, fields_of, minute_by_minute, patterns, weeks

from thecal.core.schedule import FAR_MS, MINUTE_MS, WEEK_MS, Schedule, day_steps, pack_day, week_ms

DAY: Pattern = [(0, 48_000), (480, 96_000), (1320, 24_000)]
FREE: Pattern = [(0, 24_000)]
WORKDAYS = [1, 1, 1, 1, 1, 2, 2]


def test_bytes_of_a_day_by_hand() -> None:
    """40 bits, little-endian: minute << 29 | rate."""
    assert pack_day([(0, 1000)]) == b"\xe8\x03\x00\x00\x00"
    assert pack_day([(0, 0), (1439, 200_000_000)]) == bytes(5) + (1439 << 29 | 200_000_000).to_bytes(5, "little")
    assert day_steps(b"\xe8\x03\x00\x00\x00" + b"\x00\x00\x00\x20\x00") == [(0, 1000), (1, 0)]
    assert day_steps(b"") == day_steps(b"\xe8\x03\x00\x00") == []


@pytest.mark.parametrize("step", [(-1, 0), (1440, 0), (0, -1), (0, 1 << 29)])
def test_a_step_that_does_not_fit_is_refused_not_cut(step: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="day step"):
        pack_day([(0, 1000), step])


@given(patterns())
def test_days_round_trip(day: Pattern) -> None:
    raw = pack_day(day)
    assert len(raw) == 5 * len(day)
    assert day_steps(raw) == day


def test_monday_begins_where_the_calendar_says() -> None:
    assert week_ms(0) == 3 * 86_400_000  # 1970-01-01 was a Thursday
    assert week_ms(4 * 86_400_000) == 0  # 1970-01-05, a Monday
    assert week_ms(4 * 86_400_000 - 1) == WEEK_MS - 1
    assert week_ms(1_767_571_200_000) == 0  # 2026-01-05 00:00
    assert week_ms(-3 * 86_400_000) == 0  # a local time before 1970 counts on just the same


def test_a_week_by_hand() -> None:
    s = Schedule(fields_of([DAY, FREE], WORKDAYS))
    hour = 60 * MINUTE_MS
    assert s.rate_at(0) == 48_000
    assert s.rate_at(8 * hour - 1) == 48_000
    assert s.rate_at(8 * hour) == 96_000
    assert s.rate_at(22 * hour) == 24_000
    assert s.rate_at(24 * hour) == 48_000  # Tuesday
    assert s.rate_at(4 * 24 * hour + 22 * hour) == 24_000  # Friday night: 24 uL/day until Monday
    assert s.left_ms(4 * 24 * hour + 22 * hour) == 50 * hour
    assert s.left_ms(WEEK_MS - 1) == 1
    assert s.left_ms(7 * hour + 1) == hour - 1
    assert s.peak_nl_per_day() == 96_000
    # 8 h at 2 uL/h, 14 h at 4, 2 h at 1
    assert s.daily_max_nl() == 16_000 + 56_000 + 2_000
    assert s.worst_window_nl(60) == 4_000
    assert s.worst_window_nl(15 * 60) == 2_000 + 56_000


def test_one_rate_never_changes() -> None:
    for s in (
        Schedule(fields_of([FREE], [1] * 7)),
        Schedule(fields_of([FREE, [(0, 24_000), (700, 24_000)]], WORKDAYS)),
        Schedule({"rate_nl_per_day": 24_000, "week": b""}),
    ):
        assert s.rates == [24_000]
        assert s.left_ms(0) == s.left_ms(WEEK_MS - 1) == FAR_MS
        assert s.daily_max_nl() == s.worst_window_nl(1440) == 24_000


def test_a_week_that_ends_as_it_begins_runs_on_over_midnight_of_sunday() -> None:
    s = Schedule(fields_of([[(0, 24_000), (600, 48_000), (601, 24_000)]], [1] * 7))
    assert s.left_ms(WEEK_MS - 1) == 600 * MINUTE_MS + 1
    assert s.worst_window_nl(1) == 34  # 48,000 / 1440, rounded up
    assert s.worst_window_nl(1440) == 24_000 + 17  # and not a minute more of the high rate


@settings(max_examples=30, deadline=None)
@given(weeks())
def test_every_minute_of_the_week(drawn: tuple[list[Pattern], list[int]]) -> None:
    line = minute_by_minute(*drawn)
    s = Schedule(fields_of(*drawn))
    ahead = WEEK_MIN  # minutes to the next change, from the end backwards over two weeks
    left = [0] * WEEK_MIN
    for minute in range(2 * WEEK_MIN - 1, -1, -1):
        here = minute % WEEK_MIN
        ahead = 1 if line[(here + 1) % WEEK_MIN] != line[here] else ahead + 1
        left[here] = ahead
    changing = len(set(line)) > 1
    for minute, rate in enumerate(line):
        into = minute * 7919 % MINUTE_MS  # somewhere in the minute, its first ms included
        at = minute * MINUTE_MS + into
        assert s.rate_at(at) == rate
        assert s.left_ms(at) == (left[minute] * MINUTE_MS - into if changing else FAR_MS)
    assert s.peak_nl_per_day() == max(line)


def worst_of(line: list[int], minutes: int) -> int:
    """The fullest run of `minutes`, one start after the other; nL rounded up."""
    twice = line + line
    total = worst = sum(twice[:minutes])
    for start in range(WEEK_MIN):
        total += twice[start + minutes] - twice[start]
        worst = max(worst, total)
    return -(-worst // 1440)


@settings(max_examples=60, deadline=None)
@given(weeks(), st.sampled_from([1, 65, 255, 1500, 10_080]), st.integers(1, WEEK_MIN))
@example(([[(0, 0), (1439, 200_000_000)], [(0, 200_000_000), (1, 0)]], [1, 2, 1, 2, 1, 2, 2]), 65, 2)
def test_the_worst_window_and_the_fullest_day(drawn: tuple[list[Pattern], list[int]], usual: int, any_length: int) -> None:
    line = minute_by_minute(*drawn)
    s = Schedule(fields_of(*drawn))
    for minutes in (usual, any_length):
        assert s.worst_window_nl(minutes) == worst_of(line, minutes)
    assert s.daily_max_nl() == max(-(-sum(line[day : day + 1440]) // 1440) for day in range(0, WEEK_MIN, 1440))
