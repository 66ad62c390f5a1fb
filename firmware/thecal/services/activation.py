"""Staging and activation of a program. Invariant: staging changes nothing that runs; what runs is the old program or the new
one, never a mixture, wherever power fails.

Activation in four durable writes, one per turn, power may fail between any two:
  1. monitor limits into the slot that does not belong to the running program   -> crash: old program, old slot
  2. /program.b                                                                 -> crash: ledger names the old CRC: /program.a
  3. ledger with the new CRC and the answer (the commit point)                  -> crash: new program from /program.b, new slot
  4. /program.a                                                                 -> done; start-up repairs a copy left behind
"""

from thecal.core import events, faults, gate, states
from thecal.core import messages as m
from thecal.core.basal import Basal
from thecal.core.codec import crc32
from thecal.core.ledger import Answer
from thecal.core.prescription import ProgramError, pack, program_crc, unpack, validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from thecal.services.pump import Pump

    Request = dict[str, Any]  # as `messages.check_request` let it pass: a text under "c", integers under all else
    Result = tuple[int, int, int, int]  # code, reason, value, limit
    Reply = tuple[int, int, int, int, int]  # the same, and 1 when it was given before

PROGRAM_A = "/program.a"
PROGRAM_B = "/program.b"
MONITOR_SLOTS = ("/monitor.a", "/monitor.b")


class Staged:
    """A blob on its way from the host, in RAM only."""

    def __init__(self, size: int, crc: int) -> None:
        self.size = size
        self.crc = crc
        self.data = bytearray()

    def whole(self) -> bool:
        """All bytes are here and their CRC is right."""
        return len(self.data) == self.size and crc32(self.data) == self.crc


def refuse_state(pump: "Pump") -> "Result":
    """The answer to a command that the present state, or a latched fault, does not allow."""
    if pump.fault:
        return m.REFUSED, m.LATCHED, pump.fault, 0
    return m.REFUSED, m.STATE, pump.state, 0


class Activation:
    """Staged blobs and the durable writes an activation still has to make, one per turn."""

    def __init__(self, pump: "Pump") -> None:
        self._pump = pump
        self.staged: "dict[int, Staged]" = {}
        self._pending: "list[Callable[[int], None]]" = []
        self.finished: "Reply | None" = None  # the result, once it is durable

    @property
    def busy(self) -> bool:
        """Writes are still to be made."""
        return bool(self._pending)

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

    def begin(self, request: "Request", now_ms: int) -> "Result | None":
        pump = self._pump
        if not pump.allows(states.E_ACTIVATE):
            return refuse_state(pump)
        program = self.staged.get(m.BLOB_PROGRAM)
        limits = self.staged.get(m.BLOB_MONITOR)
        if program is None or limits is None or not program.whole() or not limits.whole():
            return m.REFUSED, m.NOT_STAGED, 0, 0
        try:
            if program_crc(bytes(program.data)) != request["crc"] or crc32(limits.data) != request["mcrc"]:
                return m.REFUSED, m.CRC_MISMATCH, 0, 0
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
        old = pump.fields
        if old is not None and pump.state != states.OFF:
            for key in ("drug", "concentration_ng_per_ml"):
                if old[key] != fields[key]:
                    return m.REFUSED, m.DRUG_CHANGE, pump.state, 0
        basal = Basal(fields)
        basal.wall_ms = pump.basal.wall_ms
        wish = gate.Wish(gate.BASAL, rate_nl_per_day=basal.daily_nl())
        verdict = gate.judge(pump.situation(now_ms, fields, basal), wish)
        if verdict.reasons:
            reason, value, limit = verdict.first()
            return m.REFUSED, reason, _u32(value), _u32(limit)
        if request["crc"] == pump.program_crc and bytes(limits.data) != pump.monitor.blob():
            return m.REFUSED, m.NOT_THIS_BOARD, 0, 0
        version = pump.program_version + 1
        blob = pack(fields, version)
        slot = self._free_slot()
        running = self.active_program()
        self._pending = [
            lambda _now: pump.store.replace(slot, bytes(limits.data)),
            lambda _now: pump.store.replace(PROGRAM_B, blob),
            lambda now: self._switch(now, fields, version, request),
            lambda _now: pump.store.replace(PROGRAM_A, blob),
        ]
        if running is not None and pump.store.read(PROGRAM_A) != running:  # a write refused last time left it behind
            self._pending.insert(0, lambda _now: pump.store.replace(PROGRAM_A, running))
        pump.journal.wake = True
        return None

    def _switch(self, now_ms: int, fields: "dict[str, Any]", version: int, request: "Request") -> None:
        """The commit point of an activation: the ledger names the new program, with the answer in the same write."""
        pump = self._pump
        if not pump.allows(states.E_ACTIVATE):  # a fault came between the writes: the old program stays
            self._pending = []
            code, reason, value, limit = refuse_state(pump)
            self.finished = (code, reason, value, limit, 0)
            return
        old_crc = pump.ledger.program_crc
        self._remember_raise(fields, now_ms)
        pump.ledger.program_crc = request["crc"]
        pump.rates.drop(now_ms)
        pump.ledger.remember(Answer(request["i"], m.digest(request), m.OK, m.NONE, version, 0))
        before = pump.journal.next_seq
        pump.journal.write(now_ms, events.COMMAND, request["i"], events.COMMAND_CODES["activate"], 0, m.OK)
        pump.journal.write(now_ms, events.ACTIVATED, request["i"], request["crc"], request["mcrc"])
        if fields["overrides"]:
            pump.journal.write(now_ms, events.OVERRIDES, request["i"], fields["overrides"], fields["library_crc"])
        if not pump.commit(now_ms, before):
            self._pending = []  # /program.a stays the program that the ledger names
            self.finished = (m.STORE_FULL, m.NONE, 0, 0, 0)
            return
        pump.take_program(fields, request["crc"], version)
        pump.enter(now_ms, states.E_ACTIVATE)
        pump.delivery.load_program(now_ms)
        if not pump.monitor.load(request["crc"], old_crc):
            pump.fail(now_ms, faults.MONITOR_LIMITS)
        self.staged = {}
        self.finished = (m.OK, m.NONE, version, 0, 0)

    def _remember_raise(self, fields: "dict[str, Any]", now_ms: int) -> None:
        """In the ledger: the daily dose before this raise, or before the first of those still fresh (nL of the new solution)."""
        pump = self._pump
        ledger = pump.ledger
        old = pump.fields
        if old is None or old["drug"] != fields["drug"]:
            ledger.ref_nl_per_day = ledger.ref_ms = 0
            return
        was, now = old["concentration_ng_per_ml"], fields["concentration_ng_per_ml"]
        daily = pump.basal.daily_nl() * was // now
        window_ms = max(old["raise_window_ms"], fields["raise_window_ms"])
        fresh = ledger.ref_ms and now_ms - ledger.ref_ms < window_ms
        ledger.ref_nl_per_day = ledger.ref_nl_per_day * was // now if fresh else daily
        if Basal(fields).daily_nl() > daily:
            ledger.ref_ms = max(now_ms, 1)
        elif not fresh:
            ledger.ref_ms = 0

    def active_program(self) -> "bytes | None":
        """The bytes of the running program, from whichever copy is the one the ledger names."""
        for path in (PROGRAM_A, PROGRAM_B):
            blob = self._pump.store.read(path)
            try:
                if blob is not None and self._pump.program_crc and program_crc(blob) == self._pump.program_crc:
                    return blob
            except ProgramError:
                continue
        return None

    def _free_slot(self) -> str:
        """The monitor slot that does not belong to the running program."""
        decoded = self._pump.monitor.decode(self._pump.store.read(MONITOR_SLOTS[0]) or b"")
        taken = decoded is not None and decoded["program_crc"] == self._pump.program_crc and self._pump.program_crc != 0
        return MONITOR_SLOTS[1 if taken else 0]


def _u32(value: int) -> int:
    return min(max(value, 0), 0xFFFFFFFF)
