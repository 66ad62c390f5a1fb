"""The second channel. Invariant: it counts real edges on `step_sense` and cuts EN, for good, when they exceed (1)
the intent it has itself re-read from flash, (2) a window of its own limits file, or (3) what the schedule needs in
an interval. It can do nothing else.

It shares with delivery, and so cannot see a fault in: the CPU, the clock (the wall clock too), and the step volume both were
told (SAFETY.md, common causes).

Edges are judged by the ledger *on flash*: a bolus, a temporary rate or a set-up motion that is not written there is none. It is
read when the edges go beyond what is known, at every new interval, whenever the pump is not infusing, and when the loop asks
earlier than it was told to (something happened). The last is a hint and nothing more: no edge passes because of it.
"""

from thecal.monitor.envelope import BOLUS, MINIMUM, TEMP, Envelope
from thecal.monitor.intent import SETUP_DETACHED, SETUP_REVERSE, read_history, read_intent, read_mode
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
INFUSING = 4  # the state of the ledger in which steps come by the schedule
TRIP_INTENT = 1
TRIP_WINDOW = 2
TRIP_ENVELOPE = 3
TRIP_UNREADABLE = 4
LEDGER_PATH = "/ledger"
LATCH_PATH = "/latch"
SLOT_PATHS = ("/monitor.a", "/monitor.b")


class Monitor:
    """`read(path)` gives a file's bytes or None; `cut()` cuts EN until the next reset; `latch(path, bytes)` makes the trip
    durable; `wall(now_ms)` is Unix time in ms or -1."""

    def __init__(
        self,
        read: "Callable[[str], bytes | None]",
        counter: "Counter",
        cut: "Callable[[], None]",
        latch: "Callable[[str, bytes], None]",
        wall: "Callable[[int], int]",
    ) -> None:
        self._read = read
        self._counter = counter
        self._cut = cut
        self._latch = latch
        self._envelope = Envelope(wall)
        self._zero = 0
        self._start = 0
        self._budget = 0
        self._last = 0
        self._due_ms = 0
        self._blob = b""
        self._limits: "dict[str, int] | None" = None
        self._slots = [0] * SLOTS
        self._sums = [0, 0, 0]
        self._slot = 0
        self._in_interval = 0
        self._state = 0
        self._motion = 0
        self._live = 0
        self._no_dose = 0  # steps of set-up motions that are no dose, ever, up to the last look
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

    def budget(self) -> int:
        """Steps since boot that the intent last read from flash covers."""
        return self._budget

    def load(self, program_crc: int, old_crc: int = 0) -> bool:
        """Take the slot that belongs to `program_crc`; False when none is whole."""
        for path in SLOT_PATHS:
            blob = self._read(path) or b""
            limits = decode(blob)
            if limits is not None and limits["program_crc"] == program_crc:
                self._use(limits, blob)
                return True
        if program_crc != old_crc:
            self._use(None, b"")
        return False

    def _use(self, limits: "dict[str, int] | None", blob: bytes) -> None:
        self._limits = limits
        self._blob = blob
        self._envelope.load(limits, blob)

    def begin(self, now_ms: int) -> bool:
        """After recovery: count from the ledger on flash. False when it cannot be read."""
        data = self._read(LEDGER_PATH)
        intent = read_intent(data)
        self._zero = self._counter.read()
        self._last = 0
        self._slot = now_ms // SLOT_MS
        self._in_interval = 0
        self._envelope.reset(now_ms)
        if data is None or intent is None:
            return False
        self._start = intent[0]
        self._budget = 0
        self._live = 0
        self._state, _overlay, self._motion, self._no_dose = read_mode(data)
        # what was delivered before this boot, from the ledger's own rings
        self._slots = [0] * SLOTS
        self._sums = [0, 0, 0]
        history = read_history(data)
        for slot in sorted(history):
            for k in range(3):
                if slot > self._slot - WINDOWS[k][0]:
                    self._sums[k] += history[slot]
            if slot > self._slot - SLOTS:
                self._slots[slot % SLOTS] += history[slot]
        return True

    def poll(self, now_ms: int) -> int:
        """Look at the edges since the last look; returns when to look again. Detection bound: one period, plus the unused rest of
        a chunk for TRIP_INTENT."""
        if self.tripped:
            return now_ms + IDLE_MS
        woken = now_ms < self._due_ms
        # also at the very end of a slot, so that hardly an edge is counted in another slot than it came in
        self._due_ms = min(now_ms + PERIOD_MS, (now_ms // SLOT_MS + 1) * SLOT_MS)
        edges = self._counter.read() - self._zero
        new = edges - self._last
        self._envelope.look(now_ms)
        over = self._envelope.interval_over(now_ms)
        dose = scheduled = new
        if woken or over or (new and self._doubtful(edges, new)):
            no_dose, motion = self._no_dose, self._motion
            if not self._reread(edges, new):
                return now_ms + IDLE_MS
            dose = new - min(max(self._no_dose - no_dose, 0), new)
            scheduled = 0 if motion or self._motion else dose
        self._last = edges
        self._count(now_ms, dose)
        if over:
            # edges since the look before belong to the interval that has ended, as far as it has room for them
            scheduled = max(0, self._in_interval + scheduled - self._envelope.allowance())
            self._in_interval = 0
            self._envelope.turn(now_ms, self._live)
        self._in_interval += scheduled
        # judged where edges came: a program may be activated whose limits the past alone is over, and then nothing may move
        if scheduled and self._limits is not None and self._in_interval > self._envelope.allowance():
            self._trip(TRIP_ENVELOPE)
        elif dose and self._window_over(0):
            self._trip(TRIP_WINDOW)
        return self._due_ms

    def _doubtful(self, edges: int, new: int) -> bool:
        """Must the ledger be asked before `new` edges pass?"""
        if edges > self._budget or self._state != INFUSING:
            return True
        if self._limits is None:
            return False
        return self._in_interval + new > self._envelope.allowance() or self._window_over(new)

    def _window_over(self, more: int) -> bool:
        """Would a window be over its limit with `more` steps?"""
        limits = self._limits
        if limits is None:
            return False
        for k in range(3):
            if self._sums[k] + more > limits[WINDOWS[k][1]]:
                return True
        return False

    def _reread(self, edges: int, new: int) -> bool:
        """Read the ledger from flash again; False when that trips: unreadable while edges come, or more edges than it covers."""
        data = self._read(LEDGER_PATH)
        intent = read_intent(data)
        if intent is None:  # one bad read is not yet a bad ledger
            data = self._read(LEDGER_PATH)
            intent = read_intent(data)
        if data is None or intent is None:
            if not new:
                return True  # nothing moves: start-up and delivery have their own words for a ledger that is not there
            self._trip(TRIP_UNREADABLE)
            return False
        self._budget = intent[1] - self._start
        self._state, overlay, self._motion, self._no_dose = read_mode(data)
        if self._motion & (SETUP_REVERSE | SETUP_DETACHED):
            self._no_dose += max(0, self._start + edges - intent[0])  # the part of this motion that is not settled yet
        self._live = (BOLUS if intent[2] else 0) | (TEMP if overlay == 1 else MINIMUM if overlay == 2 else 0)
        begun_ms = intent[3]
        # the tail of a bolus may fall into the interval after the one in which it began
        begun = begun_ms != NEVER_MS and begun_ms >= self._envelope.since_ms()
        self._envelope.see(self._live | (BOLUS if begun else 0))
        if edges > self._budget:
            self._trip(TRIP_INTENT)
            return False
        return True

    def _count(self, now_ms: int, dose: int) -> None:
        """Count `dose` edges in the slot of the look before, where they began to come; then let the slots that have wholly
        left go out of the three sums."""
        slots, sums = self._slots, self._sums
        slots[self._slot % SLOTS] += dose
        for k in range(3):
            sums[k] += dose
        slot = now_ms // SLOT_MS
        if slot == self._slot:
            return
        for at in range(self._slot + 1, slot + 1):
            for k in range(3):
                sums[k] -= slots[(at - WINDOWS[k][0]) % SLOTS]
            slots[at % SLOTS] = 0
        self._slot = slot

    def _trip(self, why: int) -> None:
        self._cut()
        self.tripped = why
        self._latch(LATCH_PATH, bytes((why,)))
