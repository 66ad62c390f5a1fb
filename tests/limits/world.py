"""A small world around the real core: one pump with the real ledger, windows, gate, basal and accumulator, and delivery played in
chunks as DESIGN.md tells the way of a dose. It keeps the truth beside it: when every step really moved.

Invariant: the core sees only what a board can see. Board time stands still while the power is off and starts again at the last
durable moment; `moved` is in true time and nothing of it ever reaches the core.
"""

import copy

from histories import History
from oracle import CAPPED, MINIMUM, NL, NONE, TEMP, Course

from thecal.core import gate
from thecal.core.accumulator import Accumulator
from thecal.core.basal import Basal
from thecal.core.ledger import NEVER_MS, Grant, Ledger

RETRY_MS = 60_000  # a chunk without room is asked for again


class QuickLedger(Ledger):
    """A ledger that packs itself only when somebody wants its bytes, many times quicker. Every change in this world is committed
    at once, so that beside the windows (which roll on between two commits) what is in memory is what is durable."""

    def __init__(self) -> None:
        super().__init__(forget)
        self._kept = (self.windows.rings, self.windows.bolus_counts)

    def commit(self, now_ms: int) -> None:
        self.windows.roll(now_ms)
        self.seq += 1
        self.t_ms = now_ms
        self.durable_intent = self.intent
        self.writes += 1
        windows = self.windows
        self._kept = ([ring[:] for ring in windows.rings], windows.bolus_counts[:])

    def durable(self) -> bytes:
        """What the flash holds."""
        windows = self.windows
        now = windows.rings, windows.bolus_counts
        windows.rings, windows.bolus_counts = self._kept
        data = self.pack()
        windows.rings, windows.bolus_counts = now
        return data


class WholeLedger(Ledger):
    """The ledger as it is: it packs itself at every commit."""

    def __init__(self) -> None:
        super().__init__(forget)

    def durable(self) -> bytes:
        """What the flash holds."""
        return self._durable


def forget(data: bytes) -> None:
    """The flash: the ledger keeps a copy of its own."""


class World:
    """`now` is board ms, `true` what a clock on the wall would say since provisioning."""

    def __init__(self, history: History, make_ledger: type[QuickLedger] | type[WholeLedger] = QuickLedger) -> None:
        self.history = history
        self.plan = history.plan
        self._make_ledger = make_ledger
        self.ledger = make_ledger()
        self.ledger.commit(0)
        self.acc = Accumulator(self.plan.step_pl_per_million)
        self.basal = Basal(history.fields)
        self.basal.wall_ms = None if history.clock_ms < 0 else history.clock_ms
        self.chunk = max(1, self.plan.chunk * 1_000_000_000 // self.plan.step_pl_per_million)
        self.now = 0
        self.off_ms = 0  # true time minus board time
        self.planned = 0  # the accumulator has been advanced up to here
        self.position = 0
        self.owed = 0
        self.infusing = True
        self.overlay = (NONE, 0, 0)
        self.bolus = (0, 0, 0)  # volume nL, duration ms, ms of it done
        self.moved: list[int] = []  # truth: true ms of every step
        self.seen: list[int] = []  # board ms at which every step was settled: what a board can know
        self.begun: list[int] = []  # true ms of every bolus begun
        self.begun_seen: list[int] = []
        self.narrowed: list[tuple[int, int, int, int, int]] = []  # board ms, new steps, reason, value, limit
        self._rate_until = 0
        self._take_rate(0)

    @property
    def true(self) -> int:
        return self.now + self.off_ms

    def twin(self) -> "World":
        """A copy to see what would happen."""
        other = copy.copy(self)
        other.ledger = self._make_ledger()
        if not other.ledger.load(self.ledger.pack()):
            raise AssertionError("a ledger reads back what it packs")
        other.acc = copy.copy(self.acc)
        other.basal = self.basal.twin()
        for name in ("moved", "seen", "begun", "begun_seen", "narrowed"):
            setattr(other, name, list(getattr(self, name)))
        return other

    # --- what core and oracle look at -------------------------------------------------------------------------------------
    def situation(self) -> gate.Situation:
        """As services/pump.py makes it."""
        ledger = self.ledger
        ledger.windows.roll(self.now)
        s = gate.Situation(
            self.history.fields,
            ledger.windows,
            self.now,
            self.now,
            self.basal,
            ledger.unsettled,
            self.plan.step_pl_per_million,
            self.plan.max_steps_per_s,
            self.history.fields["reservoir_nl"],
            -1 if ledger.last_bolus_ms == NEVER_MS else ledger.last_bolus_ms,
        )
        if self.bolus[0]:
            s.running = (self.acc.bolus_left_nl() + 1, max(self.acc.bolus_left_ms(), 1))
        s.owed_steps = self.owed
        s.infusing = self.infusing
        return s

    def course(self, true_time: bool, *wishes: tuple[int, int], overlay: "tuple[int, int, int] | None" = None) -> Course:
        """What will happen by itself and by `wishes` (nL, ms), in true or board time."""
        now = self.true if true_time else self.now
        shift = now - self.now
        kind, rate, until = self.overlay if overlay is None else overlay
        flows = [(now, now + duration, volume * NL) for volume, duration in wishes]
        volume, duration, done = self.bolus
        if volume:
            left = volume * NL + volume * NL * -done // duration
            flows.append((now, now + max(1, duration - done), left))
        wall = self.basal.wall_ms
        return Course(
            self.plan,
            now,
            None if wall is None else wall - shift,
            (kind, rate, until + shift),
            tuple(flows),
            self.acc.phase + self.owed * self.plan.step,
        )

    # --- time -----------------------------------------------------------------------------------------------------------------
    def advance(self, ms: int) -> None:
        """Let `ms` of board (and true) time pass."""
        target = self.now + ms
        acc = self.acc
        while self.infusing and self.planned < target:
            due = self.planned if self.owed else self.planned + acc.ms_to_step(1)
            end = min(due, self._rate_until, target)
            if self.bolus[0]:
                end = min(end, self.planned + acc.bolus_left_ms())
            if due <= end:
                self.now = due
                if not self._room():
                    self._pass(0, min(target, due + (RETRY_MS if self.owed else 0)))
                    continue
                if not self.owed:
                    self._pass(due - self.planned, due)
                self.owed -= 1
                self.position += 1
                self.moved.append(self.true)
                continue
            self._pass(end - self.planned, end)
        self.now = target
        if not self.infusing:
            self.planned = target
        self._turn()

    def _pass(self, counted_ms: int, until: int) -> None:
        """The accumulator sees `counted_ms`; the rest of the time up to `until` is dropped, as delivery does without room."""
        self.owed += self.acc.advance(counted_ms)
        self.planned = self.now = until
        volume, duration, done = self.bolus
        if volume:
            self.bolus = (volume, duration, done + counted_ms)
        self._turn()

    def _turn(self) -> None:
        """What is due now beside steps: a change of rate, the end of a bolus."""
        if self.now >= self._rate_until:
            self._take_rate(self.now)
        if self.bolus[0] and self.bolus[2] >= self.bolus[1] and not self.owed:
            self.end_bolus()

    def _take_rate(self, t: int) -> None:
        self.acc.set_rate(self.basal.rate_at(t))
        self._rate_until = self.basal.next_change_ms(t)

    def _room(self) -> bool:
        """May the next step move? Opens chunks; early ones with a step in flight, as delivery's prefetch does."""
        ledger = self.ledger
        left = ledger.durable_intent - self.position
        if left <= min(self.history.early, self.chunk // 2):
            in_flight = 1 if left > 0 and self.history.early > 1 and self.position > ledger.settled else 0
            settled = self.position - in_flight
            new_steps = settled + self.chunk - ledger.intent
            if new_steps > 0:
                reason, value, limit = gate.chunk_room(self.situation(), new_steps)
                if reason:
                    self.narrowed.append((self.now, new_steps, reason, value, limit))
                else:
                    self.seen.extend([self.now] * (settled - ledger.settled))
                    ledger.open_chunk(self.now, settled, self.chunk, 0)
        return ledger.durable_intent > self.position

    # --- what people and fate do ---------------------------------------------------------------------------------------------
    def begin_bolus(self, volume_nl: int, duration_ms: int) -> None:
        """A granted bolus: promised, durable, begun."""
        self.ledger.promise(self.now, Grant(len(self.begun) + 2, self.now, volume_nl, duration_ms, 2))
        self.ledger.commit(self.now)
        self.acc.start_bolus(volume_nl, duration_ms)
        self.bolus = (volume_nl, duration_ms, 0)
        self.begun.append(self.true)
        self.begun_seen.append(self.now)

    def end_bolus(self) -> None:
        """The bolus is complete, or ended for good."""
        self.acc.cancel_bolus()
        self.bolus = (0, 0, 0)
        self.ledger.grant = None
        self.ledger.commit(self.now)

    def lay(self, kind: int, rate: int, until: int) -> None:
        """An overlay from now (NONE: back to the program)."""
        self.overlay = (kind, rate, until)
        self.basal.lay(kind, rate, until)
        self.ledger.overlay, self.ledger.overlay_rate, self.ledger.overlay_until = self.overlay
        self.ledger.commit(self.now)
        self._take_rate(self.now)

    def set_clock(self, unix_ms: int) -> None:
        """The wall clock is told."""
        self.basal.wall_ms = unix_ms - self.now
        self._take_rate(self.now)

    def hold(self, ms: int) -> None:
        """Nothing moves for `ms`; a running bolus ends for good."""
        if self.bolus[0]:
            self.end_bolus()
        self.seen.extend([self.now] * (self.position - self.ledger.settled))
        self.ledger.close(self.now, self.position)
        self.ledger.commit(self.now)
        self.infusing = False
        self.advance(ms)
        self.infusing = True
        self._take_rate(self.now)

    def reset(self, off_ms: int, logged_ms: int) -> None:
        """The power goes for `off_ms`. Board time goes on from the last durable moment: the ledger's, or one the log has, up to
        `logged_ms` later. What was intended and not settled counts; no bolus goes on; a raised rate is not raised any more."""
        true = self.true
        ledger = self._make_ledger()
        if not ledger.load(self.ledger.durable()):
            raise AssertionError("a ledger reads back what it packs")
        self.now = self.planned = min(self.now, ledger.t_ms + logged_ms)
        self.off_ms = true + off_ms - self.now
        self.seen.extend([self.now] * ledger.unsettled)
        ledger.recover(self.now)
        ledger.commit(self.now)
        self.ledger = ledger
        self.position = ledger.intent
        self.owed = 0
        self.bolus = (0, 0, 0)
        self.acc = Accumulator(self.plan.step_pl_per_million)
        self.basal = Basal(self.history.fields)
        kind, rate, until = self.overlay
        self.lay(CAPPED if kind == TEMP else kind, rate, until)

    def minimum(self) -> None:
        """Minimum rate, where the program has one."""
        if self.plan.min_rate:
            self.lay(MINIMUM, self.plan.min_rate, 0)
