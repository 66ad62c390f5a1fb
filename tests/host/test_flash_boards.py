"""`thecal flash` on real virtual boards by real mpremote: first install, update, interruption, running therapy, the fallback."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flashed_boards import FlashedImage, StartBoard

from thecal.core import states
from thecal_host import boards, cli, paths, scenario
from thecal_host.flashing import bundle, install, offline, tool
from thecal_host.flashing.errors import FlashError, Interrupted
from thecal_host.flashing.run import flash
from thecal_host.link.client import Client
from thecal_host.link.errors import AtRepl
from thecal_host.reference_day import EXAMPLE, REFERENCE_DAY, Action
from thecal_host.virtual.control import ControlClient
from thecal_host.virtual.registry import RunningBoard

WHAT = ("provision", "upload", "activate", "clock")
STARTED = tuple(replace(action, at_ms=0) for action in REFERENCE_DAY if action.what in WHAT)
STARTED += (Action(0, "start"),)


def infusing(board: RunningBoard) -> None:
    """Provision, upload, activate, start."""
    scenario.play(board, str(paths.examples_dir() / EXAMPLE), STARTED)


def state_of(board: RunningBoard) -> int:
    with Client(board.port) as client:
        return client.status().state


def test_a_blank_board_gets_everything_and_passes_its_self_test(flashed_image: FlashedImage) -> None:
    done = flashed_image.flashed
    made = bundle.build(boards.load("virtual"))
    assert set(done.installed.copied) == {*made.files, "/manifest.json"}
    assert done.installed.copied[-2:] == ["/manifest.json", "/main.py"]
    assert done.installed.copied_bytes == sum(map(len, made.files.values())) + len(made.manifest)
    assert done.begun.passed
    assert done.begun.status.state == states.UNPROVISIONED
    assert (done.board, done.before) == ("virtual", "")


def test_flashing_again_copies_nothing_and_starts_the_firmware(running_board: RunningBoard) -> None:
    done = flash(running_board.port)
    assert done.installed.copied == []
    assert len(done.installed.unchanged) == len(bundle.build(boards.load("virtual")).hashes)
    assert done.before == done.firmware
    assert done.begun.status.state == states.OFF
    assert any("nothing was delivered before" in note for note in done.notes)
    assert flash(running_board.port).notes == []  # provisioned once


def test_only_what_changed_is_copied_and_what_is_old_is_removed(running_board: RunningBoard) -> None:
    with ControlClient(running_board) as control:
        gate = control.read_file("/thecal/core/gate.mpy")
        control.put_files({"/thecal/core/gate.mpy": gate[:100], "/thecal/core/of_old.mpy": b"x", "/notes.txt": b"mine"})
    done = flash(running_board.port)
    assert done.installed.copied == ["/thecal/core/gate.mpy", "/manifest.json", "/main.py"]
    assert done.installed.removed == ["/thecal/core/of_old.mpy"]
    assert done.begun.passed
    with ControlClient(running_board) as control:
        assert control.read_file("/thecal/core/gate.mpy") == gate
        assert "/thecal/core/of_old.mpy" not in control.list_files()
        assert control.read_file("/notes.txt") == b"mine"


class _Breaks(tool.Mpremote):
    """mpremote whose cable is pulled when the n-th file begins."""

    left = 0

    def call(self, commands, fresh=False, on_line=None):  # type: ignore[no-untyped-def]
        def follow(line: str) -> None:
            if line.startswith("cp "):
                _Breaks.left -= 1
                if _Breaks.left < 0:
                    raise self._failure("device disconnected")
            if on_line:
                on_line(line)

        return super().call(commands, fresh, follow)


@pytest.mark.parametrize("files", [1, 4])  # in the middle of the files; before the last two
def test_an_interrupted_flash_leaves_a_board_that_runs_nothing_and_goes_on(
    files: int, running_board: RunningBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ControlClient(running_board) as control:
        damaged = {f"/thecal/core/{name}.mpy": b"old" for name in ("codec", "frames", "gate")}
        control.put_files({**damaged, "/boot.py": b"import machine; machine.Pin(4, machine.Pin.OUT, value=1)\n"})
    monkeypatch.setattr("thecal_host.flashing.run.Mpremote", _Breaks)
    _Breaks.left = files
    with pytest.raises(Interrupted, match=r"runs nothing now and its motor driver is off"):
        flash(running_board.port)
    with ControlClient(running_board) as control:
        control.reset()
        assert control.status()["phase"] == "repl"
        assert control.truth()["en"] == 0
        assert "/main.py" not in control.list_files()
    with pytest.raises(AtRepl):
        state_of(running_board)
    _Breaks.left = 1000
    done = flash(running_board.port)
    assert done.begun.passed
    assert done.installed.copied[-2:] == ["/manifest.json", "/main.py"]
    assert len(done.installed.copied) < 7  # the four that were old, at most, and the last two


def test_running_therapy_is_stopped_only_after_it_was_confirmed(running_board: RunningBoard) -> None:
    infusing(running_board)

    def no(question: str) -> None:
        assert "stops it" in question
        raise FlashError("no")

    with pytest.raises(FlashError, match="^no$"):
        flash(running_board.port, confirm=no)
    assert state_of(running_board) == states.INFUSING
    asked: list[str] = []
    done = flash(running_board.port, confirm=asked.append)
    assert len(asked) == 1
    assert done.begun.status.state == states.OFF
    assert any("`thecal start`" in note for note in done.notes)
    assert done.begun.status.program_crc != 0  # the program is still there


def test_the_fallback_engine_gets_the_same_files_without_mpremote(start_board: StartBoard) -> None:
    board = start_board("fallback", engine="cpython", blank=True)
    done = flash(board.port)
    made = bundle.build(boards.load("virtual"))
    assert sorted(done.installed.copied) == sorted(made.hashes)
    assert offline.NOTICE in done.notes
    assert done.begun.passed
    with ControlClient(board) as control:
        assert control.read_file("/manifest.json") == made.manifest
        control.put_files({"/thecal/core/gate.mpy": b"damaged", "/thecal/of_old.mpy": b""})
    again = flash(board.port)
    assert again.installed.copied == ["/thecal/core/gate.mpy"]
    assert again.installed.removed == ["/thecal/of_old.mpy"]
    assert flash(board.port).installed.copied == []


def test_a_damaged_file_is_found_by_the_self_test(running_board: RunningBoard) -> None:
    flash(running_board.port)
    with ControlClient(running_board) as control:
        unit = control.read_file("/thecal/core/units.mpy")
        control.put_files({"/thecal/core/units.mpy": unit[:-1] + bytes((unit[-1] ^ 1,))})
    with Client(running_board.port) as client:
        status = client.status()
    assert (status.state, status.fault) == (states.SAFE, 8)


def test_the_maintenance_command_frees_the_prompt_for_one_boot_only(running_board: RunningBoard) -> None:
    with Client(running_board.port) as client:
        assert client.maintenance().ok
    caller = tool.Mpremote(running_board.port)
    with ControlClient(running_board) as control:
        while control.status()["phase"] != "repl":
            pass
    assert caller.call([["exec", "print(6*7)"]])[-1] == "42"
    assert install.look(caller).board == "virtual"
    with ControlClient(running_board) as control:
        control.reset()
    assert state_of(running_board) == states.UNPROVISIONED


def test_the_command_says_what_it_did(running_board: RunningBoard, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["flash", "--json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert data["ok"]
    assert (data["board"], data["copied"], data["fault"]) == ("virtual", [], 0)
    assert cli.run(["flash"]) == 0
    out, err = capsys.readouterr()
    assert "NOT A MEDICAL DEVICE" in err
    assert "Up to date: all" in out
    assert "Self-test passed; the pump is off." in out


def test_the_command_has_a_sentence_for_the_wrong_board(running_board: RunningBoard, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["flash", "--board", "rpi_pico"]) == 3
    assert "board file rpi_pico is for rp2" in capsys.readouterr().err
    assert cli.run(["flash", "--board", "rp_pico"]) == 6
    assert 'Did you mean "rpi_pico"?' in capsys.readouterr().err


def test_without_a_board_and_with_two_the_command_says_so(
    start_board: StartBoard, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    assert cli.run(["flash"]) == 3
    assert "No board was found" in capsys.readouterr().err
    start_board("one")
    start_board("two")
    assert cli.run(["flash"]) == 3
    assert "several boards: one, two" in capsys.readouterr().err
    assert cli.run(["flash", "--port", str(Path("/dev/thecal-none"))]) == 3
    assert "/dev/thecal-none" in capsys.readouterr().err
