"""The command line as a user meets it: every failure is one sentence and an exit code, never a traceback; --json is one
object."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_board import FakeBoard

from thecal.core import messages
from thecal.core.prescription import pack, program_crc
from thecal_host import boards, monitor_limits, prescriptions
from thecal_host.cli import exit_codes, run
from thecal_host.cli.app import COMMANDS
from thecal_host.paths import examples_dir

MORPHINE = str(examples_dir() / "morphine_continuous.toml")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No board, no log and no answer of the machine's own gets into a test, and nothing waits for long."""
    monkeypatch.setenv("THECAL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("THECAL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("THECAL_PORT", raising=False)
    monkeypatch.setattr("thecal_host.link.client.QUERY_DEADLINE_S", 1.0)
    monkeypatch.setattr("thecal_host.link.client.COMMAND_DEADLINE_S", 1.0)
    monkeypatch.setattr("thecal_host.link.session.FIRST_WAIT_S", 0.15)
    monkeypatch.setattr("serial.tools.list_ports.comports", list)


@pytest.fixture
def thecal(capsys):
    """Run `thecal` here; (exit code, standard output, standard error). A traceback is a failure whatever else happens."""

    def call(*argv):
        code = run([str(word) for word in argv])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


def board_with_program(**how):
    """A fake board on which the morphine example is active."""
    board = FakeBoard(**how)
    rx = prescriptions.load(MORPHINE, boards.load("virtual").part)
    board.hello_extra = {"port": "virtual"}
    board.blobs[messages.BLOB_ACTIVE_PROGRAM] = pack(rx.fields, 3)
    board.blobs[messages.BLOB_ACTIVE_MONITOR] = monitor_limits.encode(rx.fields, rx.crc)
    board.status["prog"] = rx.crc
    return board


# --- the command itself ----------------------------------------------------------------------------------------------------


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


def path_env():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


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


# --- therapy -----------------------------------------------------------------------------------------------------------------


def test_status_shows_the_interval_in_volume_and_mass(thecal):
    with board_with_program() as board:
        code, out, err = thecal("status", "--port", board.url)
        assert code == 0
        assert "between 19.9 uL (497.5 mcg) and 20.041 uL (501.025 mcg)" in out
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
    import shlex

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
        assert thecal("activate", "--port", board.url, "--yes")[0] == 0
        (asked,) = [request for request in board.requests if request["c"] == "activate"]
        assert asked["crc"] == program_crc(board.blobs[messages.BLOB_PROGRAM])


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


# --- log, plot, devices, virtual
# -------------------------------------------------------------------------------------------------


def test_log_pull_show_export(thecal, tmp_path):
    with board_with_program() as board:
        board.add_records(100)
        code, out, _err = thecal("log", "pull", "--port", board.url)
    assert code == 0
    assert out.startswith("100 new records")
    code, out, _err = thecal("log", "show", "-n", "3")
    assert len(out.splitlines()) == 3
    assert "delivered" in out
    code, out, _err = thecal("log", "show", "--json", "-n", "0")
    assert len(json.loads(out)["records"]) == 100
    assert thecal("log", "export", tmp_path / "log.csv")[0] == 0
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 101
    assert thecal("log", "export", "--curves", tmp_path / "curves.csv")[0] == 0
    code, _out, err = thecal("log", "export", tmp_path / "no" / "log.csv")
    assert code == exit_codes.STORAGE
    assert "no such folder" in err


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
    assert thecal("devices")[0] == exit_codes.CHECK_FAILED
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
