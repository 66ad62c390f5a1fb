"""One chain of reasons. Every wish (basal rate, bolus) passes the same table of constraints; each may only narrow
it or refuse it and leaves its reason, the value it saw and its limit. Invariant: `allowed` never exceeds what was
asked, and nothing moves that did not pass.

A bolus is granted whole or refused (SR-02); a basal rate may be narrowed. Adding a constraint is adding a row to
CHAIN. Windows are prospective: for every window end from now to the end of the bolus plus the window, what still
counts of the past, what is already promised, the basal to come and this bolus must fit together. Where history is
shorter than the window, full basal is assumed.
"""

from thecal.core import messages as m
from thecal.core.compat import const
from thecal.core.windows import RING_1H, RING_4H, RING_24H, RINGS, Windows

DAY_MS = const(86_400_000)
BASAL = const(1)
BOLUS = const(2)


class Wish:
    """What somebody wants: a basal rate in nL/day, or a bolus of `volume_nl` over `duration_ms`."""

    __slots__ = ("duration_ms", "kind", "rate_nl_per_day", "volume_nl")

    def __init__(self, kind: int, rate_nl_per_day: int = 0, volume_nl: int = 0, duration_ms: int = 0) -> None:
        self.kind = kind
        self.rate_nl_per_day = rate_nl_per_day
        self.volume_nl = volume_nl
        self.duration_ms = duration_ms


class Verdict:
    """What was asked and allowed (nL for a bolus, nL/day for basal) and every (reason, value, limit) that narrowed it."""

    __slots__ = ("allowed", "asked", "reasons")

    def __init__(self, asked: int) -> None:
        self.asked = asked
        self.allowed = asked
        self.reasons: "list[tuple[int, int, int]]" = []

    def narrow(self, allowed: int, reason: int, value: int, limit: int) -> None:
        """Lower `allowed` and leave the reason. A higher value than before changes nothing but is still on record."""
        if allowed < self.allowed:
            self.allowed = max(allowed, 0)
        self.reasons.append((reason, value, limit))

    def first(self) -> "tuple[int, int, int]":
        """The first (reason, value, limit), or (0, 0, 0)."""
        return self.reasons[0] if self.reasons else (m.NONE, 0, 0)


class Situation:
    """What the chain looks at: the active program's fields, the windows, promises and the machine. Volumes in nL, times in ms."""

    def __init__(
        self,
        fields: "dict[str, int]",
        windows: Windows,
        now_ms: int,
        history_ms: int,
        basal_nl_per_day: int,
        unsettled_steps: int,
        promised_nl: int,
        step_pl_per_million: int,
        max_steps_per_s: int,
        reservoir_left_nl: int,
        last_bolus_ms: int,
    ) -> None:
        self.fields = fields
        self.windows = windows
        self.now_ms = now_ms
        self.history_ms = history_ms
        self.basal_nl_per_day = basal_nl_per_day
        self.unsettled_steps = unsettled_steps
        self.promised_nl = promised_nl
        self.step_pl_per_million = step_pl_per_million
        self.max_steps_per_s = max_steps_per_s
        self.reservoir_left_nl = reservoir_left_nl
        self.last_bolus_ms = last_bolus_ms  # begin of the newest bolus, -1: never

    def steps_nl(self, steps: int) -> int:
        """Volume of `steps`, nL rounded up."""
        return -(-steps * self.step_pl_per_million // 1_000_000_000)

    def basal_nl(self, span_ms: int) -> int:
        """Basal over `span_ms`, nL rounded up."""
        return -(-self.basal_nl_per_day * span_ms // DAY_MS)


def worst_window_nl(s: Situation, ring: int, bolus_ms: int) -> int:
    """Greatest volume, nL, that any window of `ring` ending in
    [now, now + bolus_ms + window + bucket] will hold before the new bolus.

    The past falls in steps at bucket ends and the future grows with time, so the worst ends are just before a bucket leaves.
    """
    length, count = RINGS[ring]
    window_ms = length * count
    until = s.now_ms + bolus_ms + window_ms + length
    end = s.now_ms
    worst = 0
    while True:
        ahead = end - s.now_ms
        past = s.windows.still_in(ring, s.now_ms, ahead) + s.unsettled_steps
        future_ms = min(ahead, window_ms + length)
        missing_ms = max(0, window_ms - ahead - s.history_ms)
        total = s.steps_nl(past) + s.promised_nl + s.basal_nl(future_ms + missing_ms)
        if total > worst:
            worst = total
        if end >= until:
            return worst
        end = min((end // length + 1) * length - 1 if (end + 1) % length else end + length, until)


def _max_rate(s: Situation, w: Wish, v: Verdict) -> None:
    limit = s.fields["max_rate_nl_per_day"]
    if w.kind == BASAL and w.rate_nl_per_day > limit:
        v.narrow(limit, m.MAX_RATE, w.rate_nl_per_day, limit)


def _step_rate(s: Situation, w: Wish, v: Verdict) -> None:
    limit = s.max_steps_per_s * s.step_pl_per_million // 1_000_000_000  # nL per s
    basal = w.rate_nl_per_day if w.kind == BASAL else s.basal_nl_per_day
    per_s = -(-basal // 86_400)
    if w.kind == BOLUS:
        per_s += -(-w.volume_nl * 1000 // max(w.duration_ms, 1))
    if per_s > limit:
        v.narrow(0 if w.kind == BOLUS else limit * 86_400, m.STEP_RATE, per_s, limit)


def _max_bolus(s: Situation, w: Wish, v: Verdict) -> None:
    limit = s.fields["max_bolus_nl"]
    if w.kind == BOLUS and w.volume_nl > limit:
        v.narrow(0, m.MAX_BOLUS, w.volume_nl, limit)


def _quantum(s: Situation, w: Wish, v: Verdict) -> None:
    if w.kind == BOLUS and w.volume_nl * 1_000_000_000 < s.step_pl_per_million:
        v.narrow(0, m.BELOW_QUANTUM, w.volume_nl, s.steps_nl(1))


def _running(s: Situation, w: Wish, v: Verdict) -> None:
    if w.kind == BOLUS and s.promised_nl > 0:
        v.narrow(0, m.BOLUS_RUNNING, s.promised_nl, 0)


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


def _window(ring: int, reason: int, key: str):
    def check(s: Situation, w: Wish, v: Verdict) -> None:
        if w.kind == BOLUS:
            total = worst_window_nl(s, ring, w.duration_ms) + w.volume_nl
            limit = s.fields[key]
            if total > limit:
                v.narrow(0, reason, total, limit)

    return check


def _reservoir(s: Situation, w: Wish, v: Verdict) -> None:
    if w.kind == BOLUS and w.volume_nl > s.reservoir_left_nl:
        v.narrow(0, m.RESERVOIR, w.volume_nl, s.reservoir_left_nl)


CHAIN = (
    _max_rate,
    _max_bolus,
    _quantum,
    _step_rate,
    _running,
    _lockout,
    _bolus_count,
    _window(RING_1H, m.WINDOW_1H, "limit_1h_nl"),
    _window(RING_4H, m.WINDOW_4H, "limit_4h_nl"),
    _window(RING_24H, m.WINDOW_24H, "limit_24h_nl"),
    _reservoir,
)


def judge(situation: Situation, wish: Wish) -> Verdict:
    """Pass `wish` through the whole chain. Every constraint is asked, so that all reasons are known, not only the first."""
    verdict = Verdict(wish.rate_nl_per_day if wish.kind == BASAL else wish.volume_nl)
    for constraint in CHAIN:
        constraint(situation, wish, verdict)
    return verdict


def chunk_room(s: Situation, chunk_steps: int) -> "tuple[int, int, int]":
    """The last check before intent becomes durable: would this chunk, delivered now, break a window? (reason, value, limit) or
    (0, 0, 0). An admitted program never meets it; when it does, the limit holds and basal waits (A_LIMIT_NARROWED)."""
    for ring, reason, key in (
        (RING_1H, m.WINDOW_1H, "limit_1h_nl"),
        (RING_4H, m.WINDOW_4H, "limit_4h_nl"),
        (RING_24H, m.WINDOW_24H, "limit_24h_nl"),
    ):
        value = s.steps_nl(s.windows.still_in(ring, s.now_ms, 0) + s.unsettled_steps + chunk_steps)
        if value > s.fields[key]:
            return reason, value, s.fields[key]
    return m.NONE, 0, 0
