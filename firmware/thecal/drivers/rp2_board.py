"""The Raspberry Pi Pico and other RP2040 boards: every part of the driver seam, put together from the pins in the board file.

Invariant: from the import of this module on no byte from the host can stop the firmware; EN is the first pin that is driven, and
it is driven off. Not a medical device; never for use on people or animals.
"""

# ruff: noqa: E402 - the one line between the imports is the reason
import micropython

micropython.kbd_intr(-1)  # before the rest is loaded: a host may be talking already, and a frame may hold the byte of Ctrl-C

from thecal.drivers.rp2_clock import Clock
from thecal.drivers.rp2_counter import Counter
from thecal.drivers.rp2_inputs import Inputs
from thecal.drivers.rp2_pio import Pulser
from thecal.drivers.rp2_serial import Serial
from thecal.drivers.rp2_system import BatteryGauge, Chip, Direction, Enable, EnSense, Files, NotFitted, Watchdog


class Rp2Board:
    """Seam `Board`. Pressure and temperature have no driver on this port yet: they read None whatever the board file says."""

    def __init__(self, config: "dict") -> None:
        pins = config["pins"]
        sensors = config.get("sensors") or {}
        active_low = pins.get("en_active_low", True)
        self.config = config
        self.enable = Enable(pins["en"], active_low)
        self.direction = Direction(pins["dir"], config["mechanics"].get("dir_invert", False))
        self.en_sense = EnSense(pins["en_sense"], active_low)
        self.serial = Serial()
        self.inputs = Inputs(pins)
        self.clock = Clock(self.serial, self.inputs)
        self.counter = Counter(pins["step_sense"])
        self.pulser = Pulser(pins["step"], self.clock)
        self.watchdog = Watchdog()
        self.chip = Chip(pins.get("maintenance"))
        self.fs = Files()
        fitted = sensors.get("battery") and pins.get("battery") is not None
        self.battery_mv = BatteryGauge(pins["battery"]) if fitted else NotFitted()
        self.pressure_pa = NotFitted()
        self.temperature_mc = NotFitted()
