"""Two programs beside each other: every field in its unit and mass, and which way each change goes. Used by the review before an
activation and by the history.

Invariant: every field of the table has a row, whatever it is called; a change that allows or gives more is always marked MORE,
and a change whose direction nobody declared is marked CHANGED, never left out. Nothing is opened here: fields in, rows out.
"""

from collections.abc import Callable
from dataclasses import dataclass

from thecal.core import units
from thecal.core.program_table import FIELDS, MODE_FLEX, OVERRIDES
from thecal.core.schedule import DAY_KEYS, OFFSET_BIAS_MIN, Schedule
from thecal_host.prescription_texts import TOML_KEYS
from thecal_host.program_week import CHANGED, LESS, MORE, SAME, Fields, day_rows, mark_volume

_IN_WEEK = ("week", *DAY_KEYS)
_FAR = 1 << 62

# What a field is called, for people; the key of the prescription file stands beside it.
LABELS = {
    "mode": "Mode",
    "drug": "Drug",
    "concentration_ng_per_ml": "Concentration",
    "rate_nl_per_day": "Basal rate",
    "max_rate_nl_per_day": "Fastest basal rate",
    "max_bolus_nl": "Largest bolus",
    "limit_1h_nl": "Limit in 1 h",
    "limit_4h_nl": "Limit in 4 h",
    "limit_24h_nl": "Limit in 24 h",
    "bolus_lockout_ms": "Lockout between boluses",
    "boluses_per_24h": "Boluses in 24 h",
    "reservoir_nl": "Reservoir",
    "reservoir_low_nl": "Reservoir alarm at",
    "chunk_nl": "Chunk",
    "basal_resumes": "Basal resumes after power loss",
    "step_pl_per_million": "One microstep",
    "name": "Name",
    "min_rate_nl_per_day": "Minimum rate",
    "patient_bolus_nl": "Patient bolus",
    "patient_bolus_ms": "Patient bolus lasts",
    "max_temp_ms": "Longest temporary rate",
    "max_hold_ms": "Longest hold",
    "raise_per_mille": "Daily dose may rise by",
    "raise_nl_per_day": "and by",
    "raise_window_ms": "within",
    "utc_offset_biased_min": "Local time",
    "library_crc": "Drug library entry",
    "overrides": "Soft limits overridden",
}


def _raise(key: str) -> "Callable[[Fields], int]":
    return lambda fields: fields[key] if fields["raise_window_ms"] else 0


# Volumes of drug: a stronger solution makes each of them a higher dose.
_DRUG_VOLUMES = tuple(
    "rate_nl_per_day max_rate_nl_per_day max_bolus_nl limit_1h_nl limit_4h_nl limit_24h_nl min_rate_nl_per_day "
    "patient_bolus_nl".split()
)
# How much another field allows: a number that is higher where more is allowed. Fields that are not here have no direction.
ALLOWS: "dict[str, Callable[[Fields], int]]" = {
    **{
        key: (lambda fields, key=key: fields[key])
        for key in (
            "concentration_ng_per_ml",
            "boluses_per_24h",
            "reservoir_nl",
            "basal_resumes",
            "max_temp_ms",
            "max_hold_ms",
        )
    },
    "bolus_lockout_ms": lambda fields: -fields["bolus_lockout_ms"],
    "reservoir_low_nl": lambda fields: -fields["reservoir_low_nl"],
    "patient_bolus_ms": lambda fields: -fields["patient_bolus_ms"] if fields["patient_bolus_nl"] else -_FAR,
    "raise_per_mille": _raise("raise_per_mille"),
    "raise_nl_per_day": _raise("raise_nl_per_day"),
    "raise_window_ms": lambda fields: -(fields["raise_window_ms"] or -_FAR),  # 0: a rise is not limited at all
    "library_crc": lambda fields: 0 if fields["library_crc"] else 1,
}


@dataclass(frozen=True)
class Row:
    """One field: what it is called, its key in a prescription file, both values as texts ("-" where there is none), the mark."""

    key: str
    label: str
    toml: str
    old: str
    new: str
    mark: str


def rate_text(nl_per_day: int, ng_per_ml: int) -> str:
    """A rate as mass and volume a day: "12 mg/day (0.48 mL/day)"."""
    return f"{units.mass_text(nl_per_day, ng_per_ml)}/day ({units.format_volume(nl_per_day)}/day)"


def _amount(value: int, suffix: str, ng_per_ml: int) -> str:
    return f"{units.mass_text(value, ng_per_ml)}{suffix} ({units.format_volume(value)}{suffix})"


def offset_text(biased_min: int) -> str:
    """A UTC offset of the table as text: "UTC+01:00"."""
    minutes = biased_min - OFFSET_BIAS_MIN
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def overrides_text(mask: int) -> list[str]:
    """The names of the soft limits overridden in `mask`; a bit without a name is shown by its number."""
    known = dict(OVERRIDES)
    return [known.get(1 << place, f"bit {1 << place} (newer?)") for place in range(32) if mask >> place & 1]


_NONE_AT_ZERO = {
    "min_rate_nl_per_day": "not offered",
    "patient_bolus_nl": "none",
    "patient_bolus_ms": "none",
    "max_temp_ms": "none",
    "raise_window_ms": "no limit",
    "library_crc": "none",
}


def value_text(key: str, fields: Fields) -> str:
    """The value of field `key` for people: unit, and mass where it is a volume of drug."""
    value, ng_per_ml = fields[key], fields["concentration_ng_per_ml"]
    if isinstance(value, str):
        return value or "(none)"
    if isinstance(value, bytes):
        return value.hex() or "none"
    if value == 0 and key in _NONE_AT_ZERO:
        return _NONE_AT_ZERO[key]
    plain = {
        "mode": lambda: "flex" if value == MODE_FLEX else "continuous",
        "basal_resumes": lambda: "yes" if value else "no",
        "concentration_ng_per_ml": lambda: units.format_concentration(value),
        "step_pl_per_million": lambda: _step_text(value, ng_per_ml),
        "reservoir_nl": lambda: units.format_volume(value),
        "reservoir_low_nl": lambda: units.format_volume(value),
        "raise_per_mille": lambda: f"{units.decimal(value, 1)} %",
        "utc_offset_biased_min": lambda: offset_text(value),
        "library_crc": lambda: f"{value:08x}",
        "overrides": lambda: "; ".join(overrides_text(value)) or "none",
    }
    if key in plain:
        return plain[key]()
    if key.endswith("_nl_per_day"):
        return _amount(value, "/day", ng_per_ml)
    if key.endswith("_nl"):
        return _amount(value, "", ng_per_ml)
    if key.endswith("_ms"):
        return units.format_ms(value)
    return str(value)


def _step_text(step_pl_per_million: int, ng_per_ml: int) -> str:
    """One microstep in nL and in ng (or mcg), to three decimals."""
    picograms = step_pl_per_million * ng_per_ml // 1_000_000_000_000
    mass = f"{units.decimal(picograms // 1000, 3)} mcg" if picograms >= 1_000_000 else f"{units.decimal(picograms, 3)} ng"
    return f"{mass} ({units.decimal(step_pl_per_million // 1_000_000, 3)} nL)"


def mark_of(key: str, old: "Fields | None", new: Fields) -> str:
    """Which way field `key` goes from `old` to `new`: SAME, MORE, LESS or CHANGED."""
    if old is None:
        return SAME
    if key in _DRUG_VOLUMES:
        return mark_volume(old[key], old, new[key], new)
    if old[key] == new[key]:
        return SAME
    if key == "overrides":
        return MORE if new[key] & ~old[key] else LESS
    allows = ALLOWS.get(key)
    if allows is None:
        return CHANGED
    before, after = allows(old), allows(new)
    return MORE if after > before else LESS if after < before else CHANGED


def rows(old: "Fields | None", new: Fields) -> list[Row]:
    """A row for every field of the table but the week, which `day_rows` shows. `old` is None where nothing runs."""
    made = []
    for row in FIELDS:
        key = row[1]
        if key in _IN_WEEK:
            continue
        label = "Safe rate (clock unknown)" if key == "rate_nl_per_day" and new["mode"] == MODE_FLEX else LABELS.get(key, key)
        before = value_text(key, old) if old else "-"
        made.append(Row(key, label, TOML_KEYS.get(key, key), before, value_text(key, new), mark_of(key, old, new)))
    return made


# --- in words ----------------------------------------------------------------------------------------------------------------
def increases(old: "Fields | None", new: Fields) -> list[str]:
    """A sentence for everything in `new` that gives or allows more than `old` (which may be none)."""
    from thecal_host.prescription_texts import amount

    if old is None:
        most = max(Schedule(new).rates)
        return [f"basal goes from nothing to {units.format_volume(most)}/day"]
    found = [
        f"{row.toml}: {row.old} -> {row.new}"
        if old[row.key] == new[row.key]  # the same volume of a stronger solution
        else f"{row.toml}: {_short(row.key, old, amount)} -> {_short(row.key, new, amount)}"
        for row in rows(old, new)
        if row.mark == MORE and not (row.key == "rate_nl_per_day" and new["mode"] == MODE_FLEX and old["mode"] != MODE_FLEX)
    ]
    if new["mode"] == MODE_FLEX or old["mode"] == MODE_FLEX:
        found += [
            f"basal {row.days} from {row.time}: {rate_text(row.old, old['concentration_ng_per_ml'])} -> "
            f"{rate_text(row.new, new['concentration_ng_per_ml'])}"
            for row in day_rows(old, new)
            if row.mark == MORE and row.old is not None
        ]
    return found


def _short(key: str, fields: Fields, amount: "Callable[[str, int], str]") -> str:
    """The value alone, as the prescription file has it."""
    if key in _NONE_AT_ZERO or not key.endswith(("_nl", "_nl_per_day", "_ms")):
        return value_text(key, fields)
    return amount(key, fields[key])


def changes(old: "Fields | None", new: Fields) -> list[str]:
    """A sentence for every field that is not the same, days of the week included: the diff of the history."""
    if old is None:
        return []
    found = [f"{row.mark} {row.label}: {row.old} -> {row.new}" for row in rows(old, new) if row.mark != SAME]
    ng_per_ml = new["concentration_ng_per_ml"]
    found += [
        f"{row.mark} {row.days} from {row.time}: {rate_text(row.old, old['concentration_ng_per_ml'])} -> "
        f"{rate_text(row.new, ng_per_ml)}"
        for row in day_rows(old, new)
        if row.mark != SAME and row.old is not None and MODE_FLEX in (old["mode"], new["mode"])
    ]
    return found
