"""What is wired to the virtual chip: STEP, DIR and EN to the motor's driver, the edge counter, the home switch of the carriage.

Invariant: the plant moves only on an edge while EN is on, in the direction DIR has then; whatever bears on the home switch ends
in `watch_home`, so that the switch changes at the very edge that moves it.
"""

from thecal_twin.inputs import HOME, Inputs
from thecal_twin.plant import DEFAULTS, Plant
from thecal_twin.pulser import Pulser

FAR = 1 << 60  # later than any time


class Wiring:
    """The half of `chip.World` that has pins; the other half has time."""

    def __init__(self, config: "dict", seed: int, params: "dict[str, int] | None", boot: "dict") -> None:
        pins = config.get("pins") or {}
        mechanics = config.get("mechanics") or {}
        self.now = 0
        self.base = boot.get("world_us", 0)
        self.en_pin = pins.get("en", 4)
        self.en_active = 0 if pins.get("en_active_low", True) else 1
        self.dir_pin = pins.get("dir", 3)
        self.dir_forward = 1 if mechanics.get("dir_invert") else 0  # the level at which this board's wiring drives out
        self.levels: "dict[int, int]" = {}
        self.plant = Plant(
            params or DEFAULTS,
            mechanics.get("step_pl_per_million", 41_282_490_964),
            mechanics.get("reservoir_nl", 20_000_000),
            seed,
            mechanics.get("stroke_steps") or 0,
        )
        self.plant.load(boot.get("plant", {}))
        self.counter = 0
        self.direction = 1  # as DIR says: 1 forward, -1 reverse
        self.turned = -1  # boot us of the last change of DIR
        self.double = self.counter_stuck = self.en_stuck = self.en = self.swapped = self.home_open = False
        self.pulser = Pulser(self)
        self.wake = False  # an input changed and neither a wait nor the loop knows
        self.home_us = FAR  # boot us of the first edge that may move the home switch
        self.inputs = Inputs(self, pins, boot.get("inputs", 0))

    def check_alive(self) -> None:
        """Raises Halt when the chip has stopped."""
        raise NotImplementedError

    def schedule(self) -> None:
        """Work out the next stop of time anew."""
        raise NotImplementedError

    def plan(self, at_us: int, name: str, value: "int | None") -> None:
        """Inject a fault, or move a switch, at world time `at_us`."""
        raise NotImplementedError

    # pins

    def set_pin(self, number: int, level: int) -> None:
        self.check_alive()
        self.levels[number] = 1 if level else 0
        if number == self.en_pin:
            self.update_en()
        elif number == self.dir_pin:
            self._turn(1 if self.levels[number] == self.dir_forward else -1)

    def _turn(self, direction: int) -> None:
        if direction != self.direction:
            self.settle_now()  # what flowed in so far flowed the other way
            self.direction = direction
            self.turned = self.now
            self.watch_home()

    def update_en(self) -> None:
        on = self.en_stuck or self.levels.get(self.en_pin, 1 - self.en_active) == self.en_active
        if on != self.en:
            self.en = on
            self.plant.set_en(on, self.base + self.now)
            self.watch_home()

    # edges

    def emit(self, edges: int) -> None:
        """Rising edges on STEP, from the pulser."""
        if self.double:
            edges += edges
        if not self.counter_stuck:
            self.counter += edges
        if self.en:
            self.plant.step(edges, -self.direction if self.swapped else self.direction)

    def end_of_batch(self, first_us: int, last_us: int) -> None:
        plant = self.plant
        if plant.delivered_pl() != plant.settled_pl:
            plant.settle(self.base + first_us, self.base + last_us)

    def from_us(self) -> int:
        """World time since when the unsettled inflow has been coming."""
        p = self.pulser
        return self.base + (p.first if p.done < p.count else self.now)

    def settle_now(self) -> None:
        self.plant.settle(self.from_us(), self.base + self.now)

    def watch_home(self) -> None:
        """The home switch as it is now, and a stop of time at the first edge that may change it."""
        if not self.inputs.home_fitted:
            return
        p = self.pulser
        at = FAR
        self.inputs.put(HOME, self.plant.at_home() and not self.home_open)
        if p.done < p.count and self.en:
            edges = self.plant.edges_to_home(-self.direction if self.swapped else self.direction)
            if self.double:
                edges = (edges + 1) // 2
            if 0 < edges <= p.count - p.done:
                at = p.time_of(p.done + edges - 1)
        if at != self.home_us:
            self.home_us = at
            self.schedule()
