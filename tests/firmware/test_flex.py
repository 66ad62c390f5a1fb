"""Flex programs on the whole firmware: the schedule's edges, the clock it needs, and what holds without one."""

import pytest
from firmware.day_oracle import DAY_MS, Oracle, Pattern
from harness import MONDAY_MS, NIGHT_AND_DAY, Bench, flex_program

from thecal.core import basal, events, faults, states
from thecal.core import messages as m

HOUR = 3_600_000
WEEKDAY: Pattern = [(0, 240_000), (360, 960_000), (361, 0), (600, 480_000), (1_439, 2_000)]
WEEKEND: Pattern = [(30 * k, 100_000 + 37_000 * (k % 7)) for k in range(48)]
WEEK = [1, 1, 1, 1, 1, 2, 2]


def pump(offset_min: int = 0) -> tuple[Bench, Oracle]:
    """Running on the safe rate of 240 uL/day; the clock is not set."""
    fields = flex_program([WEEKDAY, WEEKEND], WEEK, utc_offset_biased_min=1440 + offset_min)
    b = Bench().running(fields)
    return b, Oracle([WEEKDAY, WEEKEND], WEEK, 240_000, offset_min, b.pump.now_ms())


def follow(b: Bench, truth: Oracle, ms: int) -> None:
    """Let time pass; the edges are those of the oracle to within one step."""
    b.advance(ms)
    want = truth.to(b.pump.now_ms()).steps()
    assert abs(b.edges() - want) < 1, (b.pump.now_ms(), b.edges(), float(want))


@pytest.mark.sr("SR-24")
def test_edges_equal_the_oracle_at_every_step_of_the_schedule() -> None:
    """Saturday evening to Monday noon: both patterns, 48 steps a day, a rate of nothing, steps of one minute, midnight."""
    b, truth = pump()
    b.set_clock(MONDAY_MS + 5 * DAY_MS + 20 * HOUR + 1_234)
    truth.clock(b.pump.now_ms(), MONDAY_MS + 5 * DAY_MS + 20 * HOUR + 1_234)
    changes = 0
    while truth.unix_ms() < MONDAY_MS + 7 * DAY_MS + 12 * HOUR:
        follow(b, truth, truth.to_next_change_ms())
        changes += 1
    assert changes == 8 + 48 + 4
    assert b.pump.fault == 0
    assert faults.A_LIMIT_NARROWED not in b.pump.alarms.held()


@pytest.mark.parametrize("offset_min", [-14 * 60, -210, 330, 14 * 60])
def test_the_schedule_is_in_local_time(offset_min: int) -> None:
    b, truth = pump(offset_min)
    b.set_clock(MONDAY_MS + 6 * DAY_MS)
    truth.clock(b.pump.now_ms(), MONDAY_MS + 6 * DAY_MS)
    for _ in range(4):
        follow(b, truth, 5 * HOUR)
        assert b.status()["rate"] == truth.rate()


@pytest.mark.sr("SR-24")
def test_without_a_clock_the_safe_rate_runs_with_an_alarm() -> None:
    b, truth = pump()
    assert b.pump.alarms.active(faults.MEDIUM) == faults.A_CLOCK_UNKNOWN
    status = b.status()
    assert (status["rate"], status["wall"], status["chg"], status["chgrate"]) == (240_000, None, None, None)
    follow(b, truth, 13 * HOUR)
    answer = b.command("patient")
    assert (answer["r"], answer["k"], answer["v"]) == (m.REFUSED, m.ALARM, faults.A_CLOCK_UNKNOWN)
    assert "w" not in answer
    b.set_clock(MONDAY_MS + 5 * HOUR)
    truth.clock(b.pump.now_ms(), MONDAY_MS + 5 * HOUR)
    assert b.pump.alarms.active(faults.LOW) == 0
    assert b.command("ack")["r"] == 0
    assert b.pump.alarms.held() == []
    assert b.command("patient")["r"] == 0
    status = b.status()
    assert (status["rate"], status["wall"], status["chg"], status["chgrate"]) == (240_000, MONDAY_MS + 5 * HOUR, HOUR, 960_000)


@pytest.mark.sr("SR-24")
def test_after_a_reset_the_clock_is_unknown_again() -> None:
    b, _truth = pump()
    b.set_clock(MONDAY_MS + 7 * HOUR)
    b.command("ack")
    b.advance(HOUR)
    b.restart()
    assert b.pump.state == states.INFUSING
    assert b.status()["wall"] is None
    assert b.status()["rate"] == 240_000
    assert b.pump.alarms.active(faults.MEDIUM) == faults.A_CLOCK_UNKNOWN
    edges, now_ms = b.edges(), b.pump.now_ms()
    b.advance(5 * HOUR)
    safe = Oracle([WEEKDAY, WEEKEND], WEEK, 240_000, 0, now_ms).to(b.pump.now_ms())
    assert abs(b.edges() - edges - safe.steps()) <= 2


@pytest.mark.parametrize("jump_ms", [6 * HOUR, -5 * HOUR, 3 * DAY_MS, -3 * DAY_MS, 1, -1, 0])
def test_a_clock_set_forward_or_back_holds_from_that_moment(jump_ms: int) -> None:
    b, truth = pump()
    b.set_clock(MONDAY_MS + 4 * DAY_MS + 5 * HOUR)
    truth.clock(b.pump.now_ms(), MONDAY_MS + 4 * DAY_MS + 5 * HOUR)
    follow(b, truth, 2 * HOUR)
    answer = b.set_clock(truth.unix_ms() + jump_ms)
    truth.clock(b.pump.now_ms(), truth.unix_ms() + jump_ms)
    assert (answer["v"], answer["l"]) == (abs(jump_ms) // 1000, 1 if jump_ms < 0 else 0)
    assert b.status()["rate"] == truth.rate()
    for _ in range(2):
        follow(b, truth, 4 * HOUR)
    way = events.CLOCK_BACK if jump_ms < 0 else events.CLOCK_FORWARD
    clocks = [(r.b, r.detail) for r in b.of(events.CLOCK)]
    assert clocks == [(0, events.CLOCK_FIRST), (abs(jump_ms) // 1000, way)]
    assert b.pump.fault == 0


def test_the_clock_is_refused_outside_this_century_and_changes_nothing() -> None:
    b, _truth = pump()
    for unix_ms in (0, 1_577_836_799_999, 4_102_444_800_001):
        assert b.command("clock", u=unix_ms)["r"] == m.BAD_REQUEST
    assert b.status()["wall"] is None


def test_changes_of_rate_are_logged_with_their_reason() -> None:
    b = Bench().running(flex_program())
    began_ms = b.pump.now_ms()
    b.set_clock(MONDAY_MS + 7 * HOUR)
    b.advance(2 * HOUR)
    b.set_clock(MONDAY_MS + 21 * HOUR)
    b.advance(2 * HOUR)
    rates = [(round((r.t_ms - began_ms) / 60_000), r.b, r.detail) for r in b.of(events.RATE)][-3:]
    assert rates == [(0, 480_000, basal.WHY_CLOCK), (60, 960_000, basal.WHY_SCHEDULE), (180, 240_000, basal.WHY_SCHEDULE)]


def test_steps_of_the_schedule_cost_no_write_of_their_own() -> None:
    """48 changes a day on every day would be 17,000 prompt records a year."""
    b = Bench().running(flex_program([[(30 * k, 24_000 + 1_000 * k) for k in range(48)]]))
    b.set_clock(MONDAY_MS)
    b.advance(60_000)
    writes = b.pump.store.writes
    b.advance(4 * HOUR)
    chunks = b.edges() // (1_600 * 10**9 // 41_282_490_964)
    assert b.pump.store.writes - writes <= chunks + 4 + 4  # 4 hourly sensor records, lazy records by the 16


def test_a_new_program_takes_the_clock_over() -> None:
    b = Bench().running(flex_program())
    b.set_clock(MONDAY_MS + 9 * HOUR)
    assert b.activate(flex_program([[*NIGHT_AND_DAY[:1], (480, 720_000)]]))["r"] == 0
    assert b.status()["rate"] == 720_000
    assert faults.A_CLOCK_UNKNOWN not in [a for a in b.pump.alarms.held() if b.pump.alarms.active(1) == a]


def test_daylight_saving_is_a_new_program_and_nothing_else() -> None:
    b = Bench().running(flex_program())
    b.set_clock(MONDAY_MS + 7 * HOUR + HOUR // 2)
    assert b.status()["rate"] == 480_000
    assert b.activate(flex_program(utc_offset_biased_min=1500))["r"] == 0
    assert b.status()["rate"] == 960_000
    assert b.status()["wall"] == MONDAY_MS + 7 * HOUR + HOUR // 2


def test_off_and_on_again_keeps_the_clock() -> None:
    b = Bench().running(flex_program())
    b.set_clock(MONDAY_MS + 9 * HOUR)
    b.command("stop")
    b.advance(13 * HOUR)
    assert b.command("start")["r"] == 0
    assert b.status()["rate"] == 240_000
    assert b.pump.alarms.active(1) == 0
