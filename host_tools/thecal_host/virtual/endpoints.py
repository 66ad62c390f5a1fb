"""The host's ends of the board's serial line: a pseudo-terminal where the system has one, and always a TCP port on 127.0.0.1.

Invariant: one client at a time: output goes to whoever spoke or connected last, as on a board with one cable. Nobody there, or
nobody reading: output is dropped, as a USB board does, and never blocks the board.
"""

import contextlib
import os
import socket
import time
from pathlib import Path

from thecal_host.virtual.errors import VirtualError

PENDING_MAX = 1 << 20
STALL_S = 0.5

try:
    import termios
    import tty
except ImportError:  # no pseudo-terminals on this system
    termios = None
    tty = None


class Endpoint:
    """A way to the host with its own output queue."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._moved = time.monotonic()
        self.present = False

    def _send(self, data: bytearray) -> int:
        raise NotImplementedError

    def _drop(self) -> None:
        self._out.clear()

    @property
    def wants_write(self) -> bool:
        return bool(self._out)

    def write(self, data: bytes) -> None:
        if not self.present or len(self._out) > PENDING_MAX:
            return
        if not self._out:
            self._moved = time.monotonic()
        self._out += data
        self.flush()

    def flush(self) -> None:
        """Send what goes; give up on a reader that has not taken anything for a while."""
        while self._out:
            try:
                n = self._send(self._out)
            except BlockingIOError:
                if time.monotonic() - self._moved > STALL_S:
                    self.present = False
                    self._drop()
                return
            except OSError:
                self.present = False
                self._drop()
                return
            del self._out[:n]
            self._moved = time.monotonic()


class Pty(Endpoint):
    """A pseudo-terminal in raw mode, linked from `link` (mpremote takes /dev/pts/N for something else)."""

    def __init__(self, link: Path) -> None:
        super().__init__()
        if tty is None:
            raise VirtualError("This system has no pseudo-terminals; use the TCP port.")
        self.fd, self._slave = os.openpty()
        tty.setraw(self._slave)  # held open: without any user of it, the master would report errors instead of waiting
        os.set_blocking(self.fd, False)
        self.link = link
        with contextlib.suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(os.ttyname(self._slave))

    def fileno(self) -> int:
        return self.fd

    def read(self) -> bytes:
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return b""
        if data:
            self.present = True
        return data

    def _send(self, data: bytearray) -> int:
        return os.write(self.fd, data[:4096])

    def _drop(self) -> None:
        super()._drop()
        if termios is not None:
            termios.tcflush(self._slave, termios.TCIFLUSH)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.link.unlink()
        os.close(self.fd)
        os.close(self._slave)


class TcpPort(Endpoint):
    """A listening socket on 127.0.0.1 with at most one client; a new client takes the place of the old one."""

    def __init__(self) -> None:
        super().__init__()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port: int = self.listener.getsockname()[1]
        self.client: socket.socket | None = None

    def accept(self) -> socket.socket | None:
        """Take the new client; returns the one it replaces."""
        old = self.client
        try:
            self.client, _ = self.listener.accept()
        except OSError:
            return None
        self.client.setblocking(False)
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.present = True
        self._out.clear()
        return old

    def read(self) -> bytes | None:
        """Bytes of the client; None when it has gone."""
        if self.client is None:
            return None
        try:
            data = self.client.recv(65536)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        return data or None

    def hang_up(self) -> None:
        if self.client is not None:
            self.client.close()
        self.client = None
        self.present = False
        self._out.clear()

    def _send(self, data: bytearray) -> int:
        if self.client is None:
            raise OSError
        return self.client.send(data)

    def close(self) -> None:
        self.hang_up()
        self.listener.close()
