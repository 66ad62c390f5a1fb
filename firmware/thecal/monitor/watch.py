"""The second channel. Invariant: it counts real edges on `step_sense` and cuts EN, for good, when they exceed (1)
the intent it has itself re-read from flash, (2) a window of its own limits file, or (3) what the schedule needs in
an interval. It can do nothing else.

It shares with delivery, and so cannot see a fault in: the CPU, the
clock, and the step volume both were told (SAFETY.md, common causes).
"""

from thecal.monitor.intent import read_history, read_intent
from thecal.monitor.limits import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Counter(Protocol):
        """Rising edges on `step_sense` since boot."""

        def read(self) -> int: ...


PERIOD_MS = 2000
IDLE_MS = 5000
SLOT_MS = 300_000
WINDOWS = ((13, "max_1h"), (49, "max_4h"), (289, "max_24h"))  # slots of 5 min, the one being filled included
SLOTS = 289
NEVER_MS = (1 << 48) - 1
TRIP_INTENT = 1
TRIP_WINDOW = 2
TRIP_ENVELOPE = 3
TRIP_UNREADABLE = 4
LEDGER_PATH = "/ledger"
LATCH_PATH = "/latch"
SLOT_PATHS = ("/monitor.a", "/monitor.b")


class Monitor:
    """`read(path)` gives a file's bytes or None; `cut()` cuts EN until
    the next reset; `latch(path, bytes)` makes the trip durable."""

    def __init__(
        self,
        read: "Callable[[str], bytes | None]",
        counter: "Counter",
        cut: "Callable[[], None]",
        latch: "Callable[[str, bytes], None]",
    ) -> None:
        self._read = read
        self._counter = counter
        self._cut = cut
        self._latch = latch
        self._zero = 0
        self._start = 0
        self._budget = 0
        self._last = 0
        self._blob = b""
        self._limits: "dict[str, int] | None" = None
        self._slots = [0] * SLOTS
        self._sums = [0, 0, 0]
        self._slot = 0
        self._in_interval = 0
        self._interval = 0
        self._bolus = False
        self._bolus_now = False
        self._old: "dict[str, int] | None" = None
        self.tripped = 0

    def decode(self, blob: bytes) -> "dict[str, int] | None":
        """The monitor's own reading of a limits file (dict of steps), or None."""
        return decode(blob)

    def blob(self) -> bytes:
        """The limits file in force, b"" when there is none."""
        return self._blob

    def edges(self) -> int:
        """Edges counted since boot, without those of the self-test."""
        return self._counter.read() - self._zero

    def load(self, program_crc: int, old_crc: int = 0) -> bool:
        """Take the slot that belongs to `program_crc`; False when none is whole."""
        for path in SLOT_PATHS:
            blob = self._read(path) or b""
            limits = decode(blob)
            if limits is not None and limits["program_crc"] == program_crc:
                self._old = self._limits  # what this interval holds so far was counted under these
                self._limits = limits
                self._blob = blob
                return True
        if program_crc != old_crc:
            self._limits = None
            self._blob = b""
        return False

    def begin(self, now_ms: int) -> bool:
        """After recovery: count from the ledger on flash. False when it cannot be read."""
        data = self._read(LEDGER_PATH)
        intent = read_intent(data)
        self._zero = self._counter.read()
        self._last = 0
        self._slot = now_ms // SLOT_MS
        self._interval = 0
        if intent is None:
            return False
        self._start = intent[0]
        self._budget = 0
        # what was delivered before this boot, from the ledger's own rings
        self._slots = [0] * SLOTS
        self._sums = [0, 0, 0]
        history = read_history(data or b"")
        for slot in sorted(history):
            for k in range(3):
                if slot > self._slot - WINDOWS[k][0]:
                    self._sums[k] += history[slot]
            if slot > self._slot - SLOTS:
                self._slots[slot % SLOTS] += history[slot]
        return True

    def poll(self, now_ms: int) -> int:
        """Look at the edges since the last look. Detection bound: one period, plus the unused rest of a chunk for TRIP_INTENT."""
        edges = self._counter.read() - self._zero
        new = edges - self._last
        if self.tripped:
            return now_ms + IDLE_MS
        self._roll(now_ms)
        if new == 0:
            return now_ms + PERIOD_MS
        self._last = edges
        self._slots[self._slot % SLOTS] += new
        sums = self._sums
        sums[0] += new
        sums[1] += new
        sums[2] += new
        self._in_interval += new
        if edges > self._budget and not self._reread(edges):
            return now_ms + IDLE_MS
        limits = self._limits
        if limits is None:
            return now_ms + PERIOD_MS
        if self._in_interval > self._most("basal"):
            if not self._bolus and not self._reread(edges):
                return now_ms + IDLE_MS
            if self._in_interval > self._most("basal") + (self._most("bolus") if self._bolus else 0):
                self._trip(TRIP_ENVELOPE, edges)
                return now_ms + IDLE_MS
        if sums[0] > limits[WINDOWS[0][1]] or sums[1] > limits[WINDOWS[1][1]] or sums[2] > limits[WINDOWS[2][1]]:
            self._trip(TRIP_WINDOW, edges)
        return now_ms + PERIOD_MS

    def _most(self, key: str) -> int:
        """An envelope budget; until the interval in which a program was changed ends, the larger of old and new."""
        limits = self._limits
        old = self._old
        value = limits[key] if limits is not None else 0
        return value if old is None else max(value, old[key])

    def _reread(self, edges: int) -> bool:
        """Read the durable intent from flash again; False when that trips: unreadable, or more edges than it covers."""
        intent = read_intent(self._read(LEDGER_PATH))
        if intent is None:  # one bad read is not yet a bad ledger
            intent = read_intent(self._read(LEDGER_PATH))
        if intent is None:
            self._trip(TRIP_UNREADABLE, edges)
            return False
        self._budget = intent[1] - self._start
        begun_ms = intent[3]
        # the tail of a bolus may fall into the interval after the one in which it began or was seen promised
        since_ms = (self._interval - 1) * (self._limits["interval_ms"] if self._limits is not None else 0)
        if intent[2] or (begun_ms != NEVER_MS and begun_ms >= since_ms):
            self._bolus = True
            self._bolus_now = intent[2]
        if edges > self._budget:
            self._trip(TRIP_INTENT, edges)
            return False
        return True

    def budget(self) -> int:
        """Steps since boot that the intent last read from flash covers."""
        return self._budget

    def _roll(self, now_ms: int) -> None:
        """Let the slots that have wholly left go out of the three sums; begin a new envelope interval when its time has come."""
        slot = now_ms // SLOT_MS
        if slot != self._slot:
            slots = self._slots
            for at in range(max(self._slot + 1, slot - SLOTS), slot + 1):
                for k in range(3):
                    self._sums[k] -= slots[(at - WINDOWS[k][0]) % SLOTS]
                slots[at % SLOTS] = 0
            self._slot = slot
        if self._limits is not None:
            interval = now_ms // self._limits["interval_ms"]
            if interval != self._interval:
                self._interval = interval
                self._in_interval = 0
                self._bolus = self._bolus_now
                self._bolus_now = False
                self._old = None

    def _trip(self, why: int, edges: int) -> None:
        self._cut()
        self.tripped = why
        self._latch(LATCH_PATH, bytes((why,)))
