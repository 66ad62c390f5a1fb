"""`thecal status`: what the pump does and what it delivered. Invariant: delivered volume is always shown as both ends of its
interval."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli.common import JsonOption, PortOption, banner, client_for, emit, rows_text

if TYPE_CHECKING:
    from thecal_host.link.client import Client
    from thecal_host.link.types import Status


def status(
    port: PortOption = "",
    watch: Annotated[
        str, typer.Option("--watch", metavar="TIME", help='Show one line again and again, e.g. every "5 s" (0.5 s at least).')
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Show state, rate and why it holds, delivered volume as an interval, boluses, windows, reservoir, alarms, inputs and
    sensors."""
    from thecal_host.cli.answers import Present
    from thecal_host.cli.common import span_ms
    from thecal_host.cli.status_rows import rows
    from thecal_host.code_names import named

    banner(as_json)
    pause_ms = max(500, span_ms(watch, "--watch:")) if watch else 0
    with client_for(port) as client:
        hello = client.board or client.hello()
        now = client.status()
        if not watch:
            seen = Present(now, active_fields(client, now.program_crc))
            emit(
                as_json,
                {"ok": True, "board": named(asdict(hello)), "status": named(asdict(now)), "wall": seen.time.text()},
                rows_text(rows(client.url, hello, seen)),
            )
            return
        while True:
            emit(as_json, {"ok": True, "board": named(asdict(hello)), "status": named(asdict(now))}, _line(now))
            time.sleep(pause_ms / 1000)
            now = client.status()


def active_fields(client: "Client", program_crc: int) -> "dict[str, Any] | None":
    """Fields of the active program read back from the board; None when there is none, or it cannot be read."""
    from thecal.core import messages
    from thecal.core.prescription import ProgramError, unpack

    if not program_crc:
        return None
    blob = client.read_blob(messages.BLOB_ACTIVE_PROGRAM)
    if blob is None:
        return None
    try:
        return unpack(blob)[0]
    except ProgramError:
        return None


def _line(now: "Status") -> str:
    from thecal_host import amounts, texts

    parts = [
        texts.duration(now.t_ms),
        texts.of(texts.STATES, now.state),
        f"{amounts.volume(now.rate_nl_per_day)}/day",
        "delivered " + amounts.between(now.min_nl, now.max_nl),
    ]
    if now.alarm:
        parts.append("ALARM: " + texts.of(texts.ALARMS, now.alarm))
    if now.fault:
        parts.append("FAULT: " + texts.of(texts.FAULTS, now.fault))
    return "; ".join(parts)
