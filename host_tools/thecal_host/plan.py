"""What the pump will do with a program: the figures and the next hours, before anything is uploaded.

Invariant: the curve comes from the very accumulator the board runs (thecal.core.accumulator), not from a second formula; all
figures are whole numbers with their unit in the name, and texts are made from them only at the end.
"""

from dataclasses import asdict, dataclass
from typing import Any

from thecal.core import units
from thecal.core.accumulator import Accumulator
from thecal.core.prescription import DAY_S, PL_PER_MILLION_IN_NL
from thecal_host.flash_life import BLOCKS, CYCLES, TARGET_YEARS, FlashLife, therapy_wear

HOURS_MAX = 24 * 14
POINT_MS = 900_000
HOUR_MS = 3_600_000
LEASE_STEPS_MAX = 256  # firmware/thecal/drivers/motor.py; a lease is at most 1 s of motion besides
ACCURACY_PER_MILLE = 145  # implanted pumps declare +-14.5 %; a pump that delivers so much more is empty so much sooner


class PlanError(ValueError):
    """A plan that cannot be made; the text is a sentence."""


@dataclass(frozen=True)
class Point:
    """One moment of the curve: steps given out by then, their volume, and the programmed volume, both in pL."""

    t_ms: int
    steps: int
    delivered_pl: int
    programmed_pl: int


@dataclass(frozen=True)
class Plan:
    """The figures of one program. Days are in tenths, rounded down; `None` where there is nothing to count."""

    name: str
    drug: str
    concentration_ng_per_ml: int
    rate_nl_per_day: int
    dose_ng_per_day: int
    steps_per_day: int
    step_pl: int
    step_pg: int
    ms_per_step: int
    chunk_nl: int
    chunk_steps: int
    chunk_s: int
    lease_steps: int
    chunks_per_day: int
    flash: FlashLife
    refill_days_tenths: int
    refill_days_tenths_fast: int
    refill_days_tenths_boluses: int
    refill_days_tenths_boluses_fast: int
    hours: int
    points: list[Point]

    def rows(self) -> list[tuple[str, str]]:
        """The table of `thecal plan`: (what, figure)."""
        volume = units.format_volume
        every = f"{self.ms_per_step // 1000}.{self.ms_per_step % 1000 // 100} s"
        mass = (
            f"{units.decimal(self.step_pg // 1000, 3)} mcg"
            if self.step_pg >= 1_000_000
            else f"{units.decimal(self.step_pg, 3)} ng"
        )
        quantum = f"{units.decimal(self.step_pl, 3)} nL = {mass} of {self.drug}"
        refill = _days(self.refill_days_tenths), _days(self.refill_days_tenths_fast)
        with_boluses = _days(self.refill_days_tenths_boluses), _days(self.refill_days_tenths_boluses_fast)
        last = self.points[-1]
        wear = f"{self.flash.ledger_writes_per_day} ledger writes and {self.flash.log_flushes_per_day} log flushes a day"
        flash = f"{self.flash.years_text} ({wear})"
        if not self.flash.long_enough:
            flash += f": SHORTER than the {TARGET_YEARS} years aimed at"
        return [
            ("Program", self.name or "(no name)"),
            ("Drug", f"{self.drug} {units.format_concentration(self.concentration_ng_per_ml)}"),
            ("Basal", f"{volume(self.rate_nl_per_day)}/day = {units.format_mass(self.dose_ng_per_day)}/day"),
            ("Microsteps", f"{self.steps_per_day} a day, one every {every}"),
            ("Quantum (one microstep)", quantum),
            (
                "Chunk (made durable at once)",
                f"{volume(self.chunk_nl)}, {self.chunk_steps} steps, every {units.format_ms(self.chunk_s * 1000)}",
            ),
            (
                "Lease (longest in hardware)",
                f"1 s of motion: {self.lease_steps} step{'s' * (self.lease_steps != 1)} at this rate",
            ),
            ("Durable writes", f"{self.flash.ledger_writes_per_day} a day with all allotted boluses"),
            ("Flash life", flash),
            ("Days to refill, basal alone", f"{refill[0]} nominal, {refill[1]} at +14.5 %"),
            ("Days to refill, all boluses used", f"{with_boluses[0]} nominal, {with_boluses[1]} at +14.5 %"),
            (
                f"After {self.hours} h",
                f"{last.steps} steps, {volume(last.delivered_pl // 1000)} (programmed {volume(last.programmed_pl // 1000)})",
            ),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Everything, for --json."""
        return asdict(self)


def _days(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}"


def _refill_tenths(usable_nl: int, nl_per_day: int, extra_per_mille: int) -> int:
    return usable_nl * 10 * 1000 // (nl_per_day * (1000 + extra_per_mille))


def curve(rate_nl_per_day: int, step_pl_per_million: int, hours: int) -> list[Point]:
    """The next `hours` hours of basal in points 15 min apart, from the accumulator the board runs."""
    accumulator = Accumulator(step_pl_per_million)
    accumulator.set_rate(rate_nl_per_day)
    points = [Point(0, 0, 0, 0)]
    steps = 0
    for t_ms in range(POINT_MS, hours * HOUR_MS + 1, POINT_MS):
        steps += accumulator.advance(POINT_MS)
        delivered_pl = steps * step_pl_per_million // 1_000_000
        points.append(Point(t_ms, steps, delivered_pl, rate_nl_per_day * 1000 * t_ms // units.DAY_MS))
    return points


def make_plan(fields: dict[str, int | str], limits: dict[str, int] | None = None, hours: int = 24) -> Plan:
    """The plan of a program whose fields passed the validator. `limits` is the [limits] section of the board's config, for its
    flash. `hours` is 1..336, else PlanError."""
    if not 1 <= hours <= HOURS_MAX:
        raise PlanError(f"A plan of {hours} hours is not possible; ask for 1 to {HOURS_MAX}.")
    limits = limits or {}
    number = {key: value for key, value in fields.items() if isinstance(value, int)}
    rate, step = number["rate_nl_per_day"], number["step_pl_per_million"]
    concentration, chunk = number["concentration_ng_per_ml"], number["chunk_nl"]
    boluses = number["boluses_per_24h"] if number["max_bolus_nl"] else 0
    bolus_nl = max(0, min(boluses * number["max_bolus_nl"], number["limit_24h_nl"] - rate))
    chunk_steps = max(1, chunk * PL_PER_MILLION_IN_NL // step)
    steps_per_day = rate * PL_PER_MILLION_IN_NL // step
    lease = min(LEASE_STEPS_MAX, max(1, chunk_steps // 2), -(-rate * PL_PER_MILLION_IN_NL // (step * DAY_S)))
    # the next chunk is made durable while the last lease of this one is in flight, so a write takes the intent on by a lease less
    gain_steps = max(1, chunk_steps - lease)
    chunks = -(-(rate + bolus_nl) * PL_PER_MILLION_IN_NL // (gain_steps * step))
    usable = number["reservoir_nl"] - number["reservoir_low_nl"]
    return Plan(
        name=str(fields["name"]),
        drug=str(fields["drug"]),
        concentration_ng_per_ml=concentration,
        rate_nl_per_day=rate,
        dose_ng_per_day=rate * concentration // units.ML_NL,
        steps_per_day=steps_per_day,
        step_pl=step // 1_000_000,
        step_pg=step * concentration // (PL_PER_MILLION_IN_NL * 1000),
        ms_per_step=DAY_S * 1000 * step // (rate * PL_PER_MILLION_IN_NL),
        chunk_nl=chunk,
        chunk_steps=chunk_steps,
        chunk_s=DAY_S * gain_steps * step // (rate * PL_PER_MILLION_IN_NL),
        lease_steps=lease,
        chunks_per_day=chunks,
        flash=therapy_wear(chunks, boluses, limits.get("flash_blocks", BLOCKS), limits.get("flash_cycles", CYCLES)),
        refill_days_tenths=_refill_tenths(usable, rate, 0),
        refill_days_tenths_fast=_refill_tenths(usable, rate, ACCURACY_PER_MILLE),
        refill_days_tenths_boluses=_refill_tenths(usable, rate + bolus_nl, 0),
        refill_days_tenths_boluses_fast=_refill_tenths(usable, rate + bolus_nl, ACCURACY_PER_MILLE),
        hours=hours,
        points=curve(rate, step, hours),
    )
