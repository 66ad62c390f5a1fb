"""What the REPL at the other end of the pipe is doing, seen from its output: at a prompt, running code, raw or friendly.

Invariant: Ctrl-C goes to a REPL at its prompt as a byte and to running code as a signal, never the other way round: a VM at its
prompt dies of the signal, and running code does not see the byte.
"""

PROMPTS = (b">>> ", b"... ", b"=== ")
RAW_BANNER = b"raw REPL; CTRL-B to exit"


class ReplTracker:
    def __init__(self) -> None:
        self.raw = False
        self.idle = False
        self._line = b""

    def output(self, data: bytes) -> None:
        """The child has written `data`."""
        text = self._line + data
        line = text[text.rfind(b"\n") + 1 :]
        self._line = line[-256:]
        if RAW_BANNER in text:
            self.raw = True
        if line.startswith(PROMPTS):
            self.raw = False
            self.idle = True
        elif line == b">" or line.endswith(b"\x04>"):
            self.idle = True

    def input(self, data: bytes) -> None:
        """`data` goes to the child: does it start something?"""
        if b"\x04" in data or (not self.raw and (b"\r" in data or b"\n" in data)):
            self.idle = False
            self._line = b""


class Newlines:
    """A board's REPL ends lines with CR LF, the VM's `print` with LF alone. Keeps the CR across pieces of output."""

    def __init__(self) -> None:
        self._cr = False

    def translate(self, data: bytes) -> bytes:
        if not data:
            return data
        out = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if b"\n" in data else data
        if self._cr and data[:1] == b"\n":
            out = out[1:]
        self._cr = data[-1:] == b"\r"
        return out
