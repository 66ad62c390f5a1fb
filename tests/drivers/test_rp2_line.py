"""Clock and serial line of the RP2040: no wrap is lost, input or a switch ends a wait, a host that does not read cannot hold the
pump up."""

import importlib
from typing import Any

import pytest
from drivers.chip import LOOK_US, TICKS, Chip


@pytest.fixture
def serial(chip: Chip) -> Any:
    return importlib.import_module("thecal.drivers.rp2_serial").Serial()


@pytest.fixture
def inputs(chip: Chip) -> Any:
    return importlib.import_module("thecal.drivers.rp2_inputs").Inputs({"button": 10, "estop": 11, "home": 12})


@pytest.fixture
def clock(chip: Chip, serial: Any, inputs: Any) -> Any:
    chip.pins.write(11, 0, chip.machines.now)  # the emergency stop is wired and closed
    return importlib.import_module("thecal.drivers.rp2_clock").Clock(serial, inputs)


def test_the_clock_counts_from_boot(chip: Chip, clock: Any) -> None:
    assert clock.now_us() == LOOK_US
    chip.passes(123_456)
    assert clock.now_us() == 123_456 + 2 * LOOK_US
    assert clock.now_ms() == (123_456 + 3 * LOOK_US) // 1000


def test_no_wrap_is_lost_in_a_day(chip: Chip, clock: Any) -> None:
    began = chip.us
    last = -1
    while chip.us - began < 86_400_000_000:
        chip.passes(TICKS - 1000)  # the longest that may pass between two looks
        now = clock.now_ms()
        assert now > last
        last = now
    assert abs(clock.now_us() - (chip.us - began)) <= LOOK_US


def test_milliseconds_and_microseconds_are_one_counter(chip: Chip, clock: Any) -> None:
    for pause in (1, 999, 1000, 1001, 7_654_321, 0):
        chip.passes(pause)
        us = clock.now_us()
        chip.machines.now -= LOOK_US * 125  # the same instant again
        assert clock.now_ms() == us // 1000


def test_wait_ends_when_due(chip: Chip, clock: Any) -> None:
    due = clock.now_ms() + 1234
    clock.wait(due)
    assert due <= clock.now_ms() <= due + 1
    assert max(timeout for _flags, timeout in chip.polled) <= 50


def test_wait_for_the_past_does_not_wait(chip: Chip, clock: Any) -> None:
    before = chip.us
    clock.wait(clock.now_ms())
    clock.wait(clock.now_ms() - 1000)
    assert chip.us - before < 1000
    assert chip.polled == []


def test_wait_ends_when_input_comes(chip: Chip, clock: Any) -> None:
    chip.line.incoming.extend(b"x")
    before = chip.us
    clock.wait(clock.now_ms() + 10_000)
    assert chip.us - before < 1000


@pytest.mark.parametrize(("pin", "level", "mask"), [(10, 0, 1), (11, 1, 2), (12, 0, 4)])
def test_a_switch_ends_a_wait_within_a_slice_and_only_once(
    chip: Chip, clock: Any, inputs: Any, pin: int, level: int, mask: int
) -> None:
    chip.pins.write(pin, level, chip.machines.now)
    before = chip.us
    clock.wait(clock.now_ms() + 10_000)
    assert chip.us - before < 51_000
    assert inputs.changed()
    before = chip.us
    clock.wait(clock.now_ms() + 200)  # nobody has read it; a loop that never does must still idle
    assert chip.us - before >= 199_000
    assert inputs.read() == mask


def test_all_byte_values_come_in_without_blocking(chip: Chip, serial: Any) -> None:
    assert not serial.any()
    assert serial.read() == b""
    everything = bytes(range(256)) * 3
    chip.line.incoming.extend(everything)
    assert serial.any()
    first = serial.read()
    assert len(first) == 512
    assert first + serial.read() == everything
    assert not serial.any()


def test_output_goes_in_usb_packets(chip: Chip, serial: Any) -> None:
    data = bytes(range(150))
    serial.write(data)
    serial.write(b"")
    assert bytes(chip.line.outgoing) == data
    assert chip.line.writes == [64, 64, 22]


def test_a_host_that_does_not_read_costs_one_short_wait(chip: Chip, serial: Any) -> None:
    chip.line.room = 70
    before = chip.us
    for _frame in range(50):
        serial.write(bytes(200))
    assert chip.us - before < 50_000
    assert len(chip.line.outgoing) == 70


def test_output_goes_on_when_the_host_reads_again(chip: Chip, serial: Any) -> None:
    chip.line.room = 0
    serial.write(b"lost")
    chip.line.room = 1000
    serial.write(b"found")
    assert bytes(chip.line.outgoing) == b"found"


def test_the_repl_is_shut_and_freed(chip: Chip, serial: Any) -> None:
    serial.shut_repl()
    serial.free_repl()
    assert chip.keyboard == [-1, 3]
