"""An RP2040 for tests: `machine`, `rp2`, `micropython`, MicroPython's clock functions and a USB line, as far as the drivers
touch them.

Invariant: time passes only when the driver looks (each look at the timer costs LOOK_US) or a test says so; the PIO is always
in step.
"""

import select
import sys
import time
import types
from typing import Any

import pytest
from drivers.pio import Machines, Pins, Program, decode

PER_US = 125
LOOK_US = 7
TICKS = 1 << 30


class Pin:
    IN, OUT = 0, 1
    PULL_UP, PULL_DOWN = 1, 2
    chip: "Chip"

    def __init__(self, number: int, mode: int = -1, pull: int = -1, value: "int | None" = None) -> None:
        self.number = number
        self.chip.pulls[number] = pull
        if mode == self.OUT:
            self.chip.outputs.append((number, value))
        elif mode == self.IN and pull > 0 and number not in self.chip.pins.wires.values():
            self.chip.pins.write(number, 1 if pull == self.PULL_UP else 0, self.chip.machines.now)
        if value is not None:
            self.value(value)

    def value(self, level: "int | None" = None) -> "int | None":
        if level is None:
            return self.chip.pins.level[self.number]
        self.chip.pins.write(self.number, level, self.chip.machines.now)
        return None


class StateMachine:
    chip: "Chip"

    def __init__(self, number: int, program: Program, set_base: "Pin | None" = None, in_base: "Pin | None" = None) -> None:
        self.m = self.chip.machines.make(number, program, set_base.number if set_base else 0, in_base.number if in_base else 0)

    def active(self, on: int) -> None:
        self.m.active = bool(on)
        self.m.t = self.chip.machines.now

    def put(self, value: int) -> None:
        assert 0 <= value < 1 << 32
        assert len(self.m.tx) < 4, "the real one would block"
        self.m.tx.append(value)
        self.chip.passes(1)

    def get(self) -> int:
        assert self.m.rx, "the real one would block"
        return self.m.rx.popleft()

    def tx_fifo(self) -> int:
        return len(self.m.tx)

    def rx_fifo(self) -> int:
        return len(self.m.rx)

    def exec(self, word: int) -> None:
        assert self.m.execute(decode(word)) is None

    def restart(self) -> None:
        self.m.pc = 0
        self.m.stalled = False


class Mem32(dict[int, int]):
    """Registers by address; what nobody wrote reads 0."""

    def __missing__(self, _address: int) -> int:
        return 0


class Line:
    """stdin and stdout of the chip: `incoming` bytes, `outgoing` bytes, and how many more it takes before it is full."""

    def __init__(self) -> None:
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.writes: list[int] = []
        self.room = 1 << 30
        self.buffer = self

    def readinto(self, target: bytearray) -> int:
        assert len(target) == 1 and self.incoming, "the real one would block"
        target[0] = self.incoming.pop(0)
        return 1

    def write(self, data: Any) -> int:
        taken = min(len(data), self.room)
        self.outgoing.extend(bytes(data)[:taken])
        self.room -= taken
        self.writes.append(len(data))
        return taken


class Chip:
    """The whole chip. `us` is the true time since its timer began; `hooks` is called before each look at the timer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, begin_us: int = 5_000_000) -> None:
        self.pins = Pins()
        self.machines = Machines(self.pins)
        self.machines.now = begin_us * PER_US
        self.outputs: list[tuple[int, int | None]] = []
        self.pulls: dict[int, int] = {}
        self.interrupts_on = True
        self.watchdogs: list[int] = []
        self.feeds = 0
        self.resets = 0
        self.cause = 1
        self.mem = Mem32()
        self.adc: list[int] = []
        self.keyboard: list[int] = []
        self.line = Line()
        self.polled: list[tuple[int, int]] = []
        self.pauses_us: list[int] = []
        self._install(monkeypatch)

    @property
    def us(self) -> int:
        return self.machines.now // PER_US

    def passes(self, us: int) -> None:
        self.machines.run_to(self.machines.now + us * PER_US)

    def ticks_us(self) -> int:
        if self.pauses_us and self.interrupts_on:
            self.passes(self.pauses_us.pop(0))
        self.passes(LOOK_US)
        return self.us % TICKS

    def _install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        chip = self

        class Adc:
            def __init__(self, pin: int) -> None:
                self.pin = pin

            def read_u16(self) -> int:
                return chip.adc.pop(0) if len(chip.adc) > 1 else chip.adc[0]

        class Wdt:
            def __init__(self, timeout: int) -> None:
                assert timeout <= 8388
                chip.watchdogs.append(timeout)

            def feed(self) -> None:
                chip.feeds += 1

        class Poll:
            def register(self, stream: Line, flags: int) -> None:
                self.flags = flags

            def ipoll(self, timeout_ms: int) -> "list[int]":
                chip.polled.append((self.flags, timeout_ms))
                ready = chip.line.incoming if self.flags == select.POLLIN else chip.line.room
                if not ready:
                    chip.passes(timeout_ms * 1000)
                return [1] if ready else []

        def interrupts(on: bool) -> bool:
            before, chip.interrupts_on = chip.interrupts_on, on
            return before

        def reset() -> None:
            chip.resets += 1

        def fresh(base: type) -> type:
            return type(base.__name__, (base,), {"chip": chip})

        machine: Any = types.ModuleType("machine")
        machine.Pin = fresh(Pin)
        machine.ADC, machine.WDT, machine.mem32 = Adc, Wdt, self.mem
        machine.PWRON_RESET, machine.WDT_RESET = 1, 3
        machine.freq = lambda: PER_US * 1_000_000
        machine.disable_irq = lambda: interrupts(False)
        machine.enable_irq = interrupts
        machine.reset_cause = lambda: chip.cause
        machine.reset = reset
        machine.unique_id = lambda: bytes(range(8))
        rp2: Any = types.ModuleType("rp2")
        rp2.asm_pio = lambda **options: lambda function: Program(function, options)
        rp2.StateMachine = fresh(StateMachine)
        rp2.PIO = types.SimpleNamespace(OUT_LOW=0)
        micropython: Any = types.ModuleType("micropython")
        micropython.kbd_intr = self.keyboard.append
        for module in (machine, rp2, micropython):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        for name in [name for name in sys.modules if name.startswith("thecal.drivers.rp2_")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(time, "ticks_us", self.ticks_us, raising=False)
        monkeypatch.setattr(time, "sleep_us", self.passes, raising=False)
        monkeypatch.setattr(time, "ticks_ms", lambda: self.us // 1000 % TICKS, raising=False)
        monkeypatch.setattr(time, "ticks_add", lambda a, b: (a + b) % TICKS, raising=False)
        monkeypatch.setattr(time, "ticks_diff", lambda a, b: (a - b + TICKS // 2) % TICKS - TICKS // 2, raising=False)
        monkeypatch.setattr(select, "poll", Poll)
        monkeypatch.setattr(sys, "stdin", self.line)
        monkeypatch.setattr(sys, "stdout", self.line)
