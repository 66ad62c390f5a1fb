"""The dose ledger: what was delivered, as an interval, and what is durably intended. SPEC.md section 5 has its bytes.

Invariant: no step moves that the last durable write does not cover, and the true count of steps is always in [min_steps,
max_steps]. One write opens chunk k+1 and settles chunk k. A grant, its id, its answer, the lockout start and the bolus count
are in one write, before the answer leaves (SR-03). Every boot counts unsettled intent as delivered for limits and as not
delivered for the under-dose side (SR-05); no bolus survives a boot (SR-07).

This file is pure: `write` is given by the caller and makes bytes durable (tmp + rename) or raises OSError, whereupon the
state in memory goes back to the last durable one.
"""

from thecal.core.codec import CodecError, get, put, seal, unseal
from thecal.core.compat import const
from thecal.core.permit import Permit
from thecal.core.windows import PACKED_BYTES, Windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAGIC = b"TL\x02"
ANSWERS_KEPT = const(4)
LEDGER_BYTES = const(3 + 1 + 103 + 165 + 25 + 21 + 72 + 4)
NEVER_MS = (1 << 48) - 1

# name, bytes: the fixed head after magic and state
HEAD = (
    ("seq", 4),
    ("t_ms", 6),
    ("boot", 2),
    ("fault", 1),
    ("watchdog_resets", 1),
    ("program_crc", 4),
    ("settled", 6),
    ("intent", 6),
    ("uncertain", 6),
    ("log_seq", 4),
    ("id_floor", 4),
    ("last_bolus_ms", 6),
    ("fill_steps", 6),
    ("overlay", 1),
    ("overlay_rate", 4),
    ("overlay_until", 6),
    ("hold_until", 6),
    ("ref_nl_per_day", 4),
    ("ref_ms", 6),
    ("setup", 6),
    ("reverse", 6),
    ("home", 6),
    ("motion", 1),
    ("flags", 1),
)
HOME_BIAS = 1 << 40  # `home` is a signed position of the screw
# `motion`: kind of the set-up motion under way in bits 0-3, and
M_REVERSE = const(16)
M_DETACHED = const(32)
# `flags`
F_HOMED = const(1)
F_DIRECTION_OK = const(2)
F_DIRECTION_WRONG = const(4)


class Answer:
    """What a command id was answered, kept so that it is answered the same again and never run again."""

    __slots__ = ("code", "command_id", "digest", "limit", "reason", "value")

    def __init__(self, command_id: int, digest: int, code: int, reason: int, value: int, limit: int) -> None:
        self.command_id = command_id
        self.digest = digest
        self.code = code
        self.reason = reason
        self.value = value
        self.limit = limit


class Grant:
    """A bolus promised: id of its command, when it began (board ms), its volume and duration, and who asked for it."""

    __slots__ = ("command_id", "duration_ms", "source", "start_ms", "volume_nl")

    def __init__(self, command_id: int, start_ms: int, volume_nl: int, duration_ms: int, source: int = 0) -> None:
        self.command_id = command_id
        self.start_ms = start_ms
        self.volume_nl = volume_nl
        self.duration_ms = duration_ms
        self.source = source


class Ledger:
    """The ledger of one board. Steps are lifetime counts of the pump; times are board ms."""

    def __init__(self, write: "Callable[[bytes], None]") -> None:
        self._write = write
        self._durable = b""
        self.durable_intent = 0
        self.writes = 0
        self._clear()

    def _clear(self) -> None:
        self.state = 0
        self.seq = self.t_ms = self.boot = self.fault = self.watchdog_resets = self.program_crc = 0
        self.settled = self.intent = self.uncertain = self.log_seq = self.id_floor = 0
        self.last_bolus_ms = NEVER_MS
        self.fill_steps = 0
        self.overlay = self.overlay_rate = self.overlay_until = 0  # core/basal.py; times are board ms
        self.hold_until = 0  # 0: no hold, or one without an end
        self.ref_nl_per_day = self.ref_ms = 0  # titration: daily dose before the newest raise, and when that was
        self.setup = self.reverse = 0  # steps moved with the outlet disconnected or backwards; steps moved backwards
        self.home = HOME_BIAS
        self.motion = self.flags = 0
        self.windows = Windows()
        self.grant: "Grant | None" = None
        self.answers: "list[Answer]" = []

    # --- what is known ---------------------------------------------------------------------------------------------------
    @property
    def max_steps(self) -> int:
        """Most steps that can have been delivered: what limits count."""
        return self.intent - self.setup

    @property
    def min_steps(self) -> int:
        """Fewest steps that can have been delivered: what under-dose counts."""
        return self.settled - self.setup - self.uncertain

    @property
    def unsettled(self) -> int:
        """Steps of durable intent not yet settled."""
        return self.intent - self.settled

    @property
    def screw(self) -> int:
        """Where the plunger stands, steps forward from home; means something only with F_HOMED."""
        return self.intent - 2 * self.reverse - (self.home - HOME_BIAS)

    @property
    def forward(self) -> int:
        """Steps ever moved forward: what has left the reservoir at most. Drawing back puts nothing back."""
        return self.intent - self.reverse

    # --- bytes -------------------------------------------------------------------------------------------------------------
    def pack(self) -> bytes:
        """The sealed ledger, LEDGER_BYTES long. CodecError when a field does not fit."""
        out = bytearray(MAGIC)
        put(out, "state", self.state, 1)
        for name, width in HEAD:
            put(out, name, getattr(self, name), width)
        self.windows.pack(out)
        grant = self.grant
        put(out, "grant", grant.command_id if grant else 0, 6)
        put(out, "grant_start", grant.start_ms if grant else 0, 6)
        put(out, "grant_nl", grant.volume_nl if grant else 0, 4)
        put(out, "grant_ms", grant.duration_ms if grant else 0, 4)
        put(out, "grant_source", grant.source if grant else 0, 1)
        for slot in range(ANSWERS_KEPT):
            answer = self.answers[slot] if slot < len(self.answers) else None
            put(out, "answer", answer.command_id if answer else 0, 6)
            put(out, "digest", answer.digest if answer else 0, 2)
            put(out, "code", answer.code if answer else 0, 1)
            put(out, "reason", answer.reason if answer else 0, 1)
            put(out, "value", answer.value if answer else 0, 4)
            put(out, "limit", answer.limit if answer else 0, 4)
        return seal(out)

    def load(self, data: "bytes | None") -> bool:
        """Take over `data`; False (and nothing changed) when it is not a whole, true ledger."""
        body = unseal(data)
        if data is None or body is None or len(data) != LEDGER_BYTES or body[:3] != MAGIC:
            return False
        self._clear()
        self.state = body[3]
        at = 4
        for name, width in HEAD:
            setattr(self, name, get(body, at, width))
            at += width
        self.windows.load(body, at, self.t_ms)
        at += PACKED_BYTES
        if get(body, at + 12, 4):
            command_id, start_ms = get(body, at, 6), get(body, at + 6, 6)
            self.grant = Grant(command_id, start_ms, get(body, at + 12, 4), get(body, at + 16, 4), body[at + 20])
        at += 21
        for _slot in range(ANSWERS_KEPT):
            if get(body, at, 6):
                self.answers.append(
                    Answer(
                        get(body, at, 6),
                        get(body, at + 6, 2),
                        body[at + 8],
                        body[at + 9],
                        get(body, at + 10, 4),
                        get(body, at + 14, 4),
                    )
                )
            at += 18
        self._durable = bytes(data)
        self.durable_intent = self.intent
        return True

    def commit(self, now_ms: int) -> None:
        """Make the state in memory durable as the next sequence. OSError
        or CodecError: nothing changed, memory is as before the change."""
        self.windows.roll(now_ms)
        self.seq += 1
        self.t_ms = now_ms
        try:
            data = self.pack()
            self._write(data)
        except (OSError, CodecError):
            self.load(self._durable)
            raise
        self._durable = data
        self.durable_intent = self.intent
        self.writes += 1

    # --- the way of a dose -----------------------------------------------------------------------------------------------------
    def open_chunk(self, now_ms: int, settled: int, chunk_steps: int, log_seq: int) -> None:
        """Settle everything up to step `settled` and make intent up to `settled + chunk_steps` durable. ValueError when
        `settled` is outside the present intent or the new intent would end before it."""
        if not self.settled <= settled <= self.intent or settled + chunk_steps < self.intent:
            raise ValueError("chunk")
        self.settle(now_ms, settled)
        self.intent = settled + chunk_steps
        self.log_seq = log_seq
        self.commit(now_ms)

    def settle(self, now_ms: int, settled: int) -> None:
        """In memory: steps up to `settled` were delivered by now. They
        count in the windows from now, which is late, so never too short.
        What a set-up motion moved with the outlet disconnected, or
        backwards, is no dose and takes nothing from one either."""
        steps = settled - self.settled
        if self.motion & (M_REVERSE | M_DETACHED):
            self.setup += steps
            if self.motion & M_REVERSE:
                self.reverse += steps
        else:
            self.windows.add(now_ms, steps)
        self.settled = settled

    def close(self, now_ms: int, settled: int) -> None:
        """In memory: motion has ended at `settled`; intent beyond it is withdrawn (nothing of it can move: no permit is out)."""
        self.settle(now_ms, settled)
        self.intent = settled

    def permit(self, first: int, count: int) -> Permit:
        """The right to move steps [first, first + count), covered by the durable intent; ValueError when it is not."""
        if count <= 0 or first < self.settled or first + count > self.durable_intent:
            raise ValueError("permit")
        return Permit(self.seq, first, first + count, bool(self.motion & M_REVERSE))

    def promise(self, now_ms: int, grant: Grant) -> None:
        """In memory: a bolus is granted. The caller commits it together with its answer."""
        self.grant = grant
        self.last_bolus_ms = now_ms
        self.windows.count_bolus(now_ms)

    def remember(self, answer: Answer) -> None:
        """In memory: `answer` was given to its id; the oldest beyond
        ANSWERS_KEPT is forgotten, its counter stays below the floor."""
        self.answers.append(answer)
        if len(self.answers) > ANSWERS_KEPT:
            self.answers.pop(0)
        self.id_floor = max(self.id_floor, answer.command_id >> 16)

    def known(self, command_id: int) -> "Answer | None":
        """The remembered answer to this id."""
        for answer in self.answers:
            if answer.command_id == command_id:
                return answer
        return None

    # --- boot ------------------------------------------------------------------------------------------------------------------
    def recover(self, now_ms: int) -> "tuple[int, int, int]":
        """In memory: take unsettled intent as delivered (for limits) and as not delivered (for under-dose), drop promised
        boluses, end a set-up motion. Returns (first unsettled step, unsettled steps, nL of boluses dropped). The caller
        commits. What a set-up motion left open counts as a dose: the safe side."""
        first = self.settled
        steps = self.unsettled
        self.windows.add(now_ms, steps)
        if self.motion and steps:
            self.flags &= ~F_HOMED  # where the plunger stands is not known to the step any more
            if self.motion & M_REVERSE:
                self.reverse += steps
        self.motion = 0
        self.settled = self.intent
        self.uncertain += steps
        dropped = self.grant.volume_nl if self.grant is not None else 0
        self.grant = None
        return first, steps, dropped
