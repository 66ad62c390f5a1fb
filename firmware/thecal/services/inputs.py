"""The board's inputs: patient button, emergency stop, home switch. Invariant: an emergency stop acts in the turn that sees it;
one press of the button is one request, however long it is held, and none while it bounces.
"""

from thecal.core import events, faults, states
from thecal.core import messages as m
from thecal.core.compat import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal.services.boluses import Boluses
    from thecal.services.pump import Pump

BUTTON = const(1)
ESTOP = const(2)
HOME = const(4)
IDLE_MS = const(2000)  # the clock's wait returns by itself when an input changes
DEBOUNCE_MS = const(50)
STUCK_MS = const(10_000)


class Inputs:
    """The service of the inputs."""

    def __init__(self, pump: "Pump", boluses: "Boluses") -> None:
        self._pump = pump
        self._boluses = boluses
        pump.inputs = self
        self._levels = 0  # as `poll` saw them last
        self._began = False
        self._estop = False
        self._stopped = False  # this press of the emergency stop has been acted on
        self._button_since_ms = -1  # when the button was first seen pressed; -1: it is not
        self._asked = False
        self._home = False

    def waiting(self) -> bool:
        """An input changed since `poll`, whoever else has read it meanwhile: the loop should call `poll` now."""
        return self._pump.board.inputs.read() != self._levels

    def pressed(self) -> bool:
        """Is the emergency stop pressed?"""
        board = self._pump.board.inputs
        return bool(board.fitted & ESTOP) and bool(board.read() & ESTOP)

    def poll(self, now_ms: int) -> int:
        """Look at all inputs. A granted button bolus and an emergency stop are one durable write each."""
        pump = self._pump
        board = pump.board.inputs
        if not board.fitted:
            return now_ms + 3_600_000
        levels = self._levels = board.read()
        if not self._began:
            self._began = True
            if levels & BUTTON:  # held since before the reset: that press has had its answer
                self._button_since_ms = now_ms
                self._asked = True
            self._home = bool(levels & HOME)
        if bool(levels & HOME) != self._home:
            self._home = not self._home
            pump.journal.write(now_ms, events.INPUT, pump.motor.position, 1 if self._home else 0, 0, events.IN_HOME, lazy=True)
        estop = bool(levels & ESTOP)
        if estop != self._estop:
            self._estop = estop
            pump.journal.write(now_ms, events.INPUT, pump.motor.position, 1 if estop else 0, 0, events.IN_ESTOP)
            if not estop:
                self._stopped = False
                pump.lower_alarm(now_ms, faults.A_ESTOP)
        if estop and (not self._stopped or states.may_move(pump.state)):
            self._stopped = True
            pump.emergency_stop(now_ms)
            return now_ms
        return self._button(now_ms, bool(levels & BUTTON))

    def _button(self, now_ms: int, down: bool) -> int:
        pump = self._pump
        if not down:
            if self._button_since_ms >= 0:
                self._button_since_ms = -1
                self._asked = False
                pump.lower_alarm(now_ms, faults.A_BUTTON_STUCK)
            return now_ms + IDLE_MS
        if self._button_since_ms < 0:
            self._button_since_ms = now_ms
            return now_ms + DEBOUNCE_MS
        held_ms = now_ms - self._button_since_ms
        if not self._asked and held_ms >= DEBOUNCE_MS:
            if pump.store.spent or not pump.ledger_ok:
                return now_ms + DEBOUNCE_MS
            self._asked = True
            self._request(now_ms)
        if held_ms >= STUCK_MS:
            pump.raise_alarm(now_ms, faults.A_BUTTON_STUCK, held_ms // 1000)
            return now_ms + IDLE_MS
        return now_ms + (DEBOUNCE_MS if not self._asked else IDLE_MS)

    def _request(self, now_ms: int) -> None:
        pump = self._pump
        before = pump.journal.next_seq
        code, _reason, volume_nl, _limit = self._boluses.patient(now_ms, m.BUTTON_ID, m.BY_BUTTON)
        if code != m.OK or pump.ledger.grant is None:
            if pump.journal.next_seq != before:  # not of every press: a flood of them would push all else out of the log
                pump.journal.write(now_ms, events.INPUT, pump.motor.position, 1, 0, events.IN_BUTTON)
            return
        pump.journal.write(now_ms, events.INPUT, pump.motor.position, 1, 0, events.IN_BUTTON)
        pump.journal.write(now_ms, events.GRANT, m.BUTTON_ID, volume_nl, pump.ledger.grant.duration_ms, m.BY_BUTTON)
        if pump.commit(now_ms, before):
            pump.delivery.begin_bolus(now_ms, pump.ledger.grant)
