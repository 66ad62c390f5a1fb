"""What the commands share: options, output for people or as JSON, confirmation, and finding the board.

Invariant: with --json exactly one JSON object goes to standard output and everything for people goes to standard error.
"""

import json
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal.core import messages
from thecal_host.cli import exit_codes
from thecal_host.cli.app import NOT_MEDICAL
from thecal_host.cli.failures import CliError

if TYPE_CHECKING:
    from thecal_host.link.client import Client
    from thecal_host.link.types import Answer
    from thecal_host.virtual.registry import RunningBoard

PORT_HELP = (
    "Port of the board: device, socket://host:port, or the name of a running virtual board. Default: the only board there is."
)
PortOption = Annotated[str, typer.Option("--port", "-p", envvar="THECAL_PORT", metavar="PORT", help=PORT_HELP)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Confirm beforehand (for scripts).")]


def _known_id(context: typer.Context, param: typer.CallbackParam, value: int) -> int:
    """`value` when it can be an id. 0 stands for "not given" and may not be given: that would be a new command."""
    given = context.get_parameter_source(str(param.name))
    if given is not None and given.name != "DEFAULT" and not 1 <= value <= messages.ID_MAX:
        text = f"--id: {value} is not an id; ids are 1 to {messages.ID_MAX}. Take the one that the uncertain command showed."
        raise CliError(exit_codes.USAGE, text)
    return value


ID_HELP = "Ask again under the id of an earlier, uncertain command."
IdOption = Annotated[int, typer.Option("--id", metavar="ID", help=ID_HELP, callback=_known_id)]


def banner(as_json: bool) -> None:
    """What this is not, on standard error, before anything that concerns a pump."""
    if not as_json:
        print(f"thecal: {NOT_MEDICAL}", file=sys.stderr)


def emit(as_json: bool, data: "dict[str, Any]", text: str) -> None:
    """`data` as JSON or `text` for people, on standard output."""
    print(json.dumps(data) if as_json else text, flush=True)


def rows_text(rows: "list[tuple[str, str]]") -> str:
    """Two columns."""
    width = max((len(name) for name, _value in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in rows)


def columns_text(heads: "tuple[str, ...]", rows: "list[tuple[str, ...]]") -> str:
    """A table with a head line; the last column is not padded."""
    widths = [max(len(row[index]) for row in [heads, *rows]) for index in range(len(heads))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in [heads, *rows]]
    return "\n".join(lines)


def confirm(question: str, yes: bool) -> None:
    """Go on only when confirmed by --yes or at the terminal; CliError(NOT_CONFIRMED) otherwise."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError(
            exit_codes.NOT_CONFIRMED, f"{question} This needs to be confirmed: repeat the command with --yes. Nothing was done."
        )
    print(f"{question} Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CliError(exit_codes.NOT_CONFIRMED, "Not confirmed. Nothing was done.")


def find_port(port: str) -> str:
    """The URL behind `port`: as given, a virtual board's by name, or that of the only board there is. NoPort otherwise."""
    from thecal_host.cli.ports import resolve

    return resolve(port)


def client_for(port: str) -> "Client":
    """A client for `port`, not connected yet: use it as a context manager."""
    from thecal_host.link.client import Client

    return Client(find_port(port))


def virtual_board(name: str) -> "RunningBoard":
    """The running virtual board of that name, or the only one when `name` is empty. CliError(VIRTUAL) otherwise."""
    from thecal_host.virtual import registry

    if name:
        board = registry.find(name)
        if board is None:
            raise CliError(exit_codes.VIRTUAL, f"No virtual board '{name}' is running. `thecal virtual list` shows which are.")
        return board
    boards = registry.list_boards()
    if not boards:
        raise CliError(exit_codes.VIRTUAL, "No virtual board is running. `thecal virtual start` starts one.")
    if len(boards) > 1:
        names = ", ".join(board.name for board in boards)
        raise CliError(exit_codes.VIRTUAL, f"Several virtual boards are running ({names}). Choose one with --board NAME.")
    return boards[0]


def finish(answer: "Answer", as_json: bool, ng_per_ml: int = 0, **more: Any) -> None:
    """Show the answer to a command, its volumes in mass too when `ng_per_ml` is known, and leave with its exit code."""
    from dataclasses import asdict

    from thecal_host.code_names import named
    from thecal_host.record_texts import answer_sentence

    sentence = answer_sentence(answer, ng_per_ml)
    emit(as_json, {"ok": answer.ok, **named(asdict(answer)), **more, "sentence": sentence}, sentence)
    if not answer.ok:
        raise typer.Exit(exit_codes.REFUSED)


def span_ms(text: str, what: str) -> int:
    """Milliseconds of a time with its unit ("24h", "10 min", "6h 38min"). CliError(USAGE) with the hint of the units module."""
    from thecal.core import units
    from thecal_host import unit_texts

    pieces = re.findall(r"[0-9.]+ *[A-Za-z]+", text)
    if len(pieces) < 2 or "".join(pieces).replace(" ", "") != text.replace(" ", ""):
        pieces = [text]
    try:
        return sum(units.whole(units.parse(piece, (units.TIME,))).value for piece in pieces)
    except units.UnitError as error:
        raise CliError(exit_codes.USAGE, f"{what} {unit_texts.sentence(error, (units.TIME,))}") from None


class Progress:
    """A progress bar on standard error, only where a person looks at one; `update(done, total)`."""

    def __init__(self, what: str, as_json: bool) -> None:
        self._what = what
        self._bar: Any = None
        self._task: Any = None
        self._wanted = not as_json and sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_unused: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int) -> None:
        """Show `done` of `total`."""
        if not self._wanted or total <= 0:
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=total)
        self._bar.update(self._task, completed=done, total=total)
