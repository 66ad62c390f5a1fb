"""The edge counter of the RP2040: every rising edge once, on its own PIO block, without an end."""

import importlib
from typing import Any

import pytest
from drivers.chip import Chip

STEP, SENSE = 2, 5


@pytest.fixture
def counter(chip: Chip) -> Any:
    chip.pins.link(STEP, SENSE)
    made = importlib.import_module("thecal.drivers.rp2_counter").Counter(SENSE)
    chip.passes(1)
    return made


def pulse(chip: Chip, count: int) -> None:
    for _ in range(count):
        for level in (1, 0):
            chip.pins.write(STEP, level, chip.machines.now)
            chip.passes(1)


def test_nothing_is_nothing(counter: Any) -> None:
    assert [counter.read() for _ in range(3)] == [0, 0, 0]


def test_counts_each_edge_once(chip: Chip, counter: Any) -> None:
    pulse(chip, 1)
    assert counter.read() == 1
    pulse(chip, 300)
    assert counter.read() == 301
    assert counter.read() == 301


def test_reading_in_the_middle_of_a_pulse_counts_it_once(chip: Chip, counter: Any) -> None:
    seen = []
    for _ in range(5):
        chip.pins.write(STEP, 1, chip.machines.now)
        chip.passes(1)
        seen.append(counter.read())
        chip.pins.write(STEP, 0, chip.machines.now)
        chip.passes(1)
        seen.append(counter.read())
    assert seen == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_goes_on_past_32_bits(chip: Chip, counter: Any) -> None:
    chip.machines.of[4].reg["x"] = 3  # 2^32 - 4 edges were counted
    assert counter.read() == (1 << 32) - 4
    pulse(chip, 10)
    assert counter.read() == (1 << 32) + 6


def test_a_line_that_is_high_at_boot_is_no_edge(chip: Chip) -> None:
    chip.pins.link(STEP, SENSE)
    chip.pins.write(STEP, 1, chip.machines.now)
    counter = importlib.import_module("thecal.drivers.rp2_counter").Counter(SENSE)
    chip.passes(5)
    assert counter.read() == 0
    chip.pins.write(STEP, 0, chip.machines.now)
    chip.passes(1)
    pulse(chip, 2)
    assert counter.read() == 2


def test_a_missing_jumper_is_pulled_down_and_counts_nothing(chip: Chip) -> None:
    counter = importlib.import_module("thecal.drivers.rp2_counter").Counter(SENSE)
    assert chip.pulls[SENSE] == importlib.import_module("machine").Pin.PULL_DOWN
    chip.passes(1)
    pulse(chip, 5)
    assert counter.read() == 0
