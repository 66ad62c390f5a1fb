"""Before the first byte: who is on the port, and how the MicroPython prompt becomes free.

Invariant: running firmware is asked by its own `maintenance` command (therapy ends, EN off, durable), never interrupted from
outside; and a pump that infuses is asked only after somebody confirmed it.
"""

import contextlib
import time
from collections.abc import Callable

from thecal.core import states
from thecal_host import boards
from thecal_host.boards import BoardFile
from thecal_host.flashing.errors import FlashError, NotReachable, WrongBoard
from thecal_host.link.client import Client
from thecal_host.link.errors import AtRepl, LinkError, NoAnswer, NoPort, PortLost, Rejected, Uncertain, WrongDevice, WrongProtocol
from thecal_host.link.session import Session
from thecal_host.link.transport import Transport
from thecal_host.link.types import Hello
from thecal_host.record_texts import answer_sentence
from thecal_host.virtual import registry
from thecal_host.virtual.board import FIRMWARE, OFF
from thecal_host.virtual.control import ControlClient
from thecal_host.virtual.errors import VirtualError
from thecal_host.virtual.registry import RunningBoard

FIRST_WAIT_S = 0.25
QUERY_S = 3.0
ALIVE_S = 2.0
MOVING = (states.INFUSING, states.HELD)

Confirm = Callable[[str], None]


def virtual_board(port: str) -> "RunningBoard | None":
    """The running virtual board behind `port`, or None for everything else."""
    for board in registry.list_boards():
        if port in (board.pty, board.url, board.port):
            return board
    return None


def check_alive(board: RunningBoard) -> None:
    """A virtual board says itself why it would not answer. NotReachable when it is powered off or hung by a fault; what it
    does not tell at once is left to mpremote to find out."""
    with ControlClient(board, timeout_s=ALIVE_S) as control:
        phase = control.status()["phase"]
        if phase == OFF:
            raise NotReachable(
                f"The virtual board '{board.name}' is powered off. Switch it on (`thecal sim on --board {board.name}`) and flash "
                "again; nothing was changed."
            )
        try:
            hung = phase == FIRMWARE and control.truth()["faults"].get("hang")
        except VirtualError:
            hung = False
        if hung:
            raise NotReachable(
                f"The virtual board '{board.name}' hangs: that fault was injected. Repair it (`thecal sim inject hang 0 --board "
                f"{board.name}`) and flash again; nothing was changed."
            )


def quick_client(port: str) -> Client:
    """A client that notices a prompt within a second."""
    transport = Transport(port)
    return Client(transport, query_deadline_s=QUERY_S, session=Session(transport, first_wait_s=FIRST_WAIT_S))


def free_the_prompt(port: str, confirm: Confirm) -> "Hello | None":
    """Ask running firmware for a maintenance boot. The Hello of the board, or None when no firmware answered (mpremote will
    tell). NoPort, FlashError when it refuses; whatever `confirm(question)` raises."""
    try:
        with quick_client(port) as client:
            hello = client.board or client.hello()
            if hello.state in MOVING:
                confirm("Therapy is running on this board. Flashing stops it, and it stays off until `thecal start`.")
            try:
                answer = client.maintenance()
            except (Uncertain, PortLost):
                return hello  # the board may reset before its answer is through the line; the prompt will show it
            if not answer.ok:
                raise FlashError(
                    f"The board did not free its prompt: {answer_sentence(answer)} Power it off and on, and run `thecal flash` "
                    "again."
                )
            return hello
    except (AtRepl, NoAnswer, WrongDevice, WrongProtocol, Rejected, PortLost):
        return None


def choose_board(name: str, hello: "Hello | None", virtual: "RunningBoard | None") -> "BoardFile | None":
    """The board file to use: as named; that of a virtual board; the one the running firmware was flashed with. None: look at
    the board first. BoardError."""
    if name:
        return boards.load(name)
    if virtual is not None and (hello is None or hello.port not in boards.names()):
        return boards.load("virtual")
    if hello is not None and hello.port in boards.names():
        return boards.load(hello.port)
    return None


def board_by_look(platform: str, flashed_as: str, port: str) -> BoardFile:
    """The board file for what `look` found: the one it was flashed with before, or the only one for its port. WrongBoard,
    BoardError."""
    if flashed_as in boards.names():
        return boards.load(flashed_as)
    kinds = {"linux": "virtual", "darwin": "virtual"}
    wanted = kinds.get(platform, platform)
    fitting = [board for board in map(boards.load, boards.names()) if board.config["port"] == wanted]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise WrongBoard(f"The board on {port} is a {platform}, and Thecal has no board file for that. Nothing was changed.")
    names = ", ".join(board.name for board in fitting)
    raise WrongBoard(f"The board on {port} may be one of several: {names}. Say which with --board; nothing was changed.")


def wait_for_port(port: str, seconds: float) -> None:
    """Until the port can be opened (a USB board is gone for a moment while it resets). NotReachable."""
    until = time.monotonic() + seconds
    transport = Transport(port)
    while True:
        try:
            transport.open()
            with contextlib.suppress(LinkError):
                transport.close()
            return
        except NoPort as error:
            if time.monotonic() > until:
                raise NotReachable(f"The board did not come back on {port} after its reset. {error}") from None
            time.sleep(0.1)
