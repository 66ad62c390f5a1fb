"""The pace of a dose: when the next lease begins, how many steps it has, when a chunk must be made durable, when to look again.

Invariant: decisions only, in whole numbers; time, positions and what may be written are arguments. The accumulator's bound (error
below one step) holds through rate changes, schedule steps, holds and boluses. The firmware's delivery service and the host's
forecast both move by this code, so a planned day is a delivered one.

`planned_ms` is the board time up to which the accumulator has been advanced: the end of the last lease, or the moment of the last
change. A lease never crosses a change of rate: one lease has one slope.
"""

from thecal.core.accumulator import Accumulator
from thecal.core.basal import MINIMUM, WHY_MINIMUM, WHY_NO_CLOCK, WHY_NORMAL, WHY_SCHEDULE, WHY_TEMP
from thecal.core.compat import const
from thecal.core.faults import A_LIMIT_NARROWED, A_RESERVOIR_EMPTY
from thecal.core.gate import chunk_room
from thecal.core.permit import LEASE_MAX_STEPS
from thecal.core.schedule import FAR_MS
from thecal.core.situation import NL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal.core.basal import Basal
    from thecal.core.situation import Situation

LOOKAHEAD_MS = const(1000)  # a lease reaches no further ahead of the clock
LEAD_MS = const(400)  # how long before its first step a lease is looked for
REST_MS = const(10_000)  # the longest sleep
SETUP_CHUNK_STEPS = const(1024)

# what `next_act` says
WAIT = const(0)  # nothing before `wake_ms`
LEASE = const(1)  # give out `steps` steps: `lease_us`, move, `taken`
CHUNK = const(2)  # make the next chunk durable, then ask again
AHEAD = const(3)  # as CHUNK, while a lease is in flight; whatever comes of it, look again at `wake_ms`
END = const(4)  # the bolus or motion is complete


class Pacer:
    """The pace of one pump. `step_pl` is in pL per 1,000,000 steps, `max_steps_per_s` what the motor can do."""

    def __init__(self, step_pl: int, max_steps_per_s: int, basal: "Basal") -> None:
        self.basal = basal
        self._step_pl = step_pl
        self._min_period_us = 1_000_000 // max_steps_per_s
        self._acc = Accumulator(step_pl)
        self._owed = 0  # steps that are due but not yet given out
        self._planned_ms = 0
        self._ahead_ms = 0  # time after `stop` whose steps the last lease had already taken
        self._rate_until_ms = FAR_MS
        self.rate_nl_per_day = -1  # what the accumulator has; -1: nothing yet
        self._bolus = False
        self._motion = False
        self._chunk_steps = 1
        self._lease_most = 1
        self.steps = 0  # of the lease that `next_act` decided on
        self._count = 0  # those of them that are not owed
        self._lease_end_ms = 0
        self._prefetch = False
        self.wake_ms = 0

    # --- rates -----------------------------------------------------------------------------------------------------------------
    def load(self, fields: "dict[str, Any]", basal: "Basal") -> None:
        """Another program. Its rate is not taken yet; the part of a step already earned is kept."""
        self.basal = basal
        self._chunk_steps = max(1, fields["chunk_nl"] * NL // self._step_pl)
        self.rate_nl_per_day = -1

    def take_rate(self, at_ms: int, why: int, now_ms: int) -> None:
        """From `at_ms` on the rate of that moment holds. `rate_taken` hears of it when it is another one."""
        rate = self.basal.rate_at(at_ms)
        self._rate_until_ms = self.basal.next_change_ms(at_ms)
        if rate != self.rate_nl_per_day:
            self.rate_nl_per_day = rate
            self._acc.set_rate(rate)
            self.rate_taken(now_ms, max(0, at_ms - now_ms), why)

    def rate_taken(self, now_ms: int, ahead_ms: int, why: int) -> None:
        """Hook: `rate_nl_per_day` holds from `ahead_ms` after `now_ms` on, because of `why` (WHY_* of core/basal.py)."""

    def change_rate_in_run(self, now_ms: int, why: int) -> None:
        """The rate of the moment may have changed under way: it holds from now, or from the end of the lease in flight."""
        self._sync(now_ms)
        self.take_rate(max(self._planned_ms, now_ms), why, now_ms)

    def next_change_ms(self) -> int:
        """Board time at which the rate may change next, FAR_MS: not."""
        return self._rate_until_ms

    def _why(self, at_ms: int) -> int:
        """What the rate from `at_ms` on comes from, after a boundary was passed."""
        basal = self.basal
        if basal.kind and at_ms >= basal.until_ms and basal.kind != MINIMUM:
            return WHY_NORMAL
        if basal.kind:
            return WHY_MINIMUM if basal.kind == MINIMUM else WHY_TEMP
        return WHY_SCHEDULE if basal.clock_known() else WHY_NO_CLOCK

    # --- begin and end ---------------------------------------------------------------------------------------------------------
    def begin(self, now_ms: int) -> None:
        """Delivery begins: time counts from now, or from where the last lease before ended."""
        self._planned_ms = now_ms + self._ahead_ms
        self._ahead_ms = 0
        self.take_rate(self._planned_ms, WHY_NORMAL, now_ms)

    def stop(self, now_ms: int) -> None:
        """Delivery ends: what was earned up to now is kept as phase; the lease in flight completes."""
        self._sync(now_ms)
        self._ahead_ms = max(0, self._planned_ms - now_ms)

    def add_bolus(self, now_ms: int, volume_nl: int, duration_ms: int) -> None:
        """A bolus beside basal, evenly from now on. ValueError while another runs."""
        self._sync(now_ms)
        self._acc.start_bolus(volume_nl, duration_ms)
        self._bolus = True

    def cancel_bolus(self) -> int:
        """No bolus any more, complete or not; returns what it still owed, nL rounded up."""
        self._bolus = False
        return self._acc.cancel_bolus()

    def add_motion(self, now_ms: int, steps: int, duration_ms: int, lease_most: int) -> None:
        """A set-up motion: exactly `steps` over `duration_ms` in leases of `lease_most` at most, no basal."""
        self._planned_ms = now_ms
        self._ahead_ms = self._owed = 0
        self._acc.set_rate(0)
        self._acc.start_steps(steps, duration_ms)
        self._rate_until_ms = FAR_MS
        self._motion = True
        self._lease_most = lease_most

    def end_motion(self) -> None:
        """The motion is over, complete or not; the accumulator is as it was, its rate is taken anew at the next start."""
        self._acc.cancel_bolus()
        self._owed = 0
        self.rate_nl_per_day = -1
        self._motion = False

    # --- what others ask -------------------------------------------------------------------------------------------------------
    def owed_steps(self) -> int:
        """Steps that are due but not yet given out."""
        return self._owed

    def bolus_left_nl(self) -> int:
        """What the running bolus still owes, nL."""
        return self._acc.bolus_left_nl() if self._bolus else 0

    def running_at(self, now_ms: int) -> "tuple[int, int]":
        """(volume, nL rounded up, time in ms) that the running bolus still has to go."""
        if not self._bolus:
            return 0, 0
        # its last lease is seen to have ended up to 2 ms after it
        left_ms = self._over_ms() - now_ms + 2
        return self._acc.bolus_left_nl() + 1, max(left_ms, 1)

    def _over_ms(self) -> int:
        """Board time at which the running bolus or motion is complete, FAR_MS when there is none."""
        if not self._bolus and not self._motion:
            return FAR_MS
        return self._planned_ms + self._acc.bolus_left_ms()

    # --- leases ----------------------------------------------------------------------------------------------------------------
    def next_act(self, now_ms: int, busy: bool, may_write: bool, room: int) -> int:
        """What to do now. `busy`: a lease is in flight; `may_write`: this turn has a durable write left; `room`: steps of durable
        intent not given out yet."""
        if busy:
            self.wake_ms = max(now_ms + 1, self._lease_end_ms)
            if not self._prefetch or not may_write:
                return WAIT
            self._prefetch = False
            return AHEAD
        acc = self._acc
        self.wake_ms = now_ms
        if (self._bolus or self._motion) and acc.bolus_left_ms() == 0 and not self._owed:
            return END if may_write else WAIT
        first_ms = self._next_slope(now_ms)
        base = self._planned_ms
        if base + first_ms > now_ms + LOOKAHEAD_MS:
            over_ms = self._watch_bolus_end(now_ms)
            self.wake_ms = min(base + first_ms - LEAD_MS, self._rate_until_ms - LEAD_MS, now_ms + REST_MS, over_ms)
            return WAIT
        if room <= 0:
            return CHUNK if may_write else WAIT
        span = max(first_ms, now_ms + LOOKAHEAD_MS - base)
        if base + span > self._rate_until_ms:
            span = max(first_ms, self._rate_until_ms - base)
        if acc.bolus_left_ms() and acc.bolus_left_ms() < span and first_ms <= acc.bolus_left_ms():
            span = acc.bolus_left_ms()  # one lease has one slope
        most = self._lease_most if self._motion else max(1, self._chunk_steps // 2)
        most = min(room, LEASE_MAX_STEPS, most, 1 + 1_000_000 // self._min_period_us)
        owed = min(self._owed, most)
        self._count = min(acc.steps_in(span), most - owed)
        self.steps = owed + self._count
        return LEASE

    def lease_us(self, now_ms: int, now_us: int) -> "tuple[int, int]":
        """Board time in us of the first and the last step of the lease decided on, never before `now_us`."""
        acc = self._acc
        base_us = self._planned_ms * 1000
        first_us = now_us if self._owed else base_us + acc.us_to_step(1)
        last_us = base_us + acc.us_to_step(self._count) if self._count else first_us
        if first_us < now_us:
            first_us = now_us
        last_us = max(last_us, first_us + (self.steps - 1) * self._min_period_us)
        self._lease_end_ms = now_ms + (last_us - now_us + 999) // 1000 + 1
        return first_us, last_us

    def taken(self, now_ms: int, room: int) -> int:
        """The lease is in flight and leaves `room` steps of durable intent; returns when to look again."""
        acc = self._acc
        count = self._count
        self._owed -= self.steps - count
        if count:
            ahead = acc.ms_to_step(count)
            self._owed += acc.advance(ahead) - count
            self._planned_ms += ahead
        if room < self.steps:
            self._prefetch = True
            return now_ms
        wake = min(self._planned_ms + acc.ms_to_step(1), self._rate_until_ms) - LEAD_MS
        return max(self._lease_end_ms, min(wake, now_ms + REST_MS, self._over_ms()))

    # --- chunks ----------------------------------------------------------------------------------------------------------------
    def next_chunk(self, settled: int, intent: int, motion_left: int) -> int:
        """Steps of the next chunk from step `settled` on, 0 where `intent` reaches as far already. `motion_left`: steps that the
        motion still has from there."""
        chunk = min(SETUP_CHUNK_STEPS, motion_left) if self._motion else self._chunk_steps
        return chunk if settled + chunk > intent else 0

    def hold_back(self, now_ms: int, situation: "Situation", new_steps: int) -> "tuple[int, int]":
        """(alarm, its value) for which `new_steps` of basal and bolus must not become intent now, (0, 0) when they may. Time
        without room is not caught up afterwards."""
        alarm, value = A_RESERVOIR_EMPTY, 0
        if situation.reservoir_left_nl:
            alarm = A_LIMIT_NARROWED
            reason, value, _limit = chunk_room(situation, new_steps)
            if not reason:
                return 0, 0
        self._planned_ms = max(self._planned_ms, now_ms)
        return alarm, value

    # --- time ------------------------------------------------------------------------------------------------------------------
    def _sync(self, now_ms: int) -> None:
        """Advance the accumulator to now, through every change of rate; steps that became due in between are owed."""
        while now_ms > self._planned_ms:
            end = min(now_ms, max(self._rate_until_ms, self._planned_ms))
            self._owed += self._acc.advance(end - self._planned_ms)
            self._planned_ms = end
            if end >= self._rate_until_ms:  # held back, time passed a change without the accumulator
                self.take_rate(end, self._why(end), now_ms)

    def _next_slope(self, now_ms: int) -> int:
        """Time in ms from `planned_ms` to the next step; on the way the accumulator passes every change of rate that comes first
        and is near enough."""
        acc = self._acc
        while True:
            first_ms = 0 if self._owed else acc.ms_to_step(1)
            until = self._rate_until_ms
            if until > now_ms + LOOKAHEAD_MS or (self._planned_ms + first_ms <= until and self._planned_ms < until):
                return first_ms
            self._owed += acc.advance(max(0, until - self._planned_ms))
            self._planned_ms = max(self._planned_ms, until)
            self.take_rate(self._planned_ms, self._why(self._planned_ms), now_ms)

    def _watch_bolus_end(self, now_ms: int) -> int:
        """Nothing is due soon, but a bolus must be seen to end on time even when its last step came before. Returns when that
        is."""
        if 0 < self._acc.bolus_left_ms() <= now_ms - self._planned_ms:
            self._sync(now_ms)
        return self._over_ms()
