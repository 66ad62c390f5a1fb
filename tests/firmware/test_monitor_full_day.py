"""The second channel on the running pump through everything a day can hold: schedule, clock, temporary and minimum rate, boluses,
set-up motions. A correct pump never trips it; one that runs ahead of what flash says does."""

from typing import Any

import pytest
from harness import Bench, program

from thecal.core import faults, messages, states
from thecal.core.schedule import pack_day
from thecal_twin import faults as twin_faults

MINUTE = 60_000
HOUR = 3_600_000
MONDAY = 1_767_571_200_000  # 2026-01-05 00:00 UTC
NIGHT = [(0, 960_000), (45, 0), (60, 240_000), (97, 960_000), (120, 0), (240, 48_000), (720, 960_000), (780, 480_000)]


def flex(steps: list[tuple[int, int]], **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "mode": 2,
        "week": bytes([1] * 7),
        "day_1": pack_day(steps),
        "rate_nl_per_day": 240_000,
        "max_temp_ms": 24 * HOUR,
        "min_rate_nl_per_day": 48_000,
        "limit_24h_nl": 1_500_000,
        "limit_4h_nl": 400_000,
        "limit_1h_nl": 180_000,
        "bolus_lockout_ms": 30 * MINUTE,
        "boluses_per_24h": 8,
        "chunk_nl": 1_600,
    }
    made.update(changes)
    return program(**made)


def running(fields: dict[str, Any], unix_ms: int | None = MONDAY) -> Bench:
    b = Bench()
    if unix_ms is not None:
        assert b.command("clock", u=unix_ms)["r"] == 0
    return b.running(fields)


def quiet(b: Bench) -> bool:
    return (b.pump.monitor.tripped, b.pump.fault) == (0, 0)


def sums(b: Bench) -> list[int]:
    return list(b.pump.monitor._sums)


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("minute", [0, 7])
def test_a_day_of_everything_trips_nothing(minute: int) -> None:
    b = running(flex(NIGHT), MONDAY + minute * MINUTE)
    b.advance(20 * MINUTE + 999)
    assert b.command("bolus", nl=60_000, ms=20 * MINUTE)["r"] == 0  # ends where no rate is
    b.advance(30 * MINUTE)
    assert b.command("temp", nlday=960_000, ms=40 * MINUTE)["r"] == 0
    b.advance(44 * MINUTE + 700)  # past its end
    assert b.command("temp", nlday=1_000, ms=HOUR)["r"] == 0
    b.advance(14 * MINUTE)
    assert b.command("normal")["r"] == 0
    b.advance(3 * MINUTE)
    assert b.command("clock", u=MONDAY + 13 * HOUR)["r"] == 0
    b.advance(16 * MINUTE)
    assert b.command("clock", u=MONDAY + 11 * HOUR + 59 * MINUTE)["r"] == 0
    b.advance(20 * MINUTE)
    assert b.command("minimum")["r"] == 0
    b.advance(40 * MINUTE)
    assert b.command("hold", ms=20 * MINUTE)["r"] == 0
    b.advance(25 * MINUTE)
    assert b.pump.state == states.INFUSING
    assert b.command("normal")["r"] == 0
    assert b.activate(flex([(0, 48_000), (725, 960_000)], rate_nl_per_day=1_000))["r"] == 0
    b.advance(2 * HOUR)
    b.restart()
    b.advance(HOUR)
    assert b.command("clock", u=MONDAY + 5 * HOUR)["r"] == 0
    b.advance(9 * HOUR)
    assert quiet(b) and b.pump.state == states.INFUSING
    assert b.edges() > 5_000


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("hour", [1, 5, 12])
def test_a_doubled_stream_is_stopped_at_every_rate(hour: int) -> None:
    """Honest intents for twice the rate: the envelope is all that is left."""
    b = running(flex([(0, 240_000), (240, 480_000), (660, 960_000)]), MONDAY + hour * HOUR)
    b.advance(HOUR)
    assert quiet(b)
    acc = b.pump.delivery._acc
    acc.set_rate(2 * b.pump.delivery.rate_nl_per_day)
    b.advance(31 * MINUTE)
    assert b.pump.monitor.tripped == faults.TRIP_ENVELOPE


@pytest.mark.sr("SR-08")
def test_the_rate_of_another_hour_is_too_much() -> None:
    """Delivery's clock is an hour ahead of the one it shows the monitor: 0.96 mL/day where 0.048 is due."""
    b = running(flex([(0, 48_000), (60, 960_000)]), MONDAY)
    b.pump.basal.wall_ms += HOUR
    b.pump.monitor._envelope._wall = lambda now_ms: now_ms + b.pump.basal.wall_ms - HOUR
    b.pump.delivery.change_rate(b.pump.now_ms(), 6)
    b.advance(20 * MINUTE)
    assert b.pump.monitor.tripped == faults.TRIP_ENVELOPE


@pytest.mark.sr("SR-24")
def test_without_a_clock_the_safe_rate_and_no_more() -> None:
    b = running(flex([(0, 960_000)], rate_nl_per_day=48_000), None)
    b.advance(2 * HOUR)
    assert quiet(b) and b.edges() == 4_000 * 10**9 // 41_282_490_964
    b.pump.delivery._acc.set_rate(960_000)
    b.advance(30 * MINUTE)
    assert b.pump.monitor.tripped == faults.TRIP_ENVELOPE


@pytest.mark.sr("SR-08")
def test_a_temporary_rate_that_flash_does_not_know_is_too_much() -> None:
    b = running(flex([(0, 48_000)]))
    b.advance(10 * MINUTE)
    b.pump.basal.lay(1, 960_000, b.pump.now_ms() + 5 * HOUR)
    b.pump.delivery.change_rate(b.pump.now_ms(), 2)
    b.advance(20 * MINUTE)
    assert b.pump.monitor.tripped == faults.TRIP_ENVELOPE


@pytest.mark.sr("SR-08")
def test_a_purge_is_no_dose_and_a_prime_is() -> None:
    b = running(flex([(0, 480_000)]))
    b.advance(14 * MINUTE)
    assert b.command("stop")["r"] == 0
    b.advance(2000)
    dosed, edges = sums(b), b.pump.monitor.edges()
    assert dosed[0] == edges > 100
    assert b.command("move", k=messages.PURGE, n=5_000, ms=20_000, rev=0, det=1)["r"] == 0
    b.advance(30_000)
    assert b.pump.monitor.edges() == edges + 5_000
    assert sums(b) == dosed
    assert b.command("move", k=messages.JOG, n=200, ms=300, rev=1, det=0)["r"] == 0
    b.advance(10_000)
    assert sums(b) == dosed
    assert b.command("move", k=messages.PRIME, n=300, ms=5_000, rev=0, det=0)["r"] == 0
    b.advance(20_000)
    assert b.pump.monitor.edges() == edges + 5_500
    assert sums(b) == [total + 300 for total in dosed]
    assert b.command("start")["r"] == 0
    b.advance(HOUR)
    assert quiet(b)


@pytest.mark.sr("SR-08")
def test_a_doubled_motion_goes_beyond_its_intent() -> None:
    b = running(flex([(0, 480_000)]))
    b.command("stop")
    b.advance(2000)
    edges = b.edges()
    twin_faults.inject(b.world, "double_steps", 1)
    assert b.command("move", k=messages.PURGE, n=10_000, ms=30_000, rev=0, det=1)["r"] == 0
    b.advance(2 * MINUTE)
    assert b.pump.monitor.tripped == faults.TRIP_INTENT
    assert b.edges() - edges < 6_000  # a chunk of 1024 and a look of 2 s at 667 steps a second, against 20,000


@pytest.mark.sr("SR-08")
def test_a_purge_cut_off_by_a_restart_counts_as_a_dose_once() -> None:
    """What was open when the power went is counted as a dose by the ledger, the safe side; what was settled is not."""
    b = running(flex([(0, 480_000)]))
    b.command("stop")
    b.advance(2000)
    dosed = sums(b)[0]
    assert b.command("move", k=messages.PURGE, n=5_000, ms=20_000, rev=0, det=1)["r"] == 0
    b.advance(10_000)
    b.restart()
    assert dosed <= sums(b)[0] <= dosed + 1024
    assert b.pump.state == states.OFF
    b.command("start")
    b.advance(HOUR)
    assert quiet(b)


@pytest.mark.sr("SR-08")
def test_a_button_bolus_is_a_promise_to_the_monitor() -> None:
    """Its command id is 1; what counts is the volume."""
    b = running(flex([(0, 0)], patient_bolus_nl=40_000, patient_bolus_ms=10 * MINUTE, rate_nl_per_day=0))
    b.advance(20 * MINUTE)
    assert b.command("patient")["r"] == 0
    b.advance(30 * MINUTE)
    assert quiet(b)
    assert b.edges() == 40_000 * 10**9 // 41_282_490_964
