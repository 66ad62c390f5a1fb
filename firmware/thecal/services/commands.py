"""What each command does. Invariant: an id runs at most once, ever; its effect and its answer are in one ledger write, and the
answer leaves only when its log record is durable too. Activation has its own file.
"""

from thecal.core import events, states
from thecal.core import messages as m
from thecal.core.codec import U24
from thecal.core.compat import const
from thecal.core.ledger import Answer
from thecal.services.activation import Activation, refuse_state
from thecal.services.rates import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal.services.boluses import Boluses
    from thecal.services.pump import Pump

    Request = dict[str, Any]  # as `messages.check_request` let it pass: a text under "c", integers under all else
    Result = tuple[int, int, int, int]  # code, reason, value, limit
    Reply = tuple[int, int, int, int, int]  # the same, and 1 when it was given before

BORN_PATH = "/born"
YES = (m.OK, m.NONE, 0, 0)
ALWAYS = ("stop", "hold", "maintenance")
RATES = ("temp", "minimum", "normal", "clock")
BREATH = const(30)
BREATH_MS = const(60_000)

_EVENTS = {
    "start": states.E_START,
    "stop": states.E_STOP,
    "hold": states.E_HOLD,
    "resume": states.E_RESUME,
}


class Commands:
    """Runs id-bearing commands. Activations take several turns: `activation` has their state."""

    def __init__(self, pump: "Pump", boluses: "Boluses") -> None:
        self._pump = pump
        self._boluses = boluses
        self.activation = Activation(pump)
        self._activate = self.activation.begin
        self.reset_wanted = False
        self._breath = BREATH
        self._breath_ms = 0

    def run(self, request: "Request", now_ms: int) -> "Reply | None":
        """Run or re-answer `request` (already checked). Returns (code, reason, value, limit, replayed), or None
        when the answer comes later, in `activation.finished`."""
        pump = self._pump
        ledger = pump.ledger
        self._boluses.wait_ms = 0
        command_id = request["i"]
        mark = m.digest(request)
        known = ledger.known(command_id)
        if known is not None:
            if known.digest != mark:
                return m.ID_TAKEN, m.NONE, 0, 0, 0
            return known.code, known.reason, known.value, known.limit, 1
        if m.id_counter(command_id) <= ledger.id_floor:
            return m.STALE_ID, m.NONE, m.id_counter(command_id), ledger.id_floor, 0
        if m.id_counter(command_id) > ledger.id_floor + m.ID_STEP_MAX:
            return m.ID_AHEAD, m.NONE, m.id_counter(command_id), ledger.id_floor + m.ID_STEP_MAX, 0
        if pump.store.spent or self.activation.busy:
            return m.BUSY, m.NONE, 0, 0, 0
        name = request["c"]
        if name not in ALWAYS and not self._has_breath(now_ms):
            return m.BUSY, m.NONE, 0, 0, 0
        if not pump.ledger_ok and name not in ("provision", "maintenance"):
            return self._unlogged(m.LATCHED if pump.fault else m.STATE)
        self.activation.finished = None
        try:
            result = getattr(self, "_" + name)(request, now_ms)
        except OSError:
            return m.STORE_FULL, m.NONE, 0, 0, 0
        if result is None:
            return None
        code, reason, value, limit = result
        if code == m.BUSY:  # not an answer to be kept: the same id may be asked again
            return m.BUSY, m.NONE, 0, 0, 0
        if code != m.OK or name == "ack":
            self._breath -= 1
        ledger.remember(Answer(command_id, mark, code, reason, value, limit))
        before = pump.journal.next_seq
        self._log(request, now_ms, code, reason, value, limit)
        if pump.ledger_ok and not pump.commit(now_ms, before):
            return m.STORE_FULL, m.NONE, 0, 0, 0
        if code == m.OK:
            self._after(name, now_ms)
        return code, reason, value, limit, 0

    def _after(self, name: str, now_ms: int) -> None:
        """What a command does once it is durable."""
        pump = self._pump
        if name in ("bolus", "patient") and pump.ledger.grant is not None:
            pump.delivery.begin_bolus(now_ms, pump.ledger.grant)
        elif name in RATES:
            pump.rates.after(name, now_ms)
        elif name == "move":
            pump.setup.begin(now_ms)
        elif name == "maintenance":
            self.reset_wanted = True

    def _unlogged(self, reason: int) -> "Reply":
        return m.REFUSED, reason, self._pump.fault if reason == m.LATCHED else self._pump.state, 0, 0

    def _has_breath(self, now_ms: int) -> bool:
        """Refusals and acknowledgements cost flash (a ledger write and a log record each), so a flood of them is
        slowed down: BREATH at once, then one every BREATH_MS; beyond that the answer is BUSY, which writes
        nothing. What stops the pump is never slowed."""
        gained = (now_ms - self._breath_ms) // BREATH_MS
        if gained > 0:
            self._breath = min(BREATH, self._breath + gained)
            self._breath_ms += gained * BREATH_MS
        return self._breath > 0

    def _log(self, request: "Request", now_ms: int, code: int, reason: int, value: int, limit: int) -> None:
        """Log the command, before the commit so that the ledger's log sequence covers it; its answer waits for the flush."""
        journal = self._pump.journal
        name = request["c"]
        command_id = request["i"]
        journal.write(now_ms, events.COMMAND, command_id, events.COMMAND_CODES[name], 0, code)
        if code == m.REFUSED or code == m.BAD_PROGRAM:
            journal.write(now_ms, events.REFUSAL, command_id, value, limit, reason)
        grant = self._pump.ledger.grant
        if code == m.OK and name in ("bolus", "patient") and grant is not None:
            journal.write(now_ms, events.GRANT, command_id, grant.volume_nl, grant.duration_ms, grant.source)

    # --- one method per command --------------------------------------------------------------------------------------------
    def _change(self, request: "Request", now_ms: int) -> "Result":
        pump = self._pump
        event = _EVENTS[request["c"]]
        if not pump.allows(event):
            return refuse_state(pump)
        if event in (states.E_START, states.E_RESUME):
            refused = refusal(pump)
            if refused is not None:
                return refused
        elif event == states.E_HOLD:
            refused = pump.rates.hold(request, now_ms)
            if refused is not None:
                return refused
        pump.enter(now_ms, event)
        return YES

    _start = _stop = _hold = _resume = _change

    def _bolus(self, request: "Request", now_ms: int) -> "Result":
        return self._boluses.ask(now_ms, request["i"], m.BY_CLINICIAN, request["nl"], request["ms"])

    def _patient(self, request: "Request", now_ms: int) -> "Result":
        return self._boluses.patient(now_ms, request["i"], m.BY_PATIENT)

    def wait_ms(self) -> int:
        """Until the bolus refused last would be granted; 0: waiting does not help."""
        return self._boluses.wait_ms

    def _temp(self, request: "Request", now_ms: int) -> "Result":
        return self._pump.rates.temp(request, now_ms)

    def _minimum(self, request: "Request", now_ms: int) -> "Result":
        return self._pump.rates.minimum(request, now_ms)

    def _normal(self, request: "Request", now_ms: int) -> "Result":
        return self._pump.rates.normal(request, now_ms)

    def _clock(self, request: "Request", now_ms: int) -> "Result":
        return self._pump.rates.clock(request, now_ms)

    def _move(self, request: "Request", now_ms: int) -> "Result":
        return self._pump.setup.move(request, now_ms)

    def _direction(self, request: "Request", now_ms: int) -> "Result":
        return self._pump.setup.direction(request, now_ms)

    def _ack(self, request: "Request", now_ms: int) -> "Result":
        pump = self._pump
        cleared = pump.alarms.acknowledge()
        for alarm in cleared:
            pump.journal.write(now_ms, events.ALARM_CLEARED, pump.motor.position, 0, 0, alarm)
        return m.OK, m.NONE, len(cleared), len(pump.alarms.held())

    def _maintenance(self, request: "Request", now_ms: int) -> "Result":
        pump = self._pump
        if not pump.allows(states.E_MAINTENANCE):
            return refuse_state(pump)
        pump.enter(now_ms, states.E_MAINTENANCE)
        return YES

    def _provision(self, request: "Request", now_ms: int) -> "Result":
        pump = self._pump
        ledger = pump.ledger
        if not pump.allows(states.E_PROVISION):
            return refuse_state(pump)
        if ledger.fault:  # deleting the marker does not clear it
            return m.REFUSED, m.LATCHED, ledger.fault, 0
        # a ledger without its marker: what it intended counts, the program it names has to be activated again
        ledger.recover(now_ms)
        ledger.program_crc = 0
        # a log without its ledger: counts go on above what it speaks of, and all of that is uncertain
        if ledger.intent < pump.journal.newest_steps:
            ledger.uncertain += pump.journal.newest_steps - ledger.intent
            ledger.settled = ledger.intent = pump.journal.newest_steps
            ledger.setup = ledger.reverse = 0
            ledger.fill_steps = ledger.intent
        ledger.seq = max(ledger.seq, pump.journal.newest_ledger_seq)
        pump.motor.begin_at(ledger.intent)
        if not request["nothing"]:
            full = min(pump.part["max_steps_per_s"] * 3600, U24)
            ledger.windows.fill(now_ms, (full, full, full))
        ledger.boot = pump.journal.boot
        pump.ledger_ok = True
        pump.enter(now_ms, states.E_PROVISION)
        if not pump.commit(now_ms):
            pump.ledger_ok = False
            return m.STORE_FULL, m.NONE, 0, 0
        pump.store.replace(BORN_PATH, pump.board.chip.unique_id())
        pump.monitor.begin(now_ms)
        pump.journal.write(now_ms, events.PROVISIONED, request["i"], request["nothing"])
        return YES
