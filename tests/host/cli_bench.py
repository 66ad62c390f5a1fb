"""What the command line tests share beside the fixtures of conftest.py: a board with a program, and the environment of a
process."""

import os
import sys

from fake_board import FakeBoard

from thecal.core import messages
from thecal.core.prescription import pack
from thecal_host import boards, monitor_limits, prescriptions
from thecal_host.paths import examples_dir

MORPHINE = str(examples_dir() / "morphine_continuous.toml")


def path_env():
    """The environment for `thecal` in a process of its own."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def board_with_program(**how):
    """A fake board on which the morphine example is active."""
    board = FakeBoard(**how)
    rx = prescriptions.load(MORPHINE, boards.load("virtual").part)
    board.hello_extra = {"port": "virtual"}
    board.blobs[messages.BLOB_ACTIVE_PROGRAM] = pack(rx.fields, 3)
    board.blobs[messages.BLOB_ACTIVE_MONITOR] = monitor_limits.encode(rx.fields, rx.crc)
    board.status["prog"] = rx.crc
    return board
