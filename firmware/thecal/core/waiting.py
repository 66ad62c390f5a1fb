"""How long until a refused bolus would be granted, if nothing else happens until then.

Invariant: asked again after the time told, with nothing else done meanwhile, the chain of reasons grants it; the answer errs on
the late side (four chunks of accounting instead of two, and whole buckets). NEVER where waiting does not help, or not within
two days.
"""

from thecal.core import messages as m
from thecal.core.compat import const
from thecal.core.gate import NEVER, NL, WINDOWS, Situation, Wish, bolus_nl_per_s, judge, worst_window_nl
from thecal.core.outlook import Line, span_ms
from thecal.core.schedule import FAR_MS
from thecal.core.windows import RING_24H, RINGS

WAIT_MAX_MS = const(172_800_000)
TRIES_MAX = const(80)
PASSING = (m.BOLUS_RUNNING, m.LOCKOUT, m.BOLUS_COUNT, m.WINDOW_1H, m.WINDOW_4H, m.WINDOW_24H)


def _count_wait_ms(s: Situation) -> int:
    """Until the ring of the last 24 h holds fewer boluses than the limit; NEVER when the limit is 0."""
    limit = s.fields["boluses_per_24h"]
    if limit == 0:
        return NEVER
    length, count = RINGS[RING_24H]
    held = s.windows.boluses_24h()
    newest = s.windows.newest(RING_24H)
    index = newest - count
    wait = 0
    while held >= limit and index <= newest:
        held -= s.windows.bolus_counts[index % (count + 1)]
        wait = (index + count + 1) * length - s.now_ms
        index += 1
    return wait


def _next_leave_ms(s: Situation, ring: int, after_ms: int) -> int:
    """The first moment after `after_ms` at which a bucket with steps leaves ring `ring`, FAR_MS when none is left."""
    length, count = RINGS[ring]
    newest = s.windows.newest(ring)
    index = max(after_ms // length - count, newest - count)
    while index <= newest:
        leaves = (index + count + 1) * length
        if leaves > after_ms and s.windows.rings[ring][index % (count + 1)]:
            return leaves
        index += 1
    return FAR_MS


def wait_ms(s: Situation, wish: Wish) -> int:
    """Time in ms until `wish` (a BOLUS) would be granted; 0: now; NEVER: waiting does not help."""
    reasons = judge(s, wish).reasons
    if not reasons:
        return 0
    for reason, _value, _limit in reasons:
        if reason not in PASSING:
            return NEVER
    wait = s.running[1]
    if s.last_bolus_ms >= 0:
        wait = max(wait, s.last_bolus_ms + s.fields["bolus_lockout_ms"] - s.now_ms)
    counted = _count_wait_ms(s)
    if counted == NEVER:
        return NEVER
    wait = max(wait, counted, 1)
    spare = 2 * s.fields["chunk_nl"]
    line = Line(s.basal, s.now_ms, s.now_ms + WAIT_MAX_MS + wish.duration_ms + span_ms(RING_24H))
    for _try in range(TRIES_MAX):
        if wait > WAIT_MAX_MS:
            return NEVER
        begin = s.now_ms + wait
        flows = s.flows()
        flows.append((begin, begin + wish.duration_ms, wish.volume_nl))
        blocked = FAR_MS
        for ring, _reason, key in WINDOWS:
            if worst_window_nl(s, ring, s.basal, flows, begin, line) + spare > s.fields[key]:
                blocked = min(_next_leave_ms(s, ring, begin), s.basal.next_change_ms(begin))
                if blocked == FAR_MS:  # nothing of the past is left: it is the bolus before, or basal, that has to pass
                    blocked = (begin // RINGS[ring][0] + 1) * RINGS[ring][0]
                break
        if blocked == FAR_MS and bolus_nl_per_s(s, wish, begin) > s.max_steps_per_s * s.step_pl_per_million // NL:
            blocked = s.basal.next_change_ms(begin)
            if blocked == FAR_MS:
                return NEVER
        if blocked == FAR_MS:
            return wait
        wait = blocked - s.now_ms
    return NEVER
