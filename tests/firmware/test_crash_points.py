"""Power fails at each crash point of firmware/DESIGN.md (`The way of a dose`). After every one: the board boots, the truth
(edges the motor really made) lies in [min, max], no acknowledged dose is lost, and what was over-counted is at most one chunk.

    1 before the intent write          2 in the torn intent write    3 after the write, before motion
    4 in motion                        5 after motion, before settling
"""

import pytest
from harness import Bench

from thecal.core import events, states
from thecal_twin import chip

HOUR = 3_600_000


def bench() -> Bench:
    b = Bench().running()
    b.advance(HOUR)
    return b


def check(b: Bench, chunk: int) -> None:
    """After power came back."""
    ledger = b.pump.ledger
    assert b.pump.fault == 0
    assert b.pump.state == states.INFUSING
    assert ledger.min_steps <= b.edges() <= ledger.max_steps
    assert ledger.max_steps - b.edges() <= chunk
    before = b.edges()
    b.advance(HOUR)
    assert b.pump.ledger.min_steps <= b.edges() <= b.pump.ledger.max_steps
    assert abs(b.edges() - before - 484) <= 2  # therapy goes on at 0.48 mL/day = 484.5 steps an hour


def next_chunk_write(b: Bench) -> None:
    """Advance to just before the next intent write: the whole chunk is used up and the next step is not yet due."""
    while b.pump.ledger.durable_intent - b.pump.motor.position > 1:
        b.advance(500)


@pytest.mark.sr("SR-05")
@pytest.mark.parametrize("phase", ["before", "torn", "after"])
@pytest.mark.parametrize("operation", range(1, 7))
def test_power_fails_at_each_flash_operation_of_an_intent_write(phase: str, operation: int) -> None:
    """Crash points 1, 2 and 3: tmp file and rename are several programs and erases; each is cut before, torn and after."""
    b = bench()
    next_chunk_write(b)
    chunk = b.pump.ledger.intent - b.pump.ledger.settled
    b.image.flash.plan_cut(operation, phase)
    with pytest.raises(chip.PowerCut):
        b.advance(30 * 60_000)
    b.restart()
    check(b, chunk)


@pytest.mark.sr("SR-05")
def test_after_the_write_before_motion() -> None:
    """Crash point 3 exactly: the intent is durable and not one step of it has moved."""
    b = bench()
    next_chunk_write(b)
    writes = b.pump.ledger.writes
    while b.pump.ledger.writes == writes:
        due_us = b.pump.clock_ms(b.turn()) * 1000
        b.world.go(max(b.world.now, due_us))
    assert b.edges() <= b.pump.ledger.settled + 1
    chunk = b.pump.ledger.unsettled
    b.restart()
    check(b, chunk)
    assert b.pump.ledger.uncertain == chunk


@pytest.mark.sr("SR-05")
@pytest.mark.parametrize("after_steps", [1, 5, 10, 18])
def test_in_motion(after_steps: int) -> None:
    """Crash point 4: inside a chunk, after some of its steps."""
    b = bench()
    next_chunk_write(b)
    start = b.edges()
    while b.edges() < start + after_steps:
        b.advance(200)
    chunk = b.pump.ledger.intent - b.pump.ledger.settled
    b.restart()
    check(b, chunk)
    recovered = [r for r in b.log() if r.code == events.RECOVERED]
    assert len(recovered) == 1
    assert recovered[0].b == chunk


@pytest.mark.sr("SR-05")
def test_in_the_middle_of_a_lease() -> None:
    """Crash point 4, finer: a fast bolus, power gone between two edges of one batch."""
    b = bench()
    assert b.command("bolus", nl=80_000, ms=60_000)["r"] == 0
    b.advance(3_000)
    while not b.pump.motor.busy():
        b.advance(7)
    b.world.go(b.world.now + 100_000)
    chunk = b.pump.ledger.unsettled
    b.restart()
    assert b.pump.ledger.min_steps <= b.edges() <= b.pump.ledger.max_steps
    assert b.pump.ledger.max_steps - b.edges() <= chunk


@pytest.mark.sr("SR-05")
def test_after_motion_before_settling() -> None:
    """Crash point 5: every step of the chunk has moved; the ledger
    does not know yet. The truth is the upper end of the interval."""
    b = bench()
    next_chunk_write(b)
    while b.pump.ledger.durable_intent != b.pump.motor.position:  # single turns: the very next one would write the next intent
        b.world.go(max(b.world.now, b.pump.clock_ms(b.turn()) * 1000))
    while b.pump.motor.busy():
        b.world.go(b.world.now + 1000)
    assert b.edges() == b.pump.ledger.durable_intent
    chunk = b.pump.ledger.unsettled
    b.restart()
    assert b.pump.ledger.max_steps == b.edges()
    check(b, chunk)


@pytest.mark.sr("SR-07")
def test_no_bolus_resumes_and_the_lockout_goes_on() -> None:
    b = bench()
    assert b.command("bolus", nl=40_000, ms=600_000)["r"] == 0
    b.advance(120_000)
    b.restart()
    steps = b.edges()
    b.advance(HOUR)
    assert abs(b.edges() - steps - 484) <= 2
    assert b.ask(c="status")["alarm"] != 0
    assert b.command("bolus", nl=40_000, ms=600_000)["k"] == 6  # LOCKOUT


@pytest.mark.sr("SR-07")
def test_basal_waits_where_the_policy_says_so() -> None:
    from harness import program

    b = Bench().running(program(basal_resumes=0))
    b.advance(HOUR)
    b.restart()
    assert b.pump.state == states.OFF
    steps = b.edges()
    b.advance(HOUR)
    assert b.edges() == steps


@pytest.mark.sr("SR-06")
def test_board_time_after_a_cut_is_the_shortest_possible_and_an_alarm_says_so() -> None:
    b = bench()
    before = b.pump.ledger.t_ms
    b.restart()
    assert before <= b.pump.now_ms() <= before + 1000
    assert any(r.code == events.ALARM and r.detail == 2 for r in b.log())


@pytest.mark.sr("SR-32")
def test_sequences_never_repeat_and_a_loss_shows_as_a_gap() -> None:
    b = bench()
    seen = [r.seq for r in b.log()]
    b.advance(20 * 60_000)  # lazy dose records are in RAM now
    lost = b.pump.journal.next_seq - b.pump.journal.durable_seq
    assert lost > 0
    b.restart()
    after = b.log()
    sequences = [r.seq for r in after]
    assert sequences == sorted(set(sequences))
    assert sequences[: len(seen)] == seen
    gap = [r for r in after if r.code == events.GAP]
    assert len(gap) == 1 and gap[0].c == lost


@pytest.mark.sr("SR-14")
def test_the_reservoir_is_counted_from_the_most_that_can_have_left_it() -> None:
    b = bench()
    b.restart()
    ledger = b.pump.ledger
    assert ledger.min_steps < ledger.max_steps
    assert b.pump.reservoir_left_nl() == 20_000_000 - -(-ledger.max_steps * 41_282_490_964 // 1_000_000_000)
