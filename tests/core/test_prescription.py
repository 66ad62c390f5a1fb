"""The program: every row of the table at its bounds, every cross check by hand, any fields at all."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import GOOD, PART, ROWS, STEP

from thecal.core import prescription as rx
from thecal.core import program_table as t
from thecal.core.messages import NOT_THIS_BOARD


def found(**changes: Any) -> list[tuple[str, int, int, int]]:
    """(key, value, limit, code) of every problem of GOOD with `changes` (None removes the field)."""
    fields = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return [(p.key, p.value, p.limit, p.code) for p in rx.validate(fields, PART)]


def test_the_example_is_good() -> None:
    assert found() == []


def test_the_table_is_in_rising_tag_order_without_gaps() -> None:
    assert [row[0] for row in t.FIELDS] == list(range(1, len(t.FIELDS) + 1))
    assert len(ROWS) == len(t.FIELDS)
    for _tag, key, kind, width, low, high, default in t.FIELDS:
        assert low <= high <= ((1 << 8 * width) - 1 if kind == t.INT else width), key
        if default is not None:
            assert low <= (default if isinstance(default, int) else len(default)) <= high


@pytest.mark.parametrize("row", [row for row in t.FIELDS if row[2] == t.INT], ids=lambda row: row[1])
def test_bounds_of_numbers(row: tuple) -> None:
    tag, key, _kind, _width, low, high, _default = row
    assert (key, low - 1, low, t.LOW) in found(**{key: low - 1})
    assert (key, high + 1, high, t.HIGH) in found(**{key: high + 1})
    for value in (t.RATE_MIN if key == "rate_nl_per_day" else low, high):  # a continuous program needs a rate
        assert not [p for p in found(**{key: value}) if p[0] == key and p[3] in (t.LOW, t.HIGH)]
    for value in ("5", 5.0, True, None, [1], b"5"):
        problems = t.check_fields({**GOOD, key: value})  # type: ignore[dict-item]
        assert [(p.tag, p.code) for p in problems] == [(tag, t.NOT_INTEGER)]


@pytest.mark.parametrize(("key", "longest"), [("drug", 16), ("name", 24)])
def test_bounds_of_texts(key: str, longest: int) -> None:
    assert found(**{key: "x" * longest}) == []
    assert found(**{key: "x" * (longest + 1)}) == [(key, longest + 1, longest, t.HIGH)]
    assert found(**{key: "caf\u00e9"}) == [(key, 0xE9, 126, t.NOT_TEXT)]
    assert found(**{key: "a\nb"}) == [(key, 10, 126, t.NOT_TEXT)]
    assert found(**{key: 7}) == [(key, 0, 0, t.NOT_TEXT)]
    assert found(drug="") == [("drug", 0, 1, t.LOW)]


def test_missing_unknown_and_defaults() -> None:
    assert found(drug=None) == [("drug", 0, 0, t.MISSING)]
    assert found(colour=1) == [("colour", 0, 0, t.UNKNOWN)]
    assert found(reservoir_low_nl=None, basal_resumes=None, name=None) == []
    full = t.with_defaults(
        {key: value for key, value in GOOD.items() if key not in ("reservoir_low_nl", "basal_resumes", "name")}
    )
    assert (full["reservoir_low_nl"], full["basal_resumes"], full["name"]) == (2_000_000, 0, "")


def test_all_problems_in_tag_order() -> None:
    problems = found(mode=3, drug=None, concentration_ng_per_ml=0, limit_4h_nl=1, extra=1)
    assert [(p[0], p[3]) for p in problems] == [
        ("mode", t.HIGH),
        ("drug", t.MISSING),
        ("concentration_ng_per_ml", t.LOW),
        ("limit_4h_nl", t.WINDOW_ORDER),
        ("extra", t.UNKNOWN),
    ]


def test_a_continuous_program_needs_a_rate() -> None:
    for rate in (0, 1, 999):
        assert found(rate_nl_per_day=rate) == [("rate_nl_per_day", rate, 1_000, t.LOW)]


# --- fields against each other, each limit one nL apart -------------------------------------------------------------------
def test_rate_against_max_rate() -> None:
    assert found(max_rate_nl_per_day=480_000) == []
    assert found(max_rate_nl_per_day=479_999) == [("rate_nl_per_day", 480_000, 479_999, t.RATE_ABOVE_MAX)]


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize(
    ("key", "minutes", "others"),
    [
        ("limit_1h_nl", 65, {"max_bolus_nl": 0, "chunk_nl": 800}),
        ("limit_4h_nl", 4 * 60 + 15, {"limit_1h_nl": 80_000}),
        ("limit_24h_nl", 25 * 60, {}),
    ],
)
def test_windows_let_basal_through_or_the_program_is_refused(key: str, minutes: int, others: dict) -> None:
    """By the definition: rate x (window + one bucket) and two chunks."""
    exact = Fraction(480_000 * minutes, 1440) + 2 * 800
    least = -(-exact.numerator // exact.denominator)
    assert found(**{**others, key: least}) == []
    assert found(**{**others, key: least - 1}) == [(key, least - 1, least, t.WINDOW_BELOW_BASAL)]


def test_windows_rise() -> None:
    assert found(limit_4h_nl=88_000, rate_nl_per_day=200_000, chunk_nl=400) == []
    assert found(limit_4h_nl=87_999, rate_nl_per_day=200_000, chunk_nl=400) == [("limit_4h_nl", 87_999, 88_000, t.WINDOW_ORDER)]
    assert ("limit_24h_nl", 199_999, 200_000, t.WINDOW_ORDER) in found(limit_24h_nl=199_999)


def test_bolus_against_the_1h_limit() -> None:
    assert found(max_bolus_nl=88_000) == []
    assert found(max_bolus_nl=88_001) == [("max_bolus_nl", 88_001, 88_000, t.BOLUS_ABOVE_1H)]


def test_low_mark_below_the_reservoir() -> None:
    assert found(reservoir_low_nl=19_999_999) == []
    assert found(reservoir_low_nl=20_000_000) == [("reservoir_low_nl", 20_000_000, 19_999_999, t.LOW_ABOVE_RESERVOIR)]
    assert found(reservoir_nl=2_000_000, reservoir_low_nl=None) == [
        ("reservoir_low_nl", 2_000_000, 1_999_999, t.LOW_ABOVE_RESERVOIR)
    ]


def test_chunk() -> None:
    assert found(chunk_nl=42) == []  # one microstep is 41.28 nL
    assert found(chunk_nl=41) == [("chunk_nl", 41, 42, t.CHUNK_BELOW_STEP)]
    assert found(chunk_nl=4_400) == []
    assert found(chunk_nl=4_401) == [("chunk_nl", 4_401, 4_400, t.CHUNK_ABOVE_SHARE)]


def test_a_window_of_more_steps_than_a_bucket_counts() -> None:
    part = {**PART, "step_pl_per_million": 100_000_000}
    fields = {**GOOD, "step_pl_per_million": 100_000_000, "rate_nl_per_day": 1_000, "chunk_nl": 2}
    most = (2**24 - 1) * 100_000_000 // 10**9
    assert rx.validate({**fields, "limit_24h_nl": most}, part) == []
    problems = rx.validate({**fields, "limit_24h_nl": most + 1}, part)
    assert [p.as_tuple() for p in problems] == [(9, "limit_24h_nl", most + 1, most, t.WINDOW_STEPS)]


# --- against the part -------------------------------------------------------------------------------------------------------
def test_against_the_part() -> None:
    def codes(**part: int) -> list[tuple[str, int, int]]:
        return [(p.key, p.limit, p.code) for p in rx.validate(GOOD, {**PART, **part})]

    assert codes(max_rate_nl_per_day=1_000_000, max_bolus_nl=60_000, reservoir_nl=20_000_000) == []
    assert codes(max_rate_nl_per_day=999_999) == [("max_rate_nl_per_day", 999_999, t.ABOVE_PART)]
    assert codes(max_bolus_nl=59_999) == [("max_bolus_nl", 59_999, t.ABOVE_PART)]
    assert codes(reservoir_nl=19_999_999) == [("reservoir_nl", 19_999_999, t.ABOVE_PART)]


def test_not_this_board_s_calibration() -> None:
    assert found(step_pl_per_million=STEP + 1) == [("step_pl_per_million", STEP + 1, STEP, NOT_THIS_BOARD)]


def test_step_rate_of_the_motor() -> None:
    """1 uL a step, 1 step/s: 86.4 mL/day and not 1 nL more."""
    part = {**PART, "step_pl_per_million": 10**12, "max_steps_per_s": 1}
    big = {"limit_1h_nl": 10**6, "limit_4h_nl": 10**7, "limit_24h_nl": 10**8, "chunk_nl": 1_000, "step_pl_per_million": 10**12}
    assert rx.validate({**GOOD, **big, "max_rate_nl_per_day": 86_400_000}, part) == []
    problems = rx.validate({**GOOD, **big, "max_rate_nl_per_day": 86_400_001}, part)
    assert [p.as_tuple() for p in problems] == [(5, "max_rate_nl_per_day", 86_400_001, 86_400_000, t.STEP_RATE)]


@given(st.integers(1_000, 200_000_000), st.integers(t.STEP_PL_MIN, t.STEP_PL_MAX))
def test_the_host_s_chunk_keeps_the_rules(rate: int, step: int) -> None:
    """At least one step; with the least 1 h limit a program may have, above the share only where one step itself is."""
    chunk = rx.chunk_for(rate, step)
    assert chunk * 10**9 >= step
    assert chunk * 600 >= rate
    least = rx.basal_in_window_nl(rate, 65, chunk)
    if chunk * 20 > least:
        assert (chunk - 1) * 10**9 < step or (chunk - 1) * 600 < rate <= 20_000


@given(
    st.dictionaries(
        st.sampled_from([*ROWS, "x"]),
        st.one_of(st.integers(), st.text(max_size=30), st.binary(max_size=30), st.none(), st.booleans(), st.floats()),
    )
)
def test_any_fields_are_judged_without_an_exception(fields: dict) -> None:
    for problem in rx.validate(fields, PART):
        assert problem.code in t.CODES
