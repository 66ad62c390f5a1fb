"""Words for the fields of a program: where each stands in a prescription file, and its value with its unit.

Invariant: every field of core/program_table.py has a place and a text, nothing is shown as a bare number that has a unit, and
`shown` makes any value at all, however long, deep or strange, one short printable line.
"""

import reprlib
from dataclasses import dataclass
from typing import Any

from thecal.core import program_table as table
from thecal.core import units
from thecal.core.schedule import DAY_KEYS, OFFSET_BIAS_MIN, day_steps
from thecal_host.prescription_hints import limit_and_hint
from thecal_host.unit_texts import one_line

# field key -> where it stands in a prescription file
TOML_KEYS = {
    "mode": "basal.mode",
    "drug": "drug.name",
    "concentration_ng_per_ml": "drug.concentration",
    "rate_nl_per_day": "basal.dose",
    "max_rate_nl_per_day": "limits.max_rate",
    "max_bolus_nl": "limits.max_bolus",
    "limit_1h_nl": "limits.per_1h",
    "limit_4h_nl": "limits.per_4h",
    "limit_24h_nl": "limits.per_24h",
    "bolus_lockout_ms": "limits.bolus_lockout",
    "boluses_per_24h": "limits.boluses_per_24h",
    "reservoir_nl": "reservoir.volume",
    "reservoir_low_nl": "reservoir.low",
    "chunk_nl": "chunk",
    "basal_resumes": "power_loss.basal_resumes",
    "step_pl_per_million": "step volume",
    "name": "prescription.name",
    "min_rate_nl_per_day": "minimum.dose",
    "patient_bolus_nl": "patient_bolus.dose",
    "patient_bolus_ms": "patient_bolus.duration",
    "max_temp_ms": "temporary.max_duration",
    "max_hold_ms": "hold.max",
    "raise_per_mille": "titration.raise",
    "raise_nl_per_day": "titration.raise_dose",
    "raise_window_ms": "titration.window",
    "utc_offset_biased_min": "basal.utc_offset",
    "library_crc": "library entry",
    "overrides": "overrides.confirm",
    "week": "basal.day",
    **{key: f"day pattern {key[-1]}" for key in DAY_KEYS},
}
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# 0 of these fields means that the program does not offer it
NOT_OFFERED = (
    "min_rate_nl_per_day",
    "patient_bolus_nl",
    "patient_bolus_ms",
    "max_temp_ms",
    "raise_per_mille",
    "raise_nl_per_day",
    "raise_window_ms",
)
SHOWN_MAX = 60

_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxdict, _REPR.maxlist, _REPR.maxtuple = 2, 3, 3, 3
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = SHOWN_MAX


@dataclass(frozen=True)
class RxProblem:
    """One thing wrong with a prescription: `key` as in the file, `value` found, `limit` allowed, `hint` what to do; "" where
    there is none (never both of value and limit)."""

    key: str
    value: str
    limit: str
    hint: str

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        value = f" is {self.value}" if self.value else ""
        limit = f", allowed: {self.limit}" if self.limit else ""
        return f"{self.key}{value}{limit}: {self.hint}"

    def as_dict(self) -> dict[str, str]:
        """For --json."""
        return {"key": self.key, "value": self.value, "limit": self.limit, "hint": self.hint}


def shown(value: Any) -> str:
    """Any value of a TOML file as a person would know it: texts in double quotes, the rest as Python writes it, cut short."""
    if isinstance(value, str):
        return f'"{one_line(value)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return one_line(_REPR.repr(value))


def offset_text(biased_min: int) -> str:
    """A UTC offset as "+01:00" from its field."""
    minutes = biased_min - OFFSET_BIAS_MIN
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def override_names(mask: int) -> list[str]:
    """The soft limits a program overrides, in the order of their bits."""
    return [name for bit, name in table.OVERRIDES if mask & bit]


def day_text(raw: bytes) -> str:
    """One day pattern in a line: "00:00 0.15 mL/day, 22:00 0.225 mL/day"."""
    return ", ".join(f"{minute // 60:02}:{minute % 60:02} {units.format_volume(rate)}/day" for minute, rate in day_steps(raw))


def amount(key: str, value: Any) -> str:
    """`value` of field `key` for people, with its unit."""
    if isinstance(value, bytes):
        return (" ".join(str(number) for number in value) if key == "week" else day_text(value)) or "none"
    if isinstance(value, str):
        return value
    return "none" if value == 0 and key in NOT_OFFERED else figure(key, value)


def figure(key: str, value: int) -> str:
    """The number of field `key` with its unit, 0 too."""
    if key.endswith("_nl_per_day"):
        return units.format_volume(value) + "/day"
    if key.endswith("_ng_per_ml"):
        return units.format_concentration(value)
    if key.endswith("_nl"):
        return units.format_volume(value)
    if key.endswith("_ms"):
        return units.format_ms(value)
    if key == "mode" and value in (table.MODE_CONTINUOUS, table.MODE_FLEX):
        return "continuous" if value == table.MODE_CONTINUOUS else "flex"
    if key == "basal_resumes" and value in (0, 1):
        return "yes" if value else "no"
    if key == "step_pl_per_million":
        return units.decimal(value, 9) + " nL a microstep"
    if key == "raise_per_mille":
        return units.decimal(value, 1) + " %"
    if key == "utc_offset_biased_min":
        return offset_text(value)
    if key == "library_crc":
        return f"{value:08x}" if value else "none"
    if key == "overrides":
        return ", ".join(override_names(value)) or "none"
    return str(value)


def plain_fields(fields: "dict[str, Any]") -> "dict[str, int | str]":
    """The fields for JSON: bytes as hexadecimal digits."""
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in fields.items()}


def explain(problem: table.Problem, written: "dict[str, str] | None" = None, where: "dict[str, str] | None" = None) -> RxProblem:
    """The problem in words. `written` maps field keys to what the file says, which is shown instead of our own number; `where`
    to the place in this file, where it is not the usual one (basal.rate instead of basal.dose)."""
    where = where or {}
    key = where.get(problem.key) or TOML_KEYS.get(problem.key, problem.key)
    if problem.key in DAY_KEYS:
        return _explain_day(problem, key, where)
    is_text, is_bytes = problem.key in ("drug", "name"), problem.key == "week"
    plain = is_text or is_bytes or problem.code in (table.UNKNOWN, table.ORDER)
    limit, hint = limit_and_hint(problem, str(problem.limit) if plain else figure(problem.key, problem.limit))
    value = str(problem.value) if plain else figure(problem.key, problem.value)
    if problem.code == table.MISSING:
        value = "missing"
    elif problem.code in (table.LOW, table.HIGH) and (is_text or is_bytes):
        value = f"{problem.value} {'characters' if is_text else 'bytes'} long"
    elif problem.code in (table.NOT_TEXT, table.NOT_INTEGER, table.NOT_BYTES, table.UNKNOWN):
        value = "" if limit else "not understood"
    elif problem.key == "program":
        value = "" if limit else "damaged"
    text = (written or {}).get(problem.key)
    if text is not None:
        quoted = shown(text)
        value = quoted if value in ("", quoted, text) else f"{quoted} ({value})"
    return RxProblem(key, value, limit, hint)


def _explain_day(problem: table.Problem, key: str, where: dict[str, str]) -> RxProblem:
    """A problem of one day pattern, at its step where that is known."""
    limit, hint = limit_and_hint(problem, str(problem.limit))
    value = f"wrong ({problem.value})"
    if problem.code == table.PATTERN_BAD:
        key, value = where.get(f"{problem.key} step {problem.value}", key), f"wrong at step {problem.value}"
    elif problem.code == table.RATE_ABOVE_MAX:
        key = where.get(f"{problem.key} rate {problem.value}", key)
        value = units.format_volume(problem.value) + "/day"
        limit = f"at most {units.format_volume(problem.limit)}/day (limits.max_rate)"
    elif problem.code in (table.LOW, table.HIGH):
        value = f"{problem.value} bytes long"
    return RxProblem(key, value, limit, hint)
