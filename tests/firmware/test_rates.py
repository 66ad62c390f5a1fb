"""Temporary rate, minimum rate, back to normal, and the titration rule, over real frames against the oracle."""

from typing import Any

import pytest
from firmware.day_oracle import Oracle
from harness import MONDAY_MS, NIGHT_AND_DAY, Bench, flex_program

from thecal.core import basal, events, faults, states
from thecal.core import messages as m

HOUR = 3_600_000


def pump(**changes: Any) -> tuple[Bench, Oracle]:
    """Monday 09:00, 960 uL/day until 22:00; an hour has been delivered, no alarm is held."""
    b = Bench().running(flex_program(**changes))
    truth = Oracle([list(NIGHT_AND_DAY)], [1] * 7, 240_000, 0, b.pump.now_ms())
    b.set_clock(MONDAY_MS + 8 * HOUR)
    truth.clock(b.pump.now_ms(), MONDAY_MS + 8 * HOUR)
    b.command("ack")
    b.advance(HOUR)
    return b, truth


def close(b: Bench, truth: Oracle, within: int = 1) -> bool:
    """A change of rate waits for the lease in flight, at most a second: less than a step here."""
    return abs(b.edges() - truth.to(b.pump.now_ms()).steps()) <= within


def overlay(b: Bench) -> tuple[int, int, int]:
    status = b.status()
    return status["ovl"], status["ovlms"], status["rate"]


@pytest.mark.parametrize("rate", [1_000_000, 960_001, 480_000, 1_000, 0])
def test_a_temporary_rate_holds_for_its_time_and_ends_by_itself(rate: int) -> None:
    b, truth = pump()
    answer = b.command("temp", nlday=rate, ms=2 * HOUR)
    truth.temp(b.pump.now_ms(), rate, 2 * HOUR)
    assert (answer["r"], answer["v"]) == (0, rate)
    status = b.status()
    assert (status["ovl"], status["ovlms"], status["rate"]) == (basal.TEMP, 2 * HOUR, rate)
    assert (status["chg"], status["chgrate"]) == (2 * HOUR, 960_000)
    b.advance(2 * HOUR - 1)
    assert close(b, truth)
    assert overlay(b) == (basal.TEMP, 1, rate)
    b.advance(1)
    assert overlay(b) == (basal.NONE, 0, 960_000)
    b.advance(3 * HOUR)
    assert close(b, truth)
    laid = [(r.a, r.b, r.c, r.detail) for r in b.of(events.OVERLAY)]
    assert laid == [(answer["i"], rate, 2 * HOUR, basal.TEMP), (0, 0, 0, basal.NONE)]
    rates = [(r.b, r.detail) for r in b.of(events.RATE)][-2:]
    assert rates == [(rate, basal.WHY_TEMP), (960_000, basal.WHY_NORMAL)]
    assert b.pump.fault == 0


def test_the_schedule_goes_on_under_a_temporary_rate() -> None:
    """From 21:00 over the step of 22:00 to 23:00: the night rate holds afterwards."""
    b, truth = pump()
    b.advance(12 * HOUR)
    assert b.command("temp", nlday=720_000, ms=2 * HOUR)["r"] == 0
    truth.temp(b.pump.now_ms(), 720_000, 2 * HOUR)
    assert b.status()["chgrate"] == 240_000
    b.advance(2 * HOUR + HOUR // 2)
    assert overlay(b) == (basal.NONE, 0, 240_000)
    assert close(b, truth)


def test_normal_ends_a_temporary_rate_early() -> None:
    b, truth = pump()
    b.command("temp", nlday=100_000, ms=5 * HOUR)
    truth.temp(b.pump.now_ms(), 100_000, 5 * HOUR)
    b.advance(HOUR)
    assert b.command("normal")["r"] == 0
    truth.temp(b.pump.now_ms(), 0, 0)
    assert overlay(b) == (basal.NONE, 0, 960_000)
    b.advance(2 * HOUR)
    assert close(b, truth)
    assert b.of(events.RATE)[-1].detail == basal.WHY_NORMAL


def test_a_second_temporary_rate_takes_the_place_of_the_first() -> None:
    b, truth = pump()
    b.command("temp", nlday=100_000, ms=5 * HOUR)
    truth.temp(b.pump.now_ms(), 100_000, 5 * HOUR)
    b.advance(HOUR)
    assert b.command("temp", nlday=500_000, ms=HOUR)["r"] == 0
    truth.temp(b.pump.now_ms(), 500_000, HOUR)
    b.advance(3 * HOUR)
    assert close(b, truth)
    assert overlay(b) == (basal.NONE, 0, 960_000)


def test_minimum_has_no_end_but_normal() -> None:
    b, truth = pump()
    answer = b.command("minimum")
    truth.temp(b.pump.now_ms(), 24_000, 1 << 40)
    assert (answer["r"], answer["v"]) == (0, 24_000)
    assert overlay(b) == (basal.MINIMUM, 0, 24_000)
    assert b.status()["chg"] is None
    b.advance(20 * HOUR)
    assert close(b, truth)
    assert b.command("normal")["r"] == 0
    truth.temp(b.pump.now_ms(), 0, 0)
    b.advance(2 * HOUR)
    assert close(b, truth)
    assert [r.detail for r in b.of(events.OVERLAY)] == [basal.MINIMUM, basal.NONE]


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize(
    ("changes", "wish", "why"),
    [
        ({}, {"nlday": 1_000_001, "ms": HOUR}, (m.MAX_RATE, 1_000_001, 1_000_000)),
        ({}, {"nlday": 500_000, "ms": 24 * HOUR + 1}, (m.DURATION, 24 * HOUR + 1, 24 * HOUR)),
        ({"max_temp_ms": 0}, {"nlday": 500_000, "ms": HOUR}, (m.NOT_OFFERED, HOUR, 0)),
        ({"limit_4h_nl": 175_000}, {"nlday": 1_000_000, "ms": 4 * HOUR}, (m.WINDOW_4H, None, 175_000)),
        ({"raise_window_ms": HOUR, "raise_per_mille": 1}, {"nlday": 1_000_000, "ms": HOUR}, (m.TITRATION, 741_667, 740_740)),
    ],
)
def test_refused_whole_with_reason_value_and_limit(changes: dict[str, int], wish: dict[str, int], why: tuple) -> None:
    b, truth = pump(**changes)
    answer = b.command("temp", **wish)
    assert (answer["r"], answer["k"], answer["l"]) == (m.REFUSED, why[0], why[2])
    assert why[1] is None or answer["v"] == why[1]
    assert overlay(b) == (basal.NONE, 0, 960_000)
    b.advance(HOUR)
    assert close(b, truth)
    assert b.of(events.OVERLAY) == []
    assert [(r.b, r.c, r.detail) for r in b.of(events.REFUSAL)] == [(answer["v"], answer["l"], why[0])]


def test_minimum_only_where_the_program_has_one() -> None:
    b, _truth = pump(min_rate_nl_per_day=0)
    assert b.command("minimum")["k"] == m.NOT_OFFERED
    assert overlay(b) == (basal.NONE, 0, 960_000)


@pytest.mark.sr("SR-02")
def test_under_an_alarm_a_rate_may_be_lowered_and_not_raised() -> None:
    b, _truth = pump()
    b.pump.raise_alarm(b.pump.now_ms(), faults.A_STEPS_MISSING, 5)
    refused = b.command("temp", nlday=960_001, ms=HOUR)
    assert (refused["k"], refused["v"]) == (m.ALARM, faults.A_STEPS_MISSING)
    assert b.command("temp", nlday=900_000, ms=HOUR)["r"] == 0
    assert b.command("minimum")["r"] == 0
    assert b.command("normal")["r"] == 0


@pytest.mark.parametrize("name", ["temp", "minimum", "normal"])
@pytest.mark.parametrize("state", [states.OFF, states.HELD])
def test_only_while_infusing(name: str, state: int) -> None:
    b, _truth = pump()
    b.command("stop" if state == states.OFF else "hold")
    answer = b.command(name, **({"nlday": 1_000, "ms": HOUR} if name == "temp" else {}))
    assert (answer["k"], answer["v"]) == (m.STATE, state)


def test_a_hold_does_not_stretch_a_temporary_rate() -> None:
    b, _truth = pump()
    b.command("temp", nlday=100_000, ms=2 * HOUR)
    b.advance(HOUR)
    b.command("hold")
    b.advance(HOUR // 2)
    b.command("resume")
    assert overlay(b) == (basal.TEMP, HOUR // 2, 100_000)
    b.advance(HOUR // 2)
    assert overlay(b) == (basal.NONE, 0, 960_000)


def test_one_that_ends_in_a_hold_is_over_when_therapy_goes_on() -> None:
    b, _truth = pump()
    b.command("temp", nlday=100_000, ms=HOUR)
    b.command("hold")
    b.advance(2 * HOUR)
    edges, now_ms = b.edges(), b.pump.now_ms()
    b.command("resume")
    assert overlay(b) == (basal.NONE, 0, 960_000)
    b.advance(HOUR)
    assert abs((b.edges() - edges) * 41.28249 - 960_000 * (b.pump.now_ms() - now_ms) / 86_400_000) < 2 * 41.3


@pytest.mark.parametrize("name", ["temp", "minimum"])
@pytest.mark.parametrize("act", ["stop", "activate"])
def test_off_and_a_new_program_end_what_lies_over_the_schedule(name: str, act: str) -> None:
    b, _truth = pump()
    b.command(name, **({"nlday": 1_000, "ms": 9 * HOUR} if name == "temp" else {}))
    if act == "stop":
        b.command("stop")
        b.command("start")
    else:
        assert b.activate(flex_program(name="another"))["r"] == 0
    assert overlay(b) == (basal.NONE, 0, 960_000)
    assert b.of(events.OVERLAY)[-1].detail == basal.NONE
    b.restart()
    assert b.status()["ovl"] == basal.NONE


# --- titration --------------------------------------------------------------------------------------------------------------
RULE = {"raise_per_mille": 100, "raise_window_ms": 6 * HOUR}


def titrated() -> Bench:
    """480 uL/day, 10 % more in 6 h."""
    return Bench().running(steady(480_000))


def steady(rate: int, **changes: Any) -> dict[str, Any]:
    return flex_program([[(0, rate)]], rate_nl_per_day=0, **{**RULE, **changes})


def refused(b: Bench, rate: int, limit: int, **changes: Any) -> bool:
    answer = b.activate(steady(rate, **changes))
    return (answer["r"], answer["k"], answer["v"], answer["l"]) == (m.REFUSED, m.TITRATION, rate, limit)


@pytest.mark.sr("SR-02")
def test_a_program_may_raise_the_day_by_its_rule_and_no_more() -> None:
    b = titrated()
    assert refused(b, 528_001, 528_000)
    assert b.activate(steady(528_000))["r"] == 0
    b.advance(HOUR)
    assert refused(b, 528_001, 528_000)  # it is used up
    b.restart()
    assert refused(b, 528_001, 528_000)  # a reset does not give it back
    assert b.activate(steady(300_000))["r"] == 0
    assert b.activate(steady(528_000))["r"] == 0  # and going down loses nothing of it
    b.advance(6 * HOUR)
    assert refused(b, 580_801, 580_800)
    assert b.activate(steady(580_800))["r"] == 0
    assert b.pump.fault == 0


@pytest.mark.sr("SR-02")
def test_a_looser_rule_in_the_new_program_does_not_let_it_in() -> None:
    b = titrated()
    assert refused(b, 600_000, 528_000, raise_per_mille=10_000)
    assert refused(b, 600_000, 528_000, raise_per_mille=0, raise_window_ms=0)
