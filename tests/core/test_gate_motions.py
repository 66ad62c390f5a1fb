"""The chain for set-up motions: volume, stroke at both ends, what needs the outlet disconnected, windows where it is not."""

from typing import Any

import pytest
from core.test_gate import HOUR, STEP_PL, situation

from thecal.core import gate
from thecal.core import messages as m

MOST_STEPS = 500_000 * 10**9 // STEP_PL  # 12,111: the whole steps in the board's 500 uL


def board(**changes: Any) -> gate.Situation:
    return situation(**{"max_setup_nl": 500_000, **changes})


def move(kind: int = m.JOG, steps: int = 100, reverse: bool = False, detached: bool = True, ms: int = 60_000) -> gate.Wish:
    wish = gate.Wish(gate.MOTION, duration_ms=ms)
    wish.motion, wish.steps, wish.reverse, wish.detached = kind, steps, reverse, detached
    return wish


def verdict(s: gate.Situation, wish: gate.Wish) -> list[tuple[int, int, int]]:
    judged = gate.judge(s, wish)
    assert judged.asked == wish.steps
    assert judged.allowed == (0 if judged.reasons else wish.steps)  # whole or not at all
    return judged.reasons


@pytest.mark.parametrize("kind", [m.JOG, m.PRIME, m.PURGE])
@pytest.mark.parametrize("reverse", [False, True])
def test_one_motion_moves_at_most_what_the_board_allows(kind: int, reverse: bool) -> None:
    assert verdict(board(), move(kind, MOST_STEPS, reverse, ms=600_000)) == []
    too_much = verdict(board(), move(kind, MOST_STEPS + 1, reverse, ms=600_000))
    assert too_much == [(m.SETUP_VOLUME, 500_014, 500_000)]
    assert verdict(board(max_setup_nl=0), move(kind, 1, reverse)) == [(m.SETUP_VOLUME, 42, 0)]


def test_homing_may_search_the_whole_stroke() -> None:
    assert verdict(board(screw=400_000, stroke_steps=490_000), move(m.HOME, 490_000, True, ms=3_600_000)) == []


def test_a_purge_needs_the_outlet_disconnected() -> None:
    assert verdict(board(), move(m.PURGE)) == []
    assert verdict(board(), move(m.PURGE, detached=False)) == [(m.NOT_DETACHED, 0, 0)]


@pytest.mark.parametrize(
    ("screw", "reverse", "room"),
    [(0, True, 0), (7, True, 7), (489_900, False, 100), (490_000, False, 0), (490_005, False, 0)],
)
def test_both_ends_of_the_stroke(screw: int, reverse: bool, room: int) -> None:
    s = board(screw=screw, stroke_steps=490_000)
    assert verdict(s, move(steps=room + 1, reverse=reverse)) == [(m.STROKE, room + 1, room)]
    if room:
        assert verdict(s, move(steps=room, reverse=reverse)) == []
    assert verdict(board(screw=gate.NEVER, stroke_steps=490_000), move(steps=room + 1, reverse=reverse)) == []


def test_an_unknown_stroke_has_no_far_end() -> None:
    assert verdict(board(screw=10**6, stroke_steps=0), move()) == []
    assert verdict(board(screw=5, stroke_steps=0), move(steps=6, reverse=True)) == [(m.STROKE, 6, 5)]


def test_a_motion_is_no_faster_than_the_motor() -> None:
    assert verdict(board(), move(steps=999, ms=1000)) == []
    limit = 1000 * STEP_PL // 10**9
    assert verdict(board(), move(steps=1001, ms=1000)) == [(m.STEP_RATE, 41_324, limit)]


def test_what_goes_forward_has_to_be_in_the_reservoir() -> None:
    s = board(reservoir_left_nl=4_128)
    assert verdict(s, move(steps=100)) == [(m.RESERVOIR, 4_129, 4_128)]
    assert verdict(s, move(steps=100, reverse=True)) == []
    assert verdict(board(reservoir_left_nl=4_129), move(steps=100)) == []


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize("kind", [m.JOG, m.PRIME])
def test_forward_with_the_outlet_connected_is_a_dose(kind: int) -> None:
    """1000 steps are 41.3 uL; with 65 min of basal, which may be started after it, and two chunks."""
    wish = move(kind, 1000, detached=False)
    least = 41_283 + 21_667 + 1_600
    assert verdict(board(limit_1h_nl=least), wish) == []
    assert verdict(board(limit_1h_nl=least - 1), wish) == [(m.WINDOW_1H, least, least - 1)]
    for other in (move(kind, 1000), move(kind, 1000, reverse=True), move(kind, 1000, reverse=True, detached=False)):
        assert verdict(board(limit_1h_nl=1, limit_4h_nl=1, limit_24h_nl=1), other) == []


def test_alarms_lockout_and_counts_are_for_boluses_not_for_motions() -> None:
    s = board(alarm=6, last_bolus_ms=100 * HOUR, boluses_per_24h=0, current_nl_per_day=480_000)
    s.ref_rules = ((0, 0, HOUR),)
    assert verdict(s, move()) == []
