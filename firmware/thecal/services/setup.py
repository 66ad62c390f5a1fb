"""Set-up motions: jog, prime, purge, home, direction check. Invariant: they move only from OFF, through the chain of reasons, the
ledger and permits like any dose; with the outlet disconnected their steps are counted apart, never taken from a dose.

The ledger's `motion` byte is durable before the first step of a motion and cleared after its last: the monitor, which reads it
from flash, knows what such steps are. A motion ends early by `stop`, E-stop, fault or power cut, never goes on by itself.
"""

from thecal.core import events, gate, states
from thecal.core import messages as m
from thecal.core.ledger import F_DIRECTION_OK, F_DIRECTION_WRONG, F_HOMED, HOME_BIAS, M_DETACHED, M_REVERSE
from thecal.drivers.motor import LEASE_MAX_STEPS
from thecal.services.activation import refuse_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal.services.activation import Request, Result
    from thecal.services.pump import Pump

INPUT_HOME = 4
HOME_LEASE_STEPS = 16  # the switch is looked at between leases, so this is how far past it the plunger may stop


class Setup:
    """The set-up motion under way, if any."""

    def __init__(self, pump: "Pump") -> None:
        self._pump = pump
        pump.setup = self
        self._id = 0
        self._first = 0
        self._steps = 0
        self._duration_ms = 0
        self._kind = 0
        self._found = False

    def move(self, request: "Request", now_ms: int) -> "Result":
        """Judge a motion; where it is OK the ledger says so, not yet durable, and `begin` starts it."""
        pump = self._pump
        if not pump.allows(states.E_MOVE):
            return refuse_state(pump)
        kind = request["k"]
        home = kind == m.HOME
        reverse = bool(request["rev"]) or home
        detached = bool(request["det"])
        if pump.inputs.pressed():
            return m.REFUSED, m.ESTOP, 0, 0
        if home and not pump.board.inputs.fitted & INPUT_HOME:
            return m.REFUSED, m.NOT_FITTED, INPUT_HOME, 0
        if not detached and not reverse:
            if pump.fields is None:
                return m.REFUSED, m.NO_PROGRAM, 0, 0
            if pump.ledger.flags & F_DIRECTION_WRONG:
                return m.REFUSED, m.DIRECTION, 0, 0
        wish = gate.Wish(gate.MOTION, duration_ms=request["ms"])
        wish.motion = kind
        wish.steps = request["n"]
        wish.reverse = reverse
        wish.detached = detached
        situation = pump.situation(now_ms, pump.fields or NO_LIMITS)
        situation.reservoir_left_nl = pump.reservoir_left_nl()
        verdict = gate.judge(situation, wish)
        if verdict.reasons:
            reason, value, limit = verdict.first()
            return m.REFUSED, reason, min(value, 0xFFFFFFFF), min(limit, 0xFFFFFFFF)
        if pump.ledger.unsettled or pump.motor.busy():
            return m.BUSY, m.NONE, 0, 0
        self._id = request["i"]
        self._kind = kind
        self._steps = request["n"]
        self._duration_ms = request["ms"]
        self._found = False
        self._first = pump.motor.position
        pump.ledger.motion = kind | (M_REVERSE if reverse else 0) | (M_DETACHED if detached else 0)
        pump.journal.write(now_ms, events.MOVE, request["i"], request["n"], request["ms"], pump.ledger.motion)
        pump.enter(now_ms, states.E_MOVE)
        return m.OK, m.NONE, request["n"], 0

    def begin(self, now_ms: int) -> None:
        """The motion is durable: let it move."""
        self._pump.delivery.begin_motion(now_ms, self._steps, self._duration_ms)

    def lease_steps(self) -> int:
        """The most steps of one lease of this motion."""
        return HOME_LEASE_STEPS if self._kind == m.HOME else LEASE_MAX_STEPS

    def left_steps(self, position: int) -> int:
        """Steps still to go at a position of the motor; 0 when none is under way."""
        return max(0, self._first + self._steps - position) if self._pump.state == states.SETUP else 0

    def arrived(self) -> bool:
        """Has the home switch closed?"""
        if self._kind == m.HOME and self._pump.board.inputs.read() & INPUT_HOME:
            self._found = True
        return self._found

    def finish(self, now_ms: int) -> None:
        """The motion has come to its end: OFF, settled, one write."""
        pump = self._pump
        pump.enter(now_ms, states.E_MOVED)
        pump.ledger.close(now_ms, pump.motor.position)
        pump.ledger.motion = 0
        if self._found:
            pump.ledger.home = HOME_BIAS + pump.ledger.intent - 2 * pump.ledger.reverse
            pump.ledger.flags |= F_HOMED
        pump.motor.enable(False)
        pump.commit(now_ms)

    def leave(self, now_ms: int) -> None:
        """SETUP ends, for whatever reason; the lease in flight completes or was cut short. The caller settles and commits."""
        pump = self._pump
        pump.delivery.end_motion()
        missing = max(0, self._first + self._steps - pump.motor.position)
        done = self._found if self._kind == m.HOME else missing == 0
        pump.journal.write(now_ms, events.MOVE_END, self._id, self._steps, missing, 1 if done else 0)

    def direction(self, request: "Request", now_ms: int) -> "Result":
        """Somebody saw the plunger move: the right way or not."""
        ledger = self._pump.ledger
        ledger.flags &= ~(F_DIRECTION_OK | F_DIRECTION_WRONG)
        ledger.flags |= F_DIRECTION_OK if request["ok"] else F_DIRECTION_WRONG
        self._pump.journal.write(now_ms, events.DIRECTION, request["i"], 0, 0, request["ok"])
        return m.OK, m.NONE, 0, 0


# A board without a program has no dose limits; only motions with the outlet disconnected, or backwards, are judged by these.
NO_LIMITS = {
    "max_rate_nl_per_day": 0,
    "max_bolus_nl": 0,
    "max_temp_ms": 0,
    "bolus_lockout_ms": 0,
    "boluses_per_24h": 0,
    "reservoir_nl": 0,
    "chunk_nl": 0,
    "drug": "",
    "concentration_ng_per_ml": 1,
    "limit_1h_nl": 0,
    "limit_4h_nl": 0,
    "limit_24h_nl": 0,
}
