"""The link and the command line against the real firmware in its VM: a day from upload to log, and a bolus whose answer the
power cut ate."""

import json
import shlex

import pytest
from cli_bench import MORPHINE

from thecal.core import events, messages
from thecal.core.codec import unseal
from thecal_host.link.client import Client
from thecal_host.link.errors import LinkError
from thecal_host.virtual.control import ControlClient


def infusing(thecal, board, file=MORPHINE):
    """The program in `file` (the morphine example) active and running on `board`; arguments that name it."""
    port = ("--port", board.url)
    assert thecal("provision", "--nothing-delivered", "--yes", *port)[0] == 0
    code, out, err = thecal("upload", file, "--json", *port)
    assert code == 0, err
    assert thecal("activate", "--yes", "--crc", json.loads(out)["program_crc"], *port)[0] == 0
    assert thecal("start", "--yes", *port)[0] == 0
    return port


def logged(thecal, port, code):
    """All records with this code in the board's log."""
    assert thecal("log", "pull", *port)[0] == 0
    records = json.loads(thecal("log", "show", "-n", "0", "--json")[1])["records"]
    return [record for record in records if record["code"] == code]


def check_granted_once(thecal, port, command_id):
    """One grant in the log; or none, when the power went after the ledger's write and before the log's: then the ledger told of
    the promised bolus at the next start, and the missing records show as lost."""
    grants = logged(thecal, port, events.GRANT)
    if grants:
        assert [record["a"] for record in grants] == [command_id]
    else:
        assert [record["c"] for record in logged(thecal, port, events.RECOVERED)] == [40_000]
        assert logged(thecal, port, events.GAP)


def test_upload_start_advance_bolus_pull_export_plot(thecal, running_board, tmp_path, monkeypatch):
    monkeypatch.setenv("THECAL_STATE_DIR", str(tmp_path))
    port = infusing(thecal, running_board)
    assert thecal("sim", "advance", "2 h", "--board", running_board.name)[0] == 0
    code, out, _err = thecal("bolus", "1 mg", "--over", "10 min", "--yes", "--json", *port)
    assert (code, json.loads(out)["nl"]) == (0, 40_000)
    assert thecal("sim", "advance", "1h 30min", "--board", running_board.name)[0] == 0
    code, out, _err = thecal("bolus", "1 mg", "--over", "10 min", "--yes", *port)
    assert code == 4
    assert "lockout" in out
    status = json.loads(thecal("status", "--json", *port)[1])["status"]
    programmed = 480_000 * 35 // 240 + 40_000
    assert status["min_nl"] <= programmed <= status["max_nl"] + 100
    with ControlClient(running_board) as control:
        assert status["min_nl"] <= control.truth()["delivered_nl"] <= status["max_nl"]
    assert thecal("check", *port)[0] == 0
    assert len(logged(thecal, port, events.GRANT)) == 1
    code, out, _err = thecal("plot", tmp_path / "a.svg", "--json")
    assert code == 0
    low, high = json.loads(out)["delivered_nl"]
    assert low <= programmed <= high
    assert thecal("log", "export", tmp_path / "a.csv")[0] == 0


@pytest.mark.sr("SR-03")
@pytest.mark.parametrize("operation", [1, 3, 5, 7])
def test_a_bolus_whose_answer_a_power_cut_ate_is_settled_and_given_once_or_not_at_all(
    thecal, running_board, tmp_path, monkeypatch, operation
):
    monkeypatch.setenv("THECAL_STATE_DIR", str(tmp_path))
    port = infusing(thecal, running_board)
    name = running_board.name
    thecal("sim", "advance", "70 min", "--board", name)
    assert thecal("sim", "cut", "--flash-op", operation, "--board", name)[0] == 0
    code, out, _err = thecal("bolus", "1 mg", "--over", "10 min", "--yes", "--json", *port)
    if code == 0:  # the cut falls behind the answer: then it was durable before
        command_id = json.loads(out)["command_id"]
    else:
        assert code == 5
        problem = json.loads(out)
        command_id = problem["command_id"]
    with ControlClient(running_board) as control:
        if control.status()["phase"] == "off":
            control.power_on(60_000)
    if code == 5:
        code, out, _err = thecal(*shlex.split(problem["settle"])[1:], "--yes", "--json")
        answer = json.loads(out)
        assert answer["command_id"] == command_id
        assert code == 0
    check_granted_once(thecal, port, command_id)
    code, out, _err = thecal("bolus", "1 mg", "--over", "10 min", "--yes", "--json", "--id", command_id, *port)
    assert json.loads(out)["replayed"] is True
    check_granted_once(thecal, port, command_id)


def test_pulling_is_the_same_as_reading_the_flash(thecal, running_board, tmp_path, monkeypatch):
    monkeypatch.setenv("THECAL_STATE_DIR", str(tmp_path))
    infusing(thecal, running_board)
    thecal("sim", "advance", "12 h", "--board", running_board.name)
    with Client(running_board.url) as client:
        pulled = b"".join(client.pull_log())
        ledger = client.read_blob(messages.BLOB_LEDGER)
    assert len(pulled) > 300 * events.RECORD_BYTES
    assert ledger is not None
    assert unseal(ledger) is not None
    with ControlClient(running_board) as control:  # looking at the flash restarts the board, which adds records behind these
        names = sorted(path for path in control.list_files() if path.startswith("/log/"))
        assert b"".join(control.read_file(path) for path in names).startswith(pulled)


def test_a_blank_board_is_at_the_prompt_and_is_left_usable(start_board):
    board = start_board("blank", blank=True)
    for _ in range(2):
        with pytest.raises(LinkError, match="run `thecal flash`"):
            Client(board.url).connect()
