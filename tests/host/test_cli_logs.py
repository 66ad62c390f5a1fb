"""Log, plot, devices and virtual boards from the command line, when things go well and when they do not."""

import json
import subprocess
import sys

import pytest
from cli_bench import MORPHINE, board_with_program, path_env
from flex_bench import MONDAY_0800_MS, flex_board

from thecal.core import events, messages
from thecal.core.ledger import M_DETACHED
from thecal_host.cli import exit_codes

# -------------------------------------------------------------------------------------------------


def test_log_pull_show_export(thecal, tmp_path):
    with board_with_program() as board:
        board.add_records(100)
        code, out, _err = thecal("log", "pull", "--port", board.url)
    assert code == 0
    assert out.startswith("100 new records")
    code, out, _err = thecal("log", "show", "-n", "3")
    assert len(out.splitlines()) == 3
    assert "pumped" in out
    code, out, _err = thecal("log", "show", "--json", "-n", "0")
    assert len(json.loads(out)["records"]) == 100
    assert thecal("log", "export", tmp_path / "log.csv")[0] == 0
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 101
    assert thecal("log", "export", "--curves", tmp_path / "curves.csv")[0] == 0
    code, _out, err = thecal("log", "export", tmp_path / "no" / "log.csv")
    assert code == exit_codes.STORAGE
    assert "no such folder" in err


def test_log_show_tells_wall_clock_times_where_the_log_does(thecal):
    with flex_board() as board:
        for seq, row in enumerate(
            [
                (1, 0, events.BOOT),
                (1, 1000, events.CLOCK, MONDAY_0800_MS, 0, 0, events.CLOCK_FIRST),
                (1, 2000, events.UNMET, 7 << 16, 60, 1, messages.LOCKOUT),
                (2, 2000, events.MOVE, 8 << 16, 200, 1000, messages.PRIME | M_DETACHED),
            ]
        ):
            board.records.append(events.pack_record(seq, *row))
        assert thecal("log", "pull", "--port", board.url)[0] == 0
    lines = thecal("log", "show")[1].splitlines()
    assert "2026-11-30 08:59:59+01:00" in lines[0]
    assert "2026-11-30 09:00:00+01:00  wall clock set: 2026-11-30 08:00:00Z" in lines[1]
    assert "UNMET DEMAND: a patient bolus was refused (lockout); it would have been granted in 1 min" in lines[2]
    assert lines[3].split()[:5] == ["3", "start", "2", "2", "s"]
    assert "set-up motion (prime, outlet disconnected) of 200 steps = 8.256 uL" in lines[3]
    records = json.loads(thecal("log", "show", "--json")[1])["records"]
    assert [record["unix_ms"] for record in records] == [MONDAY_0800_MS - 1000, MONDAY_0800_MS, MONDAY_0800_MS + 1000, None]
    assert (records[1]["way_name"], records[2]["reason_name"], records[3]["motion_name"]) == ("first", "lockout", "prime")


def test_log_show_with_nothing_kept(thecal):
    code, _out, err = thecal("log", "show")
    assert code == exit_codes.CHECK_FAILED
    assert "thecal log pull" in err


def test_a_damaged_store_is_a_sentence(thecal, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "logs.sqlite3").write_bytes(b"garbage" * 1000)
    code, _out, err = thecal("log", "show")
    assert code == exit_codes.STORAGE
    assert "damaged" in err


FULL_DISK = """
import io, sys
class Full(io.RawIOBase):
    def writable(self):
        return True
    def write(self, data):
        raise OSError(28, "No space left on device")
sys.stdout = io.TextIOWrapper(io.BufferedWriter(Full()))
sys.argv[0] = "thecal"
from thecal_host.cli import main
main()
"""


@pytest.mark.parametrize("argv", [("plan", MORPHINE), ("--help",)])
def test_disk_full_on_the_output_is_a_sentence(argv):
    command = [sys.executable, "-c", FULL_DISK, *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=path_env())
    assert done.returncode == exit_codes.STORAGE
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error():
    command = f'"{sys.executable}" -m thecal_host --help | head -1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, env=path_env())
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("Usage")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_plot(thecal, tmp_path, ending):
    with board_with_program() as board:
        board.add_records(100)
        thecal("log", "pull", "--port", board.url)
    assert thecal("plot", tmp_path / f"a.{ending}")[0] == 0
    picture = (tmp_path / f"a.{ending}").read_bytes()
    assert picture.startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    thecal("plot", tmp_path / f"b.{ending}")
    assert (tmp_path / f"b.{ending}").read_bytes() == picture


def test_plot_without_matplotlib_says_how_to_get_it(thecal, tmp_path, monkeypatch):
    with board_with_program() as board:
        board.add_records(10)
        thecal("log", "pull", "--port", board.url)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _out, err = thecal("plot", tmp_path / "a.svg")
    assert code == exit_codes.MISSING
    assert "pip install 'thecal[plot]'" in err


def test_plot_of_a_kind_that_is_not_known(thecal, tmp_path):
    code, _out, err = thecal("plot", tmp_path / "a.gif")
    assert code == exit_codes.USAGE
    assert ".svg" in err


def test_devices(thecal):
    code, out, _err = thecal("devices")
    assert code == 0
    assert "thecal virtual start" in out
    code, out, _err = thecal("devices", "--json")
    assert (code, json.loads(out)["devices"]) == (0, [])


@pytest.mark.parametrize(
    "argv",
    [
        ("sim", "truth"),
        ("sim", "advance", "1 h"),
        ("sim", "cut", "--board", "none"),
        ("sim", "inject", "occlusion", "--board", "../etc"),
        ("virtual", "stop"),
        ("virtual", "start", "no/name"),
        ("virtual", "start", "--engine", "abacus"),
    ],
)
def test_virtual_boards_that_are_not(thecal, argv):
    code, _out, err = thecal(*argv)
    assert code == exit_codes.VIRTUAL
    assert err.startswith("thecal: ")


@pytest.mark.parametrize("text", ["soon", "5", "1 mg", ""])
def test_times_that_are_not(thecal, text):
    code, _out, err = thecal("sim", "advance", text)
    assert code == exit_codes.USAGE
    assert "TIME" in err
