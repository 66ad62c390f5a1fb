"""The host's line: the USB port that otherwise carries the REPL, made 8-bit clean.

Invariant: nothing here waits for a host. A host that holds the line open and does not read costs one bounded wait; after it,
all output is dropped until the line takes bytes again. The protocol above repeats what was lost, the pump goes on.
"""

import select
import sys
from time import ticks_diff, ticks_ms

import micropython

from thecal.core.compat import const

CHUNK = const(64)  # one USB packet; more at once may block for half a second inside MicroPython
PATIENCE_MS = const(40)
READ_MAX = const(512)
CTRL_C = const(3)


class Serial:
    """Seam `Serial` over stdin and stdout."""

    def __init__(self) -> None:
        self._in = sys.stdin.buffer
        self._out = sys.stdout.buffer
        self._readable = select.poll()
        self._readable.register(sys.stdin, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(sys.stdout, select.POLLOUT)
        self._byte = bytearray(1)
        self._stalled = False

    def wait(self, timeout_ms: int) -> bool:
        """Idle for up to `timeout_ms`; True as soon as input is there."""
        for _event in self._readable.ipoll(timeout_ms):
            return True
        return False

    def any(self) -> bool:
        return self.wait(0)

    def read(self) -> bytes:
        """All bytes waiting (at most READ_MAX of them at a time), or b''. Never blocks."""
        data = bytearray()
        byte = self._byte
        while len(data) < READ_MAX and self.wait(0):
            if not self._in.readinto(byte):  # one at a time: asked for more, it would wait for all of them
                break
            data.append(byte[0])
        return bytes(data)

    def _ready(self, timeout_ms: int) -> bool:
        for _event in self._writable.ipoll(timeout_ms):
            return True
        return False

    def write(self, data: bytes) -> None:
        """Send `data`, or drop the rest of it when the host takes nothing for PATIENCE_MS."""
        view = memoryview(data)
        at = 0
        while at < len(data):
            if not self._ready(0 if self._stalled else PATIENCE_MS):
                self._stalled = True
                return
            self._stalled = False
            began = ticks_ms()
            piece = view[at : at + CHUNK]
            if self._out.write(piece) != len(piece) or ticks_diff(ticks_ms(), began) > 4 * PATIENCE_MS:
                self._stalled = True
                return
            at += len(piece)

    def shut_repl(self) -> None:
        """Ctrl-C becomes a byte like any other."""
        micropython.kbd_intr(-1)

    def free_repl(self) -> None:
        micropython.kbd_intr(CTRL_C)
