"""`thecal bolus`: one bolus, one id. Invariant: what is asked for is shown as volume and mass before it is confirmed; a mass is
turned into a volume only by the concentration of the program that is active on the board.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.answers import conclude, present
from thecal_host.cli.common import IdOption, JsonOption, PortOption, YesOption, banner, client_for, confirm, span_ms
from thecal_host.cli.failures import CliError

if TYPE_CHECKING:
    from thecal.core.units import Quantity


def bolus(
    amount: Annotated[str, typer.Argument(help='Mass or volume with its unit: "0.5 mg", "20 uL".')],
    over: Annotated[str, typer.Option("--over", metavar="TIME", help='How long it takes, e.g. "10 min".')],
    port: PortOption = "",
    yes: YesOption = False,
    command_id: IdOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Ask for a clinician bolus. The board grants it whole or refuses it with a reason; it is never delivered twice under one
    id."""
    from thecal.core import units
    from thecal_host import texts, unit_texts

    kinds = (units.MASS, units.VOLUME)
    try:
        quantity = units.parse(amount, kinds)
    except units.UnitError as error:
        raise CliError(exit_codes.USAGE, f"AMOUNT {unit_texts.sentence(error, kinds)}") from None
    duration_ms = span_ms(over, "--over:")
    banner(as_json)
    with client_for(port) as client:
        now = present(client)
        fields = now.fields
        nl = _volume_nl(quantity, fields)
        mass = f" = {units.mass_text(nl, int(fields['concentration_ng_per_ml']))} of {fields['drug']}" if fields else ""
        again = f" again under id {command_id}" if command_id else ""
        confirm(f"Bolus of {units.format_volume(nl)}{mass} over {texts.duration(duration_ms)}{again}.", yes)
        answer = client.bolus(nl, duration_ms, command_id or None)
        conclude(client, answer, as_json, ng_per_ml=now.ng_per_ml, nl=nl, ms=duration_ms)


def _volume_nl(quantity: "Quantity", fields: "dict[str, Any] | None") -> int:
    """Whole nL; CliError when a mass has no concentration, or the amount is nothing."""
    from thecal.core import units
    from thecal_host import unit_texts

    if quantity.kind == units.MASS and fields is None:
        text = (
            "A bolus as a mass needs the concentration of an active program, and the board has none. Give a volume, or "
            "activate a program."
        )
        raise CliError(exit_codes.INVALID, text)
    try:
        nl = units.whole(units.to_volume(quantity, int(fields["concentration_ng_per_ml"]) if fields else 0)).value
    except units.UnitError as error:
        raise CliError(exit_codes.USAGE, f"AMOUNT {unit_texts.sentence(error, (units.MASS, units.VOLUME))}") from None
    if nl == 0:
        raise CliError(exit_codes.USAGE, f'AMOUNT "{quantity.text}" is nothing: ask for at least 1 nL.')
    return nl
