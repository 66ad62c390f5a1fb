"""Running virtual boards for the tests of this folder: real processes, each in its own folder, always stopped at the end."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thecal_host import paths
from thecal_host.virtual import launch
from thecal_host.virtual.child import CPYTHON, MICROPYTHON, micropython_here
from thecal_host.virtual.control import ControlClient
from thecal_host.virtual.registry import RunningBoard

ENGINES = [MICROPYTHON, CPYTHON] if micropython_here() else [CPYTHON]
PINS = {"en": 4, "button": 10, "estop": 11, "home": 12}
PROBE = Path(__file__).with_name("probe_main.py").read_bytes()


def firmware_files() -> dict[str, bytes]:
    """What the stand-in needs on the flash."""
    package = paths.firmware_package_dir()
    names = ("__init__.py", "drivers/__init__.py", "drivers/ticks.py", "drivers/virtual.py")
    files = {"/thecal/" + name: (package / name).read_bytes() for name in names}
    files["/board.json"] = json.dumps({"port": "virtual", "name": "probe", "pins": PINS}).encode()
    files["/boot.py"] = b"import machine; machine.Pin(4, machine.Pin.OUT, value=1)\n"
    files["/main.py"] = PROBE
    return files


class Line:
    """The host's end of the serial line, over TCP."""

    def __init__(self, board: RunningBoard) -> None:
        self.sock = socket.create_connection(("127.0.0.1", board.tcp_port), timeout=5)
        self.seen = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def until(self, text: bytes, timeout_s: float = 8.0) -> bytes:
        """Everything up to and including `text`; fails with what came instead."""
        deadline = time.monotonic() + timeout_s
        while text not in self.seen:
            self.sock.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                data = b""
            if not data:
                raise AssertionError(f"waited for {text!r}, got {self.seen!r}")
            self.seen += data
        at = self.seen.index(text) + len(text)
        got, self.seen = self.seen[:at], self.seen[at:]
        return got


@contextlib.contextmanager
def running(
    folder: Path, engine: str, files: dict[str, bytes] | None = None, **options: Any
) -> Iterator[tuple[RunningBoard, ControlClient]]:
    """A started board in a state folder of its own, with `files` on its flash."""
    before = os.environ.get("THECAL_STATE_DIR")
    os.environ["THECAL_STATE_DIR"] = str(folder)
    try:
        board = launch.start(engine=engine, **options)
        client = ControlClient(board)
        try:
            if files is not None:
                client.put_files(files)
                client.settle()
            yield board, client
        finally:
            client.close()
            launch.stop(board.name)
    finally:
        if before is None:
            del os.environ["THECAL_STATE_DIR"]
        else:
            os.environ["THECAL_STATE_DIR"] = before
