"""Start-up: self-test, then recovery of the ledger, then the state to begin in. Invariant: a class A failure never leads to
motion, and nothing here writes over evidence: a missing, corrupt or regressed ledger stays as it was found.

Class A (refuse therapy): files, ledger, program, monitor limits, EN read-back, edge counter, third watchdog reset in a row.
"""

import hashlib

from thecal.core import events, faults, states
from thecal.core.codec import U32
from thecal.core.compat import const
from thecal.core.prescription import ProgramError, program_crc, unpack, validate
from thecal.services.activation import PROGRAM_A, PROGRAM_B
from thecal.services.commands import BORN_PATH
from thecal.services.pump import LEDGER_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal.drivers.seam import Board
    from thecal.drivers.store import Store
    from thecal.services.pump import Pump

LOOP_TEST_EDGES = const(8)
LOOP_TEST_US = const(500)
LATCH_PATH = "/latch"
MANIFEST_PATH = "/manifest.json"


def check_files(store: "Store") -> "tuple[int, int]":
    """Compare each file in the manifest with its sha256. Returns (files that differ or are missing, files checked)."""
    try:
        files = store.load_json(MANIFEST_PATH)["files"]
    except (KeyError, TypeError, RuntimeError):  # there is none, it is no object, or nested too deep
        return 1, 0
    if not isinstance(files, dict):
        return 1, 0
    bad = 0
    for path in files:
        digest = hashlib.sha256()
        try:
            for piece in store.blocks(path):
                digest.update(piece)
        except OSError:
            bad += 1
            continue
        if "".join("%02x" % byte for byte in digest.digest()) != files[path]:
            bad += 1
    return bad, len(files)


def loop_test(board: "Board") -> bool:
    """With EN off, send a few pulses and see the counter count exactly them. The motor does not move."""
    before = board.counter.read()
    start_us = board.clock.now_us() + 1000
    board.pulser.start(LOOP_TEST_EDGES, start_us, start_us + LOOP_TEST_US * (LOOP_TEST_EDGES - 1))
    for _turn in range(1000):
        if not board.pulser.busy():
            break
        board.clock.wait(board.clock.now_ms() + 1)
    return board.counter.read() - before == LOOP_TEST_EDGES


def en_test(board: "Board") -> bool:
    """EN reads back as off when set off. It is never set on here: a stuck driver must not get current from a test."""
    board.enable.set(False)
    return not board.en_sense.read()


class Startup:
    """What start-up found. `failed` is a mask over fault codes; the lowest code becomes the latched fault."""

    def __init__(self, pump: "Pump") -> None:
        self._pump = pump
        self.failed = 0
        self._resume_state = states.OFF

    def _fail(self, fault: int) -> None:
        self.failed |= 1 << fault

    def run(self) -> None:
        """The whole start-up of one boot. Whatever it meets on the flash, it ends in a state; what nobody
        thought of ends in SAFE."""
        try:
            self._run()
        except Exception as error:
            pump = self._pump
            pump.last_error = error
            pump.ledger_ok = False
            pump.fail(pump.now_ms(), faults.SERVICE_DIED, 255)

    def _run(self) -> None:
        pump = self._pump
        pump.state = states.SELFTEST
        pump.journal.open()
        born = pump.store.size(BORN_PATH) >= 0
        found = pump.ledger.load(pump.store.read(LEDGER_PATH))
        logged_ms = pump.journal.newest.t_ms if pump.journal.newest is not None else 0
        pump.start_clock(max(pump.ledger.t_ms, logged_ms) if found else 0)  # the latest moment that is durable anywhere
        now_ms = pump.now_ms()
        if not born:
            pump.ledger_ok = False
        elif not found:
            self._fail(faults.LEDGER_CORRUPT if pump.store.size(LEDGER_PATH) >= 0 else faults.LEDGER_MISSING)
        elif self._regressed():
            self._fail(faults.LEDGER_REGRESSED)
        else:
            pump.ledger_ok = True
        self._test_hardware()
        if pump.ledger_ok:
            self._recover(now_ms)
        elif born:
            pump.journal.begin(pump.journal.newest.boot + 1 if pump.journal.newest else 0, 0)
        else:
            # the boot that provisioning will make the ledger's
            pump.journal.begin(pump.journal.newest.boot + 1 if pump.journal.newest else 1, pump.ledger.log_seq)
            pump.journal.write(now_ms, events.BOOT, 0, 0, 0, pump.board.chip.reset_cause())
        if not pump.monitor.begin(now_ms) and pump.ledger_ok:
            self._fail(faults.LEDGER_CORRUPT)
        self._conclude(now_ms, not born)

    def _regressed(self) -> bool:
        """Is the ledger older than the log says? The log is written after the ledger, never before."""
        journal = self._pump.journal
        ledger = self._pump.ledger
        if journal.newest is None:
            return False
        boots_ahead = (journal.newest.boot - ledger.boot) & 0xFFFF  # the count wraps
        if 0 < boots_ahead < 0x8000:
            return True
        return journal.newest_ledger_seq > ledger.seq or journal.newest_steps > ledger.intent

    def _test_hardware(self) -> None:
        pump = self._pump
        if check_files(pump.store)[0]:
            self._fail(faults.FILES_CHANGED)
        if not en_test(pump.board):
            self._fail(faults.EN_STUCK)  # and no pulse is sent: the motor might move
        elif not loop_test(pump.board):
            self._fail(faults.COUNTER_FAILED)
        if pump.store.size(LATCH_PATH) >= 0:
            self._fail(faults.MONITOR_TRIPPED)

    def _recover(self, now_ms: int) -> None:
        """Settle what the last boot left open, log it, find the program, count watchdog resets; one ledger write."""
        pump = self._pump
        ledger = pump.ledger
        cause = pump.board.chip.reset_cause()
        self._resume_state = ledger.state
        first, uncertain, dropped = ledger.recover(now_ms)
        ledger.boot = (ledger.boot + 1) & 0xFFFF
        ledger.watchdog_resets = min(255, ledger.watchdog_resets + 1) if cause == 1 else 0
        lost = pump.journal.begin(ledger.boot, ledger.log_seq)
        pump.motor.begin_at(ledger.intent)
        pump.journal.write(now_ms, events.BOOT, ledger.intent, min(max(ledger.min_steps, 0), U32), min(ledger.setup, U32), cause)
        if lost:
            pump.journal.write(now_ms, events.GAP, 0, ledger.log_seq - lost, lost)
        if uncertain or dropped:
            pump.journal.write(now_ms, events.RECOVERED, first, uncertain, dropped)
        if self._resume_state == states.INFUSING:
            pump.raise_alarm(now_ms, faults.A_TIME_UNKNOWN)
            pump.lower_alarm(now_ms, faults.A_TIME_UNKNOWN)  # it has happened: held until acknowledged
        if dropped:
            pump.raise_alarm(now_ms, faults.A_BOLUS_DROPPED, dropped)
            pump.lower_alarm(now_ms, faults.A_BOLUS_DROPPED)
        pump.rates.recovered(now_ms)
        self._load_program(now_ms)
        if ledger.watchdog_resets >= 3:
            self._fail(faults.WATCHDOG_THRICE)
        if not pump.commit(now_ms):
            self._fail(faults.LEDGER_WRITE)

    def _load_program(self, now_ms: int) -> None:
        """The copy whose CRC the ledger names; a copy left behind by an interrupted activation is repaired."""
        pump = self._pump
        wanted = pump.ledger.program_crc
        if wanted == 0:
            return
        chosen = None
        for path in (PROGRAM_A, PROGRAM_B):
            blob = pump.store.read(path)
            try:
                if blob is None or program_crc(blob) != wanted:
                    continue
                fields, version = unpack(blob)
            except ProgramError:
                continue
            if not validate(fields, pump.part):
                chosen = blob
                pump.take_program(fields, wanted, version)
                break
        if chosen is None:
            self._fail(faults.PROGRAM_CORRUPT)
            return
        for path in (PROGRAM_A, PROGRAM_B):
            if pump.store.read(path) != chosen:
                try:
                    pump.store.replace(path, chosen)
                except OSError:
                    pump.raise_alarm(now_ms, faults.A_LOG_FULL)  # one good copy is enough to go on
        if not pump.monitor.load(wanted):
            self._fail(faults.MONITOR_LIMITS)
        pump.delivery.load_program(now_ms)

    def _conclude(self, now_ms: int, unborn: bool) -> None:
        pump = self._pump
        pump.journal.write(now_ms, events.SELFTEST, self.failed, 0, 0, 1 if self.failed else 0)
        kept = pump.ledger.fault if pump.ledger_ok else faults.NO_FAULT
        if self.failed or kept:
            fault = kept
            for code in faults.FAULTS:
                if not fault and self.failed & (1 << code):
                    fault = code
            if kept:
                pump.fault = kept
            pump.fail(now_ms, fault)
            return
        if unborn:
            event = states.E_NO_MARKER
        elif pump.fields is None or self._resume_state not in (states.INFUSING, states.HELD):
            event = states.E_PASS_OFF
        elif self._resume_state == states.HELD:
            event = states.E_PASS_HELD
        else:
            event = states.E_PASS_RESUME if pump.fields["basal_resumes"] else states.E_PASS_OFF
        if pump.fields is None or not pump.fields["basal_resumes"]:
            pump.ledger.hold_until = 0  # what may not resume by itself after a loss of power does not end a hold by itself either
        pump.enter(now_ms, event)
        if pump.ledger_ok and pump.ledger.state != self._resume_state:
            pump.commit(now_ms)
