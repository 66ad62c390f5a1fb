"""What the validator allows but a person should know of a program. Invariant: every warning names the key and the figure it is
about, and none of them is about a mistake: mistakes are refused."""

from typing import Any

from thecal.core import prescription as rx
from thecal.core import program_table as table
from thecal.core import units
from thecal.core.schedule import Schedule
from thecal_host.prescription_texts import offset_text

WINDOW_KEYS = {7: "limits.per_1h", 8: "limits.per_4h", 9: "limits.per_24h"}


def basal_worst_nl(fields: dict[str, Any], minutes: int) -> int:
    """The most a window of `minutes` ever holds of basal alone, chunks included, nL: as the validator counts it."""
    least = rx.basal_in_window_nl(fields["rate_nl_per_day"], minutes, fields["chunk_nl"])
    return max(least, Schedule(fields).worst_window_nl(minutes) + 2 * fields["chunk_nl"])


def warnings_for(fields: dict[str, Any]) -> list[str]:
    """Warnings about checked fields (with defaults): boluses that can never be granted, figures of a strange size, short
    reservoirs."""
    return _boluses(fields) + _room(fields) + _rates(fields) + _rest(fields)


def _boluses(fields: dict[str, Any]) -> list[str]:
    found: list[str] = []
    bolus, patient, count = fields["max_bolus_nl"], fields["patient_bolus_nl"], fields["boluses_per_24h"]
    if bool(bolus) != bool(count):
        key = "limits.boluses_per_24h" if bolus else "limits.max_bolus"
        found.append(f"{key} is 0, so no bolus will ever be granted.")
    for key, nl in (("limits.max_bolus", bolus), ("patient_bolus.dose", patient)):
        steps = nl * rx.PL_PER_MILLION_IN_NL // fields["step_pl_per_million"]
        if nl and (steps < 10 or nl * 1000 < rx.daily_max_nl(fields)):
            mass = units.mass_text(nl, fields["concentration_ng_per_ml"])
            found.append(
                f"{key} {units.format_volume(nl)} = {mass} is very small (less than 10 motor steps, or than 1/1000 of "
                "a day's basal). Is its unit right, mg or mcg?"
            )
    if bolus and count and (count - 1) * fields["bolus_lockout_ms"] > units.DAY_MS:
        found.append("limits.bolus_lockout is so long that limits.boluses_per_24h can never be reached.")
    if patient and count and fields["patient_bolus_ms"] > fields["bolus_lockout_ms"]:
        found.append(
            "patient_bolus.duration is longer than limits.bolus_lockout: the end of a bolus, not the lockout, frees the next."
        )
    return found


def _room(fields: dict[str, Any]) -> list[str]:
    """Boluses that do not fit beside basal at its fullest hour."""
    found: list[str] = []
    bolus, patient, count = fields["max_bolus_nl"], fields["patient_bolus_nl"], fields["boluses_per_24h"]
    if not count:
        return found
    for tag, key, minutes in rx.WINDOW_SPANS:
        room = fields[key] - basal_worst_nl(fields, minutes)
        for nl, name in ((bolus, "limits.max_bolus"), (patient, "patient_bolus.dose")):
            times = count if tag == 9 else 1
            if nl and room < nl * times:
                what = f"all {count} boluses of {name}" if times > 1 else f"a bolus of {name}"
                found.append(
                    f"{WINDOW_KEYS[tag]} leaves {units.format_volume(room)} beside basal at its fullest, less than {what} "
                    f"({units.format_volume(nl * times)}); what does not fit is refused."
                )
                break
    return found


def _rates(fields: dict[str, Any]) -> list[str]:
    found: list[str] = []
    rate, most = fields["rate_nl_per_day"], fields["max_rate_nl_per_day"]
    rates = Schedule(fields).rates
    if fields["mode"] == table.MODE_FLEX:
        if not max(rates):
            found.append("every step of the schedule is 0: this program delivers nothing.")
        if not rate:
            found.append("the safe rate is 0: nothing is delivered while the board's clock is unknown (after every restart).")
        elif rate > max(rates):
            found.append(
                f"the safe rate {units.format_volume(rate)}/day is higher than every step of the schedule "
                f"(at most {units.format_volume(max(rates))}/day)."
            )
        if offset_text(fields["utc_offset_biased_min"])[1:] > "12:00":
            found.append("basal.utc_offset is more than 12 hours: only a few islands have that. Is its sign right?")
    if fields["min_rate_nl_per_day"] > max(rates):
        found.append("the minimum rate is higher than every programmed rate.")
    if fields["max_temp_ms"] and most <= max(rates):
        found.append("limits.max_rate is no more than the programmed rate, so a temporary rate can only lower it.")
    return found


def _rest(fields: dict[str, Any]) -> list[str]:
    found: list[str] = []
    low_days = (fields["reservoir_nl"] - fields["reservoir_low_nl"]) // max(1, rx.daily_max_nl(fields))
    if low_days < 2:
        found.append("the reservoir reaches its low mark in less than 2 days at this rate.")
    return found
