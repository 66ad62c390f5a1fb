"""The answer to `status`: one flat dict of integers, SPEC.md section 4. Every delivered volume is an interval (min, max)."""

import gc

from thecal.core.windows import RING_1H, RING_4H, RING_24H

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


def status_fields(pump: "Pump") -> "dict[str, int | None]":
    """What the host shows. nL, ms, steps, mV, Pa; None: sensor not fitted."""
    ledger = pump.ledger
    now_ms = pump.now_ms()
    ledger.windows.roll(now_ms)
    pending = ledger.unsettled
    infusing = pump.state == 4
    fields = pump.fields
    return {
        "r": 0,
        "st": pump.state,
        "fault": pump.fault,
        "alarm": pump.alarms.highest(),
        "t": now_ms,
        "boot": ledger.boot,
        "rate": fields["rate_nl_per_day"] if fields is not None and infusing else 0,
        "min": pump.steps_nl(pump.ledger.min_steps + pump.motor.settled() - ledger.settled) if pump.ledger_ok else 0,
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
        "hold": 0,
    }
