"""When a rate really began to hold. A RATE record says by how much its rate is still ahead (the end of the lease in flight, or a
step of the schedule that comes within the next lease). It may also be written after that moment; but a step of the schedule falls
on a whole minute of the wall clock, and a temporary rate ends at the time it was given. Invariant: a record is moved back by at
most NEAR_MS, and only to such a moment.
"""

from collections.abc import Iterable

from thecal.core import basal, events
from thecal.core.events import Record

NEAR_MS = 2_000  # a lease is at most 1 s, and the loop looks at each end of it
MINUTE_MS = 60_000


def delays(records: Iterable[Record]) -> dict[int, int]:
    """Sequence of a RATE record -> ms by which its rate began later (or, below 0, earlier) than the record says; only where that
    is not 0."""
    out: dict[int, int] = {}
    boot = -1
    zero_ms: int | None = None  # Unix ms at board ms 0
    until_ms = -1
    for r in records:
        if r.boot != boot:
            boot, zero_ms = r.boot, None
        if r.code == events.CLOCK:
            zero_ms = r.a - r.t_ms
        elif r.code == events.OVERLAY:
            until_ms = r.t_ms + r.c if r.c else -1
        elif r.code == events.RATE:
            off = _off(r, zero_ms, until_ms)
            if r.c or 0 < -off <= NEAR_MS:
                out[r.seq] = off
    return out


def _off(r: Record, zero_ms: "int | None", until_ms: int) -> int:
    if r.c:
        return r.c
    if until_ms >= 0 and abs(until_ms - r.t_ms) <= NEAR_MS and r.detail in (basal.WHY_TEMP, basal.WHY_NORMAL, basal.WHY_SCHEDULE):
        return until_ms - r.t_ms
    if r.detail == basal.WHY_SCHEDULE and zero_ms is not None:
        minute = zero_ms + r.t_ms
        return (minute + MINUTE_MS // 2) // MINUTE_MS * MINUTE_MS - minute
    return 0
