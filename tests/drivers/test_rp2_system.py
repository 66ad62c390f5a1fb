"""EN, watchdog, reset causes, maintenance flag and battery gauge of the RP2040."""

import importlib
from types import ModuleType

import pytest
from drivers.chip import Chip

SCRATCH_WHY = 0x4005_801C
CHIP_RESET = 0x4006_4008


@pytest.fixture
def system(chip: Chip) -> ModuleType:
    return importlib.import_module("thecal.drivers.rp2_system")


@pytest.mark.parametrize("active_low", [True, False])
def test_en_begins_off_and_follows(chip: Chip, system: ModuleType, active_low: bool) -> None:
    on = 0 if active_low else 1
    enable = system.Enable(4, active_low)
    assert chip.outputs == [(4, 1 - on)]
    assert chip.pins.level[4] == 1 - on
    enable.set(True)
    assert chip.pins.level[4] == on
    enable.set(False)
    assert chip.pins.level[4] == 1 - on


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("active_low", [True, False])
def test_after_a_cut_en_never_comes_back(chip: Chip, system: ModuleType, active_low: bool) -> None:
    on = 0 if active_low else 1
    enable = system.Enable(4, active_low)
    enable.set(True)
    enable.cut()
    assert chip.pins.level[4] == 1 - on
    enable.set(True)
    assert chip.pins.level[4] == 1 - on


@pytest.mark.parametrize("active_low", [True, False])
def test_en_reads_back_and_a_missing_jumper_looks_enabled(chip: Chip, system: ModuleType, active_low: bool) -> None:
    assert system.EnSense(7, active_low).read(), "an open input must fail the self-test, which wants to see EN off"
    chip.pins.link(4, 6)
    sense = system.EnSense(6, active_low)
    enable = system.Enable(4, active_low)
    enable.set(True)
    assert sense.read()
    enable.set(False)
    assert not sense.read()


def test_the_watchdog_is_armed_once_and_within_what_the_chip_can(chip: Chip, system: ModuleType) -> None:
    watchdog = system.Watchdog()
    watchdog.feed()
    assert (chip.watchdogs, chip.feeds) == ([], 0)
    watchdog.arm(60_000)
    watchdog.arm(5000)
    assert chip.watchdogs == [8388]
    watchdog.feed()
    assert chip.feeds == 1


@pytest.mark.parametrize(
    ("machine_cause", "scratch", "why", "cause"),
    [
        (1, 0, 1 << 8, 0),  # power came on
        (1, 0x6AB7_3121, 1 << 8, 0),  # what the scratch register holds after a loss of power means nothing
        (1, 0, 1 << 16, 3),  # the RUN pin
        (3, 0x6AB7_3121, 1 << 8, 1),  # the watchdog ran out
        (3, 0, 1 << 8, 2),  # machine.reset()
        (3, 0, 1 << 16, 2),
    ],
)
def test_reset_causes(chip: Chip, system: ModuleType, machine_cause: int, scratch: int, why: int, cause: int) -> None:
    chip.cause = machine_cause
    chip.mem[SCRATCH_WHY] = scratch
    chip.mem[CHIP_RESET] = why
    made = system.Chip()
    chip.mem[SCRATCH_WHY] = 0x6AB7_3121  # arming the watchdog writes it; the cause of this boot stays what it was
    assert made.reset_cause() == cause


def test_the_maintenance_flag_is_read_once(chip: Chip, system: ModuleType) -> None:
    made = system.Chip()
    assert made.flag() == 0
    made.set_flag(1)
    assert system.Chip().flag() == 1
    assert system.Chip().flag() == 0


@pytest.mark.parametrize("damage", [0x0000_0001, 0x8000_0000, 0x0001_0000])
def test_a_damaged_flag_is_no_flag(chip: Chip, system: ModuleType, damage: int) -> None:
    made = system.Chip()
    made.set_flag(1)
    chip.mem[0x4005_8014] ^= damage
    assert made.flag() == 0


def test_the_maintenance_pin_asks_while_it_is_low(chip: Chip, system: ModuleType) -> None:
    made = system.Chip(15)
    assert made.flag() == 0
    chip.pins.write(15, 0, chip.machines.now)
    assert made.flag() == 1
    assert made.flag() == 1


def test_reset_and_id(chip: Chip, system: ModuleType) -> None:
    made = system.Chip()
    assert made.unique_id() == bytes(range(8))
    made.reset()
    assert chip.resets == 1


@pytest.mark.parametrize(("raw", "mv"), [(0, 0), (65535, 9900), (32768, 4950), (24494, 3700)])
def test_battery_in_millivolts(chip: Chip, system: ModuleType, raw: int, mv: int) -> None:
    chip.adc = [raw]
    assert abs(system.BatteryGauge(26).read() - mv) <= 1


def test_spikes_do_not_move_the_battery(chip: Chip, system: ModuleType) -> None:
    """Four of nine groups are hit as hard as can be: the median does not care."""
    chip.adc = ([0] * 16 + [24494] * 16) * 2 + ([65535] * 16 + [24494] * 16) * 2 + [24494] * 17
    assert abs(system.BatteryGauge(26).read() - 3700) <= 1


def test_what_is_not_fitted_is_none(system: ModuleType) -> None:
    assert system.NotFitted().read() is None
