"""`thecal status`: what the pump does and what it delivered. Invariant: delivered volume is always shown as both ends of its
interval."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli.common import JsonOption, PortOption, banner, client_for, emit, rows_text

if TYPE_CHECKING:
    from thecal_host.link.client import Client
    from thecal_host.link.types import Hello, Status


def status(
    port: PortOption = "",
    watch: Annotated[
        str, typer.Option("--watch", metavar="TIME", help='Show one line again and again, e.g. every "5 s" (0.5 s at least).')
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Show state, rate, delivered volume as an interval, windows, reservoir, alarms and sensors."""
    from thecal_host.cli.common import span_ms
    from thecal_host.code_names import named

    banner(as_json)
    pause_ms = max(500, span_ms(watch, "--watch:")) if watch else 0
    with client_for(port) as client:
        hello = client.board or client.hello()
        now = client.status()
        fields = active_fields(client, now.program_crc)
        if not watch:
            emit(
                as_json,
                {"ok": True, "board": named(asdict(hello)), "status": named(asdict(now))},
                rows_text(_rows(client.url, hello, now, fields)),
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


def _rows(url: str, hello: "Hello", now: "Status", fields: "dict[str, Any] | None") -> "list[tuple[str, str]]":
    from thecal.core import units
    from thecal_host import amounts, texts

    concentration = int(fields["concentration_ng_per_ml"]) if fields else 0

    def both(nl: int) -> str:
        return amounts.volume(nl) + (f" ({amounts.mass(nl, concentration)})" if concentration else "")

    drug = f", {fields['drug']} {units.format_concentration(concentration)}" if fields else ""
    program = f"{now.program_crc:08x} {fields['name']}{drug}" if fields else "none"
    rows = [
        ("Board", f"{hello.board_id} ({hello.port}) on {url}, firmware {hello.version}"),
        ("State", texts.of(texts.STATES, now.state)),
        ("Fault", texts.fault(now.fault)),
        ("Alarm", texts.of(texts.ALARMS, now.alarm)),
        ("Program", program),
        ("Rate now", both(now.rate_nl_per_day) + " per day"),
        ("Delivered", amounts.between(now.min_nl, now.max_nl, concentration)),
        ("Bolus to come", both(now.bolus_left_nl) if now.bolus_left_nl else "none"),
        ("Last 1 h, 4 h, 24 h", f"{both(now.window_1h_nl)}, {both(now.window_4h_nl)}, {both(now.window_24h_nl)}"),
        ("Reservoir", f"{both(now.reservoir_nl)} left at least" if fields else "unknown without a program"),
        ("Steps since start", f"{now.permitted_steps} permitted, {now.edges} counted by the monitor"),
        ("Battery", "not fitted" if now.battery_mv is None else f"{now.battery_mv} mV"),
        ("Pressure", "not fitted" if now.pressure_pa is None else f"{now.pressure_pa} Pa"),
        ("Board time", f"{texts.duration(now.t_ms)} since provisioning at least, start no. {now.boot}"),
        ("Log, durable writes", f"next record {now.log_seq}, {now.durable_writes} writes since start"),
    ]
    if now.hold_ms:
        rows.insert(2, ("Hold ends in", texts.duration(now.hold_ms)))
    return rows


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
