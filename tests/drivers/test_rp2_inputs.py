"""Switches and DIR of the RP2040: what closes counts at once, what bounces counts once, what is not wired stops nothing."""

import importlib
from types import ModuleType
from typing import Any

import pytest
from drivers.chip import Chip

from thecal.drivers import open_board
from thecal_host import boards

BUTTON_PIN, ESTOP_PIN, HOME_PIN = 10, 11, 12
PINS = {"step": 2, "button": BUTTON_PIN, "estop": ESTOP_PIN, "home": HOME_PIN}


@pytest.fixture
def module(chip: Chip) -> ModuleType:
    return importlib.import_module("thecal.drivers.rp2_inputs")


@pytest.fixture
def inputs(chip: Chip, module: ModuleType) -> Any:
    made = module.Inputs(PINS)
    drive(chip, ESTOP_PIN, 0)
    return made


def drive(chip: Chip, pin: int, level: int) -> None:
    chip.pins.write(pin, level, chip.machines.now)


def test_what_is_not_in_the_board_file_is_not_fitted(chip: Chip, module: ModuleType) -> None:
    made = module.Inputs({"step": 2})
    assert (made.fitted, made.read(), made.changed(), made.news()) == (0, 0, False, False)
    assert chip.pulls == {}
    assert module.Inputs({"home": HOME_PIN}).fitted == 4


def test_all_three_are_pulled_up_and_read_by_their_own_level(chip: Chip, inputs: Any) -> None:
    assert inputs.fitted == 7
    assert chip.pulls == dict.fromkeys((BUTTON_PIN, ESTOP_PIN, HOME_PIN), 1)
    assert inputs.read() == 0
    for pin, level, mask in ((BUTTON_PIN, 0, 1), (ESTOP_PIN, 1, 3), (HOME_PIN, 0, 7)):
        drive(chip, pin, level)
        assert inputs.changed()
        assert inputs.read() == mask
        assert not inputs.changed()


def test_a_broken_wire_is_an_emergency_stop(chip: Chip, module: ModuleType) -> None:
    assert module.Inputs({"estop": ESTOP_PIN}).read() == 2


def test_one_press_that_bounces_is_one_press(chip: Chip, inputs: Any) -> None:
    """Contacts bounce for some ms when they close and when they open; a look every ms sees one change each."""
    script = [1, 0, 1, 0, 0, 1] + [0] * 60 + [1, 0, 1, 1, 0, 1] + [1] * 60
    seen = []
    before = inputs.read()
    for level in script:
        drive(chip, BUTTON_PIN, level)
        now = inputs.read()
        if now != before:
            seen.append(now)
        before = now
        chip.passes(1000)
    assert seen == [1, 0]


def test_opening_counts_after_its_time_and_closing_at_once(chip: Chip, module: ModuleType, inputs: Any) -> None:
    drive(chip, HOME_PIN, 0)
    assert inputs.read() == 4
    drive(chip, HOME_PIN, 1)
    chip.passes((module.RELEASE_MS - 2) * 1000)
    assert inputs.read() == 4
    chip.passes(3000)
    assert inputs.read() == 0


def test_a_spike_shorter_than_three_looks_is_nothing(chip: Chip, inputs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = iter([0, 0, 1])
    pin = inputs._switches[0][0]
    monkeypatch.setattr(pin, "value", lambda: next(levels))
    assert inputs.read() == 0


def test_news_comes_once_for_each_change_and_again_after_a_return(chip: Chip, inputs: Any) -> None:
    drive(chip, ESTOP_PIN, 1)
    assert [inputs.news(), inputs.news()] == [True, False]
    drive(chip, ESTOP_PIN, 0)
    chip.passes(40_000)
    assert not inputs.news()  # back to what was seen last
    drive(chip, ESTOP_PIN, 1)
    assert inputs.news()
    assert inputs.changed()
    assert not inputs.news()


def test_a_reader_takes_no_change_away_from_the_loop(chip: Chip, inputs: Any) -> None:
    drive(chip, ESTOP_PIN, 1)
    assert inputs.read() == 2
    assert inputs.news()
    assert inputs.read() == 2
    assert [inputs.changed(), inputs.changed()] == [True, False]


def test_a_switch_held_over_the_wrap_of_the_millisecond_timer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = Chip(monkeypatch, begin_us=(1 << 30) * 1000 - 10_000)
    made = importlib.import_module("thecal.drivers.rp2_inputs").Inputs({"button": BUTTON_PIN})
    drive(chip, BUTTON_PIN, 0)
    assert made.read() == 1
    drive(chip, BUTTON_PIN, 1)
    chip.passes(20_000)
    assert made.read() == 1
    chip.passes(20_000)
    assert made.read() == 0


@pytest.mark.parametrize("invert", [False, True])
def test_dir_is_forward_first_and_settled_when_set_returns(chip: Chip, invert: bool) -> None:
    config = boards.load("rpi_pico").config
    config["mechanics"]["dir_invert"] = invert
    pin = config["pins"]["dir"]
    forward = 1 if invert else 0
    board = open_board(config)
    assert (pin, forward) in chip.outputs
    assert [number for number, _level in chip.outputs].index(config["pins"]["en"]) == 0
    for reverse in (True, False, False):
        before = chip.us
        board.direction.set(reverse)
        assert chip.pins.level[pin] == (1 - forward if reverse else forward)
        assert chip.us - before >= 1


def test_the_pico_board_file_fits_what_its_pins_say(chip: Chip) -> None:
    config = boards.load("rpi_pico").config
    config["pins"].update(button=BUTTON_PIN, estop=ESTOP_PIN, home=HOME_PIN)
    assert open_board(config).inputs.fitted == 7
