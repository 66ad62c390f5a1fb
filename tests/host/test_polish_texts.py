"""What people and programs read: figures of a sensible length, the way out of a fault, masses beside volumes, names beside
codes."""

import json
from pathlib import Path

import pytest
from cli_bench import MORPHINE, board_with_program
from hypothesis import given
from hypothesis import strategies as st

from thecal.core import events, faults, messages, states
from thecal_host import amounts, boards, code_names, prescriptions, record_texts, texts
from thecal_host.cli import exit_codes
from thecal_host.link.types import Answer
from thecal_host.paths import examples_dir

STEP_PL = 41_282_490_964


def record(code, a=0, b=0, c=0, detail=0):
    return record_texts.record_sentence(events.unpack_record(events.pack_record(1, 1, 1, code, a, b, c, detail)), STEP_PL)


# --- figures --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nl", "text"), [(0, "0 nL"), (999, "999 nL"), (60_000, "60 uL"), (19_876_543, "19.88 mL"), (99_996, "0.1 mL"), (41, "41 nL")]
)
def test_a_volume_has_four_digits(nl, text):
    assert amounts.volume(nl) == text


def test_a_mass_has_four_digits():
    assert amounts.mass(19_881, 25_000_000) == "497 mcg"
    assert amounts.mass(19_876_543, 25_000_000) == "496.9 mg"


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_rounded_interval_contains_the_exact_one_and_keeps_its_width(low, width):
    ends = amounts.interval(low, low + width)
    assert ends[0] <= low <= low + width <= ends[1]
    assert ends[1] - ends[0] <= width * 12 // 10 + 2


def test_a_long_delivery_keeps_its_interval_visible():
    assert amounts.between(19_876_543, 19_877_343) == "between 19.87654 mL and 19.87735 mL"


# --- sentences ------------------------------------------------------------------------------------------------------------


def test_an_unknown_time_off_blames_a_restart():
    assert texts.ALARMS[faults.A_TIME_UNKNOWN] == "the board restarted; how long it was without power is unknown"


def test_a_latched_fault_says_the_way_out(thecal):
    way = "This version has no recovery command: see 'Out of a latched fault' in firmware/SAFETY.md"
    assert way in texts.reason(messages.LATCHED, faults.MONITOR_TRIPPED, 0)
    assert way in record(events.FAULT, detail=faults.MONITOR_TRIPPED)
    assert "## Out of a latched fault" in (Path(__file__).parents[2] / "firmware" / "SAFETY.md").read_text()
    with board_with_program() as board:
        assert way not in thecal("check", "--port", board.url)[1]
        board.status["fault"] = faults.MONITOR_TRIPPED
        assert way in thecal("check", "--port", board.url)[1]
        assert way in thecal("status", "--port", board.url)[1]


@pytest.mark.parametrize(
    ("alarm", "value", "words"),
    [
        (faults.A_STEPS_MISSING, 7, "step_sense wire (7 steps, at "),
        (faults.A_BOLUS_DROPPED, 40_000, "(40 uL, at "),
        (faults.A_BATTERY_LOW, 3300, "(3300 mV, at "),
        (faults.A_TIME_UNKNOWN, 0, "unknown (at "),
        (faults.A_TIME_UNKNOWN, 5, "unknown (value 5, at "),
        (200, 5, "(value 5, at "),
    ],
)
def test_an_alarm_tells_its_value_with_its_unit(alarm, value, words):
    assert words in record(events.ALARM, 10, value, 0, alarm)


def test_every_alarm_has_a_unit():
    assert set(texts.ALARM_UNITS) == set(faults.PRIORITY)


def test_bolus_answers_are_told_in_mass_too(thecal):
    with board_with_program() as board:
        out = thecal("bolus", "1 mg", "--over", "10 min", "--port", board.url, "--yes")[1]
        assert "Bolus granted: 40 uL = 1 mg, id" in out
        board.refuse["bolus"] = {"r": 1, "k": messages.MAX_BOLUS, "v": 40_000_000, "l": 60_000}
        out = thecal("bolus", "40 mL", "--over", "10 min", "--port", board.url, "--yes")[1]
    assert "40 mL = 1000 mg is larger than the program's largest bolus 60 uL = 1.5 mg" in out
    unknown = record_texts.answer_sentence(Answer("bolus", 1, 1, messages.MAX_BOLUS, 40_000_000, 60_000))
    assert "=" not in unknown


def test_a_board_is_provisioned_once():
    again = record_texts.answer_sentence(Answer("provision", 1, messages.REFUSED, messages.STATE, states.OFF))
    assert "provisioned already" in again
    assert "provisioned already" in record_texts.answer_sentence(Answer("provision", 1, messages.REFUSED, messages.LATCHED, 0))
    latched = record_texts.answer_sentence(Answer("provision", 1, messages.REFUSED, messages.LATCHED, 9))
    assert "already" not in latched
    safe = record_texts.answer_sentence(Answer("provision", 1, messages.REFUSED, messages.STATE, states.SAFE))
    assert "already" not in safe


def test_a_prescription_is_shown_in_words(thecal):
    out = thecal("check", MORPHINE)[1]
    assert "basal.mode: continuous" in out
    assert "power_loss.basal_resumes  yes" in out
    with board_with_program() as board:
        out = thecal("upload", MORPHINE, "--port", board.url)[1]
        line = next(line for line in out.splitlines() if "Basal resumes after power loss" in line)
        assert line.split()[-2:] == ["yes", "yes"]


WATER = examples_dir() / "bench_toy_28byj_water.toml"


def water(tmp_path, dose):
    """Water at 15 mL/day with a patient bolus of `dose`: 1/1000 of a day is 15 uL."""
    path = tmp_path / "rx.toml"
    text = WATER.read_text(encoding="utf-8").replace('rate = "4 mL/day"', 'rate = "15 mL/day"').replace('"12 mL"', '"40 mL"')
    path.write_text(text.replace('"0.1 mL"', f'"{dose}"').replace('max_bolus = "0.25 mL"', 'max_bolus = "0.1 mL"'))
    return path


@pytest.mark.parametrize(("dose", "warned"), [("0.1 mL", False), ("16 uL", False), ("14 uL", True), ("10 uL", True)])
def test_a_bolus_of_a_strange_size_is_noted(tmp_path, dose, warned):
    found = prescriptions.load(water(tmp_path, dose), boards.load("virtual").part).warnings
    assert any("mg or mcg" in text for text in found) == warned


def test_the_small_bolus_is_shown_by_check_plan_and_upload(thecal, tmp_path):
    path = water(tmp_path, "14 uL")
    with board_with_program() as board:
        for command in (("check", path), ("plan", path, "--for", "1h"), ("upload", path, "--port", board.url)):
            code, out, _err = thecal(*command)
            assert code == 0
            assert "mg or mcg" in out


def test_a_bolus_a_thousand_times_too_small_is_refused_as_a_slip(thecal, tmp_path):
    path = tmp_path / "rx.toml"
    path.write_text(Path(MORPHINE).read_text().replace('max_bolus = "1.5 mg"', 'max_bolus = "1.5 mcg"'))
    with board_with_program() as board:
        for command in (("check", path), ("plan", path), ("upload", path, "--port", board.url)):
            code, _out, err = thecal(*command)
            assert code == exit_codes.INVALID
            assert "1/1000 of 1.5 mg" in err


def test_a_time_without_a_unit_is_told_about_time(thecal):
    with board_with_program() as board:
        code, _out, err = thecal("bolus", "1 mg", "--over", "10", "--port", board.url, "--yes")
    assert code == exit_codes.USAGE
    assert "minutes" in err
    assert "mcg" not in err


# --- names beside codes ---------------------------------------------------------------------------------------------------


def test_every_code_has_a_name():
    assert set(code_names.RESULTS) == set(texts.RESULTS)
    assert set(code_names.REASONS) == set(texts.REASONS)
    assert set(code_names.FAULTS) == {0, *faults.FAULTS}
    assert set(code_names.ALARMS) == {0, *faults.PRIORITY}
    assert set(code_names.STATES) == set(states.STATES)


def test_json_has_names_beside_codes(thecal):
    with board_with_program() as board:
        board.status |= {"alarm": faults.A_STEPS_MISSING, "fault": 9}
        now = json.loads(thecal("status", "--port", board.url, "--json")[1])["status"]
        assert (now["state"], now["state_name"]) == (4, "infusing")
        assert (now["alarm_name"], now["fault_name"], now["min_nl"]) == ("steps_missing", "monitor_tripped", 19_900)
        board.refuse["stop"] = {"r": 1, "k": messages.LATCHED, "v": 9}
        answer = json.loads(thecal("stop", "--port", board.url, "--json")[1])
    assert (answer["result_name"], answer["reason_name"]) == ("refused", "latched")
    assert code_names.named({"result": messages.BAD_PROGRAM, "reason": 7}) == {
        "result": 7,
        "result_name": "bad_program",
        "reason": 7,
    }
    assert code_names.named({"state": 99})["state_name"] == ""


def test_log_records_have_names(thecal):
    with board_with_program() as board:
        board.add_records(1, 0, events.ALARM)
        board.records[0] = events.pack_record(0, 1, 0, events.ALARM, 0, 0, 0, faults.A_LOG_FULL)
        thecal("log", "pull", "--port", board.url)
    assert json.loads(thecal("log", "show", "--json")[1])["records"][0]["alarm_name"] == "log_full"


# --- small things ---------------------------------------------------------------------------------------------------------


def test_a_second_pull_knows_all_of_the_first(thecal):
    with board_with_program() as board:
        board.add_records(100)
        thecal("log", "pull", "--port", board.url)
        board.add_records(5, 100)
        assert "5 new records" in (out := thecal("log", "pull", "--port", board.url)[1])
        assert "; 100 were known already" in out
        done = json.loads(thecal("log", "pull", "--port", board.url, "--json")[1])
    assert (done["new"], done["known"]) == (0, 105)


def test_a_generation_that_is_not_kept(thecal, tmp_path):
    with board_with_program() as board:
        board.add_records(10)
        thecal("log", "pull", "--port", board.url)
    for command in (("log", "show"), ("log", "export", tmp_path / "a.csv"), ("plot", tmp_path / "a.svg")):
        code, _out, err = thecal(*command, "--generation", "9")
        assert code == exit_codes.CHECK_FAILED
        assert "There is no generation 9" in err
    assert thecal("log", "show", "--generation", "1")[0] == 0


def test_plot_looks_at_the_folder_first(thecal, tmp_path):
    code, _out, err = thecal("plot", tmp_path / "none" / "a.svg")
    assert code == exit_codes.STORAGE
    assert "no such folder" in err


def test_watch_pauses_half_a_second_at_least(thecal, monkeypatch):
    pauses = []

    def stop(seconds):
        pauses.append(seconds)
        raise KeyboardInterrupt

    with board_with_program() as board:
        monkeypatch.setattr("thecal_host.cli.status.time", type("Clock", (), {"sleep": staticmethod(stop)}))
        thecal("status", "--watch", "1 ms", "--port", board.url)
    assert pauses == [0.5]
