"""Switches, DIR and travel in the board files: what may be left out, what is refused and why."""

import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from thecal_host.boards import BoardError, check, load
from thecal_host.paths import boards_dir

VIRTUAL: dict[str, Any] = tomllib.loads((boards_dir() / "virtual.toml").read_text(encoding="utf-8"))


def changed(section: str, key: str, value: Any) -> dict[str, Any]:
    data = deepcopy(VIRTUAL)
    data[section][key] = value
    return data


def test_the_virtual_board_has_all_of_it() -> None:
    config = load("virtual").config
    assert [config["pins"][name] for name in ("button", "estop", "home")] == [10, 11, 12]
    assert config["mechanics"]["stroke_steps"] == 490_000
    assert config["mechanics"]["dir_invert"] is False
    assert config["limits"]["max_setup_nl"] == 500_000


def test_a_pico_has_no_switch_that_nobody_wired() -> None:
    """An emergency stop that is named and not there reads as pressed; one that is not named is not fitted."""
    config = load("rpi_pico").config
    assert not {"button", "estop", "home"} & set(config["pins"])
    text = (boards_dir() / "rpi_pico.toml").read_text(encoding="utf-8")
    wired = tomllib.loads(
        "\n".join(line[2:] if line.startswith(("# button", "# estop", "# home")) else line for line in text.split("\n"))
    )
    assert [check(wired, Path("x.toml")).config["pins"][name] for name in ("button", "estop", "home")] == [10, 11, 12]


def test_what_is_left_out_is_not_fitted_not_known_or_its_default() -> None:
    data = deepcopy(VIRTUAL)
    for name in ("button", "estop", "home"):
        del data["pins"][name]
    del data["mechanics"]["stroke_steps"], data["mechanics"]["dir_invert"], data["limits"]["max_setup_nl"]
    config = check(data, Path("x.toml")).config
    assert not {"button", "estop", "home"} & set(config["pins"])
    assert (config["mechanics"]["stroke_steps"], config["mechanics"]["dir_invert"]) == (0, False)
    assert config["limits"]["max_setup_nl"] == 500_000


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("pins", "estop", 10, ["pins.estop is 10, the same pin as pins.button"]),
        ("pins", "button", "none", ["pins.button is 'none'", "switch to ground; leave it out when there is none"]),
        ("pins", "estop", -1, ["pins.estop is -1", "opens when pressed", "leave it out"]),
        ("pins", "estopp", 9, ['Did you mean "estop"?']),
        ("mechanics", "dir_invert", 1, ["mechanics.dir_invert is 1; it must be true or false"]),
        ("mechanics", "stroke_steps", -1, ["mechanics.stroke_steps is -1", "home switch to the end", "0: not known"]),
        ("mechanics", "stroke_steps", 16_777_216, ["from 0 to 16777215"]),
        ("mechanics", "stroke_steps", 484_466, ["moves 19999963 nL", "less than the reservoir (20000000 nL)"]),
        ("limits", "max_setup_nl", 20_000_001, ["limits.max_setup_nl is 20000001", "whole reservoir", "20000000"]),
        ("limits", "max_setup_nl", -1, ["limits.max_setup_nl is -1", "jog, prime, purge"]),
    ],
)
def test_one_mistake_one_sentence(section: str, key: str, value: Any, words: list[str]) -> None:
    with pytest.raises(BoardError) as caught:
        check(changed(section, key, value), Path("x.toml"))
    (sentence,) = caught.value.problems
    for word in words:
        assert word in sentence, sentence


def test_a_stroke_that_just_empties_the_reservoir_is_good() -> None:
    assert check(changed("mechanics", "stroke_steps", 484_467), Path("x.toml")).config["mechanics"]["stroke_steps"] == 484_467
