"""A reset in the middle of what changes the rate for a while: what raises a dose does not outlive it, what lowers does; a bolus
by the button is dropped; a timed hold ends by itself only where therapy may resume by itself.
"""

from typing import Any

import pytest
from harness import MONDAY_MS, Bench, flex_program, program

from thecal.core import basal, events, faults, states
from thecal.core import messages as m
from thecal_twin import chip

MIN = 60_000
HOUR = 3_600_000
OFFERS = {
    "max_temp_ms": 12 * HOUR,
    "min_rate_nl_per_day": 24_000,
    "patient_bolus_nl": 20_000,
    "patient_bolus_ms": 300_000,
    "bolus_lockout_ms": 30 * MIN,
}


def pump(**changes: Any) -> Bench:
    b = Bench().running(program(**{**OFFERS, **changes}))
    b.advance(HOUR)
    return b


def steps_of(b: Bench, ms: int) -> int:
    before = b.edges()
    b.advance(ms)
    return b.edges() - before


@pytest.mark.sr("SR-24")
@pytest.mark.parametrize("cause", [chip.CAUSE_POWER, chip.CAUSE_WATCHDOG])
@pytest.mark.parametrize(("rate", "after"), [(960_000, 480_000), (240_000, 240_000), (0, 0)])
def test_a_temporary_rate_goes_on_only_where_it_lowers(rate: int, after: int, cause: int) -> None:
    b = pump()
    assert b.command("temp", nlday=rate, ms=4 * HOUR)["r"] == 0
    b.advance(HOUR)
    b.power_off()
    b.boot(cause)
    status = b.status()
    assert (status["st"], status["ovl"], status["rate"]) == (states.INFUSING, basal.CAPPED, after)
    assert abs(status["ovlms"] - 3 * HOUR) < 10 * MIN  # board time stood still meanwhile: the shortest that can have passed
    assert faults.A_RATE_DROPPED in b.pump.alarms.held()
    assert [r.b for r in b.of(events.ALARM) if r.detail == faults.A_RATE_DROPPED] == [rate]
    assert abs(steps_of(b, 2 * HOUR) - after * 2 / 24 / 41.2825) <= 2
    b.advance(HOUR + 10 * MIN)
    status = b.status()
    assert (status["ovl"], status["rate"]) == (basal.NONE, 480_000)
    assert b.of(events.OVERLAY)[-1].detail == basal.NONE
    b.command("ack")
    assert b.pump.alarms.held() == []


def test_capped_is_capped_after_a_second_reset_too_and_normal_ends_it() -> None:
    b = pump()
    b.command("temp", nlday=100_000, ms=4 * HOUR)
    for _ in range(2):
        b.restart()
        assert b.status()["ovl"] == basal.CAPPED
    assert b.command("normal")["r"] == 0
    assert (b.status()["ovl"], b.status()["rate"]) == (basal.NONE, 480_000)


def test_a_flex_program_s_temporary_rate_is_capped_by_the_safe_rate_until_the_clock_is_known() -> None:
    b = Bench().running(flex_program())
    b.set_clock(MONDAY_MS + 9 * HOUR)
    b.command("ack")
    assert b.command("temp", nlday=500_000, ms=6 * HOUR)["r"] == 0
    b.advance(HOUR)
    b.restart()
    assert b.status()["rate"] == 240_000
    b.set_clock(MONDAY_MS + 10 * HOUR)
    assert b.status()["rate"] == 500_000  # the schedule has 960: the cap is what lowers


@pytest.mark.sr("SR-24")
def test_minimum_stays() -> None:
    b = pump()
    b.command("minimum")
    b.advance(HOUR)
    b.restart()
    status = b.status()
    assert (status["ovl"], status["rate"]) == (basal.MINIMUM, 24_000)
    assert faults.A_RATE_DROPPED not in b.pump.alarms.held()
    assert abs(steps_of(b, 10 * HOUR) - 10_000 / 41.2825) <= 2
    b.command("normal")
    assert b.status()["rate"] == 480_000


@pytest.mark.parametrize("name", ["temp", "minimum"])
def test_where_therapy_does_not_resume_nothing_lies_over_it_either(name: str) -> None:
    b = pump(basal_resumes=0)
    b.command(name, **({"nlday": 1_000, "ms": HOUR} if name == "temp" else {}))
    b.restart()
    assert (b.pump.state, b.status()["ovl"]) == (states.OFF, basal.NONE)
    b.command("start")
    assert b.status()["rate"] == 480_000


# --- holds ------------------------------------------------------------------------------------------------------------------
@pytest.mark.sr("SR-07")
def test_a_timed_hold_ends_by_itself_after_a_reset_where_basal_may_resume() -> None:
    b = pump()
    b.command("hold", ms=HOUR)
    b.advance(20 * MIN)
    b.restart()
    assert b.pump.state == states.HELD
    left = b.status()["hold"]
    assert 40 * MIN <= left <= HOUR
    assert steps_of(b, left - 1_000) == 0
    assert b.pump.state == states.HELD
    b.advance(2_000)
    assert b.pump.state == states.INFUSING
    assert abs(steps_of(b, HOUR) - 484) <= 1


@pytest.mark.sr("SR-07")
def test_and_stays_a_hold_where_it_may_not() -> None:
    b = pump(basal_resumes=0)
    b.command("hold", ms=HOUR)
    b.advance(20 * MIN)
    b.restart()
    assert (b.pump.state, b.status()["hold"]) == (states.HELD, 0)
    assert steps_of(b, 10 * HOUR) == 0
    assert b.pump.state == states.HELD
    assert faults.A_INTERRUPTION in b.pump.alarms.held()
    assert b.command("resume")["r"] == 0


@pytest.mark.sr("SR-31")
@pytest.mark.parametrize("resumes", [0, 1])
def test_nobody_knows_how_long_a_hold_was_with_the_power_gone_so_it_alarms(resumes: int) -> None:
    b = pump(basal_resumes=resumes)
    b.command("hold")
    b.advance(MIN)
    b.restart()
    assert b.pump.state == states.HELD
    b.advance(MIN)
    assert b.pump.alarms.highest() == faults.A_INTERRUPTION


# --- boluses ----------------------------------------------------------------------------------------------------------------
@pytest.mark.sr("SR-07")
@pytest.mark.parametrize("who", ["button", "patient"])
def test_a_patient_s_bolus_is_dropped_its_lockout_is_not(who: str) -> None:
    b = pump()
    if who == "button":
        b.press()
    else:
        b.command("patient")
    b.advance(MIN)
    b.restart()
    assert faults.A_BOLUS_DROPPED in b.pump.alarms.held()
    assert [r.b for r in b.of(events.ALARM) if r.detail == faults.A_BOLUS_DROPPED] == [20_000]
    assert [r.c for r in b.of(events.RECOVERED)] == [20_000]
    status = b.status()
    assert (status["src"], status["bol"], status["nbol"]) == (0, 0, 1)
    assert 28 * MIN < status["lock"] <= 30 * MIN
    assert abs(steps_of(b, 20 * MIN) - 161.5) <= 1.5
    b.press()
    assert b.command("patient")["k"] == m.LOCKOUT
    assert b.status()["unmet"] == 2


def test_unmet_demand_is_counted_since_boot() -> None:
    b = pump()
    for _ in range(3):
        b.command("patient")
    assert b.status()["unmet"] == 2
    b.restart()
    assert b.status()["unmet"] == 0
    assert [r.c for r in b.of(events.UNMET)] == [1, 2]
