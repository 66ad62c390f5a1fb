"""`flash`: the whole of it, from whoever is on the port to a board that passed its self-test. Used by the command, the demo and
tests.

Invariant: the steps are told as they begin, and the result says what was done and what was not.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from thecal_host.flashing import bundle, install, offline, way
from thecal_host.flashing.begin import Begun, begin
from thecal_host.flashing.errors import NotReachable
from thecal_host.flashing.install import Installed
from thecal_host.flashing.tool import Mpremote
from thecal_host.link.types import Hello
from thecal_host.virtual.board import BOOTING
from thecal_host.virtual.child import CPYTHON
from thecal_host.virtual.control import ControlClient

BACK_S = 15.0
GONE_S = 1.0  # a real board's port goes and comes within this time after a reset; what is sent before would land in the prompt
POLL_S = 0.02

Progress = Callable[[str, int, int], None]  # what is going on, done, total


@dataclass
class Flashed:
    """The outcome of one flash; `notes` are sentences the user should read. `before` is the version that ran before, "" for
    none."""

    port: str
    board: str
    firmware: str
    before: str
    installed: Installed
    begun: Begun
    seconds: float
    notes: list[str] = field(default_factory=list)


def flash(
    port: str,
    board_name: str = "",
    force: bool = False,
    nothing_delivered: bool = False,
    confirm: way.Confirm = lambda _question: None,
    progress: "Progress | None" = None,
    provision: bool = True,
) -> Flashed:
    """Install or update the firmware of the board on `port` and start it (and provision a new board, unless told not to).
    FlashError, LinkError, BoardError, VirtualError, DataMissing, or what `confirm` raises."""
    began = time.monotonic()
    tell = progress or (lambda _what, _done, _total: None)
    virtual = way.virtual_board(port)
    notes: list[str] = []
    tell("Looking at the board", 0, 0)
    if virtual is not None:
        way.check_alive(virtual)
    without_prompt = virtual is not None and virtual.engine == CPYTHON
    tool = None if without_prompt else Mpremote(port)
    boots = _boots(virtual)
    hello = way.free_the_prompt(port, confirm)
    board = way.choose_board(board_name, hello, virtual)
    if hello is not None:
        _wait_for_reset(port, virtual, boots)
    if tool is None:
        assert virtual is not None
        made = _compile(board or way.board_by_look("linux", "", port), tell)
        done = offline.install(made, virtual, lambda part, total, path: tell(f"Writing {path}", part, total), force)
        notes.append(offline.NOTICE)
    else:
        present = install.look(tool)
        made = _compile(board or way.board_by_look(present.platform, present.board, port), tell)
        install.check_board(made, present, port, force)
        done = install.install(made, tool, present, lambda part, total, path: tell(f"Copying {path}", part, total), force)
        tell("Starting the firmware", 0, 0)
        boots = _boots(virtual)
        install.reset(tool, str(made.board.config["port"]))
        _wait_for_reset(port, virtual, boots)
    tell("Waiting for the self-test", 0, 0)
    begun = begin(port, virtual is not None, nothing_delivered, provision)
    if begun.provisioned:
        notes.append(begun.provisioned)
    if hello is not None and hello.state in way.MOVING:
        notes.append("Therapy was running before and is off now: `thecal start` starts it again.")
    return Flashed(port, made.board.name, made.version, _version(hello), done, begun, time.monotonic() - began, notes)


def _compile(board: "bundle.BoardFile", tell: Progress) -> bundle.Bundle:
    return bundle.build(board, lambda part, total: tell("Compiling the firmware", part, total))


def _version(hello: "Hello | None") -> str:
    return "" if hello is None else bundle.version_text(hello.firmware)


def _boots(virtual: "way.RunningBoard | None") -> int:
    """How often a virtual board has booted; 0 for a real one."""
    if virtual is None:
        return 0
    with ControlClient(virtual) as control:
        return int(control.status()["boots"])


def _wait_for_reset(port: str, virtual: "way.RunningBoard | None", boots: int) -> None:
    """Until the board has been reset: a virtual one says so, of a real one the port comes back. NotReachable."""
    if virtual is None:
        time.sleep(GONE_S)
        way.wait_for_port(port, BACK_S)
        return
    until = time.monotonic() + BACK_S
    with ControlClient(virtual) as control:
        while True:
            status = control.status()
            if status["boots"] > boots and status["phase"] != BOOTING:
                return
            if time.monotonic() > until:
                raise NotReachable(
                    f"The virtual board on {port} does not restart. Stop it (`thecal virtual stop`), start it, and flash again."
                )
            time.sleep(POLL_S)
