"""Jog, prime and purge on the virtual board: to the step, and no dose is ever taken from or added to by one."""

import pytest
from firmware.motion_bench import done, doses, move, off
from harness import Bench, program

from thecal.core import events, states
from thecal.core import messages as m

MIN = 60_000
HOUR = 3_600_000


@pytest.mark.parametrize("kind", [m.JOG, m.PRIME, m.PURGE])
@pytest.mark.parametrize("rev", [0, 1])
@pytest.mark.parametrize(("n", "ms"), [(1, 1_000), (100, 10_000), (3_000, 4_000)])
def test_detached_motions_move_to_the_step_and_are_no_dose(kind: int, rev: int, n: int, ms: int) -> None:
    b = off()
    answer = move(b, kind, n, ms, rev)
    assert (answer["r"], answer["v"]) == (0, n)
    assert b.pump.state == states.SETUP
    assert b.status()["mot"] == kind | rev << 4 | 1 << 5
    done(b, ms)
    assert b.edges() == (-n if rev else n)
    assert doses(b) == (0, 0, 0)
    assert b.status()["setup"] == n * 41_282_490_964 // 10**9
    assert b.pump.ledger.forward == (0 if rev else n)
    assert [(r.a, r.b, r.c, r.detail) for r in b.of(events.MOVE)] == [(answer["i"], n, ms, kind | rev << 4 | 1 << 5)]
    assert [(r.a, r.b, r.c, r.detail) for r in b.of(events.MOVE_END)] == [(answer["i"], n, 0, 1)]


def test_a_motion_takes_its_time() -> None:
    b = off()
    move(b, n=1_000, ms=100_000)
    b.advance(50_000)
    assert 490 <= b.edges() <= 510
    status = b.status()
    assert abs(status["motleft"] - 500) <= 20
    assert status["min"] == 0  # nothing of it is a dose, whatever is not yet settled
    assert b.world.en
    b.advance(48_000)
    assert b.pump.state == states.SETUP
    b.advance(2_100)
    assert (b.pump.state, b.edges()) == (states.OFF, 1_000)


@pytest.mark.parametrize(("rev", "det"), [(0, 0), (0, 1), (1, 0)])
def test_min_and_max_hold_the_truth_at_every_moment_of_a_motion(rev: int, det: int) -> None:
    b = off()
    b.command("start")
    b.advance(600_000)
    b.command("stop")
    b.advance(5_000)
    before = b.edges()
    move(b, n=2_000, ms=20_000, rev=rev, det=det)
    for _ in range(24):
        b.advance(997)
        dose = before if rev or det else b.edges()
        status = b.status()
        assert status["min"] <= dose * 41_282_490_964 // 10**9 <= status["max"]


@pytest.mark.sr("SR-02")
def test_prime_with_the_outlet_connected_is_a_dose_in_every_window() -> None:
    b = off()
    assert move(b, m.PRIME, 1_000, det=0)["r"] == 0
    done(b)
    assert doses(b) == (41_282, 41_282, 41_282)
    assert b.status()["setup"] == 0
    b.command("start")
    full = b.command("bolus", nl=80_000, ms=600_000)
    assert (full["k"], full["w"] > 0) == (m.WINDOW_1H, True)


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"kind": m.PRIME, "n": 3_000, "det": 0}, m.WINDOW_1H),
        ({"kind": m.PURGE, "det": 0}, m.NOT_DETACHED),
        ({"n": 12_112, "ms": 100_000}, m.SETUP_VOLUME),
        ({"n": 2_000, "ms": 1_000}, m.STEP_RATE),
    ],
)
def test_refused_nothing_moves(wish: dict[str, int], reason: int) -> None:
    b = off()
    answer = move(b, **wish)
    assert (answer["r"], answer["k"]) == (m.REFUSED, reason)
    b.advance(MIN)
    assert (b.edges(), b.pump.state, b.pump.ledger.motion) == (0, states.OFF, 0)
    assert (b.of(events.MOVE), b.of(events.MOVE_END)) == ([], [])


def test_a_board_without_a_program_moves_only_what_is_no_dose() -> None:
    b = Bench()
    assert move(b, m.PRIME, det=0)["k"] == m.NO_PROGRAM
    assert move(b, m.PRIME, det=1)["r"] == 0
    done(b)
    assert move(b, m.JOG, rev=1, det=0)["r"] == 0
    done(b)
    assert (b.edges(), doses(b)) == (0, (0, 0, 0))


@pytest.mark.parametrize("state", [states.INFUSING, states.HELD, states.SAFE, states.UNPROVISIONED])
def test_only_from_off(state: int) -> None:
    b = Bench(born=False)
    b.boot()
    if state != states.UNPROVISIONED:
        b = Bench().running()
        b.advance(HOUR)
        if state == states.HELD:
            b.command("hold")
        elif state == states.SAFE:
            b.pump.fail(b.pump.now_ms(), 12)
    answer = move(b)
    assert answer["r"] == m.REFUSED
    assert answer["k"] in (m.STATE, m.LATCHED)
    assert b.pump.state == state


def test_in_set_up_nothing_else_begins_and_stop_ends_it() -> None:
    b = off()
    move(b, n=2_000, ms=20_000)
    b.advance(5_000)
    for name, wish in (("start", {}), ("resume", {}), ("hold", {}), ("patient", {}), ("bolus", {"nl": 1_000, "ms": 1_000})):
        answer = b.command(name, **wish)
        assert (answer["k"], answer["v"]) == (m.STATE, states.SETUP), name
    assert move(b)["k"] == m.STATE
    assert b.activate(program(name="new"))["k"] == m.STATE
    assert b.command("stop")["r"] == 0
    edges = b.edges()
    b.advance(HOUR)
    assert edges <= b.edges() <= edges + 256  # the lease in flight
    assert b.edges() < 700
    assert doses(b) == (0, 0, 0)
    ended = b.of(events.MOVE_END)
    assert [(r.b, r.c, r.detail) for r in ended] == [(2_000, 2_000 - b.edges(), 0)]
    assert b.pump.ledger.intent == b.edges()
    assert b.command("start")["r"] == 0
    b.advance(HOUR)
    assert abs(b.edges() - 2_000 + ended[0].c - 484) <= 1


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize(("rev", "det"), [(0, 1), (1, 0), (1, 1)])
def test_therapy_started_while_the_last_lease_of_a_motion_runs_is_a_dose_and_goes_forward(rev: int, det: int) -> None:
    b = off()
    move(b, n=2_000, ms=20_000, rev=rev, det=det)
    b.advance(5_003)
    assert b.command("stop")["r"] == 0
    assert b.pump.motor.busy()
    i = b.next_id()
    assert b.command("start", i=i)["r"] == m.BUSY
    b.advance(1_000)
    assert b.command("start", i=i)["r"] == 0  # BUSY means: ask again with the same id
    b.advance(2_000)
    moved, setup = b.edges(), b.pump.ledger.setup
    b.advance(HOUR)
    assert abs(b.edges() - moved - 484) <= 1
    assert b.pump.ledger.setup == setup == abs(moved)
    assert b.pump.ledger.min_steps <= b.edges() - moved <= b.pump.ledger.max_steps
    assert b.pump.fault == 0


def test_a_motion_after_a_motion_waits_for_its_last_lease() -> None:
    b = off()
    move(b, n=2_000, ms=20_000)
    b.advance(5_003)
    b.command("stop")
    i = b.next_id()
    wish = {"i": i, "k": m.JOG, "n": 10, "ms": 1_000, "rev": 1, "det": 1}
    assert b.command("move", **wish)["r"] == m.BUSY
    b.advance(1_000)
    edges = b.edges()
    answer = b.command("move", **wish)
    assert (answer["r"], answer["a"]) == (0, 0)
    done(b)
    assert b.edges() == edges - 10


def test_therapy_after_a_motion_starts_with_a_clean_slope() -> None:
    b = off()
    for rev in (0, 1):
        move(b, n=333, rev=rev)
        done(b)
    b.command("start")
    b.advance(10 * HOUR)
    assert abs(b.edges() - 4_845) <= 1
    assert doses(b)[1] - doses(b)[0] <= 800
    assert b.pump.fault == 0
