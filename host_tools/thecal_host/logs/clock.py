"""Wall-clock times of log records. Invariant: a time is told only where a CLOCK record of the same start bounds it; a start
without one has board time alone, because nobody knows how long the power was gone.
"""

from collections.abc import Sequence

from thecal.core import events
from thecal.core.events import Record


def wall_times(records: "Sequence[Record | None]") -> "list[int | None]":
    """Unix ms for each record (by rising sequence), None where unknown. What came before a start's first CLOCK record is
    counted back from it: board ms run on within a start. After a jump the new time holds."""
    out: list[int | None] = [None] * len(records)
    waiting: list[int] = []  # records of this start before its first clock
    boot = -1
    zero_ms: int | None = None  # Unix ms at board ms 0
    for index, record in enumerate(records):
        if record is None:
            continue
        if record.boot != boot:
            boot, zero_ms = record.boot, None
            waiting.clear()
        if record.code == events.CLOCK:
            zero_ms = record.a - record.t_ms
            jump_ms = {events.CLOCK_FORWARD: record.b * 1000, events.CLOCK_BACK: -record.b * 1000}.get(record.detail, 0)
            for earlier in waiting:  # of a jump whose first setting is lost, what was before it
                before = records[earlier]
                out[earlier] = None if before is None else zero_ms - jump_ms + before.t_ms
            waiting.clear()
        if zero_ms is None:
            waiting.append(index)
        else:
            out[index] = zero_ms + record.t_ms
    return out
