"""The flash image as a MicroPython block device (unix VM): a host file, opened before the file systems are swapped.

Invariant: littlefs sees NOR flash: an erase gives 0xFF, a cut leaves a prefix. The geometry is that of a Pico's file system.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal_twin.flash import Flash

BLOCK = 4096
BLOCKS = 352  # 1408 KiB, the file system of a Pico with stock MicroPython
PROG = 256
READ = 32


class BlockDevice:
    """`on_cut` is called when the planned operation has been reached and must not return."""

    def __init__(self, path: str, flash: "Flash") -> None:
        self._f = open(path, "r+b")
        self._flash = flash
        self._blank = b"\xff" * BLOCK
        self.on_cut: "Any" = None

    def readblocks(self, block: int, buf: bytearray, offset: int = 0) -> None:
        f = self._f
        f.seek(block * BLOCK + offset)
        f.readinto(buf)

    def writeblocks(self, block: int, buf: bytes, offset: "int | None" = None) -> None:
        part = self._flash.gate(block, False)
        f = self._f
        f.seek(block * BLOCK + (offset or 0))
        if part < 0:
            f.write(buf)
            return
        f.write(bytes(buf)[: len(buf) * part // 1000])
        self.on_cut()

    def ioctl(self, op: int, arg: int) -> "int | None":
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK
        if op == 6:
            part = self._flash.gate(arg, True)
            f = self._f
            f.seek(arg * BLOCK)
            if part < 0:
                f.write(self._blank)
                return 0
            f.write(self._blank[: BLOCK * part // 1000])
            self.on_cut()
        return None
