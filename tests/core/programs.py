"""A good program and its part, shared by the tests of the validator, of the bytes and of schedules."""

from collections.abc import Sequence
from typing import Any

from thecal.core import program_table as t
from thecal.core.schedule import pack_day

STEP = 41_282_490_964
PART = {
    "max_rate_nl_per_day": 200_000_000,
    "max_bolus_nl": 2_000_000,
    "max_steps_per_s": 1000,
    "reservoir_nl": 20_000_000,
    "step_pl_per_million": STEP,
}
GOOD: dict[str, int | str | bytes] = {
    "mode": 1,
    "drug": "morphine",
    "concentration_ng_per_ml": 25_000_000,
    "rate_nl_per_day": 480_000,
    "max_rate_nl_per_day": 1_000_000,
    "max_bolus_nl": 60_000,
    "limit_1h_nl": 88_000,
    "limit_4h_nl": 200_000,
    "limit_24h_nl": 800_000,
    "bolus_lockout_ms": 7_200_000,
    "boluses_per_24h": 4,
    "reservoir_nl": 20_000_000,
    "reservoir_low_nl": 2_000_000,
    "chunk_nl": 800,
    "basal_resumes": 1,
    "step_pl_per_million": STEP,
    "name": "Morphine, continuous",
}
ROWS = {row[1]: row for row in t.FIELDS}


def flex(days: Sequence[Sequence[tuple[int, int]]], week: Sequence[int], **changes: Any) -> dict[str, Any]:
    """GOOD as a flex program: `days` are patterns of (minute, nL/day) from day_1 on, `week` their numbers from Monday."""
    fields: dict[str, Any] = {**GOOD, "mode": t.MODE_FLEX, "week": bytes(week)}
    for number, steps in enumerate(days, 1):
        fields[f"day_{number}"] = pack_day(steps)
    return dict(t.with_defaults({**fields, **changes}))
