"""`thecal plan`: what a prescription will do, before anything is uploaded. Invariant: nothing is opened and nothing is sent."""

from typing import Annotated

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import JsonOption, banner, emit, rows_text
from thecal_host.cli.failures import CliError

BoardOption = Annotated[str, typer.Option("--board", metavar="NAME", help="Board file: a name, or the path of a .toml file.")]


def plan(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Prescription file (.toml).")],
    board: BoardOption = "virtual",
    hours: Annotated[int, typer.Option("--hours", min=1, help="How far to look ahead.")] = 24,
    as_json: JsonOption = False,
) -> None:
    """Show rate, steps, smallest dose, durable writes, flash life, days to refill and the hours to come."""
    from thecal_host import boards, prescriptions
    from thecal_host import plan as planning

    banner(as_json)
    part = boards.load(board)
    rx = prescriptions.load(file, part.part)
    try:
        made = planning.make_plan(rx.fields, part.config["limits"], hours)
    except planning.PlanError as error:
        raise CliError(exit_codes.USAGE, str(error)) from None
    notes = [f"Note: {text}" for text in rx.warnings]
    emit(as_json, {"ok": True, "plan": made.as_dict(), "warnings": rx.warnings}, "\n".join([rows_text(made.rows()), *notes]))
