"""The descriptors of a world that runs in a process of its own: serial on stdin and stdout, one JSON object a line on the
control fd.

Invariant: this file is the only place where the engines differ. MicroPython polls and reads byte by byte (`read(n)` would block
there); CPython reads what is there.
"""

import json
import select
import sys

from thecal_twin.clock import CONTROL, SERIAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Ports:
    """What both engines share."""

    plant_heap = 0

    _ctl: "Any"

    def __init__(self) -> None:
        self._stash: "list[dict]" = []  # requests that came while something else was awaited
        self._ticked = 0

    def _listen(self, serial: "Any", control: "Any") -> None:
        self._both = select.poll()
        self._both.register(serial, select.POLLIN)
        self._both.register(control, select.POLLIN)
        self._serial = select.poll()
        self._serial.register(serial, select.POLLIN)
        self._control = select.poll()
        self._control.register(control, select.POLLIN)

    def serial_ready(self) -> bool:
        return len(self._serial.poll(0)) > 0

    def receive(self) -> "dict | None":
        """The next request; None when the host is gone."""
        if self._stash:
            return self._stash.pop(0)
        line = self._ctl.readline()
        if not line:
            return None
        return json.loads(line)

    def sync(self, message: "dict") -> None:
        """Send, and go on only when the host has taken every serial byte written before: what follows means something else."""
        self.send(message)
        while True:
            line = self._ctl.readline()
            if not line:
                self.orphaned()
            answer = json.loads(line)
            if "ack" in answer:
                return
            self._stash.append(answer)

    def send(self, message: "dict") -> None:
        self._ctl.write((json.dumps(message) + "\n").encode())

    def block(self) -> None:
        """The chip has stopped; the host ends this process."""
        while self._ctl.readline():
            pass
        self.orphaned()

    def orphaned(self) -> None:
        """The host is gone: nobody is left to serve."""
        raise SystemExit

    def wall_us(self) -> int:
        """Wall time in us from any origin; the engines have their own."""
        raise NotImplementedError

    def tick(self, period_ms: int) -> bool:
        """True at most once per `period_ms` of wall time."""
        now = self.wall_us()
        if now - self._ticked < period_ms * 1000:
            return False
        self._ticked = now
        return True


class MicroPythonPorts(Ports):
    def __init__(self, fd: int) -> None:
        super().__init__()
        import time

        self._time: "Any" = time
        self._ctl = open(fd, "r+b")
        self._in = sys.stdin.buffer
        self._out = sys.stdout.buffer
        self._listen(sys.stdin, self._ctl)
        self._last = self._time.ticks_us()
        self._wall = 0

    def wall_us(self) -> int:
        t = self._time.ticks_us()
        self._wall += self._time.ticks_diff(t, self._last)
        self._last = t
        return self._wall

    def poll(self, timeout_ms: int, serial: bool = True) -> int:
        what = CONTROL if self._stash else 0
        if what:
            timeout_ms = 0
        for stream, _ in (self._both if serial else self._control).poll(timeout_ms):
            what |= SERIAL if stream is sys.stdin else CONTROL
        return what

    def serial_read(self, limit: int) -> bytes:
        data = bytearray()
        poll = self._serial.poll
        read = self._in.read
        while len(data) < limit and poll(0):
            byte = read(1)
            if not byte:
                self.orphaned()
            data.extend(byte)
        return bytes(data)

    def serial_write(self, data: bytes) -> None:
        self._out.write(data)


class CPythonPorts(Ports):
    def __init__(self, fd: int) -> None:
        super().__init__()
        import os
        import time

        self._os = os
        self._time = time
        self._ctl = open(fd, "r+b", buffering=0)
        self._listen(0, fd)

    def wall_us(self) -> int:
        return self._time.monotonic_ns() // 1000

    def poll(self, timeout_ms: int, serial: bool = True) -> int:
        what = CONTROL if self._stash else 0
        if what:
            timeout_ms = 0
        for fd, _ in (self._both if serial else self._control).poll(timeout_ms):
            what |= SERIAL if fd == 0 else CONTROL
        return what

    def serial_read(self, limit: int) -> bytes:
        if not self.serial_ready():
            return b""
        data = self._os.read(0, limit)
        if not data:
            self.orphaned()
        return data

    def serial_write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._os.write(1, view) :]
