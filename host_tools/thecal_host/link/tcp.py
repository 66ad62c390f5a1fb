"""`socket://host:port` without pyserial's pauses: its handler sleeps 0.3 s in every `close` and lets the kernel hold small
frames back.

Invariant: `TcpPort` has exactly what `transport.py` uses of a pyserial port (`timeout`, `read`, `write`, `close`) and raises
only OSError.
"""

import select
import socket
from urllib.parse import urlsplit

CONNECT_TIMEOUT_S = 3.0
SCHEME = "socket://"


class TcpPort:
    """A connected stream socket as a port. `timeout` (seconds) holds for the first byte of a `read`."""

    def __init__(self, url: str, write_timeout_s: float) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.port is None:  # .port raises ValueError itself for a number outside 0..65535
            raise ValueError(f"invalid URL, protocol of {url} not known: socket://host:port is expected")
        self.timeout: float = 0
        self._socket = socket.create_connection((parts.hostname, parts.port), CONNECT_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(write_timeout_s)

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b"" when none came within `timeout`. OSError when the other side has closed."""
        ready, _, _ = select.select([self._socket], [], [], self.timeout)
        if not ready:
            return b""
        data = self._socket.recv(size)
        if not data:
            raise OSError("the other side closed the connection")
        return data

    def write(self, data: bytes) -> None:
        """Send all of `data`; OSError (TimeoutError) when nobody takes it."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Close at once."""
        self._socket.close()
