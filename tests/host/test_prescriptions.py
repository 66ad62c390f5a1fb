"""Prescription files: the shipped examples, then every kind of mistake a person makes, each with key, value, limit and hint."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thecal.core import prescription as rx
from thecal_host import boards, prescriptions
from thecal_host.paths import examples_dir
from thecal_host.prescriptions import PrescriptionError, from_data, load

PART = boards.load("virtual").part
EXAMPLE = (examples_dir() / "morphine_continuous.toml").read_text(encoding="utf-8")


def problems_of(tmp_path: Path, text: str | bytes) -> list[Any]:
    path = tmp_path / "rx.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PrescriptionError) as caught:
        load(path, PART)
    for problem in caught.value.problems:
        assert problem.key and problem.hint
        assert problem.sentence in str(caught.value)
        assert "\n" not in problem.sentence
    return caught.value.problems


def changed(old: str, new: str) -> str:
    assert EXAMPLE.count(old) == 1, old
    return EXAMPLE.replace(old, new)


def only(tmp_path: Path, old: str, new: str) -> Any:
    found = problems_of(tmp_path, changed(old, new))
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("path", sorted(examples_dir().glob("*.toml")), ids=lambda path: path.stem)
def test_examples_are_good_and_without_warnings(path: Path) -> None:
    prescription = load(path, PART)
    allowed = ["reservoir.volume (416 days of basal): "] if path.stem == "ziconotide_start" else []  # refill after 14 days
    assert len(prescription.warnings) == len(allowed)
    assert all(text.startswith(begin) for text, begin in zip(prescription.warnings, allowed, strict=True))
    assert prescription.soft == [] and prescription.overrides == 0
    assert all(conversion.exact for conversion in prescription.conversions)
    fields, version = rx.unpack(prescription.blob)
    assert (fields, version) == (prescription.fields, 0)
    assert rx.validate(fields, PART) == []
    assert prescription.crc == rx.program_crc(prescription.blob)
    assert "not a medical device" in path.read_text().lower()


def test_morphine_by_hand() -> None:
    """12 mg/day of 25 mg/mL is 0.48 mL/day; 1 mg is 40 uL."""
    prescription = load(examples_dir() / "morphine_continuous.toml", PART)
    fields = prescription.fields
    assert fields["rate_nl_per_day"] == 480_000
    assert fields["concentration_ng_per_ml"] == 25_000_000
    assert (fields["max_bolus_nl"], fields["limit_1h_nl"]) == (60_000, 88_000)
    assert (fields["bolus_lockout_ms"], fields["boluses_per_24h"]) == (7_200_000, 4)
    assert (fields["reservoir_nl"], fields["reservoir_low_nl"]) == (20_000_000, 2_000_000)
    assert (fields["chunk_nl"], fields["basal_resumes"]) == (800, 1)
    assert (fields["patient_bolus_nl"], fields["patient_bolus_ms"], fields["min_rate_nl_per_day"]) == (20_000, 600_000, 48_000)
    assert (fields["max_temp_ms"], fields["max_hold_ms"]) == (21_600_000, 14_400_000)
    assert (fields["raise_per_mille"], fields["raise_nl_per_day"], fields["raise_window_ms"]) == (200, 0, 86_400_000)
    assert (fields["mode"], fields["week"], fields["day_1"], fields["utc_offset_biased_min"]) == (1, b"", b"", 1440)
    assert fields["step_pl_per_million"] == PART["step_pl_per_million"]
    first = prescription.conversions[0]
    assert (first.key, first.written, first.kept, first.exact) == ("basal.dose", "12 mg/day", "0.48 mL/day", True)


def test_rate_instead_of_dose_is_the_same_program(tmp_path: Path) -> None:
    path = tmp_path / "rx.toml"
    path.write_text(changed('dose = "12 mg/day" ', 'rate = "20 uL/h" '))
    assert load(path, PART).crc == load(examples_dir() / "morphine_continuous.toml", PART).crc


def test_a_rounding_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "rx.toml"
    path.write_text(changed('max_bolus = "1.5 mg"', 'max_bolus = "1.00001 mg"'))
    bolus = next(conversion for conversion in load(path, PART).conversions if conversion.key == "limits.max_bolus")
    assert (bolus.kept, bolus.exact, bolus.off_ppm) == ("40 uL", False, -10)  # 40,000.4 nL


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('dose = "12 mg/day" ', 'dose = "12 mg" ', "basal.dose", ['"12 mg"', "mg/day"]),
        ('dose = "12 mg/day" ', 'dose = "12" ', "basal.dose", ['"12"', "unit", "12 mg/day"]),
        ('dose = "12 mg/day" ', "dose = 12 ", "basal.dose", ["12", "unit", "mcg"]),
        ('dose = "12 mg/day" ', 'dose = "12,5 mg/day" ', "basal.dose", ["12,5", "decimal point"]),
        ('dose = "12 mg/day" ', 'dose = "-12 mg/day" ', "basal.dose", ["-12", "negative"]),
        ('dose = "12 mg/day" ', 'dose = "1e1 mg/day" ', "basal.dose", ["1e1", "exponent"]),
        ('dose = "12 mg/day" ', 'dose = "nan mg/day" ', "basal.dose", ["nan", "ordinary number"]),
        ('dose = "12 mg/day" ', 'dose = "12 MG/day" ', "basal.dose", ["MG/day", 'did you mean "mg/day"']),
        (
            'max_rate = "25 mg/day"',
            'max_rate = "10 mg/day"',
            "basal.dose",
            ["12 mg/day", "0.48 mL/day", "at most 0.4 mL/day", "max_rate"],
        ),
        ('dose = "12 mg/day" ', 'dose = "12 mg/day"\nrate = "1 mL/day" ', "basal.dose", ["exactly one", "not both"]),
        ('dose = "12 mg/day" ', "", "basal.dose", ["exactly one", "missing"]),
        ('mode = "continuous"', 'mode = "flux"', "basal.mode", ["flux", "flex", "continuous"]),
        ('mode = "continuous"', "mode = 1", "basal.mode", ["1", "flex", "continuous"]),
        ('mode = "continuous"', "", "basal.mode", ["missing", "[basal]"]),
        ('name = "morphine"', "", "drug.name", ["missing", "[drug]"]),
        ('name = "morphine"', 'name = "morphin"', "drug.name", ["morphin", 'did you mean "morphine"']),
        ('"25 mg/mL"', '"25 mcg/mL"', "drug.concentration", ["25 mcg/mL", "1/1000 of", "mg, mcg"]),
        ('"25 mg/mL"', '"24 mg/mL"', "drug.concentration", ["24 mg/mL", "10 mg/mL, 25 mg/mL", "library"]),
        ('dose = "12 mg/day" ', 'dose = "12 mcg/day" ', "basal.dose", ["12 mcg/day", "1/1000 of 12 mg/day", "slip"]),
        ('"0.5 mg"', '"5 mg"', "patient_bolus.dose", ["5 mg", "10 times", "slip"]),
        ('"0.5 mg"', '"2 mg"', "patient_bolus.dose", ["2 mg", "80 uL", "60 uL", "limits.max_bolus"]),
        ('"10 min"', '"400 ms"', "patient_bolus.duration", ["400 ms", "at least 1 s", "faster than the motor"]),
        ('"10 min"', '"25 h"', "patient_bolus.duration", ["25 h", "1 day"]),
        ('duration = "10 min"', "", "patient_bolus.duration", ["missing", "[patient_bolus]", "4 h"]),
        ('dose = "0.5 mg"', "", "patient_bolus.dose", ["missing", "[patient_bolus]"]),
        ('dose = "1.2 mg/day"', 'dose = "26 mg/day"', "minimum.dose", ["26 mg/day", "1.04 mL/day", "10 times"]),
        ('dose = "1.2 mg/day"', 'dose = "1 mg/day"\nrate = "1 mL/day"', "minimum.dose", ["not both"]),
        ('max_duration = "6 h"', 'max_duration = "4 days"', "temporary.max_duration", ["4 days", "at most 3 days"]),
        ('max = "4 h"', 'max = "30 s"', "hold.max", ["30 s", "at least 1 min"]),
        ('raise = "20 %"', 'raise = "20"', "titration.raise", ['"20"', "20 %"]),
        ('raise = "20 %"', 'raise = "20,5 %"', "titration.raise", ["20,5", "no comma"]),
        ('raise = "20 %"', 'raise = "20.55 %"', "titration.raise", ["20.55 %", "one decimal"]),
        ('raise = "20 %"', 'raise = "2000 %"', "titration.raise", ["2000 %", "at most 1000 %"]),
        ('raise = "20 %"', "", "titration.raise", ["missing", "raise_dose"]),
        ('window = "24 h"', "", "titration.window", ["missing", "[titration]"]),
        ('window = "24 h"', 'window = "0 h"', "titration.window", ["0 s", "window"]),
        ('name = "morphine"', 'name = "morphine hydrochloride"', "drug.name", ["22 characters", "16"]),
        ('name = "morphine"', 'name = "morphiné"', "drug.name", ["morphiné", "ASCII"]),
        ('name = "morphine"', "name = 5", "drug.name", ["5", "quotes"]),
        ('name = "Morphine, continuous"', 'nane = "x"', "prescription.nane", ["unknown key", 'did you mean "name"']),
        ('per_24h = "20 mg"', 'per_24 = "20 mg"', "limits.per_24", ['did you mean "per_24h"']),
        ("boluses_per_24h = 4", "boluses_per_24h = 49", "limits.boluses_per_24h", ["49", "48"]),
        ("boluses_per_24h = 4", "boluses_per_24h = 4.0", "limits.boluses_per_24h", ["4.0", "whole number"]),
        ("boluses_per_24h = 4", "boluses_per_24h = true", "limits.boluses_per_24h", ["true", "whole number"]),
        ('bolus_lockout = "2 h"', 'bolus_lockout = "8 days"', "limits.bolus_lockout", ["8 days", "at most 7 days"]),
        ('bolus_lockout = "2 h"', 'bolus_lockout = "2 mg"', "limits.bolus_lockout", ["2 mg", "a time"]),
        ('max_bolus = "1.5 mg"', 'max_bolus = "2.4 mg"', "limits.max_bolus", ["2.4 mg", "96 uL", "88 uL", "per_1h"]),
        ('max_bolus = "1.5 mg"', 'max_bolus = "3 mg"', "limits.max_bolus", ["3 mg", "0.12 mL", "10 times"]),
        ('per_24h = "20 mg"', 'per_24h = "12 mg"', "limits.per_24h", ["12 mg", "0.48 mL", "0.5016 mL", "basal"]),
        ('per_4h = "5 mg"', 'per_4h = "2.1 mg"', "limits.per_4h", ["2.1 mg"]),
        ('low = "2 mL" ', 'low = "20 mL" ', "reservoir.low", ["20 mL", "19.999999 mL"]),
        ('volume = "20 mL"', 'volume = "40 mL"', "reservoir.volume", ["40 mL", "at most 20 mL", "board"]),
        ("basal_resumes = true", "basal_resumes = 1", "power_loss.basal_resumes", ["1", "true or false"]),
        (
            'max_rate = "25 mg/day"',
            'max_rate = "250 mL/day"',
            "limits.max_rate",
            ["250 mL/day", "1000 times"],
        ),
        ('max_bolus = "1.5 mg"', 'max_bolus = "0.0000001 mL"', "limits.max_bolus", ["0.1 %"]),
        ('max_bolus = "1.5 mg"', 'max_bolus = "0.00000000001 mL"', "limits.max_bolus", ["9 decimals"]),
        ('max_bolus = "1.5 mg"', 'max_bolus = "1.5 mq"', "limits.max_bolus", ["mq", "Known:"]),
    ],
)
def test_one_mistake_one_problem(tmp_path: Path, old: str, new: str, key: str, words: list[str]) -> None:
    found = problems_of(tmp_path, changed(old, new))
    sentence = next(problem.sentence for problem in found if problem.key == key)
    for word in words:
        assert word in sentence, sentence
    # a misspelt key is unknown, and the right one missing; a limit too low can break two rules. Never more than that
    assert len(found) <= 2


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = (
        changed('dose = "12 mg/day" ', 'dose = "12" ')
        .replace('"25 mg/mL"', '"25 mg"')
        .replace("= 4", '= "four"')
        .replace("[reservoir]", "[tank]")
    )
    keys = [problem.key for problem in problems_of(tmp_path, text)]
    assert keys == ["tank", "drug.concentration", "basal.dose", "limits.boluses_per_24h", "reservoir.volume"]


def test_a_bad_concentration_is_told_once_not_for_every_mass(tmp_path: Path) -> None:
    assert only(tmp_path, '"25 mg/mL"', '"25"').key == "drug.concentration"


def test_a_section_that_is_no_section(tmp_path: Path) -> None:
    found = problems_of(tmp_path, 'drug = "morphine"\n' + EXAMPLE.replace("[drug]", "[basal2]"))
    assert "[drug]" in next(problem.sentence for problem in found if problem.key == "drug")


def test_empty_file_names_every_required_key(tmp_path: Path) -> None:
    keys = {problem.key for problem in problems_of(tmp_path, "")}
    required = {f"{section}.{key}" for section, rows in prescriptions.SCHEMA.items() for key, row in rows.items() if row[2] == 2}
    assert keys == required and "basal.mode" in required


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[drug\n", ["TOML", "line 1"]),
        (EXAMPLE.replace('low = "2 mL"', "low = 2 mL").encode(), ["TOML", "line"]),
        (b'[drug]\nname = "\xe9"', ["UTF-8", "line 2"]),
        (b"#" * 70_000, ["64 KiB"]),
        (b"a=" + b"[" * 3000, ["TOML"]),
        (b"a=" + b"9" * 5000, ["TOML"]),
        (b"\x00\x01\x02", ["TOML"]),
    ],
)
def test_files_that_are_no_prescription(tmp_path: Path, content: bytes, words: list[str]) -> None:
    (problem,) = problems_of(tmp_path, content)
    assert problem.key == "file"
    for word in words:
        assert word in problem.sentence or (word == "TOML" and "nested" in problem.sentence)


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    for path, word in (
        (tmp_path, "folder"),
        (tmp_path / "none.toml", "does not exist"),
        (Path("/dev/zero"), "ordinary file"),
        ("a\0b", "path"),
    ):
        with pytest.raises(PrescriptionError) as caught:
            load(path, PART)
        assert word in str(caught.value)
    secret = tmp_path / "file.toml"
    secret.write_text("x")
    with pytest.raises(PrescriptionError, match="cannot be read"):
        load(secret / "below.toml", PART)


def test_a_byte_order_mark_is_no_reason_to_refuse(tmp_path: Path) -> None:
    path = tmp_path / "rx.toml"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.encode())
    assert load(path, PART).fields["drug"] == "morphine"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("boluses_per_24h = 4", "boluses_per_24h = 0", "boluses_per_24h is 0"),
        ('max_bolus = "1.5 mg"', 'max_bolus = "1.7 mg"', "limits.per_1h leaves"),
        ("boluses_per_24h = 4", "boluses_per_24h = 6", "less than all 6 boluses"),
        ('bolus_lockout = "2 h"', 'bolus_lockout = "12 h"', "never be reached"),
        ('low = "2 mL" ', 'low = "19.5 mL" ', "less than 2 days"),
        ("basal_resumes = true", "basal_resumes = false", "after a power cut"),
        ('"10 min"', '"3 h"', "patient_bolus.duration is longer than limits.bolus_lockout"),
        ('max_rate = "25 mg/day"', 'max_rate = "12 mg/day"', "a temporary rate can only lower it"),
        ('dose = "1.2 mg/day"', 'dose = "13 mg/day"', "the minimum rate is higher"),
    ],
)
def test_warnings(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "rx.toml"
    path.write_text(changed(old, new))
    found = load(path, PART).warnings
    assert len(found) == 1 and words in found[0]


def test_the_low_mark_has_a_default(tmp_path: Path) -> None:
    path = tmp_path / "rx.toml"
    path.write_text(changed('low = "2 mL" ', ""))
    assert load(path, PART).fields["reservoir_low_nl"] == 2_000_000


# --- any table at all -----------------------------------------------------------------------------------------------------------
KEYS = sorted({key for rows in prescriptions.SCHEMA.values() for key in rows} | {"other"})
VALUES = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(max_size=12),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=1),
    st.sampled_from(["12 mg/day", "1 mL", "25 mg/mL", "0 mg/mL", "2 h", "continuous", "99999 mL", "0.0000004 mg"]),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*prescriptions.SCHEMA, "other"]),
        st.one_of(VALUES, st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)),
        max_size=7,
    )
)
def test_any_table_gives_a_program_or_sentences(data: dict) -> None:
    try:
        prescription = from_data(data, PART, Path("any.toml"))
    except PrescriptionError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.sentence.strip()
    else:
        assert rx.unpack(prescription.blob)[0] == prescription.fields
