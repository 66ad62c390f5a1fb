"""What the command line promises about a virtual board: an id of its own, an advance that can be ended, faults with units."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from virtual_boards import ENGINES, firmware_files, running

from thecal_host.cli import run
from thecal_host.cli.sim import FAULTS_HELP, _flat
from thecal_host.flashing import way
from thecal_host.flashing.errors import NotReachable
from thecal_host.virtual.control import ControlClient
from thecal_host.virtual.power import SavedWorld
from thecal_host.virtual.registry import RunningBoard
from thecal_twin import chip, faults

DAYS_300 = 300 * 86_400_000


def test_every_image_has_its_own_id_and_keeps_it(tmp_path: Path) -> None:
    ids = [SavedWorld(tmp_path / name, True).uid for name in ("a", "b")]
    assert len(set(ids)) == 2
    assert [SavedWorld(tmp_path / name, False).uid for name in ("a", "b")] == ids
    raw = bytes.fromhex(ids[0])
    assert chip.make_world({}, boot={"uid": list(raw)}).unique_id() == raw
    assert len(raw) == 8


@pytest.fixture(scope="module", params=ENGINES)
def live(request, tmp_path_factory):
    with running(tmp_path_factory.mktemp("asked"), request.param, firmware_files()) as (board, client):
        yield board, client


def _far(board: RunningBoard) -> tuple[threading.Thread, dict]:
    """An advance of 300 days under way, and where its answer will be."""
    answer: dict = {}
    seen = threading.Event()

    def work() -> None:
        with ControlClient(board) as other:
            answer.update(other.advance(DAYS_300, lambda _now, _world: seen.set()))

    thread = threading.Thread(target=work)
    thread.start()
    assert seen.wait(10)
    return thread, answer


def test_truth_state_cut_and_reset_are_served_while_an_advance_runs(live) -> None:
    board, client = live
    thread, answer = _far(board)
    assert client.state()["mode"] == "advance"
    assert client.truth()["now_ms"] > 0
    assert client.status()["advancing"]
    assert client.reset()["phase"] == "firmware"
    thread.join(timeout=10)
    assert answer["reset"] == answer["stopped"] == 1
    assert 0 < answer["now_ms"] < DAYS_300
    thread, answer = _far(board)
    client.power_cut()
    thread.join(timeout=10)
    assert answer["cut"] is True
    with pytest.raises(NotReachable, match="is powered off.*thecal sim on"):
        way.check_alive(board)
    client.power_on()
    client.inject("hang")
    with pytest.raises(NotReachable, match="hangs.*inject hang 0"):
        way.check_alive(board)
    client.inject("clear")
    way.check_alive(board)


def test_ctrl_c_ends_the_advance_and_says_where_the_clock_stopped(live) -> None:
    board, client = live
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", "from thecal_host.cli import main; main()", "sim", "advance", "300 d", "-b", board.name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    deadline = time.monotonic() + 20
    while not client.status()["advancing"] and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[0]
    assert process.returncode == 130
    assert "Stopped; virtual time stands still now. The board's clock is at" in said
    while client.status()["advancing"] and time.monotonic() < deadline:  # its last jump may still be on the way to the bridge
        time.sleep(0.02)
    assert not client.status()["advancing"]
    assert client.truth()["now_ms"] == client.truth()["now_ms"] < DAYS_300


def test_help_lists_every_fault(capsys) -> None:
    assert run(["sim", "inject", "--help"]) == 0
    out = capsys.readouterr().out
    for name in faults.FAULTS:
        assert f"{name} " in FAULTS_HELP
        assert name in out
    assert "nL/s" in out


def test_a_leak_is_a_pinhole_by_default() -> None:
    world = chip.make_world({})
    faults.inject(world, "leak")
    world.go(3_600_000_000)
    assert 17_000_000 < world.truth()["leak_out_pl"] < 19_000_000  # 18 uL in an hour at rest


def test_rows_come_in_a_fixed_order() -> None:
    rows = _flat({"flash": {"ops": 1}, "zebra": 1, "edges": 2, "en": 1, "now_ms": 3})
    assert [name for name, _value in rows] == ["now_ms", "en", "edges", "flash.ops", "zebra"]
