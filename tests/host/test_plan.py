"""The plan: numbers small enough to do by hand, the domain's own examples, the flash model, and the figures as people read
them."""

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core import units
from thecal.core.basal import Basal
from thecal.core.prescription import with_defaults
from thecal.core.schedule import pack_day
from thecal.services import journal
from thecal_host import boards, flash_life, plan_texts
from thecal_host.flash_life import therapy_wear
from thecal_host.paths import examples_dir
from thecal_host.plan import LEASE_STEPS_MAX, PlanError, curve, make_plan, midnight_of
from thecal_host.prescriptions import load
from thecal_host.program_week import daily_nl

BOARD = boards.load("virtual")
MORPHINE = load(examples_dir() / "morphine_continuous.toml", BOARD.part).fields
BACLOFEN = load(examples_dir() / "baclofen_flex_night.toml", BOARD.part).fields
# 1 nL a microstep, 86,400 nL/day: one step a second; no limit that matters
SIMPLE = with_defaults(
    {
        "mode": 1,
        "drug": "water",
        "concentration_ng_per_ml": 1_000_000,
        "rate_nl_per_day": 86_400,
        "max_rate_nl_per_day": 200_000,
        "max_bolus_nl": 10_000,
        "limit_1h_nl": 50_000,
        "limit_4h_nl": 100_000,
        "limit_24h_nl": 200_000,
        "bolus_lockout_ms": 3_600_000,
        "boluses_per_24h": 2,
        "reservoir_nl": 20_000_000,
        "chunk_nl": 144,
        "step_pl_per_million": 10**9,
    }
)
COARSE = {**SIMPLE, "step_pl_per_million": 40 * 10**9, "chunk_nl": 500}  # 40 nL a microstep: the same in few steps


def test_by_hand() -> None:
    plan = make_plan(SIMPLE)
    assert (plan.steps_per_day, plan.ms_per_step_highest, plan.step_pl, plan.lease_steps) == (86_400, 1_000, 1_000, 1)
    assert plan.step_pg == 1_000  # 1 nL of 1 mg/mL is 1 ng
    assert plan.dose_ng_per_day == 86_400
    assert (plan.chunk_steps, plan.chunk_s) == (144, 143)  # a lease less: the next chunk is opened during it
    assert (plan.boluses_per_day, plan.bolus_nl_per_day) == (2, 20_000)
    # (86,400 + 20,000) / 143 is 744.1; in a bolus a lease has up to 18 steps, and a chunk then gains that much less
    assert 744 < plan.chunks_per_day < 744 + 20_000 // 100
    assert (len(plan.points), plan.points[-1].steps, plan.points[-1].t_ms) == (97, 86_400, 86_400_000)
    assert plan.forecast.nominal.chunks == -(-86_400 // 143)


def test_the_domain_s_refill_example() -> None:
    """20 mL, alarm at 2 mL, 0.3 mL/day: 60.0 days nominal, 52.4 at +14.5 %; boluses make it shorter."""
    rate = {**COARSE, "rate_nl_per_day": 300_000, "max_rate_nl_per_day": 300_000, "limit_24h_nl": 700_000}
    plan = make_plan({**rate, "boluses_per_24h": 0}, hours=1)
    assert (plan.refill.tenths, plan.refill.tenths_fast) == (600, 524)
    assert plan.refill_boluses.tenths == 600
    used = make_plan(
        {**rate, "limit_4h_nl": 400_000, "limit_1h_nl": 200_000, "boluses_per_24h": 5, "max_bolus_nl": 60_000}, hours=1
    )
    assert used.bolus_nl_per_day == 300_000
    assert (used.refill_boluses.tenths, used.refill_boluses.tenths_fast) == (300, 262)
    assert used.refill.tenths == 600


def test_boluses_beyond_the_24h_limit_do_not_count() -> None:
    """The chain itself says how many there are: 48 a day are allowed by count, and the 24 h window stops them long before."""
    plan = make_plan({**COARSE, "boluses_per_24h": 48, "bolus_lockout_ms": 600_000})
    assert 0 < plan.bolus_nl_per_day <= 200_000 - 86_400
    assert plan.forecast.worst.fills[2].per_mille <= 1000
    assert plan.forecast.worst.held_ms is None


def test_the_drug_s_stability_bounds_the_days_to_refill() -> None:
    plan = make_plan(COARSE, hours=1, stability_days=30)
    assert (plan.refill.tenths, plan.refill_boluses.tenths_fast) == (300, 300)
    rows = dict(plan_texts.figures(plan))
    assert rows["Stability in the reservoir"].startswith("30 days")
    assert rows["Days to refill, all boluses used"] == "30.0 (stability) nominal, 30.0 (stability) at +14.5 %"


@settings(max_examples=30, deadline=None)
@given(st.integers(1_000, 200_000_000), st.integers(1_000, 200_000_000), st.integers(1, 1439), st.integers(10**8, 10**12))
def test_the_curve_is_within_one_step_of_the_program(first: int, second: int, minute: int, step: int) -> None:
    """Through a change of rate at any minute of the day."""
    fields = {**BACLOFEN, "week": b"\1" * 7, "day_1": pack_day([(0, first), (minute, second)]), "utc_offset_biased_min": 1440}
    basal = Basal(fields)
    basal.wall_ms = midnight_of(fields, 0)
    step_nl = Fraction(step, 10**9)
    for point in curve(basal, 0, step, 24):
        early = min(point.t_ms, minute * 60_000)
        programmed = Fraction(first * early + second * (point.t_ms - early), units.DAY_MS)
        assert abs(point.steps * step_nl - programmed) < step_nl
        assert 0 <= programmed * 1000 - point.programmed_pl < 1
        assert 0 <= point.steps * step_nl * 1000 - point.delivered_pl < 1


@pytest.mark.parametrize("day", range(7))
def test_midnight_is_local_and_on_that_day(day: int) -> None:
    fields = {**BACLOFEN, "utc_offset_biased_min": 1440 + 90}
    local_ms = midnight_of(fields, day) + 90 * 60_000
    assert local_ms % units.DAY_MS == 0
    assert (local_ms // units.DAY_MS + 3) % 7 == day


@pytest.mark.parametrize("hours", [0, -1, 337])
def test_hours_out_of_range(hours: int) -> None:
    with pytest.raises(PlanError, match="1 to 336"):
        make_plan(MORPHINE, hours=hours)


def test_table_and_json() -> None:
    plan = make_plan(MORPHINE, BOARD.config["limits"], hours=2)
    rows = dict(plan_texts.figures(plan))
    assert rows["Basal"] == "0.48 mL/day = 12 mg/day"
    assert rows["Quantum (one microstep)"] == "41.282 nL = 1.032 mcg of morphine"
    assert rows["Microsteps"] == "11627 a day, one every 7.4 s"
    assert rows["Days to refill (18 mL), basal alone"] == "37.5 nominal, 32.7 at +14.5 %"
    assert rows["After 2 h without a bolus"].startswith("968 steps, 39.961 uL (programmed 40 uL)")
    assert "years" in rows["Flash life"] and "SHORTER" not in rows["Flash life"]
    data = json.loads(json.dumps(plan.as_dict()))
    assert data["rate_nl_per_day"] == 480_000
    assert data["flash"]["years_tenths"] == plan.flash.years_tenths
    assert len(data["points"]) == 9
    assert data["forecast"]["patient"][0]["reason"] == 0


def test_figures_of_a_flex_program_name_both_ends() -> None:
    plan = make_plan(BACLOFEN)
    rows = dict(plan_texts.figures(plan))
    assert rows["Basal"].startswith("300 mcg/day (0.15 mL/day) to 450 mcg/day (0.225 mL/day)")
    assert "23.7 s at the lowest rate, every 15.8 s at the highest" in rows["Microsteps"]
    assert sum(daily_nl(BACLOFEN)) // 7 == plan.mean_nl_per_day
    assert [text for _when, text, _why in plan_texts.rates(plan)] == [
        "450 mcg/day (0.225 mL/day)",
        "300 mcg/day (0.15 mL/day)",
        "450 mcg/day (0.225 mL/day)",
    ]


@pytest.mark.parametrize("path", sorted(examples_dir().glob("*.toml")), ids=lambda path: path.stem)
def test_flash_life_of_the_examples(path) -> None:
    plan = make_plan(load(path, BOARD.part).fields, BOARD.config["limits"], hours=1)
    assert plan.flash.long_enough
    assert plan.forecast.worst.held_ms is None and plan.forecast.worst.empty_ms is None


def test_a_short_flash_life_is_said() -> None:
    plan = make_plan({**MORPHINE, "chunk_nl": 42}, hours=1)
    assert not plan.flash.long_enough
    assert "SHORTER than the 10 years" in dict(plan_texts.figures(plan))["Flash life"]


# --- flash model --------------------------------------------------------------------------------------------------------------
def test_flash_model_by_hand() -> None:
    """1000 ledger writes and 100 flushes are 605 erases: 352 x 100,000 / (5 x 605 x 365.25) = 31.86 years."""
    life = flash_life.flash_life(1000, 100)
    assert life.erases_per_day_milli == 605_000
    assert (life.years_tenths, life.years_text, life.long_enough) == (318, "31.8 years", True)


def test_flash_model_at_the_known_rule() -> None:
    """Known rule: 800 appends a day are ten years at a margin of 10 (with 11.5 % to spare)."""
    life = flash_life.flash_life(0, 800, margin=10)
    assert life.years_tenths == 114


def test_flash_model_ends() -> None:
    assert flash_life.flash_life(0, 0).years_tenths is None
    assert flash_life.flash_life(0, 0).years_text == "over 100 years"
    assert flash_life.flash_life(0, 0).long_enough
    assert not flash_life.flash_life(100_000, 0).long_enough


def test_wear_of_a_therapy() -> None:
    life = therapy_wear(600, 2)
    assert life.ledger_writes_per_day == 600 + 2 * 3
    assert life.log_flushes_per_day == 38 + 2 * 4 + 24  # 600 / 16 rounded up


def test_the_model_s_batches_are_the_firmware_s() -> None:
    from thecal.drivers import motor

    assert journal.LAZY_RECORDS == flash_life.DOSES_PER_FLUSH
    assert motor.LEASE_MAX_STEPS == LEASE_STEPS_MAX
    assert units.DAY_MS == 86_400_000
