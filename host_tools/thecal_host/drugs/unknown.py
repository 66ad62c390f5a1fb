"""A drug or concentration that no entry knows: refused, with the nearest known one. Invariant: nothing is ever taken for
something else silently; a concentration 10 or 1000 times off a known one is named as a slip."""

import difflib

from thecal.core import units
from thecal_host.drugs.entries import Entry, Library
from thecal_host.drugs.findings import SLIP, UNKNOWN, Finding
from thecal_host.drugs.slips import FACTORS, UNIT_FACTOR

OWN_HINT = "A library of your own may add it, on own responsibility."


def no_entry(drug: str, ng_per_ml: int, library: Library) -> list[Finding]:
    """The one finding that says what is unknown."""
    entries = library.of_drug(drug)
    if not entries:
        known = library.drugs()
        near = difflib.get_close_matches(drug.strip().casefold(), known, 1, 0.5)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        why = f"this drug is not in the drug library; {hint}{OWN_HINT}"
        return [Finding(UNKNOWN, "drug", f'"{drug}"', ", ".join(known), why)]
    value = units.format_concentration(ng_per_ml)
    limit = ", ".join(entry.concentration.text for entry in entries)
    key = "concentration_ng_per_ml"
    for entry in entries:
        for factor in FACTORS:
            times = _times(ng_per_ml, entry, factor)
            if times:
                ask = "is the unit right (mg, mcg)?" if factor == UNIT_FACTOR else "is the decimal point, or a digit, wrong?"
                why = f"{value} is {times} {entry.concentration.text}, a known concentration of {drug}: {ask} Refused as a slip."
                return [Finding(SLIP, key, value, limit, why)]
    near_entry = min(entries, key=lambda entry: _ratio_per_mille(ng_per_ml, entry.ng_per_ml))
    why = f"this concentration of {drug} is not in the drug library; the nearest is {near_entry.concentration.text}. {OWN_HINT}"
    return [Finding(UNKNOWN, key, value, limit, why)]


def _times(ng_per_ml: int, entry: Entry, factor: int) -> str:
    if ng_per_ml == entry.ng_per_ml * factor:
        return f"{factor} times"
    return f"1/{factor} of" if ng_per_ml * factor == entry.ng_per_ml else ""


def _ratio_per_mille(one: int, other: int) -> int:
    """How many times the larger is the smaller, in per mille."""
    return max(one, other) * 1000 // max(1, min(one, other))
