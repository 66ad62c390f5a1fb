"""Programs for the tests of the drug library: a usual one of any entry, and small helpers."""

from typing import Any

from thecal.core.schedule import pack_day
from thecal_host.drugs.check import advised
from thecal_host.drugs.entries import Entry

STEP = 41_282_490_964


def usual(entry: Entry, **changed: Any) -> "dict[str, Any]":
    """The fields of a program inside every soft bound of `entry`, with `changed` on top."""
    dose, bolus = entry.dose.typical, entry.bolus.typical
    fields: dict[str, Any] = {
        "mode": 1,
        "drug": entry.drug.name,
        "concentration_ng_per_ml": entry.ng_per_ml,
        "rate_nl_per_day": dose,
        "max_rate_nl_per_day": entry.peak.typical,
        "max_bolus_nl": bolus,
        "limit_1h_nl": dose // 8 + 2 * bolus,
        "limit_4h_nl": dose // 3 + 2 * bolus,
        "limit_24h_nl": dose,
        "bolus_lockout_ms": entry.number("bolus.lockout"),
        "boluses_per_24h": entry.number("bolus.per_24h"),
        "reservoir_nl": dose * 2,
        "reservoir_low_nl": dose,
        "chunk_nl": 100,
        "step_pl_per_million": STEP,
        **advised(entry),
    }
    return fields | changed


def week(**days: "list[tuple[int, int]]") -> "dict[str, Any]":
    """Flex fields: day_1 on Monday to Friday, the last pattern given at the weekend."""
    packed = {key: pack_day(steps) for key, steps in days.items()}
    last = int(max(packed)[-1])
    return {"mode": 2, "week": bytes([1] * 5 + [last] * 2), **packed}
