"""The `machine` module of the virtual chip, as far as boot.py and mpremote need it, over the world's pins.

Invariant: a pin written through here is the same pin the driver seam writes, so `boot.py`'s first line really drives EN.
"""

from thecal_twin import chip


def world() -> chip.World:
    """The world whose pins these are."""
    if chip.world is None:
        raise RuntimeError("no virtual world")
    return chip.world


class Pin:
    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2

    def __init__(self, number: int, mode: int = -1, pull: int = -1, value: "int | None" = None) -> None:
        self._number = number
        if value is not None:
            world().set_pin(number, value)

    def init(self, mode: int = -1, pull: int = -1, value: "int | None" = None) -> None:
        if value is not None:
            world().set_pin(self._number, value)

    def value(self, level: "int | None" = None) -> "int | None":
        """Read (nothing drives an unused pin: its pull-up reads 1) or write the level."""
        if level is None:
            return world().levels.get(self._number, 1)
        world().set_pin(self._number, level)
        return None

    def __call__(self, level: "int | None" = None) -> "int | None":
        return self.value(level)

    def on(self) -> None:
        self.value(1)

    def off(self) -> None:
        self.value(0)

    high = on
    low = off


class Machine:
    """Stands in `sys.modules["machine"]`."""

    Pin = Pin
    PWRON_RESET = 1
    WDT_RESET = 3

    def reset(self) -> None:
        world().reset(chip.CAUSE_COMMANDED)

    def reset_cause(self) -> int:
        return self.PWRON_RESET if world().cause == chip.CAUSE_POWER else self.WDT_RESET

    def unique_id(self) -> bytes:
        return world().unique_id()

    def freq(self) -> int:
        return 125_000_000

    def soft_reset(self) -> None:
        raise SystemExit
