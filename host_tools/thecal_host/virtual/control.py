"""The client of a virtual board's control channel: time, faults, power and truth, as the command line and tests use them.

Invariant: every method returns the board's answer or raises VirtualError with a sentence; a board that goes away is one of
those sentences.
"""

import base64
import json
import socket
from collections.abc import Callable
from typing import Any

from thecal_host.virtual.errors import VirtualError
from thecal_host.virtual.registry import RunningBoard

Progress = Callable[[int, int], None]  # (firmware clock ms, world ms)


class ControlClient:
    """One connection. Times are virtual milliseconds; `at_ms` is world time, which runs on over resets, `after_ms` counts from
    now."""

    def __init__(self, board: RunningBoard, timeout_s: float = 30.0) -> None:
        self.board = board
        self._number = 0
        try:
            self._sock = socket.create_connection(("127.0.0.1", board.control_port), timeout=5)
        except OSError:
            raise VirtualError(f"The virtual board '{board.name}' does not answer; is it still running?") from None
        self._sock.settimeout(timeout_s)
        self._timeout_s = timeout_s
        self._file = self._sock.makefile("rwb")
        self._put({"token": board.token})

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._file.close()
        except OSError:
            self._sock.close()
        self._sock.close()

    def _put(self, message: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(message).encode() + b"\n")
            self._file.flush()
        except OSError:
            raise VirtualError(f"The virtual board '{self.board.name}' has gone.") from None

    def request(self, cmd: str, progress: Progress | None = None, **fields: Any) -> dict[str, Any]:
        """Send one request and return its answer without the book-keeping."""
        self._number += 1
        self._put({"id": self._number, "cmd": cmd, **{k: v for k, v in fields.items() if v is not None}})
        while True:
            try:
                line = self._file.readline()
            except TimeoutError:
                raise VirtualError(
                    f"The virtual board '{self.board.name}' has not answered for {self._timeout_s:.0f} s: "
                    "its firmware may be in a loop that never waits. `reset` it."
                ) from None
            except OSError:
                line = b""
            if not line:
                raise VirtualError(f"The virtual board '{self.board.name}' has gone.")
            answer: dict[str, Any] = json.loads(line)
            if answer.get("id") != self._number:
                continue
            step = answer.get("progress")
            if step is not None:
                if progress is not None:
                    progress(step["now_ms"], step["world_ms"])
                continue
            if not answer.pop("ok"):
                raise VirtualError(str(answer.get("error")))
            answer.pop("id")
            return answer

    # time

    def advance(self, ms: int, progress: Progress | None = None) -> dict[str, Any]:
        """Let `ms` of virtual time pass as fast as possible. Returns {"now_ms", "world_ms"}, with "cut": True if power went on
        the way."""
        return self.request("advance", progress, ms=int(ms))

    def speed(self, value: int) -> None:
        """0: paused; N: N times real time; -1: as fast as it goes. Also ends an advance that another client asked for."""
        self.request("speed", value=value)

    # looking

    def truth(self) -> dict[str, Any]:
        """The plant's true state. "live": 0 marks what was true when the firmware last ran."""
        return self.request("truth")["truth"]

    def state(self) -> dict[str, Any]:
        """Clock, mode and heap of the world, and the process around it."""
        return {**self.status(), **self.request("state")["state"]}

    def status(self) -> dict[str, Any]:
        """The process's view; answered at once, also while time is jumping."""
        return self.request("status")["status"]

    def settle(self) -> dict[str, Any]:
        """Return once the firmware is up, or the REPL is there, or the power is off."""
        self.request("truth")
        return self.status()

    # breaking

    def inject(
        self, fault: str, value: int | None = None, at_ms: int | None = None, after_ms: int | None = None
    ) -> dict[str, Any]:
        """Break something (value 0 repairs it, "clear" repairs everything), now or later. Returns the faults there are."""
        return self.request("inject", fault=fault, value=value, at_ms=at_ms, after_ms=after_ms)["faults"]

    def press(
        self, name: str, value: int | None = None, at_ms: int | None = None, after_ms: int | None = None
    ) -> dict[str, int | None]:
        """Move a switch, now or later: "button" (held for `value` ms, 0 lets go) or "estop" (1 pressed, 0 released). Returns
        every input as it is now: 1 acts, 0 does not, None not fitted."""
        return self.request("press", input=name, value=value, at_ms=at_ms, after_ms=after_ms)["inputs"]

    def inputs(self) -> dict[str, int | None]:
        """Every input as it is now: 1 acts, 0 does not, None not fitted."""
        return self.truth().get("inputs", {})

    def power_cut(
        self,
        at_ms: int | None = None,
        after_ms: int | None = None,
        flash_op: int | None = None,
        phase: str = "torn",
        part: int = 500,
    ) -> dict[str, Any]:
        """Cut the power: now, at a moment, or at the n-th flash operation from now (before it, torn after `part` per mille, or
        after)."""
        if flash_op is not None:
            return self.request("power", flash_op=flash_op, phase=phase, part=part)
        if at_ms is None and after_ms is None:
            return self.request("power", cut="now")
        return self.request("power", at_ms=at_ms, after_ms=after_ms)

    def power_on(self, after_ms: int = 0) -> dict[str, Any]:
        """Switch on after `after_ms` of world time without power; returns once the firmware is up or the REPL is there."""
        return self.request("power", on=1, after_ms=after_ms)

    def reset(self) -> dict[str, Any]:
        """Pull the reset pin."""
        return self.request("reset")

    def quit(self) -> None:
        """Save and end the virtual board."""
        self.request("quit")

    # flash, from outside (for the engine without a REPL; stops and resets the board)

    def list_files(self) -> dict[str, int]:
        """{path: bytes} of the board's file system."""
        return self.request("files", op="list")["files"]

    def read_file(self, path: str) -> bytes:
        return base64.b64decode(self.request("files", op="read", path=path)["data"])

    def put_files(self, files: dict[str, bytes], remove: list[str] | None = None) -> None:
        """Write files (making folders) and remove others, then start the board again."""
        self.request("files", op="put", files={p: base64.b64encode(d).decode() for p, d in files.items()}, remove=remove or [])
