"""The short commands: start, stop (off), hold, resume, ack, provision, maintenance. Invariant: what can raise the dose is
confirmed first; what lowers it never asks.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli.answers import Present, conclude, present
from thecal_host.cli.common import IdOption, JsonOption, PortOption, YesOption, banner, client_for, confirm, span_ms

if TYPE_CHECKING:
    from thecal_host.link.client import Client
    from thecal_host.link.types import Answer

    Act = Callable[[Client, int | None], Answer]


def _send(port: str, command_id: int, as_json: bool, act: "Act", done: str = "") -> None:
    """Send what never asks."""
    banner(as_json)
    with client_for(port) as client:
        conclude(client, act(client, command_id or None), as_json, done)


def _ask_and_send(port: str, command_id: int, as_json: bool, act: "Act", question: str, yes: bool, begins: bool = False) -> None:
    """Send what has to be confirmed. What `begins` therapy needs a clock first when its program follows the time of day."""
    from thecal_host.cli.clock import clock_sync

    banner(as_json)
    with client_for(port) as client:
        now = present(client)
        confirm(question + _what_runs(now), yes)
        notes: dict[str, Any] = {"clock": clock_sync(client, now.fields)} if begins and now.flex else {}
        conclude(client, act(client, command_id or None), as_json, **notes)


def _what_runs(now: Present) -> str:
    """The active program in a few words, for the question."""
    from thecal.core import prescription, units

    fields = now.fields
    if fields is None:
        return ""
    drug = f"{fields['drug']} {units.format_concentration(now.ng_per_ml)}"
    if now.flex:
        return f" Program: {drug}, by the time of day, at most {now.both(prescription.daily_max_nl(fields))}."
    return f" Program: {drug}, {now.both(int(fields['rate_nl_per_day']))}."


def start(port: PortOption = "", yes: YesOption = False, command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Start therapy with the active program (asks first). A flex program's board gets the time from this PC when it lacks it."""
    _ask_and_send(port, command_id, as_json, lambda client, number: client.start(number), "Start therapy.", yes, begins=True)


def stop(port: PortOption = "", command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Stop therapy or a set-up motion: the lease in flight (at most 1 s) completes, a running bolus ends for good."""
    _send(port, command_id, as_json, lambda client, number: client.stop(number))


def off(port: PortOption = "", command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Therapy off: the same as stop. `thecal start` begins it again."""
    _send(port, command_id, as_json, lambda client, number: client.stop(number), "Off: therapy is stopped.")


def hold(
    span: Annotated[
        str,
        typer.Option("--for", metavar="TIME", help='End by itself after this time, e.g. "30 min"; else until `thecal resume`.'),
    ] = "",
    port: PortOption = "",
    command_id: IdOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Hold therapy, for a time or until `thecal resume`; a running bolus ends for good, a temporary rate's time goes on."""
    from thecal_host import texts

    ms = span_ms(span, "--for:") if span else 0
    done = f"Hold: done; basal goes on by itself in {texts.duration(ms)}, or with `thecal resume`." if ms else ""
    _send(port, command_id, as_json, lambda client, number: client.hold(ms, number), done)


def resume(port: PortOption = "", yes: YesOption = False, command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """End a hold: basal goes on (asks first)."""
    _ask_and_send(port, command_id, as_json, lambda client, number: client.resume(number), "End the hold.", yes, begins=True)


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
    _ask_and_send(
        port, command_id, as_json, lambda client, number: client.provision(nothing, number), f"Provision this board; {what}", yes
    )


def maintenance(port: PortOption = "", yes: YesOption = False, command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Stop the firmware and restart into the MicroPython prompt (for mpremote and `thecal flash`). Therapy ends."""
    _ask_and_send(
        port, command_id, as_json, lambda client, number: client.maintenance(number), "Therapy ends and the board restarts.", yes
    )
