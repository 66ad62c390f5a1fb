"""The patient's own bolus by command: granted or refused with reason and waiting time, unmet demand counted and logged."""

from typing import Any

import pytest
from harness import MONDAY_MS, Bench, flex_program, program

from thecal.core import events, states
from thecal.core import messages as m

MIN = 60_000
HOUR = 3_600_000
STEP_NL = 41.282490964


def pump(**changes: Any) -> Bench:
    """Infusing 20 uL/h for an hour; 20 uL over 5 min on offer, one in half an hour."""
    fields = {"patient_bolus_nl": 20_000, "patient_bolus_ms": 5 * MIN, "bolus_lockout_ms": 30 * MIN, "boluses_per_24h": 12}
    b = Bench().running(program(**{**fields, **changes}))
    b.advance(HOUR)
    return b


def unmet(b: Bench) -> list[tuple[int, int, int, int]]:
    return [(r.a, r.b, r.c, r.detail) for r in b.of(events.UNMET)]


def test_the_programs_own_dose_over_its_own_time() -> None:
    b = pump()
    edges = b.edges()
    answer = b.command("patient")
    assert (answer["r"], answer["k"], answer["v"], "w" in answer) == (0, 0, 20_000, False)
    status = b.status()
    assert (status["src"], status["lock"], status["nbol"], status["unmet"]) == (m.BY_PATIENT, 30 * MIN, 1, 0)
    assert 19_900 <= status["bol"] <= 20_000  # less the lease that is under way
    b.advance(5 * MIN)
    assert abs(b.edges() - edges - (20_000 + 1_667) / STEP_NL) < 1.5
    assert b.status()["src"] == 0
    assert [(r.a, r.b, r.c, r.detail) for r in b.of(events.GRANT)] == [(answer["i"], 20_000, 5 * MIN, m.BY_PATIENT)]
    assert unmet(b) == []


@pytest.mark.sr("SR-03")
def test_one_lockout_for_everybody_and_the_wait_is_true() -> None:
    b = pump()
    assert b.command("bolus", nl=10_000, ms=MIN)["r"] == 0
    b.advance(10 * MIN)
    answer = b.command("patient")
    assert (answer["r"], answer["k"], answer["v"], answer["l"]) == (m.REFUSED, m.LOCKOUT, 10 * MIN, 30 * MIN)
    assert answer["w"] == 20 * MIN
    assert unmet(b) == [(answer["i"], 1200, 1, m.LOCKOUT)]
    assert b.status()["unmet"] == 1
    b.advance(answer["w"] - 1)
    again = b.command("patient")
    assert (again["k"], again["w"]) == (m.LOCKOUT, 1)
    b.advance(1)
    assert b.command("patient")["r"] == 0
    assert unmet(b)[1] == (again["i"], 1, 2, m.LOCKOUT)


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"limit_1h_nl": 55_000, "max_bolus_nl": 20_000}, m.WINDOW_1H),
        ({"limit_4h_nl": 120_000}, m.WINDOW_4H),
        ({"limit_24h_nl": 535_000}, m.WINDOW_24H),
        ({"boluses_per_24h": 1}, m.BOLUS_COUNT),
    ],
)
def test_after_the_told_wait_it_is_granted(changes: dict[str, int], reason: int) -> None:
    """In truth, with the real delivery in between."""
    b = pump(bolus_lockout_ms=0, **changes)
    assert b.command("patient")["r"] == 0
    b.advance(10 * MIN)
    answer = b.command("patient")
    assert (answer["k"], answer["w"] > 0) == (reason, True)
    b.advance(answer["w"])
    assert b.command("patient")["r"] == 0
    assert b.status()["unmet"] == 1


def test_a_running_bolus_is_waited_for() -> None:
    b = pump(bolus_lockout_ms=0)
    b.command("patient")
    b.advance(MIN)
    answer = b.command("patient")
    assert (answer["k"], answer["w"] >= 4 * MIN - 1000) == (m.BOLUS_RUNNING, True)
    b.advance(answer["w"])
    assert b.command("patient")["r"] == 0


def test_where_waiting_does_not_help_no_wait_is_told() -> None:
    b = pump(limit_1h_nl=40_000, max_bolus_nl=30_000)
    answer = b.command("patient")
    assert (answer["k"], "w" in answer) == (m.WINDOW_1H, False)
    assert unmet(b) == [(answer["i"], 0, 1, m.WINDOW_1H)]


def test_a_wait_belongs_to_its_own_answer() -> None:
    b = pump()
    b.command("patient")
    assert "w" in b.command("patient")
    for answer in (
        b.command("resume"),
        b.command("stop", i=5),
        b.command("temp", nlday=5, ms=HOUR),
        b.command("bolus", nl=1, ms=1),
    ):
        assert answer["r"] != 0
    assert "w" not in b.command("resume")
    refused = b.command("patient")
    assert "w" in refused
    assert "w" not in b.command("stop", i=5)  # a stale id: nothing was judged
    assert "w" not in b.command("resume", i=refused["i"])  # a taken one


def test_a_program_without_one_offers_none() -> None:
    b = pump(patient_bolus_nl=0, patient_bolus_ms=0)
    answer = b.command("patient")
    assert (answer["r"], answer["k"]) == (m.REFUSED, m.NOT_OFFERED)
    assert unmet(b) == [(answer["i"], 0, 1, m.NOT_OFFERED)]
    assert b.command("bolus", nl=20_000, ms=MIN)["r"] == 0


def test_a_board_without_a_program_says_so() -> None:
    b = Bench()
    answer = b.command("patient")
    assert (answer["r"], answer["k"]) == (m.REFUSED, m.NO_PROGRAM)


def test_a_clinician_s_refusal_is_no_unmet_demand() -> None:
    b = pump()
    b.command("patient")
    assert b.command("bolus", nl=1_000, ms=MIN)["w"] == 30 * MIN
    assert (unmet(b), b.status()["unmet"]) == ([], 0)


@pytest.mark.sr("SR-03")
@pytest.mark.parametrize("act", ["hold", "stop", "setup", "clock"])
def test_never_in_hold_off_set_up_or_under_an_alarm(act: str) -> None:
    if act == "clock":
        b = Bench().running(flex_program())
        b.advance(HOUR)
        want = (m.ALARM, 10)
    else:
        b = pump()
        b.command("hold" if act == "hold" else "stop")
        want = (m.STATE, states.HELD if act == "hold" else states.OFF)
        b.advance(5_000)
    if act == "setup":
        assert b.command("move", k=m.JOG, n=100, ms=10_000, rev=0, det=1)["r"] == 0
        b.advance(2_000)
        want = (m.STATE, states.SETUP)
    began = b.status()["max"]
    answer = b.command("patient")
    assert (answer["r"], (answer["k"], answer["v"]), "w" in answer) == (m.REFUSED, want, False)
    assert unmet(b) == [(answer["i"], 0, 1, want[0])]
    b.press()
    status = b.status()
    assert (status["nbol"], status["src"], status["unmet"]) == (0, 0, 2)
    if act in ("hold", "stop"):
        assert status["max"] == began


def test_the_same_id_is_answered_again_and_counted_once() -> None:
    b = pump()
    i = b.next_id()
    assert b.command("patient", i=i)["a"] == 0
    assert b.command("patient", i=i)["a"] == 1
    refused = b.next_id()
    first, again = b.command("patient", i=refused), b.command("patient", i=refused)
    assert (first["r"], again["r"], again["a"]) == (m.REFUSED, m.REFUSED, 1)
    assert ("w" in first, "w" in again) == (True, False)  # a wait told once is not true later
    assert b.status()["unmet"] == 1
    assert b.pump.ledger.windows.boluses_24h() == 1


@pytest.mark.sr("SR-02")
def test_a_flex_rise_after_the_bolus_is_seen_by_the_board() -> None:
    """40 uL/h from 08:00: at 07:50 the hour ahead is too full for a bolus, at 06:00 it is not."""
    fields = flex_program([[(0, 240_000), (480, 960_000)]], limit_1h_nl=62_000, max_bolus_nl=30_000, bolus_lockout_ms=0)
    b = Bench().running(fields)
    b.set_clock(MONDAY_MS + 5 * HOUR)
    b.command("ack")
    b.advance(HOUR)
    assert b.command("patient")["r"] == 0
    b.advance(HOUR + 50 * MIN)
    answer = b.command("patient")
    assert answer["k"] == m.WINDOW_1H
