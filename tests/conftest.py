"""Fixtures that several folders share. Invariant: a board is flashed by real mpremote once in a session; every test that wants a
board gets one of its own from a copy of that image, in its own folder, and it is stopped at the end.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flashed_boards import NEEDS_VM, STATE_DIR, FlashedImage, StartBoard, state_in

from thecal_host.flashing.run import flash
from thecal_host.virtual import launch
from thecal_host.virtual.child import micropython_here
from thecal_host.virtual.registry import RunningBoard


@pytest.fixture(scope="session")
def flashed_image(tmp_path_factory: pytest.TempPathFactory) -> FlashedImage:
    """One virtual board on the MicroPython VM, flashed by mpremote and stopped."""
    if not micropython_here():
        pytest.fail(NEEDS_VM)
    folder = tmp_path_factory.mktemp("flashed")
    with state_in(folder):
        board = launch.start("flashed", engine="micropython")
        try:
            flashed = flash(board.port, provision=False)
        finally:
            launch.stop("flashed")
    return FlashedImage(Path(board.image), flashed)


@pytest.fixture
def start_board(flashed_image: FlashedImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartBoard]:
    """`start_board(name="board", engine="micropython", blank=False)`: a running board with firmware (or a blank one)."""
    monkeypatch.setenv(STATE_DIR, str(tmp_path))
    started: list[str] = []

    def start(name: str = "board", engine: str = "micropython", blank: bool = False, speed: int = 0) -> RunningBoard:
        image = tmp_path / f"{name}.img"
        if not blank:
            for suffix in ("", ".state.json"):
                shutil.copyfile(f"{flashed_image.path}{suffix}", f"{image}{suffix}")
        board = launch.start(name, engine=engine, image=image, speed=speed)
        started.append(name)
        return board

    yield start
    for name in started:
        with contextlib.suppress(launch.VirtualError):  # a test may have stopped it
            launch.stop(name)


@pytest.fixture
def running_board(start_board: StartBoard) -> RunningBoard:
    """A running board with firmware, never provisioned, its time standing still."""
    return start_board()
