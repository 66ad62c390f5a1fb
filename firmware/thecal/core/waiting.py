"""How long until a refused bolus would be granted, if nothing else happens until then.

Invariant: asked again after the time told, with nothing else done meanwhile, the chain of reasons grants it. The answer errs on
the late side: four chunks of accounting instead of two, and a bolus counts by whole quarters. NEVER where waiting does not help,
or not within 26 h after lockout, count and running bolus.

Each ring is walked once: the ends at which it leaves no room for a quarter, a half, three quarters and the whole of the bolus are
kept as pieces of time, and the bolus is pushed behind each piece that it would meet in that quarter of its time.
"""

from thecal.core import messages as m
from thecal.core.compat import const
from thecal.core.gate import NEVER, NL, WINDOWS, Situation, Wish, bolus_nl_per_s, judge
from thecal.core.outlook import Line, Sweep, moments, span_ms
from thecal.core.windows import RING_24H, RINGS

WAIT_MAX_MS = const(93_600_000)  # 26 h beyond lockout, count and running bolus: what is now in a window has left by then
TRIES_MAX = const(24)
QUARTERS = const(4)
PASSING = (m.BOLUS_RUNNING, m.LOCKOUT, m.BOLUS_COUNT, m.WINDOW_1H, m.WINDOW_4H, m.WINDOW_24H)

TYPE_CHECKING = False
if TYPE_CHECKING:
    Piece = tuple[int, int]  # window ends from .. to (board ms) that leave no room


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


def _full(s: Situation, wish: Wish, ring: int, limit_nl: int, line: Line, begin_ms: int) -> "list[list[Piece]]":
    """For each quarter of the bolus: the pieces of time in which a window of `ring` that ends there has no room for it."""
    span = span_ms(ring)
    most = wish.volume_nl
    if wish.duration_ms > span:  # the most of it that one window can hold
        most = -(-most * span // wish.duration_ms)
    rooms: "list[int]" = []
    pieces: "list[list[Piece]]" = []
    for quarter in range(1, QUARTERS + 1):
        rooms.append(limit_nl - min(most, -(-wish.volume_nl * quarter // QUARTERS)) - 4 * s.fields["chunk_nl"])
        pieces.append([])
    flows = s.flows()
    gap = (s.history_ms, s.basal.peak_nl_per_day())
    sweep = Sweep(
        ring, s.windows, line, flows, (s.now_ms, begin_ms), gap, (s.unsettled_steps + s.owed_steps, s.step_pl_per_million)
    )
    until_ms = begin_ms + WAIT_MAX_MS + wish.duration_ms + span
    last = -1
    before = 0
    for end in moments(ring, s.windows, line, flows, begin_ms, until_ms):
        if end == last:
            continue
        total = sweep.total_nl(end)
        for at in range(QUARTERS):
            room = rooms[at]
            if last >= 0 and (before > room or total > room):
                first, until = last, end  # between two moments the sum runs straight; 2 nL for the rounding at either end
                if before <= room:
                    first = max(last, end - (total - room + 2) * (end - last) // (total - before) - 1)
                elif total <= room:
                    until = min(end, last + (before - room + 2) * (end - last) // (before - total) + 1)
                own = pieces[at]
                if own and own[-1][1] >= first:
                    own[-1] = (own[-1][0], until)
                else:
                    own.append((first, until))
        last = end
        before = total
    return pieces


def _push(full: "list[list[Piece]]", begin_ms: int, duration_ms: int, span: int) -> int:
    """The first moment from `begin_ms` on at which no quarter of the bolus meets a piece, seen by one ring."""
    for quarter in range(QUARTERS):
        ahead = duration_ms * quarter // QUARTERS
        reach = duration_ms + span if quarter == QUARTERS - 1 else duration_ms * (quarter + 1) // QUARTERS
        for first, last in full[quarter]:
            if first <= begin_ms + reach and last >= begin_ms + ahead:
                begin_ms = last + 1 - ahead
    return begin_ms


def wait_ms(s: Situation, wish: Wish) -> int:
    """Time in ms until `wish` (a BOLUS) would be granted; 0: now; NEVER: waiting does not help."""
    reasons = judge(s, wish).reasons
    if not reasons:
        return 0
    for reason, _value, _limit in reasons:
        if reason not in PASSING:
            return NEVER
    wait = max(s.running[1], _count_wait_ms(s), 1)
    if _count_wait_ms(s) == NEVER:
        return NEVER
    if s.last_bolus_ms >= 0:
        wait = max(wait, s.last_bolus_ms + s.fields["bolus_lockout_ms"] - s.now_ms)
    begin = s.now_ms + wait
    latest = begin + WAIT_MAX_MS
    line = Line(s.basal, s.now_ms, latest + wish.duration_ms + span_ms(RING_24H))
    full: "list[list[list[Piece]]]" = []
    for ring, _reason, key in WINDOWS:
        full.append(_full(s, wish, ring, s.fields[key], line, begin))
    fastest = s.max_steps_per_s * s.step_pl_per_million // NL
    for _try in range(TRIES_MAX):
        before = begin
        for ring, _reason, _key in WINDOWS:
            begin = _push(full[ring], begin, wish.duration_ms, span_ms(ring))
        if begin <= latest and bolus_nl_per_s(s, wish, begin) > fastest:
            begin = s.basal.next_change_ms(begin)
        if begin > latest:
            return NEVER
        if begin == before:
            return begin - s.now_ms
    return NEVER
