"""Stock mpremote as a subprocess: one call, several commands, its output line by line.

Invariants: the very tool of this environment is run (`python -m mpremote`), never imported, as its modules are declared
unstable; a call ends, by itself or after IDLE_S without a sign of life; and each of its complaints leaves here as one of our
sentences.
"""

import importlib.util
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from thecal_host.flashing.errors import BoardFull, FlashError, Interrupted, MissingTool, NotReachable

IDLE_S = 60.0  # the longest silence of a call that is well: one 10 kB file over a slow UART bridge

Lines = Callable[[str], None]


class Mpremote:
    """Calls to one port. `begun` is set by the caller once the board is being changed, so that an error says what that means."""

    def __init__(self, port: str, idle_s: float = IDLE_S) -> None:
        self.port = port
        self.begun = False
        self._idle_s = idle_s
        if importlib.util.find_spec("mpremote") is None:
            raise MissingTool('mpremote is not installed, and flashing is done by it: pip install "mpremote>=1.27".')

    def call(self, commands: Sequence[Sequence[str]], fresh: bool = False, on_line: "Lines | None" = None) -> list[str]:
        """Run `commands` in one call; the lines of standard output. `fresh`: soft-reset the board first, which runs its boot.py
        but not main.py. NotReachable, Interrupted or BoardFull."""
        words = ["connect", self.port] + ([] if fresh else ["resume"])
        for command in commands:
            words += [*command, "+"]
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "mpremote", *words[:-1]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=env,
            )
        except OSError as error:
            raise MissingTool(f"mpremote did not start ({error.strerror}).") from None
        try:
            out, said, silent = self._follow(process, on_line)
        except KeyboardInterrupt:
            if self.begun:
                raise self._failure("stopped by Ctrl-C") from None
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if silent:
            raise self._failure(f"nothing came from the board for {self._idle_s:.0f} s")
        if process.returncode:
            raise self._failure("\n".join([*out[-3:], *said]))
        return out

    def _follow(self, process: "subprocess.Popen[str]", on_line: "Lines | None") -> "tuple[list[str], list[str], bool]":
        """(standard output, standard error, whether it fell silent)."""
        lines: queue.Queue[tuple[int, str | None]] = queue.Queue()

        def read(number: int, stream: "object") -> None:
            for line in stream:  # type: ignore[attr-defined]
                lines.put((number, line.rstrip("\r\n")))
            lines.put((number, None))

        for number, stream in ((0, process.stdout), (1, process.stderr)):
            threading.Thread(target=read, args=(number, stream), daemon=True).start()
        texts: tuple[list[str], list[str]] = ([], [])
        open_streams = 2
        while open_streams:
            try:
                number, line = lines.get(timeout=self._idle_s)
            except queue.Empty:
                return texts[0], texts[1], True
            if line is None:
                open_streams -= 1
                continue
            texts[number].append(line)
            if on_line and number == 0:
                on_line(line)
        process.wait()
        return texts[0], texts[1], False

    def _failure(self, said: str) -> FlashError:
        """Our sentence for what mpremote said."""
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "no reason given").removeprefix(
            "mpremote: "
        )
        if "ENOSPC" in said or "Errno 28" in said:
            return BoardFull(
                f"The file system of the board on {self.port} is full. Nothing runs on it now and its motor driver is off. "
                "Remove files that are "
                f"not Thecal's (`python -m mpremote connect {self.port} fs ls`), then run `thecal flash` again."
            )
        if self.begun:
            return Interrupted(
                f"Installing on {self.port} was interrupted ({last}). The board runs nothing now and its motor driver is off. "
                "Run `thecal flash` "
                "again: it goes on where it stopped."
            )
        if "failed to access" in said or "No such file" in said or "could not open" in said.lower():
            return NotReachable(
                f"The port {self.port} cannot be opened: it does not exist, or another program uses it. `thecal devices` lists "
                "ports."
            )
        if "could not enter raw repl" in said or "timeout" in said.lower():
            return NotReachable(
                f"The board on {self.port} does not give its MicroPython prompt. Is it a MicroPython board? If a program holds "
                "the prompt shut, "
                "unplug the board, plug it in again and run `thecal flash` at once."
            )
        return NotReachable(f"mpremote could not work with the board on {self.port}: {last}")
