"""The command line as a user meets it: every failure is one sentence and an exit code, never a traceback; --json is one
object."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_bench import MORPHINE, path_env
from fake_board import FakeBoard

from thecal_host.cli import exit_codes
from thecal_host.cli.app import COMMANDS


def test_help_says_what_it_is_not_and_shows_every_command_and_exit_code(thecal):
    code, out, _err = thecal("--help")
    assert code == 0
    assert "NOT A MEDICAL DEVICE" in " ".join(out.split())
    for name in COMMANDS:
        assert f"  {name} " in out
    for number in exit_codes.MEANINGS:
        assert f"\n  {number} " in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(thecal, name):
    code, out, _err = thecal(name, "--help")
    assert code == 0
    assert "Usage: thecal " + name in out


def test_help_loads_nothing_heavy():
    script = (
        "import sys; from thecal_host.cli import run; run(['--help']);"
        "bad = {'numpy', 'matplotlib', 'serial', 'rich', 'textual', 'sqlite3', 'pydantic', 'thecal'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(bad)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=path_env())
    assert done.returncode == 0, done.stderr


def test_version(thecal):
    from thecal_host import __version__

    assert thecal("--version")[:2] == (0, f"thecal {__version__}\n")


@pytest.mark.parametrize(
    "argv", [("nonsense",), ("status", "--nonsense"), ("bolus",), ("log", "nonsense"), ("plan", MORPHINE, "--hours", "x")]
)
def test_bad_usage_is_exit_2(thecal, argv):
    code, _out, err = thecal(*argv)
    assert code == exit_codes.USAGE
    assert "Error" in err


def test_an_error_nobody_foresaw_becomes_a_report(thecal, tmp_path, monkeypatch):
    def broken(_self):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("thecal_host.link.client.Client.status", broken)
    with FakeBoard() as board:
        code, out, err = thecal("status", "--port", board.url, "--json")
    assert code == exit_codes.INTERNAL
    assert json.loads(out)["exit_code"] == exit_codes.INTERNAL
    assert "a bug" in err
    (report,) = (tmp_path / "data" / "crashes").iterdir()
    assert "Traceback" in report.read_text()
    assert str(report) in err


def test_a_report_that_cannot_be_written_is_said(thecal, tmp_path, monkeypatch):
    monkeypatch.setattr("thecal_host.link.client.Client.status", lambda _self: 1 // 0)
    monkeypatch.setattr("thecal_host.cli.failures._report_folders", lambda: [Path("/proc/none")])
    with FakeBoard() as board:
        code, _out, err = thecal("status", "--port", board.url)
    assert code == exit_codes.INTERNAL
    assert "no report could be written" in err


def test_every_exit_code_has_a_meaning():
    assert set(exit_codes.BY_NAME.values()) <= set(exit_codes.MEANINGS)
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    assert codes == set(exit_codes.MEANINGS)


# --- ports and boards that are not what they should be
# ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("status",), "No board was found"),
        (("status", "--port", "/dev/no-such-port"), "There is no port"),
        (("status", "--port", "no-such-board"), "There is no port no-such-board"),
        (("status", "--port", "socket://127.0.0.1:9"), "Nobody listens"),
        (("status", "--port", "nonsense://x"), "not a port"),
        (("stop", "--port", "/dev/no-such-port"), "There is no port"),
        (("log", "pull", "--port", "/dev/no-such-port"), "There is no port"),
        (("upload", MORPHINE, "--port", "/dev/no-such-port"), "There is no port"),
    ],
)
def test_no_port_and_wrong_port(thecal, argv, words):
    code, out, err = thecal(*argv)
    assert code == exit_codes.NO_BOARD
    assert words in err
    assert out == ""


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"mode": "repl"}, "at the MicroPython prompt"),
        ({"mode": "raw_repl"}, "run `thecal flash`"),
        ({"mode": "noise"}, "not the Thecal protocol"),
        ({"mode": "silent"}, "Nothing answers"),
        ({"mode": "old_frames"}, "frame version 2"),
        ({"proto": 0}, "firmware is older: run `thecal flash`"),
        ({"proto": 7}, "newer: update this program"),
    ],
)
@pytest.mark.parametrize("command", ["status", "stop"])
def test_a_line_that_is_not_our_firmware(thecal, command, how, words):
    with FakeBoard(**how) as board:
        code, _out, err = thecal(command, "--port", board.url)
    assert code == exit_codes.NO_BOARD
    assert words in err


def test_unplugged_half_way(thecal):
    with FakeBoard() as board:
        board.faults = ["", *["unplug"] * 50]
        code, _out, err = thecal("status", "--port", board.url)
    assert code == exit_codes.NO_BOARD
    assert "went away" in err


def test_unplugged_in_a_pull_keeps_what_came(thecal):
    with FakeBoard() as board:
        board.add_records(1500)
        board.faults = [""] * 14 + ["unplug"] * 50
        code, _out, err = thecal("log", "pull", "--port", board.url)
        assert code == exit_codes.NO_BOARD
        assert "went away" in err
        board.faults = []
        code, out, _err = thecal("log", "pull", "--port", board.url, "--json")
    assert code == 0
    assert json.loads(out)["new"] == 1000


def test_json_errors_are_one_object(thecal):
    code, out, _err = thecal("status", "--port", "/dev/no-such-port", "--json")
    problem = json.loads(out)
    assert (problem["ok"], problem["exit_code"]) == (False, code)
    assert "There is no port" in problem["error"]
