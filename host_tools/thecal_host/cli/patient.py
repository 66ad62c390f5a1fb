"""`thecal patient`: ask for the patient bolus, as the button on the board does. Invariant: dose and duration are the active
program's, never the asker's; a refusal tells why and how long to wait, and the board logs it as unmet demand.
"""

from thecal_host.cli.answers import Present, conclude, present
from thecal_host.cli.common import IdOption, JsonOption, PortOption, YesOption, banner, client_for, confirm


def patient(port: PortOption = "", yes: YesOption = False, command_id: IdOption = 0, as_json: JsonOption = False) -> None:
    """Ask for the program's patient bolus (asks first). The board grants it whole, or refuses it and says how long to wait."""
    banner(as_json)
    with client_for(port) as client:
        now = present(client)
        confirm(_question(now, command_id), yes)
        conclude(client, client.patient(command_id or None), as_json, ng_per_ml=now.ng_per_ml)


def _question(now: Present, command_id: int) -> str:
    from thecal.core import units
    from thecal_host import amounts, texts

    again = f" again under id {command_id}" if command_id else ""
    if now.fields is None or not now.fields["patient_bolus_nl"]:
        return f"Patient bolus{again}."  # the board says what it thinks of that
    dose = amounts.with_mass(int(now.fields["patient_bolus_nl"]), now.ng_per_ml)
    drug = f"{now.fields['drug']} {units.format_concentration(now.ng_per_ml)}"
    return f"Patient bolus of {dose} of {drug} over {texts.duration(int(now.fields['patient_bolus_ms']))}{again}."
