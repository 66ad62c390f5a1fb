"""Figures of a virtual board as a user has it: process, serial line, real mpremote install, MicroPython VM."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thecal.core import messages
from thecal.core.codec import crc32
from thecal_host import boards, monitor_limits, prescriptions
from thecal_host.dev.bench_process import median_s
from thecal_host.flashing.run import flash
from thecal_host.link.client import Client
from thecal_host.virtual import launch
from thecal_host.virtual.control import ControlClient
from thecal_host.virtual.registry import RunningBoard

HOUR_MS = 3_600_000
RX = """
[prescription]
name = "bench, 1 mL/day"
[drug]
name = "water"
concentration = "1 g/mL"
[basal]
mode = "continuous"
rate = "1 mL/day"
[limits]
max_rate = "2 mL/day"
max_bolus = "60 uL"
per_1h = "200 uL"
per_4h = "500 uL"
per_24h = "2 mL"
bolus_lockout = "1 h"
boluses_per_24h = 24
[reservoir]
volume = "20 mL"
low = "2 mL"
[power_loss]
basal_resumes = true
"""


class BoardBench:
    """Boards are flashed once an engine and kept for the rows that follow."""

    def __init__(self) -> None:
        self._boards = 0
        self._vm: tuple[float, int] | None = None
        self._heap = (0, 0)
        self._records = (0, 0.0)
        self._status_s = 0.0
        self._ctrl_c = (0, 0)

    @contextmanager
    def _running(self, engine: str) -> Iterator[tuple[RunningBoard, ControlClient, Client]]:
        """A flashed board that infuses the bench prescription; time stands still."""
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(RX)
            file.flush()
            rx = prescriptions.load(Path(file.name), boards.load("virtual").part)
        self._boards += 1
        name = f"bench{self._boards}"
        board = launch.start(name, engine=engine)
        try:
            flash(board.port, provision=True, nothing_delivered=True)
            with ControlClient(board) as control, Client(board.port) as client:
                limits = monitor_limits.encode(rx.fields, rx.crc)
                client.stage(messages.BLOB_PROGRAM, rx.blob)
                client.stage(messages.BLOB_MONITOR, limits)
                client.activate(rx.crc, crc32(limits))
                client.start()
                yield board, control, client
        finally:
            launch.stop(name)

    def day(self, engine: str, target_s: float) -> tuple[str, bool]:
        """24 h of pump time with a bolus every four hours, wall time of the advances alone."""
        seconds, edges = self._vm_day() if engine == "micropython" else self._day(engine)
        return f"{seconds:.2f} s ({edges} steps)", seconds <= target_s

    def _vm_day(self) -> tuple[float, int]:
        """The day on the MicroPython VM and all that is looked at after it; once."""
        if self._vm is None:
            self._vm = self._day("micropython")
        return self._vm

    def _day(self, engine: str) -> tuple[float, int]:
        with self._running(engine) as (board, control, client):
            began = time.monotonic()
            for _ in range(6):
                client.bolus(40_000, 600_000)
                control.advance(4 * HOUR_MS)
            seconds = time.monotonic() - began
            edges = control.truth()["edges"]
            if engine == "micropython":
                self._after_day(board, control, client)
        return seconds, edges

    def _after_day(self, board: RunningBoard, control: ControlClient, client: Client) -> None:
        state = control.state()
        self._heap = (state["heap_used"] - state["plant_heap"], state["heap_bytes"] - state["plant_heap"])
        before = control.truth()["edges"]
        client.close()
        self._status_s = median_s(["status", "--port", board.port], 5)
        import serial

        with serial.serial_for_url(board.port) as line:
            line.write(b"\x03\x03\x03")
            time.sleep(0.3)
        with Client(board.port) as again:
            control.advance(60_000)
            stopped = again.status().state != 4
            self._ctrl_c = (control.truth()["edges"] - before, int(stopped))
            for _ in range(9):
                if again.status().log_seq >= 10_000:
                    break
                control.advance(48 * HOUR_MS)
            began = time.monotonic()
            count = sum(1 for _record in again.pull_log(0))
            self._records = (count, time.monotonic() - began)

    def steps_after_ctrl_c(self) -> tuple[str, bool]:
        """Measured with the MicroPython day below; a running pump takes Ctrl-C as data."""
        self._vm_day()
        steps, stopped = self._ctrl_c
        if stopped:
            return "it stopped", False
        return f"0 lost or extra: {steps} steps in the minute after it, still infusing", True

    def log_pull(self) -> tuple[str, bool]:
        """Pull of all records at once over the virtual line."""
        count, seconds = self._records
        rate = 32 * count / 1000 / max(seconds, 1e-9)
        return f"{seconds:.2f} s for {count} ({rate:.0f} kB/s)", seconds * 10_000 / max(count, 1) <= 3

    def heap(self) -> tuple[str, bool]:
        """Used after a day and a collection, against the 192 KiB that the VM has without the plant."""
        used, whole = self._heap
        return f"{used / 1024:.0f} KiB used of {whole / 1024:.0f} KiB", 0 < used <= 192 * 1024

    def status_time(self) -> tuple[str, bool]:
        """`thecal status` over the PTY of a running board."""
        return f"{self._status_s:.3f} s", self._status_s <= 0.5
