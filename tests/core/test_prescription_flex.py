"""Flex programs and the fields of format 2: every code by hand, valid ones round trip, a damaged schedule never passes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import PART, STEP, flex
from weeks import WEEK_MIN, Pattern, minute_by_minute, weeks

from thecal.core import prescription as rx
from thecal.core import program_table as t
from thecal.core.schedule import day_steps, pack_day

DAY: Pattern = [(0, 240_000), (480, 480_000), (1320, 240_000)]
FREE: Pattern = [(0, 240_000)]
WEEK = [1, 1, 1, 1, 1, 2, 2]


def problems(**changes: Any) -> list[tuple[str, int, int, int]]:
    """(key, value, limit, code) of the example week with `changes`."""
    return [(p.key, p.value, p.limit, p.code) for p in rx.validate({**flex([DAY, FREE], WEEK), **changes}, PART)]


def test_the_example_is_good() -> None:
    assert problems() == []
    assert problems(rate_nl_per_day=0) == []  # a safe rate of nothing
    assert problems(rate_nl_per_day=1_000) == []
    assert problems(rate_nl_per_day=999) == [("rate_nl_per_day", 999, 1_000, t.LOW)]


@pytest.mark.parametrize(
    ("steps", "number"),
    [
        ([(1, 240_000)], 1),  # a day begins at midnight
        ([(0, 240_000), (60, 480_000), (60, 240_000)], 3),
        ([(0, 240_000), (60, 480_000), (59, 240_000)], 3),
        ([(0, 240_000), (1, 999)], 2),
        ([(0, 1)], 1),
    ],
)
def test_steps_out_of_order_or_range(steps: Pattern, number: int) -> None:
    assert problems(day_2=pack_day(steps)) == [("day_2", number, 0, t.PATTERN_BAD)]


def test_minutes_and_rates_that_pack_day_would_not_make() -> None:
    for minute, rate in ((1440, 240_000), (2047, 240_000), (5, 200_000_001), (5, (1 << 29) - 1)):
        raw = pack_day([(0, 240_000)]) + (minute << 29 | rate).to_bytes(5, "little")
        assert problems(day_1=raw, max_rate_nl_per_day=200_000_000)[0] == ("day_1", 2, 0, t.PATTERN_BAD)


@pytest.mark.parametrize("extra", [1, 4])
def test_half_a_step(extra: int) -> None:
    assert problems(day_1=pack_day(DAY) + bytes(extra)) == [("day_1", 4, 0, t.PATTERN_BAD)]


def test_a_rate_above_the_programs_own() -> None:
    day = pack_day([(0, 240_000), (60, 480_001)])
    assert problems(day_1=day, max_rate_nl_per_day=480_000) == [("day_1", 480_001, 480_000, t.RATE_ABOVE_MAX)]
    assert problems(day_1=day, max_rate_nl_per_day=480_001) == []


def test_48_steps_and_not_one_more() -> None:
    most = pack_day([(30 * k, 240_000 + k) for k in range(48)])
    assert problems(day_1=most) == []
    assert ("day_1", 245, 240, t.HIGH) in problems(day_1=most + pack_day([(0, 1_000)]))


def test_the_week_names_what_is_there() -> None:
    assert problems(week=bytes([1, 1, 1, 1, 1, 2, 3])) == [("week", 3, 7, t.PATTERN_MISSING)]
    assert problems(week=bytes([0, 1, 1, 1, 1, 2, 2])) == [("week", 0, 7, t.PATTERN_MISSING)]
    assert problems(week=bytes([8, 1, 1, 1, 1, 2, 2])) == [("week", 8, 7, t.PATTERN_MISSING)]
    assert problems(week=bytes([1] * 7)) == [("day_2", 2, 0, t.PATTERN_UNUSED)]
    assert problems(day_7=pack_day(FREE)) == [("day_7", 7, 0, t.PATTERN_UNUSED)]


def test_seven_days_of_their_own() -> None:
    days = [[(0, 240_000 + k)] for k in range(7)]
    assert rx.validate(flex(days, [7, 6, 5, 4, 3, 2, 1]), PART) == []


def test_mode_and_schedule_belong_together() -> None:
    assert problems(week=b"") == [("week", 0, 7, t.MODE_FIELDS)]
    assert problems(week=bytes(WEEK[:6])) == [("week", 6, 7, t.MODE_FIELDS)]
    assert problems(mode=t.MODE_CONTINUOUS) == [("week", 7, 0, t.MODE_FIELDS)]
    assert problems(mode=t.MODE_CONTINUOUS, week=b"") == [("week", 0, 0, t.MODE_FIELDS)]
    assert problems(mode=t.MODE_CONTINUOUS, week=b"", day_1=b"", day_2=b"") == []


def test_bytes_are_bytes() -> None:
    for value in ("1111122", 5, None, [1] * 7, bytearray(WEEK)):
        found = t.check_fields({**flex([DAY, FREE], WEEK), "week": value})  # type: ignore[dict-item]
        assert [(p.key, p.code) for p in found] == [("week", t.NOT_BYTES)]


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize(
    ("key", "day", "least"),
    [
        # 65 min that begin or end at the change, at 480 and 240 uL/day: 20 uL/h and 10
        ("limit_1h_nl", [(0, 240_000), (600, 480_000), (645, 240_000)], 15_000 + 3_334 + 1_600),
        ("limit_4h_nl", [(0, 240_000), (600, 480_000), (700, 240_000)], 33_334 + 25_833 + 1_600),
        # 14 h at 20 uL/h and 10 at 10 make the day; the 25th hour is at 20
        ("limit_24h_nl", [(0, 240_000), (600, 480_000)], 400_000 + 1_600),
    ],
)
def test_windows_let_the_fullest_hours_of_the_week_through(key: str, day: Pattern, least: int) -> None:
    """By the definition, minute by minute: window and one bucket, and two chunks."""
    minutes = {"limit_1h_nl": 65, "limit_4h_nl": 255, "limit_24h_nl": 1500}[key]
    line = minute_by_minute([day], [1] * 7) * 2
    fullest = max(sum(line[start : start + minutes]) for start in range(0, WEEK_MIN, 5))
    need = -(-fullest // 1440) + 2 * 800
    assert need == least
    limits = {"limit_1h_nl": 60_000, "limit_4h_nl": 150_000, "limit_24h_nl": 800_000}
    good = flex([day], [1] * 7, rate_nl_per_day=0, **{**limits, key: need, "max_bolus_nl": 0})
    assert [p for p in rx.validate(good, PART) if p.key == key and p.code == t.WINDOW_BELOW_BASAL] == []
    found = rx.validate({**good, key: need - 1}, PART)
    assert (key, need - 1, need, t.WINDOW_BELOW_BASAL) in [(p.key, p.value, p.limit, p.code) for p in found]


def test_the_safe_rate_has_to_fit_the_windows_too() -> None:
    """480 uL/day for 25 h, though the week itself has no such day."""
    assert problems(limit_24h_nl=501_599) == [("limit_24h_nl", 501_599, 501_600, t.WINDOW_BELOW_BASAL)]
    assert problems(limit_24h_nl=501_600) == []
    assert problems(limit_24h_nl=501_599, rate_nl_per_day=240_000) == []


def test_the_minimum_rate_has_to_fit_the_windows_too() -> None:
    """It has no end, so a schedule that falls below it does not help."""
    limits = {"rate_nl_per_day": 0, "limit_24h_nl": 501_600}
    assert problems(**limits, min_rate_nl_per_day=480_000) == []
    assert problems(**limits, min_rate_nl_per_day=480_001) == [("limit_24h_nl", 501_600, 501_602, t.WINDOW_BELOW_BASAL)]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"patient_bolus_nl": 60_001, "patient_bolus_ms": 1}, ("patient_bolus_nl", 60_001, 60_000, t.PATIENT_ABOVE_MAX)),
        ({"patient_bolus_nl": 60_000}, ("patient_bolus_ms", 0, 0, t.PATIENT_DURATION)),
        ({"patient_bolus_ms": 60_000}, ("patient_bolus_ms", 60_000, 0, t.PATIENT_DURATION)),
        (
            {"min_rate_nl_per_day": 1_000_001, "limit_24h_nl": 1_100_000},
            ("min_rate_nl_per_day", 1_000_001, 1_000_000, t.MIN_ABOVE_MAX),
        ),
        ({"min_rate_nl_per_day": 999}, ("min_rate_nl_per_day", 999, 1_000, t.LOW)),
        ({"raise_window_ms": 5}, ("raise_window_ms", 5, 0, t.RAISE_FIELDS)),
        ({"raise_per_mille": 5}, ("raise_window_ms", 0, 0, t.RAISE_FIELDS)),
        ({"raise_nl_per_day": 5}, ("raise_window_ms", 0, 0, t.RAISE_FIELDS)),
    ],
)
def test_the_other_new_codes(changes: dict[str, int], found: tuple[str, int, int, int]) -> None:
    assert problems(**changes) == [found]


@pytest.mark.parametrize(
    "changes",
    [
        {"patient_bolus_nl": 60_000, "patient_bolus_ms": 1},
        {"min_rate_nl_per_day": 1_000},
        {"min_rate_nl_per_day": 1_000_000, "limit_24h_nl": 1_100_000},
        {"raise_window_ms": 5, "raise_per_mille": 1},
        {"raise_window_ms": 5, "raise_nl_per_day": 1},
        {"utc_offset_biased_min": 600, "max_hold_ms": 60_000, "max_temp_ms": 259_200_000},
    ],
)
def test_the_other_new_fields_at_their_bounds(changes: dict[str, int]) -> None:
    assert problems(**changes) == []


# --- any week ---------------------------------------------------------------------------------------------------------------
@st.composite
def programs(draw: st.DrawFn) -> dict[str, Any]:
    """Valid flex programs: limits wide enough for any of their weeks."""
    days, week = draw(weeks(900_000))
    used = sorted(set(week))
    days, week = [days[number - 1] for number in used], [used.index(number) + 1 for number in week]
    wide = {"limit_1h_nl": 100_000, "limit_4h_nl": 200_000, "limit_24h_nl": 1_000_000}
    return flex(days, week, rate_nl_per_day=draw(st.sampled_from([0, 1_000, 480_000])), **wide)


@settings(max_examples=100, deadline=None)
@given(programs(), st.integers(0, 2**32 - 1))
def test_valid_programs_round_trip(fields: dict[str, Any], version: int) -> None:
    assert rx.validate(fields, PART) == []
    blob = rx.pack(fields, version)
    assert rx.unpack(blob) == (fields, version)
    assert len(blob) <= 4096


def is_a_schedule(fields: dict[str, Any]) -> bool:
    """Written from the rules: seven days that name patterns, each of 1..48 rising steps from midnight on with lawful rates."""
    week = fields["week"]
    if len(week) != 7:
        return False
    for number in range(1, 8):
        raw = fields[f"day_{number}"]
        if bool(raw) != (number in week):
            return False
        steps = day_steps(raw)
        minutes = [minute for minute, _rate in steps]
        if len(raw) != 5 * len(steps) or len(steps) > 48:
            return False
        if raw and (minutes[0] != 0 or minutes != sorted(set(minutes)) or minutes[-1] > 1439):
            return False
        if any(rate > fields["max_rate_nl_per_day"] or 0 < rate < 1_000 for _minute, rate in steps):
            return False
    return all(1 <= number <= 7 for number in week)


@settings(max_examples=250, deadline=None)
@given(programs(), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 255), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_mutation_never_passes_with_a_bad_schedule(fields: dict[str, Any], changes: list[tuple[int, int, int]]) -> None:
    """Any byte of the week or of a day replaced, dropped or put in: what passes is a schedule."""
    for which, at, value in changes:
        key = "week" if which == 0 else f"day_{which}"
        raw = bytearray(fields[key])
        if value < 200:
            at %= len(raw) + 1
            raw[at : at + 1] = bytes([value])
        elif raw:
            del raw[at % len(raw)]
        fields[key] = bytes(raw)
    if not rx.validate(fields, PART):
        assert is_a_schedule(fields)
    elif is_a_schedule(fields):
        codes = {p.code for p in rx.validate(fields, PART)}
        assert codes <= {t.WINDOW_BELOW_BASAL, t.WINDOW_ORDER}  # a lawful week may still be too full


def test_the_fullest_program_fits_a_blob_and_the_part() -> None:
    days = [[(30 * k, 240_000 + k + n) for k in range(48)] for n in range(7)]
    fields = flex(days, range(1, 8), name="x" * 24, drug="y" * 16, step_pl_per_million=STEP)
    assert rx.validate(fields, PART) == []
    assert len(rx.pack(fields)) < 2_048
