"""The plan of a program: what it gives, in which steps, how long reservoir and flash last, and the hours to come.

Invariant: delivery, refusals, writes and boluses come from a play with the board's own core (forecast.py), not from a second
formula; all figures are whole numbers with their unit in the name, and texts are made from them elsewhere (plan_texts.py).
"""

from dataclasses import asdict, dataclass
from typing import Any

from thecal.core import units
from thecal.core.accumulator import Accumulator
from thecal.core.basal import Basal
from thecal.core.permit import LEASE_MAX_STEPS
from thecal.core.prescription import DAY_S, PL_PER_MILLION_IN_NL
from thecal.core.schedule import EPOCH_MS, OFFSET_BIAS_MIN, Schedule
from thecal_host.flash_life import BLOCKS, CYCLES, FlashLife, therapy_wear
from thecal_host.forecast import DAY_MS, HOUR_MS, Forecast, ForecastError, make_forecast, play
from thecal_host.player import Player, Start
from thecal_host.program_week import Fields, daily_nl

POINT_MS = 900_000
LEASE_STEPS_MAX = LEASE_MAX_STEPS
ACCURACY_PER_MILLE = 145  # implanted pumps declare +-14.5 %; a pump that delivers so much more is empty so much sooner
STEPS_PER_S = 1000  # of a motor nobody named: no bolus a program allows needs more
PlanError = ForecastError


@dataclass(frozen=True)
class Point:
    """One moment of the curve: steps given out by then, their volume, and the programmed volume, both in pL."""

    t_ms: int
    steps: int
    delivered_pl: int
    programmed_pl: int


@dataclass(frozen=True)
class Refill:
    """Days until the reservoir alarm, in tenths, rounded down; `fast` at +14.5 %. None where nothing is given."""

    nl_per_day: int
    tenths: "int | None"
    tenths_fast: "int | None"


@dataclass(frozen=True)
class Plan:
    """The figures of one program. "Lowest" and "highest" rates are those above 0 that the schedule (or the safe rate) has."""

    name: str
    drug: str
    concentration_ng_per_ml: int
    flex: bool
    rate_nl_per_day: int
    lowest_nl_per_day: int
    highest_nl_per_day: int
    mean_nl_per_day: int
    daily_nl: "list[int]"
    dose_ng_per_day: int
    steps_per_day: int
    step_pl: int
    step_pg: int
    ms_per_step_lowest: int
    ms_per_step_highest: int
    chunk_nl: int
    chunk_steps: int
    chunk_s: int
    lease_steps: int
    chunks_per_day: int
    boluses_per_day: int
    bolus_nl_per_day: int
    flash: FlashLife
    usable_nl: int
    refill: Refill
    refill_boluses: Refill
    stability_days: "int | None"
    hours: int
    points: "list[Point]"
    forecast: Forecast

    def as_dict(self) -> dict[str, Any]:
        """Everything, for --json. Volumes in nL, times in ms after the beginning."""
        return asdict(self)


def empty_start(unix_ms: "int | None", max_steps_per_s: int = STEPS_PER_S) -> Start:
    """A board that has delivered nothing yet."""
    return Start(None, 0, unix_ms, max_steps_per_s, "an empty ledger: nothing delivered before")


def midnight_of(fields: Fields, day: int) -> int:
    """Unix ms of the first local midnight of weekday `day` (0 Monday) that a board accepts as its time (2020 on)."""
    monday = 1_577_836_800_000 + (-(1_577_836_800_000 + EPOCH_MS) % (7 * DAY_MS))
    return monday + day * DAY_MS - (fields["utc_offset_biased_min"] - OFFSET_BIAS_MIN) * 60_000


def curve(basal: Basal, begin_ms: int, step_pl_per_million: int, hours: int) -> list[Point]:
    """The next `hours` hours of basal from board time `begin_ms` on, in points 15 min apart, from the board's accumulator."""
    accumulator = Accumulator(step_pl_per_million)
    points = [Point(0, 0, 0, 0)]
    steps = programmed = since = 0
    while since < hours * HOUR_MS:
        now = begin_ms + since
        span = min(basal.next_change_ms(now) - now, POINT_MS - since % POINT_MS)
        accumulator.set_rate(basal.rate_at(now))
        steps += accumulator.advance(span)
        programmed += basal.units(now, now + span)
        since += span
        if since % POINT_MS == 0:
            points.append(Point(since, steps, steps * step_pl_per_million // 1_000_000, programmed * 1000 // DAY_MS))
    return points


def rates_of(fields: Fields) -> list[int]:
    """Every basal rate above 0 the program can have by itself, lowest first: its schedule and its safe rate."""
    return sorted({rate for rate in (*Schedule(fields).rates, fields["rate_nl_per_day"]) if rate})


def _refill(usable_nl: int, week_nl: int, bolus_nl_per_day: int, stability_days: "int | None") -> Refill:
    """How long `usable_nl` lasts at a week's basal and so much bolus a day."""
    weekly = week_nl + 7 * bolus_nl_per_day

    def tenths(extra_per_mille: int) -> "int | None":
        found = usable_nl * 10 * 7 * 1000 // (weekly * (1000 + extra_per_mille)) if weekly else None
        if stability_days is None:
            return found
        return stability_days * 10 if found is None else min(found, stability_days * 10)

    return Refill(weekly // 7, tenths(0), tenths(ACCURACY_PER_MILLE))


def make_plan(
    fields: Fields,
    limits: "dict[str, int] | None" = None,
    hours: int = 24,
    start: "Start | None" = None,
    stability_days: "int | None" = None,
) -> Plan:
    """The plan of a program whose fields passed the validator, from `start` on (default: an empty ledger on the greatest day).
    `limits` is the [limits] section of the board's config, for its flash. `hours` is 1..336, else PlanError; LedgerError for
    bytes that are no ledger."""
    limits = limits or {}
    doses = daily_nl(fields)
    greatest = midnight_of(fields, doses.index(max(doses)))
    start = start or empty_start(greatest)
    forecast = make_forecast(fields, start, hours)
    # a day on which everything is given that the limits allow: from an empty ledger, on the greatest day of the week
    day, _bands = play(fields, empty_start(greatest, start.max_steps_per_s), 24)
    rates = rates_of(fields) or [0]
    step, concentration, chunk = fields["step_pl_per_million"], fields["concentration_ng_per_ml"], fields["chunk_nl"]
    chunk_steps = max(1, chunk * PL_PER_MILLION_IN_NL // step)
    lease = min(LEASE_STEPS_MAX, max(1, chunk_steps // 2), max(1, -(-rates[-1] * PL_PER_MILLION_IN_NL // (step * DAY_S))))
    # the next chunk is made durable while the last lease of this one is in flight, so a write takes the intent on by a lease less
    gain_steps = max(1, chunk_steps - lease)
    player = Player(fields, start)
    usable = max(0, player.reservoir_left_nl() - fields["reservoir_low_nl"])
    week = sum(doses)
    return Plan(
        name=fields["name"],
        drug=fields["drug"],
        concentration_ng_per_ml=concentration,
        flex=len(fields["week"]) == 7,
        rate_nl_per_day=fields["rate_nl_per_day"],
        lowest_nl_per_day=rates[0],
        highest_nl_per_day=rates[-1],
        mean_nl_per_day=week // 7,
        daily_nl=doses,
        dose_ng_per_day=week * concentration // (7 * units.ML_NL),
        steps_per_day=week * PL_PER_MILLION_IN_NL // (7 * step),
        step_pl=step // 1_000_000,
        step_pg=step * concentration // (PL_PER_MILLION_IN_NL * 1000),
        ms_per_step_lowest=_ms_per_step(rates[0], step),
        ms_per_step_highest=_ms_per_step(rates[-1], step),
        chunk_nl=chunk,
        chunk_steps=chunk_steps,
        chunk_s=_ms_per_step(rates[-1], step * gain_steps) // 1000,
        lease_steps=lease,
        chunks_per_day=day.chunks,
        boluses_per_day=len(day.boluses),
        bolus_nl_per_day=day.bolus_nl,
        flash=therapy_wear(day.chunks, len(day.boluses), limits.get("flash_blocks", BLOCKS), limits.get("flash_cycles", CYCLES)),
        usable_nl=usable,
        refill=_refill(usable, week, 0, stability_days),
        refill_boluses=_refill(usable, week, day.bolus_nl, stability_days),
        stability_days=stability_days,
        hours=hours,
        points=curve(player.basal, player.began_ms, step, hours),
        forecast=forecast,
    )


def _ms_per_step(rate_nl_per_day: int, step_pl_per_million: int) -> int:
    """Time between two steps of `step_pl_per_million`; 0 where nothing is given."""
    return DAY_S * 1000 * step_pl_per_million // (rate_nl_per_day * PL_PER_MILLION_IN_NL) if rate_nl_per_day else 0
