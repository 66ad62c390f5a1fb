"""The log store: one SQLite file with the raw records of every board, idempotent by (board, generation, boot, sequence).

Invariants: a record once kept is never changed or dropped; storing it again changes nothing. When a board shows *other* bytes
under a key that is already kept, its flash was erased and its log began again: that is a new `generation`, and the old one
stays beside it. Every error of SQLite or of the disk leaves here as `StorageError` with a sentence.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from thecal.core.events import Record, unpack_record
from thecal_host.logs.errors import StorageError, os_sentence

SCHEMA = 1
FILE_NAME = "logs.sqlite3"
BATCH = 500
LOCK_WAIT_S = 5.0

_TABLES = """
CREATE TABLE records (
    board TEXT NOT NULL, generation INTEGER NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
    raw BLOB NOT NULL CHECK (length(raw) = 32), pulled_s INTEGER NOT NULL,
    PRIMARY KEY (board, generation, seq, boot)
) WITHOUT ROWID;
CREATE TABLE programs (board TEXT NOT NULL, crc INTEGER NOT NULL, blob BLOB NOT NULL, PRIMARY KEY (board, crc)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Kept:
    """What `add` did: `new` records stored, `known` ones already there, `damaged` ones (wrong CRC) left out, and the
    generation."""

    new: int
    known: int
    damaged: int
    generation: int


@dataclass(frozen=True)
class Gap:
    """Sequences `first`..`last` (both included) that the store does not have between records that it has."""

    first: int
    last: int


@dataclass(frozen=True)
class BoardLog:
    """One line of `boards()`."""

    board: str
    generation: int
    records: int
    first_seq: int
    last_seq: int


def data_dir() -> Path:
    """Where logs are kept: THECAL_DATA_DIR, else the user's data folder."""
    given = os.environ.get("THECAL_DATA_DIR")
    if given:
        return Path(given)
    from platformdirs import user_data_dir

    return Path(user_data_dir("thecal", appauthor=False))


class Store:
    """The open database. Use as a context manager. `path` defaults to `data_dir()/logs.sqlite3`."""

    def __init__(self, path: "Path | None" = None) -> None:
        self.path = path or data_dir() / FILE_NAME
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(os_sentence(f"The folder {self.path.parent} could not be made", error)) from error
        with self._sentences():
            self._db = sqlite3.connect(self.path, timeout=LOCK_WAIT_S, isolation_level=None)
        try:
            with self._sentences():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was stored is durable already."""
        self._db.close()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA synchronous = FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._db.execute("BEGIN IMMEDIATE")  # two programs may make the file at once: look again under the lock
            if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA}")
            self._db.execute("COMMIT")
        elif version != SCHEMA:
            raise StorageError(
                f"The log store {self.path} has format {version}, this program writes {SCHEMA}. Update thecal, or set "
                "THECAL_DATA_DIR to another folder."
            )

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turn SQLite's errors into sentences and leave no transaction open behind them."""
        try:
            yield
        except (sqlite3.Error, StorageError) as error:
            if hasattr(self, "_db") and self._db.in_transaction:
                try:
                    self._db.execute("ROLLBACK")
                except sqlite3.Error:  # SQLite rolls back by itself on a full disk; then there is nothing left to do
                    self._db.close()
            if isinstance(error, StorageError):
                raise
            raise StorageError(self._sentence(error)) from error

    def _sentence(self, error: sqlite3.Error) -> str:
        text = str(error)
        if "full" in text:
            return (
                f"The log store {self.path} could not be written: the disk is full. Free some space and pull again; nothing "
                "kept was lost."
            )
        if "locked" in text or "busy" in text:
            return f"The log store {self.path} is in use by another program. Wait until it has finished, then repeat the command."
        if "malformed" in text or "not a database" in text or "CHECK constraint" in text:
            return self._damaged(text)
        if "readonly" in text or "unable to open" in text:
            return f"The log store {self.path} cannot be opened for writing. Check its permissions, or set THECAL_DATA_DIR."
        return f"The log store {self.path} could not be used: {text}. Check its place, or set THECAL_DATA_DIR to another folder."

    def _damaged(self, why: str) -> str:
        return (
            f"The log store {self.path} is damaged ({why}). Move it away; a new one is made and the boards' logs can be "
            "pulled again."
        )

    def _bytes(self, value: object) -> bytes:
        """A BLOB column's value. SQLite keeps text or numbers there as gladly, so another program may have left some."""
        if not isinstance(value, bytes):
            raise StorageError(self._damaged(f"it holds {type(value).__name__} where bytes belong"))
        return value

    # --- writing -------------------------------------------------------------------------------------------------------
    def add(self, board: str, raws: Iterable[bytes], generation: "int | None" = None, now_s: "int | None" = None) -> Kept:
        """Keep `raws` of `board` (in rising sequence, as pulled) in `generation` (default: the newest). Batches of 500 are
        durable one by one, so an interrupted pull keeps what had come. A conflict with kept bytes begins a new generation."""
        current = self.generation(board) if generation is None else generation
        stamp = int(time.time()) if now_s is None else now_s
        new = known = damaged = 0
        batch: list[tuple[Record, bytes]] = []

        def store() -> None:
            nonlocal current, new, known
            with self._sentences():
                self._db.execute("BEGIN IMMEDIATE")
                for record, raw in batch:
                    kept = self._kept(board, current, record)
                    if kept is not None and kept != raw:
                        current += 1
                        kept = None
                    if kept is not None:
                        known += 1
                        continue
                    self._db.execute(
                        "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", (board, current, record.boot, record.seq, raw, stamp)
                    )
                    new += 1
                self._db.execute("COMMIT")
            batch.clear()

        for raw in raws:
            record = unpack_record(raw)
            if record is None:
                damaged += 1
                continue
            batch.append((record, bytes(raw)))
            if len(batch) >= BATCH:
                store()
        if batch:
            store()
        return Kept(new, known, damaged, current)

    def _kept(self, board: str, generation: int, record: Record) -> "bytes | None":
        """What is kept under this sequence, of whatever boot: within a generation a sequence never repeats."""
        row = self._db.execute(
            "SELECT raw FROM records WHERE board = ? AND generation = ? AND seq = ?", (board, generation, record.seq)
        ).fetchone()
        return None if row is None else self._bytes(row[0])

    def add_program(self, board: str, crc: int, blob: bytes) -> None:
        """Keep a program read from `board`: its step volume and concentration make volumes out of the log's steps."""
        with self._sentences():
            self._db.execute("INSERT OR IGNORE INTO programs VALUES (?, ?, ?)", (board, crc, blob))

    # --- reading -------------------------------------------------------------------------------------------------------
    def generation(self, board: str) -> int:
        """The newest generation of `board`, 1 when nothing is kept yet."""
        with self._sentences():
            row = self._db.execute("SELECT max(generation) FROM records WHERE board = ?", (board,)).fetchone()
        return row[0] or 1

    def newest(self, board: str) -> "Record | None":
        """The newest record kept of the board's newest generation."""
        with self._sentences():
            row = self._db.execute(
                "SELECT raw FROM records WHERE board = ? AND generation = ? ORDER BY seq DESC LIMIT 1",
                (board, self.generation(board)),
            ).fetchone()
        return None if row is None else unpack_record(self._bytes(row[0]))

    def has(self, board: str, raw: bytes) -> bool:
        """Is exactly this record kept in the board's newest generation?"""
        record = unpack_record(raw)
        if record is None:
            return False
        with self._sentences():
            return self._kept(board, self.generation(board), record) == raw

    def boards(self) -> "list[BoardLog]":
        """Every board and generation kept, with counts."""
        with self._sentences():
            rows = self._db.execute(
                "SELECT board, generation, count(*), min(seq), max(seq) FROM records GROUP BY board, generation ORDER BY "
                "board, generation"
            ).fetchall()
        return [BoardLog(*row) for row in rows]

    def records(self, board: str, generation: "int | None" = None) -> "list[bytes]":
        """Raw records of one generation (default: the newest) by rising sequence."""
        chosen = self.generation(board) if generation is None else generation
        with self._sentences():
            rows = self._db.execute(
                "SELECT raw FROM records WHERE board = ? AND generation = ? ORDER BY seq, boot", (board, chosen)
            ).fetchall()
        return [self._bytes(row[0]) for row in rows]

    def gaps(self, board: str, generation: "int | None" = None) -> "list[Gap]":
        """Sequences missing between the first and the last record kept: lost on the board, or not pulled in time."""
        found: list[Gap] = []
        expected = -1
        for raw in self.records(board, generation):
            seq = int.from_bytes(raw[:4], "little")
            if 0 <= expected < seq:
                found.append(Gap(expected, seq - 1))
            expected = max(expected, seq + 1)
        return found

    def programs(self, board: str) -> "dict[int, bytes]":
        """Programs kept for `board`, by the CRC of their entries."""
        with self._sentences():
            rows = self._db.execute("SELECT crc, blob FROM programs WHERE board = ?", (board,)).fetchall()
        return {crc: self._bytes(blob) for crc, blob in rows}
