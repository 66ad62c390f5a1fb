"""The sentences of prescriptions and units: every code and field has one, any value at all becomes one short line, and the
report has every field."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.core import prescription as rx
from thecal.core import program_table as table
from thecal.core import units
from thecal.core.schedule import DAY_KEYS
from thecal.core.units import UnitError
from thecal_host import boards, prescription_report, prescriptions, unit_texts
from thecal_host.paths import examples_dir
from thecal_host.prescription_texts import SHOWN_MAX, TOML_KEYS, amount, explain, offset_text, plain_fields, shown

PART = boards.load("virtual").part


def test_every_problem_code_and_field_has_a_sentence() -> None:
    assert set(TOML_KEYS) == {row[1] for row in rx.FIELDS}
    for row, code in itertools.product(rx.FIELDS, table.CODES):
        words = explain(rx.Problem(row[0], row[1], 5, 7, code))
        assert words.hint and (words.value or words.limit) and "newer firmware" not in words.hint
        assert set(words.as_dict()) == {"key", "value", "limit", "hint"}
    assert "code 99" in explain(rx.Problem(1, "mode", 1, 2, 99)).hint


def test_every_unit_code_has_a_sentence() -> None:
    for code, kind in itertools.product(range(units.EMPTY, units.NO_CONCENTRATION + 1), units.KINDS):
        error = UnitError(code, "5 x", "x")
        assert not unit_texts.hint(error, (kind,)).startswith("code")
        assert unit_texts.limit_text(error, (kind,))
        assert unit_texts.sentence(error, (kind,)).startswith('"5 x": ')
    for kind, example in unit_texts.EXAMPLES.items():
        assert units.parse(example, (kind,)).kind == kind


def test_mg_is_never_offered_for_mcg() -> None:
    for wrong, never in (("mgg", '"mcg"'), ("mcgg", '"mg"'), ("ucg", '"mg"'), ("mvg", '"mcg"')):
        with pytest.raises(UnitError) as caught:
            units.parse("5 " + wrong, (units.MASS,))
        assert never not in unit_texts.hint(caught.value, (units.MASS,))


@given(st.recursive(st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans()), lambda inner: st.lists(inner)))
def test_any_value_is_shown_in_one_short_line(value: object) -> None:
    text = shown(value)
    assert text.isprintable() and len(text) <= 10 * SHOWN_MAX + 2  # an escape is up to 10 characters


def test_a_value_a_thousand_levels_deep_is_shown() -> None:
    deep: object = "x"
    for _ in range(100_000):
        deep = {"a": deep}
    assert len(shown(deep)) < 2 * SHOWN_MAX


@pytest.mark.parametrize(
    ("biased", "text"), [(1440, "+00:00"), (1500, "+01:00"), (1110, "-05:30"), (2280, "+14:00"), (600, "-14:00")]
)
def test_offsets(biased: int, text: str) -> None:
    assert offset_text(biased) == text
    assert amount("utc_offset_biased_min", biased) == text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("mode", 2, "flex"),
        ("raise_per_mille", 125, "12.5 %"),
        ("raise_window_ms", 0, "none"),
        ("patient_bolus_nl", 0, "none"),
        ("max_bolus_nl", 0, "0 nL"),
        ("library_crc", 0, "none"),
        ("library_crc", 0xAB, "000000ab"),
        ("overrides", 3, "rate below soft low, rate above soft high"),
        ("overrides", 0, "none"),
        ("week", bytes((1, 1, 1, 1, 1, 2, 2)), "1 1 1 1 1 2 2"),
        ("week", b"", "none"),
    ],
)
def test_values_in_words(key: str, value: int, text: str) -> None:
    assert amount(key, value) == text


@pytest.mark.parametrize("path", sorted(examples_dir().glob("*.toml")), ids=lambda path: path.stem)
def test_the_report_has_every_choice_with_its_mass(path: Path) -> None:
    prescription = prescriptions.load(path, PART)
    text = "\n".join(prescription_report.lines(prescription))
    hidden = {
        "mode",
        "drug",
        "concentration_ng_per_ml",
        "rate_nl_per_day",
        "name",
        "utc_offset_biased_min",
        "library_crc",
        "overrides",
    }
    for key, value in prescription.fields.items():
        if key not in hidden | {"week", *DAY_KEYS} and not (
            key.startswith("raise") and not prescription.fields["raise_window_ms"]
        ):
            assert f"{TOML_KEYS[key]} " in text and amount(key, value) in text
    assert prescription.library.library_hash[:16] in text
    assert all(len(line) < 200 for line in text.splitlines())
    data = prescription_report.as_dict(prescription)
    assert data["fields"] == plain_fields(prescription.fields)
    assert data["library"]["entry_crc"] == f"{prescription.fields['library_crc']:08x}"


def test_the_rates_of_a_flex_week_by_hand() -> None:
    prescription = prescriptions.load(examples_dir() / "baclofen_flex_night.toml", PART)
    assert prescription_report.rate_rows(prescription.fields) == [
        ("Mon-Fri", "00:00", "0.225 mL/day", "450 mcg/day"),
        ("", "06:00", "0.15 mL/day", "300 mcg/day"),
        ("", "22:00", "0.225 mL/day", "450 mcg/day"),
        ("", "in all", "0.175 mL a day", "350 mcg a day"),  # 8 h of 450 and 16 h of 300
        ("Sat, Sun", "00:00", "0.225 mL/day", "450 mcg/day"),
        ("", "08:00", "0.15 mL/day", "300 mcg/day"),
        ("", "22:00", "0.225 mL/day", "450 mcg/day"),
        ("", "in all", "0.18125 mL a day", "362.5 mcg a day"),  # 10 h and 14 h
        ("clock unknown", "", "0.15 mL/day", "300 mcg/day"),
    ]
    text = "\n".join(prescription_report.lines(prescription))
    assert "local time UTC+01:00" in text and "Daylight saving" in text and "0.29 mL = 580 mcg" in text
