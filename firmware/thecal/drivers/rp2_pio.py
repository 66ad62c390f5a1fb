"""The hardware half of a lease on the RP2040: one PIO state machine that emits a finite batch of STEP pulses on an exact time
grid.

Invariant: it holds at most one lease. All four words of a lease must be there before its first pulse; exactly `count` pulses
follow, then it stalls low by itself. A hung CPU, a half-written command or a dead metronome give no further pulse.

A second machine, the metronome, ticks every millisecond in step with the microsecond timer (one crystal drives both). A lease
waits for a tick and counts its own delay from there, so its first edge is exact to the clock cycle whatever interrupts, flash
writes or the collector did to the CPU before. Periods are whole cycles, rounded to nearest, and each lease is placed anew in
absolute time: an error never outlives its lease.
"""

from time import ticks_add, ticks_diff, ticks_us

import machine
import rp2

from thecal.core.compat import const

try:
    from typing import TYPE_CHECKING
except ImportError:
    TYPE_CHECKING = False
if TYPE_CHECKING:
    from rp2.asm_pio import *  # noqa: F403 - the assembler's words, for type checkers only

HIGH_US = const(3)  # a DRV8825 wants 1.9 us, high and low
PERIOD_OVERHEAD = const(7)  # cycles of one pulse beside its two counted waits
HIGH_OVERHEAD = const(3)
FIRST_OVERHEAD = const(4)  # cycles from the tick to the first edge beside the counted wait
TICK_US = const(1000)
TICK_OVERHEAD = const(11)
GUARD_US = const(300)  # too near to the next tick to be sure to load before it
MARGIN_US = const(60)  # the four words are written within this, interrupts off
WORD_MAX = const(0xFFFF_FFFF)
TRIES = const(200)  # looks at the clock while the tick is too near: about 2 ms
_SET_PINS_LOW = const(0xE000)  # set(pins, 0)
_PULL_NOBLOCK = const(0x8080)  # pull(noblock)


# ruff: noqa: F405 - the assembler's words are no Python names
@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def step_program():
    pull(block)  # cycles from the tick to the first edge
    mov(y, osr)
    pull(block)  # low cycles between two pulses
    mov(isr, osr)
    pull(block)  # pulses after the first
    mov(x, osr)
    pull(block)  # high cycles; they stay in OSR
    wait(1, irq, 4)  # pyright: ignore[reportArgumentType] - the stubs know irq as an instruction only
    label("low")
    jmp(y_dec, "low")
    set(pins, 1)
    mov(y, osr)
    label("high")
    jmp(y_dec, "high")
    set(pins, 0)
    mov(y, isr)
    jmp(x_dec, "low")
    push(noblock)  # tells the CPU that the lease has ended


@rp2.asm_pio()
def metronome_program():
    pull(block)  # cycles to wait between ticks; they stay in OSR
    wrap_target()
    mov(x, osr)
    label("wait")
    jmp(x_dec, "wait")
    irq(4)[7]
    irq(clear, 4)  # nobody waited: a tick must never be found later
    wrap()


def words(count: int, span_us: int, delay_us: int, cycles_per_us: int) -> "tuple[int, int, int, int]":
    """The four words of a lease: first edge `delay_us` >= 0 after the tick, last edge `span_us` after the first.

    ValueError when there is no pulse in it, when it is faster than the pulse width allows, or when a wait is too long for a word
    (34 s at 125 MHz).
    """
    high = HIGH_US * cycles_per_us
    period = 2 * high
    if count > 1:
        period = (span_us * cycles_per_us + (count - 1) // 2) // (count - 1)
    delay = max(0, delay_us * cycles_per_us - FIRST_OVERHEAD)
    if count < 1 or span_us < 0 or period < 2 * high or period > WORD_MAX or delay > WORD_MAX:
        raise ValueError("pulser batch")
    return delay, period - high - (PERIOD_OVERHEAD - HIGH_OVERHEAD), count - 1, high - HIGH_OVERHEAD


class Pulser:
    """Seam `Pulser` on pin `step_pin`; takes state machines 0 and 1 (PIO block 0). ValueError for a CPU clock that is no multiple
    of 1 MHz."""

    def __init__(self, step_pin: int, clock) -> None:
        hertz = machine.freq()
        if hertz % 1_000_000:
            raise ValueError("clock")
        self._per_us = hertz // 1_000_000
        self._clock = clock
        self._loaded = False
        self._sm = rp2.StateMachine(0, step_program, set_base=machine.Pin(step_pin))
        self._metronome = rp2.StateMachine(1, metronome_program)
        self._metronome.active(1)
        state = machine.disable_irq()
        try:
            before = clock.now_us()
            self._metronome.put(TICK_US * self._per_us - TICK_OVERHEAD)
            after = clock.now_us()
        finally:
            machine.enable_irq(state)
        self._tick_us = (before + after) // 2 % TICK_US
        self._sm.active(1)

    def start(self, count: int, t_first_us: int, t_last_us: int) -> None:
        """Load a lease. A first edge in the past or before the next tick moves the whole lease to that tick (<= 1.3 ms from now).

        RuntimeError while busy, ValueError for what cannot be pulsed (see `words`); then nothing moves.
        """
        if self.busy():
            raise RuntimeError("pulser busy")
        clock = self._clock
        sm = self._sm
        while sm.rx_fifo():
            sm.get()
        for _attempt in range(TRIES):
            now_us = clock.now_us()
            ahead_us = (self._tick_us - now_us) % TICK_US
            if ahead_us < GUARD_US:
                continue
            deadline = ticks_add(clock.raw, ahead_us - MARGIN_US)
            delay, low, more, high = words(count, t_last_us - t_first_us, max(0, t_first_us - now_us - ahead_us), self._per_us)
            state = machine.disable_irq()  # from the look at the timer to the last word nothing may come in between
            try:
                if ticks_diff(deadline, ticks_us()) > 0:
                    self._loaded = True
                    sm.put(delay)
                    sm.put(low)
                    sm.put(more)
                    sm.put(high)
                    return
            finally:
                machine.enable_irq(state)
        raise RuntimeError("pulser late")

    def busy(self) -> bool:
        """True from `start` until the last pulse has ended."""
        if self._loaded and self._sm.rx_fifo():
            self._loaded = False
        return self._loaded

    def abort(self) -> None:
        """Stop at once, STEP low; the next lease may be loaded."""
        sm = self._sm
        sm.active(0)
        sm.exec(_SET_PINS_LOW)
        while sm.tx_fifo():
            sm.exec(_PULL_NOBLOCK)
        sm.restart()
        self._loaded = False
        sm.active(1)
