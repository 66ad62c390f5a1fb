"""`thecal plan`: what a prescription will do in the hours to come. Invariant: a board is only read (its ledger and its clock),
never changed; where the answer starts from is always said.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import JsonOption, banner, client_for, columns_text, emit, rows_text, span_ms
from thecal_host.cli.failures import CliError

if TYPE_CHECKING:
    from thecal_host.link.client import Client
    from thecal_host.plan import Plan
    from thecal_host.player import Start

BoardOption = Annotated[str, typer.Option("--board", metavar="NAME", help="Board file: a name, or the path of a .toml file.")]
PlanPort = Annotated[
    str,
    typer.Option("--port", "-p", metavar="PORT", help="Begin with this board's ledger and clock, as they are now."),
]
LedgerOption = Annotated[
    str, typer.Option("--ledger", metavar="FILE", help="Begin with a ledger saved in a file instead of a board's.")
]
FromOption = Annotated[
    str, typer.Option("--from", metavar="HH:MM", help="Local time to begin at, without a board. Default: now, by this PC.")
]
PictureOption = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Draw it: .svg, .png or .pdf.")]


def plan(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Prescription file (.toml).")],
    span: Annotated[str, typer.Option("--for", metavar="TIME", help="How far to look ahead, up to 336 h.")] = "24h",
    port: PlanPort = "",
    ledger: LedgerOption = "",
    begin: FromOption = "",
    board: BoardOption = "",
    output: PictureOption = "",
    hours: Annotated[int, typer.Option("--hours", hidden=True, help="The same as --for, in hours.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show the rates to come, when a bolus would be granted, how full the limits get, and how long reservoir and flash last.

    It is played with the board's own rules from its present ledger (--port), a saved one (--ledger), or from nothing.
    """
    from thecal_host import boards, plan_picture, prescriptions
    from thecal_host import plan as planning
    from thecal_host.library_of import stability_days
    from thecal_host.player import LedgerError

    banner(as_json)
    hours = hours or _hours(span)
    picture = Path(output) if output else None
    if picture is not None:
        plan_picture.check(picture)
    board_name, start = begin_board(port, board) if port else (board or "virtual", None)
    part = boards.load(board_name)
    rx = prescriptions.load(file, part.part)
    try:
        if start is None:
            start = _start_without_board(ledger, begin, rx.fields, part.part["max_steps_per_s"])
        start = replace(start, program_crc=rx.crc)
        made = planning.make_plan(rx.fields, part.config["limits"], hours, start, stability_days(rx.fields))
    except (planning.PlanError, LedgerError) as error:
        raise CliError(exit_codes.USAGE, str(error)) from None
    if picture is not None:
        plan_picture.save(made, picture)
    warnings = [*rx.warnings, *(item.sentence for item in rx.unconfirmed)]
    data = {"ok": True, "plan": made.as_dict(), "warnings": warnings}
    emit(as_json, data | ({"picture": str(picture)} if picture else {}), _text(made, warnings, picture))


def _hours(span: str) -> int:
    """Whole hours of `span`, rounded up."""
    return -(-span_ms(span, "--for:") // 3_600_000)


def begin_board(port: str, board: str) -> "tuple[str, Start]":
    """The board file to use, and where the board on `port` stands now."""
    with client_for(port) as client:
        hello = client.board or client.hello()
        name = board or hello.port
        start = present(client, name)
    if start is None:
        raise CliError(exit_codes.REFUSED, "The board gives out no ledger: it is not provisioned yet. Run `thecal provision`.")
    return name, start


def present(client: "Client", board: str) -> "Start | None":
    """Where the board at `client` stands now; None when it has no ledger. `board` names its board file."""
    from thecal.core import messages
    from thecal_host import boards
    from thecal_host.player import Start

    hello = client.board or client.hello()
    steps = boards.load(board).part["max_steps_per_s"]
    data = client.read_blob(messages.BLOB_LEDGER)
    now = client.status()
    if data is None:
        return None
    return Start(data, now.t_ms, now.wall_unix_ms, steps, f"the present ledger of board {hello.board_id}")


def _start_without_board(ledger: str, begin: str, fields: "dict[str, object]", max_steps_per_s: int) -> "Start":
    from thecal_host.plan import empty_start
    from thecal_host.player import Start, load_ledger

    now_s = int(time.time())
    unix_ms = _clock_ms(begin, now_s, fields) if begin else now_s // 60 * 60_000
    if not ledger:
        return empty_start(unix_ms, max_steps_per_s)
    try:
        data = Path(ledger).read_bytes()
    except OSError as error:
        from thecal_host.logs.errors import os_sentence

        raise CliError(exit_codes.STORAGE, os_sentence(f"{ledger} could not be read", error)) from None
    return Start(data, load_ledger(data).t_ms, unix_ms, max_steps_per_s, f"the ledger in {ledger}")


def _clock_ms(text: str, now_s: int, fields: "dict[str, object]") -> int:
    """Unix ms of the local time HH:MM today, by the program's own offset. CliError(USAGE) when it is none."""
    from thecal.core.schedule import OFFSET_BIAS_MIN

    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdecimal() and minute.isdecimal() and len(minute) == 2 and int(hour) < 24 and int(minute) < 60):
        raise CliError(exit_codes.USAGE, f'--from "{text}" is not a time of day: write it like 06:30, 00:00 to 23:59.')
    offset_ms = (int(str(fields["utc_offset_biased_min"])) - OFFSET_BIAS_MIN) * 60_000
    midnight = (now_s * 1000 + offset_ms) // 86_400_000 * 86_400_000
    return midnight + (int(hour) * 60 + int(minute)) * 60_000 - offset_ms


def _text(made: "Plan", warnings: list[str], picture: "Path | None") -> str:
    from thecal_host import plan_texts

    forecast, concentration = made.forecast, made.concentration_ng_per_ml
    when = plan_texts.clock_text(forecast, 0) if forecast.begin_unix_ms is not None else "the board's clock is unknown"
    parts = [rows_text(plan_texts.figures(made)), f"\nBegins with {forecast.source} ({when})."]
    parts += ["\nRates", columns_text(("from", "a day", "why"), plan_texts.rates(made))]
    heads = ("window", "limit", "highest without a bolus", "highest with all boluses")
    parts += ["\nWindows", columns_text(heads, plan_texts.fills(made))]
    for title, nl, bands in (
        ("the patient's bolus", forecast.patient_nl, forecast.patient),
        ("the largest bolus", forecast.largest_nl, forecast.largest),
    ):
        if bands is not None:
            much = plan_texts.amounts.with_mass(nl, concentration)
            told = (
                f"\nWhen {title} ({much} over {plan_texts.texts.duration(forecast.bolus_ms)}) would be granted, if none is given"
            )
            parts += [told, rows_text(plan_texts.bands(forecast, bands, concentration))]
    given = plan_texts.boluses(made)
    if given and forecast.used is not None:
        parts += ["\nAll boluses that the limits grant, each asked for every 5 min until it is", rows_text(given)]
        parts += ["\nAnd when another one would be granted meanwhile"]
        parts += [rows_text(plan_texts.bands(forecast, forecast.used, concentration))]
    parts += [""] * bool(warnings or plan_texts.troubles(forecast))
    parts += [f"WARNING: {text}" for text in plan_texts.troubles(forecast)]
    parts += [f"Note: {text}" for text in warnings]
    if picture is not None:
        parts.append(f"Drawn in {picture}.")
    return "\n".join(parts)
