"""Random weekly schedules for hypothesis, and what they mean minute by minute: an oracle that shares nothing with
core/schedule.py. A week is a list of 10,080 rates, from Monday 00:00 on.
"""

from typing import Any

from hypothesis import strategies as st

from thecal.core.schedule import pack_day

Pattern = list[tuple[int, int]]  # (minute of the day, nL/day)
WEEK_MIN = 10_080


def rates(most: int = 200_000_000) -> st.SearchStrategy[int]:
    """0 or 1000..most nL/day; small numbers often, so that neighbours are equal now and then."""
    return st.one_of(st.just(0), st.integers(1_000, 1_003), st.integers(1_000, most))


@st.composite
def patterns(draw: st.DrawFn, most: int = 200_000_000, grid_min: int = 1) -> Pattern:
    """One day: 1 to 48 steps at whole multiples of `grid_min` minutes."""
    minutes = draw(st.sets(st.integers(1, 1439 // grid_min), max_size=47))
    return [(minute * grid_min, draw(rates(most))) for minute in [0, *sorted(minutes)]]


@st.composite
def weeks(draw: st.DrawFn, most: int = 200_000_000, grid_min: int = 1) -> tuple[list[Pattern], list[int]]:
    """(1 to 7 day patterns, the number of each weekday's pattern)."""
    days = draw(st.lists(patterns(most, grid_min), min_size=1, max_size=7))
    return days, draw(st.lists(st.integers(1, len(days)), min_size=7, max_size=7))


def fields_of(days: list[Pattern], week: list[int], safe: int = 0, offset_min: int = 0) -> dict[str, Any]:
    """The fields of a program that a schedule reads."""
    fields: dict[str, Any] = {f"day_{n}": b"" for n in range(1, 8)}
    fields.update({f"day_{n}": pack_day(day) for n, day in enumerate(days, 1)})
    return {**fields, "week": bytes(week), "rate_nl_per_day": safe, "utc_offset_biased_min": offset_min + 1440}


def minute_by_minute(days: list[Pattern], week: list[int]) -> list[int]:
    """The rate of each minute of the week."""
    line: list[int] = []
    for number in week:
        rate = -1
        steps = dict(days[number - 1])
        for minute in range(1440):
            rate = steps.get(minute, rate)
            line.append(rate)
    return line
