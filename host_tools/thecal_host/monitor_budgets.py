"""How many steps the monitor allows: the budgets of a program, from its checked fields alone (firmware/SPEC.md section 8).

Invariant: a budget is never below what a correct pump can deliver in its window or interval, and above it only by SPARE_STEPS
and by what may come late. The day patterns are read here by their bytes, not with the delivery path's decoder.
"""

from collections.abc import Mapping
from dataclasses import dataclass

ENVELOPE_MIN = 15
DAY_MIN = 24 * 60
DAY_MS = DAY_MIN * 60_000
LATE_MS = 4_000  # a step may be made so much later than it was due: a lease (1.1 s) and a durable write at its worst (2.8 s)
LATE_STEPS_MIN = 16
SPARE_STEPS = 2  # one for the fraction of a step carried on, one for an edge at either end of an interval
UTC_BIAS_MIN = 1440


class MonitorLimitsError(ValueError):
    """Monitor limits that cannot be made or read; the text is a sentence."""


@dataclass(frozen=True)
class MonitorLimits:
    """What the monitor allows, in edges counted: per rolling window, and per envelope interval of `envelope_min` minutes: at the
    continuous (or safe) rate, for boluses, at a temporary rate, at the minimum rate (0: not offered), and as `week`
    (minute of the week, steps) in local time; `week` is empty in a continuous program."""

    program_crc: int
    step_pl_per_million: int
    steps_1h: int
    steps_4h: int
    steps_24h: int
    safe_steps: int
    bolus_steps: int
    temp_steps: int = 0
    minimum_steps: int = 0
    utc_offset_biased_min: int = UTC_BIAS_MIN
    week: tuple[tuple[int, int], ...] = ()
    envelope_min: int = ENVELOPE_MIN


def _number(fields: Mapping[str, object], key: str, default: int | None = None) -> int:
    """The integer under `key`. Raises MonitorLimitsError when there is none and no default."""
    value = fields.get(key, default)
    if not isinstance(value, int):
        raise MonitorLimitsError(f"monitor limits: {key} is missing or no integer.")
    return value


def _raw(fields: Mapping[str, object], key: str) -> bytes:
    value = fields.get(key, b"")
    if not isinstance(value, bytes):
        raise MonitorLimitsError(f"monitor limits: {key} is not bytes.")
    return value


def _steps(volume_pl: int, divisor: int, step_pl_per_million: int) -> int:
    """Whole steps in `volume_pl / divisor` pL, rounded up."""
    whole, rest = divmod(volume_pl * 1_000_000, divisor * step_pl_per_million)
    return whole + (1 if rest else 0)


def late_steps(max_rate_nl_per_day: int, step_pl_per_million: int) -> int:
    """The steps that may come LATE_MS after they were due, at the program's highest rate."""
    return max(_steps(max_rate_nl_per_day * 1000 * LATE_MS, DAY_MS, step_pl_per_million), LATE_STEPS_MIN)


def _bolus_nl(fields: Mapping[str, object]) -> int:
    """The most boluses can put into one envelope interval, nL rounded up.

    They never overlap and begin at least one lockout apart, whoever asked for them. So floor(interval / lockout) + 1 of them can
    begin in an interval, and the one that ended in it, begun before, can have left at most interval / lockout of itself there.
    The 1 h limit bounds them all.
    """
    most, count = _number(fields, "max_bolus_nl"), _number(fields, "boluses_per_24h")
    if not count:
        return 0
    interval_ms = ENVELOPE_MIN * 60_000
    apart_ms = _number(fields, "bolus_lockout_ms")
    if count == 1:
        apart_ms = max(apart_ms, DAY_MS)
    if not apart_ms:
        return _number(fields, "limit_1h_nl")
    begun = most * (1 + interval_ms // apart_ms)
    before = -(-most * min(interval_ms, apart_ms) // apart_ms)
    return min(begun + before, _number(fields, "limit_1h_nl"))


def week_rates(fields: Mapping[str, object]) -> list[tuple[int, int]]:
    """(minute of the week, rate in nL/day) at every change of rate from Monday 00:00 on; [] for a continuous program.
    Raises MonitorLimitsError when a day names no pattern, or a pattern is not what a checked program has."""
    rates: list[tuple[int, int]] = []
    for day, number in enumerate(_raw(fields, "week")):
        pattern = _raw(fields, f"day_{number}")
        last = -1
        for at in range(0, len(pattern), 5):
            word = int.from_bytes(pattern[at : at + 5], "little")
            minute, rate = word >> 29, word & 0x1FFFFFFF
            if minute <= last or minute >= DAY_MIN or (at == 0 and minute):
                raise MonitorLimitsError(f"monitor limits: the steps of day_{number} are out of order at minute {minute}.")
            if not rates or rates[-1][1] != rate:
                rates.append((day * DAY_MIN + minute, rate))
            last = minute
        if not pattern or len(pattern) % 5:
            raise MonitorLimitsError(f"monitor limits: day_{number} has {len(pattern)} bytes, not 5 for every step.")
    return rates


def from_fields(fields: Mapping[str, object], program_crc: int) -> MonitorLimits:
    """The limits that belong to a program whose fields passed `thecal.core.prescription.validate`; optional fields may be
    missing. `program_crc` is the CRC of its entries. Raises MonitorLimitsError when a budget does not fit its field."""
    step = _number(fields, "step_pl_per_million")
    if not 0 < step < 1 << 64:
        raise MonitorLimitsError(f"monitor limits: step_pl_per_million is {step}, outside its field.")
    spare = late_steps(_number(fields, "max_rate_nl_per_day"), step) + SPARE_STEPS

    def volume(key: str) -> int:
        return _steps(_number(fields, key) * 1000, 1, step) + spare

    def interval(rate_nl_per_day: int) -> int:
        return _steps(rate_nl_per_day * 1000 * ENVELOPE_MIN, DAY_MIN, step) + spare

    lowest = _number(fields, "min_rate_nl_per_day", 0)
    limits = MonitorLimits(
        program_crc=program_crc,
        step_pl_per_million=step,
        steps_1h=volume("limit_1h_nl"),
        steps_4h=volume("limit_4h_nl"),
        steps_24h=volume("limit_24h_nl"),
        safe_steps=interval(_number(fields, "rate_nl_per_day")),
        bolus_steps=_steps(_bolus_nl(fields) * 1000, 1, step) + spare,
        temp_steps=interval(_number(fields, "max_rate_nl_per_day")) if _number(fields, "max_temp_ms", 0) else 0,
        minimum_steps=interval(lowest) if lowest else 0,
        utc_offset_biased_min=_number(fields, "utc_offset_biased_min", UTC_BIAS_MIN),
        week=tuple((minute, interval(rate)) for minute, rate in week_rates(fields)),
    )
    _check(limits)
    return limits


def _check(limits: MonitorLimits) -> None:
    """Raise MonitorLimitsError for the first number that does not fit its field."""
    sizes = [(key, int(getattr(limits, key)), 32) for key in _WORDS]
    sizes.append(("utc_offset_biased_min", limits.utc_offset_biased_min, 16))
    sizes += [(f"the budget at minute {minute} of the week", steps, 24) for minute, steps in limits.week]
    for name, value, bits in sizes:
        if not 0 <= value < 1 << bits:
            raise MonitorLimitsError(
                f"monitor limits: {name} is {value}, more than the {(1 << bits) - 1} of its field; use a larger step volume."
            )


_WORDS = (
    "program_crc",
    "steps_1h",
    "steps_4h",
    "steps_24h",
    "safe_steps",
    "bolus_steps",
    "temp_steps",
    "minimum_steps",
)
