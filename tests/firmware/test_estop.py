"""The emergency stop: no edge after the press but a pulse under way, in every state; and what it takes to go on."""

from typing import Any

import pytest
from harness import Bench, board_config, program

from thecal.core import events, faults, states
from thecal.core import messages as m

MIN = 60_000
HOUR = 3_600_000


def pump(**changes: Any) -> Bench:
    b = Bench().running(program(**{"patient_bolus_nl": 40_000, "patient_bolus_ms": 60_000, **changes}))
    b.advance(HOUR)
    return b


def in_motion(b: Bench) -> Bench:
    """To the middle of a lease, or to before its one step."""
    for _ in range(4000):
        if b.pump.motor.busy() and (b.world.pulser.done or b.world.pulser.count == 1):
            return b
        b.advance(3)
    raise AssertionError("it never moves")


def stopped(b: Bench) -> None:
    """Press now: nothing comes any more, EN is off, the truth is inside the ledger's interval."""
    edges = b.edges()
    b.estop(True)
    assert not b.world.en
    assert b.edges() - edges <= 1
    assert faults.A_ESTOP in b.pump.alarms.held()
    edges = b.edges()
    b.advance(HOUR)
    assert b.edges() == edges
    assert not b.world.en
    ledger = b.pump.ledger
    assert ledger.unsettled == 0
    assert ledger.min_steps <= edges <= ledger.max_steps
    assert b.status()["stop"] == 1


@pytest.mark.sr("SR-04")
@pytest.mark.parametrize("act", ["infusing", "bolus", "held", "off"])
def test_it_stops_at_once_from_every_state(act: str) -> None:
    b = pump()
    if act == "bolus":
        assert b.command("patient")["r"] == 0
    elif act in ("held", "off"):
        b.command("hold" if act == "held" else "stop")
        b.advance(5_000)
    if act in ("infusing", "bolus"):
        in_motion(b)
    stopped(b)
    assert b.pump.state == states.OFF
    assert b.pump.fault == 0
    assert [(r.b, r.detail) for r in b.of(events.INPUT)] == [(1, events.IN_ESTOP)]
    if act != "off":
        assert b.of(events.STATE)[-1].detail == states.E_ESTOP
    if act == "bolus":
        assert [(r.b, r.detail) for r in b.of(events.BOLUS_END)] == [(40_000, 0)]


@pytest.mark.sr("SR-04")
@pytest.mark.parametrize("rev", [0, 1])
def test_it_stops_a_set_up_motion(rev: int) -> None:
    b = Bench()
    assert b.command("move", k=m.JOG, n=2_000, ms=20_000, rev=rev, det=1)["r"] == 0
    b.advance(7_300)
    assert b.pump.motor.busy()
    edges = b.edges()
    b.estop(True)
    assert not b.world.en
    assert abs(b.edges() - edges) <= 1
    edges = b.edges()
    b.advance(HOUR)
    assert b.edges() == edges
    assert b.pump.state == states.OFF
    ledger = b.pump.ledger
    assert (ledger.motion, ledger.unsettled) == (0, 0)
    ended = b.of(events.MOVE_END)
    assert len(ended) == 1 and ended[0].detail == 0
    assert 0 < ended[0].c <= 2_000 - abs(edges)
    assert ledger.intent >= abs(edges)


@pytest.mark.sr("SR-04")
def test_it_stops_in_the_turn_in_which_it_is_seen() -> None:
    """Not after the lease, not after the write that is due: one turn of the loop."""
    b = pump(rate_nl_per_day=24_000_000, max_rate_nl_per_day=24_000_000, limit_1h_nl=10**8, limit_4h_nl=10**8, limit_24h_nl=10**8)
    in_motion(b)
    b.world.inputs.press("estop", 1)
    edges = b.edges()
    b.turn()
    assert not b.world.en and not b.world.pulser.busy()
    b.world.go(b.world.now + 2_000_000)
    assert b.edges() == edges


@pytest.mark.sr("SR-04")
def test_while_it_is_pressed_nothing_starts() -> None:
    b = pump()
    b.estop(True)
    for name, wish in (
        ("start", {}),
        ("move", {"k": m.JOG, "n": 10, "ms": 1_000, "rev": 0, "det": 1}),
        ("move", {"k": m.HOME, "n": 10, "ms": 1_000, "rev": 0, "det": 1}),
    ):
        answer = b.command(name, **wish)
        assert (answer["r"], answer["k"]) == (m.REFUSED, m.ESTOP), name
    for name, wish in (("patient", {}), ("resume", {}), ("bolus", {"nl": 1_000, "ms": 1_000})):
        assert b.command(name, **wish)["k"] == m.STATE
    assert b.command("ack")["r"] == 0
    assert b.pump.alarms.held() == [faults.A_ESTOP]  # its cause is present
    assert b.command("start")["k"] == m.ESTOP
    b.estop(False)
    assert b.pump.alarms.held() == []
    assert b.command("start")["r"] == 0


@pytest.mark.sr("SR-30")
def test_released_it_is_held_until_acknowledged_and_therapy_waits_for_a_start() -> None:
    b = pump()
    b.estop(True)
    b.advance(MIN)
    b.estop(False)
    edges = b.edges()
    b.advance(HOUR)
    assert (b.pump.state, b.edges()) == (states.OFF, edges)
    assert b.pump.alarms.held() == [faults.A_ESTOP]
    assert [(r.b, r.detail) for r in b.of(events.INPUT)] == [(1, events.IN_ESTOP), (0, events.IN_ESTOP)]
    b.command("ack")
    assert b.pump.alarms.held() == []


@pytest.mark.sr("SR-04")
@pytest.mark.parametrize("ack", [True, False])
def test_it_stops_again_and_again(ack: bool) -> None:
    """Also when the alarm of the first time was never acknowledged."""
    b = pump()
    for _ in range(3):
        b.estop(True)
        b.advance(1_000)
        b.estop(False)
        if ack:
            b.command("ack")
        assert b.command("start")["r"] == 0
        b.advance(10 * MIN)
        assert b.pump.state == states.INFUSING
        in_motion(b)
    stopped(b)
    assert b.pump.state == states.OFF


@pytest.mark.sr("SR-04")
def test_it_is_not_missed_when_somebody_else_reads_the_inputs_first() -> None:
    """A `status`, or a motion that looks for home, between the press and the loop's own look."""
    b = pump()
    in_motion(b)
    b.world.inputs.press("estop", 1)
    assert b.pump.board.inputs.read() & 2
    b.turn()
    assert b.pump.state == states.OFF
    assert not b.world.en


@pytest.mark.sr("SR-04")
def test_a_tap_of_a_millisecond_is_enough() -> None:
    b = pump()
    in_motion(b)
    b.world.inputs.press("estop", 1)
    b.turn()
    b.world.inputs.press("estop", 0)
    b.settle()
    assert b.pump.state == states.OFF
    edges = b.edges()
    b.advance(HOUR)
    assert b.edges() == edges


@pytest.mark.sr("SR-04")
def test_pressed_through_a_reset_therapy_does_not_come_back() -> None:
    b = pump()
    b.power_off()
    b.state["inputs"] = 2
    edges = b.state["plant"]["edges"]
    b.boot()
    b.advance(HOUR)
    assert (b.pump.state, b.edges()) == (states.OFF, edges)
    assert faults.A_ESTOP in b.pump.alarms.held()
    assert b.command("start")["k"] == m.ESTOP


def test_a_broken_wire_stops_a_board_that_has_one_and_only_that() -> None:
    config = board_config()
    del config["pins"]["estop"]
    b = Bench(config=config).running()
    b.advance(HOUR)
    b.estop(True)
    edges = b.edges()
    b.advance(HOUR)
    assert b.edges() - edges > 400
    assert b.status()["stop"] is None


@pytest.mark.parametrize("state", ["safe", "unborn"])
def test_in_safe_and_before_provisioning_it_changes_nothing_but_says_so(state: str) -> None:
    b = Bench(born=False)
    b.boot()
    if state == "safe":
        b = pump()
        b.pump.fail(b.pump.now_ms(), faults.SERVICE_DIED)
        b.settle()
    before, seq = b.pump.state, b.pump.ledger.seq
    b.estop(True)
    b.advance(MIN)
    assert (b.pump.state, b.pump.ledger.seq) == (before, seq)
    assert faults.A_ESTOP in b.pump.alarms.held()
    assert b.pump.fault == (faults.SERVICE_DIED if state == "safe" else 0)
