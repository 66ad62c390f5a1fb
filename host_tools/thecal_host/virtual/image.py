"""A flash image with littlefs on it, read and written by CPython: in memory for tests, in a file beside the MicroPython VM.

Invariant: the format is the one the VM mounts (a Pico's geometry), and every program and erase passes the same counter and the
same power cut (`thecal_twin.flash.Flash`) as in the VM.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

from thecal_host.virtual import rom
from thecal_host.virtual.errors import VirtualError

rom.make_importable()

from littlefs import LittleFS, LittleFSError, UserContext  # noqa: E402

from thecal_twin.blockdev import BLOCK, BLOCKS, PROG, READ  # noqa: E402
from thecal_twin.flash import GO, Flash  # noqa: E402

SIZE = BLOCK * BLOCKS
_IO_ERROR = -5


class _Medium(UserContext):
    """NOR flash over a bytearray or an open file. After a cut nothing works any more."""

    def __init__(self, flash: Flash, buffer: bytearray | None, file: Any) -> None:
        self.flash = flash
        self.buffer = buffer if buffer is not None else bytearray()
        self.file = file
        self.in_size = SIZE
        self.hook: Callable[[str, int], None] | None = None

    def _put(self, at: int, data: bytes) -> None:
        if self.file is None:
            self.buffer[at : at + len(data)] = data
        else:
            self.file.seek(at)
            self.file.write(data)

    def read(self, cfg: Any, block: int, off: int, size: int) -> bytearray:
        at = block * BLOCK + off
        if self.file is None:
            return self.buffer[at : at + size]
        self.file.seek(at)
        return bytearray(self.file.read(size))

    def _operate(self, kind: str, block: int, at: int, data: bytes) -> int:
        if self.flash.dead:
            return _IO_ERROR
        part = self.flash.gate(block, kind == "erase")
        if part == GO:
            self._put(at, data)
            if self.hook is not None:
                self.hook(kind, block)
            return 0
        self._put(at, data[: len(data) * part // 1000])
        return _IO_ERROR  # an exception would be swallowed between here and the caller; ImageFs looks at `flash.dead`

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        return self._operate("prog", block, block * BLOCK + off, bytes(data))

    def erase(self, cfg: Any, block: int) -> int:
        return self._operate("erase", block, block * BLOCK, b"\xff" * BLOCK)

    def sync(self, cfg: Any) -> int:
        return 0


class _File:
    """One open file; the methods the firmware uses, with MicroPython's meaning (`flush` makes durable)."""

    def __init__(self, fs: "ImageFs", raw: Any, text: bool) -> None:
        self._fs = fs
        self._raw = raw
        self._text = text

    def read(self, n: int = -1) -> Any:
        with self._fs.guarded():
            data = self._raw.read(n)
        return data.decode() if self._text else data

    def readinto(self, buf: bytearray) -> int:
        with self._fs.guarded():
            return self._raw.readinto(buf)

    def write(self, data: Any) -> int:
        with self._fs.guarded():
            return self._raw.write(data.encode() if self._text else data)

    def seek(self, offset: int, whence: int = 0) -> int:
        with self._fs.guarded():
            return self._raw.seek(offset, whence)

    def tell(self) -> int:
        with self._fs.guarded():
            return self._raw.tell()

    def flush(self) -> None:
        with self._fs.guarded():
            self._raw.flush()

    def close(self) -> None:
        with self._fs.guarded():
            self._raw.close()

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._fs.dead:
            self.close()

    def __iter__(self) -> Iterator[Any]:
        data = self.read()
        return iter(data.splitlines(keepends=True))


class ImageFs:
    """Seam `fs`: open, rename, remove, listdir, stat, mkdir with MicroPython's results and OSError codes."""

    def __init__(self, lfs: LittleFS, flash: Flash) -> None:
        self._lfs = lfs
        self._flash = flash
        self._open: WeakSet[Any] = WeakSet()
        self.on_cut: Callable[[], None] | None = None

    @property
    def dead(self) -> bool:
        return self._flash.dead

    def _power_gone(self) -> None:
        for raw in self._open:  # nothing may try to write these out when they are collected
            setattr(raw, "__IOBase_closed", True)
        if self.on_cut is None:
            raise VirtualError("The power of this flash image was cut; take a snapshot and open it again.")
        self.on_cut()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        if self._flash.dead:
            self._power_gone()
        try:
            yield
        except LittleFSError as e:
            if self._flash.dead:
                self._power_gone()
            raise OSError(-e.code, e.args[0] if e.args and isinstance(e.args[0], str) else "littlefs") from None
        except FileNotFoundError:
            raise OSError(errno.ENOENT, "no such file") from None
        except FileExistsError:
            raise OSError(errno.EEXIST, "file exists") from None
        except IsADirectoryError:
            raise OSError(errno.EISDIR, "is a directory") from None
        if self._flash.dead:
            self._power_gone()

    def open(self, path: str, mode: str = "r") -> Any:
        binary = mode.replace("b", "").replace("t", "") + "b"
        with self.guarded():
            try:
                raw = self._lfs.open(path, binary, buffering=0)
            except FileNotFoundError:
                if "a" not in mode:
                    raise
                raw = self._lfs.open(path, binary.replace("a", "w"), buffering=0)  # MicroPython's "a" makes the file
        self._open.add(raw)
        return _File(self, raw, "b" not in mode)

    def rename(self, old: str, new: str) -> None:
        with self.guarded():
            self._lfs.rename(old, new)

    def remove(self, path: str) -> None:
        with self.guarded():
            self._lfs.remove(path)

    def mkdir(self, path: str) -> None:
        with self.guarded():
            self._lfs.mkdir(path)

    def rmdir(self, path: str) -> None:
        with self.guarded():
            self._lfs.rmdir(path)

    def listdir(self, path: str = "/") -> list[str]:
        with self.guarded():
            return sorted(self._lfs.listdir(path))

    def stat(self, path: str) -> tuple[int, ...]:
        with self.guarded():
            info = self._lfs.stat(path)
        return (0x4000 if info.type == 2 else 0x8000, 0, 0, 0, 0, 0, 0 if info.type == 2 else info.size, 0, 0, 0)


class Image:
    """One flash chip with its file system mounted at `fs`.

    `Image()` is blank memory, `Image(data=snapshot)` a copy of one, `Image(path=...)` a file (made if missing).
    """

    def __init__(self, data: bytes | None = None, path: Path | None = None, flash_state: dict[str, Any] | None = None) -> None:
        self.flash = Flash(BLOCKS, flash_state)
        self._file = None
        if path is not None:
            create(path)
            self._file = path.open("r+b", buffering=0)
        buffer = None if path is not None else bytearray(data) if data is not None else bytearray(b"\xff" * SIZE)
        if buffer is not None and len(buffer) != SIZE:
            raise VirtualError(f"A flash image has {SIZE} bytes; this one has {len(buffer)}.")
        self.medium = _Medium(self.flash, buffer, self._file)
        lfs = LittleFS(
            context=self.medium,
            mount=False,
            block_size=BLOCK,
            block_count=BLOCKS,
            read_size=READ,
            prog_size=PROG,
            cache_size=4 * PROG,
            lookahead_size=32,
            block_cycles=100,
        )
        self.fresh = False
        try:
            lfs.mount()
        except LittleFSError:
            self.fresh = True
            lfs.format()
            lfs.mount()
        self.fs = ImageFs(lfs, self.flash)

    def snapshot(self) -> bytes:
        """The medium as it is, also after a cut."""
        if self._file is None:
            return bytes(self.medium.buffer)
        self._file.seek(0)
        return self._file.read(SIZE)

    def write(self, path: str, data: bytes) -> None:
        """Put a file there, making its folders."""
        parts = path.strip("/").split("/")
        for i in range(1, len(parts)):
            folder = "/" + "/".join(parts[:i])
            try:
                self.fs.mkdir(folder)
            except OSError as e:
                if e.errno != errno.EEXIST:
                    raise
        with self.fs.open("/" + "/".join(parts), "wb") as f:
            f.write(data)

    def read(self, path: str) -> bytes:
        with self.fs.open(path, "rb") as f:
            return f.read()

    def walk(self, folder: str = "/") -> list[str]:
        """Every file below `folder`, sorted."""
        found = []
        for name in self.fs.listdir(folder):
            path = folder.rstrip("/") + "/" + name
            if self.fs.stat(path)[0] == 0x4000:
                found += self.walk(path)
            else:
                found.append(path)
        return found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def create(path: Path) -> None:
    """Make a blank image file if there is none. Raises VirtualError if it is there with a wrong size, or cannot be made."""
    try:
        if path.exists():
            if path.stat().st_size != SIZE:
                raise VirtualError(f"{path} is no flash image: it has {path.stat().st_size} bytes, an image has {SIZE}.")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff" * SIZE)
    except OSError as e:
        raise VirtualError(f"The flash image {path} cannot be used: {e.strerror}.") from None
