"""The port of the virtual board: the driver seam over the virtual chip, as thin as the register writes of a real port.

Invariant: nothing is decided here. What a part does is in `thecal_twin` (mounted read-only beside the firmware, never on its
flash); only the latch of the cut lives in the driver, as it does on every port.
"""

from thecal.drivers.ticks import TickClock
from thecal_twin import chip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Clock(TickClock):
    """The virtual chip's 30-bit timer, extended as on every port; idle time belongs to the virtual world."""

    def __init__(self, world: "chip.World") -> None:
        super().__init__(world.ticks_us, world.now)
        self.wait = world.clock.wait


class _Direction:
    def __init__(self, world: "chip.World", invert: bool) -> None:
        self._w = world
        self._forward = 1 if invert else 0
        self.set(False)

    def set(self, reverse: bool) -> None:
        w = self._w
        w.set_pin(w.dir_pin, 1 - self._forward if reverse else self._forward)


class _Enable:
    def __init__(self, world: "chip.World") -> None:
        self._w = world
        self._cut = False

    def set(self, on: bool) -> None:
        w = self._w
        on = on and not self._cut
        w.set_pin(w.en_pin, w.en_active if on else 1 - w.en_active)

    def cut(self) -> None:
        self._cut = True
        self.set(False)


class _Counter:
    def __init__(self, world: "chip.World") -> None:
        self._w = world

    def read(self) -> int:
        return self._w.counter


class _EnSense:
    def __init__(self, world: "chip.World") -> None:
        self._w = world

    def read(self) -> bool:
        return self._w.en


class _Watchdog:
    def __init__(self, world: "chip.World") -> None:
        self.arm = world.arm_watchdog
        self.feed = world.feed_watchdog


class _Chip:
    def __init__(self, world: "chip.World") -> None:
        self._w = world
        self.unique_id = world.unique_id

    def reset_cause(self) -> int:
        return self._w.cause

    def reset(self) -> None:
        self._w.reset(chip.CAUSE_COMMANDED)

    def flag(self) -> int:
        value = self._w.scratch
        self._w.scratch = 0
        return value

    def set_flag(self, value: int) -> None:
        self._w.scratch = value


class _Gauge:
    """One sensor; `fitted` false reads None."""

    def __init__(self, world: "chip.World", fitted: bool, look: "Any") -> None:
        self._w = world
        self._look = look if fitted else None

    def read(self) -> "int | None":
        if self._look is None:
            return None
        w = self._w
        return self._look(w, w.base + w.now)


def _battery(w: "chip.World", t_us: int) -> int:
    return w.plant.read_battery_mv(t_us, w.pulser.busy())


def _pressure(w: "chip.World", t_us: int) -> int:
    return w.plant.read_pressure_pa(w.from_us(), t_us)


def _temperature(w: "chip.World", t_us: int) -> int:
    return w.plant.read_temperature_mc(t_us)


class VirtualBoard:
    """Seam `Board`. There must be a world (`thecal_twin.chip.make_world`) before one is made."""

    def __init__(self, config: "dict") -> None:
        w = chip.world
        if w is None:
            raise RuntimeError("no virtual world")
        sensors = config.get("sensors") or {}
        mechanics = config.get("mechanics") or {}
        self.config = config
        self.clock = _Clock(w)
        self.pulser = w.pulser
        self.enable = _Enable(w)
        self.direction = _Direction(w, bool(mechanics.get("dir_invert")))
        self.inputs = w.inputs
        self.counter = _Counter(w)
        self.en_sense = _EnSense(w)
        self.serial = w.serial
        self.watchdog = _Watchdog(w)
        self.chip = _Chip(w)
        self.fs = w.fs
        self.battery_mv = _Gauge(w, bool(sensors.get("battery")), _battery)
        self.pressure_pa = _Gauge(w, bool(sensors.get("pressure")), _pressure)
        self.temperature_mc = _Gauge(w, bool(sensors.get("temperature")), _temperature)
