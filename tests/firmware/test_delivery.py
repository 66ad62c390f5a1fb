"""Delivery on the virtual chip against the programmed volume: rates,
boluses, holds, changes; and the leases the hardware is given."""

from fractions import Fraction

import pytest
from harness import Bench, program

from thecal.core import events, faults, states
from thecal.drivers.motor import LEASE_MAX_STEPS, LEASE_MAX_US, Motor, PermitRefused

HOUR = 3_600_000
STEP_NL = Fraction(41_282_490_964, 1_000_000_000)


def steps_for(rate_nl_per_day: int, ms: int) -> Fraction:
    return Fraction(rate_nl_per_day * ms, 86_400_000) / STEP_NL


@pytest.mark.parametrize("rate", [48_000, 480_000, 1_000_000, 24_000_000])
def test_a_rate_is_held_to_one_step(rate: int) -> None:
    b = Bench().running(
        program(rate_nl_per_day=rate, max_rate_nl_per_day=rate, limit_1h_nl=10**8, limit_4h_nl=10**8, limit_24h_nl=6 * 10**8)
    )
    for hours in (1, 2, 5):
        b.advance(HOUR * hours)
        assert abs(b.edges() - steps_for(rate, b.pump.now_ms() - 5)) < 2  # one for the bound, one for the lease in flight
    assert b.pump.fault == 0


def test_a_bolus_adds_exactly_its_volume_over_its_time() -> None:
    b = Bench().running()
    b.advance(HOUR)
    assert b.command("bolus", nl=40_000, ms=600_000)["v"] == 40_000
    b.advance(300_000)
    half = b.edges()
    assert abs(half - steps_for(480_000, HOUR + 300_000) - Fraction(20_000) / STEP_NL) < 3
    b.advance(300_000)
    assert abs(b.edges() - steps_for(480_000, HOUR + 600_000) - Fraction(40_000) / STEP_NL) < 2
    b.advance(HOUR)
    assert abs(b.edges() - steps_for(480_000, 2 * HOUR + 600_000) - Fraction(40_000) / STEP_NL) < 2
    ended = [r for r in b.log() if r.code == events.BOLUS_END]
    assert [(r.b, r.c, r.detail) for r in ended] == [(40_000, 0, 1)]


@pytest.mark.sr("SR-04")
def test_hold_and_resume_deliver_nothing_in_between_and_nothing_later() -> None:
    b = Bench().running()
    b.advance(HOUR)
    assert b.command("hold")["r"] == 0
    b.advance(2000)
    held = b.edges()
    assert not b.world.en
    b.advance(HOUR)
    assert b.edges() == held
    assert b.pump.ledger.unsettled == 0
    assert b.command("resume")["r"] == 0
    b.advance(HOUR)
    assert abs(b.edges() - steps_for(480_000, 2 * HOUR)) < 2


def test_stop_ends_a_bolus_and_says_what_is_missing() -> None:
    b = Bench().running()
    assert b.command("bolus", nl=40_000, ms=600_000)["r"] == 0
    b.advance(300_000)
    assert b.command("stop")["r"] == 0
    b.advance(5_000)
    ended = [r for r in b.log() if r.code == events.BOLUS_END]
    assert len(ended) == 1 and ended[0].detail == 0
    assert abs(ended[0].c - 20_000) < 200
    assert b.pump.state == states.OFF and not b.world.en
    assert b.pump.ledger.min_steps == b.pump.ledger.max_steps == b.edges()


def test_a_new_program_while_running_changes_the_rate_and_misses_no_step() -> None:
    b = Bench().running()
    b.advance(HOUR)
    assert b.activate(program(rate_nl_per_day=240_000))["r"] == 0
    assert b.pump.state == states.INFUSING
    b.advance(HOUR)
    assert abs(b.edges() - steps_for(480_000, HOUR) - steps_for(240_000, HOUR)) < 2


def test_leases_stay_small() -> None:
    b = Bench()
    leases: list[tuple[int, int]] = []
    start = b.world.pulser.start

    def spy(count: int, first: int, last: int) -> None:
        leases.append((count, last - first))
        start(count, first, last)

    b.pump.motor._pulser.start = spy
    fields = program(
        rate_nl_per_day=200_000_000,
        max_rate_nl_per_day=200_000_000,
        limit_1h_nl=6 * 10**8,
        limit_4h_nl=6 * 10**8,
        limit_24h_nl=6 * 10**8,
    )
    fields["chunk_nl"] = 400_000
    fields["max_bolus_nl"] = 0
    b.running(fields)
    b.advance(60_000)
    assert abs(b.edges() - steps_for(200_000_000, 60_000)) < 60  # at 56 steps/s the lease in flight is up to one second
    assert max(count for count, _span in leases) <= LEASE_MAX_STEPS
    assert max(span for _count, span in leases) <= LEASE_MAX_US
    assert len(leases) > 50


@pytest.mark.sr("SR-02")
def test_a_full_window_holds_basal_back_with_an_alarm() -> None:
    """An admitted program never meets it, so the window is filled behind the gate's back."""
    b = Bench().running()
    b.advance(HOUR)
    b.pump.ledger.windows.add(b.pump.now_ms(), 120_000 * 10**9 // 41_282_490_964)
    steps = b.edges()
    b.advance(HOUR // 2)
    assert b.edges() - steps <= 20
    assert faults.A_LIMIT_NARROWED in b.pump.alarms.held()
    b.advance(2 * HOUR)
    assert b.edges() - steps > 400


@pytest.mark.sr("SR-05")
@pytest.mark.parametrize("what", ["spent", "gap", "beyond", "busy"])
def test_the_motor_refuses_what_the_ledger_did_not_cover(what: str) -> None:
    b = Bench().running()
    b.advance(HOUR)
    while b.pump.motor.busy():
        b.advance(50)
    motor = b.pump.motor
    permit = b.pump.ledger.permit(motor.position, 1)
    now = b.world.now
    if what == "spent":
        permit.spent = True
    elif what == "gap":
        permit.first += 1
        permit.last += 1
    elif what == "beyond":
        permit.last = b.pump.ledger.durable_intent + 1
    else:
        motor.spend(b.pump.ledger.permit(motor.position, 1), now + 1000, now + 1000)
        permit = b.pump.ledger.permit(motor.position, 1)
    position = motor.position
    edges = b.world.counter
    with pytest.raises(PermitRefused):
        motor.spend(permit, now + 500_000, now + 500_000)
    assert motor.position == position
    assert b.world.counter == edges


@pytest.mark.sr("SR-04")
def test_a_fault_stop_is_immediate() -> None:
    b = Bench().running()
    assert b.command("bolus", nl=80_000, ms=60_000)["r"] == 0
    b.advance(10_000)
    while not b.pump.motor.busy():
        b.advance(3)
    b.pump.fail(b.pump.now_ms(), faults.SERVICE_DIED)
    edges = b.edges()
    b.advance(HOUR)
    assert b.edges() == edges
    assert b.pump.ledger.min_steps <= edges <= b.pump.ledger.max_steps
    assert not b.world.en
    assert isinstance(b.pump.motor, Motor)


def test_starts_and_stops_neither_gain_nor_lose_steps() -> None:
    b = Bench().running(
        program(
            rate_nl_per_day=24_000_000,
            max_rate_nl_per_day=24_000_000,
            limit_1h_nl=10**8,
            limit_4h_nl=10**8,
            limit_24h_nl=6 * 10**8,
        )
    )
    began = b.pump.now_ms()
    run_ms = b.pump.now_ms() - began
    for _ in range(60):
        b.advance(37)
        run_ms += 37
        assert b.command("hold")["r"] == 0
        b.advance(1_500)
        assert b.command("resume")["r"] == 0
    assert abs(b.edges() - steps_for(24_000_000, run_ms)) <= 8  # the lease in flight, up to one second


@pytest.mark.sr("SR-14")
def test_an_empty_reservoir_stops_delivery_with_an_alarm() -> None:
    b = Bench().running(program(reservoir_nl=40_000, reservoir_low_nl=10_000))
    b.advance(6 * HOUR)
    assert 900 <= b.edges() <= 969 + 19
    assert faults.A_RESERVOIR_EMPTY in b.pump.alarms.held()
