"""Holds: timed ones remind and end by themselves, long ones alarm, and none lasts longer than the program allows."""

from typing import Any

import pytest
from harness import Bench, program

from thecal.core import events, faults, states
from thecal.core import messages as m

MIN = 60_000
HOUR = 3_600_000


def pump(**changes: Any) -> Bench:
    b = Bench().running(program(**{"max_hold_ms": 4 * HOUR, "patient_bolus_nl": 20_000, "patient_bolus_ms": 300_000, **changes}))
    b.advance(HOUR)
    return b


def alarms(b: Bench) -> list[tuple[int, int, int]]:
    """(board ms since the hold began, alarm, value) of every hold alarm, from the log."""
    began = b.of(events.HOLD)[-1].t_ms
    return [
        (r.t_ms - began, r.detail, r.b) for r in b.of(events.ALARM) if r.detail in (faults.A_HOLD_REMINDER, faults.A_INTERRUPTION)
    ]


@pytest.mark.sr("SR-04")
@pytest.mark.parametrize(("ms", "remind"), [(60 * MIN, 55 * MIN), (4 * HOUR, 4 * HOUR - 5 * MIN), (4 * MIN, 2 * MIN), (1, 0)])
def test_a_timed_hold_reminds_before_its_end_and_ends_by_itself(ms: int, remind: int) -> None:
    b = pump()
    edges = b.edges()
    answer = b.command("hold", ms=ms)
    assert answer["r"] == 0
    assert b.status()["hold"] == ms
    b.advance(ms - 1)
    assert b.pump.state == states.HELD
    assert b.edges() - edges <= 1  # the lease in flight
    assert not b.world.en or ms < 1000
    b.advance(2)
    assert b.pump.state == states.INFUSING
    assert b.status()["hold"] == 0
    held = b.edges()
    b.advance(HOUR)
    assert abs(b.edges() - held - 484) <= 1
    got = alarms(b)
    assert [(alarm, value) for _at, alarm, value in got] == [(faults.A_HOLD_REMINDER, remind // 1000)]
    assert all(abs(at - remind) <= 50 for at, _alarm, _value in got)
    assert [(r.a, r.b) for r in b.of(events.HOLD)] == [(answer["i"], ms)]
    assert b.of(events.STATE)[-1].detail == states.E_RESUME
    assert b.pump.alarms.active(faults.LOW) == 0
    b.command("ack")
    assert b.pump.alarms.held() == []


def test_a_hold_longer_than_the_program_allows_is_refused() -> None:
    b = pump()
    answer = b.command("hold", ms=4 * HOUR + 1)
    assert (answer["r"], answer["k"], answer["v"], answer["l"]) == (m.REFUSED, m.HOLD_TOO_LONG, 4 * HOUR + 1, 4 * HOUR)
    assert b.pump.state == states.INFUSING
    assert b.command("hold", ms=259_200_001)["r"] == m.BAD_REQUEST
    assert b.of(events.HOLD) == []


@pytest.mark.sr("SR-31")
def test_an_open_hold_reminds_every_quarter_of_an_hour_and_alarms_when_it_is_too_long() -> None:
    b = pump(max_hold_ms=HOUR)
    assert b.command("hold")["r"] == 0
    b.advance(3 * HOUR - MIN)
    got = [(round(at / MIN), alarm, value // 60) for at, alarm, value in alarms(b)]
    assert [g for g in got if g[1] == faults.A_HOLD_REMINDER] == [(15 * k, faults.A_HOLD_REMINDER, 15 * k) for k in range(1, 12)]
    assert [g for g in got if g[1] == faults.A_INTERRUPTION] == [(60, faults.A_INTERRUPTION, 60)]
    assert b.pump.alarms.highest() == faults.A_INTERRUPTION
    assert b.status()["alarm"] == faults.A_INTERRUPTION
    assert b.pump.state == states.HELD  # it says so; it does not start therapy by itself
    assert b.command("resume")["r"] == 0
    assert b.pump.alarms.active(faults.LOW) == 0
    b.command("ack")
    assert b.pump.alarms.held() == []


def test_a_hold_resumed_early_leaves_no_end_behind() -> None:
    b = pump()
    b.command("hold", ms=HOUR)
    b.advance(10 * MIN)
    b.command("resume")
    assert b.status()["hold"] == 0
    b.command("hold")
    b.advance(2 * HOUR)
    assert b.pump.state == states.HELD


def test_off_ends_a_hold_for_good() -> None:
    b = pump()
    b.command("hold", ms=HOUR)
    b.advance(20 * MIN)
    b.command("stop")
    assert b.status()["hold"] == 0
    b.advance(2 * HOUR)
    assert b.pump.state == states.OFF
    assert b.pump.alarms.active(faults.LOW) == 0


@pytest.mark.parametrize("what", ["direction", "estop", "reservoir"])
def test_a_hold_that_may_not_end_stays_a_hold_and_alarms(what: str) -> None:
    """An end that nobody is there to see must not begin therapy that a command would be refused."""
    b = pump(**({"reservoir_nl": 19_950, "reservoir_low_nl": 1_000} if what == "reservoir" else {}))
    b.command("hold", ms=HOUR)
    b.advance(30 * MIN)
    if what == "direction":
        b.command("direction", ok=0)
    elif what == "estop":
        b.estop(True)
    b.advance(HOUR)
    edges = b.edges()
    if what == "estop":
        assert b.pump.state == states.OFF
    else:
        assert b.pump.state == states.HELD
        assert b.status()["hold"] == 0
        assert b.pump.alarms.highest() == faults.A_INTERRUPTION
    b.advance(HOUR)
    assert b.edges() == edges


@pytest.mark.sr("SR-03")
def test_no_bolus_in_a_hold() -> None:
    b = pump()
    b.command("hold", ms=HOUR)
    for name, wish in (("patient", {}), ("bolus", {"nl": 20_000, "ms": 300_000})):
        answer = b.command(name, **wish)
        assert (answer["k"], answer["v"]) == (m.STATE, states.HELD)
    b.press()
    assert b.status()["unmet"] == 2  # the clinician's is no patient's demand
    assert b.status()["nbol"] == 0
    b.advance(2 * HOUR)
    assert b.command("patient")["r"] == 0


def test_a_hold_ends_a_bolus_and_starts_no_other_when_it_ends() -> None:
    b = pump()
    assert b.command("patient")["r"] == 0
    b.advance(MIN)
    b.command("hold", ms=10 * MIN)
    ended = b.of(events.BOLUS_END)
    assert [(r.b, r.detail) for r in ended] == [(20_000, 0)]
    assert 15_000 < ended[0].c < 17_000
    b.advance(10 * MIN + 100)
    edges = b.edges()
    b.advance(HOUR)
    assert abs(b.edges() - edges - 484) <= 1


def test_a_hold_after_a_hold_has_its_own_time() -> None:
    b = pump(max_hold_ms=2 * HOUR)
    for _ in range(3):
        b.command("hold", ms=HOUR)
        b.advance(HOUR + 10)
        assert b.pump.state == states.INFUSING
        b.advance(MIN)
    assert all(r.detail != faults.A_INTERRUPTION for r in b.of(events.ALARM))
