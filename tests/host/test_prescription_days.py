"""Flex prescriptions: the shipped week by hand, every way to write days and steps wrong, and the soft limits of the drug
library that somebody has to confirm."""

from pathlib import Path
from typing import Any

import pytest
from cli_bench import board_with_program
from hypothesis import given
from hypothesis import strategies as st

from thecal.core import messages
from thecal.core import prescription as rx
from thecal.core.schedule import day_steps
from thecal_host import boards, monitor_limits
from thecal_host.paths import examples_dir
from thecal_host.prescription_library import OVERRIDE_BITS
from thecal_host.prescriptions import Prescription, PrescriptionError, from_data, load
from thecal_host.toml_file import read_toml

PART = boards.load("virtual").part
NIGHT = examples_dir() / "baclofen_flex_night.toml"
MORPHINE = examples_dir() / "morphine_continuous.toml"


def night(**basal: Any) -> Prescription:
    """The night example with other keys in [basal]; None takes one away."""
    data = read_toml(NIGHT, "prescription file")
    for key, value in basal.items():
        if value is None:
            del data["basal"][key]
        else:
            data["basal"][key] = value
    return from_data(data, PART, NIGHT)


def refused(**basal: Any) -> list[str]:
    with pytest.raises(PrescriptionError) as caught:
        night(**basal)
    for problem in caught.value.problems:
        assert problem.key and problem.hint and (problem.value or problem.limit)
    return [problem.sentence for problem in caught.value.problems]


def day(steps: Any, days: Any = "every day") -> list[dict[str, Any]]:
    return [{"days": days, "steps": steps}]


def steps_of(count: int) -> list[list[str]]:
    return [[f"{at * 30 // 60 % 24:02}:{at * 30 % 60:02}", f"{300 + at} mcg/day"] for at in range(count)]


def test_the_night_example_by_hand() -> None:
    """450 mcg/day of 2000 mcg/mL is 0.225 mL/day, 300 is 0.15; 01:00 east of UTC is 1440 + 60."""
    fields = load(NIGHT, PART).fields
    assert (fields["mode"], fields["rate_nl_per_day"], fields["utc_offset_biased_min"]) == (2, 150_000, 1500)
    assert fields["week"] == bytes((1, 1, 1, 1, 1, 2, 2))
    assert day_steps(fields["day_1"]) == [(0, 225_000), (360, 150_000), (1320, 225_000)]
    assert day_steps(fields["day_2"]) == [(0, 225_000), (480, 150_000), (1320, 225_000)]
    assert fields["day_3"] == b""
    assert fields["chunk_nl"] == 303  # 1/600 of the fullest day: 10 h of 0.225 and 14 h of 0.15 mL/day are 0.18125 mL


@pytest.mark.parametrize(
    "days",
    [
        [("weekend", "w"), ("weekdays", "d")],
        [(["sat", "sun"], "w"), (["mon", "tue", "wed", "thu", "fri"], "d")],
        [(["Sunday", "SATURDAY"], "w"), ("weekdays", "d")],
        [("mon", "d"), ("tue", "d"), ("wed", "d"), ("thu", "d"), ("fri", "d"), ("sat", "w"), ("sun", "w")],
    ],
)
def test_the_order_and_grouping_in_the_file_do_not_matter(days: list[tuple[Any, str]]) -> None:
    steps = {
        "d": [["00:00", "450 mcg/day"], ["06:00", "0.15 mL/day"], ["22:00", "18.75 mcg/h"]],
        "w": [["00:00", "450 mcg/day"], ["08:00", "300 mcg/day"], ["22:00", "0.45 mg/day"]],
    }
    assert night(day=[{"days": names, "steps": steps[key]} for names, key in days]).crc == load(NIGHT, PART).crc


def test_seven_patterns_and_48_steps_fit() -> None:
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    week = [{"days": name, "steps": [["00:00", f"{300 + at} mcg/day"], *steps_of(48)[1:]]} for at, name in enumerate(names)]
    fields = night(day=week).fields
    assert fields["week"] == bytes(range(1, 8))
    assert all(len(fields[f"day_{number}"]) == 240 for number in range(1, 8))
    assert len(rx.pack(fields)) < 2048


@pytest.mark.parametrize(
    ("basal", "key", "words"),
    [
        ({"day": day(steps_of(49))}, "basal.day[1].steps", ["49 steps", "at most 48"]),
        ({"day": day([["24:00", "300 mcg/day"]])}, "basal.day[1].steps[1]", ["24:00", "23:59", "next day's"]),
        ({"day": day([["00:01", "300 mcg/day"]])}, "basal.day[1].steps[1]", ["00:01", "begins at 00:00"]),
        ({"day": day([["00:00", "300 mcg/day"], ["23:60", "1 mL/day"]])}, "basal.day[1].steps[2]", ["23:60", "24 hours"]),
        ({"day": day([["0:00", "300 mcg/day"]])}, "basal.day[1].steps[1]", ["0:00", "two digits"]),
        (
            {"day": day([["00:00", "300 mcg/day"], ["06:00", "1 mL/day"], ["06:00", "1 mL/day"]])},
            "basal.day[1].steps[3]",
            ["at this time"],
        ),
        (
            {"day": day([["00:00", "300 mcg/day"], ["06:00", "300 mcg/day"], ["05:00", "1 mL/day"]])},
            "basal.day[1].steps[3]",
            ["order"],
        ),
        ({"day": day([["00:00", "300 mcg"]])}, "basal.day[1].steps[1]", ["300 mcg", "mg/day"]),
        ({"day": day([["00:00", "-300 mcg/day"]])}, "basal.day[1].steps[1]", ["negative"]),
        ({"day": day([["00:00", 300]])}, "basal.day[1].steps[1]", ["300", "unit"]),
        ({"day": day([["00:00", "650 mcg/day"]])}, "basal.day[1].steps[1]", ["0.325 mL/day", "0.3 mL/day", "limits.max_rate"]),
        ({"day": day([["00:00", "300 mg/day"]])}, "basal.day[1]", ["1000 times 300 mcg/day", "slip"]),
        ({"day": day([["00:00", "2000 mL/day"]])}, "basal.day[1].steps[1]", ["2000 mL/day", "200 mL/day"]),
        ({"day": day([["00:00", "0.5 uL/day"]])}, "basal.day[1]", ["500 nL/day", "1/1000 of 1 mg/day", "slip"]),
        ({"day": day(["00:00", "300 mcg/day"])}, "basal.day[1].steps[1]", ["in brackets of its own"]),
        ({"day": day([])}, "basal.day[1].steps", ["1 to 48 steps"]),
        ({"day": day(None)}, "basal.day[1].steps", ["missing"]),
        ({"day": day(steps_of(1), "weekdays")}, "basal.day", ["without sat, sun", "never guessed"]),
        ({"day": day(steps_of(1), ["every day", "mon"])}, "basal.day[1].days", ['"mon" twice']),
        ({"day": day(steps_of(1), "montag")}, "basal.day[1].days", ["montag", "English"]),
        ({"day": day(steps_of(1), [])}, "basal.day[1].days", ["weekdays"]),
        ({"day": day(steps_of(1)) * 8}, "basal.day", ["8 sections", "at most 7"]),
        ({"day": [{"days": "every day", "steps": steps_of(1), "rate": 1}]}, "basal.day[1].rate", ["unknown key"]),
        ({"day": []}, "basal.day", ["[[basal.day]]"]),
        ({"day": "every day"}, "basal.day", ["[[basal.day]]"]),
        ({"day": None}, "basal.day", ["missing"]),
        ({"utc_offset": None}, "basal.utc_offset", ["missing", "local time"]),
        ({"utc_offset": "Europe/Berlin"}, "basal.utc_offset", ["Europe/Berlin", "+01:00"]),
        ({"utc_offset": "-00:00"}, "basal.utc_offset", ["-00:00", 'for UTC write "+00:00"']),
        ({"utc_offset": "+14:15"}, "basal.utc_offset", ["+14:15", "+14:00"]),
        ({"utc_offset": "+01:07"}, "basal.utc_offset", ["multiple of 15 minutes"]),
        ({"utc_offset": 1}, "basal.utc_offset", ["1", "+01:00"]),
        ({"safe_dose": None}, "basal.safe_dose", ["missing", "safe_rate"]),
        ({"safe_rate": "0.1 mL/day"}, "basal.safe_dose", ["not both"]),
        ({"safe_dose": "610 mcg/day"}, "basal.safe_dose", ["610 mcg/day", "0.3 mL/day"]),
        ({"dose": "300 mcg/day"}, "basal.dose", ['mode = "flex"', "safe_dose"]),
        ({"mode": "continuous"}, "basal.day", ['mode = "continuous"', "dose"]),
    ],
)
def test_one_mistake_one_named_problem(basal: dict[str, Any], key: str, words: list[str]) -> None:
    found = [sentence for sentence in refused(**basal) if sentence.startswith(f"{key} is")]
    assert len(found) >= 1, refused(**basal)
    for word in words:
        assert word in found[0], found[0]


@pytest.mark.parametrize(
    ("basal", "words"),
    [
        ({"safe_dose": "0 mcg/day"}, "the safe rate is 0"),
        ({"safe_dose": "500 mcg/day"}, "is higher than every step"),
        ({"utc_offset": "+13:00"}, "Is its sign right"),
    ],
)
def test_warnings_of_flex(basal: dict[str, Any], words: str) -> None:
    assert any(words in warning for warning in night(**basal).warnings)
    assert not any(words in warning for warning in night().warnings)


@given(
    st.lists(st.integers(0, 1439), max_size=47, unique=True),
    st.lists(st.one_of(st.just(0), st.integers(10_000, 300_000)), min_size=48, max_size=48),
    st.permutations(range(7)),
    st.integers(1, 6),
)
def test_any_good_week_becomes_itself(minutes: list[int], rates: list[int], order: list[int], cut: int) -> None:
    """What is written comes back out of the bytes, day by day; only the library and the windows may refuse it."""
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    times = [0, *sorted(set(minutes) - {0})]
    patterns = [list(zip(times, rates, strict=False)), list(zip(times, reversed(rates), strict=False))]
    groups = [order[:cut], order[cut:]]
    data = read_toml(NIGHT, "prescription file")
    data["basal"]["day"] = [
        {
            "days": [names[at] for at in group],
            "steps": [[f"{minute // 60:02}:{minute % 60:02}", f"{rate} nL/day"] for minute, rate in pattern],
        }
        for group, pattern in zip(groups, patterns, strict=True)
    ]
    for key in ("per_1h", "per_4h", "per_24h"):
        data["limits"][key] = "0.45 mL"
    try:
        fields = from_data(data, PART, NIGHT).fields
    except PrescriptionError as error:
        assert all("steps[" not in problem.key for problem in error.problems)
        return
    for at in range(7):
        assert day_steps(fields[f"day_{fields['week'][at]}"]) == patterns[0 if at in groups[0] else 1]


# --- soft limits --------------------------------------------------------------------------------------------------------------
def over_soft(tmp_path: Path, more: str = "") -> Path:
    """Morphine above 20 mg/day: a soft bound of the library."""
    text = MORPHINE.read_text(encoding="utf-8").replace('"12 mg/day"', '"21 mg/day"').replace('"20 mg"', '"24 mg"')
    path = tmp_path / "rx.toml"
    path.write_text(text + more, encoding="utf-8")
    return path


def test_a_soft_limit_waits_for_its_confirmation(tmp_path: Path) -> None:
    prescription = load(over_soft(tmp_path), PART)
    assert {item.name for item in prescription.unconfirmed} == {"rate above soft high"}
    assert prescription.overrides == 0
    assert "21 mg/day" in prescription.unconfirmed[0].sentence and "20 mg/day" in prescription.unconfirmed[0].sentence
    done = prescription.confirmed(("rate above soft high",))
    assert done.unconfirmed == [] and done.overrides == OVERRIDE_BITS["rate above soft high"]
    assert done.soft == prescription.soft and done.crc != prescription.crc
    assert rx.unpack(done.blob)[0] == done.fields and rx.validate(done.fields, PART) == []
    assert load(over_soft(tmp_path), PART, confirmed=("rate above soft high",)).crc == done.crc


def test_a_confirmation_in_the_file_is_durable(tmp_path: Path) -> None:
    more = '\n[overrides]\nconfirm = ["rate above soft high"]\nreason = "tolerant after two years"\n'
    prescription = load(over_soft(tmp_path, more), PART)
    assert prescription.unconfirmed == [] and prescription.reason == "tolerant after two years"
    assert prescription.fields["library_crc"] == prescription.library.entry_crc != 0


@pytest.mark.parametrize(
    ("more", "key", "words"),
    [
        ('confirm = ["rate above soft hihg"]\nreason = "x"', "overrides.confirm", ["hihg", "rate above soft high"]),
        ('confirm = ["bolus above soft high"]\nreason = "x"', "overrides.confirm", ["in advance"]),
        ('confirm = "rate above soft high"\nreason = "x"', "overrides.confirm", ["list"]),
        ('confirm = ["rate above soft high"]', "overrides.reason", ["missing"]),
        ('confirm = ["rate above soft high"]\nreason = " "', "overrides.reason", ["why"]),
        ('confirm = ["rate above soft high"]\nreason = "a\\nb"', "overrides.reason", ["one line"]),
        ('confirm = [1]\nreason = "x"', "overrides.confirm", ["list of texts"]),
    ],
)
def test_bad_confirmations(tmp_path: Path, more: str, key: str, words: list[str]) -> None:
    with pytest.raises(PrescriptionError) as caught:
        load(over_soft(tmp_path, f"\n[overrides]\n{more}\n"), PART)
    (problem,) = caught.value.problems
    assert problem.key == key
    for word in words:
        assert word in problem.sentence


def test_a_name_that_is_not_there_cannot_be_confirmed(tmp_path: Path) -> None:
    with pytest.raises(PrescriptionError, match="in advance"):
        load(MORPHINE, PART, confirmed=("rate above soft high",))
    with pytest.raises(PrescriptionError, match="in advance"):
        load(over_soft(tmp_path), PART).confirmed(("lockout below soft low",))


def test_check_refuses_to_call_an_unconfirmed_file_ready(thecal: Any, tmp_path: Path) -> None:
    code, out, _err = thecal("check", over_soft(tmp_path))
    assert code == 1 and "NOT READY" in out and "NOT CONFIRMED" in out and "rate above soft high" in out
    more = '\n[overrides]\nconfirm = ["rate above soft high"]\nreason = "tolerant after two years"\n'
    code, out, _err = thecal("check", over_soft(tmp_path, more))
    assert code == 0 and "confirmed" in out and "Reason: tolerant after two years" in out


def test_check_of_a_board_names_another_library_and_the_overrides(thecal: Any, tmp_path: Path) -> None:
    with board_with_program() as board:
        fields = load(over_soft(tmp_path), PART).confirmed(("rate above soft high",)).fields
        for changes, good in (({}, True), ({"library_crc": 5}, False), ({"overrides": 1 << 20 | 2}, False)):
            blob = rx.pack({**fields, **changes})
            board.status["prog"] = rx.program_crc(blob)
            board.blobs[messages.BLOB_ACTIVE_PROGRAM] = blob
            board.blobs[messages.BLOB_ACTIVE_MONITOR] = monitor_limits.encode(fields, rx.program_crc(blob))
            code, out, _err = thecal("check", "--port", board.url)
            assert (code == 0) == good and "rate above soft high" in out, out
            assert ("reviewed with entry 00000005" in out) == ("library_crc" in changes)
