"""A set-up motion from the command line: asked for, followed to its end, stopped by Ctrl-C. Invariant: how it ended is read from
the board's log, never assumed; a Ctrl-C sends a stop before anything else.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.answers import conclude
from thecal_host.cli.common import Progress, confirm, emit

if TYPE_CHECKING:
    from thecal_host.boards import BoardFile
    from thecal_host.link.client import Client
    from thecal_host.link.types import Answer, Status

POLL_S = 0.3
STILL_POLLS = 6  # as often the board's time may stand still before nobody waits for it any more
STEPS_PER_S = 200  # unless --over says otherwise; a 200-step motor at 1/16 turns once in 16 s


@dataclass(frozen=True)
class Motion:
    """What is asked for. `kind` is one of messages.JOG, PRIME, PURGE, HOME; `name` as in `thecal setup NAME`."""

    kind: int
    name: str
    steps: int
    ms: int
    reverse: bool = False
    detached: bool = False


@dataclass(frozen=True)
class Ended:
    """How a motion ended: `made` steps; `completed` None where the board's time stands still and it has not ended; `why` it ended
    early, where the board has a fault or an alarm."""

    made: int
    completed: "bool | None"
    stopped_here: bool = False
    why: str = ""


def board_file(client: "Client", name: str) -> "BoardFile":
    """The board file `name`, or the one the board says it has. BoardError when there is none of that name here."""
    from thecal_host import boards

    return boards.load(name or (client.board or client.hello()).port)


def default_ms(steps: int, board: "BoardFile") -> int:
    """How long `steps` take when nobody says: 200 steps/s, or half of what the motor can do where that is less."""
    from thecal.core.messages import MOVE_MS_MAX

    per_s = max(1, min(STEPS_PER_S, board.part["max_steps_per_s"] // 2))
    return min(-(-steps * 1000 // per_s), MOVE_MS_MAX)


def volume_text(steps: int, board: "BoardFile | None") -> str:
    """ "200 steps = 8.257 uL", without the volume where no board file tells it."""
    from thecal_host import amounts

    if board is None:
        return f"{steps} steps"
    return f"{steps} steps = {amounts.volume(steps * board.part['step_pl_per_million'] // 1_000_000_000)}"


def move(
    client: "Client", motion: Motion, board: "BoardFile | None", yes: bool, command_id: int, as_json: bool, wait: bool = True
) -> Ended:
    """Ask, begin, and follow to the end. Leaves with an exit code when the board refuses or Ctrl-C stopped it."""
    confirm(_question(motion, board), yes)
    first_seq = client.status().log_seq
    try:
        answer = client.move(motion.kind, motion.steps, motion.ms, motion.reverse, motion.detached, command_id or None)
    except KeyboardInterrupt:  # it may have begun: nobody who presses Ctrl-C wants that
        client.stop()
        raise
    more = {"steps": motion.steps, "ms": motion.ms, "reverse": motion.reverse, "detached": motion.detached}
    if not answer.ok or answer.replayed or not wait:
        conclude(client, answer, as_json, f"{motion.name.capitalize()}: begun, id {answer.command_id}.", **more)
        return Ended(0, None)
    ended = _follow(client, motion, answer.command_id, first_seq, as_json)
    _tell(motion, board, answer, ended, as_json, more)
    if ended.stopped_here:
        raise typer.Exit(exit_codes.INTERRUPTED)
    if ended.completed is False:
        raise typer.Exit(exit_codes.CHECK_FAILED)
    return ended


def _question(motion: Motion, board: "BoardFile | None") -> str:
    from thecal.core import messages
    from thecal_host import texts

    way = "backwards" if motion.reverse else "forward"
    how_far = f"at most {motion.steps} steps" if motion.kind == messages.HOME else volume_text(motion.steps, board)
    text = f"{motion.name.capitalize()}: {how_far} {way} in {texts.duration(motion.ms)}."
    if motion.detached:
        return text + " The outlet must be DISCONNECTED now: nothing of this is counted as a dose."
    if motion.reverse:
        return text + " Drawing back gives nothing back to any limit; disconnect the outlet, or it draws from the catheter."
    return text + " The outlet is CONNECTED: all of it is delivered and counts in every limit."


def _follow(client: "Client", motion: Motion, command_id: int, first_seq: int, as_json: bool) -> Ended:
    """Poll until the motion is over, the board's time stands still, or Ctrl-C stops it."""
    from thecal.core import states

    still, last_ms = 0, -1
    try:
        with Progress(motion.name, as_json) as bar:
            while True:
                now = client.status()
                if now.state != states.SETUP:
                    return _how(client, command_id, first_seq, why=_why(now))
                bar.update(motion.steps - now.motion_left_steps, motion.steps)
                still = still + 1 if now.t_ms == last_ms else 0
                last_ms = now.t_ms
                if still >= STILL_POLLS:
                    return Ended(motion.steps - now.motion_left_steps, None)
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        client.stop()
        return _how(client, command_id, first_seq, stopped=True)


def _why(now: "Status") -> str:
    from thecal_host import texts

    return texts.of(texts.FAULTS, now.fault) if now.fault else texts.of(texts.ALARMS, now.alarm) if now.alarm else ""


def _how(client: "Client", command_id: int, first_seq: int, stopped: bool = False, why: str = "") -> Ended:
    """What the log says about the end."""
    from thecal.core.events import MOVE_END, unpack_record

    for raw in client.pull_log(first_seq):
        record = unpack_record(raw)
        if record is not None and record.code == MOVE_END and record.a == command_id:
            return Ended(max(record.b - record.c, 0), bool(record.detail), stopped, why)
    return Ended(0, False, stopped, why)


def _tell(
    motion: Motion, board: "BoardFile | None", answer: "Answer", ended: Ended, as_json: bool, more: "dict[str, Any]"
) -> None:
    """The end in one sentence."""
    from thecal.core import messages

    name = motion.name.capitalize()
    made = volume_text(ended.made, board)
    if ended.completed is None:
        text = (
            f"{name}: begun, id {answer.command_id}. The board's time stands still ({made} made so far): let it go on with "
            "`thecal sim advance TIME`, then look with `thecal status`."
        )
    elif ended.completed and motion.kind == messages.HOME:
        text = f"Home: found after {made}. Positions count from here."
    elif ended.completed:
        text = f"{name}: done, {made}."
    elif motion.kind == messages.HOME and not ended.stopped_here and not ended.why:
        text = f"Home: NOT found within {made}. Look at the home switch and its wires, and that the plunger moves backwards."
    else:
        how = "stopped" if ended.stopped_here else "ended EARLY"
        why = f": {ended.why}" if ended.why else ""
        text = f"{name}: {how} after {made} of {motion.steps} steps{why}."
    data = {"ok": ended.completed is not False, "command_id": answer.command_id, **more}
    emit(as_json, {**data, "made_steps": ended.made, "completed": ended.completed, "sentence": text}, text)
