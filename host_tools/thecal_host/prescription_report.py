"""A checked prescription as a person reads it before anything is uploaded: the rates of each weekday, what is offered, every
limit, what the drug library said.

Invariant: every field a prescriber chose is in it, in mass and in volume, and every soft bound the program crosses, confirmed
or not. Nothing is opened here: a Prescription in, lines out.
"""

from typing import TYPE_CHECKING, Any

from thecal.core import program_table as table
from thecal.core import units
from thecal_host import amounts
from thecal_host.prescription_texts import TOML_KEYS, amount, offset_text, plain_fields
from thecal_host.program_week import daily_nl, day_rows

if TYPE_CHECKING:
    from thecal_host.prescriptions import Prescription

Fields = dict[str, Any]
# heading -> fields in the order they are shown
SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Offered", ("min_rate_nl_per_day", "patient_bolus_nl", "patient_bolus_ms", "max_temp_ms", "max_hold_ms")),
    (
        "Limits over all sources",
        (
            "max_rate_nl_per_day",
            "max_bolus_nl",
            "limit_1h_nl",
            "limit_4h_nl",
            "limit_24h_nl",
            "bolus_lockout_ms",
            "boluses_per_24h",
        ),
    ),
    ("Titration", ("raise_per_mille", "raise_nl_per_day", "raise_window_ms")),
    ("Board", ("reservoir_nl", "reservoir_low_nl", "basal_resumes", "chunk_nl", "step_pl_per_million")),
)
NOT_DRUG = ("reservoir_nl", "reservoir_low_nl", "step_pl_per_million")


def _with_mass(key: str, fields: Fields) -> str:
    """A value with the mass it holds, "0.48 mL/day = 12 mg/day"."""
    value = fields[key]
    text = amount(key, value)
    if key in NOT_DRUG or not value or not key.endswith(("_nl", "_nl_per_day")):
        return text
    per = "/day" if key.endswith("_per_day") else ""
    return f"{text} = {amounts.mass(value, fields['concentration_ng_per_ml'])}{per}"


def rate_rows(fields: Fields) -> list[tuple[str, str, str, str]]:
    """The basal rates: (days, from, volume, mass), with a row for the sum of each group of days and one for the safe rate."""
    ng_per_ml = fields["concentration_ng_per_ml"]

    def row(days: str, begin: str, nl: int, per: str) -> tuple[str, str, str, str]:
        return days, begin, units.format_volume(nl) + per, amounts.mass(nl, ng_per_ml) + per

    if fields["mode"] != table.MODE_FLEX:
        return [row("every day", "all day", fields["rate_nl_per_day"], "/day")]
    rows: list[tuple[str, str, str, str]] = []
    doses = {}
    for item in day_rows(None, fields):
        doses.setdefault(item.days, []).append(item)
    sums = daily_nl(fields)
    for days, items in doses.items():
        for number, item in enumerate(items):
            rows.append(row("" if number else days, item.time, item.new, "/day"))
        first = _first_day(days)
        rows.append(row("", "in all", sums[first], " a day"))
    rows.append(row("clock unknown", "", fields["rate_nl_per_day"], "/day"))
    return rows


def _first_day(days: str) -> int:
    """The number of the first day that a group's name says."""
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    word = days[:3].lower()
    return names.index(word) if word in names else 0


def field_rows(fields: Fields) -> list[tuple[str, str]]:
    """(key of the file or a heading, value) of everything but the rates; a heading has an empty value."""
    rows: list[tuple[str, str]] = []
    for heading, keys in SECTIONS:
        if heading == "Titration" and not fields["raise_window_ms"]:
            rows += [("", ""), (heading, ""), ("titration", "no limit: the daily dose may rise at any time")]
            continue
        rows += [("", ""), (heading, "")]
        rows += [(TOML_KEYS[key], _with_mass(key, fields)) for key in keys]
    return rows


def conversion_lines(prescription: "Prescription") -> list[str]:
    """Every mass as the volume it became, each once; a rounding always."""
    lines: list[str] = []
    seen: set[tuple[str, str]] = set()
    for item in prescription.conversions:
        if (item.written, item.kept) not in seen:
            seen.add((item.written, item.kept))
            lines.append(
                f"{item.key}: {item.written} is {item.kept}" + ("" if item.exact else f", rounded by {item.off_ppm} ppm")
            )
    return lines


def library_lines(prescription: "Prescription") -> list[str]:
    """The library entry with its hash, and every soft bound crossed."""
    verdict = prescription.library
    lines = [
        f"Drug library: {verdict.entry} ({verdict.status}), entry {verdict.entry_crc:08x}, library {verdict.library_hash[:16]}"
    ]
    for item in verdict.soft:
        mark = "confirmed" if item.bit & prescription.overrides else "NOT CONFIRMED"
        lines.append(f'Soft limit, {mark} ("{item.name}"): {item.sentence}')
    if verdict.soft and prescription.reason:
        lines.append(f"Reason: {prescription.reason}")
    return lines


def lines(prescription: "Prescription") -> list[str]:
    """The whole report."""
    fields = prescription.fields
    flex = fields["mode"] == table.MODE_FLEX
    rates = [("Days", "From", "Rate", "Dose"), *rate_rows(fields)]
    widths = [max(len(row[at]) for row in rates) for at in range(4)]
    rows = field_rows(fields)
    width = max(len(key) for key, value in rows if value)
    found = [
        f"Program: {fields['name'] or '(no name)'}",
        f"Drug: {fields['drug']} {units.format_concentration(fields['concentration_ng_per_ml'])}",
        f"basal.mode: {amount('mode', fields['mode'])}"
        + (f", local time UTC{offset_text(fields['utc_offset_biased_min'])}" if flex else ""),
        "",
        *("  ".join(f"{cell:<{size}}" for cell, size in zip(row, widths, strict=True)).rstrip() for row in rates),
        *(f"{key:<{width}}  {value}".rstrip() for key, value in rows),
        "",
        *conversion_lines(prescription),
        *library_lines(prescription),
        *(f"Note: {text}" for text in prescription.warnings),
    ]
    if flex:
        found.append(
            "Daylight saving: the board stays at this offset. When the clocks change, upload the same program with the other "
            "basal.utc_offset and activate it."
        )
    return found


def as_dict(prescription: "Prescription") -> dict[str, Any]:
    """The report for --json; volumes in nL, rates in nL/day, bytes as hexadecimal digits."""
    from dataclasses import asdict

    verdict = prescription.library
    week = [
        {"days": item.days, "from": item.time, "nl_per_day": item.new}
        for item in (day_rows(None, prescription.fields) if prescription.fields["week"] else [])
    ]
    return {
        "program_crc": f"{prescription.crc:08x}",
        "fields": plain_fields(prescription.fields),
        "week": week,
        "warnings": prescription.warnings,
        "conversions": [asdict(item) for item in prescription.conversions],
        "library": {"entry": verdict.entry, "entry_crc": f"{verdict.entry_crc:08x}", "sha256": verdict.library_hash},
        "soft": [{**item.as_dict(), "confirmed": bool(item.bit & prescription.overrides)} for item in verdict.soft],
        "reason": prescription.reason,
    }
