"""One virtual board: the boots of its child process, told apart by what the child says and how it ends.

Invariant: there is at most one child; when it ends, exactly one of these follows: soft reset, reset with its cause, power off.
"""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thecal_host.virtual import rom
from thecal_host.virtual.child import CPYTHON, MICROPYTHON, Child, measure_plant
from thecal_host.virtual.lines import LineClosed
from thecal_host.virtual.power import SavedWorld
from thecal_host.virtual.repl import Newlines, ReplTracker

OFF = "off"
BOOTING = "booting"
FIRMWARE = "firmware"
REPL = "repl"

CAUSE_POWER = 0
CAUSE_COMMANDED = 2
CAUSE_PIN = 3
CAUSE_UNKNOWN = 4

CTRL_C = b"\x03"
GRACE_S = 0.04  # a prompt that appears within this time takes the Ctrl-C as a byte


class VirtualDevice:
    """`output(data)` gets what the host should see; `event(message)` gets answers, "progress", "settled" (up or at the REPL)
    and "off"."""

    def __init__(
        self,
        engine: str,
        image: Path,
        seed: int,
        heap_kib: int,
        fresh: bool,
        output: Callable[[bytes], None],
        event: Callable[[dict[str, Any]], None],
    ) -> None:
        self.engine = engine
        self.image = image
        self.seed = seed
        self.saved = SavedWorld(image, fresh)
        self.params = rom.plant_params()
        self.plant_heap = measure_plant(self.params) if engine == MICROPYTHON else 0
        self.heap_bytes = heap_kib * 1024 + self.plant_heap
        self.speed = 0
        self.ticks0 = 0  # where the chip's microsecond timer starts in each boot
        self.phase = OFF
        self.shut = False
        self.child: Child | None = None
        self.boots = 0
        self.left_us: int | None = None  # of an advance that a reset interrupted
        self._output = output
        self._event = event
        self._newlines = Newlines()
        self._repl = ReplTracker()
        self._raw = False
        self._ready = False  # the child can take a SIGINT
        self._held = bytearray()  # host bytes waiting behind a Ctrl-C
        self._hold_until = 0.0
        self._early = 0  # ends of a child before it was ready, in a row

    # boots

    def spawn(self, cause: int, raw: bool = False, no_program: bool = False, soft: bool = False) -> None:
        """Start a boot from the saved world; `raw` ends in the raw REPL, `no_program` at its prompt, both without main.py."""
        boot = dict(self.saved.dump)
        mode = 0 if self.speed == 0 or self.left_us is not None else 3 if self.speed < 0 else 1
        boot.update(image=str(self.image), seed=self.seed, params=self.params, cause=cause, mode=mode, speed=max(self.speed, 1))
        boot["uid"] = list(bytes.fromhex(self.saved.uid))
        boot["raw"] = 1 if raw or no_program else 0
        boot["ticks0"] = self.ticks0
        boot["soft"] = 1 if soft else 0  # only the interpreter starts anew: pins keep their level
        self._raw = raw
        self._repl = ReplTracker()
        self._newlines = Newlines()
        self._ready = False
        self._held.clear()
        self.shut = False
        self.phase = BOOTING
        self.boots += 1
        self.child = Child(self.engine, boot, self.heap_bytes)

    def _end_child(self) -> int:
        assert self.child is not None
        code = self.child.kill()
        self.child = None
        return code

    def power_off(self) -> None:
        """The child is gone, the image as it is."""
        if self.child is not None:
            self._end_child()
        self.saved.lose_power()
        self.saved.write()
        self.phase = OFF

    def collect(self, timeout_s: float = 2.0) -> None:
        """Get the last dump out of the child, whatever it is doing; a child that does not answer keeps its older one."""
        child = self.child
        if child is None:
            return
        if self.phase == FIRMWARE:
            child.tell({"cmd": "dump", "id": -1})
        else:
            child.close_input()
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            child.read()
            try:
                for message in child.control.receive():
                    self.saved.take(message)
                    if "ack" not in message and message.get("ev") in ("repl", "boot"):
                        child.tell({"ack": 1})
                    if message.get("re") == -1 or message.get("ev") == "exit":
                        return
            except LineClosed:
                return
            if child.process.poll() is not None:
                timeout_s = 0.0
            time.sleep(0.005)

    def pin_reset(self) -> None:
        """The RUN pin: whatever runs is gone, the world is not."""
        self.collect()
        if self.child is not None:
            self._end_child()
        self.saved.write()
        self.spawn(CAUSE_PIN)

    # what the child says

    def on_control(self) -> None:
        """Serve the child's control messages. Events that end the boot end this too."""
        while self.child is not None:
            try:
                messages = self.child.control.receive()
            except LineClosed:
                return  # its end is seen on its output
            if not messages:
                return
            for message in messages:
                if self.child is not None:
                    self._on_message(message)

    def _on_message(self, message: dict[str, Any]) -> None:
        child = self.child
        assert child is not None
        self.saved.take(message)
        what = message.get("ev")
        if what in ("repl", "boot"):
            self._drain(child)
            if what == "boot":
                self._ready = True
                self._early = 0
            else:
                self.shut = bool(message.get("shut"))
            child.tell({"ack": 1})
            if what == "boot" or self.shut:
                self.resume_input()
        elif what == "up":
            self.phase = FIRMWARE
            self._event({"ev": "settled"})
        elif what == "main_end":
            self.phase = REPL
            self.saved.write()
            if self._raw and self.engine == MICROPYTHON:
                child.write(b"\x01")
            self._event({"ev": "settled"})
        elif what == "reset":
            self.left_us = message.get("left_us")
            self._drain(child)
            self._end_child()
            self.saved.write()
            self.spawn(int(message["cause"]))
        elif what == "cut":
            self._drain(child)
            self.power_off()
            self._event({"ev": "off", "now_ms": message["truth"]["now_ms"], "world_ms": message["truth"]["world_ms"]})
        else:
            self._event(message)

    def _drain(self, child: Child) -> None:
        data = child.read()
        if data:
            self._emit(data)

    def _emit(self, data: bytes) -> None:
        if self.shut:
            self._output(data)
            return
        data = self._newlines.translate(data)
        self._repl.output(data)
        self._output(data)

    def on_output(self) -> None:
        """Serve the child's serial output, and its end."""
        child = self.child
        if child is None:
            return
        data = child.read()
        if data is not None:
            self._emit(data)
            self.resume_input()
            return
        self.on_control()
        if self.child is not child:
            return
        self._ended(child)

    def _ended(self, child: Child) -> None:
        try:
            code = child.process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            code = None  # it closed its output and lives on
        ready = self._ready
        self._end_child()
        self.saved.write()
        if not ready:
            self._early += 1
        if self._early >= 3:
            self.power_off()
            self._output(b"\r\nThe board's interpreter ends before it starts; the board is off.\r\n")
            self._event({"ev": "off", "now_ms": 0, "world_ms": self.saved.world_us // 1000})
        elif code == 0:
            self._output(b"\r\nMPY: soft reboot\r\n")
            self.spawn(CAUSE_COMMANDED, raw=self._repl.raw, soft=True)
        elif code == -signal.SIGINT:  # the prompt came just as the signal did: what was meant is a prompt
            self.spawn(CAUSE_COMMANDED, raw=self._repl.raw, no_program=True, soft=True)
        else:
            self._output(b"\r\nThe board's interpreter ended unexpectedly; it starts again.\r\n")
            self.spawn(CAUSE_UNKNOWN)

    # what the host's serial line says

    def input(self, data: bytes) -> None:
        """Serial bytes from the host."""
        if self.child is None:
            return
        self._held += data
        self.resume_input()

    def resume_input(self) -> None:
        """Pass on held bytes up to a Ctrl-C that has to wait for its moment."""
        child = self.child
        if child is None:
            return
        if self.shut:
            child.write(bytes(self._held))
            self._held.clear()
            return
        while self._held:
            if self._held[:1] != CTRL_C:
                cut = self._held.find(CTRL_C)
                piece = bytes(self._held if cut < 0 else self._held[:cut])
                del self._held[: len(piece)]
                self._repl.input(piece)
                child.write(piece)
                self._hold_until = time.monotonic() + GRACE_S
                continue
            if self.phase == REPL and (self._repl.idle or self.engine == CPYTHON):  # nothing runs in that engine then
                del self._held[:1]
                child.write(CTRL_C)
                continue
            if not self._ready or time.monotonic() < self._hold_until:
                return
            if child.interrupt():
                while self._held[:1] == CTRL_C:
                    del self._held[:1]
            self._hold_until = time.monotonic() + GRACE_S
            return

    @property
    def holding(self) -> bool:
        """Host bytes wait behind a Ctrl-C: `tick` is needed."""
        return bool(self._held)

    def tick(self) -> None:
        """Call every few hundredths of a second."""
        if self._held:
            self.resume_input()
