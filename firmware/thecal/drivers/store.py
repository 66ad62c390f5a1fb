"""Durable files on the board's file system. Invariant: `replace` leaves the old or the new content, never a mixture; and the
loop can see that this turn's one durable write has been used (`spent`).

littlefs: `rename` is atomic and `close` persists (sync does nothing there). Removing first and creating then is never done.
"""

import json

from thecal.core.compat import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

READ_MAX_BYTES = const(16384)


class Store:
    """Files of the board by absolute path. All methods raise OSError as the file system does, except where they say otherwise."""

    def __init__(self, fs: "Any") -> None:
        self._fs = fs
        self.spent = False
        self.writes = 0

    def new_turn(self) -> None:
        """A new turn of the loop begins: one durable write may be made."""
        self.spent = False

    def read(self, path: str) -> "bytes | None":
        """The whole file (at most READ_MAX_BYTES), or None when it is missing, unreadable or longer."""
        try:
            size = self._fs.stat(path)[6]
            if size > READ_MAX_BYTES:
                return None
            f = self._fs.open(path, "rb")
        except OSError:
            return None
        try:
            return f.read(size)  # on a board read(n) takes n bytes of heap at once: ask for what is there
        except OSError:
            return None
        finally:
            f.close()

    def load_json(self, path: str) -> "Any":
        """The object in a JSON file of any length, or None when it is missing or not JSON. Parsed from the stream, so the text
        never needs heap in one piece."""
        try:
            f = self._fs.open(path, "rb")
        except OSError:
            return None
        try:
            return json.load(f)
        except (OSError, ValueError):
            return None
        finally:
            f.close()

    def read_into(self, path: str, offset: int, buffer: "bytearray | memoryview") -> int:
        """Fill `buffer` from `offset` of the file; returns the bytes
        read, 0 when there are none. Needs no heap for the content."""
        try:
            f = self._fs.open(path, "rb")
        except OSError:
            return 0
        try:
            f.seek(offset)
            return f.readinto(buffer) or 0
        except OSError:
            return 0
        finally:
            f.close()

    def replace(self, path: str, data: bytes) -> None:
        """Make `data` the content of `path`: written beside it, then renamed over it."""
        self.spent = True
        self.writes += 1
        tmp = path + ".tmp"
        f = self._fs.open(tmp, "wb")
        try:
            f.write(data)
        finally:
            f.close()
        self._fs.rename(tmp, path)

    def append(self, path: str, data: bytes) -> None:
        """Add `data` to the end of `path`; durable on return."""
        self.spent = True
        self.writes += 1
        f = self._fs.open(path, "ab")
        try:
            f.write(data)
        finally:
            f.close()

    def remove(self, path: str) -> None:
        """Remove `path`."""
        self.spent = True
        self.writes += 1
        self._fs.remove(path)

    def names(self, folder: str) -> "list[str]":
        """Sorted file names in `folder`, [] when it is missing."""
        try:
            return sorted(self._fs.listdir(folder))
        except OSError:
            return []

    def size(self, path: str) -> int:
        """Bytes of `path`, -1 when it is missing."""
        try:
            return self._fs.stat(path)[6]
        except OSError:
            return -1

    def is_file(self, path: str) -> bool:
        """Is there a file (not a folder)?"""
        try:
            return not self._fs.stat(path)[0] & 0x4000
        except OSError:
            return False

    def make_folder(self, folder: str) -> None:
        """Make `folder` if it is missing."""
        try:
            self._fs.stat(folder)
        except OSError:
            self._fs.mkdir(folder)

    def blocks(self, path: str) -> "Iterator[bytes]":
        """The content of `path` in pieces of 512 bytes (a generator); OSError when it is missing."""
        f = self._fs.open(path, "rb")
        try:
            while True:
                piece = f.read(512)
                if not piece:
                    return
                yield piece
        finally:
            f.close()
