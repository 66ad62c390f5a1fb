"""The sections and keys of a prescription file, and the pass that reads them all.

Invariant: a key that is not in the table is a problem (a misspelt limit must not vanish silently), every section is read even
where another one is bad, so all problems of a file are found at once, and two keys for one figure are never both accepted.
"""

import difflib
from typing import Any

from thecal.core import program_table as table
from thecal.core import units
from thecal_host.prescription_schedule import read_days
from thecal_host.prescription_texts import shown
from thecal_host.prescription_values import RATES, VOLUMES, Reading, example, read_value

NEVER, SECTION, ALWAYS = 0, 1, 2  # a key is required: never, where its section is there, always

# section -> key -> (field, or ".name" for what is no field; kinds of amount or the name of a reader; required)
SCHEMA: dict[str, dict[str, tuple[str, Any, int]]] = {
    "prescription": {"name": ("name", "text", NEVER)},
    "drug": {
        "name": ("drug", "text", ALWAYS),
        "concentration": ("concentration_ng_per_ml", (units.CONCENTRATION,), ALWAYS),
    },
    "basal": {
        "mode": ("mode", "mode", ALWAYS),
        "dose": ("rate_nl_per_day", (units.MASS_RATE,), NEVER),
        "rate": ("rate_nl_per_day", (units.VOLUME_RATE,), NEVER),
        "safe_dose": ("rate_nl_per_day", (units.MASS_RATE,), NEVER),
        "safe_rate": ("rate_nl_per_day", (units.VOLUME_RATE,), NEVER),
        "utc_offset": ("utc_offset_biased_min", "offset", NEVER),
        "day": ("week", "days", NEVER),
    },
    "minimum": {
        "dose": ("min_rate_nl_per_day", (units.MASS_RATE,), NEVER),
        "rate": ("min_rate_nl_per_day", (units.VOLUME_RATE,), NEVER),
    },
    "patient_bolus": {
        "dose": ("patient_bolus_nl", VOLUMES, SECTION),
        "duration": ("patient_bolus_ms", (units.TIME,), SECTION),
    },
    "temporary": {"max_duration": ("max_temp_ms", (units.TIME,), SECTION)},
    "hold": {"max": ("max_hold_ms", (units.TIME,), SECTION)},
    "limits": {
        "max_rate": ("max_rate_nl_per_day", RATES, ALWAYS),
        "max_bolus": ("max_bolus_nl", VOLUMES, ALWAYS),
        "per_1h": ("limit_1h_nl", VOLUMES, ALWAYS),
        "per_4h": ("limit_4h_nl", VOLUMES, ALWAYS),
        "per_24h": ("limit_24h_nl", VOLUMES, ALWAYS),
        "bolus_lockout": ("bolus_lockout_ms", (units.TIME,), ALWAYS),
        "boluses_per_24h": ("boluses_per_24h", "int", ALWAYS),
    },
    "titration": {
        "raise": ("raise_per_mille", "percent", NEVER),
        "raise_dose": ("raise_nl_per_day", RATES, NEVER),
        "window": ("raise_window_ms", (units.TIME,), SECTION),
    },
    "reservoir": {"volume": ("reservoir_nl", (units.VOLUME,), ALWAYS), "low": ("reservoir_low_nl", (units.VOLUME,), NEVER)},
    "power_loss": {"basal_resumes": ("basal_resumes", "bool", NEVER)},
    "overrides": {"confirm": (".confirm", "texts", SECTION), "reason": (".reason", "text", SECTION)},
}
_FLEX_KEYS = ("safe_dose", "safe_rate", "utc_offset", "day")
_PLAIN_KEYS = ("dose", "rate")


def _near(word: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(word[:40], known, 1, 0.6)
    return f'did you mean "{matches[0]}"? ' if matches else ""


def check_names(data: dict[str, Any], reading: Reading) -> None:
    """Note every unknown section and key."""
    for section, keys in data.items():
        name = shown(section).strip('"') or '""'
        if section not in SCHEMA:
            reading.refuse(
                name, "not a known section", ", ".join(SCHEMA), f"unknown section; {_near(section, list(SCHEMA))}remove it."
            )
        elif not isinstance(keys, dict):
            reading.refuse(section, shown(keys), "a section", f"this must be a section: write [{section}] on a line of its own.")
        else:
            for key in keys:
                if key not in SCHEMA[section]:
                    known = list(SCHEMA[section])
                    where = f"{section}.{shown(key).strip(chr(34))}"
                    reading.refuse(where, "not a known key", ", ".join(known), f"unknown key; {_near(key, known)}remove it.")


def read_sections(data: dict[str, Any], reading: Reading) -> None:
    """Read everything the schema knows out of `data`."""
    for section, keys in SCHEMA.items():
        given = data.get(section)
        there = isinstance(given, dict)
        values: dict[str, Any] = given if isinstance(given, dict) else {}
        if section == "basal":
            _check_basal(values, reading)
        elif section == "minimum" and there:
            _one_of(reading, values, "minimum", ("dose", "rate"), "min_rate_nl_per_day")
        elif section == "titration" and there and not ("raise" in values or "raise_dose" in values):
            hint = "a window limits a raise; add one of them, or leave [titration] out."
            reading.refuse("titration.raise", "missing", "raise or raise_dose, or both", hint, "raise_window_ms")
        for key, (field_key, kind, required) in keys.items():
            where = f"{section}.{key}"
            if key in values:
                if field_key not in reading.failed and kind != "days":
                    read_value(reading, where, field_key, kind, values[key])
            elif required == ALWAYS or (required == SECTION and there):
                hint = f"add it to section [{section}], like {example(kind)}."
                reading.refuse(where, "missing", _what(kind), hint, field_key)
    basal = data.get("basal")
    if isinstance(basal, dict) and reading.fields.get("mode") == table.MODE_FLEX:
        read_days(basal.get("day"), reading)


def _what(kind: Any) -> str:
    from thecal_host.unit_texts import either_kind

    names = {"mode": '"continuous" or "flex"', "int": "a whole number", "bool": "true or false", "texts": "a list of texts"}
    return either_kind(kind) if isinstance(kind, tuple) else names.get(kind, "a text")


def _one_of(reading: Reading, values: dict[str, Any], section: str, keys: tuple[str, str], field_key: str) -> None:
    """Exactly one of two keys for one figure."""
    given = [key for key in keys if key in values]
    if len(given) == 1:
        return
    hint = f'give either {keys[0]} (like "12 mg/day") or {keys[1]} (like "0.48 mL/day")'
    hint += ", not both: two figures can contradict each other." if given else "; it is missing."
    value = f"given together with {section}.{keys[1]}" if given else "missing"
    reading.refuse(f"{section}.{keys[0]}", value, f"exactly one of {keys[0]} and {keys[1]}", hint, field_key)


def _check_basal(values: dict[str, Any], reading: Reading) -> None:
    """Which keys of [basal] belong together: a rate with continuous; a safe rate, an offset and days with flex."""
    flex = values.get("mode") == "flex"
    wrong = [key for key in (_PLAIN_KEYS if flex else _FLEX_KEYS) if key in values]
    if values.get("mode") not in ("flex", "continuous"):
        reading.failed.add("rate_nl_per_day")  # which key is meant hangs on the mode; its own problem is enough
        return
    for key in wrong:
        field_key = SCHEMA["basal"][key][0]
        keys = ", ".join(_FLEX_KEYS if flex else _PLAIN_KEYS)
        hint = f'with mode = "{values["mode"]}" use {keys}; remove this key' + (' or write mode = "flex".' if not flex else ".")
        reading.refuse(f"basal.{key}", shown(values[key]), f'not with mode = "{values["mode"]}"', hint, field_key)
    keys = ("safe_dose", "safe_rate") if flex else _PLAIN_KEYS
    if not any(key in values for key in wrong if SCHEMA["basal"][key][0] == "rate_nl_per_day") or any(k in values for k in keys):
        _one_of(reading, values, "basal", keys, "rate_nl_per_day")
    if flex and "utc_offset" not in values:
        hint = 'the schedule is in local time; add utc_offset = "+01:00" (local time minus UTC, daylight saving included).'
        reading.refuse("basal.utc_offset", "missing", 'like "+01:00"', hint, "utc_offset_biased_min")
