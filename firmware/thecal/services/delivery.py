"""Delivery: turns the programmed rate and boluses into chunks, permits and leases. Invariant: no step without
durable intent, no more than one lease ahead of the clock, and the accumulator's bound (error below one step) holds
through rate changes, holds and boluses.

`planned_ms` is the board time up to which the accumulator has been
advanced: the end of the last lease, or the moment of the last change.
"""

from thecal.core import events, faults, states
from thecal.core.accumulator import Accumulator
from thecal.core.compat import const
from thecal.core.gate import chunk_room
from thecal.core.ledger import Grant
from thecal.drivers.motor import LEASE_MAX_STEPS, PermitRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal.services.pump import Pump

LOOKAHEAD_MS = const(1000)
LEAD_MS = const(400)
REST_MS = const(10_000)


class Delivery:
    """The delivery service of one pump."""

    def __init__(self, pump: "Pump") -> None:
        self._pump = pump
        pump.delivery = self
        self._acc = Accumulator(pump.step_pl)
        self._owed = 0
        self._planned_ms = 0
        self._ahead_ms = 0  # time after `leave` whose steps the last lease had already taken
        self._grant: "Grant | None" = None
        self._chunk_steps = 1
        self._lease_end_ms = 0
        self._prefetch = False
        self._min_period_us = 1_000_000 // pump.part["max_steps_per_s"]

    # --- called on a change of state or program ----------------------------------------------------------------------------
    def load_program(self, now_ms: int) -> None:
        """The active program changed: the new rate holds from now; the part of a step already earned is kept."""
        fields = self._pump.program()
        if self._pump.state == states.INFUSING:
            self._sync(now_ms)
        self._acc.set_rate(fields["rate_nl_per_day"])
        self._chunk_steps = self.chunk_for(fields)
        self._pump.journal.write(now_ms, events.RATE, self._pump.motor.position, fields["rate_nl_per_day"])

    def chunk_for(self, fields: "dict[str, Any]") -> int:
        """Steps of one chunk of a program, at least 1."""
        return max(1, fields["chunk_nl"] * 1_000_000_000 // self._pump.step_pl)

    def enter(self, now_ms: int) -> None:
        """INFUSING begins: time counts from now."""
        self._planned_ms = now_ms + self._ahead_ms
        self._ahead_ms = 0
        self._pump.motor.enable(True)

    def leave(self, now_ms: int) -> None:
        """INFUSING ends: what was earned up to now is kept as phase; a
        running bolus ends for good; the lease in flight completes."""
        self._sync(now_ms)
        self._ahead_ms = self._planned_ms - now_ms
        if self._grant is not None:
            self._end_bolus(now_ms, self._grant, self._acc.cancel_bolus())

    def begin_bolus(self, now_ms: int, grant: Grant) -> None:
        """Deliver `grant` (already promised and durable) from now."""
        self._sync(now_ms)
        self._grant = grant
        self._acc.start_bolus(grant.volume_nl, grant.duration_ms)

    def promised_nl(self) -> int:
        """Volume still owed to granted boluses, nL rounded up, steps that are due but not yet permitted included."""
        if self._grant is None:
            return 0
        return self._acc.bolus_left_nl() + self._pump.steps_nl(self._owed) + 1

    def bolus_left_nl(self) -> int:
        """What the running bolus still owes, nL."""
        return self._acc.bolus_left_nl()

    # --- the service -------------------------------------------------------------------------------------------------------
    def poll(self, now_ms: int) -> int:
        """At most one durable write and one lease."""
        pump = self._pump
        if pump.state != states.INFUSING:
            return self._rest(now_ms)
        if pump.motor.busy():
            if self._prefetch and not pump.store.spent:
                self._prefetch = False
                self._open_chunk(now_ms)
            return max(now_ms + 1, self._lease_end_ms)
        if self._grant is not None and self._acc.bolus_left_ms() == 0 and not self._owed:
            if pump.store.spent:
                return now_ms
            self._end_bolus(now_ms, self._grant, 0)
            pump.commit(now_ms)
            return now_ms
        return self._lease(now_ms)

    def _rest(self, now_ms: int) -> int:
        """Not infusing: EN off once the lease has ended, then settle what was intended (one write)."""
        pump = self._pump
        if pump.motor.busy():
            return now_ms + 10
        pump.motor.enable(False)
        if pump.ledger_ok and pump.fault == faults.NO_FAULT and pump.ledger.unsettled:
            if pump.store.spent:
                return now_ms
            pump.ledger.close(now_ms, pump.motor.position)
            pump.commit(now_ms)
        return now_ms + REST_MS

    def _lease(self, now_ms: int) -> int:
        pump = self._pump
        acc = self._acc
        base = self._planned_ms
        first_ms = 0 if self._owed else acc.ms_to_step(1)
        if base + first_ms > now_ms + LOOKAHEAD_MS:
            self._watch_bolus_end(now_ms)
            return min(base + first_ms - LEAD_MS, now_ms + REST_MS)
        span = max(first_ms, now_ms + LOOKAHEAD_MS - base)  # never further ahead of the clock than that
        if self._grant is not None and 0 < acc.bolus_left_ms() < span and first_ms <= acc.bolus_left_ms():
            span = acc.bolus_left_ms()  # one lease has one slope
        room = pump.ledger.durable_intent - pump.motor.position
        if room <= 0:
            if pump.store.spent:
                return now_ms
            return self._open_chunk(now_ms)
        most = min(room, LEASE_MAX_STEPS, max(1, self._chunk_steps // 2), 1 + 1_000_000 // self._min_period_us)
        owed = min(self._owed, most)
        count = min(acc.steps_in(span), most - owed)
        total = owed + count
        clock_us = pump.board.clock.now_us()
        base_us = (pump.clock_ms(base)) * 1000
        first_us = clock_us if self._owed else base_us + acc.us_to_step(1)
        last_us = base_us + acc.us_to_step(count) if count else first_us
        if first_us < clock_us:
            first_us = clock_us
        least = first_us + (total - 1) * self._min_period_us
        if last_us < least:
            last_us = least
        try:
            permit = pump.ledger.permit(pump.motor.position, total)
            pump.motor.spend(permit, first_us, last_us)
        except (PermitRefused, ValueError):
            pump.fail(now_ms, faults.PERMIT_REFUSED, total)
            return now_ms + REST_MS
        self._owed -= owed
        if count:
            ahead = acc.ms_to_step(count)
            self._owed += acc.advance(ahead) - count
            self._planned_ms = base + ahead
        self._lease_end_ms = now_ms + (last_us - clock_us + 999) // 1000 + 1
        if pump.ledger.durable_intent - pump.motor.position < total:
            self._prefetch = True
            return now_ms
        return max(self._lease_end_ms, min(self._planned_ms + acc.ms_to_step(1) - LEAD_MS, now_ms + REST_MS))

    def _watch_bolus_end(self, now_ms: int) -> None:
        """Nothing is due soon, but a bolus must be seen to end on time even when its last step came before."""
        left = self._acc.bolus_left_ms()
        if self._grant is not None and 0 < left <= now_ms - self._planned_ms:
            self._sync(now_ms)

    def _open_chunk(self, now_ms: int) -> int:
        """Make the next chunk's intent durable; settles the one before. Holds back when a window has no room (never silently)."""
        pump = self._pump
        settled = pump.motor.settled()
        chunk = self._chunk_steps
        if settled + chunk <= pump.ledger.intent:
            return now_ms
        new_steps = settled + chunk - pump.ledger.intent
        if pump.reservoir_left_nl() == 0:
            pump.raise_alarm(now_ms, faults.A_RESERVOIR_EMPTY)
            self._planned_ms = max(self._planned_ms, now_ms)
            return now_ms + REST_MS
        reason, value, _limit = chunk_room(pump.situation(now_ms), new_steps)
        if reason:
            pump.raise_alarm(now_ms, faults.A_LIMIT_NARROWED, value)
            self._planned_ms = max(self._planned_ms, now_ms)  # time without room is not caught up afterwards
            return now_ms + REST_MS
        pump.lower_alarm(now_ms, faults.A_LIMIT_NARROWED)
        seq = pump.journal.next_seq
        try:
            pump.ledger.open_chunk(now_ms, settled, chunk, seq + 1)
        except (OSError, ValueError):
            pump.fail(now_ms, faults.LEDGER_WRITE, settled)
            return now_ms + REST_MS
        pump.journal.write(now_ms, events.DOSE, settled, chunk, pump.ledger.seq, 0, lazy=True)
        if pump.reservoir_left_nl() <= pump.program()["reservoir_low_nl"]:
            pump.raise_alarm(now_ms, faults.A_RESERVOIR_LOW, pump.reservoir_left_nl())
        return now_ms

    def _sync(self, now_ms: int) -> None:
        """Advance the accumulator to now; steps that became due in between are owed."""
        if now_ms > self._planned_ms:
            self._owed += self._acc.advance(now_ms - self._planned_ms)
            self._planned_ms = now_ms

    def _end_bolus(self, now_ms: int, grant: Grant, missing_nl: int) -> None:
        self._grant = None
        pump = self._pump
        pump.ledger.grants = [g for g in pump.ledger.grants if g.command_id != grant.command_id]
        pump.journal.write(now_ms, events.BOLUS_END, grant.command_id, grant.volume_nl, missing_nl, 0 if missing_nl else 1)
