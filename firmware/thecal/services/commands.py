"""What each command does. Invariant: an id runs at most once, ever; its effect and its answer are in one ledger write, and the
answer leaves only when its log record is durable too. Staging changes nothing that runs; activation is old or new, never mixed.

Activation in four durable writes, one per turn, power may fail between any two:
  1. monitor limits into the slot that does not belong to the running program   -> crash: old program, old slot
  2. /program.b                                                                 -> crash: ledger names the old CRC: /program.a
  3. ledger with the new CRC and the answer (the commit point)                  -> crash: new program from /program.b, new slot
  4. /program.a                                                                 -> done; start-up repairs a copy left behind
"""

from thecal.core import events, faults, gate, states
from thecal.core import messages as m
from thecal.core.codec import crc32
from thecal.core.compat import const
from thecal.core.ledger import Answer, Grant
from thecal.core.prescription import ProgramError, pack, program_crc, unpack, validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thecal.services.pump import Pump

    Request = dict[str, Any]  # as `messages.check_request` let it pass: a text under "c", integers under all else
    Result = tuple[int, int, int, int]  # code, reason, value, limit
    Reply = tuple[int, int, int, int, int]  # the same, and 1 when it was given before

BORN_PATH = "/born"
PROGRAM_A = "/program.a"
PROGRAM_B = "/program.b"
MONITOR_SLOTS = ("/monitor.a", "/monitor.b")
YES = (m.OK, m.NONE, 0, 0)
ALWAYS = ("stop", "hold", "maintenance")
BREATH = const(30)
BREATH_MS = const(60_000)

_EVENTS = {
    "start": states.E_START,
    "stop": states.E_STOP,
    "hold": states.E_HOLD,
    "resume": states.E_RESUME,
}


class Staged:
    """A blob on its way from the host, in RAM only."""

    def __init__(self, size: int, crc: int) -> None:
        self.size = size
        self.crc = crc
        self.data = bytearray()

    def whole(self) -> bool:
        """All bytes are here and their CRC is right."""
        return len(self.data) == self.size and crc32(self.data) == self.crc


class Commands:
    """Runs id-bearing commands. `_pending` holds the durable writes an activation still has to make, one per turn."""

    def __init__(self, pump: "Pump") -> None:
        self._pump = pump
        self.staged: "dict[int, Staged]" = {}
        self._pending: "list[Callable[[int], None]]" = []
        self.finished: "Reply | None" = None  # the result of an activation, once it is durable
        self.reset_wanted = False
        self._breath = BREATH
        self._breath_ms = 0

    def poll(self, now_ms: int) -> int:
        """One pending durable write per turn."""
        if not self._pending:
            return now_ms + 60_000
        if self._pump.store.spent:
            return now_ms
        act = self._pending.pop(0)
        try:
            act(now_ms)
        except OSError:
            if self.finished is None:  # before the commit point: the old program stays, whole
                self.finished = (m.STORE_FULL, m.NONE, 0, 0, 0)
            self._pending = []
            self._pump.raise_alarm(now_ms, faults.A_LOG_FULL)
        return now_ms if self._pending else now_ms + 60_000

    def run(self, request: "Request", now_ms: int) -> "Reply | None":
        """Run or re-answer `request` (already checked). Returns (code, reason, value, limit, replayed), or None
        when the answer comes later, in `finished`."""
        pump = self._pump
        ledger = pump.ledger
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
        if pump.store.spent or self._pending:
            return m.BUSY, m.NONE, 0, 0, 0
        name = request["c"]
        if name not in ALWAYS and not self._has_breath(now_ms):
            return m.BUSY, m.NONE, 0, 0, 0
        if not pump.ledger_ok and name not in ("provision", "maintenance"):
            return self._unlogged(m.LATCHED if pump.fault else m.STATE)
        self.finished = None
        try:
            result = getattr(self, "_" + name)(request, now_ms)
        except OSError:
            return m.STORE_FULL, m.NONE, 0, 0, 0
        if result is None:
            return None
        code, reason, value, limit = result
        if code != m.OK or name == "ack":
            self._breath -= 1
        ledger.remember(Answer(command_id, mark, code, reason, value, limit))
        before = pump.journal.mark()
        self._log(request, now_ms, code, reason, value, limit)
        if pump.ledger_ok and not pump.commit(now_ms):
            pump.journal.rollback(before)
            return m.STORE_FULL, m.NONE, 0, 0, 0
        if code == m.OK and name == "bolus":
            pump.delivery.begin_bolus(now_ms, ledger.grants[-1])
        elif code == m.OK and name == "maintenance":
            self.reset_wanted = True
        return code, reason, value, limit, 0

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
        elif code == m.OK and name == "bolus":
            journal.write(now_ms, events.GRANT, command_id, request["nl"], request["ms"], gate.BOLUS)

    def _refuse_state(self) -> "Result":
        pump = self._pump
        if pump.fault:
            return m.REFUSED, m.LATCHED, pump.fault, 0
        return m.REFUSED, m.STATE, pump.state, 0

    # --- one method per command --------------------------------------------------------------------------------------------
    def _change(self, request: "Request", now_ms: int) -> "Result":
        pump = self._pump
        event = _EVENTS[request["c"]]
        if not pump.allows(event):
            return self._refuse_state()
        if event in (states.E_START, states.E_RESUME):
            if pump.fields is None:
                return m.REFUSED, m.NO_PROGRAM, 0, 0
            if pump.reservoir_left_nl() == 0:
                return m.REFUSED, m.RESERVOIR, 0, 0
        pump.enter(now_ms, event)
        return YES

    _start = _stop = _hold = _resume = _change

    def _bolus(self, request: "Request", now_ms: int) -> "Result":
        pump = self._pump
        if pump.fields is None:
            return m.REFUSED, m.NO_PROGRAM, 0, 0
        if not pump.allows(states.E_BOLUS):
            return self._refuse_state()
        volume_nl = request["nl"]
        duration_ms = request["ms"]
        if duration_ms == 0:
            return m.REFUSED, m.DURATION, 0, 1
        wish = gate.Wish(gate.BOLUS, volume_nl=volume_nl, duration_ms=duration_ms)
        verdict = gate.judge(pump.situation(now_ms), wish)
        if verdict.allowed != verdict.asked:
            reason, value, limit = verdict.first()
            return m.REFUSED, reason, min(value, 0xFFFFFFFF), min(limit, 0xFFFFFFFF)
        pump.ledger.promise(now_ms, Grant(request["i"], now_ms, volume_nl, duration_ms))
        return m.OK, m.NONE, volume_nl, 0

    def _ack(self, request: "Request", now_ms: int) -> "Result":
        pump = self._pump
        cleared = pump.alarms.acknowledge()
        for alarm in cleared:
            pump.journal.write(now_ms, events.ALARM_CLEARED, pump.motor.position, 0, 0, alarm)
        return m.OK, m.NONE, len(cleared), len(pump.alarms.held())

    def _maintenance(self, request: "Request", now_ms: int) -> "Result":
        pump = self._pump
        if not pump.allows(states.E_MAINTENANCE):
            return self._refuse_state()
        pump.enter(now_ms, states.E_MAINTENANCE)
        return YES

    def _provision(self, request: "Request", now_ms: int) -> "Result":
        pump = self._pump
        if not pump.allows(states.E_PROVISION):
            return self._refuse_state()
        ledger = pump.ledger
        if not request["nothing"]:
            full = pump.part["max_steps_per_s"] * 3600
            ledger.windows.fill(now_ms, (full, full, full))
        ledger.boot = 1
        pump.ledger_ok = True
        pump.enter(now_ms, states.E_PROVISION)
        if not pump.commit(now_ms):
            pump.ledger_ok = False
            return m.STORE_FULL, m.NONE, 0, 0
        pump.store.replace(BORN_PATH, pump.board.chip.unique_id())
        pump.monitor.begin(now_ms)
        pump.journal.write(now_ms, events.PROVISIONED, request["i"], request["nothing"])
        return YES

    def _activate(self, request: "Request", now_ms: int) -> "Result | None":
        pump = self._pump
        if not pump.allows(states.E_ACTIVATE):
            return self._refuse_state()
        program = self.staged.get(m.BLOB_PROGRAM)
        limits = self.staged.get(m.BLOB_MONITOR)
        if program is None or limits is None or not program.whole() or not limits.whole():
            return m.REFUSED, m.NOT_STAGED, 0, 0
        if program_crc(bytes(program.data)) != request["crc"] or crc32(limits.data) != request["mcrc"]:
            return m.REFUSED, m.CRC_MISMATCH, 0, 0
        try:
            fields: "dict[str, Any]" = unpack(bytes(program.data))[0]
        except ProgramError as error:
            problem = error.args[0]
            return m.BAD_PROGRAM, problem.tag, _u32(problem.value), _u32(problem.limit)
        problems = validate(fields, pump.part)
        if problems:
            return m.BAD_PROGRAM, problems[0].tag, _u32(problems[0].value), _u32(problems[0].limit)
        decoded = pump.monitor.decode(bytes(limits.data))
        if decoded is None or decoded["program_crc"] != request["crc"] or decoded["step_pl"] != pump.step_pl:
            return m.REFUSED, m.NOT_THIS_BOARD, 0, 0
        wish = gate.Wish(gate.BASAL, rate_nl_per_day=fields["rate_nl_per_day"])
        verdict = gate.judge(pump.situation(now_ms, fields, fields["rate_nl_per_day"]), wish)
        if verdict.allowed != verdict.asked:
            reason, value, limit = verdict.first()
            return m.REFUSED, reason, _u32(value), _u32(limit)
        version = pump.program_version + 1
        blob = pack(fields, version)
        pump.store.replace(self._free_slot(), bytes(limits.data))
        self._pending = [
            lambda _now: pump.store.replace(PROGRAM_B, blob),
            lambda now: self._switch(now, fields, version, request),
            lambda _now: pump.store.replace(PROGRAM_A, blob),
        ]
        pump.journal.wake = True
        return None

    def _switch(self, now_ms: int, fields: "dict[str, Any]", version: int, request: "Request") -> None:
        """The commit point of an activation: the ledger names the new program, with the answer in the same write."""
        pump = self._pump
        old_crc = pump.ledger.program_crc
        pump.ledger.program_crc = request["crc"]
        pump.ledger.remember(Answer(request["i"], m.digest(request), m.OK, m.NONE, version, 0))
        before = pump.journal.mark()
        pump.journal.write(now_ms, events.COMMAND, request["i"], events.COMMAND_CODES["activate"], 0, m.OK)
        pump.journal.write(now_ms, events.ACTIVATED, request["i"], request["crc"], request["mcrc"])
        if not pump.commit(now_ms):
            pump.journal.rollback(before)
            self.finished = (m.STORE_FULL, m.NONE, 0, 0, 0)
            return
        pump.fields = fields
        pump.program_crc = request["crc"]
        pump.program_version = version
        pump.enter(now_ms, states.E_ACTIVATE)
        pump.delivery.load_program(now_ms)
        pump.monitor.load(request["crc"], old_crc)
        self.staged = {}
        self.finished = (m.OK, m.NONE, version, 0, 0)

    def _free_slot(self) -> str:
        """The monitor slot that does not belong to the running program."""
        decoded = self._pump.monitor.decode(self._pump.store.read(MONITOR_SLOTS[0]) or b"")
        taken = decoded is not None and decoded["program_crc"] == self._pump.program_crc and self._pump.program_crc != 0
        return MONITOR_SLOTS[1 if taken else 0]


def _u32(value: int) -> int:
    return min(max(value, 0), 0xFFFFFFFF)
