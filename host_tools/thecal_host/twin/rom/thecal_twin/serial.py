"""The serial line of the virtual chip: 8-bit clean, and silent towards the firmware while time is jumping.

Invariant: bytes of the host reach the firmware only while the clock is not in ADVANCE, so a run does not depend on their timing.
"""

from thecal_twin.clock import ADVANCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal_twin.chip import World


class Serial:
    """Seam `Serial` over the ports of a running VM or engine, or over two buffers in-process (`feed` and `taken`)."""

    def __init__(self, world: "World") -> None:
        self._w = world
        self._in = bytearray()
        self._out = bytearray()
        self.shut = False

    def any(self) -> bool:
        w = self._w
        if w.mode == ADVANCE:
            return False
        if w.ports is None:
            return len(self._in) > 0
        return w.ports.serial_ready()

    def read(self) -> bytes:
        """All bytes waiting (at most 512 of them at a time), or b''."""
        w = self._w
        if w.mode == ADVANCE:
            return b""
        if w.ports is None:
            data = bytes(self._in)
            self._in = bytearray()
            return data
        return w.ports.serial_read(512)

    def write(self, data: bytes) -> None:
        w = self._w
        w.check_alive()
        if w.ports is None:
            self._out.extend(data)
        else:
            w.ports.serial_write(data)

    def shut_repl(self) -> None:
        self._set(True)

    def free_repl(self) -> None:
        self._set(False)

    def _set(self, shut: bool) -> None:
        self.shut = shut
        if self._w.ports is not None:
            self._w.ports.sync({"ev": "repl", "shut": 1 if shut else 0})

    def feed(self, data: bytes) -> None:
        """In-process: bytes from the host."""
        self._in.extend(data)

    def taken(self) -> bytes:
        """In-process: everything written since the last call."""
        data = bytes(self._out)
        self._out = bytearray()
        return data
