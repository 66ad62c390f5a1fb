"""The process in which the firmware runs: a MicroPython VM or the CPython engine, with serial on pipes and a control socket.

Invariant: a child gets everything it needs in its boot record (the first control line), so killing it at any instant and
starting another with a later record is a reset or a power cut and nothing more.
"""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from thecal_host.virtual import rom
from thecal_host.virtual.errors import VirtualError
from thecal_host.virtual.lines import LineClosed, LineSocket

MICROPYTHON = "micropython"
CPYTHON = "cpython"

_VM_START = """
import gc,sys,vfs
gc.collect()
n=gc.mem_alloc()
vfs.mount(vfs.VfsPosix(%r),"/rom",readonly=True)
sys.path.insert(0,"/rom")
from thecal_twin.vboot import start
start(%d,globals(),n)
"""


def micropython_here() -> bool:
    """Whether the MicroPython VM is installed for this interpreter."""
    return importlib.util.find_spec("micropython_unix") is not None


def environment() -> dict[str, str]:
    """For child processes: this package must be importable in them, installed or not."""
    env = dict(os.environ)
    here = str(Path(__file__).resolve().parents[2])
    env["PYTHONPATH"] = here + (os.pathsep + env["PYTHONPATH"] if env.get("PYTHONPATH") else "")
    return env


class Child:
    """One boot of the board. `out_fd` gives what it writes, `control` its events and answers."""

    def __init__(self, engine: str, boot: dict[str, Any], heap_bytes: int) -> None:
        ours, theirs = socket.socketpair()
        if engine == MICROPYTHON:
            start = _VM_START % (str(rom.ROM), theirs.fileno())
            command = [sys.executable, "-m", "micropython_unix", "-X", f"heapsize={heap_bytes}", "-i", "-c", start]
        else:
            command = [sys.executable, "-m", "thecal_host.virtual.engine_cpython", str(theirs.fileno())]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=environment(),
            )
        except OSError as e:
            raise VirtualError(f"The board's interpreter did not start: {e.strerror}.") from None
        finally:
            theirs.close()
        assert self.process.stdin is not None and self.process.stdout is not None
        self.in_fd = self.process.stdin.fileno()
        self.out_fd = self.process.stdout.fileno()
        for fd in (self.in_fd, self.out_fd):
            os.set_blocking(fd, False)
        self.control = LineSocket(ours)
        self._pending = bytearray()
        self._next_interrupt = 0.0
        self.tell(boot)

    def tell(self, message: dict[str, Any]) -> None:
        """A request or an acknowledgement; a child that has gone is noticed elsewhere."""
        try:
            self.control.send(message)
        except LineClosed:
            return

    def write(self, data: bytes) -> None:
        self._pending += data
        self.flush()

    @property
    def wants_write(self) -> bool:
        return bool(self._pending)

    def flush(self) -> None:
        """Hand pending serial input over, as far as the pipe takes it."""
        while self._pending:
            try:
                n = os.write(self.in_fd, self._pending)
            except BlockingIOError:
                return
            except OSError:
                self._pending.clear()
                return
            del self._pending[:n]

    def read(self) -> bytes | None:
        """What the child has written; b"" for nothing now, None at its end."""
        data = bytearray()
        while len(data) < 1 << 20:
            try:
                piece = os.read(self.out_fd, 65536)
            except BlockingIOError:
                break
            except OSError:
                piece = b""
            if not piece:
                return bytes(data) if data else None
            data += piece
        return bytes(data)

    def interrupt(self) -> bool:
        """Ctrl-C for running code, at most once in 50 ms (a second SIGINT before the first is served ends the VM)."""
        now = time.monotonic()
        if now < self._next_interrupt:
            return False
        self._next_interrupt = now + 0.05
        self.process.send_signal(signal.SIGINT)
        return True

    def close_input(self) -> None:
        """End of input: at its REPL the child leaves by itself, and says its last state."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def kill(self) -> int:
        """End it now. Returns the exit code it had or got."""
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        self.control.close()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()
        return code


def measure_plant(params: dict[str, int]) -> int:
    """Bytes of VM heap that the twin costs: measured by starting one, because the firmware's heap is promised without it."""
    from thecal_host.virtual import image

    with tempfile.TemporaryDirectory(prefix="thecal-") as folder:
        blank = Path(folder) / "blank.img"
        image.create(blank)
        return _probe({"image": str(blank), "seed": 1, "params": params, "probe": 1})


def _probe(boot: dict[str, Any]) -> int:
    child = Child(MICROPYTHON, boot, 4 << 20)
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            try:
                for message in child.control.receive():
                    if message.get("ev") == "probe":
                        return int(message["plant_heap"])
            except LineClosed:
                break
            time.sleep(0.002)
        raise VirtualError(
            f"The MicroPython VM did not start: {(child.read() or b'').decode(errors='replace').strip() or 'no reason given'}."
        )
    finally:
        child.kill()
