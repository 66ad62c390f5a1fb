"""What a prescription file says, read by other code than the program under test: exact fractions from TOML. It knows no limits;
it only says what a program made from a file must hold. Unknown keys or spellings raise Unreadable."""

import re
from fractions import Fraction
from typing import Any

MASS = {"ng": 1, "mcg": 10**3, "ug": 10**3, "mg": 10**6, "g": 10**9}
VOLUME = {"nL": 1, "uL": 10**3, "mcL": 10**3, "mL": 10**6, "L": 10**9}
TIME = {"ms": 1, "s": 10**3, "m": 60_000, "min": 60_000, "h": 3_600_000, "hr": 3_600_000, "hour": 3_600_000, "hours": 3_600_000}
TIME |= {"d": 86_400_000, "day": 86_400_000, "days": 86_400_000}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GROUPS = {"weekdays": DAYS[:5], "weekend": DAYS[5:], "every day": DAYS}
# where -> (field, what)
KEYS = {
    "prescription.name": ("name", "text"),
    "drug.name": ("drug", "text"),
    "drug.concentration": ("concentration_ng_per_ml", "concentration"),
    "basal.mode": ("mode", "mode"),
    "basal.dose": ("rate_nl_per_day", "rate"),
    "basal.rate": ("rate_nl_per_day", "rate"),
    "basal.safe_dose": ("rate_nl_per_day", "rate"),
    "basal.safe_rate": ("rate_nl_per_day", "rate"),
    "basal.utc_offset": ("utc_offset_biased_min", "offset"),
    "minimum.dose": ("min_rate_nl_per_day", "rate"),
    "minimum.rate": ("min_rate_nl_per_day", "rate"),
    "patient_bolus.dose": ("patient_bolus_nl", "volume"),
    "patient_bolus.duration": ("patient_bolus_ms", "time"),
    "temporary.max_duration": ("max_temp_ms", "time"),
    "hold.max": ("max_hold_ms", "time"),
    "limits.max_rate": ("max_rate_nl_per_day", "rate"),
    "limits.max_bolus": ("max_bolus_nl", "volume"),
    "limits.per_1h": ("limit_1h_nl", "volume"),
    "limits.per_4h": ("limit_4h_nl", "volume"),
    "limits.per_24h": ("limit_24h_nl", "volume"),
    "limits.bolus_lockout": ("bolus_lockout_ms", "time"),
    "limits.boluses_per_24h": ("boluses_per_24h", "number"),
    "titration.raise": ("raise_per_mille", "percent"),
    "titration.raise_dose": ("raise_nl_per_day", "rate"),
    "titration.window": ("raise_window_ms", "time"),
    "reservoir.volume": ("reservoir_nl", "volume"),
    "reservoir.low": ("reservoir_low_nl", "volume"),
    "power_loss.basal_resumes": ("basal_resumes", "flag"),
}
DEFAULTS = {"reservoir_low_nl": 2_000_000, "max_hold_ms": 14_400_000, "utc_offset_biased_min": 1440, "name": ""}


class Unreadable(Exception):
    """The oracle does not know what this file means."""


def _number_and_unit(text: Any) -> tuple[Fraction, str]:
    match = re.fullmatch(r"[ \t]*([0-9]+(?:\.[0-9]+)?)[ \t]*(\S.*?)[ \t]*", text) if isinstance(text, str) else None
    if match is None:
        raise Unreadable(text)
    unit = match[2].replace("\u00b5", "u").replace("\u03bc", "u")
    return Fraction(match[1]), re.sub(r"\b([numc]{0,2})l\b", r"\1L", re.sub(r"[ \t]*/[ \t]*", "/", unit))


def volume(text: Any, ng_per_ml: Fraction, per_day: bool) -> Fraction:
    """nL (per day) of an amount, a mass by its concentration."""
    number, unit = _number_and_unit(text)
    top, _, bottom = unit.partition("/")
    if per_day:
        if bottom not in TIME or bottom in ("ms", "m", "hours", "days"):
            raise Unreadable(text)
        number = number * 86_400_000 / TIME[bottom]
    elif bottom:
        raise Unreadable(text)
    if top in VOLUME:
        return number * VOLUME[top]
    if top not in MASS:
        raise Unreadable(text)
    return number * MASS[top] * 10**6 / ng_per_ml


def _value(what: str, value: Any, ng_per_ml: Fraction) -> Any:
    if what == "text" and isinstance(value, str):
        return value
    if what == "flag" and isinstance(value, bool):
        return int(value)
    if what == "number" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if what == "mode" and value in ("continuous", "flex"):
        return 1 if value == "continuous" else 2
    if what == "time":
        number, unit = _number_and_unit(value)
        if unit in TIME:
            return number * TIME[unit]
    if what == "percent" and isinstance(value, str) and value.rstrip().endswith("%"):
        return Fraction(value.strip()[:-1].strip()) * 10
    if what == "offset" and isinstance(value, str) and re.fullmatch(r"[+-][0-9]{2}:[0-9]{2}", value):
        minutes = int(value[1:3]) * 60 + int(value[4:])
        return 1440 + (minutes if value[0] == "+" else -minutes)
    if what in ("rate", "volume"):
        return volume(value, ng_per_ml, what == "rate")
    raise Unreadable(value)


def said(data: dict[str, Any]) -> tuple[dict[str, Any], list[list[tuple[int, Fraction]]]]:
    """(fields the file states, exact; the seven days of (minute, rate) of a flex program, else [])."""
    drug = data["drug"]
    number, unit = _number_and_unit(drug["concentration"])
    top, _, bottom = unit.partition("/")
    if top not in MASS or bottom not in VOLUME:
        raise Unreadable(unit)
    ng_per_ml = number * MASS[top] * 10**6 / VOLUME[bottom]
    fields: dict[str, Any] = {"concentration_ng_per_ml": ng_per_ml}
    for section, keys in data.items():
        for key, value in keys.items():
            if (section, key) == ("basal", "day") or (section, key) == ("drug", "concentration"):
                continue
            if f"{section}.{key}" not in KEYS:
                raise Unreadable(f"{section}.{key}")
            field, what = KEYS[f"{section}.{key}"]
            if field in fields:
                raise Unreadable(f"{field} twice")
            fields[field] = _value(what, value, ng_per_ml)
    return fields, _week(data["basal"].get("day", []), ng_per_ml)


def _week(given: Any, ng_per_ml: Fraction) -> list[list[tuple[int, Fraction]]]:
    week: dict[str, list[tuple[int, Fraction]]] = {}
    for item in given:
        names = item["days"] if isinstance(item["days"], list) else [item["days"]]
        steps = [(int(time[:2]) * 60 + int(time[3:]), volume(rate, ng_per_ml, True)) for time, rate in item["steps"]]
        for name in names:
            for day in GROUPS.get(name.lower(), (name.lower()[:3],)):
                if day in week:
                    raise Unreadable(f"{day} twice")
                week[day] = steps
    return [week[day] for day in DAYS] if week else []
