"""One JSON object a line over a non-blocking socket: the shape of every control connection here.

Invariant: a half-received line is never acted on, a line too long or not JSON closes the connection, and sending never blocks
the bridge.
"""

import json
import socket
from typing import Any

MAX_LINE = 8 * 1024 * 1024


class LineClosed(Exception):
    """The other side is gone, or spoke nonsense."""


class LineSocket:
    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._in = bytearray()
        self._out = bytearray()

    def fileno(self) -> int:
        return self.sock.fileno()

    @property
    def wants_write(self) -> bool:
        return bool(self._out)

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message and send what the socket takes. Raises LineClosed."""
        self._out += json.dumps(message).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        while self._out:
            try:
                sent = self.sock.send(self._out)
            except BlockingIOError:
                return
            except OSError:
                raise LineClosed from None
            del self._out[:sent]

    def receive(self) -> list[dict[str, Any]]:
        """Every complete message there is. Raises LineClosed once the other side is gone and nothing is left."""
        closed = False
        while True:
            try:
                data = self.sock.recv(65536)
            except BlockingIOError:
                break
            except OSError:
                closed = True
                break
            if not data:
                closed = True
                break
            self._in += data
            if len(self._in) > MAX_LINE:
                raise LineClosed
        *lines, rest = self._in.split(b"\n")
        self._in = bytearray(rest)
        messages = []
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                raise LineClosed from None
            if not isinstance(message, dict):
                raise LineClosed
            messages.append(message)
        if closed and not messages:
            raise LineClosed
        return messages

    def close(self) -> None:
        self.sock.close()
