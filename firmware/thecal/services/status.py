"""The answer to `status`: one flat dict of integers, SPEC.md section 4. Every delivered volume is an interval (min, max)."""

import gc

from thecal.core import states
from thecal.core.ledger import F_DIRECTION_OK, F_DIRECTION_WRONG, F_HOMED, M_DETACHED, M_REVERSE, NEVER_MS
from thecal.core.schedule import FAR_MS
from thecal.core.windows import RING_1H, RING_4H, RING_24H
from thecal.services.inputs import BUTTON, ESTOP, HOME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal.services.pump import Pump


def heap_free() -> int:
    """Free heap in bytes after a collection, 0 where the interpreter does not say (CPython)."""
    free = getattr(gc, "mem_free", None)
    if free is None:
        return 0
    gc.collect()  # or this would show how long ago the last collection was; the steps run in hardware meanwhile
    return free()


def _until(now_ms: int, then_ms: int) -> "int | None":
    """Time left, None where there is no such moment."""
    return None if then_ms >= FAR_MS else max(0, then_ms - now_ms)


def status_fields(pump: "Pump") -> "dict[str, int | list[int] | None]":
    """What the host shows. nL, ms, steps, mV, Pa; None: sensor not fitted."""
    ledger = pump.ledger
    now_ms = pump.now_ms()
    ledger.windows.roll(now_ms)
    pending = ledger.unsettled
    infusing = pump.state == states.INFUSING
    fields = pump.fields
    basal = pump.basal
    change_ms = basal.next_change_ms(now_ms) if fields is not None and infusing else FAR_MS
    apart = ledger.motion & (M_DETACHED | M_REVERSE)  # what such a motion has made since the last write is no dose
    fresh = 0 if apart else pump.motor.settled() - ledger.settled
    lockout_ms = 0
    if fields is not None and ledger.last_bolus_ms != NEVER_MS:
        lockout_ms = max(0, ledger.last_bolus_ms + fields["bolus_lockout_ms"] - now_ms)
    fitted = pump.board.inputs.fitted
    levels = pump.board.inputs.read()
    wall_ms = pump.wall_ms(now_ms)
    direction = 1 if ledger.flags & F_DIRECTION_OK else 2 if ledger.flags & F_DIRECTION_WRONG else 0
    return {
        "r": 0,
        "st": pump.state,
        "fault": pump.fault,
        "alarm": pump.alarms.highest(),
        "t": now_ms,
        "boot": ledger.boot,
        "rate": basal.rate_at(now_ms) if fields is not None and infusing else 0,
        "min": pump.steps_nl(ledger.min_steps + fresh) if pump.ledger_ok else 0,
        "max": pump.steps_nl(ledger.max_steps),
        "res": pump.reservoir_left_nl(),
        "w1": pump.steps_nl(ledger.windows.sums[RING_1H] + pending),
        "w4": pump.steps_nl(ledger.windows.sums[RING_4H] + pending),
        "w24": pump.steps_nl(ledger.windows.sums[RING_24H] + pending),
        "bol": pump.delivery.bolus_left_nl(),
        "prog": pump.program_crc,
        "edges": pump.monitor.edges(),
        "perm": pump.motor.permitted,
        "bat": pump.board.battery_mv.read(),
        "pa": pump.board.pressure_pa.read(),
        "seq": pump.journal.next_seq,
        "wr": pump.store.writes,
        "heap": heap_free(),
        "hold": max(0, ledger.hold_until - now_ms),
        "mode": fields["mode"] if fields is not None else 0,
        "ovl": ledger.overlay,
        "ovlms": max(0, ledger.overlay_until - now_ms),
        "chg": _until(now_ms, change_ms),
        "chgrate": basal.rate_at(change_ms) if change_ms < FAR_MS else None,
        "wall": None if wall_ms < 0 else wall_ms,
        "lock": lockout_ms,
        "nbol": ledger.windows.boluses_24h(),
        "unmet": pump.unmet,
        "src": ledger.grant.source if ledger.grant is not None else 0,
        "mot": ledger.motion,
        "motleft": pump.setup.left_steps(pump.motor.settled()),
        "pos": ledger.screw if ledger.flags & F_HOMED else None,
        "dir": direction,
        "btn": (1 if levels & BUTTON else 0) if fitted & BUTTON else None,
        "stop": (1 if levels & ESTOP else 0) if fitted & ESTOP else None,
        "home": (1 if levels & HOME else 0) if fitted & HOME else None,
        "ovr": fields["overrides"] if fields is not None else 0,
        "lib": fields["library_crc"] if fields is not None else 0,
        "held": pump.alarms.held(),
        "setup": pump.steps_nl(ledger.setup),
    }
