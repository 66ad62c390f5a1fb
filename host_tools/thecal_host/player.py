"""One pump played on the host: what the firmware's delivery service does from now on, with the board's own pacer, ledger,
windows, gate and basal, in board time and without a board.

Invariant: no decision of its own. What a delivery does next, and with how many steps, thecal.core.pacer says here as it does on
the board; here are a ledger without flash and a motor that is busy until a time, and a test compares a played day with the real
firmware's. Nothing the player does reaches the ledger it was made from.
"""

from collections.abc import Callable
from dataclasses import dataclass

from thecal.core import gate, messages
from thecal.core.basal import Basal
from thecal.core.faults import A_CLOCK_UNKNOWN, A_LIMIT_NARROWED, A_RESERVOIR_EMPTY
from thecal.core.ledger import NEVER_MS, Grant, Ledger
from thecal.core.pacer import AHEAD, CHUNK, END, LEASE, REST_MS, Pacer
from thecal.core.prescription import PL_PER_MILLION_IN_NL
from thecal.core.schedule import DAY_MS
from thecal_host.program_week import Fields


@dataclass(frozen=True)
class Start:
    """Where a forecast begins: the board's ledger (bytes; None: an empty one with nothing delivered), its time in board ms, its
    wall clock as Unix ms (None: unknown), the steps per second its motor can do, in words where that is from, and the CRC of the
    program that is planned: a temporary or minimum rate goes on only under the program that already runs."""

    ledger: "bytes | None"
    now_ms: int
    unix_ms: "int | None"
    max_steps_per_s: int
    source: str
    program_crc: int = 0


class LedgerError(ValueError):
    """The bytes are no ledger; the text is a sentence."""


class PlayedLedger(Ledger):
    """A ledger without flash: what is in memory counts as durable at once. Packing it for nobody would take a third of the time
    of a forecast."""

    def commit(self, now_ms: int) -> None:
        """As Ledger.commit, without the bytes."""
        self.windows.roll(now_ms)
        self.seq += 1
        self.t_ms = now_ms
        self.durable_intent = self.intent
        self.writes += 1


def load_ledger(data: "bytes | None") -> Ledger:
    """A copy of a board's ledger that writes nowhere. LedgerError when `data` is not a whole ledger of this format."""
    ledger = PlayedLedger(lambda _data: None)
    if data is None:
        return ledger
    if not ledger.load(data):
        raise LedgerError("These bytes are no ledger of this firmware's format, so nothing can be forecast from them.")
    return ledger


class Player:
    """The delivery of one program from `start` on. `now_ms` is board time; `run` moves it."""

    def __init__(self, fields: Fields, start: Start) -> None:
        self.fields = fields
        self.ledger = load_ledger(start.ledger)
        self.now_ms = max(start.now_ms, self.ledger.t_ms)
        self.began_ms = self.now_ms
        self.step_pl = fields["step_pl_per_million"]
        self.basal = Basal(fields)
        self.basal.wall_ms = None if start.unix_ms is None else start.unix_ms - self.now_ms
        self.history_ms = self.now_ms
        if start.program_crc and start.program_crc == self.ledger.program_crc:  # an activation ends it
            self.basal.lay(self.ledger.overlay, self.ledger.overlay_rate, self.ledger.overlay_until)
        self.alarm: int = 0 if self.basal.clock_known() else A_CLOCK_UNKNOWN
        self.max_steps_per_s = start.max_steps_per_s
        self.held_ms: list[int] = []  # moments at which a window held basal back
        self.empty_ms: int | None = None
        self.on_chunk: Callable[[Player], None] = lambda _player: None
        self.pacer = Pacer(self.step_pl, start.max_steps_per_s, self.basal)
        self.pacer.load(fields, self.basal)
        self.pacer.begin(self.now_ms)
        self.position = self._lease_first = self.ledger.settled
        self._busy_until_us = 0
        self._due_ms = self.now_ms
        if self.ledger.grant is not None:
            self._go_on(self.ledger.grant)

    def _go_on(self, grant: Grant) -> None:
        """The bolus that was running when the ledger was read: its rest over its remaining time."""
        left_ms = grant.start_ms + grant.duration_ms - self.now_ms
        if left_ms > 0:
            self.pacer.add_bolus(self.now_ms, -(-grant.volume_nl * left_ms // grant.duration_ms), left_ms)
        else:
            self.ledger.grant = None

    # --- what the chain looks at -------------------------------------------------------------------------------------------
    def reservoir_left_nl(self) -> int:
        """Fill volume less the most that can have left it, nL >= 0."""
        used = -(-(self.ledger.forward - self.ledger.fill_steps) * self.step_pl // PL_PER_MILLION_IN_NL)
        return max(0, self.fields["reservoir_nl"] - used)

    def situation(self) -> gate.Situation:
        """As the board's own, at this moment."""
        ledger = self.ledger
        made = gate.Situation(
            self.fields,
            ledger.windows,
            self.now_ms,
            self.history_ms + self.now_ms - self.began_ms,
            self.basal,
            ledger.unsettled,
            self.step_pl,
            self.max_steps_per_s,
            self.reservoir_left_nl(),
            -1 if ledger.last_bolus_ms == NEVER_MS else ledger.last_bolus_ms,
        )
        made.running = self.pacer.running_at(self.now_ms)
        made.owed_steps = self.pacer.owed_steps()
        made.alarm = self.alarm
        return made

    def judge(self, volume_nl: int, duration_ms: int) -> "tuple[int, int, int]":
        """(reason, value, limit) why a bolus asked for now would be refused; (0, 0, 0) when it would be granted."""
        self.ledger.windows.roll(self.now_ms)
        verdict = gate.judge(self.situation(), gate.Wish(gate.BOLUS, volume_nl=volume_nl, duration_ms=duration_ms))
        return verdict.first() if verdict.allowed != verdict.asked else (messages.NONE, 0, 0)

    def bolus(self, volume_nl: int, duration_ms: int) -> "tuple[int, int, int]":
        """Ask for a bolus now and, when it is granted, deliver it from now. The answer is that of `judge`."""
        refusal = self.judge(volume_nl, duration_ms)
        if refusal[0] == messages.NONE:
            self.give(volume_nl, duration_ms)
        return refusal

    def give(self, volume_nl: int, duration_ms: int) -> None:
        """Deliver from now a bolus that `judge` has just let pass."""
        self.ledger.promise(self.now_ms, Grant(1, self.now_ms, volume_nl, duration_ms, messages.BY_PATIENT))
        self.ledger.commit(self.now_ms)
        self.pacer.add_bolus(self.now_ms, volume_nl, duration_ms)
        self._due_ms = self.now_ms

    # --- time ----------------------------------------------------------------------------------------------------------------
    def run(self, until_ms: int) -> None:
        """Play up to board time `until_ms`; what is due at that very moment is done."""
        while self._due_ms <= until_ms:
            self.now_ms = max(self.now_ms, self._due_ms)
            self._due_ms = self._poll(self.now_ms)
        self.now_ms = until_ms

    def _poll(self, now_ms: int) -> int:
        """As the poll of the firmware's delivery service, where every turn has its durable write."""
        act = self.pacer.next_act(now_ms, self._busy(now_ms), True, self.ledger.intent - self.position)
        if act == LEASE:
            return self._move(now_ms)
        if act == CHUNK:
            return self._open_chunk(now_ms)
        if act == END:
            self.pacer.cancel_bolus()
            self.ledger.grant = None
            self.ledger.commit(now_ms)
            return now_ms
        if act == AHEAD:
            self._open_chunk(now_ms)
        return self.pacer.wake_ms

    def _busy(self, now_ms: int) -> bool:
        return now_ms * 1000 < self._busy_until_us

    def _move(self, now_ms: int) -> int:
        """A lease: the motor is busy until its last step."""
        _first_us, self._busy_until_us = self.pacer.lease_us(now_ms, now_ms * 1000)
        self._lease_first = self.position
        self.position += self.pacer.steps
        return self.pacer.taken(now_ms, self.ledger.intent - self.position)

    def _open_chunk(self, now_ms: int) -> int:
        settled = self._lease_first if self._busy(now_ms) else self.position
        chunk = self.pacer.next_chunk(settled, self.ledger.intent, 0)
        if not chunk:
            return now_ms
        self.ledger.windows.roll(now_ms)
        alarm, _value = self.pacer.hold_back(now_ms, self.situation(), settled + chunk - self.ledger.intent)
        if alarm:
            if alarm == A_LIMIT_NARROWED:
                self.held_ms.append(now_ms)
            elif self.empty_ms is None:
                self.empty_ms = now_ms
            if alarm == A_RESERVOIR_EMPTY or not self.alarm:
                self.alarm = alarm
            return now_ms + REST_MS
        if self.alarm == A_LIMIT_NARROWED:
            self.alarm = 0
        self.ledger.open_chunk(now_ms, settled, chunk, 0)
        self.on_chunk(self)
        return now_ms

    def steps_nl(self, steps: int) -> int:
        """Volume of `steps`, nL rounded down."""
        return steps * self.step_pl // PL_PER_MILLION_IN_NL

    def window_nl(self, ring: int) -> int:
        """What window `ring` counts now, nL: settled steps and the intent."""
        return self.steps_nl(self.ledger.windows.still_in(ring, self.now_ms, 0) + self.ledger.unsettled)

    def programmed_nl(self) -> int:
        """Basal of the program from the beginning to now, nL rounded up."""
        return -(-self.basal.units(self.began_ms, self.now_ms) // DAY_MS)
