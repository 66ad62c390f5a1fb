"""`thecal history`: every program that was activated on a board, with what changed, when, why and by whom. Invariant: what the
board's own log says decides; a program activated by another PC is shown as such, and nothing about it is made up.
"""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import JsonOption, client_for, emit
from thecal_host.cli.failures import CliError
from thecal_host.cli.lazy import HELP_NAMES, PLAIN

if TYPE_CHECKING:
    from thecal_host.history import Activation
    from thecal_host.program_week import Fields

history = typer.Typer(
    help="List every program with its diff, time and reason.",
    invoke_without_command=True,
    context_settings=HELP_NAMES,
    **PLAIN,
)
BoardIdOption = Annotated[str, typer.Option("--board", metavar="ID", help="Board id (or its beginning), when several are known.")]
PullOption = Annotated[
    str, typer.Option("--port", "-p", metavar="PORT", help="First pull this board's log: it tells what was activated elsewhere.")
]
STATES = {"asked": "no answer seen: pull the log to settle it", "done": "", "elsewhere": "activated elsewhere"}


@history.callback()
def every(context: typer.Context, board: BoardIdOption = "", port: PullOption = "", as_json: JsonOption = False) -> None:
    """List every program activated on a board, newest last, with what changed since the one before."""
    if context.invoked_subcommand is not None:
        return
    chosen, entries = _entries(board, port)
    lines = [f"Board {chosen}"]
    data = []
    for number, entry in enumerate(entries, 1):
        found = _differences(entries, number)
        lines.append(f"{number:>4}  {_headline(entry)}")
        lines += [f"        {text}" for text in found]
        data.append(_as_dict(entry, number, found))
    emit(as_json, {"ok": True, "board": chosen, "activations": data}, "\n".join(lines))


@history.command()
def show(
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="Its number in `thecal history`.")],
    board: BoardIdOption = "",
    port: PullOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show one program whole, beside the one before it."""
    from thecal_host.prescription_texts import plain_fields
    from thecal_host.program_diff import day_rows, rows
    from thecal_host.review_texts import beside, coloured, week

    chosen, entries = _entries(board, port)
    if number > len(entries):
        raise CliError(
            exit_codes.CHECK_FAILED, f"There is no number {number}: {len(entries)} activations of board {chosen} are known."
        )
    entry = entries[number - 1]
    fields = _fields(entry)
    before = _fields(entries[number - 2]) if number > 1 else None
    data = _as_dict(entry, number, _differences(entries, number))
    data["fields"] = plain_fields(fields) if fields else None
    text = f"{number}  {_headline(entry)}\n"
    if fields is None:
        text += "Its bytes were never on this PC, so its CRC is all that is known."
    else:
        heads = ("", f"no. {number - 1}" if before else "before: unknown" if number > 1 else "before: none", f"no. {number}")
        lines = beside(rows(before, fields), heads)
        if fields["week"] or (before is not None and before["week"]):
            concentrations = (before or fields)["concentration_ng_per_ml"], fields["concentration_ng_per_ml"]
            lines += week(day_rows(before, fields), ("day", "from", *heads[1:]), concentrations)
        text += coloured(lines)
    emit(as_json, {"ok": True, "board": chosen, "activation": data}, text)


def _entries(board: str, port: str) -> "tuple[str, list[Activation]]":
    """The board meant and its activations, oldest first, after comparing with all logs that are kept of it."""
    from thecal_host.history import History
    from thecal_host.logs import pull as pulling
    from thecal_host.logs.store import Store

    with Store() as store, History() as kept:
        if port:
            with client_for(port) as client:
                board = pulling.pull(client, store).board
        logs = store.boards()
        chosen = _choose(sorted({entry.board for entry in logs} | set(kept.boards())), board)
        programs = store.programs(chosen)
        for entry in logs:
            if entry.board == chosen:
                kept.reconcile(chosen, store.records(chosen, entry.generation), programs, entry.generation)
        return chosen, kept.entries(chosen)


def _choose(boards: list[str], wanted: str) -> str:
    """The board whose id begins with `wanted`, or the only one. CliError otherwise."""
    if not boards:
        raise CliError(
            exit_codes.CHECK_FAILED,
            "Nothing was activated from this PC yet, and no log is kept. `thecal history --port PORT` asks a board.",
        )
    fitting = [board for board in boards if board.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(boards)
    if not fitting:
        raise CliError(exit_codes.USAGE, f"No board with the id {wanted} is known. Known: {listed}.")
    raise CliError(exit_codes.USAGE, f"Several boards are known: {listed}. Choose one with --board ID.")


def _fields(entry: "Activation") -> "Fields | None":
    """The program of an entry; None where only its CRC is known, or its bytes are of an older format."""
    from thecal.core.prescription import ProgramError, unpack

    if entry.blob is None:
        return None
    try:
        return dict(unpack(entry.blob)[0])
    except ProgramError:
        return None


def _differences(entries: "list[Activation]", number: int) -> list[str]:
    """What number `number` changed, one sentence each."""
    from thecal_host.program_diff import changes

    fields = _fields(entries[number - 1])
    if fields is None:
        return ["its fields are not known here"]
    if number == 1:
        return ["the first program known"]
    before = _fields(entries[number - 2])
    if before is None:
        return ["the program before it is not known here, so neither is what changed"]
    return changes(before, fields) or ["the same program again"]


def _headline(entry: "Activation") -> str:
    from thecal_host import texts

    when = "time unknown" if entry.at_s is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.at_s))
    parts = [when, f"program {entry.program_crc:08x}"]
    if entry.version is not None:
        parts.append(f"version {entry.version}")
    if entry.board_ms is not None:
        parts.append(f"board time {texts.duration(entry.board_ms)}")
    if entry.who:
        parts.append(f"by {entry.who} at {entry.host}")
    if STATES.get(entry.state, ""):
        parts.append(STATES[entry.state])
    fields = _fields(entry)
    if fields is not None and fields["name"]:
        parts.insert(2, f'"{fields["name"]}"')
    return ", ".join(parts) + (f": {entry.reason}" if entry.reason else "")


def _as_dict(entry: "Activation", number: int, differences: list[str]) -> "dict[str, Any]":
    return {
        "number": number,
        "state": entry.state,
        "program_crc": f"{entry.program_crc:08x}",
        "monitor_crc": f"{entry.monitor_crc:08x}",
        "version": entry.version,
        "at_s": entry.at_s,
        "board_ms": entry.board_ms,
        "boot": entry.boot,
        "seq": entry.seq,
        "generation": entry.generation,
        "command_id": entry.command_id,
        "reason": entry.reason,
        "who": entry.who,
        "host": entry.host,
        "differences": differences,
    }
