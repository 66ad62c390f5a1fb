"""Therapy from the command line: increases are confirmed, a bolus keeps its id, a change takes two steps, refusals say why."""

import json
import shlex
from pathlib import Path

import pytest
from cli_bench import MORPHINE, board_with_program
from fake_board import FakeBoard

from thecal.core import messages
from thecal.core.prescription import program_crc
from thecal_host.cli import exit_codes


def test_status_shows_the_interval_in_volume_and_mass(thecal):
    with board_with_program() as board:
        code, out, err = thecal("status", "--port", board.url)
        assert code == 0
        assert "between 19.9 uL (497.5 mcg) and 20.05 uL (501.25 mcg)" in out
        assert "not fitted" in out
        assert "NOT A MEDICAL DEVICE" in err
        code, out, err = thecal("status", "--port", board.url, "--json")
        assert json.loads(out)["status"]["min_nl"] == 19_900
        assert err == ""


@pytest.mark.parametrize("command", ["start", "resume", "maintenance", "provision"])
def test_increases_are_confirmed(thecal, command):
    with board_with_program() as board:
        code, _out, err = thecal(command, "--port", board.url)
        assert code == exit_codes.NOT_CONFIRMED
        assert "--yes" in err
        assert board.ran == []
        assert thecal(command, "--port", board.url, "--yes")[0] == 0
        assert [name for name, _id in board.ran] == [command]


@pytest.mark.parametrize("command", ["stop", "hold", "ack"])
def test_what_lowers_the_dose_never_asks(thecal, command):
    with FakeBoard() as board:
        code, out, _err = thecal(command, "--port", board.url)
    assert (code, out) == (0, f"{command.capitalize()}: done.\n")


def test_a_bolus_as_mass_uses_the_boards_concentration(thecal):
    with board_with_program() as board:
        code, out, _err = thecal("bolus", "1 mg", "--over", "10 min", "--port", board.url, "--yes", "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["nl"], answer["ms"], answer["ok"]) == (40_000, 600_000, True)
    assert [(request["nl"], request["ms"]) for request in board.requests if request["c"] == "bolus"] == [(40_000, 600_000)]


def test_a_bolus_as_mass_without_a_program_is_refused_here(thecal):
    with FakeBoard() as board:
        board.status["prog"] = 0
        code, _out, err = thecal("bolus", "1 mg", "--over", "10m", "--port", board.url, "--yes")
        assert code == exit_codes.INVALID
        assert "concentration" in err
        assert board.ran == []
        assert thecal("bolus", "20 uL", "--over", "10m", "--port", board.url, "--yes")[0] == 0


@pytest.mark.parametrize(
    ("amount", "over"),
    [("1", "10 min"), ("1 mg", "10"), ("-1 mg", "1 h"), ("1 mcL/h", "1 h"), ("1e3 uL", "1 h"), ("0 uL", "1 h"), ("1 uL", "1h x")],
)
def test_amounts_that_are_not(thecal, amount, over):
    with board_with_program() as board:
        code, _out, err = thecal("bolus", "--over", over, "--port", board.url, "--yes", "--", amount)
    assert code == exit_codes.USAGE
    assert err
    assert board.ran == []


def test_a_refused_bolus_says_why(thecal):
    with board_with_program() as board:
        board.refuse["bolus"] = {"r": 1, "k": messages.LOCKOUT, "v": 3_600_000, "l": 7_200_000}
        code, out, _err = thecal("bolus", "1 mg", "--over", "10m", "--port", board.url, "--yes")
    assert code == exit_codes.REFUSED
    assert "Wait 1 h more" in out


def test_an_uncertain_bolus_prints_how_to_settle_it_and_settling_does_not_run_it_again(thecal):
    with board_with_program() as board:
        board.faults = [""] * 4 + ["drop"] * 30  # hello, status, program and the hello for the id are answered
        code, out, err = thecal("bolus", "1 mg", "--over", "10m", "--port", board.url, "--yes", "--json")
        assert code == exit_codes.UNCERTAIN
        problem = json.loads(out)
        assert str(problem["command_id"]) in err
        board.faults = []
        words = shlex.split(problem["settle"])
        assert words[0] == "thecal"
        code, out, _err = thecal(*words[1:], "--yes")
        assert code == 0
        assert "not run again" in out
        assert board.ran == [("bolus", problem["command_id"])]


def test_upload_then_activate(thecal):
    with board_with_program() as board:
        del board.blobs[messages.BLOB_ACTIVE_PROGRAM]
        board.status["prog"] = 0
        code, out, _err = thecal("upload", MORPHINE, "--port", board.url)
        assert code == 0
        assert "Nothing has changed yet" in out
        assert board.ran == []
        code, _out, err = thecal("activate", "--port", board.url)
        assert code == exit_codes.NOT_CONFIRMED
        assert "basal goes from nothing to 0.48 mL/day" in err
        assert thecal("activate", "--port", board.url, "--yes")[0] == exit_codes.NOT_CONFIRMED
        crc = program_crc(board.blobs[messages.BLOB_PROGRAM])
        assert thecal("activate", "--port", board.url, "--yes", "--crc", f"{crc:08x}")[0] == 0
        (asked,) = [request for request in board.requests if request["c"] == "activate"]
        assert asked["crc"] == crc


def test_upload_lists_increases_over_the_active_program(thecal, tmp_path):
    higher = tmp_path / "higher.toml"
    higher.write_text(Path(MORPHINE).read_text().replace('dose = "12 mg/day"', 'dose = "14 mg/day"').replace('"2 h"', '"1 h"'))
    with board_with_program() as board:
        code, out, _err = thecal("upload", higher, "--port", board.url)
        assert code == 0
        assert "MORE than now: basal.dose: 0.48 mL/day -> 0.56 mL/day" in out
        assert "MORE than now: limits.bolus_lockout: 2 h -> 1 h" in out
        assert "MORE than now: limits.max_bolus" not in out


def test_an_upload_that_reads_back_otherwise_is_refused(thecal):
    with board_with_program() as board:
        original = board._read
        board._read = lambda kind, offset: original(messages.BLOB_ACTIVE_PROGRAM, offset)
        code, _out, err = thecal("upload", MORPHINE, "--port", board.url)
    assert code == exit_codes.REFUSED
    assert "not what was sent" in err


def test_activate_with_nothing_uploaded(thecal):
    with board_with_program() as board:
        code, _out, err = thecal("activate", "--port", board.url, "--yes")
    assert code == exit_codes.REFUSED
    assert "thecal upload" in err


def test_a_prescription_with_errors_is_not_uploaded(thecal, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text(Path(MORPHINE).read_text().replace("25 mg/mL", "25"))
    with board_with_program() as board:
        code, _out, err = thecal("upload", bad, "--port", board.url)
    assert code == exit_codes.INVALID
    assert "drug.concentration" in err
    assert all(request["c"] != "stage" for request in board.requests)


@pytest.mark.parametrize("command", ["check", "plan"])
def test_files_that_are_not_there(thecal, command, tmp_path):
    code, _out, err = thecal(command, tmp_path / "none.toml")
    assert code == exit_codes.INVALID
    assert "does not exist" in err


def test_check_and_plan_of_the_example(thecal):
    code, out, _err = thecal("check", MORPHINE)
    assert code == 0
    assert "is valid" in out
    code, out, _err = thecal("plan", MORPHINE, "--json")
    assert json.loads(out)["plan"]["rate_nl_per_day"] == 480_000


def test_check_of_a_board(thecal):
    with board_with_program() as board:
        assert thecal("check", "--port", board.url)[0] == 0
        board.status["fault"] = 9
        code, out, _err = thecal("check", "--port", board.url)
        assert code == exit_codes.CHECK_FAILED
        assert "the monitor counted steps" in out
        board.status["fault"] = 0
        board.blobs[messages.BLOB_ACTIVE_MONITOR] = b"x" * 74
        code, out, _err = thecal("check", "--port", board.url, "--json")
        assert code == exit_codes.CHECK_FAILED
        assert [item["what"] for item in json.loads(out)["checks"] if not item["passed"]] == ["monitor limits"]


@pytest.mark.parametrize("number", ["0", "-1", str(1 << 48), "9" * 400])
@pytest.mark.parametrize("command", [("start", "--yes"), ("bolus", "1 uL", "--over", "1 min", "--yes"), ("activate", "--yes")])
def test_an_id_that_cannot_be_one_is_refused_here(thecal, command, number):
    with board_with_program() as board:
        code, out, err = thecal(*command, "--json", "--id", number, "--port", board.url)
    assert code == exit_codes.USAGE
    assert "ids are 1 to 281474976710655" in err
    assert json.loads(out)["ok"] is False
    assert board.requests == []


@pytest.mark.parametrize("number", [1 << 16, (1 << 48) - 1])
def test_every_id_of_the_protocol_can_be_given(thecal, number):
    with board_with_program() as board:
        assert thecal("stop", "--id", number, "--port", board.url)[0] == 0
    assert board.ran == [("stop", number)]
