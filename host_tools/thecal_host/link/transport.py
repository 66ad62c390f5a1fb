"""One open byte stream to a board: any URL pyserial knows (`/dev/ttyACM0`, a PTY's path, `socket://host:port`, `COM3`,
`loop://`).

Invariant: every failure of the operating system leaves here as `NoPort` (could not be opened) or `PortLost` (was open) with
a sentence; nothing above this file sees a pyserial or OS exception.
"""

import contextlib
import errno
from typing import Any

from thecal_host.link import tcp
from thecal_host.link.errors import NoPort, PortLost

BAUD = 115_200
READ_BYTES = 4096
WRITE_TIMEOUT_S = 2.0


class Transport:
    """A port that can be opened, lost and opened again. Not thread-safe."""

    def __init__(self, url: str, baud: int = BAUD) -> None:
        self.url = url
        self.baud = baud
        self._port: Any = None

    @property
    def is_open(self) -> bool:
        """True between a successful `open` and the next loss or `close`."""
        return self._port is not None

    def open(self) -> None:
        """Open the port (again). NoPort with a sentence when that fails."""
        import serial

        self.close()
        try:
            if self.url.startswith(tcp.SCHEME):
                self._port = tcp.TcpPort(self.url, WRITE_TIMEOUT_S)
            else:
                exclusive = None if "://" in self.url else True  # lock real ports: two programs never share one line
                self._port = serial.serial_for_url(
                    self.url, baudrate=self.baud, timeout=0, write_timeout=WRITE_TIMEOUT_S, exclusive=exclusive
                )
        except (serial.SerialException, OSError, ValueError) as error:
            raise NoPort(_why_not_open(self.url, error)) from error

    def close(self) -> None:
        """Close without complaint. RTS falls before DTR, so that an ESP32's reset circuit stays quiet."""
        port, self._port = self._port, None
        if port is None:
            return
        for line in ("rts", "dtr"):
            with contextlib.suppress(Exception):  # a PTY or a socket has no such lines, an unplugged port no longer
                setattr(port, line, False)
        with contextlib.suppress(Exception):
            port.close()

    def write(self, data: bytes) -> None:
        """Send all of `data`. PortLost when the port is gone or nobody takes the bytes for 2 s."""
        import serial

        if self._port is None:
            raise PortLost(_lost(self.url))
        try:
            self._port.write(data)
        except (serial.SerialException, OSError) as error:
            self.close()
            raise PortLost(_lost(self.url)) from error

    def read(self, wait_s: float) -> bytes:
        """Whatever is there, waiting at most `wait_s` seconds for the first byte; b"" when nothing came. PortLost when the port
        is gone."""
        import serial

        port = self._port
        if port is None:
            raise PortLost(_lost(self.url))
        try:
            if isinstance(port, tcp.TcpPort):
                port.timeout = max(wait_s, 0)
                return port.read(READ_BYTES)
            return _read_serial(port, wait_s)
        except (serial.SerialException, OSError, TypeError) as error:  # TypeError: pyserial's own, when closed under a read
            self.close()
            raise PortLost(_lost(self.url)) from error


def _read_serial(port: Any, wait_s: float) -> bytes:
    """One byte with a time-out, then the rest without: pyserial waits for *all* bytes asked for."""
    port.timeout = 0
    data = port.read(READ_BYTES)
    if data or wait_s <= 0:
        return bytes(data)
    port.timeout = wait_s
    first = port.read(1)
    if not first:
        return b""
    port.timeout = 0
    with contextlib.suppress(OSError):  # gone right after that byte: the next read tells; SerialException is an OSError
        first += port.read(READ_BYTES)
    return bytes(first)


def _lost(url: str) -> str:
    return f"The port {url} went away (unplugged, or the board restarted). Plug it in again and repeat the command."


def _why_not_open(url: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    text = str(error)
    if number == errno.ENOENT or "No such file" in text or "FileNotFoundError" in text:
        return (
            f"There is no port {url}. `thecal devices` lists the boards it can see; `thecal virtual start` starts one "
            "without hardware."
        )
    if number in (errno.EACCES, errno.EPERM) or "Permission" in text or "Access is denied" in text:
        return (
            f"This user may not open {url}. On Linux join the group that owns it (usually: sudo usermod -aG dialout $USER), "
            "then log in again."
        )
    if number in (errno.EBUSY, errno.EAGAIN) or "lock" in text or "Resource busy" in text or "Device or resource busy" in text:
        return (
            f"The port {url} is in use by another program. Close that one (a terminal, mpremote, another thecal) and try again."
        )
    if number == errno.ECONNREFUSED or "refused" in text:
        return f"Nobody listens on {url}. Is the board (or `thecal virtual`) still running? `thecal devices` shows what is."
    if "invalid URL" in text or ("protocol" in text and "not known" in text):
        return (
            f"{url} is not a port this program knows: use a device path, COM port, socket://host:port or the name of a "
            "virtual board."
        )
    if number == errno.EISDIR or "Inappropriate ioctl" in text:
        return f"{url} is not a serial port. `thecal devices` lists the boards it can see."
    return f"The port {url} could not be opened: {_first_line(text)}. `thecal devices` lists the boards it can see."


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["unknown reason"])[0].rstrip(".")
