"""Homing, the stroke it gives, the direction check, and power that goes away in a motion."""

import pytest
from firmware.motion_bench import done, doses, move, off
from harness import Bench, board_config

from thecal.core import events, states
from thecal.core import messages as m
from thecal.core.ledger import F_HOMED

HOUR = 3_600_000
HOME_AT = -400  # steps from where the virtual board's new syringe starts to its home switch


# --- home and stroke --------------------------------------------------------------------------------------------------------
def homed() -> Bench:
    b = off()
    assert move(b, m.HOME, 2_000, 20_000)["r"] == 0
    return done(b, 20_000)


def test_home_stops_at_the_switch() -> None:
    b = homed()
    assert HOME_AT - 16 <= b.edges() <= HOME_AT
    status = b.status()
    assert (status["pos"], status["home"]) == (0, 1)
    assert b.pump.ledger.flags & F_HOMED
    ended = b.of(events.MOVE_END)[-1]
    assert (ended.b, ended.detail) == (2_000, 1)
    assert ended.c == 2_000 + b.edges()
    assert doses(b) == (0, 0, 0)


def test_a_home_that_is_not_found_is_said() -> None:
    b = off()
    assert move(b, m.HOME, 200)["r"] == 0
    done(b)
    assert (b.edges(), b.status()["pos"]) == (-200, None)
    assert [(r.b, r.c, r.detail) for r in b.of(events.MOVE_END)] == [(200, 0, 0)]


def test_at_home_already_nothing_moves() -> None:
    b = homed()
    edges = b.edges()
    move(b, m.HOME, 2_000, 20_000)
    done(b, 20_000)
    assert (b.edges(), b.status()["pos"]) == (edges, 0)


def test_a_board_without_the_switch_cannot_be_homed() -> None:
    config = board_config()
    del config["pins"]["home"]
    b = Bench(config=config)
    answer = move(b, m.HOME, 2_000)
    assert (answer["k"], answer["v"]) == (m.NOT_FITTED, 4)


def test_once_homed_the_stroke_ends_where_the_board_file_says() -> None:
    b = homed()
    zero = b.edges()
    answer = move(b, rev=1, n=1)
    assert (answer["k"], answer["v"], answer["l"]) == (m.STROKE, 1, 0)
    move(b, n=50)
    done(b)
    assert b.status()["pos"] == 50
    answer = move(b, rev=1, n=51)
    assert (answer["k"], answer["l"]) == (m.STROKE, 50)
    assert move(b, rev=1, n=50)["r"] == 0
    done(b)
    assert (b.status()["pos"], b.edges()) == (0, zero)
    b.command("start")
    b.advance(HOUR)
    b.command("stop")
    b.advance(5_000)
    assert b.status()["pos"] == b.edges() - zero  # a dose moves the plunger too


def test_the_far_end_of_the_stroke() -> None:
    config = board_config()
    config["mechanics"]["stroke_steps"] = 1_000
    b = Bench(config=config)
    move(b, m.HOME, 2_000, 20_000)
    done(b, 20_000)
    assert move(b, n=1_001)["k"] == m.STROKE
    assert move(b, n=1_000)["r"] == 0
    done(b)
    assert (move(b, n=1)["k"], b.status()["pos"]) == (m.STROKE, 1_000)


def test_where_home_is_outlives_a_reset_but_not_one_in_a_motion() -> None:
    b = homed()
    move(b, n=77)
    done(b)
    b.restart()
    assert b.status()["pos"] == 77
    move(b, n=1_000)
    b.advance(4_000)
    b.restart()
    assert b.status()["pos"] is None
    assert not b.pump.ledger.flags & F_HOMED


# --- direction --------------------------------------------------------------------------------------------------------------
def test_a_plunger_seen_to_move_the_wrong_way_forbids_every_dose() -> None:
    b = off()
    assert b.status()["dir"] == 0
    assert b.command("direction", ok=0)["r"] == 0
    assert b.status()["dir"] == 2
    assert b.command("start")["k"] == m.DIRECTION
    assert move(b, m.PRIME, det=0)["k"] == m.DIRECTION
    b.restart()
    assert b.command("start")["k"] == m.DIRECTION
    assert move(b, det=1)["r"] == 0  # to look again
    done(b)
    assert b.command("direction", ok=1)["r"] == 0
    assert b.status()["dir"] == 1
    assert b.command("start")["r"] == 0
    assert [r.detail for r in b.of(events.DIRECTION)] == [0, 1]


# --- power ------------------------------------------------------------------------------------------------------------------
@pytest.mark.sr("SR-05")
@pytest.mark.parametrize("det", [0, 1])
@pytest.mark.parametrize("rev", [0, 1])
def test_power_goes_away_in_a_motion(rev: int, det: int) -> None:
    """It does not go on; what was open counts as a dose for the limits and as none for the under-dose side."""
    b = off()
    assert move(b, n=2_000, ms=18_000, rev=rev, det=det)["r"] == 0
    b.advance(11_000)
    chunk = b.pump.ledger.unsettled
    assert chunk
    b.restart()
    total = b.world.truth()["edges_total"]
    b.advance(HOUR)
    assert b.pump.state == states.OFF
    assert b.world.truth()["edges_total"] == total
    ledger = b.pump.ledger
    dose = 0 if rev or det else total
    assert ledger.min_steps <= dose <= ledger.max_steps
    assert ledger.intent >= total
    assert ledger.uncertain == chunk
    assert ledger.max_steps == (chunk if rev or det else ledger.intent)
    assert ledger.windows.sums[2] == ledger.max_steps
    assert b.pump.fault == 0
