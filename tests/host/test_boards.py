"""Board files: the shipped ones are good, and every mistake in one is a sentence with key, value and limit."""

import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from thecal.core.prescription import PART_KEYS
from thecal_host import boards
from thecal_host.boards import BoardError, check, load
from thecal_host.paths import boards_dir

VIRTUAL: dict[str, Any] = tomllib.loads((boards_dir() / "virtual.toml").read_text(encoding="utf-8"))


def problems(section: str, key: str, value: Any) -> list[str]:
    data = deepcopy(VIRTUAL)
    if value is None:
        del data[section][key]
    else:
        data[section][key] = value
    with pytest.raises(BoardError) as caught:
        check(data, Path("x.toml"))
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize("name", boards.names())
def test_shipped_boards_are_good(name: str) -> None:
    board = load(name)
    assert board.name == name
    assert sorted(board.part) == sorted(PART_KEYS)
    assert all(type(value) is int for value in board.part.values())
    assert board.config["name"] == name and "board" not in board.config
    assert {"pins", "mechanics", "sensors", "limits"} <= set(board.config)


def test_the_virtual_board_s_step_is_the_screw_s() -> None:
    """pi/4 x (14.5 mm)^2 x 0.8 mm / 3200, in pL per million microsteps; 1 mm3 = 1e6 pL. pi to 20 digits is enough for 1 pL."""
    pi = 314_159_265_358_979_323_846  # x 1e-20
    area_steps = pi * 145**2 * 8  # mm3 x 1e-20 x 1e-2 x 1e-1, x 4 x 3200
    numerator, denominator = area_steps * 10**12, 10**23 * 4 * 3200
    nearest = (2 * numerator + denominator) // (2 * denominator)
    assert load("virtual").part["step_pl_per_million"] == nearest == 41_282_490_964


def test_defaults_are_filled_in() -> None:
    data = deepcopy(VIRTUAL)
    del data["limits"]["watchdog_ms"], data["pins"]["en_active_low"], data["sensors"]
    config = check(data, Path("x.toml")).config
    assert config["limits"]["watchdog_ms"] == 8_000
    assert config["limits"]["flash_blocks"] == 352
    assert config["pins"]["en_active_low"] is True
    assert config["sensors"] == {"battery": False, "pressure": False, "temperature": False}
    assert "maintenance" not in config["pins"]


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("pins", "step", None, ["pins.step is missing", "[pins]"]),
        ("pins", "step", 3, ["the same pin as pins.step", "pins.dir is 3"]),
        ("pins", "step", 49, ["pins.step is 49", "0 to 48"]),
        ("pins", "step", -1, ["pins.step is -1"]),
        ("pins", "step", "GP2", ["'GP2'", "whole number"]),
        ("pins", "step", True, ["True", "whole number"]),
        ("pins", "stepp", 9, ["pins.stepp is not known", 'Did you mean "step"?', "Known: step"]),
        ("pins", "en_active_low", 1, ["true or false"]),
        ("pins", "led", 2, ["pins.led is 2, the same pin as pins.step"]),
        ("board", "port", "stm32", ["'stm32'", "virtual, rp2, esp32"]),
        ("board", "name", "", ["1 to 24"]),
        ("board", "name", "x" * 25, ["1 to 24"]),
        ("mechanics", "step_pl_per_million", 99_999_999, ["99999999", "100000000", "pL"]),
        ("mechanics", "max_steps_per_s", 0, ["from 1 to"]),
        ("mechanics", "max_steps_per_s", 56, ["limits.max_rate_nl_per_day", "56 steps/s", "199741"]),
        ("limits", "watchdog_ms", 4_999, ["4999", "5000", "8388", "2.8 s"]),
        ("limits", "watchdog_ms", 8_389, ["8389"]),
        ("limits", "max_rate_nl_per_day", 200_000_001, ["200000001"]),
        ("limits", "max_bolus_nl", 20_000_001, ["whole reservoir", "20000000"]),
        ("sensors", "battery", "yes", ["'yes'", "true or false"]),
    ],
)
def test_one_mistake_one_sentence(section: str, key: str, value: Any, words: list[str]) -> None:
    (sentence,) = problems(section, key, value)
    assert sentence.startswith("x.toml: ")
    for word in words:
        assert word in sentence, sentence


def test_all_mistakes_at_once() -> None:
    data = deepcopy(VIRTUAL)
    data["pins"]["step"] = 99
    data["limit"] = data.pop("limits")
    data["sensors"] = 5
    with pytest.raises(BoardError) as caught:
        check(data, Path("x.toml"))
    text = str(caught.value)
    for words in (
        '"limit" is no section',
        'Did you mean "limits"?',
        "pins.step is 99",
        "sensors must be a section",
        "limits.max_bolus_nl is missing",
    ):
        assert words in text


def test_files_and_names(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match='Did you mean "virtual"'):
        load("virtaul")
    with pytest.raises(BoardError, match="No board"):
        load("../boards/virtual")
    with pytest.raises(BoardError, match="does not exist"):
        load(str(tmp_path / "x.toml"))
    path = tmp_path / "mine.toml"
    path.write_text((boards_dir() / "virtual.toml").read_text(encoding="utf-8"))
    assert load(str(path)).config == load("virtual").config
    path.write_bytes(b"[board\n")
    with pytest.raises(BoardError, match="line 1"):
        load(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(BoardError, match="UTF-8"):
        load(str(path))
