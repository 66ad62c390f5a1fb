"""The switches of the virtual board: what hands and the carriage do to them, and what the firmware reads.

Invariant: a switch is a fact of the world, moved at a moment of the world's time and kept over resets; a change wakes the
firmware's wait at that very microsecond. A switch that is not in the board file can be moved and is never seen.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal_twin.wiring import Wiring

BUTTON = 1
ESTOP = 2
HOME = 4
BITS = (("button", BUTTON), ("estop", ESTOP), ("home", HOME))

INPUTS = {
    # name: (lowest, highest, what no value means)
    "button": (0, 2_678_400_000, 500),  # ms for which it is held down; 0 lets go
    "estop": (0, 1, 1),  # 1 pressed, 0 released
}


def check(name: str, value: "int | None", fitted: int) -> int:
    """The value `press` would use. Raises ValueError with a sentence; `fitted` is the mask of what the board has."""
    if name == "home":
        raise ValueError("nobody presses the home switch: the carriage does, 400 steps behind where a new syringe starts")
    if name not in INPUTS:
        raise ValueError("unknown input '%s'; known: %s" % (name, ", ".join(sorted(INPUTS))))
    if not fitted & dict(BITS)[name]:
        raise ValueError("this board has no %s: its board file does not name pins.%s" % (name, name))
    low, high, default = INPUTS[name]
    value = default if value is None else int(value)
    if not low <= value <= high:
        raise ValueError("input '%s' takes %d to %d, not %d" % (name, low, high, value))
    return value


class Inputs:
    """Seam `Inputs`, and the hands of the host."""

    def __init__(self, world: "Wiring", pins: "dict", held: int) -> None:
        self._w = world
        self.fitted = 0
        for name, bit in BITS:
            if pins.get(name) is not None:
                self.fitted |= bit
        self.home_fitted = self.fitted & HOME != 0
        self._level = held & ~HOME
        if world.plant.at_home():
            self._level |= HOME
        self._seen = 0  # what `changed` saw last

    # for the firmware

    def read(self) -> int:
        return self._level & self.fitted

    def changed(self) -> bool:
        self._w.wake = False
        level = self._level & self.fitted
        changed = level != self._seen
        self._seen = level
        return changed

    # for the world

    def put(self, bit: int, on: bool) -> None:
        """The switch `bit` now acts, or does not."""
        level = self._level | bit if on else self._level & ~bit
        if level != self._level:
            self._level = level
            if bit & self.fitted:
                self._w.wake = True

    def press(self, name: str, value: int) -> None:
        """Move a switch now; a button held for `value` ms is let go by itself. A press while it is held sets that moment anew."""
        w = self._w
        if name == "button":
            if value:
                w.plan(w.base + w.now + value * 1000, "button", 0)
            self.put(BUTTON, value > 0)
        else:
            self.put(ESTOP, value > 0)

    def held(self) -> int:
        """What outlives a boot: the switches that hands hold."""
        return self._level & ~HOME

    def truth(self) -> "dict[str, int | None]":
        """1 acts, 0 does not, None not fitted."""
        return {name: (1 if self._level & bit else 0) if self.fitted & bit else None for name, bit in BITS}
