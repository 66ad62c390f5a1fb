"""Single values of a prescription file, read into the fields of a program.

Invariant: a value either becomes a field exactly as written (or with its rounding, never more than 0.1 %, in `conversions`), or
it leaves one problem with key, value, limit and hint and its field counts as failed, so that it is not complained about twice.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from thecal.core import program_table as table
from thecal.core import units
from thecal.core.schedule import OFFSET_BIAS_MIN
from thecal.core.units import UnitError
from thecal_host import unit_texts
from thecal_host.prescription_texts import RxProblem, amount, shown

VOLUMES = (units.VOLUME, units.MASS)
RATES = (units.VOLUME_RATE, units.MASS_RATE)
MODES = {"continuous": table.MODE_CONTINUOUS, "flex": table.MODE_FLEX}
OFFSET_MAX_MIN = 840  # 14 h; no zone on Earth is farther from UTC
_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-9]{2})")
_PERCENT = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,9}))? ?%")


@dataclass(frozen=True)
class Conversion:
    """One amount as written and as kept; `exact` is False where it was rounded, `off_ppm` then says by how much (signed)."""

    key: str
    written: str
    kept: str
    exact: bool
    off_ppm: int


@dataclass
class Reading:
    """What has been read so far. `extras` are values that are no field of the program (.confirm, .reason)."""

    fields: dict[str, int | str | bytes] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    problems: list[RxProblem] = field(default_factory=list)
    conversions: list[Conversion] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def refuse(self, key: str, value: str, limit: str, hint: str, field_key: str = "") -> None:
        """Note a problem; `field_key` then counts as failed."""
        self.problems.append(RxProblem(key, value, limit, hint))
        self.failed.add(field_key)

    def number(self, key: str) -> int:
        """An int field that has been read, 0 where there is none."""
        value = self.fields.get(key)
        return value if isinstance(value, int) else 0


def read_amount(reading: Reading, where: str, field_key: str, kinds: tuple[int, ...], value: Any, fails: str = "") -> int | None:
    """`value` as a whole number of project units of one of `kinds`, its conversion noted; None when it was refused. `fails` is
    the field that then counts as failed, where it is not `field_key`."""
    fails = fails or field_key
    if not isinstance(value, str):
        hint = unit_texts.hint(UnitError(units.NO_UNIT, "", ""), kinds)
        reading.refuse(where, shown(value), "a text with number and unit", hint, fails)
        return None
    try:
        quantity = units.parse(value, kinds)
        mass = quantity.kind in (units.MASS, units.MASS_RATE)
        if mass:
            quantity = units.to_volume(quantity, reading.number("concentration_ng_per_ml"))
        rounded = units.whole(quantity)
    except UnitError as error:
        if error.code == units.NO_CONCENTRATION and "concentration_ng_per_ml" in reading.failed:
            reading.failed.add(fails)  # the concentration's own problem is enough
            return None
        reading.refuse(where, shown(value), unit_texts.limit_text(error, kinds), unit_texts.hint(error, kinds), fails)
        return None
    if mass or not rounded.exact:
        off_ppm = 0 if rounded.exact else (rounded.value * rounded.den - rounded.num) * 1_000_000 // rounded.num
        reading.conversions.append(Conversion(where, value, amount(field_key, rounded.value), rounded.exact, off_ppm))
    return rounded.value


def _read_percent(reading: Reading, where: str, field_key: str, value: Any) -> int | None:
    """A percentage as whole per mille."""
    match = _PERCENT.fullmatch(value.strip(" \t")) if isinstance(value, str) else None
    if match is None:
        hint = 'write it in quotes with its sign, like "20 %"; a decimal point, no comma.'
        reading.refuse(where, shown(value), 'a percentage like "20 %"', hint, field_key)
        return None
    decimals = (match[2] or "").rstrip("0")
    if len(decimals) > 1:
        reading.refuse(
            where, shown(value), "at most one decimal", "the board keeps whole per mille; write fewer decimals.", field_key
        )
        return None
    return int(match[1] + (decimals or "0"))


def _read_offset(reading: Reading, where: str, field_key: str, value: Any) -> int | None:
    """A UTC offset as its field. -00:00 is refused: it is written by people who mean "unknown"."""
    match = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    minutes = int(match[2]) * 60 + int(match[3]) if match else 0
    limit = 'like "+01:00", from "-14:00" to "+14:00"'
    if match is None or int(match[3]) > 59 or minutes > OFFSET_MAX_MIN or (match[1] == "-" and not minutes):
        hint = 'write sign, two digits, colon, two digits, in quotes; for UTC write "+00:00". Zone names are not known here.'
    elif minutes % 15:
        hint = "every time zone is a multiple of 15 minutes away from UTC."
    else:
        return OFFSET_BIAS_MIN + (-minutes if match[1] == "-" else minutes)
    reading.refuse(where, shown(value), limit, hint, field_key)
    return None


def _read_mode(reading: Reading, where: str, field_key: str, value: Any) -> int | None:
    if isinstance(value, str) and value in MODES:
        return MODES[value]
    known = " or ".join(f'"{mode}"' for mode in MODES)
    reading.refuse(where, shown(value), known, "this mode is not known.", field_key)
    return None


def _read_bool(reading: Reading, where: str, field_key: str, value: Any) -> int | None:
    if isinstance(value, bool):
        return int(value)
    reading.refuse(where, shown(value), "true or false", "write true or false without quotes.", field_key)
    return None


def _read_int(reading: Reading, where: str, field_key: str, value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    hint = "write a whole number without quotes and without a unit."
    reading.refuse(where, shown(value), "a whole number", hint, field_key)
    return None


def _read_text(reading: Reading, where: str, field_key: str, value: Any) -> str | None:
    if isinstance(value, str):
        return value
    reading.refuse(where, shown(value), "a text", "put it in quotes.", field_key)
    return None


def _read_texts(reading: Reading, where: str, field_key: str, value: Any) -> list[str] | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    hint = 'write a list of texts in quotes, like ["rate above soft high"].'
    reading.refuse(where, shown(value), "a list of texts", hint, field_key)
    return None


READERS = {
    "mode": _read_mode,
    "bool": _read_bool,
    "int": _read_int,
    "text": _read_text,
    "texts": _read_texts,
    "percent": _read_percent,
    "offset": _read_offset,
}
EXAMPLES = {
    "mode": 'mode = "continuous"',
    "int": "4",
    "text": '"morphine"',
    "percent": '"20 %"',
    "offset": '"+01:00"',
    "bool": "true",
    "texts": '["rate above soft high"]',
}


def example(kind: Any) -> str:
    """An example of a value of `kind`, as it is written in the file."""
    return f'"{unit_texts.EXAMPLES[kind[0]]}"' if isinstance(kind, tuple) else EXAMPLES[kind]


def read_value(reading: Reading, where: str, field_key: str, kind: Any, value: Any) -> None:
    """Read one value into `reading.fields` (or `extras`, for keys that begin with a dot), or note what is wrong with it."""
    if isinstance(kind, tuple):
        found: Any = read_amount(reading, where, field_key, kind, value)
    else:
        found = READERS[kind](reading, where, field_key, value)
    reading.where[field_key] = where
    if found is None:
        return
    if field_key.startswith("."):
        reading.extras[field_key] = found
        return
    reading.fields[field_key] = found
    if isinstance(value, str):
        reading.written[field_key] = value
