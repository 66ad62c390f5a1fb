"""One chain of reasons. Every wish (a program's rate, bolus, temporary rate, set-up motion) passes the same table of constraints;
each may only narrow it or refuse it and leaves its reason, the value it saw and its limit. Invariant: `allowed` never exceeds
what was asked, and nothing moves that did not pass.

A bolus or a temporary rate is granted whole or refused (SR-02), whoever asks. Windows are prospective: for every window end from
now to the end of the wish plus the window, what still counts of the past, what is already promised, the scheduled basal to come
and this wish must fit together (core/outlook.py). Where history is shorter than the window, full basal is assumed. Adding a
constraint is adding a row to CHAIN.
"""

from thecal.core import messages as m
from thecal.core.basal import TEMP, Basal
from thecal.core.outlook import Line, span_ms, worst_window
from thecal.core.schedule import DAY_MS
from thecal.core.situation import BASAL, BOLUS, MOTION, NEVER, NL, RATE, Situation, Verdict, Wish
from thecal.core.windows import RING_1H, RING_4H, RING_24H

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal.core.outlook import Flow

WINDOWS = (
    (RING_1H, m.WINDOW_1H, "limit_1h_nl"),
    (RING_4H, m.WINDOW_4H, "limit_4h_nl"),
    (RING_24H, m.WINDOW_24H, "limit_24h_nl"),
)


def worst_window_nl(s: Situation, ring: int, basal: Basal, flows: "list[Flow]", begin_ms: int, line: "Line | None" = None) -> int:
    """Greatest volume, nL, that any window of `ring` will hold that ends between `begin_ms` and the last of `flows` (and of an
    overlay on `basal`) plus the window; with two chunks more, because a chunk counts from when it is intended, and after it was
    delivered until it is settled."""
    last = begin_ms
    for flow in flows:
        last = max(last, flow[1])
    if basal is not s.basal and basal.kind == TEMP:  # the overlay is the wish itself
        last = max(last, basal.until_ms)
    until = last + span_ms(ring)
    if line is None:
        line = Line(basal, s.now_ms, until)
    worst, _when = worst_window(
        ring,
        s.windows,
        line,
        flows,
        (s.now_ms, begin_ms, until),
        (s.history_ms, basal.peak_nl_per_day()),
        (s.unsettled_steps + s.owed_steps, s.step_pl_per_million),
    )
    return worst + 2 * s.fields["chunk_nl"]


def _max_rate(s: Situation, w: Wish, v: Verdict) -> None:
    limit = s.fields["max_rate_nl_per_day"]
    if w.kind == RATE and w.rate_nl_per_day > limit:
        v.narrow(0, m.MAX_RATE, w.rate_nl_per_day, limit)
    elif w.kind == BASAL and s.basal.peak_nl_per_day() > limit:
        v.narrow(0, m.MAX_RATE, s.basal.peak_nl_per_day(), limit)


def _step_rate(s: Situation, w: Wish, v: Verdict) -> None:
    """In nL per s, rounded against the wish."""
    limit = s.max_steps_per_s * s.step_pl_per_million // NL
    if w.kind == MOTION:
        per_s = -(-s.steps_nl(w.steps) * 1000 // max(w.duration_ms, 1))
    elif w.kind == BOLUS:
        per_s = bolus_nl_per_s(s, w, s.now_ms)
    else:
        per_s = -(-(w.rate_nl_per_day if w.kind == RATE else s.basal.peak_nl_per_day()) // 86_400)
    if per_s > limit:
        v.narrow(0, m.STEP_RATE, per_s, limit)


def bolus_nl_per_s(s: Situation, w: Wish, begin_ms: int) -> int:
    """The most that a bolus begun at `begin_ms` and the highest basal rate it meets come to, nL per s rounded up."""
    t_ms = begin_ms
    most = 0
    while t_ms < begin_ms + w.duration_ms:
        most = max(most, s.basal.rate_at(t_ms))
        t_ms = s.basal.next_change_ms(t_ms)
    return -(-w.volume_nl * 1000 // max(w.duration_ms, 1)) - (-most // 86_400)


def _max_bolus(s: Situation, w: Wish, v: Verdict) -> None:
    limit = s.fields["max_bolus_nl"]
    if w.kind == BOLUS and w.volume_nl > limit:
        v.narrow(0, m.MAX_BOLUS, w.volume_nl, limit)


def _quantum(s: Situation, w: Wish, v: Verdict) -> None:
    if w.kind == BOLUS and w.volume_nl * NL < s.step_pl_per_million:
        v.narrow(0, m.BELOW_QUANTUM, w.volume_nl, s.steps_nl(1))


def _alarm(s: Situation, w: Wish, v: Verdict) -> None:
    if s.alarm and (w.kind == BOLUS or (w.kind == RATE and raises(s, w))):
        v.narrow(0, m.ALARM, s.alarm, 0)


def _running(s: Situation, w: Wish, v: Verdict) -> None:
    if w.kind == BOLUS and s.running[0] > 0:
        v.narrow(0, m.BOLUS_RUNNING, s.running[0], 0)


def _lockout(s: Situation, w: Wish, v: Verdict) -> None:
    if w.kind != BOLUS or s.last_bolus_ms < 0:
        return
    waited = s.now_ms - s.last_bolus_ms
    limit = s.fields["bolus_lockout_ms"]
    if waited < limit:
        v.narrow(0, m.LOCKOUT, waited, limit)


def _bolus_count(s: Situation, w: Wish, v: Verdict) -> None:
    limit = s.fields["boluses_per_24h"]
    if w.kind == BOLUS and s.windows.boluses_24h() >= limit:
        v.narrow(0, m.BOLUS_COUNT, s.windows.boluses_24h(), limit)


def _temp(s: Situation, w: Wish, v: Verdict) -> None:
    if w.kind == RATE and w.duration_ms > s.fields["max_temp_ms"]:
        v.narrow(0, m.DURATION if s.fields["max_temp_ms"] else m.NOT_OFFERED, w.duration_ms, s.fields["max_temp_ms"])


def _titration(s: Situation, w: Wish, v: Verdict) -> None:
    """The daily dose may rise by what the rules allow, counted from the dose before the newest raise while that is fresh. What a
    temporary rate adds to the schedule, whatever lies over it now, counts as if it were added to a day."""
    if s.current_nl_per_day < 0 or (w.kind != BASAL and w.kind != RATE):
        return
    daily = w.rate_nl_per_day
    if w.kind == RATE:
        extra = w.rate_nl_per_day * w.duration_ms - s.basal.plain().units(s.now_ms, s.now_ms + w.duration_ms)
        if extra <= 0:
            return
        daily = s.current_nl_per_day - (-extra // DAY_MS)
    reference, raised_ms = s.ref
    for per_mille, add_nl_per_day, window_ms in s.ref_rules:
        fresh = raised_ms >= 0 and s.now_ms - raised_ms < window_ms
        base = reference if fresh else s.current_nl_per_day
        limit = base + base * per_mille // 1000 + add_nl_per_day
        if window_ms and daily > limit and daily > s.current_nl_per_day:
            v.narrow(limit if w.kind == BASAL else 0, m.TITRATION, daily, limit)


def raises(s: Situation, w: Wish) -> bool:
    """Is the temporary rate above the schedule at any moment of its time?"""
    schedule = s.basal.plain()
    t_ms = s.now_ms
    while t_ms < s.now_ms + w.duration_ms:
        if w.rate_nl_per_day > schedule.rate_at(t_ms):
            return True
        t_ms = schedule.next_change_ms(t_ms)
    return False


def _window(ring: int, reason: int, key: str):
    def check(s: Situation, w: Wish, v: Verdict) -> None:
        basal = s.basal
        flows = s.flows()
        if w.kind == BOLUS or (w.kind == MOTION and not w.detached and not w.reverse):
            volume_nl = w.volume_nl if w.kind == BOLUS else s.steps_nl(w.steps)
            flows.append((s.now_ms, s.now_ms + w.duration_ms, volume_nl))
        elif w.kind == RATE:
            if not raises(s, w):
                return  # a lower rate is never refused for the sake of a limit
            basal = basal.twin()
            basal.lay(TEMP, w.rate_nl_per_day, s.now_ms + w.duration_ms)
        elif w.kind == MOTION or not s.infusing:
            return
        total = worst_window_nl(s, ring, basal, flows, s.now_ms)
        if total > s.fields[key]:
            v.narrow(0, reason, total, s.fields[key])

    return check


def _reservoir(s: Situation, w: Wish, v: Verdict) -> None:
    wanted = w.volume_nl if w.kind == BOLUS else s.steps_nl(w.steps) if w.kind == MOTION and not w.reverse else 0
    if wanted > s.reservoir_left_nl:
        v.narrow(0, m.RESERVOIR, wanted, s.reservoir_left_nl)


def _setup(s: Situation, w: Wish, v: Verdict) -> None:
    if w.kind != MOTION:
        return
    if w.motion == m.PURGE and not w.detached:
        v.narrow(0, m.NOT_DETACHED, 0, 0)
    if w.motion != m.HOME and s.steps_nl(w.steps) > s.max_setup_nl:
        v.narrow(0, m.SETUP_VOLUME, s.steps_nl(w.steps), s.max_setup_nl)
    if s.screw != NEVER and w.motion != m.HOME:
        after = s.screw - w.steps if w.reverse else s.screw + w.steps
        if after < 0:
            v.narrow(0, m.STROKE, w.steps, max(s.screw, 0))
        elif s.stroke_steps and after > s.stroke_steps:
            v.narrow(0, m.STROKE, w.steps, max(s.stroke_steps - s.screw, 0))


CHAIN = (
    _max_rate,
    _max_bolus,
    _temp,
    _setup,
    _quantum,
    _step_rate,
    _alarm,
    _running,
    _lockout,
    _bolus_count,
    _titration,
    _window(RING_1H, m.WINDOW_1H, "limit_1h_nl"),
    _window(RING_4H, m.WINDOW_4H, "limit_4h_nl"),
    _window(RING_24H, m.WINDOW_24H, "limit_24h_nl"),
    _reservoir,
)


def judge(situation: Situation, wish: Wish) -> Verdict:
    """Pass `wish` through the whole chain. Every constraint is asked, so that all reasons are known, not only the first."""
    asked = wish.steps if wish.kind == MOTION else wish.volume_nl if wish.kind == BOLUS else wish.rate_nl_per_day
    verdict = Verdict(asked)
    for constraint in CHAIN:
        constraint(situation, wish, verdict)
    return verdict


def chunk_room(s: Situation, chunk_steps: int) -> "tuple[int, int, int]":
    """The last check before intent becomes durable: would this chunk, delivered now, break a window? (reason, value, limit) or
    (0, 0, 0). An admitted program never meets it; when it does, the limit holds and basal waits (A_LIMIT_NARROWED)."""
    for ring, reason, key in WINDOWS:
        value = s.steps_nl(s.windows.still_in(ring, s.now_ms, 0) + s.unsettled_steps + chunk_steps)
        if value > s.fields[key]:
            return reason, value, s.fields[key]
    return m.NONE, 0, 0
