"""`thecal demo`: the product at work without hardware, with a verdict. Invariant: exit 1 when a check of the verdict failed."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.app import NOT_MEDICAL
from thecal_host.cli.common import JsonOption, emit
from thecal_host.cli.flash import Bar

if TYPE_CHECKING:
    from thecal_host.demo import Demo

STORY = (
    "A fresh virtual board is flashed by mpremote, homed and primed, gets the baclofen example with its night rate, and delivers "
    "for 24 h of pump time: patient boluses (two refused), the button, a temporary rate, a hold, a power cut that loses the "
    "clock, an emergency stop. Then it hands its log back."
)
MARKS = {True: ("✓", "green", "+"), False: ("✗", "red", "X"), None: ("·", "dim", "-")}


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where CSV files and pictures go.")] = Path("demo"),
    engine: Annotated[str, typer.Option("--engine", metavar="ENGINE", help="auto, micropython or cpython.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Show the product work: flash, prescribe, deliver for a day, cut the power, pull the log, draw; with a verdict. At most a
    minute."""
    from thecal_host import demo as show

    if not as_json:
        print(f"thecal: {NOT_MEDICAL}\n{STORY}\n", file=sys.stderr, flush=True)
    with Bar(as_json) as bar:
        done = show.run(out, engine, bar.update)
    if as_json:
        emit(True, show.as_data(done), "")
    else:
        _print(done)
    if not done.passed:
        raise typer.Exit(exit_codes.CHECK_FAILED)


def _print(done: "Demo") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False)
    plain = not console.encoding.startswith("utf")
    name = done.played.prescription.fields["name"]
    console.print(Text(f"{name}: 24 h of pump time on a virtual board ({done.engine})", style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column()
    for row in done.rows:
        mark, style, ascii_mark = MARKS[row.passed]
        table.add_row(Text(ascii_mark if plain else mark, style=style), Text(row.what), Text(row.seen))
    console.print(table)
    console.print()
    if done.notice:
        console.print(Text(done.notice))
    console.print(Text(f"Written: {', '.join(str(path) for path in done.files)}"), soft_wrap=True)
    failed = [row.what for row in done.rows if row.passed is False]
    if failed:
        console.print(Text(f"FAILED: {', '.join(failed)}.", style="bold red"))
    else:
        console.print(Text("All checks passed.", style="bold green"))
    console.print(Text(NOT_MEDICAL))
