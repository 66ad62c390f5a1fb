"""What the windows will hold: the past that still counts, the basal to come, the boluses promised and wished for.

Invariant: the answer is never less than what any window will truly hold, whatever the order of schedule changes, because every
part is counted for as long as its ring can count it (window and one bucket) and rounded up. Between two moments at which
something changes the sum runs straight, so only those moments are looked at.
"""

from thecal.core.basal import Basal
from thecal.core.schedule import DAY_MS
from thecal.core.windows import RINGS, Windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    Flow = tuple[int, int, int]  # from, to (board ms) and volume in nL, spread evenly between


class Line:
    """Basal from `now_ms` to `until_ms` as a broken line: `times[i]`, the nL/day x ms given out by then, and the rate from then
    on. Asked at rising times only, through a cursor of the caller's."""

    def __init__(self, basal: Basal, now_ms: int, until_ms: int) -> None:
        self.times = [now_ms]
        self.sums = [0]
        self.rates: "list[int]" = []
        t_ms = now_ms
        while t_ms < until_ms:
            rate = basal.rate_at(t_ms)
            end = min(basal.next_change_ms(t_ms), until_ms)
            self.rates.append(rate)
            self.times.append(end)
            self.sums.append(self.sums[-1] + rate * (end - t_ms))
            t_ms = end
        self.rates.append(0)

    def at(self, t_ms: int, cursor: int) -> "tuple[int, int]":
        """(units given out by `t_ms`, the cursor for the next, later question)."""
        times = self.times
        while cursor + 1 < len(times) and times[cursor + 1] <= t_ms:
            cursor += 1
        return self.sums[cursor] + self.rates[cursor] * (t_ms - times[cursor]), cursor


def span_ms(ring: int) -> int:
    """The longest that a step counts in `ring`: the window and one bucket."""
    length, count = RINGS[ring]
    return length * (count + 1)


def _flow_nl(flow: "Flow", tail_ms: int, end_ms: int) -> int:
    """What of `flow` lies between tail and end, nL rounded up."""
    first, last, volume_nl = flow
    low = max(first, tail_ms)
    high = min(last, end_ms)
    if high <= low:
        return volume_nl if first == last and tail_ms <= first <= end_ms else 0
    return -(-volume_nl * (high - low) // (last - first))


def moments(ring: int, windows: Windows, line: Line, flows: "list[Flow]", begin_ms: int, until_ms: int) -> "list[int]":
    """All window ends worth looking at, rising: where something begins or ends, is about to leave the window or has just left."""
    length, count = RINGS[ring]
    span = span_ms(ring)
    found = [begin_ms, until_ms]
    index = begin_ms // length - count
    newest = windows.newest(ring)
    while index <= newest:
        leaves = (index + count + 1) * length
        found.append(leaves - 1)
        found.append(leaves)
        index += 1
    for t_ms in line.times:
        found.append(t_ms)
        found.append(t_ms + span)
    for first, last, _volume in flows:
        found.append(first)
        found.append(last)
        found.append(first + span)
        found.append(last + span)
    found = [t_ms for t_ms in found if begin_ms <= t_ms <= until_ms]
    found.sort()
    return found


class Sweep:
    """What window `ring` holds at its end, asked at rising ends from `times_ms` = (now, begin) on; see `worst_window`."""

    def __init__(
        self,
        ring: int,
        windows: Windows,
        line: Line,
        flows: "list[Flow]",
        times_ms: "tuple[int, int]",
        gap: "tuple[int, int]",
        steps_pl: "tuple[int, int]",
    ) -> None:
        self._length, self._count = RINGS[ring]
        self._window_ms = self._length * self._count
        self._steps = windows.rings[ring]
        self._newest = windows.newest(ring)
        self._line = line
        self._flows = flows
        self._now_ms = times_ms[0]
        self._history_ms, self._gap_rate = gap
        self._extra_steps, self._step_pl = steps_pl
        self._oldest = max(times_ms[1] // self._length - self._count, self._newest - self._count)
        self._past = 0
        for index in range(self._oldest, self._newest + 1):
            self._past += self._steps[index % (self._count + 1)]
        self._head = self._tail = 0

    def total_nl(self, end_ms: int) -> int:
        """Volume in nL, rounded up, that the window ending at `end_ms` will hold."""
        first = end_ms // self._length - self._count
        while self._oldest < first and self._oldest <= self._newest:
            self._past -= self._steps[self._oldest % (self._count + 1)]
            self._oldest += 1
        tail_ms = max(self._now_ms, end_ms - self._window_ms - self._length)
        to_end, self._head = self._line.at(end_ms, self._head)
        to_tail, self._tail = self._line.at(tail_ms, self._tail)
        units = to_end - to_tail
        missing_ms = self._window_ms - (end_ms - self._now_ms) - self._history_ms
        if missing_ms > 0:
            units += self._gap_rate * missing_ms
        total = -(-units // DAY_MS) - (-(self._past + self._extra_steps) * self._step_pl // 1_000_000_000)
        for flow in self._flows:
            total += _flow_nl(flow, tail_ms, end_ms)
        return total


def worst_window(
    ring: int,
    windows: Windows,
    line: Line,
    flows: "list[Flow]",
    times_ms: "tuple[int, int, int]",
    gap: "tuple[int, int]",
    steps_pl: "tuple[int, int]",
) -> "tuple[int, int]":
    """(greatest volume in nL that a window of `ring` ending in [begin, until] will hold, that end in board ms).

    `times_ms` is (now, begin, until); `gap` is (history in ms that is known, rate in nL/day assumed where it is shorter);
    `steps_pl` is (steps counted beside the windows, step volume in pL per 1,000,000).
    """
    now_ms, begin_ms, until_ms = times_ms
    sweep = Sweep(ring, windows, line, flows, (now_ms, begin_ms), gap, steps_pl)
    worst = last = -1
    worst_ms = begin_ms
    for end_ms in moments(ring, windows, line, flows, begin_ms, until_ms):
        if end_ms != last:
            last = end_ms
            total = sweep.total_nl(end_ms)
            if total > worst:
                worst = total
                worst_ms = end_ms
    return worst, worst_ms
