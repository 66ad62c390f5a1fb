"""A stock MicroPython image in rp2040py, with our firmware in its flash image, behind a TCP port.

Invariant: the firmware files are those `thecal flash` would copy, byte for byte; the process is ended by its own id.
"""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

from littlefs import LittleFS

from thecal_host import boards
from thecal_host.flashing import bundle
from thecal_host.link.client import Client
from thecal_host.link.errors import LinkError
from thecal_host.link.session import Session
from thecal_host.link.transport import Transport

HERE = Path(__file__).parent
DISK_VERSION = 0x0002_0000  # littlefs 2.0, what MicroPython 1.20 and newer read and write
FS_BLOCKS = 352  # as in jumpers.py, which only the emulator's own process imports
FS_BLOCK_BYTES = 4096
UP_S = 900  # the emulated chip runs 40 to 100 times slower than a real one
QUERY_S = 300.0
FIRST_WAIT_S = 60.0  # the link's own 0.3 s would send every request many times before the slow chip has read it once


def write_image(path: Path, board_name: str) -> None:
    """A littlefs image of the Pico's flash file system with everything `thecal flash` installs."""
    made = bundle.build(boards.load(board_name))
    fs = LittleFS(block_size=FS_BLOCK_BYTES, block_count=FS_BLOCKS, prog_size=256, disk_version=DISK_VERSION)
    for name, data in {**made.files, bundle.MANIFEST: made.manifest}.items():
        folder = name.rpartition("/")[0]
        if folder:
            fs.makedirs(folder, exist_ok=True)
        with fs.open(name, "wb") as f:
            f.write(data)
    path.write_bytes(bytes(fs.context.buffer))


class EmulatedPico:
    """`with EmulatedPico(uf2, folder) as pico`: boots at once; `pico.url` is its serial line."""

    def __init__(self, uf2: Path, folder: Path) -> None:
        self._log = folder / "emulator.log"
        image = folder / "flash.img"
        write_image(image, "rpi_pico")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"socket://127.0.0.1:{self._port}"
        self._command = [sys.executable, "-m", "rp2040py", "micropython", "--image", str(uf2), "--littlefs", str(image)]
        self._command += ["--board-spec", f"{HERE / 'jumpers.py'}:PICO", "--tcp-port", str(self._port)]

    def __enter__(self) -> "EmulatedPico":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        return self

    def __exit__(self, *_unused: object) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()

    def steps(self) -> tuple[int, int]:
        """Rising STEP edges the wire has seen, (with EN off, with EN on)."""
        lines = self._log.read_text(errors="replace").splitlines()
        return lines.count("step en=1"), lines.count("step en=0")

    def connect(self) -> Client:
        """A client once the firmware answers. AssertionError with the emulator's last words when it never does."""
        until = time.monotonic() + UP_S
        while time.monotonic() < until and self._process.poll() is None:
            transport = Transport(self.url)
            client = Client(transport, QUERY_S, QUERY_S, Session(transport, FIRST_WAIT_S))
            try:
                client.connect()
                return client
            except LinkError:
                client.close()
                time.sleep(1)
        raise AssertionError(f"the emulated Pico does not answer: {self._log.read_text(errors='replace')[-2000:]}")
