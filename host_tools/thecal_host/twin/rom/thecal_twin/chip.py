"""The virtual chip and the world around it: pins, pulser, counter, watchdog, resets, power, and the order in which they happen.

Invariant: everything due at or before the new time has happened, in order of time, when the clock shows it. `now` is microseconds
since boot; the world's own time, `base + now`, runs on over resets. There is one world per process: `chip.world`.
"""

from thecal_twin import clock as ck
from thecal_twin import faults, inputs
from thecal_twin.control import serve
from thecal_twin.rng import mix
from thecal_twin.serial import Serial
from thecal_twin.wiring import FAR, Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal_twin.flash import Flash


CAUSE_POWER = 0
CAUSE_WATCHDOG = 1
CAUSE_COMMANDED = 2
CAUSE_PIN = 3

world: "World | None" = None


class Halt(BaseException):
    """The chip stopped executing (in-process use only). Not an Exception, so that no handler of the firmware survives it."""


class PowerCut(Halt):
    """Power went away."""


class ChipReset(Halt):
    """The chip reset; args[0] is the cause."""


class EndOfRun(Halt):
    """An in-process run has nothing more to wait for."""


class World(Wiring):
    def __init__(self, config: "dict", seed: int, params: "dict[str, int] | None", fs: "Any", ports: "Any", boot: "dict") -> None:
        super().__init__(config, seed, params, boot)
        self.fs = fs
        self.ports: "Any" = ports  # None in-process; then nothing below asks for it
        self.seed = seed
        self.uid = bytes(boot.get("uid") or ())  # empty: follows from the seed
        self.fitted = config.get("sensors") or {}
        self.stop = FAR  # boot-clock us of the next thing that is not an edge
        self.mode = ck.FREE if ports is None else boot.get("mode", ck.PAUSED)
        self.target = 0
        self.speed = boot.get("speed", 1)
        self.up = False
        self.dead = False
        self.request: "int | None" = None  # id of the advance request under way
        self.on_pause: "Any" = None  # in-process: called with the world when time stands still and nobody has anything to do
        self.cause = boot.get("cause", CAUSE_POWER)
        self.scratch = boot.get("flag", 0)
        self.ticks0 = boot.get("ticks0", 0)  # what the microsecond timer shows at the start of each boot; 0 on a real chip
        self.wd_ms = 0
        self.wd = FAR
        self.cut_us = FAR if boot.get("cut_us") is None else boot["cut_us"] - self.base
        self.pending = [list(p) for p in boot.get("pending", ())]  # [world us, fault, value], earliest first
        self.other = FAR
        self.faults: "dict[str, int]" = {}
        self.hang = False
        self.flash: "Flash | None" = None  # counts of the flash (blockdev.Flash), set by whoever made `fs`
        self.clock = ck.Clock(self)
        self.serial = Serial(self)
        if self.cause == CAUSE_POWER:
            self.plant.power_off_until(self.base)
        if boot.get("soft") and boot.get("en"):  # pads keep their level over a soft reset, over nothing else
            self.levels[self.en_pin] = self.en_active
        for name in boot.get("faults", {}):
            self.faults[name] = boot["faults"][name]
            faults.apply(self, name, self.faults[name])
        self.update_en()
        self.schedule()

    # time

    def ticks_us(self) -> int:
        """The chip's microsecond timer: 30 bits, like MicroPython's on a real board."""
        return (self.now + self.ticks0) & 0x3FFF_FFFF

    def go(self, t: int) -> None:
        """Move the clock to `t` (boot us, never backwards), with everything that happens on the way."""
        while t >= self.stop:
            self._stop_at(self.stop)
        p = self.pulser
        if p.done < p.count:
            p.play(t)
        self.now = t

    def run(self, t: int) -> None:
        """`go`, but no further than to the first change of an input: there `wake` is set."""
        while t >= self.stop:
            self._stop_at(self.stop)
            if self.wake:
                return
        p = self.pulser
        if p.done < p.count:
            p.play(t)
        self.now = t

    def _stop_at(self, t: int) -> None:
        if t > self.now:
            p = self.pulser
            if p.done < p.count:
                p.play(t)
            self.now = t
        if self.pending and self.pending[0][0] <= self.base + t:
            _, name, value = self.pending.pop(0)
            if name in inputs.INPUTS:
                self.inputs.press(name, value)
            else:
                faults.inject(self, name, value)
            self.schedule()
        elif t >= self.cut_us:
            self.power_cut()
        elif t >= self.home_us:
            self.watch_home()
        elif t >= self.wd:
            self.reset(CAUSE_WATCHDOG)

    def schedule(self) -> None:
        """Work out the next stop after a change of the plans."""
        other = self.cut_us if self.cut_us < self.home_us else self.home_us
        if self.pending and self.pending[0][0] - self.base < other:
            other = self.pending[0][0] - self.base
        self.other = other if other > self.now else self.now
        self.stop = self.wd if self.wd < self.other else self.other

    def plan(self, at_us: int, name: str, value: "int | None") -> None:
        """Inject a fault, or move a switch, at world time `at_us`. A button is let go once: a newer plan for that replaces it."""
        if name == "button" and value == 0:
            self.pending = [p for p in self.pending if p[1] != name or p[2]]
        self.pending.append([at_us, name, value])
        self.pending.sort(key=lambda p: p[0])
        self.schedule()

    def arm_watchdog(self, timeout_ms: int) -> None:
        self.wd_ms = timeout_ms
        self.feed_watchdog()

    def feed_watchdog(self) -> None:
        if self.wd_ms:
            wd = self.wd = self.now + self.wd_ms * 1000
            self.stop = wd if wd < self.other else self.other

    # the end of a boot

    def check_alive(self) -> None:
        """In-process: whoever swallowed the halt meets it again."""
        if self.dead:
            raise Halt()

    def _halt(self, event: "dict", error: BaseException) -> None:
        self.pulser.abort()
        self.dead = True
        if self.ports is None:
            raise error
        if self.request is not None:
            event["left_us"] = self.target - self.now
        event["dump"] = self.dump()
        event["truth"] = self.truth()
        self.ports.send(event)
        self.ports.block()

    def power_cut(self) -> None:
        self.cut_us = FAR
        self._halt({"ev": "cut"}, PowerCut())

    def reset(self, cause: int) -> None:
        if self.hang:
            self.faults["hang"] -= 1
        self._halt({"ev": "reset", "cause": cause}, ChipReset(cause))

    def unique_id(self) -> bytes:
        if self.uid:
            return self.uid
        a = mix(self.seed * 2 + 1)
        b = mix(a + self.seed)
        return a.to_bytes(4, "big") + b.to_bytes(4, "big")

    # for the host

    def truth(self) -> "dict":
        t: "dict" = self.plant.truth(self.from_us(), self.base + self.now)
        t["now_ms"] = self.now // 1000
        t["world_ms"] = (self.base + self.now) // 1000
        t["en"] = 1 if self.en else 0
        t["dir"] = self.direction
        t["inputs"] = self.inputs.truth()
        t["counter"] = self.counter
        t["batch_left"] = self.pulser.count - self.pulser.done
        t["faults"] = self.broken()
        t["flash"] = self.flash.truth() if self.flash else {}
        return t

    def broken(self) -> "dict[str, int]":
        return {n: v for n, v in self.faults.items() if v}

    def dump(self) -> "dict":
        """All that outlives this boot; `make_world(boot=...)` takes it back."""
        self.plant.fold_battery(self.base + self.now)
        self.settle_now()
        return {
            "world_us": self.base + self.now,
            "plant": self.plant.dump(),
            "faults": self.broken(),
            "pending": self.pending,
            "cut_us": None if self.cut_us >= FAR else self.base + self.cut_us,
            "flag": self.scratch,
            "inputs": self.inputs.held(),
            "ticks0": self.ticks0,
            "en": 1 if self.en and not self.en_stuck else 0,
            "flash": self.flash.dump() if self.flash else {},
        }

    def came_up(self) -> None:
        """First wait of this boot: the firmware's loop runs."""
        self.up = True
        if self.ports is not None:
            self.clock.rebase()
            self.ports.send({"ev": "up", "now_ms": self.now // 1000})

    def arrived(self) -> None:
        """An advance has reached its target and the firmware is idle there."""
        self.mode = ck.PAUSED
        if self.request is not None:
            self.ports.send({"re": self.request, "ok": 1, "now_ms": self.now // 1000, "world_ms": (self.base + self.now) // 1000})
            self.request = None

    def advance(self, us: int) -> None:
        """Let time jump on by `us` from now."""
        self.target = self.now + us
        self.mode = ck.ADVANCE

    def idle_in_process(self, due: int) -> None:
        """`wait` without ports: serial first; FREE jumps; PAUSED asks `on_pause` what comes next."""
        self.check_alive()
        if self.serial.any() and not self.hang:
            return
        if self.mode == ck.FREE:
            if not self.hang or self.stop < FAR:
                self.run(due if due > self.now else self.now)
                return
        elif self.mode == ck.PAUSED and self.on_pause is not None:
            self.on_pause(self)
            if self.mode != ck.PAUSED or self.wake or self.serial.any():
                return
        elif self.mode == ck.ADVANCE:
            return
        raise EndOfRun()

    def progress(self) -> None:
        if self.ports is not None and self.ports.tick(200):
            self.ports.send({"ev": "progress", "now_ms": self.now // 1000, "world_ms": (self.base + self.now) // 1000})
            if self.ports.poll(0, False):
                self.command()

    def command(self) -> None:
        """Serve one request of the host."""
        serve(self, self.ports.receive())


def make_world(
    config: "dict",
    seed: int = 1,
    fs: "Any" = None,
    ports: "Any" = None,
    boot: "dict | None" = None,
    params: "dict[str, int] | None" = None,
) -> World:
    """Make *the* world (`chip.world`) from a board's config. `boot` is a dump of the boot before; `ports` None means in-process.

    In-process a halt raises PowerCut, ChipReset or EndOfRun; the clock jumps freely until `advance` or `mode` says otherwise.
    `boot["ticks0"]` is what the chip's microsecond timer starts from, to begin a test just before it wraps (at 2^30).
    """
    global world
    world = World(config, seed, params, fs, ports, boot or {})
    return world
