"""The plan: numbers small enough to do by hand, the domain's own examples, and the flash model."""

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core import units
from thecal.services import journal
from thecal_host import boards, flash_life
from thecal_host.flash_life import therapy_wear
from thecal_host.paths import examples_dir
from thecal_host.plan import PlanError, curve, make_plan
from thecal_host.prescriptions import load

BOARD = boards.load("virtual")
MORPHINE = load(examples_dir() / "morphine_continuous.toml", BOARD.part).fields
# 1 nL a microstep, 86,400 nL/day: one step a second
SIMPLE = {
    **MORPHINE,
    "step_pl_per_million": 10**9,
    "rate_nl_per_day": 86_400,
    "chunk_nl": 144,
    "max_bolus_nl": 10_000,
    "boluses_per_24h": 2,
    "concentration_ng_per_ml": 1_000_000,
}


def test_by_hand() -> None:
    plan = make_plan(SIMPLE)
    assert (plan.steps_per_day, plan.ms_per_step, plan.step_pl, plan.lease_steps) == (86_400, 1_000, 1_000, 1)
    assert plan.step_pg == 1_000  # 1 nL of 1 mg/mL is 1 ng
    assert plan.dose_ng_per_day == 86_400
    assert (plan.chunk_steps, plan.chunk_s) == (144, 143)  # a lease less: the next chunk is opened during it
    assert plan.chunks_per_day == 745  # (86,400 + 20,000) / 143, rounded up
    assert (len(plan.points), plan.points[-1].steps, plan.points[-1].t_ms) == (97, 86_400, 86_400_000)


def test_the_domain_s_refill_example() -> None:
    """20 mL, alarm at 2 mL, 0.3 mL/day: 60.0 days nominal, 52.4 at +14.5 %; boluses make it shorter."""
    plan = make_plan({**MORPHINE, "rate_nl_per_day": 300_000, "boluses_per_24h": 0})
    assert (plan.refill_days_tenths, plan.refill_days_tenths_fast) == (600, 524)
    assert plan.refill_days_tenths_boluses == 600
    used = make_plan({**MORPHINE, "rate_nl_per_day": 300_000, "boluses_per_24h": 5, "max_bolus_nl": 60_000})
    assert used.refill_days_tenths_boluses == 300
    assert used.refill_days_tenths_boluses_fast == 262


def test_boluses_beyond_the_24h_limit_do_not_count() -> None:
    plan = make_plan({**MORPHINE, "boluses_per_24h": 48})
    assert plan.refill_days_tenths_boluses == 18_000_000 * 10 // 800_000


@settings(max_examples=30, deadline=None)
@given(st.integers(1_000, 200_000_000), st.integers(100_000_000, 10**12))
def test_the_curve_is_within_one_step_of_the_program(rate: int, step: int) -> None:
    step_nl = Fraction(step, 10**9)
    for point in curve(rate, step, 24):
        programmed = Fraction(rate * point.t_ms, 86_400_000)
        assert abs(point.steps * step_nl - programmed) < step_nl
        assert 0 <= programmed * 1000 - point.programmed_pl < 1
        assert 0 <= point.steps * step_nl * 1000 - point.delivered_pl < 1


@pytest.mark.parametrize("hours", [0, -1, 337])
def test_hours_out_of_range(hours: int) -> None:
    with pytest.raises(PlanError, match="1 to 336"):
        make_plan(MORPHINE, hours=hours)


def test_table_and_json() -> None:
    plan = make_plan(MORPHINE, BOARD.config["limits"], hours=2)
    rows = dict(plan.rows())
    assert rows["Basal"] == "0.48 mL/day = 12 mg/day"
    assert rows["Quantum (one microstep)"] == "41.282 nL = 1.032 mcg of morphine"
    assert rows["Microsteps"] == "11627 a day, one every 7.4 s"
    assert rows["Days to refill, basal alone"] == "37.5 nominal, 32.7 at +14.5 %"
    assert rows["After 2 h"].startswith("968 steps, 39.961 uL (programmed 40 uL)")
    assert "years" in rows["Flash life"] and "SHORTER" not in rows["Flash life"]
    data = json.loads(json.dumps(plan.as_dict()))
    assert data["rate_nl_per_day"] == 480_000
    assert data["flash"]["years_tenths"] == plan.flash.years_tenths
    assert len(data["points"]) == 9


@pytest.mark.parametrize("path", sorted(examples_dir().glob("*.toml")), ids=lambda path: path.stem)
def test_flash_life_of_the_examples(path) -> None:
    plan = make_plan(load(path, BOARD.part).fields, BOARD.config["limits"])
    assert plan.flash.long_enough


def test_a_short_flash_life_is_said() -> None:
    plan = make_plan({**MORPHINE, "chunk_nl": 42})
    assert not plan.flash.long_enough
    assert "SHORTER than the 10 years" in dict(plan.rows())["Flash life"]


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
    assert journal.LAZY_RECORDS == flash_life.DOSES_PER_FLUSH
    assert units.DAY_MS == 86_400_000
