"""Switches of the virtual board in-process: a press is a moment of the world, ends a wait just then, and outlives a reset."""

import json
from typing import Any

import pytest

from thecal.drivers.virtual import VirtualBoard
from thecal_twin import chip, clock, faults, inputs
from thecal_twin.plant import DEFAULTS

BUTTON, ESTOP, HOME = inputs.BUTTON, inputs.ESTOP, inputs.HOME
CONFIG: dict[str, Any] = {"pins": {"en": 4, "dir": 3, "button": 10, "estop": 11, "home": 12}}
HOME_AT = -DEFAULTS["home_steps"]


def at_rest() -> chip.World:
    world = chip.make_world(CONFIG)
    world.set_pin(4, 0)
    return world


def back(world: chip.World, count: int, first_us: int, last_us: int) -> None:
    world.set_pin(3, 1)
    world.pulser.start(count, first_us, last_us)


def test_nothing_is_pressed_at_first_and_what_is_not_fitted_never_is() -> None:
    world = chip.make_world({})
    board = VirtualBoard({})
    world.inputs.press("estop", 1)
    assert (board.inputs.fitted, board.inputs.read(), board.inputs.changed(), world.wake) == (0, 0, False, False)
    assert world.truth()["inputs"] == {"button": None, "estop": None, "home": None}
    world = chip.make_world(CONFIG)
    board = VirtualBoard(CONFIG)
    assert (board.inputs.fitted, board.inputs.read(), board.inputs.changed()) == (7, 0, False)
    assert world.truth()["inputs"] == {"button": 0, "estop": 0, "home": 0}


def test_a_planned_press_ends_a_wait_at_its_microsecond_and_so_does_its_end() -> None:
    world = at_rest()
    board = VirtualBoard(CONFIG)
    world.plan(1_234_567, "button", 250)
    moments = []
    for _ in range(3):
        board.clock.wait(5000)
        moments.append((board.clock.now_us(), board.inputs.read()))
    assert moments == [(1_234_567, BUTTON), (1_484_567, 0), (5_000_000, 0)]


def test_a_change_that_nobody_asks_for_ends_one_wait_only() -> None:
    world = at_rest()
    board = VirtualBoard(CONFIG)
    world.plan(1_000_000, "estop", 1)
    board.clock.wait(3000)
    assert board.clock.now_ms() == 1000
    board.clock.wait(3000)
    assert board.clock.now_ms() == 3000
    assert [board.inputs.changed(), board.inputs.changed()] == [True, False]


def test_a_reader_takes_no_change_away_from_the_loop() -> None:
    world = at_rest()
    board = VirtualBoard(CONFIG)
    world.inputs.press("estop", 1)
    assert board.inputs.read() == ESTOP
    board.clock.wait(3000)
    assert board.clock.now_ms() == 0
    assert board.inputs.read() == ESTOP
    assert [board.inputs.changed(), board.inputs.changed()] == [True, False]


def test_a_change_during_a_turn_of_the_loop_ends_the_next_wait_unless_it_was_seen() -> None:
    world = at_rest()
    board = VirtualBoard(CONFIG)
    world.inputs.press("estop", 1)
    board.clock.wait(3000)
    assert board.clock.now_ms() == 0
    world.inputs.press("estop", 0)
    assert not board.inputs.changed()
    board.clock.wait(3000)
    assert board.clock.now_ms() == 3000


@pytest.mark.parametrize("mode", [clock.FREE, clock.ADVANCE])
def test_time_in_pieces_sees_the_same_moments(mode: int) -> None:
    seen = []
    for piece_us in (7_000_000, 250_000, 333_333):
        world = at_rest()
        board = VirtualBoard(CONFIG)
        world.plan(2_000_001, "button", 500)
        world.plan(2_300_000, "estop", 1)
        world.mode = mode
        world.target = 0
        moments = []
        while world.now < 7_000_000:
            if mode == clock.ADVANCE and world.now >= world.target:
                world.target += piece_us
            board.clock.wait(7000)
            if board.inputs.changed():
                moments.append((board.clock.now_us(), board.inputs.read()))
        seen.append(moments)
    assert seen == [[(2_000_001, 1), (2_300_000, 3), (2_500_001, 2)]] * 3


def test_a_second_press_decides_when_the_button_is_let_go() -> None:
    world = at_rest()
    world.inputs.press("button", 1000)
    world.go(500_000)
    world.inputs.press("button", 2000)
    world.go(1_100_000)
    assert world.truth()["inputs"]["button"] == 1
    world.go(2_500_000)
    assert world.truth()["inputs"]["button"] == 0
    world.inputs.press("button", 1000)
    world.go(2_600_000)
    world.inputs.press("button", 0)
    assert world.truth()["inputs"]["button"] == 0


def test_switches_and_plans_outlive_a_reset() -> None:
    world = at_rest()
    world.inputs.press("estop", 1)
    world.inputs.press("button", 3000)
    world.go(1_000_000)
    again = chip.make_world(CONFIG, boot=json.loads(json.dumps({**world.dump(), "cause": chip.CAUSE_WATCHDOG})))
    board = VirtualBoard(CONFIG)
    assert board.inputs.changed()
    assert board.inputs.read() == BUTTON | ESTOP
    board.clock.wait(5000)
    assert (again.now, board.inputs.read()) == (2_000_000, ESTOP)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("button", 2_678_400_001, "input 'button' takes 0 to 2678400000, not 2678400001"),
        ("estop", 2, "input 'estop' takes 0 to 1, not 2"),
        ("knob", 1, "unknown input 'knob'; known: button, estop"),
        ("home", 1, "nobody presses the home switch"),
    ],
)
def test_a_wrong_press_is_refused_with_its_limits(name: str, value: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        inputs.check(name, value, 7)


def test_a_press_of_what_is_not_there_names_the_pin() -> None:
    with pytest.raises(ValueError, match=r"no button: its board file does not name pins\.button"):
        inputs.check("button", 1, ESTOP | HOME)
    assert inputs.check("estop", None, ESTOP) == 1
    assert inputs.check("button", None, BUTTON) == 500


def test_a_hung_loop_is_not_woken_and_finds_the_switch_afterwards() -> None:
    world = at_rest()
    board = VirtualBoard(CONFIG)
    world.arm_watchdog(8000)
    world.plan(1_000_000, "hang", 1)
    world.plan(2_000_000, "estop", 1)
    board.clock.wait(500)
    with pytest.raises(chip.ChipReset):
        for due_ms in (1500, 9000, 9000):
            board.clock.wait(due_ms)
    assert world.now == 8_000_000
    chip.make_world(CONFIG, boot=world.dump())
    assert VirtualBoard(CONFIG).inputs.read() == ESTOP


# the home switch


def test_the_home_switch_closes_at_its_very_edge_and_ends_the_wait() -> None:
    world = at_rest()
    board = VirtualBoard(CONFIG)
    back(world, 1000, 0, 999_000)  # one edge each ms, the first at 1 us: DIR has just changed
    board.clock.wait(5000)
    assert world.plant.screw == HOME_AT
    assert board.clock.now_us() == 399_001  # edge 400
    assert board.inputs.read() == HOME
    world.pulser.abort()
    world.set_pin(3, 0)
    world.pulser.start(10, 1_000_000, 1_009_000)
    board.clock.wait(5000)
    assert (board.clock.now_us(), board.inputs.read()) == (1_000_000, 0)
    assert world.plant.screw == HOME_AT + 1


@pytest.mark.parametrize(
    ("fault", "value", "edges"), [("double_steps", 1, 200), ("lost_steps", 4, 533), ("lost_steps", 2, 799), ("dir_swapped", 1, 0)]
)
def test_faults_move_the_moment_but_not_the_place(fault: str, value: int, edges: int) -> None:
    world = at_rest()
    board = VirtualBoard(CONFIG)
    faults.inject(world, fault, value)
    back(world, 1000, 0, 999_000)
    board.clock.wait(5000)
    if edges:
        assert world.plant.screw == HOME_AT
        assert world.now == 1 + (edges - 1) * 1000
    else:
        assert (world.plant.screw, world.now, board.inputs.read()) == (1000, 5_000_000, 0)


def test_a_dead_home_switch_never_closes() -> None:
    world = at_rest()
    faults.inject(world, "home_open")
    back(world, 1000, 0, 999_000)
    world.go(2_000_000)
    assert (world.plant.screw, world.truth()["inputs"]["home"]) == (-1000, 0)
    faults.inject(world, "clear")
    assert world.truth()["inputs"]["home"] == 1


def test_without_current_the_carriage_does_not_come_home() -> None:
    world = at_rest()
    back(world, 1000, 1_000_000, 1_999_000)
    world.go(1_100_000)
    world.set_pin(4, 1)
    world.go(1_900_000)
    world.set_pin(4, 0)
    world.go(5_000_000)
    assert world.plant.screw == -(101 + 99)
    assert world.truth()["inputs"]["home"] == 0


def test_dir_settles_before_the_first_edge() -> None:
    world = at_rest()
    world.pulser.start(1, 0, 0)
    world.go(1000)
    board = VirtualBoard(CONFIG)
    board.direction.set(True)
    world.pulser.start(2, 0, 10)
    assert world.plant.screw == 1
    world.go(1001)
    assert world.plant.screw == 0
    world.go(1011)
    assert (world.plant.screw, world.truth()["dir"]) == (-1, -1)


def test_an_inverted_dir_is_the_same_way_for_who_knows_it() -> None:
    config = {**CONFIG, "mechanics": {"dir_invert": True}}
    world = chip.make_world(config)
    board = VirtualBoard(config)
    board.enable.set(True)
    for reverse, screw in ((False, 5), (True, 0)):
        board.direction.set(reverse)
        world.pulser.start(5, 0, 0)
        world.go(world.now + 10)
        assert world.plant.screw == screw
    assert world.levels[3] == 0


def test_the_firmware_s_clock_runs_on_over_the_wrap_of_its_timer() -> None:
    world = chip.make_world(CONFIG, boot={"ticks0": (1 << 30) - 1_500_000})
    board = VirtualBoard(CONFIG)
    for due_ms in (1000, 1499, 1500, 1501, 600_000, 1_500_000, 2_573_000, 2_573_742):
        board.clock.wait(due_ms)
        assert (board.clock.now_ms(), board.clock.now_us()) == (due_ms, due_ms * 1000)
    assert world.dump()["ticks0"] == (1 << 30) - 1_500_000  # so it starts there after a reset, too
    assert world.ticks_us() == 2_573_742_000 - 1_500_000 - 2 * (1 << 30)  # it has wrapped three times
