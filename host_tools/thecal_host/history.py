"""The history of programs: every activation this PC asked for or learnt of, with its program, time, reason and who asked. One
SQLite file beside the log store.

Invariants: an activation is written down before it is sent, so that one whose answer never came is in here too; an entry that
took effect is never changed or dropped afterwards; the board's own ACTIVATED records decide what took effect, and what another
PC activated appears as such, by its CRC alone. Every error of SQLite or of the disk leaves here as `StorageError`.
"""

import getpass
import platform
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from thecal.core.events import ACTIVATED, unpack_record
from thecal_host.logs.errors import StorageError, os_sentence
from thecal_host.logs.store import LOCK_WAIT_S, data_dir

SCHEMA = 1
FILE_NAME = "history.sqlite3"

ASKED = "asked"  # sent, and no answer seen yet: the board's log settles it
DONE = "done"
ELSEWHERE = "elsewhere"  # another PC, or this one with other data, activated it

_TABLE = """
CREATE TABLE activations (
    board TEXT NOT NULL, command_id INTEGER NOT NULL, state TEXT NOT NULL, program_crc INTEGER NOT NULL,
    monitor_crc INTEGER NOT NULL, version INTEGER, board_ms INTEGER, boot INTEGER, seq INTEGER, at_s INTEGER,
    reason TEXT NOT NULL, who TEXT NOT NULL, host TEXT NOT NULL, blob BLOB, generation INTEGER NOT NULL,
    PRIMARY KEY (board, command_id)
) WITHOUT ROWID
"""
_COLUMNS = (
    "board, command_id, state, program_crc, monitor_crc, version, board_ms, boot, seq, at_s, reason, who, host, blob, generation"
)


@dataclass(frozen=True)
class Activation:
    """One activation. `version` and the board's time, boot and log sequence are None while only the request is known; `at_s`
    (Unix seconds of this PC) is None for one from elsewhere; `blob` is the program, None where only its CRC is known;
    `generation` counts the lives of the board's flash, as the log store does."""

    board: str
    command_id: int
    state: str
    program_crc: int
    monitor_crc: int
    version: "int | None"
    board_ms: "int | None"
    boot: "int | None"
    seq: "int | None"
    at_s: "int | None"
    reason: str
    who: str
    host: str
    blob: "bytes | None"
    generation: int


def this_user() -> str:
    """Who sits at this PC, as far as it says."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


class History:
    """The open database. Use as a context manager. `path` defaults to `data_dir()/history.sqlite3`."""

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

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *_unused: object) -> None:
        self._db.close()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA synchronous = FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._db.execute("BEGIN IMMEDIATE")  # two programs may make the file at once: look again under the lock
            if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
                self._db.execute(_TABLE)
                self._db.execute(f"PRAGMA user_version = {SCHEMA}")
            self._db.execute("COMMIT")
        elif version != SCHEMA:
            raise StorageError(
                f"The history {self.path} has format {version}, this program writes {SCHEMA}. Update thecal, or set "
                "THECAL_DATA_DIR to another folder."
            )

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turn SQLite's errors into sentences and leave no transaction open behind them."""
        try:
            yield
        except sqlite3.Error as error:
            if hasattr(self, "_db") and self._db.in_transaction:
                self._db.rollback()
            raise StorageError(self._sentence(str(error))) from error

    def _sentence(self, text: str) -> str:
        if "full" in text:
            return f"The history {self.path} could not be written: the disk is full. Free some space and repeat the command."
        if "locked" in text or "busy" in text:
            return f"The history {self.path} is in use by another program. Wait until it has finished, then repeat the command."
        if "malformed" in text or "not a database" in text:
            return (
                f"The history {self.path} is damaged ({text}). Move it away; a new one is made, and the boards' logs still tell "
                "which programs were activated."
            )
        if "readonly" in text or "unable to open" in text:
            return f"The history {self.path} cannot be opened for writing. Check its permissions, or set THECAL_DATA_DIR."
        return f"The history {self.path} could not be used: {text}. Check its place, or set THECAL_DATA_DIR to another folder."

    # --- writing -------------------------------------------------------------------------------------------------------
    def ask(
        self,
        board: str,
        command_id: int,
        blob: "bytes | None",
        crcs: "tuple[int, int]",
        reason: str,
        generation: int = 1,
        now_s: "int | None" = None,
    ) -> None:
        """Write down that an activation of (program, monitor limits) is about to be sent. Asking again under the same id leaves
        what is there."""
        stamp = int(time.time()) if now_s is None else now_s
        row = (
            board,
            command_id,
            ASKED,
            *crcs,
            None,
            None,
            None,
            None,
            stamp,
            reason,
            this_user(),
            platform.node(),
            blob,
            generation,
        )
        with self._sentences():
            self._db.execute(f"INSERT OR IGNORE INTO activations VALUES ({', '.join('?' * len(row))})", row)

    def done(self, board: str, command_id: int, version: int) -> None:
        """The board answered that it was activated as `version`."""
        with self._sentences():
            self._db.execute(
                "UPDATE activations SET state = ?, version = ? WHERE board = ? AND command_id = ? AND state = ?",
                (DONE, version, board, command_id, ASKED),
            )

    def refused(self, board: str, command_id: int) -> None:
        """The board answered that it was not: nothing took effect, and nothing is kept of it."""
        with self._sentences():
            self._db.execute(
                "DELETE FROM activations WHERE board = ? AND command_id = ? AND state = ?", (board, command_id, ASKED)
            )

    def reconcile(
        self, board: str, raws: Iterable[bytes], programs: "dict[int, bytes] | None" = None, generation: int = 1
    ) -> "tuple[int, int]":
        """Compare with the ACTIVATED records of the board's log (`raws`, any records of one generation): what was asked here and
        is in the log took effect; what is in the log and was not asked here came from elsewhere. `programs` are programs read
        from boards, by CRC. Returns (settled, from elsewhere)."""
        settled = elsewhere = 0
        with self._sentences():
            self._db.execute("BEGIN IMMEDIATE")
            for raw in raws:
                record = unpack_record(raw)
                if record is None or record.code != ACTIVATED:
                    continue
                where = (record.t_ms, record.boot, record.seq, generation, board, record.a)
                row = self._db.execute(
                    "SELECT state, program_crc FROM activations WHERE board = ? AND command_id = ?", (board, record.a)
                ).fetchone()
                if row is None:
                    blob = (programs or {}).get(record.b)
                    fresh = (board, record.a, ELSEWHERE, record.b, record.c, None, *where[:3], None, "", "", "", blob, generation)
                    self._db.execute(f"INSERT INTO activations VALUES ({', '.join('?' * len(fresh))})", fresh)
                    elsewhere += 1
                    continue
                settled += row[0] == ASKED
                self._db.execute(
                    "UPDATE activations SET board_ms = ?, boot = ?, seq = ?, generation = ? WHERE board = ? AND "
                    "command_id = ? AND seq IS NULL",
                    where,
                )
                self._db.execute(
                    "UPDATE activations SET state = ? WHERE board = ? AND command_id = ? AND state = ?",
                    (DONE, board, record.a, ASKED),
                )
                self._learn(board, record.a, record.b, programs or {})
            self._db.execute("COMMIT")
        return settled, elsewhere

    def _learn(self, board: str, command_id: int, crc: int, programs: "dict[int, bytes]") -> None:
        """The bytes of a program known by its CRC alone may have been read from the board since."""
        if crc in programs:
            self._db.execute(
                "UPDATE activations SET blob = ? WHERE board = ? AND command_id = ? AND program_crc = ? AND blob IS NULL",
                (programs[crc], board, command_id, crc),
            )

    # --- reading -------------------------------------------------------------------------------------------------------
    def boards(self) -> "list[str]":
        """Every board with an entry."""
        with self._sentences():
            return [row[0] for row in self._db.execute("SELECT DISTINCT board FROM activations ORDER BY board").fetchall()]

    def entries(self, board: str) -> "list[Activation]":
        """All activations of `board`, oldest first: by the board's command ids, whose counter only rises while its flash
        lives."""
        with self._sentences():
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM activations WHERE board = ? ORDER BY generation, command_id", (board,)
            ).fetchall()
        return [Activation(*row) for row in rows]
