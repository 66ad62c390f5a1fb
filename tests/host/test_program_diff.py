"""Two programs beside each other: every change is marked, its direction is right, and the week is told to the minute."""

from typing import Any

import pytest
from cli_bench import MORPHINE
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core import program_table
from thecal.core.schedule import pack_day
from thecal_host import boards, prescriptions, program_diff, program_week
from thecal_host.paths import examples_dir
from thecal_host.program_diff import increases, mark_of, rows
from thecal_host.program_week import CHANGED, LESS, MORE, SAME

PART = boards.load("virtual").part
BASE: dict[str, Any] = dict(prescriptions.load(MORPHINE, PART).fields)
FLEX: dict[str, Any] = dict(prescriptions.load(examples_dir() / "baclofen_flex_night.toml", PART).fields)
DAY_MS = 86_400_000

HIGHER_IS_MORE = (
    "rate_nl_per_day max_rate_nl_per_day max_bolus_nl limit_1h_nl limit_4h_nl limit_24h_nl boluses_per_24h reservoir_nl "
    "min_rate_nl_per_day patient_bolus_nl max_temp_ms max_hold_ms raise_per_mille raise_nl_per_day concentration_ng_per_ml"
)
LOWER_IS_MORE = "bolus_lockout_ms reservoir_low_nl patient_bolus_ms raise_window_ms"


# --- fields ------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", HIGHER_IS_MORE.split())
def test_more_when_higher(key: str) -> None:
    higher = {**BASE, key: BASE[key] + 1000}
    assert (mark_of(key, BASE, higher), mark_of(key, higher, BASE), mark_of(key, BASE, BASE)) == (MORE, LESS, SAME)


@pytest.mark.parametrize("key", LOWER_IS_MORE.split())
def test_more_when_lower(key: str) -> None:
    base = {**BASE, key: 500_000}
    lower = {**base, key: 400_000}
    assert (mark_of(key, base, lower), mark_of(key, lower, base)) == (MORE, LESS)


@pytest.mark.parametrize(
    ("key", "old", "new", "mark"),
    [
        ("raise_window_ms", DAY_MS, 0, MORE),  # no rule at all is looser than any
        ("raise_window_ms", 0, DAY_MS, LESS),
        ("library_crc", 5, 0, MORE),
        ("library_crc", 5, 6, CHANGED),
        ("overrides", 1, 3, MORE),
        ("overrides", 4, 3, MORE),  # others than before, though the number is lower
        ("overrides", 3, 1, LESS),
        ("basal_resumes", 0, 1, MORE),
        ("drug", "morphine", "baclofen", CHANGED),
        ("utc_offset_biased_min", 1440, 1500, CHANGED),
        ("mode", 1, 2, CHANGED),
    ],
)
def test_special_cases(key: str, old: Any, new: Any, mark: str) -> None:
    assert mark_of(key, {**BASE, key: old}, {**BASE, key: new}) == mark


def test_a_stronger_solution_makes_every_volume_more() -> None:
    marks = {row.key: row.mark for row in rows(BASE, {**BASE, "concentration_ng_per_ml": 50_000_000})}
    assert all(marks[key] == MORE for key in ("rate_nl_per_day", "max_bolus_nl", "limit_24h_nl", "concentration_ng_per_ml"))
    assert marks["reservoir_nl"] == SAME
    assert "limits.per_24h: 20 mg (0.8 mL) -> 40 mg (0.8 mL)" in increases(BASE, {**BASE, "concentration_ng_per_ml": 50_000_000})


def test_every_field_of_the_table_is_in_the_rows() -> None:
    keys = {row.key for row in rows(BASE, BASE)}
    assert keys | {"week", *(f"day_{number}" for number in range(1, 8))} == {row[1] for row in program_table.FIELDS}
    assert all(row.label != row.key for row in rows(BASE, BASE))  # each has a name for people
    assert keys >= set(program_diff.ALLOWS)


FIELD_VALUES = {row[1]: st.integers(row[4], row[5]) for row in program_table.FIELDS if row[2] == program_table.INT}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_change_is_ever_without_a_mark(data: st.DataObject) -> None:
    """Any one field, any two values: marked both ways, opposite ways where it has a direction, and told where it is more."""
    key = data.draw(st.sampled_from(sorted(FIELD_VALUES)))
    old, new = data.draw(FIELD_VALUES[key]), data.draw(FIELD_VALUES[key])
    before, after = {**BASE, key: old}, {**BASE, key: new}
    marks = mark_of(key, before, after), mark_of(key, after, before)
    assert (SAME in marks) == (old == new)
    if old != new and key != "overrides":
        assert set(marks) in ({MORE, LESS}, {CHANGED}, {MORE}, {LESS})
    if marks[0] == MORE and "rate_nl_per_day" not in key:
        assert any(program_diff.TOML_KEYS.get(key, key) in text for text in increases(before, after))


# --- the week ----------------------------------------------------------------------------------------------------------------
def test_days_are_grouped_and_each_change_has_a_row() -> None:
    higher = {**FLEX, "day_1": pack_day([(0, 225_000), (360, 150_000), (720, 160_000), (1320, 200_000)])}
    found = [(row.days, row.time, row.old, row.new, row.mark) for row in program_week.day_rows(FLEX, higher)]
    assert found == [
        ("Mon-Fri", "00:00", 225_000, 225_000, SAME),
        ("Mon-Fri", "06:00", 150_000, 150_000, SAME),
        ("Mon-Fri", "12:00", 150_000, 160_000, MORE),
        ("Mon-Fri", "22:00", 225_000, 200_000, LESS),
        ("Sat, Sun", "00:00", 225_000, 225_000, SAME),
        ("Sat, Sun", "08:00", 150_000, 150_000, SAME),
        ("Sat, Sun", "22:00", 225_000, 225_000, SAME),
    ]
    assert increases(FLEX, higher) == ["basal Mon-Fri from 12:00: 300 mcg/day (0.15 mL/day) -> 320 mcg/day (0.16 mL/day)"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 200_000_000)), min_size=1, max_size=20), st.permutations(range(7)))
def test_the_daily_dose_is_the_sum_of_its_minutes(steps: list[tuple[int, int]], days: list[int]) -> None:
    line = sorted({0: 5_000, **dict(steps)}.items())
    week = bytes(1 if day < days[0] else 2 for day in range(7))
    fields = {**FLEX, "week": week, "day_1": pack_day(line), "day_2": pack_day([(0, 7_000)])}
    minute_sum = sum(rate for minute in range(1440) for rate in [[r for m, r in line if m <= minute][-1]])
    expected = [-(-minute_sum // 1440) if day < days[0] else 7_000 for day in range(7)]
    assert program_week.daily_nl(fields) == expected


def test_names_of_days() -> None:
    texts = [program_week.days_text(days) for days in ([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4], [5, 6], [2], [0, 2, 4])]
    assert texts == ["every day", "Mon-Fri", "Sat, Sun", "Wed", "Mon, Wed, Fri"]
