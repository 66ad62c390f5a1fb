"""The full day from the command line against the real firmware in its VM: clock, patient bolus, temporary and minimum rate, hold,
set-up motions; what status, log and curves say of it against the plant's truth."""

import json

import pytest
from test_link_real_board import infusing, logged

from thecal.core import events, messages
from thecal_host.cli import exit_codes
from thecal_host.paths import examples_dir
from thecal_host.virtual.control import ControlClient

FLEX = str(examples_dir() / "baclofen_flex_night.toml")
NL_PER_STEP_PL = 41_282_490_964


def status(thecal, port):
    return json.loads(thecal("status", "--json", *port)[1])["status"]


def advance(thecal, board, time):
    code, _out, err = thecal("sim", "advance", time, "--board", board.name)
    assert code == 0, err


@pytest.fixture
def board(running_board, tmp_path, monkeypatch):
    monkeypatch.setenv("THECAL_STATE_DIR", str(tmp_path))
    return running_board


def test_a_day_of_everything(thecal, board, tmp_path):
    port = infusing(thecal, board, FLEX)
    now = status(thecal, port)
    assert (now["mode_name"], now["state_name"], now["alarm"]) == ("flex", "infusing", 0)
    assert now["wall_unix_ms"] is not None, "start gave the board the time"
    advance(thecal, board, "2 h")

    code, out, _err = thecal("patient", "--yes", "--json", *port)
    assert (code, json.loads(out)["ok"]) == (0, True)
    advance(thecal, board, "20 min")  # it has ended, so that the lockout is what refuses the next
    code, out, _err = thecal("patient", "--yes", "--json", *port)
    refused = json.loads(out)
    assert code == exit_codes.REFUSED
    assert refused["wait_ms"] > 0
    assert "It would be granted in " in refused["sentence"]
    advance(thecal, board, f"{refused['wait_ms']} ms")
    assert thecal("patient", "--yes", *port)[0] == 0, "granted after the wait that was told"
    assert status(thecal, port)["unmet"] == 1

    advance(thecal, board, "1 h")
    assert thecal("temp", "--percent", "0", "--for", "30 min", *port)[0] == 0
    now = status(thecal, port)
    assert (now["rate_nl_per_day"], now["overlay_name"], now["overlay_left_ms"]) == (0, "temp", 1_800_000)
    advance(thecal, board, "31 min")
    assert status(thecal, port)["overlay_name"] == "none"
    assert thecal("minimum", "--yes", *port)[0] == 0
    assert status(thecal, port)["overlay_name"] == "minimum"
    assert thecal("normal", "--yes", *port)[0] == 0

    assert thecal("hold", "--for", "20 min", *port)[0] == 0
    assert thecal("patient", "--yes", *port)[0] == exit_codes.REFUSED, "never during a hold"
    advance(thecal, board, "21 min")
    now = status(thecal, port)
    assert (now["state_name"], now["unmet"]) == ("infusing", 2)
    assert thecal("off", *port)[0] == 0
    advance(thecal, board, "5 s")

    low, high = status(thecal, port)["min_nl"], status(thecal, port)["max_nl"]
    with ControlClient(board) as control:
        assert low <= control.truth()["delivered_nl"] <= high + 1
    unmet = logged(thecal, port, events.UNMET)
    assert [record["reason_name"] for record in unmet] == ["lockout", "state"]
    assert all(record["unix_ms"] for record in unmet)
    code, out, _err = thecal("plot", tmp_path / "day.svg", "--json")
    curves = json.loads(out)
    assert curves["delivered_nl"][0] <= curves["programmed_nl"] <= curves["delivered_nl"][1] + 50


def test_motions_are_no_dose_and_are_told_apart(thecal, board, tmp_path):
    port = ("--port", board.url)
    assert thecal("provision", "--nothing-delivered", "--yes", *port)[0] == 0
    assert thecal("setup", "jog", "--steps", "200", "--yes", *port)[0] == exit_codes.REFUSED, "a dose without a program"
    assert thecal("setup", "purge", "--steps", "200", "--yes", *port)[0] == exit_codes.REFUSED, "not with the outlet connected"
    code, out, _err = thecal("setup", "prime", "--steps", "500", "--detached", "--yes", *port)
    assert (code, "time stands still" in out) == (0, True)
    advance(thecal, board, "1 s")
    now = status(thecal, port)
    assert (now["state_name"], now["motion_name"]) == ("setup", "prime")
    assert 0 < now["motion_left_steps"] < 500
    assert now["min_nl"] == 0, "nothing of it is a dose for certain"
    assert thecal("stop", *port)[0] == 0
    advance(thecal, board, "5 s")
    ended = logged(thecal, port, events.MOVE_END)
    assert len(ended) == 1
    assert (ended[0]["detail"], 0 < ended[0]["c"] < 500) == (0, True)
    code, _out, _err = thecal("setup", "jog", "--steps", "100", "--reverse", "--detached", "--yes", *port)
    assert code == 0
    advance(thecal, board, "5 s")
    now = status(thecal, port)
    assert now["setup_nl"] == (500 - ended[0]["c"] + 100) * NL_PER_STEP_PL // 1_000_000_000
    assert (now["state_name"], now["min_nl"], now["max_nl"]) == ("off", 0, 0)


def test_a_plunger_seen_to_move_the_wrong_way_is_not_started(thecal, board):
    port = infusing(thecal, board)
    assert thecal("off", *port)[0] == 0
    advance(thecal, board, "5 s")
    assert thecal("setup", "direction", "--no", *port)[0] == 0
    code, out, _err = thecal("start", "--yes", "--json", *port)
    assert (code, json.loads(out)["reason"]) == (exit_codes.REFUSED, messages.DIRECTION)
    assert thecal("setup", "direction", "--yes-it-did", *port)[0] == 0
    assert status(thecal, port)["direction_name"] == "ok"
    assert thecal("start", "--yes", *port)[0] == 0
