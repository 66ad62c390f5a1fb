"""`thecal upload` and `thecal activate`: the two steps of a change. Invariant: upload changes nothing that runs; what was
staged is read back and compared byte by byte; every increase is listed before it can be confirmed.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import (
    IdOption,
    JsonOption,
    PortOption,
    YesOption,
    banner,
    client_for,
    columns_text,
    confirm,
    emit,
    finish,
)
from thecal_host.cli.failures import CliError

if TYPE_CHECKING:
    from thecal_host.link.client import Client

# Fields that are no choice of the prescriber, or follow from others.
_QUIET = ("mode", "chunk_nl", "step_pl_per_million")
_MORE_WHEN_HIGHER = (
    "concentration_ng_per_ml",
    "rate_nl_per_day",
    "max_rate_nl_per_day",
    "max_bolus_nl",
    "limit_1h_nl",
    "limit_4h_nl",
    "limit_24h_nl",
    "boluses_per_24h",
    "basal_resumes",
)
_MORE_WHEN_LOWER = ("bolus_lockout_ms",)

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="Prescription file (.toml).")]
BoardOption = Annotated[str, typer.Option("--board", metavar="NAME", help="Board file, when it is not the one the board names.")]


def upload(
    file: FileArgument,
    board: BoardOption = "",
    port: PortOption = "",
    as_json: JsonOption = False,
) -> None:
    """Check a prescription, put it on the board beside the active one, read it back and show both. Nothing that runs changes."""
    from thecal.core import messages
    from thecal.core.codec import crc32
    from thecal_host import boards, monitor_limits, prescriptions
    from thecal_host.cli.common import Progress
    from thecal_host.cli.status import active_fields

    banner(as_json)
    with client_for(port) as client:
        hello = client.board or client.hello()
        part = boards.load(board or hello.port).part
        rx = prescriptions.load(file, part)
        limits = monitor_limits.encode(rx.fields, rx.crc)
        with Progress("uploading", as_json) as bar:
            client.stage(messages.BLOB_PROGRAM, rx.blob, bar.update)
            client.stage(messages.BLOB_MONITOR, limits)
        for kind, blob, name in ((messages.BLOB_PROGRAM, rx.blob, "program"), (messages.BLOB_MONITOR, limits, "monitor limits")):
            if client.read_blob(kind) != blob:
                raise CliError(
                    exit_codes.REFUSED, f"What the board read back as {name} is not what was sent. Upload again; nothing changed."
                )
        active = active_fields(client, client.status().program_crc)
    data = {
        "ok": True,
        "board": hello.board_id,
        "program_crc": f"{rx.crc:08x}",
        "monitor_crc": f"{crc32(limits):08x}",
        "staged": rx.fields,
        "active": active,
        "increases": increases(active, rx.fields),
        "warnings": rx.warnings,
        "conversions": [asdict(item) for item in rx.conversions],
    }
    emit(as_json, data, _shown(active, rx.fields, rx.warnings, rx.crc))


def increases(active: "dict[str, Any] | None", staged: "dict[str, Any]") -> list[str]:
    """Sentences for everything in `staged` that allows or gives more than `active` (which may be none)."""
    from thecal_host.prescription_texts import TOML_KEYS, amount

    if active is None:
        return [f"basal goes from nothing to {amount('rate_nl_per_day', staged['rate_nl_per_day'])}"]
    found: list[str] = []
    for key in (*_MORE_WHEN_HIGHER, *_MORE_WHEN_LOWER):
        old, new = active[key], staged[key]
        if (new < old) if key in _MORE_WHEN_LOWER else (new > old):
            found.append(f"{TOML_KEYS.get(key, key)}: {amount(key, old)} -> {amount(key, new)}")
    return found


def _table(active: "dict[str, Any] | None", staged: "dict[str, Any]") -> str:
    from thecal_host.prescription_texts import TOML_KEYS, amount

    rows: list[tuple[str, ...]] = []
    for key, value in staged.items():
        if key in _QUIET:
            continue
        old = amount(key, active[key]) if active else "-"
        new = amount(key, value)
        rows.append((TOML_KEYS.get(key, key), old, new, "" if old == new else "changed"))
    return columns_text(("", "active", "uploaded", ""), rows)


def _shown(active: "dict[str, Any] | None", staged: "dict[str, Any]", warnings: list[str], crc: int) -> str:
    lines = [_table(active, staged), ""]
    lines += [f"MORE than now: {text}" for text in increases(active, staged)]
    lines += [f"Note: {text}" for text in warnings]
    lines.append(f"Uploaded and read back as {crc:08x}. Nothing has changed yet: look at it, then run `thecal activate`.")
    return "\n".join(lines)


def activate(
    port: PortOption = "",
    yes: YesOption = False,
    command_id: IdOption = 0,
    program_crc: Annotated[
        str, typer.Option("--program-crc", metavar="HEX", help="Program to activate; default: what is uploaded.")
    ] = "",
    monitor_crc: Annotated[
        str, typer.Option("--monitor-crc", metavar="HEX", help="Monitor limits to activate; default: what is uploaded.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Make what was uploaded the active program. Shows what changes and asks first."""
    banner(as_json)
    with client_for(port) as client:
        crcs = (_hex(program_crc, "--program-crc"), _hex(monitor_crc, "--monitor-crc")) if program_crc and monitor_crc else None
        if crcs is None:
            crcs, question = _look(client, as_json)
        else:
            question = f"Activate program {crcs[0]:08x} with monitor limits {crcs[1]:08x}."
        confirm(question, yes)
        finish(client.activate(*crcs, command_id or None), as_json, program_crc=f"{crcs[0]:08x}", monitor_crc=f"{crcs[1]:08x}")


def _look(client: "Client", as_json: bool) -> "tuple[tuple[int, int], str]":
    """(the CRCs of what is staged, the question), after showing it. CliError(REFUSED) when nothing, or something damaged, is
    staged."""
    from thecal.core import messages, prescription
    from thecal.core.codec import crc32
    from thecal_host.cli.status import active_fields

    program = client.read_blob(messages.BLOB_PROGRAM)
    limits = client.read_blob(messages.BLOB_MONITOR)
    if program is None or limits is None:
        raise CliError(exit_codes.REFUSED, "Nothing is uploaded. Run `thecal upload FILE` first.")
    try:
        staged, _version = prescription.unpack(program)
        crc = prescription.program_crc(program)
    except prescription.ProgramError:
        raise CliError(exit_codes.REFUSED, "The upload is not whole. Run `thecal upload FILE` again.") from None
    active = active_fields(client, client.status().program_crc)
    if not as_json:
        typer.echo(_table(active, staged))
    more = increases(active, staged)
    return (crc, crc32(limits)), f"Activate program {crc:08x}" + (
        f" ({'; '.join(more)})." if more else "; nothing in it is higher than now."
    )


def _hex(text: str, option: str) -> int:
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise CliError(
            exit_codes.USAGE, f'{option} "{text}" is not a CRC: give up to 8 hexadecimal digits, as `thecal upload` shows them.'
        )
    return value
