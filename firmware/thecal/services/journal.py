"""The event log on flash: records buffered in RAM, appended to segments. Invariant: a sequence never repeats; what is lost
shows as a gap; a prompt record is durable before any answer that speaks of it leaves.

Dose records are lazy (flushed in batches of LAZY_RECORDS, because an append costs about one flash erase); the
ledger, written with each of them, holds their totals and their sequence, so losing up to LAZY_RECORDS - 1 of them
to a power cut shows as a gap and loses no dose.
"""

from thecal.core.compat import const
from thecal.core.events import DOSE, RECORD_BYTES, SEGMENT_RECORDS, STEP_CODES, pack_record, unpack_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal.core.events import Record
    from thecal.drivers.store import Store

FOLDER = "/log"
RING_SEGMENTS = const(96)
LAZY_RECORDS = const(16)
BUFFER_MAX = const(64)
IDLE_MS = const(60_000)
PAGE_RECORDS = const(48)  # one train of frames


def _is_segment(name: str) -> bool:
    if len(name) != 8:
        return False
    for char in name:
        if char not in "0123456789abcdef":
            return False
    return True


class Journal:
    """Log of one boot. `next_seq` is the sequence the next record gets; `durable_seq` the first that is not yet on flash."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._buffer: "list[bytes]" = []
        self._prompt = False
        self.boot = 0
        self._segments: "list[str]" = []
        self._room = 0
        self._page = bytearray(PAGE_RECORDS * RECORD_BYTES)
        self.next_seq = 0
        self.durable_seq = 0
        self.newest: "Record | None" = None
        self.newest_steps = 0  # highest step position and ledger sequence that the newest records speak of
        self.newest_ledger_seq = 0
        self.damaged = False
        self.failed = False
        self.wake = False  # something happened: the loop asks every service again, whatever they said they would wait for

    def open(self) -> None:
        """Look at the newest segment: `newest` becomes its last true
        record. A damaged tail is left alone and a new segment begun."""
        try:
            self._store.make_folder(FOLDER)
        except OSError:
            self.failed = True
        self._segments = [n for n in self._store.names(FOLDER) if _is_segment(n) and self._store.is_file(FOLDER + "/" + n)]
        for name in self._segments[-2:]:
            size = self._store.size(FOLDER + "/" + name)
            whole = self._scan(FOLDER + "/" + name)
            if whole != size:
                self.damaged = True
                # what the damaged rest may have used up is not used again
                self.next_seq = max(self.next_seq, int(name, 16) + size // RECORD_BYTES + 1)
            elif name == self._segments[-1]:
                self._room = max(0, SEGMENT_RECORDS - whole // RECORD_BYTES)
        if self.newest is not None:
            self.next_seq = max(self.next_seq, self.newest.seq + 1)
        self.durable_seq = self.next_seq

    def _scan(self, path: str) -> int:
        """Bytes of true records from the start of a segment; `newest` becomes the last of them."""
        whole = 0
        while True:
            got = self._store.read_into(path, whole, self._page)
            for at in range(0, got - RECORD_BYTES + 1, RECORD_BYTES):
                record = unpack_record(bytes(self._page[at : at + RECORD_BYTES]))
                if record is None:
                    return whole
                self.newest = record
                if record.code in STEP_CODES and record.a > self.newest_steps:
                    self.newest_steps = record.a
                if record.code == DOSE and record.c > self.newest_ledger_seq:
                    self.newest_ledger_seq = record.c
                whole += RECORD_BYTES
            if got < PAGE_RECORDS * RECORD_BYTES:
                return whole

    def begin(self, boot: int, least_seq: int) -> int:
        """Records from now on belong to `boot` and have sequences from `least_seq` up. Returns how many sequences were lost."""
        self.boot = boot & 0xFFFF
        lost = max(0, least_seq - self.next_seq)
        self.next_seq += lost
        self.durable_seq = self.next_seq
        return lost

    def write(self, now_ms: int, code: int, a: int = 0, b: int = 0, c: int = 0, detail: int = 0, lazy: bool = False) -> int:
        """Add a record; returns its sequence. It is durable when `durable_seq` is greater."""
        if len(self._buffer) >= BUFFER_MAX:
            self._buffer.pop(0)  # flash has refused for long; the gap will show it
        seq = self.next_seq
        self.next_seq = seq + 1
        self._buffer.append(pack_record(seq, self.boot, now_ms, code, a, b, c, detail))
        if not lazy or len(self._buffer) >= LAZY_RECORDS:
            self._prompt = True
            self.wake = True
        return seq

    def rollback(self, first_seq: int) -> None:
        """Forget the records from `first_seq` on, written in this turn: what they told did not become durable."""
        while self._buffer and int.from_bytes(self._buffer[-1][:4], "little") >= first_seq:
            self._buffer.pop()
        self.next_seq = first_seq

    def flush_soon(self) -> None:
        """Make the lazy records durable at the next turn (a host wants to read them)."""
        if self._buffer:
            self._prompt = True
            self.wake = True

    def poll(self, now_ms: int) -> int:
        """At most one durable write: drop the oldest segment of a full ring, or append what is buffered."""
        if not self._prompt:
            return now_ms + IDLE_MS
        if self._store.spent:
            return now_ms
        try:
            if self._room == 0 and len(self._segments) >= RING_SEGMENTS:
                self._store.remove(FOLDER + "/" + self._segments[0])
                self._segments.pop(0)
                return now_ms
            self._append()
        except OSError:
            self.failed = True
            try:
                self._store.make_folder(FOLDER)
            except OSError:
                pass  # it is tried again, and the alarm stands meanwhile
            return now_ms + 10_000
        self.failed = False
        return now_ms if self._prompt else now_ms + IDLE_MS

    def _append(self) -> None:
        if self._room == 0:
            name = "%08x" % int.from_bytes(self._buffer[0][:4], "little")
            fresh = True
            room = SEGMENT_RECORDS
        else:
            name = self._segments[-1]
            fresh = False
            room = self._room
        count = min(room, len(self._buffer))
        self._store.append(FOLDER + "/" + name, b"".join(self._buffer[:count]))
        if fresh:
            self._segments.append(name)
        self._room = room - count
        self._buffer = self._buffer[count:]
        self._prompt = bool(self._buffer)
        self.durable_seq = self.next_seq - len(self._buffer)

    def read_from(self, first_seq: int, count: int) -> "list[bytes]":
        """Up to `count` (at most PAGE_RECORDS) durable records with sequence >= `first_seq`, in order, from one segment; []
        when there are none."""
        chosen = 0
        for index in range(len(self._segments)):
            if int(self._segments[index], 16) <= first_seq:
                chosen = index
        while chosen < len(self._segments):
            name = self._segments[chosen]
            path = FOLDER + "/" + name
            total = max(0, self._store.size(path)) // RECORD_BYTES
            at = max(0, min(total, first_seq - int(name, 16)))  # no gaps: exactly there; with gaps: too far, so walk back
            while at > 0 and self._seq_at(path, at - 1) >= first_seq:
                at -= 1
            if at < total:
                return self._records(path, at, min(total - at, count, PAGE_RECORDS))
            chosen += 1
        return []

    def _seq_at(self, path: str, index: int) -> int:
        head = bytearray(4)
        self._store.read_into(path, index * RECORD_BYTES, head)
        return int.from_bytes(head, "little")

    def _records(self, path: str, at: int, count: int) -> "list[bytes]":
        view = memoryview(self._page)
        got = self._store.read_into(path, at * RECORD_BYTES, view[: count * RECORD_BYTES])
        return [bytes(view[i : i + RECORD_BYTES]) for i in range(0, got - RECORD_BYTES + 1, RECORD_BYTES)]
