"""The chip around the pump on the RP2040: EN and its read-back, DIR, watchdog, reset causes, files, battery gauge.

Invariant: EN is off until someone sets it on, and after `cut` nothing but a reset can. The maintenance flag outlives a reset,
never a loss of power. Addresses and magic words are from the RP2040 datasheet (sections 2.10 and 4.7) and pico-sdk's
watchdog.c.
"""

import os
from time import sleep_us

import machine
from machine import mem32

from thecal.core.compat import const

_CHIP_RESET = const(0x4006_4008)  # VREG_AND_CHIP_RESET: why the chip as a whole was reset
_HAD_RUN = const(1 << 16)
_SCRATCH_FLAG = const(0x4005_8014)  # watchdog scratch 2 and 3: neither the boot ROM nor MicroPython uses them
_SCRATCH_CHECK = const(0x4005_8018)
_SCRATCH_WHY = const(0x4005_801C)  # watchdog scratch 4
_TIMED_OUT = const(0x6AB7_3121)  # there since the watchdog was armed; machine.reset() clears it
_FLAG_MAGIC = const(0x7EC0_0000)
_WORD = const(0xFFFF_FFFF)
_WATCHDOG_MAX_MS = const(8388)

CAUSE_POWER = const(0)
CAUSE_WATCHDOG = const(1)
CAUSE_COMMANDED = const(2)
CAUSE_PIN = const(3)

SETTLE_US = const(2)  # a DRV8825 wants DIR 650 ns before STEP, an A4988 200 ns, a TMC2209 20 ns

ADC_FULL_MV = const(3300)
ADC_FULL = const(65535)
ADC_GROUP = const(16)
ADC_GROUPS = const(9)
BATTERY_DIVIDER = const(3)  # the board's own divider: twice R above R


class Enable:
    """Seam `Enable` on pin `pin`."""

    def __init__(self, pin: int, active_low: bool) -> None:
        self._off = 1 if active_low else 0
        self._pin = machine.Pin(pin, machine.Pin.OUT, value=self._off)
        self._cut = False

    def set(self, on: bool) -> None:
        self._pin.value(1 - self._off if on and not self._cut else self._off)

    def cut(self) -> None:
        self._cut = True
        self.set(False)


class EnSense:
    """Seam `Sense`. The pull is towards "enabled" (the external resistor wins by far): a missing jumper fails the self-test."""

    def __init__(self, pin: int, active_low: bool) -> None:
        pull = machine.Pin.PULL_DOWN if active_low else machine.Pin.PULL_UP
        self._pin = machine.Pin(pin, machine.Pin.IN, pull)
        self._on = 0 if active_low else 1

    def read(self) -> bool:
        return self._pin.value() == self._on


class Direction:
    """Seam `Direction` on pin `pin`: low is forward, unless `invert`. A change is SETTLE_US old when `set` returns."""

    def __init__(self, pin: int, invert: bool) -> None:
        self._forward = 1 if invert else 0
        self._pin = machine.Pin(pin, machine.Pin.OUT, value=self._forward)

    def set(self, reverse: bool) -> None:
        self._pin.value(1 - self._forward if reverse else self._forward)
        sleep_us(SETTLE_US)


class Watchdog:
    """Seam `Watchdog`. At most 8388 ms on this chip; a second `arm` changes nothing."""

    def __init__(self) -> None:
        self._wdt = None

    def arm(self, timeout_ms: int) -> None:
        if self._wdt is None:
            self._wdt = machine.WDT(timeout=min(timeout_ms, _WATCHDOG_MAX_MS))

    def feed(self) -> None:
        if self._wdt is not None:
            self._wdt.feed()


class Chip:
    """Seam `Chip`. `maintenance_pin` (None: not fitted) held low at power-up asks for maintenance as the command does."""

    def __init__(self, maintenance_pin: "int | None" = None) -> None:
        self._cause = _read_cause()
        self._pin = None
        if maintenance_pin is not None:
            self._pin = machine.Pin(maintenance_pin, machine.Pin.IN, machine.Pin.PULL_UP)

    def reset_cause(self) -> int:
        """0 power, 1 watchdog, 2 commanded, 3 RUN pin; as it was when this boot began."""
        return self._cause

    def reset(self) -> None:
        machine.reset()

    def unique_id(self) -> bytes:
        """8 bytes: the number of the flash chip."""
        return machine.unique_id()

    def flag(self) -> int:
        """The value of `set_flag` before the reset (0: none, or power was lost since); 1 while the maintenance pin is low.
        Clears it."""
        word = mem32[_SCRATCH_FLAG] & _WORD
        whole = word ^ (mem32[_SCRATCH_CHECK] & _WORD) == _WORD and word & 0xFFFF_FF00 == _FLAG_MAGIC
        mem32[_SCRATCH_FLAG] = 0
        mem32[_SCRATCH_CHECK] = 0
        if self._pin is not None and self._pin.value() == 0:
            return 1
        return word & 0xFF if whole else 0

    def set_flag(self, value: int) -> None:
        """Keep `value` (0..255) over the next reset."""
        word = _FLAG_MAGIC | (value & 0xFF)
        mem32[_SCRATCH_FLAG] = word
        mem32[_SCRATCH_CHECK] = word ^ _WORD


def _read_cause() -> int:
    if machine.reset_cause() == machine.WDT_RESET:
        return CAUSE_WATCHDOG if mem32[_SCRATCH_WHY] & _WORD == _TIMED_OUT else CAUSE_COMMANDED
    return CAUSE_PIN if mem32[_CHIP_RESET] & _HAD_RUN else CAUSE_POWER


class Files:
    """Seam `fs`: the interpreter's own file system, littlefs on the Pico's flash."""

    def __init__(self) -> None:
        self.open = open
        self.rename = os.rename
        self.remove = os.remove
        self.listdir = os.listdir
        self.stat = os.stat
        self.mkdir = os.mkdir


class BatteryGauge:
    """Seam `Gauge` in mV, over the divider. This ADC has spikes and about 8 true bits: sums of 16 readings, of which the median
    counts."""

    def __init__(self, pin: int) -> None:
        self._adc = machine.ADC(pin)

    def read(self) -> "int | None":
        sums = []
        for _group in range(ADC_GROUPS):
            total = 0
            for _reading in range(ADC_GROUP):
                total += self._adc.read_u16()
            sums.append(total)
        sums.sort()
        return sums[ADC_GROUPS // 2] * ADC_FULL_MV * BATTERY_DIVIDER // (ADC_GROUP * ADC_FULL)


class NotFitted:
    """Seam `Gauge` of a sensor that is not there."""

    def read(self) -> "int | None":
        return None
