"""What the services share: one pump's state, ledger, log, program and alarms, and the few acts that change its state.

Invariant: every change of state goes through `core.states.step`; a fault always ends with EN off, in SAFE, latched in the ledger.
"""

from thecal.core import events, faults, states
from thecal.core.basal import NOTHING, Basal
from thecal.core.codec import CodecError
from thecal.core.compat import const
from thecal.core.faults import Alarms
from thecal.core.gate import NEVER as NONE_YET
from thecal.core.gate import Situation
from thecal.core.ledger import F_HOMED, M_DETACHED, M_REVERSE, NEVER_MS, Ledger
from thecal.drivers.motor import Motor
from thecal.drivers.store import Store
from thecal.services.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal.drivers.seam import Board
    from thecal.monitor.watch import Monitor
    from thecal.services.delivery import Delivery
    from thecal.services.inputs import Inputs
    from thecal.services.rates import Rates
    from thecal.services.setup import Setup

LEDGER_PATH = "/ledger"
FW_VERSION = const(100)  # 0.1.0 as major * 10000 + minor * 100 + patch
NL_FACTOR = const(1_000_000_000)


class Pump:
    """One pump. `fields` is the active program (None: none)."""

    delivery: "Delivery"  # all are put here by main.build, before anything asks for them
    monitor: "Monitor"
    inputs: "Inputs"
    rates: "Rates"
    setup: "Setup"

    def __init__(self, board: "Board") -> None:
        self.board = board
        self.config = board.config
        self.store = Store(board.fs)
        self.ledger = Ledger(self._write_ledger)
        self.ledger_ok = False
        self.journal = Journal(self.store)
        self.motor = Motor(board.pulser, board.enable, self._durable_intent, board.direction)
        self.alarms = Alarms()
        self.state = states.BOOT
        self.fault = faults.NO_FAULT
        self.fields: "dict[str, Any] | None" = None
        self.basal = Basal(NOTHING)
        self.unmet = 0  # bolus requests of the patient that were refused since boot
        self.aborted = 0  # steps of leases that were cut short: permitted, but perhaps never made
        self.program_crc = 0
        self.program_version = 0
        self.part = make_part(board.config)
        self.step_pl = self.part["step_pl_per_million"]
        self.last_error: "Exception | None" = None
        self._t0_ms = 0

    def _write_ledger(self, data: bytes) -> None:
        self.store.replace(LEDGER_PATH, data)

    def _durable_intent(self) -> int:
        return self.ledger.durable_intent if self.ledger_ok else 0

    # --- time: the shortest that can have passed since provisioning -------------------------------------------------------------
    def start_clock(self, ledger_ms: int) -> None:
        """Board time goes on from the last durable moment."""
        self._t0_ms = ledger_ms - self.board.clock.now_ms()

    def now_ms(self) -> int:
        """Board time in ms (lives over resets; the shortest possible)."""
        return self._t0_ms + self.board.clock.now_ms()

    def clock_ms(self, t_ms: int) -> int:
        """The chip's clock at board time `t_ms`."""
        return t_ms - self._t0_ms

    def wall_ms(self, now_ms: int) -> int:
        """Unix time in ms, -1 while it is not known."""
        wall = self.basal.wall_ms
        return -1 if wall is None else now_ms + wall

    # --- program ---------------------------------------------------------------------------------------------------------------
    def take_program(self, fields: "dict[str, Any]", crc: int, version: int) -> None:
        """Make `fields` the active program, with the clock as it is and the overlay that the ledger has."""
        wall = self.basal.wall_ms
        self.fields = fields
        self.program_crc = crc
        self.program_version = version
        self.basal = Basal(fields)
        self.basal.wall_ms = wall
        self.basal.lay(self.ledger.overlay, self.ledger.overlay_rate, self.ledger.overlay_until)

    # --- state -----------------------------------------------------------------------------------------------------------------
    def allows(self, event: int) -> bool:
        """Would `event` be accepted now?"""
        return states.step(self.state, event) != states.NO

    def enter(self, now_ms: int, event: int) -> bool:
        """Take the transition for `event` and log it; False when the table refuses. The caller commits the ledger."""
        after = states.step(self.state, event)
        if after == states.NO:
            return False
        before = self.state
        if after != before:
            if before == states.INFUSING:
                self.delivery.leave(now_ms)
            elif before == states.SETUP:
                self.setup.leave(now_ms)
            self.state = after
            if self.ledger_ok:
                self.ledger.state = after
            if after == states.INFUSING:
                self.delivery.enter(now_ms)
            self.rates.entered(now_ms, before, after)
            self.journal.write(now_ms, events.STATE, self.motor.position, before, after, event)
        return True

    def fail(self, now_ms: int, fault: int, value: int = 0) -> None:
        """Latch `fault`: stop at once, EN off, SAFE, logged, alarmed. The first fault is kept; later ones are only logged."""
        uncertain = self.motor.fault_stop()
        self.aborted += uncertain
        if self.state == states.INFUSING:
            self.delivery.leave(now_ms)
        elif self.state == states.SETUP:
            self.setup.leave(now_ms)
        before = self.state
        self.state = states.SAFE
        first = self.fault == faults.NO_FAULT
        if first:
            self.fault = fault
        self.journal.write(now_ms, events.FAULT, self.motor.position, min(max(value, 0), 0xFFFFFFFF), 0, fault)
        if before != states.SAFE:
            self.journal.write(now_ms, events.STATE, self.motor.position, before, states.SAFE, states.E_FAULT)
        self.raise_alarm(now_ms, faults.A_FAULT, fault)
        if self.ledger_ok and first:
            self.ledger.state = states.SAFE
            self.ledger.fault = self.fault
            self.ledger.uncertain += uncertain
            if uncertain:
                self.ledger.flags &= ~F_HOMED
            try:
                if self.ledger.unsettled:
                    self.ledger.close(now_ms, self.motor.position)
            except CodecError:
                pass  # a window that would overflow: the intent stays open, which counts as delivered all the same
            self.commit(now_ms)

    def emergency_stop(self, now_ms: int) -> None:
        """The E-stop input: motion ends at once, EN off, therapy off; what of the lease in flight was made is uncertain."""
        uncertain = self.motor.fault_stop()
        self.aborted += uncertain
        self.raise_alarm(now_ms, faults.A_ESTOP, uncertain)
        if not self.enter(now_ms, states.E_ESTOP) or not self.ledger_ok or self.fault != faults.NO_FAULT:
            return
        if not self.ledger.motion & (M_DETACHED | M_REVERSE):  # cut steps of such a motion were no dose either way
            self.ledger.uncertain += uncertain
        if uncertain:
            self.ledger.flags &= ~F_HOMED  # where the plunger stands is not known to the step any more
        try:
            self.ledger.close(now_ms, self.motor.position)
        except CodecError:
            pass  # a window that would overflow: the intent stays open, which counts as delivered all the same
        self.ledger.motion = 0
        self.commit(now_ms)

    def commit(self, now_ms: int, mark: int = -1) -> bool:
        """Write the ledger; on refusal of the flash forget the log records since `mark`, latch LEDGER_WRITE (in RAM: the
        flash cannot hold it) and return False."""
        self.ledger.log_seq = self.journal.next_seq
        try:
            self.ledger.commit(now_ms)
            return True
        except (OSError, CodecError):
            if mark >= 0:
                self.journal.rollback(mark)
            if self.fault == faults.NO_FAULT:
                self.fail(now_ms, faults.LEDGER_WRITE)
            return False

    def raise_alarm(self, now_ms: int, alarm: int, value: int = 0) -> None:
        """Raise and, when it is news, log."""
        if self.alarms.raise_(alarm):
            self.journal.write(now_ms, events.ALARM, self.motor.position, value, 0, alarm)

    def lower_alarm(self, now_ms: int, alarm: int) -> None:
        """The cause of an alarm is gone."""
        if self.alarms.lower(alarm):
            self.journal.write(now_ms, events.ALARM_CLEARED, self.motor.position, 0, 0, alarm)

    def program(self) -> "dict[str, Any]":
        """The active program, where there must be one (INFUSING, a wish being judged); RuntimeError when there is none."""
        if self.fields is None:
            raise RuntimeError("no program")
        return self.fields

    # --- volumes ---------------------------------------------------------------------------------------------------------------
    def steps_nl(self, steps: int) -> int:
        """Volume of `steps`, nL rounded down."""
        return steps * self.step_pl // NL_FACTOR

    def reservoir_left_nl(self) -> int:
        """Fill volume less the most that can have left it, nL >= 0; the board's reservoir where there is no program."""
        full = self.fields["reservoir_nl"] if self.fields is not None else self.part["reservoir_nl"]
        used = -(-(self.ledger.forward - self.ledger.fill_steps) * self.step_pl // NL_FACTOR)
        return max(0, full - used)

    def situation(self, now_ms: int, fields: "dict[str, Any] | None" = None, basal: "Basal | None" = None) -> Situation:
        """What the chain of reasons looks at, for the active program or the one given."""
        own = fields is None or fields is self.fields
        fields = self.program() if fields is None else fields
        ledger = self.ledger
        ledger.windows.roll(now_ms)
        s = Situation(
            fields,
            ledger.windows,
            now_ms,
            now_ms,
            self.basal if basal is None else basal,
            ledger.unsettled,
            self.step_pl,
            self.part["max_steps_per_s"],
            self.reservoir_left_nl() if own else fields["reservoir_nl"],
            NONE_YET if ledger.last_bolus_ms == NEVER_MS else ledger.last_bolus_ms,
        )
        s.running = self.delivery.running()
        s.owed_steps = self.delivery.owed_steps()
        s.alarm = self.alarms.active(faults.MEDIUM)
        s.infusing = self.state == states.INFUSING
        if self.fields is not None and self.fields["drug"] == fields["drug"]:
            new = fields["concentration_ng_per_ml"]
            old = self.fields["concentration_ng_per_ml"]  # a dose in the old solution, said in nL of the new one
            s.current_nl_per_day = self.basal.daily_nl() * old // new
            s.ref = (ledger.ref_nl_per_day * old // new, ledger.ref_ms if ledger.ref_ms else NONE_YET)
            s.ref_rules = (rule(self.fields, old, new), rule(fields, new, new))
        s.screw = ledger.screw if ledger.flags & F_HOMED else NONE_YET
        s.stroke_steps = self.config["mechanics"].get("stroke_steps", 0)
        s.max_setup_nl = self.config["limits"].get("max_setup_nl", 0)
        return s


def rule(fields: "dict[str, Any]", made_for: int, said_in: int) -> "tuple[int, int, int]":
    """The titration rule of a program: (per mille, nL/day of a solution of `said_in` ng/mL, window in ms)."""
    return fields["raise_per_mille"], fields["raise_nl_per_day"] * made_for // said_in, fields["raise_window_ms"]


def make_part(config: "dict[str, Any]") -> "dict[str, int]":
    """The limits of the part that the validator needs, from `/board.json`."""
    mechanics = config["mechanics"]
    limits = config["limits"]
    return {
        "max_rate_nl_per_day": limits["max_rate_nl_per_day"],
        "max_bolus_nl": limits["max_bolus_nl"],
        "max_steps_per_s": mechanics["max_steps_per_s"],
        "reservoir_nl": mechanics["reservoir_nl"],
        "step_pl_per_million": mechanics["step_pl_per_million"],
    }
