"""The short commands: start, stop, hold, resume, ack, provision, maintenance. Invariant: what can raise the dose is confirmed
first; what lowers it never asks.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from thecal_host.cli.common import IdOption, JsonOption, PortOption, YesOption, banner, client_for, confirm, finish

if TYPE_CHECKING:
    from thecal_host.link.client import Client
    from thecal_host.link.types import Answer


def _send(
    port: str, command_id: int, as_json: bool, act: "Callable[[Client, int | None], Answer]", question: str = "", yes: bool = True
) -> None:
    banner(as_json)
    with client_for(port) as client:
        if question:
            confirm(question + _what_runs(client), yes)
        finish(act(client, command_id or None), as_json)


def _what_runs(client: "Client") -> str:
    """The active program in a few words, for the question."""
    from thecal.core import units
    from thecal_host.cli.status import active_fields

    fields = active_fields(client, client.status().program_crc)
    if fields is None:
        return ""
    rate, concentration = int(fields["rate_nl_per_day"]), int(fields["concentration_ng_per_ml"])
    drug = f"{fields['drug']} {units.format_concentration(concentration)}"
    return f" Program: {drug}, {units.format_volume(rate)}/day = {units.mass_text(rate, concentration)}/day."


def start(port: PortOption = "", yes: YesOption = False, command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Start therapy with the active program (asks first)."""
    _send(port, command_id, as_json, lambda client, number: client.start(number), "Start therapy.", yes)


def stop(port: PortOption = "", command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Stop therapy: the lease in flight (at most 1 s) completes, a running bolus ends for good."""
    _send(port, command_id, as_json, lambda client, number: client.stop(number))


def hold(port: PortOption = "", command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Hold therapy until `thecal resume`; a running bolus ends for good."""
    _send(port, command_id, as_json, lambda client, number: client.hold(number))


def resume(port: PortOption = "", yes: YesOption = False, command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """End a hold: basal goes on (asks first)."""
    _send(port, command_id, as_json, lambda client, number: client.resume(number), "End the hold.", yes)


def ack(port: PortOption = "", command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Acknowledge all alarms. Acknowledging is not clearing: an alarm leaves when its cause is gone too."""
    _send(port, command_id, as_json, lambda client, number: client.ack(number))


def provision(
    nothing: Annotated[
        bool,
        typer.Option(
            "--nothing-delivered",
            help="The service declares that this pump delivered nothing before. Else all windows start full.",
        ),
    ] = False,
    port: PortOption = "",
    yes: YesOption = False,
    command_id: IdOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Make a new board ready for use, once. Without --nothing-delivered every dose window starts full, so no bolus is granted
    for a day."""
    what = "nothing was delivered before, so the dose windows start empty." if nothing else "the dose windows start full."
    _send(
        port, command_id, as_json, lambda client, number: client.provision(nothing, number), f"Provision this board; {what}", yes
    )


def maintenance(port: PortOption = "", yes: YesOption = False, command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Stop the firmware and restart into the MicroPython prompt (for mpremote and `thecal flash`). Therapy ends."""
    _send(
        port, command_id, as_json, lambda client, number: client.maintenance(number), "Therapy ends and the board restarts.", yes
    )
