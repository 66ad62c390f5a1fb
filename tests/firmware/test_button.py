"""The patient's button: one press one bolus, bounces and presses held for long, floods, a button that is stuck."""

from typing import Any

import pytest
from harness import Bench, board_config, program

from thecal.core import events, faults, states
from thecal.core import messages as m

MIN = 60_000
HOUR = 3_600_000


def pump(**changes: Any) -> Bench:
    fields = {"patient_bolus_nl": 20_000, "patient_bolus_ms": 5 * MIN, "bolus_lockout_ms": 30 * MIN, "boluses_per_24h": 12}
    b = Bench().running(program(**{**fields, **changes}))
    b.advance(HOUR)
    return b


def presses(b: Bench) -> list[tuple[int, int]]:
    return [(r.b, r.detail) for r in b.of(events.INPUT)]


def test_one_press_one_bolus() -> None:
    b = pump()
    edges = b.edges()
    b.press()
    status = b.status()
    assert (status["src"], status["nbol"], status["btn"]) == (m.BY_BUTTON, 1, 0)
    b.advance(10 * MIN)
    assert abs(b.edges() - edges - (20_000 + 3_333) / 41.2825) < 4
    assert [(r.a, r.b, r.c, r.detail) for r in b.of(events.GRANT)] == [(m.BUTTON_ID, 20_000, 5 * MIN, m.BY_BUTTON)]
    assert [(r.a, r.detail) for r in b.of(events.BOLUS_END)] == [(m.BUTTON_ID, 1)]
    assert presses(b) == [(1, events.IN_BUTTON)]


def test_the_same_chain_as_the_command() -> None:
    b = pump()
    b.press()
    b.advance(6 * MIN)
    answer = b.command("patient")
    assert (answer["r"], answer["k"]) == (m.REFUSED, m.LOCKOUT)
    b.advance(25 * MIN)
    assert b.command("patient")["r"] == 0
    b.advance(10 * MIN)
    b.press()
    assert b.status()["nbol"] == 2
    unmet = b.of(events.UNMET)
    assert [(r.a, r.c, r.detail) for r in unmet] == [(answer["i"], 1, m.LOCKOUT), (m.BUTTON_ID, 2, m.LOCKOUT)]
    assert unmet[1].b == pytest.approx(20 * 60, abs=1)  # what is left of the lockout


def test_it_is_durable_before_it_moves() -> None:
    """Power gone right after: the bolus is dropped, the lockout and the count are not."""
    b = pump()
    b.press(200)
    b.restart()
    assert faults.A_BOLUS_DROPPED in b.pump.alarms.held()
    assert b.command("patient")["k"] == m.LOCKOUT
    assert b.status()["nbol"] == 1


@pytest.mark.parametrize("ms", [1, 20, 49])
def test_a_bounce_is_no_press(ms: int) -> None:
    b = pump()
    for _ in range(8):
        b.world.inputs.press("button", ms)
        b.advance(2 * ms)
    assert (b.status()["nbol"], b.status()["unmet"], presses(b)) == (0, 0, [])


def test_a_press_that_bounces_is_one_press() -> None:
    b = pump()
    for ms in (3, 7, 1, 30):
        b.world.inputs.press("button", ms)
        b.advance(ms + 2)
    b.press(400)
    for ms in (4, 2):
        b.world.inputs.press("button", ms)
        b.advance(ms + 2)
    b.advance(MIN)
    assert (b.status()["nbol"], b.status()["unmet"]) == (1, 0)


@pytest.mark.parametrize("ms", [60, 5_000])
def test_held_for_however_long_it_is_one_request(ms: int) -> None:
    b = pump(bolus_lockout_ms=0, patient_bolus_ms=1_000)
    b.press(ms)
    b.advance(MIN)
    assert (b.status()["nbol"], b.status()["unmet"]) == (1, 0)
    assert b.of(events.ALARM) == []


def test_a_stuck_button_alarms_and_asks_no_more() -> None:
    b = pump(bolus_lockout_ms=0)
    b.press(2 * HOUR)
    assert [(r.detail, r.b) for r in b.of(events.ALARM)] == [(faults.A_BUTTON_STUCK, 10)]
    assert (b.status()["nbol"], b.status()["unmet"]) == (1, 0)
    assert b.pump.alarms.active(faults.LOW) == 0  # released
    b.command("ack")
    assert b.pump.alarms.held() == []
    b.press()
    assert b.status()["nbol"] == 2


def test_a_stuck_button_does_not_forbid_a_bolus_by_command() -> None:
    b = pump(bolus_lockout_ms=0)
    b.world.inputs.press("button", HOUR)
    b.advance(10 * MIN)
    assert b.status()["btn"] == 1
    assert b.command("patient")["r"] == 0


def test_a_button_held_through_a_reset_is_not_pressed_again() -> None:
    b = pump(bolus_lockout_ms=0)
    b.world.inputs.press("button", 10 * MIN)
    b.advance(1_000)
    b.restart()
    b.advance(MIN)
    assert b.world.inputs.read() & 1
    assert b.status()["nbol"] == 1
    assert faults.A_BUTTON_STUCK in b.pump.alarms.held()
    b.advance(15 * MIN)
    b.press()
    assert b.status()["nbol"] == 2


@pytest.mark.sr("SR-32")
def test_a_flood_of_presses_is_counted_and_hardly_logged() -> None:
    """Five minutes of a press every half second: 600 presses, a handful of records, no bolus more, no time lost to flash."""
    b = pump()
    b.press()
    records, writes = len(b.log()), b.pump.store.writes
    for _ in range(600):
        b.world.inputs.press("button", 100)
        b.advance(500)
    status = b.status()
    assert (status["nbol"], status["unmet"]) == (1, 600)
    unmet = b.of(events.UNMET)
    assert len(unmet) in (5, 6)
    assert unmet[-1].c > 450
    assert len(b.of(events.INPUT)) == len(unmet) + 1
    assert len(b.log()) - records < 60  # the bolus's own chunks among them
    assert b.pump.store.writes - writes < 60
    assert b.pump.fault == 0


@pytest.mark.parametrize("state", ["off", "held", "unborn", "safe"])
def test_where_it_may_not_be_it_does_nothing_but_count(state: str) -> None:
    if state == "unborn":
        b = Bench(born=False)
        b.boot()
    else:
        b = pump()
        if state == "safe":
            b.pump.fail(b.pump.now_ms(), faults.SERVICE_DIED)
        else:
            b.command("stop" if state == "off" else "hold")
        b.advance(5_000)
    edges, before = b.edges(), b.pump.state
    b.press()
    b.advance(MIN)
    assert (b.edges(), b.pump.state) == (edges, before)
    assert b.pump.last_error is None
    assert b.pump.unmet == (0 if state == "unborn" else 1)
    assert b.pump.state != states.INFUSING


def test_a_board_without_the_input_never_hears_it() -> None:
    config = board_config()
    for pin in ("button", "estop", "home"):
        del config["pins"][pin]
    b = Bench(config=config).running(program(patient_bolus_nl=20_000, patient_bolus_ms=MIN))
    b.press()
    status = b.status()
    assert (status["btn"], status["stop"], status["home"], status["nbol"]) == (None, None, None, 0)
    assert b.command("patient")["r"] == 0
