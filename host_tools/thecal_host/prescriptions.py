"""Prescription files: TOML with amounts as people write them, made into the checked program of one board.

Invariant: a Prescription handed out has passed the same validator the board uses, against that board's part; every figure in it
is exact, or its rounding (never more than 0.1 %) stands in `conversions`. All problems of a file are found at once. Bench use
only: not a medical device.
"""

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thecal.core import prescription as rx
from thecal.core import units
from thecal.core.units import UnitError
from thecal_host import unit_texts
from thecal_host.prescription_texts import RxProblem, amount, explain
from thecal_host.toml_file import TomlFileError, read_toml

VOLUMES = (units.VOLUME, units.MASS)
RATES = (units.VOLUME_RATE, units.MASS_RATE)

# section -> key -> (field, kinds of amount | "text" | "int" | "bool" | "mode", required)
SCHEMA: dict[str, dict[str, tuple[str, Any, bool]]] = {
    "prescription": {"name": ("name", "text", False)},
    "drug": {"name": ("drug", "text", True), "concentration": ("concentration_ng_per_ml", (units.CONCENTRATION,), True)},
    "basal": {
        "mode": ("mode", "mode", True),
        "dose": ("rate_nl_per_day", (units.MASS_RATE,), False),
        "rate": ("rate_nl_per_day", (units.VOLUME_RATE,), False),
    },
    "limits": {
        "max_rate": ("max_rate_nl_per_day", RATES, True),
        "max_bolus": ("max_bolus_nl", VOLUMES, True),
        "per_1h": ("limit_1h_nl", VOLUMES, True),
        "per_4h": ("limit_4h_nl", VOLUMES, True),
        "per_24h": ("limit_24h_nl", VOLUMES, True),
        "bolus_lockout": ("bolus_lockout_ms", (units.TIME,), True),
        "boluses_per_24h": ("boluses_per_24h", "int", True),
    },
    "reservoir": {"volume": ("reservoir_nl", (units.VOLUME,), True), "low": ("reservoir_low_nl", (units.VOLUME,), False)},
    "power_loss": {"basal_resumes": ("basal_resumes", "bool", False)},
}
MODES = {"continuous": rx.MODE_CONTINUOUS}


class PrescriptionError(ValueError):
    """A prescription that cannot be used; `problems` are all of them, the text is their sentences, one a line."""

    def __init__(self, problems: list[RxProblem]) -> None:
        super().__init__("\n".join(problem.sentence for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Conversion:
    """One amount as written and as kept; `exact` is False where it was rounded, `off_ppm` then says by how much (signed)."""

    key: str
    written: str
    kept: str
    exact: bool
    off_ppm: int


@dataclass(frozen=True)
class Prescription:
    """A checked program: the fields (with defaults), its bytes (version 0), the CRC that names it, and what people should see of
    its making."""

    path: Path
    fields: dict[str, int | str]
    blob: bytes
    crc: int
    conversions: list[Conversion]
    warnings: list[str]


@dataclass
class _Reading:
    """What has been read so far."""

    fields: dict[str, int | str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    problems: list[RxProblem] = field(default_factory=list)
    conversions: list[Conversion] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def refuse(self, key: str, value: str, limit: str, hint: str, field_key: str = "") -> None:
        self.problems.append(RxProblem(key, value, limit, hint))
        self.failed.add(field_key)


def load(path: str | Path, part: dict[str, int]) -> Prescription:
    """The prescription in the file `path` for the board's `part` (boards.BoardFile.part). Raises PrescriptionError."""
    try:
        data = read_toml(Path(path), "prescription file")
    except TomlFileError as error:
        raise PrescriptionError([RxProblem("file", "", "", str(error))]) from None
    return from_data(data, part, Path(path))


def from_data(data: dict[str, Any], part: dict[str, int], path: Path) -> Prescription:
    """The prescription in parsed TOML. Raises PrescriptionError with every problem, in the order of the schema."""
    reading = _Reading()
    _check_names(data, reading)
    _read_sections(data, reading)
    fields = reading.fields
    fields["step_pl_per_million"] = part["step_pl_per_million"]
    rate = fields.get("rate_nl_per_day")
    if isinstance(rate, int):
        fields["chunk_nl"] = rx.chunk_for(rate, part["step_pl_per_million"])
    else:
        reading.failed.add("chunk_nl")
    for problem in rx.validate(fields, part):
        if problem.key not in reading.failed:
            reading.problems.append(explain(problem, reading.written))
    if reading.problems:
        raise PrescriptionError(reading.problems)
    fields = rx.with_defaults(fields)
    blob = rx.pack(fields)
    return Prescription(path, fields, blob, rx.program_crc(blob), reading.conversions, warnings_for(fields))


def _near(word: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(word, known, 1, 0.6)
    return f'did you mean "{matches[0]}"? ' if matches else ""


def _check_names(data: dict[str, Any], reading: _Reading) -> None:
    """Unknown sections and keys: a misspelt limit must not vanish silently."""
    for section, keys in data.items():
        if section not in SCHEMA:
            hint = f"unknown section; {_near(section, list(SCHEMA))}Known: {', '.join(SCHEMA)}."
            reading.refuse(section, "", "", hint)
        elif not isinstance(keys, dict):
            reading.refuse(section, repr(keys), "", f"this must be a section: write [{section}] on a line of its own.")
        else:
            for key in keys:
                if key not in SCHEMA[section]:
                    hint = f"unknown key; {_near(key, list(SCHEMA[section]))}Known: {', '.join(SCHEMA[section])}."
                    reading.refuse(f"{section}.{key}", "", "", hint)


def _read_sections(data: dict[str, Any], reading: _Reading) -> None:
    for section, keys in SCHEMA.items():
        given = data.get(section)
        given = given if isinstance(given, dict) else {}
        if section == "basal":
            _one_of_dose_and_rate(given, reading)
        for key, (field_key, kind, required) in keys.items():
            where = f"{section}.{key}"
            if key not in given:
                if required:
                    reading.refuse(where, "", "", f"it is missing; add it to section [{section}]{_example(kind)}.", field_key)
            elif field_key not in reading.failed:
                _read_value(where, field_key, kind, given[key], reading)


def _one_of_dose_and_rate(given: dict[str, Any], reading: _Reading) -> None:
    count = ("dose" in given) + ("rate" in given)
    if count != 1:
        hint = 'give either dose (like "12 mg/day") or rate (like "0.48 mL/day"), '
        hint += "not both: two figures can contradict each other." if count else "it is missing."
        reading.refuse(
            "basal.dose",
            "given together with basal.rate" if count else "",
            "exactly one of dose and rate",
            hint,
            "rate_nl_per_day",
        )


def _example(kind: Any) -> str:
    if isinstance(kind, tuple):
        return f', like "{unit_texts.EXAMPLES[kind[0]]}"'
    return {"mode": ': mode = "continuous"', "int": ", like 4", "text": ', like "morphine"'}.get(kind, "")


def _read_value(where: str, field_key: str, kind: Any, value: Any, reading: _Reading) -> None:
    if isinstance(kind, tuple):
        _read_amount(where, field_key, kind, value, reading)
    elif kind == "mode":
        if isinstance(value, str) and value in MODES:
            reading.fields[field_key] = MODES[value]
        else:
            reading.refuse(where, repr(value), " or ".join(f'"{mode}"' for mode in MODES), "this mode is not known.", field_key)
    elif kind == "bool":
        if isinstance(value, bool):
            reading.fields[field_key] = int(value)
        else:
            reading.refuse(where, repr(value), "true or false", "write true or false without quotes.", field_key)
    elif kind == "int":
        if isinstance(value, int) and not isinstance(value, bool):
            reading.fields[field_key] = value
        else:
            reading.refuse(
                where, repr(value), "a whole number", "write a whole number without quotes and without a unit.", field_key
            )
    elif isinstance(value, str):
        reading.fields[field_key] = value
        reading.written[field_key] = value
    else:
        reading.refuse(where, repr(value), "a text", f"put it in quotes{_example(kind)}.", field_key)


def _read_amount(where: str, field_key: str, kinds: tuple[int, ...], value: Any, reading: _Reading) -> None:
    if not isinstance(value, str):
        hint = unit_texts.hint(UnitError(units.NO_UNIT, str(value), ""), kinds)
        reading.refuse(where, repr(value), "a text with number and unit", hint, field_key)
        return
    concentration = reading.fields.get("concentration_ng_per_ml", 0)
    try:
        quantity = units.parse(value, kinds)
        mass = quantity.kind in (units.MASS, units.MASS_RATE)
        if mass:
            quantity = units.to_volume(quantity, concentration if isinstance(concentration, int) else 0)
        rounded = units.whole(quantity)
    except UnitError as error:
        if error.code == units.NO_CONCENTRATION and "concentration_ng_per_ml" in reading.failed:
            reading.failed.add(field_key)  # the concentration's own problem is enough
            return
        reading.refuse(where, f'"{value}"', unit_texts.limit_text(error, kinds), unit_texts.hint(error, kinds), field_key)
        return
    reading.fields[field_key] = rounded.value
    reading.written[field_key] = value
    if mass or not rounded.exact:
        off_ppm = 0 if rounded.exact else (rounded.value * rounded.den - rounded.num) * 1_000_000 // rounded.num
        reading.conversions.append(Conversion(where, value, amount(field_key, rounded.value), rounded.exact, off_ppm))


def warnings_for(fields: dict[str, int | str]) -> list[str]:
    """What the validator allows but a person should know of these checked fields: boluses that can never be granted, short
    reservoirs."""
    number = {key: value for key, value in fields.items() if isinstance(value, int)}
    rate, bolus, count = number["rate_nl_per_day"], number["max_bolus_nl"], number["boluses_per_24h"]
    found: list[str] = []
    if bool(bolus) != bool(count):
        key = "limits.boluses_per_24h" if bolus else "limits.max_bolus"
        found.append(f"{key} is 0, so no bolus will ever be granted.")
    if bolus and (bolus * rx.PL_PER_MILLION_IN_NL < 10 * number["step_pl_per_million"] or bolus * 1000 < rate):
        mass = units.mass_text(bolus, number["concentration_ng_per_ml"])
        found.append(
            f"limits.max_bolus {units.format_volume(bolus)} = {mass} is very small (less than 10 motor steps, or than 1/1000 of "
            "a day's basal). Is its unit right, mg or mcg?"
        )
    if bolus and count:
        for tag, key, minutes in rx.WINDOW_SPANS:
            room = number[key] - rx.basal_in_window_nl(rate, minutes, number["chunk_nl"])
            wanted = bolus * (count if tag == 9 else 1)
            if room < wanted:
                what = f"all {count} boluses of limits.max_bolus" if tag == 9 and count > 1 else "a bolus of limits.max_bolus"
                where = {7: "limits.per_1h", 8: "limits.per_4h", 9: "limits.per_24h"}[tag]
                found.append(
                    f"{where} leaves {units.format_volume(room)} beside basal, less than {what} ({units.format_volume(wanted)}); "
                    "what does not fit is refused."
                )
        if (count - 1) * number["bolus_lockout_ms"] > units.DAY_MS:
            found.append("limits.bolus_lockout is so long that limits.boluses_per_24h can never be reached.")
    low_days = (number["reservoir_nl"] - number["reservoir_low_nl"]) // rate
    if low_days < 2:
        found.append("the reservoir reaches its low mark in less than 2 days at this rate.")
    if not number["basal_resumes"]:
        found.append("power_loss.basal_resumes is false: after a power cut the pump stays off until somebody starts it.")
    return found
