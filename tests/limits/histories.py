"""Histories: what happened to a pump, made from bytes. Invariant: every string of bytes, however short, is one history with a
program that the validator passes (missing bytes are 0), so hypothesis can shrink them and a seeded generator can make millions.

Volumes are a few hundred steps a day, in chunks of a few steps: coarse enough to be quick, and coarse is where accounting errors
show. Limits are taken from the least that the validator allows, times a small factor, so that they are often near.
"""

from dataclasses import dataclass
from typing import Any

from oracle import DAY, HOUR, MINUTE, Pattern, Plan

from thecal.core import prescription as rx
from thecal.core.program_table import WINDOW_BELOW_BASAL

PROGRAM_BYTES = 28
EVENT_BYTES = 5
MOST_EVENTS = 14
MOST_BYTES = PROGRAM_BYTES + EVENT_BYTES * MOST_EVENTS
FIRST_UNIX_MS = 1_700_000_000_000

BOLUS, PATIENT, TEMP, HOLD, RESET, CLOCK, NORMAL, MINIMUM = range(8)
# how often of 32
OPS = (BOLUS,) * 12 + (TEMP,) * 6 + (RESET,) * 4 + (PATIENT,) * 3 + (CLOCK, CLOCK, HOLD, HOLD, NORMAL, MINIMUM, MINIMUM)

STEPS_PL = (1_000_000_000_000, 41_282_490_964, 9_876_543_211, 333_333_333_333)
PAUSES = (0, 1, 5, 7, 12, 20, 30, 40, 60, 75, 90, 120, 180, 240, 300, 480)  # minutes
DURATIONS = (1, 1, 5, 10, 20, 30, 60, 60, 90, 120, 180, 240, 360, 480, 720, 1440)  # minutes
RISES = (0, 1, 2, 4, 8, 16, 32, 2)  # quarters of the base rate
FACTORS = (100, 101, 105, 115, 130, 160, 220, 400)  # per cent of the least limit
WARM = (0, 30, 90, 300, 600, 1000, 1500, 1800)  # minutes
JUMPS = (-8 * HOUR, -HOUR, -MINUTE, HOUR, 3 * HOUR, 9 * HOUR, 3 * DAY, -2 * DAY)
OFF = (0, 1000, 5 * MINUTE, HOUR, 3 * HOUR, 9 * HOUR, DAY, 30 * HOUR)


@dataclass(frozen=True)
class Event:
    """After `pause` ms, `op` with three free numbers 0..255."""

    op: int
    pause: int
    a: int
    b: int
    c: int


@dataclass(frozen=True)
class History:
    """A program (for the firmware as `fields`, for the oracle as `plan`), the part, and what happens."""

    plan: Plan
    fields: dict[str, Any]
    part: dict[str, int]
    clock_ms: int  # Unix ms minus board ms at the start; -1: not set
    warm_ms: int  # infusing before the first event
    early: int  # steps still to move when the next chunk's intent is written
    events: tuple[Event, ...]


class Bytes:
    """Reads small numbers from bytes; zeros after their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self) -> int:
        value = self._data[self._at] if self._at < len(self._data) else 0
        self._at += 1
        return value


def pack_day(pattern: Pattern) -> bytes:
    """A day pattern as SPEC has it, written down here a second time."""
    return b"".join((minute << 29 | rate).to_bytes(5, "little") for minute, rate in pattern)


def make_week(source: Bytes, base: int) -> tuple[Pattern, ...]:
    """Seven days out of at most three patterns of one to four steps; empty: continuous."""
    kind, days = source.take(), source.take()
    patterns: list[Pattern] = []
    for number in range(3):
        picks = [source.take() for _ in range(3)]
        steps = {0: base * RISES[picks[0] & 7] // 4}
        for at in range((kind >> 2 * number & 3) if number < 3 else 0):
            minute = min(1439, picks[at % 3] // 11 * 60 + (picks[at % 3] >> 5) * 7 * at)
            steps[minute] = base * RISES[picks[(at + 1) % 3] >> 2 & 7] // 4
        patterns.append(tuple((minute, max(rate, 1000) if rate else 0) for minute, rate in sorted(steps.items())))
    if kind >> 6 == 0:
        return ()
    return tuple(patterns[days >> day & 1] if day < 5 else patterns[2] for day in range(7))


def week_fields(week: tuple[Pattern, ...]) -> dict[str, Any]:
    """`mode`, `week` and the day patterns of a program."""
    if not week:
        return {"mode": 1}
    used = sorted(set(week))
    fields: dict[str, Any] = {"mode": 2, "week": bytes(used.index(day) + 1 for day in week)}
    for number, pattern in enumerate(used):
        fields[f"day_{number + 1}"] = pack_day(pattern)
    return fields


def make_limits(fields: dict[str, Any], part: dict[str, int], factors: list[int]) -> None:
    """Put the three limits into `fields`: the least the validator allows, times a factor each, and never falling."""
    keys = ("limit_1h_nl", "limit_4h_nl", "limit_24h_nl")
    fields.update(dict.fromkeys(keys, 1))
    least = {problem.key: problem.limit for problem in rx.validate(fields, part) if problem.code == WINDOW_BELOW_BASAL}
    floor = 20 * fields["chunk_nl"]
    for key, factor in zip(keys, factors, strict=True):
        floor = max(floor, least.get(key, 1) * FACTORS[factor & 7] // 100)
        fields[key] = floor


def make_program(source: Bytes) -> tuple[Plan, dict[str, Any], dict[str, int]]:
    """A program that passes the validator, and the part it is for."""
    shape, size, room = source.take(), source.take(), source.take()
    step_pl = STEPS_PL[shape & 3]
    step_nl = max(1, step_pl // 1_000_000_000)
    base = max(1000, step_nl * (20 + (size & 127)))
    week = make_week(source, base)
    peak = max([base] + [rate for day in week for _minute, rate in day])
    chunk = -(-step_pl * (1 + (shape >> 2 & 3)) // 1_000_000_000)
    part = {
        "max_rate_nl_per_day": 200_000_000,
        "max_bolus_nl": 50_000_000,
        "max_steps_per_s": 1 if shape >> 7 else 1000,
        "reservoir_nl": 1_000_000_000,
        "step_pl_per_million": step_pl,
    }
    fields: dict[str, Any] = {
        "drug": "water",
        "concentration_ng_per_ml": 1,
        "rate_nl_per_day": base if not week or not shape >> 4 & 1 else 0,
        "max_rate_nl_per_day": min(200_000_000, peak * (4 + (shape >> 5 & 3) * 2) // 4),
        "max_bolus_nl": 0,
        "bolus_lockout_ms": (0, 0, 10, 45, 90, 180, 360, 1440)[room & 7] * MINUTE,
        "boluses_per_24h": (48, 1, 2, 3, 4, 6, 12, 48)[room >> 3 & 7],
        "reservoir_nl": 1_000_000_000,
        "chunk_nl": chunk,
        "basal_resumes": 1,
        "step_pl_per_million": step_pl,
        "max_temp_ms": (0, 12, 24, 72)[room >> 6] * HOUR,
        "utc_offset_biased_min": 600 + size // 128 * 1000,
        **week_fields(week),
    }
    factors = [source.take() for _ in range(3)]
    fields["min_rate_nl_per_day"] = (0, max(1000, base // 4), base, 0)[factors[0] >> 6]
    make_limits(fields, part, factors)
    most = min(fields["limit_1h_nl"], 50_000_000)
    fields["max_bolus_nl"] = most * (1 + (source.take() & 3)) // 4
    patient = source.take()
    if patient & 3:
        fields["patient_bolus_nl"] = max(1, fields["max_bolus_nl"] * (patient & 3) // 6)
        fields["patient_bolus_ms"] = DURATIONS[patient >> 4] * MINUTE
    problems = rx.validate(fields, part)
    if problems:
        raise AssertionError(f"the generator makes good programs: {problems[0].as_tuple()}")
    fields = rx.with_defaults(fields)
    plan = Plan(
        rate=fields["rate_nl_per_day"],
        week=week,
        offset_min=fields["utc_offset_biased_min"] - 1440,
        limits=(fields["limit_1h_nl"], fields["limit_4h_nl"], fields["limit_24h_nl"]),
        max_rate=fields["max_rate_nl_per_day"],
        max_bolus=fields["max_bolus_nl"],
        lockout=fields["bolus_lockout_ms"],
        count=fields["boluses_per_24h"],
        chunk=fields["chunk_nl"],
        max_temp=fields["max_temp_ms"],
        min_rate=fields["min_rate_nl_per_day"],
        step_pl_per_million=step_pl,
        max_steps_per_s=part["max_steps_per_s"],
    )
    return plan, fields, part


def make(data: bytes) -> History:
    """The history that `data` says."""
    source = Bytes(data)
    plan, fields, part = make_program(source)
    clock, warm = source.take(), source.take()
    history = source.take()
    clock_ms = -1 if clock & 15 == 15 else FIRST_UNIX_MS + clock * 41 * MINUTE + warm * 13 * HOUR
    while source.left() > 0 and source._at < PROGRAM_BYTES:
        source.take()
    events = []
    while source.left() > 0 and len(events) < MOST_EVENTS:
        op, pause, a, b, c = (source.take() for _ in range(EVENT_BYTES))
        events.append(Event(OPS[op & 31], PAUSES[pause & 15] * MINUTE + (pause >> 4) * 1777, a, b, c))
    return History(plan, fields, part, clock_ms, WARM[warm & 7] * MINUTE, history & 3, tuple(events))
