"""A small PIO for tests: assembles the drivers' programs and runs them cycle by cycle against one clock, with pins, FIFOs
and IRQ flags.

Invariant: every instruction takes one cycle plus its delay and stalls exactly where the datasheet says (RP2040, chapter 3);
a `jmp x--` onto itself is run in one go, to the same cycle. What is not modelled raises instead of doing something near it.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

MASK = 0xFFFFFFFF
FOREVER = 1 << 62


class Instruction:
    """One instruction: its name, arguments, delay cycles and (as jmp) the label it goes to."""

    def __init__(self, name: str, *args: Any) -> None:
        self.name = name
        self.args = args
        self.delay = 0

    def __getitem__(self, delay: int) -> "Instruction":
        assert 0 <= delay <= 31
        self.delay = delay
        return self


class Program:
    """An assembled program. A jmp may only go to an instruction that exists."""

    def __init__(self, function: Callable[[], None], options: dict[str, Any]) -> None:
        self.options = options
        self.code: list[Instruction] = []
        self.labels: dict[str, int] = {}
        self.first = 0
        self.last = -1
        words = {name: name for name in "x y isr osr null pins pin block noblock clear x_dec y_dec".split()}
        names: dict[str, Any] = {**words, "invert": lambda source: "~" + source}
        for name in ("pull", "push", "mov", "set", "jmp", "wait", "irq"):
            names[name] = self._maker(name)
        names["label"] = lambda name: self.labels.__setitem__(name, len(self.code))
        names["wrap_target"] = lambda: setattr(self, "first", len(self.code))
        names["wrap"] = lambda: setattr(self, "last", len(self.code) - 1)
        missing = {name: value for name, value in names.items() if name not in function.__globals__}
        function.__globals__.update(missing)
        try:
            function()
        finally:
            for name in missing:
                del function.__globals__[name]
        self.irq = names["irq"]
        if self.last < 0:
            self.last = len(self.code) - 1
        assert len(self.code) <= 32 and all(0 <= at < len(self.code) for at in self.labels.values())

    def _maker(self, name: str) -> Callable[..., Instruction]:
        def make(*args: Any) -> Instruction:
            self.code.append(Instruction(name, *args))
            return self.code[-1]

        return make


def decode(word: int) -> Instruction:
    """The instruction behind a 16-bit word, for those that drivers execute directly."""
    registers = {1: "x", 2: "y", 3: "null", 6: "isr", 7: "osr"}
    kind, delay, low = word >> 13, word >> 8 & 31, word & 0xFF
    assert delay == 0
    if kind == 4:
        return Instruction("pull" if low & 0x80 else "push", "block" if low & 0x20 else "noblock")
    if kind == 5:
        assert low >> 3 & 3 in (0, 1)
        return Instruction("mov", registers[low >> 5], ("~" if low >> 3 & 1 else "") + registers[low & 7])
    assert kind == 7 and low >> 5 == 0
    return Instruction("set", "pins", low & 31)


class Block:
    """One PIO block: four machines' shared IRQ flags."""

    def __init__(self) -> None:
        self.flags = [False] * 8


class Machine:
    """One state machine. `t` is the cycle of its next instruction; a stalled one waits for what `ready` says."""

    def __init__(self, pins: "Pins", block: Block, program: Program, set_base: int, in_base: int) -> None:
        self.pins = pins
        self.block = block
        self.program = program
        self.set_base = set_base
        self.in_base = in_base
        self.tx: deque[int] = deque()
        self.rx: deque[int] = deque()
        self.reg = {"x": 0, "y": 0, "isr": 0, "osr": 0}
        self.pc = 0
        self.t = 0
        self.active = False
        self.stalled = False

    def _read(self, source: str) -> int:
        value = 0 if source.endswith("null") else self.reg[source.lstrip("~")]
        return value ^ MASK if source.startswith("~") else value

    def ready(self) -> bool:
        """Would the instruction at `pc` go on now?"""
        op = self.program.code[self.pc]
        if op.name == "pull" and "noblock" not in op.args:
            return bool(self.tx)
        if op.name == "wait":
            level, source, index = op.args
            if source is self.program.irq:
                return self.block.flags[index]
            assert source == "pin"
            return self.pins.level[self.in_base + index] == level
        return True

    def execute(self, op: Instruction) -> "int | None":
        """Do one instruction that is ready; the new pc of a jmp that is taken."""
        args = op.args
        if op.name == "pull":
            self.reg["osr"] = self.tx.popleft() if self.tx else self.reg["x"]
        elif op.name == "push":
            assert args == ("noblock",)
            if len(self.rx) < 4:
                self.rx.append(self.reg["isr"])
            self.reg["isr"] = 0
        elif op.name == "mov":
            self.reg[args[0]] = self._read(args[1])
        elif op.name == "set":
            assert args[0] == "pins"
            self.pins.write(self.set_base, args[1], self.t)
        elif op.name == "wait":
            if args[1] is self.program.irq:
                self.block.flags[args[2]] = False
        elif op.name == "irq":
            self.block.flags[args[-1]] = len(args) == 1
        else:
            register = args[0][0]
            taken = self.reg[register] != 0
            self.reg[register] = (self.reg[register] - 1) & MASK
            return self.program.labels[args[1]] if taken else None
        return None

    def step(self, limit: int) -> None:
        """The instruction due at `t`, or as many turns of a one-instruction loop as there are before `limit`."""
        op = self.program.code[self.pc]
        if op.name == "jmp" and self.program.labels[op.args[1]] == self.pc and not op.delay:
            register = op.args[0][0]
            turns = min(self.reg[register], limit - self.t)
            self.reg[register] -= turns
            self.t += turns
            if self.t >= limit:
                return
        target = self.execute(op)
        if target is None:
            target = self.program.first if self.pc == self.program.last else self.pc + 1
        self.pc = target
        self.t += 1 + op.delay


class Pins:
    """Levels of 30 pins, their rising edges by cycle, and wires between them."""

    def __init__(self) -> None:
        self.level = [0] * 30
        self.rises: dict[int, list[int]] = {pin: [] for pin in range(30)}
        self.falls: dict[int, list[int]] = {pin: [] for pin in range(30)}
        self.wires: dict[int, int] = {}

    def link(self, source: int, target: int) -> None:
        """A jumper: `target` follows `source` from now on."""
        self.wires[source] = target
        self.level[target] = self.level[source]

    def write(self, pin: int, level: int, t: int) -> None:
        if self.level[pin] != level:
            self.level[pin] = level
            (self.rises if level else self.falls)[pin].append(t)
            if pin in self.wires:
                self.write(self.wires[pin], level, t)


class Machines:
    """All state machines of the chip, in step with one clock (`now`, in cycles)."""

    def __init__(self, pins: Pins) -> None:
        self.pins = pins
        self.blocks = (Block(), Block())
        self.of: dict[int, Machine] = {}
        self.now = 0

    def make(self, number: int, program: Program, set_base: int = 0, in_base: int = 0) -> Machine:
        machine = Machine(self.pins, self.blocks[number // 4], program, set_base, in_base)
        machine.t = self.now
        self.of[number] = machine
        if "set_init" in program.options:
            self.pins.write(set_base, program.options["set_init"], self.now)
        return machine

    def run_to(self, cycle: int) -> None:
        """Let time pass up to `cycle`. Machines go on in order of time; one that is not ready stalls until another acts."""
        while True:
            for machine in self.of.values():
                if machine.active and machine.stalled and machine.ready():  # it goes on in the cycle after the event
                    machine.stalled = False
                    machine.t = max(machine.t, self.now + 1)
            going = [machine for machine in self.of.values() if machine.active and not machine.stalled and machine.t < cycle]
            if not going:
                break
            due = min(going, key=lambda machine: machine.t)
            self.now = max(self.now, due.t)
            if due.ready():
                due.step(cycle)
            else:
                due.stalled = True
        self.now = max(self.now, cycle)
