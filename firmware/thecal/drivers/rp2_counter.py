"""Counts the rising edges on `step_sense` in hardware, on the other PIO block than the step generator: what really left the
STEP pin.

Invariant: every edge with at least three clock cycles low and high is counted once, however long nobody reads. The 32-bit
register is extended here, which needs one read per 2^32 edges (49 days at 1000 a second).
"""

import machine
import rp2

from thecal.core.compat import const

try:
    from typing import TYPE_CHECKING
except ImportError:
    TYPE_CHECKING = False
if TYPE_CHECKING:
    from rp2.asm_pio import *  # noqa: F403 - the assembler's words, for type checkers only

MASK = const(0xFFFF_FFFF)
_MOV_X_ONES = const(0xA02B)  # mov(x, invert(null)): X is the complement of the count
_MOV_ISR_NOT_X = const(0xA0C9)  # mov(isr, invert(x))
_PUSH_NOBLOCK = const(0x8000)  # push(noblock)


# ruff: noqa: F405 - the assembler's words are no Python names
@rp2.asm_pio()
def count_program():
    wrap_target()
    label("again")
    wait(0, pin, 0)
    wait(1, pin, 0)
    jmp(x_dec, "again")  # with X at 0 it falls through, to the same place
    wrap()


class Counter:
    """Seam `Counter` on pin `sense_pin`; takes state machine 4 (PIO block 1). Its pull-down makes a missing jumper read as no
    edge at all."""

    def __init__(self, sense_pin: int) -> None:
        pin = machine.Pin(sense_pin, machine.Pin.IN, machine.Pin.PULL_DOWN)
        self._sm = rp2.StateMachine(4, count_program, in_base=pin)
        self._sm.exec(_MOV_X_ONES)
        self._last = 0
        self._total = 0
        self._sm.active(1)

    def read(self) -> int:
        """Edges since boot."""
        sm = self._sm
        while sm.rx_fifo():
            sm.get()
        sm.exec(_MOV_ISR_NOT_X)
        sm.exec(_PUSH_NOBLOCK)
        raw = sm.get()
        self._total += (raw - self._last) & MASK
        self._last = raw
        return self._total
