"""Delivery: carries out what the pacer decides, as chunks, permits and leases. Invariant: no step without durable intent, no more
than one durable write in a turn, and whatever cannot be made durable or moved ends in a fault.

When and how much is core/pacer.py's; here are the flash, the motor, the log, the alarms and the ends of boluses and motions.
"""

from thecal.core import events, faults, states
from thecal.core.basal import WHY_SCHEDULE
from thecal.core.pacer import AHEAD, CHUNK, END, LEASE, REST_MS, Pacer
from thecal.drivers.motor import PermitRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal.core.ledger import Grant
    from thecal.services.pump import Pump


class Delivery(Pacer):
    """The delivery service of one pump: its pacer, with hands."""

    def __init__(self, pump: "Pump") -> None:
        Pacer.__init__(self, pump.step_pl, pump.part["max_steps_per_s"], pump.basal)
        self._pump = pump
        pump.delivery = self
        self._grant: "Grant | None" = None

    # --- called on a change of state, program or rate ------------------------------------------------------------------------
    def load_program(self, now_ms: int) -> None:
        """The active program changed: the new rate holds from now; the part of a step already earned is kept."""
        self.load(self._pump.program(), self._pump.basal)
        self.change_rate(now_ms, 0)

    def change_rate(self, now_ms: int, why: int) -> None:
        """The rate of the moment may have changed (`why`: detail of the RATE record): it holds from now, or from the end of the
        lease in flight."""
        if self._pump.state == states.INFUSING:
            self.change_rate_in_run(now_ms, why)
        elif self._pump.state != states.SETUP:
            self.take_rate(now_ms, why, now_ms)

    def rate_taken(self, now_ms: int, ahead_ms: int, why: int) -> None:
        """Log it; a lease is planned up to a second before its time."""
        lazy = why == WHY_SCHEDULE
        self._pump.journal.write(now_ms, events.RATE, self._pump.motor.position, self.rate_nl_per_day, ahead_ms, why, lazy=lazy)

    def enter(self, now_ms: int) -> None:
        """INFUSING begins: time counts from now."""
        self.begin(now_ms)
        self._pump.motor.enable(True)

    def leave(self, now_ms: int) -> None:
        """INFUSING ends: what was earned up to now is kept as phase; a running bolus ends for good; the lease in flight
        completes."""
        self.stop(now_ms)
        if self._grant is not None:
            self._end_bolus(now_ms, self._grant)

    def begin_bolus(self, now_ms: int, grant: "Grant") -> None:
        """Deliver `grant` (already promised and durable) from now."""
        self._grant = grant
        self.add_bolus(now_ms, grant.volume_nl, grant.duration_ms)

    def begin_motion(self, now_ms: int, steps: int, duration_ms: int) -> None:
        """SETUP begins: exactly `steps` over `duration_ms`, no basal. It ends with `end_motion`."""
        self.add_motion(now_ms, steps, duration_ms, self._pump.setup.lease_steps())
        self._pump.motor.enable(True)

    def running(self) -> "tuple[int, int]":
        """(volume, nL rounded up, time in ms) that the running bolus still has to go."""
        return self.running_at(self._pump.now_ms())

    # --- the service -------------------------------------------------------------------------------------------------------
    def poll(self, now_ms: int) -> int:
        """At most one durable write and one lease."""
        pump = self._pump
        setup = pump.state == states.SETUP
        if pump.state != states.INFUSING and not setup:
            return self._rest(now_ms)
        busy = pump.motor.busy()
        if setup and not busy and pump.setup.arrived():
            return self._end(now_ms)
        act = self.next_act(now_ms, busy, not pump.store.spent, pump.ledger.durable_intent - pump.motor.position)
        if act == LEASE:
            return self._lease(now_ms)
        if act == CHUNK:
            return self._open_chunk(now_ms)
        if act == END:
            return self._end(now_ms)
        if act == AHEAD:
            self._open_chunk(now_ms)
        return self.wake_ms

    def _rest(self, now_ms: int) -> int:
        """Not infusing: EN off once the lease has ended, then settle what was intended (one write)."""
        pump = self._pump
        if pump.motor.busy():
            return now_ms + 10
        pump.motor.enable(False)
        if pump.ledger_ok and pump.fault == faults.NO_FAULT and (pump.ledger.unsettled or pump.ledger.motion):
            if pump.store.spent:
                return now_ms
            pump.ledger.close(now_ms, pump.motor.position)
            pump.ledger.motion = 0
            pump.commit(now_ms)
        return now_ms + REST_MS

    def _end(self, now_ms: int) -> int:
        """The motion or the bolus has come to its end: one write."""
        pump = self._pump
        if not pump.store.spent:
            if pump.state == states.SETUP:
                pump.setup.finish(now_ms)
            elif self._grant is not None:
                self._end_bolus(now_ms, self._grant)
                pump.commit(now_ms)
        return now_ms

    def _lease(self, now_ms: int) -> int:
        pump = self._pump
        skew_us = pump.clock_ms(0) * 1000
        first_us, last_us = self.lease_us(now_ms, pump.board.clock.now_us() - skew_us)
        try:
            permit = pump.ledger.permit(pump.motor.position, self.steps)
            pump.motor.spend(permit, first_us + skew_us, last_us + skew_us)
        except (PermitRefused, ValueError):
            pump.fail(now_ms, faults.PERMIT_REFUSED, self.steps)
            return now_ms + REST_MS
        return self.taken(now_ms, pump.ledger.durable_intent - pump.motor.position)

    def _open_chunk(self, now_ms: int) -> int:
        """Make the next chunk's intent durable; settles the one before. Holds back when a window has no room (never silently)."""
        pump = self._pump
        settled = pump.motor.settled()
        setup = pump.state == states.SETUP
        chunk = self.next_chunk(settled, pump.ledger.intent, pump.setup.left_steps(settled))
        if not chunk:
            return now_ms
        if not setup:
            alarm, value = self.hold_back(now_ms, pump.situation(now_ms), settled + chunk - pump.ledger.intent)
            if alarm:
                pump.raise_alarm(now_ms, alarm, value)
                return now_ms + REST_MS
            pump.lower_alarm(now_ms, faults.A_LIMIT_NARROWED)
        seq = pump.journal.next_seq
        try:
            pump.ledger.open_chunk(now_ms, settled, chunk, seq + 1)
        except (OSError, ValueError):
            pump.fail(now_ms, faults.LEDGER_WRITE, settled)
            return now_ms + REST_MS
        pump.journal.write(now_ms, events.DOSE, settled, chunk, pump.ledger.seq, pump.ledger.motion, lazy=True)
        if not setup and pump.reservoir_left_nl() <= pump.program()["reservoir_low_nl"]:
            pump.raise_alarm(now_ms, faults.A_RESERVOIR_LOW, pump.reservoir_left_nl())
        return now_ms

    def _end_bolus(self, now_ms: int, grant: "Grant") -> None:
        """No bolus any more: what it still owes (0: nothing) goes into the log. The caller commits."""
        missing_nl = self.cancel_bolus()
        self._grant = None
        pump = self._pump
        pump.ledger.grant = None
        pump.journal.write(now_ms, events.BOLUS_END, grant.command_id, grant.volume_nl, missing_nl, 0 if missing_nl else 1)
