"""Every port offers the whole driver seam, by the names in drivers/seam.py; an RP2040 board comes up off."""

import importlib
import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from drivers.chip import Chip
from harness import board_config

from thecal.drivers import open_board, seam
from thecal_host import boards
from thecal_host.virtual.image import Image
from thecal_twin import chip as virtual_chip


def members(protocol: type) -> Iterator[tuple[str, int]]:
    """(name, number of parameters) of each method of a Protocol."""
    for name, function in vars(protocol).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            yield name, len(inspect.signature(function).parameters) - 1


def check_seam(board: Any) -> int:
    """Every attribute and method of `seam.Board` is there and takes the parameters it should; returns how many were looked at."""
    seen = 0
    parts = [name for name, member in vars(seam.Board).items() if isinstance(member, property)]
    for part in ["config", *parts]:
        assert hasattr(board, part), part
        protocol = get_type_hints(vars(seam.Board)[part].fget)["return"] if part in parts else None
        if not inspect.isclass(protocol) or protocol.__module__ != seam.__name__:
            continue
        for name, count in members(protocol):
            method = getattr(getattr(board, part), name, None)
            assert callable(method), f"{part}.{name}"
            inspect.signature(method).bind(*([0] * count))
            seen += 1
    for name in ("open", "rename", "remove", "listdir", "stat", "mkdir"):
        assert callable(getattr(board.fs, name, None)), f"fs.{name}"
    return seen


@pytest.fixture
def pico(chip: Chip) -> Any:
    return open_board(boards.load("rpi_pico").config)


def test_the_rp2_board_is_whole(pico: Any) -> None:
    assert check_seam(pico) == 28


def test_the_virtual_board_is_whole() -> None:
    virtual_chip.make_world(board_config(), seed=1, fs=Image().fs)
    assert check_seam(open_board(board_config())) == 28


def test_what_is_missing_is_found(pico: Any) -> None:
    pico.pulser = object()
    with pytest.raises(AssertionError, match=r"pulser\.start"):
        check_seam(pico)


def test_ctrl_c_is_shut_out_from_the_first_import_on(chip: Chip) -> None:
    importlib.import_module("thecal.drivers.rp2_board")
    assert chip.keyboard == [-1]


def test_en_is_the_first_output_and_off(chip: Chip, pico: Any) -> None:
    pins = pico.config["pins"]
    assert chip.outputs[0] == (pins["en"], 1)
    assert chip.pins.level[pins["step"]] == 0
    assert (pins["dir"], 0) in chip.outputs


def test_the_self_test_passes_with_both_jumpers_and_fails_without(chip: Chip) -> None:
    startup = importlib.import_module("thecal.services.startup")
    config = boards.load("rpi_pico").config
    pins = config["pins"]
    bare = open_board(config)
    assert not startup.en_test(bare)
    assert not startup.loop_test(bare)
    chip.pins.link(pins["step"], pins["step_sense"])
    chip.pins.link(pins["en"], pins["en_sense"])
    wired = open_board(config)
    assert startup.en_test(wired)
    assert startup.loop_test(wired)
    assert not wired.en_sense.read()


def test_sensors_that_are_not_wired_are_none(chip: Chip, pico: Any) -> None:
    assert [pico.battery_mv.read(), pico.pressure_pa.read(), pico.temperature_mc.read()] == [None, None, None]
    config = boards.load("rpi_pico").config
    config["sensors"]["battery"] = True
    chip.adc = [24494]
    assert open_board(config).battery_mv.read() in (3699, 3700, 3701)


def test_the_board_file_names_all_pins_of_the_wiring() -> None:
    config = boards.load("rpi_pico").config
    assert config["port"] == "rp2"
    assert config["limits"]["watchdog_ms"] <= 8388
    pins = config["pins"]
    assert pins["en_active_low"] is True
    assert len({pins["step"], pins["dir"], pins["en"], pins["step_sense"], pins["en_sense"]}) == 5
