"""What must hold between core and oracle, wish by wish and at the end of a history. Invariant: every check names what it
compares; a failure is an AssertionError with the numbers. `tally` counts what happened, so that a test can tell that it was not
vacuous. Refusals are held against the oracle within tolerance.py, boluses counted over 25 h; waits.py has the waiting times.
"""

from collections import Counter
from dataclasses import replace

from histories import BOLUS, CLOCK, DURATIONS, HOLD, JUMPS, MINIMUM, NORMAL, OFF, PATIENT, PAUSES, RESET, TEMP, Event, History
from oracle import DAY, HOUR, MINUTE, NL, WINDOWS, Course, begun_within, fullest_past, step_rate, worst_window
from oracle import MINIMUM as MINIMUM_RATE
from oracle import TEMP as TEMP_RATE
from tolerance import BUCKETS, REASONS, SLOP_CHUNKS, WINDOW_REASONS, with_slop
from waits import check_wait
from world import World

from thecal.core import gate
from thecal.core import messages as m


class Trial:
    """One history played, with every check on its way."""

    def __init__(self, history: History, tally: "Counter[str]", world: "World | None" = None) -> None:
        self.history = history
        self.plan = history.plan
        self.tally = tally
        self.world = world or World(history)
        self.calm = True  # nothing came that no grant could foresee: no window may hold basal back

    def play(self) -> None:
        """All of it, then the truth."""
        self.tally["histories"] += 1
        self.world.advance(self.history.warm_ms)
        for event in self.history.events:
            self.world.advance(event.pause)
            self._do(event)
        self.world.advance(30 * MINUTE)
        self.truth()

    def _do(self, event: Event) -> None:
        world, plan = self.world, self.plan
        op = event.op
        if op == BOLUS:
            volume = plan.max_bolus * (event.a + 1) // 240  # a little more than allowed, at times
            duration = DURATIONS[event.b & 15] * MINUTE
            if event.b >= 232:  # as fast as the motor can, without the basal that comes beside it
                duration = min(DAY, max(1, -(-volume * NL * 1000 // (plan.max_steps_per_s * plan.step))))
            self.bolus(volume, duration, event.c)
        elif op == PATIENT and self.history.fields["patient_bolus_nl"]:
            self.bolus(self.history.fields["patient_bolus_nl"], self.history.fields["patient_bolus_ms"], event.c)
        elif op == TEMP:
            rate = max(1000, plan.max_rate * (event.a + 1) // 240) if event.a else 0
            self.temp(rate, min(3 * DAY, DURATIONS[event.b & 15] * MINUTE * (1 + (event.c & 3))))
        elif op == HOLD:
            world.hold(PAUSES[event.a & 15] * MINUTE)
        elif op == RESET:
            self.calm = False
            world.reset(OFF[event.a & 7], event.b * 20)
            self.tally["resets"] += 1
            if event.c & 1:
                self._clock(event.a)
        elif op == CLOCK:
            self._clock(event.a)
        elif op == NORMAL:
            self.calm = self.calm and world.now >= world.overlay[2]
            world.lay(0, 0, 0)
        elif op == MINIMUM:
            self.calm = False
            world.minimum()

    def _clock(self, number: int) -> None:
        """Set the clock: right after it was lost, or a jump."""
        world = self.world
        self.calm = self.calm and not self.plan.week
        if world.basal.wall_ms is None:
            world.set_clock(self.history.clock_ms + world.true if self.history.clock_ms > 0 else number * 41 * MINUTE + 10**12)
        else:
            world.set_clock(world.basal.wall_ms + world.now + JUMPS[number & 7])
        self.tally["clock set"] += 1

    # --- a bolus ---------------------------------------------------------------------------------------------------------------
    def bolus(self, volume: int, duration: int, dice: int) -> None:
        """A wish for a bolus, judged twice, and given when the core grants it."""
        if volume <= 0:
            return
        world = self.world
        self._rates_are_right()
        verdict = gate.judge(world.situation(), gate.Wish(gate.BOLUS, volume_nl=volume, duration_ms=duration))
        self.tally["wishes"] += 1
        assert verdict.allowed in (0, volume), "a bolus is granted whole or refused"
        if verdict.allowed == volume:
            assert not verdict.reasons, f"granted with reasons {verdict.reasons}"
            self.tally["granted"] += 1
            self._bolus_is_right(volume, duration)
            self._windows_hold("bolus", (volume, duration))
            world.begin_bolus(volume, duration)
            return
        assert verdict.reasons, "refused without a reason"
        self.tally["refused"] += 1
        for reason, value, limit in verdict.reasons:
            self.tally[REASONS.get(reason, str(reason))] += 1
            self._bolus_reason_is_right(reason, value, limit, volume, duration)
        if dice & 7 == 0:
            check_wait(world, volume, duration, {reason for reason, _value, _limit in verdict.reasons}, self.calm, self.tally)

    def _rates_are_right(self) -> None:
        """Core and oracle read the same week: now, and at and just before each change of the next day."""
        world = self.world
        course = world.course(False)
        for t in [world.now + 1, *course.changes(world.now + DAY)]:
            for at in (t - 1, t):
                assert world.basal.rate_at(at) == course.rate_at(at), f"the rate {at - world.now} ms from {world.now}"

    def _bolus_is_right(self, volume: int, duration: int) -> None:
        """Granted: every constraint but the windows, in truth."""
        world, plan = self.world, self.plan
        assert not world.bolus[0], "granted while another bolus runs"
        assert NL * volume >= plan.step, "granted below one step"
        assert volume <= plan.max_bolus, f"granted {volume} nL, max_bolus {plan.max_bolus} nL"
        if world.begun:
            waited = world.true - world.begun[-1]
            assert waited >= plan.lockout, f"granted after {waited} ms, lockout {plan.lockout} ms"
        number = begun_within(DAY, world.true, world.begun) + 1
        assert number <= plan.count, f"granted bolus {number} of 24 h, limit {plan.count}"
        speed, most = step_rate(world.course(True), volume, duration)
        assert speed <= most, f"granted {speed} of {most} step speed"

    def _windows_hold(self, what: str, *wishes: tuple[int, int], overlay: "tuple[int, int, int] | None" = None) -> None:
        """Granted: no window of true time will be above its limit, step for step, wherever it ends; nor would it be if all that
        was ever intended had been delivered (SR-05), in the board's time."""
        course = self.world.course(True, *wishes, overlay=overlay)
        for span, limit in zip(WINDOWS, self.plan.limits, strict=True):
            units, end = worst_window(span, course, self.world.moved, 0, limit * NL)
            assert units <= limit * NL, (
                f"granted {what} at {course.now}: the window of {span} ms that ends {end - course.now} ms later holds "
                f"{units // NL} nL, limit {limit} nL"
            )
        if self.calm:
            return
        course = self.world.course(False, *wishes, overlay=overlay)
        past = self.world.seen + [self.world.now] * self.world.ledger.unsettled
        for span, limit in zip(WINDOWS, self.plan.limits, strict=True):
            units, end = worst_window(span, course, past, 0, limit * NL, whole_steps=False)
            assert units <= limit * NL, (
                f"granted {what}: with all that was intended, a window of {span} ms holds {units // NL} nL, limit {limit} nL"
            )

    def _bolus_reason_is_right(self, reason: int, value: int, limit: int, volume: int, duration: int) -> None:
        """Refused: the oracle refuses for the same reason, and value and limit say so."""
        world, plan = self.world, self.plan
        told = f"{REASONS.get(reason, reason)} value {value} limit {limit}"
        if reason in WINDOW_REASONS:
            self._window_reason_is_right(reason, value, limit, world.course(False, (volume, duration)))
        elif reason == m.LOCKOUT:
            waited = world.now - world.begun_seen[-1]
            assert (value, limit) == (waited, plan.lockout), f"{told}; waited {waited} of {plan.lockout} ms"
            assert waited < plan.lockout, told
        elif reason == m.BOLUS_COUNT:
            number = begun_within(DAY + BUCKETS[2], world.now, world.begun_seen)
            assert number >= plan.count, f"{told}; there were {number}"
            assert value >= limit == plan.count, told  # boluses begun, which may not become one more
        elif reason == m.MAX_BOLUS:
            assert value == volume > limit == plan.max_bolus, told
        elif reason == m.BELOW_QUANTUM:
            assert volume * NL < plan.step, told
        elif reason == m.BOLUS_RUNNING:
            assert world.bolus[0], told
        elif reason == m.STEP_RATE:
            speed, most = step_rate(world.course(False), volume, duration)
            assert speed + 2 * NL * duration > most, told
            assert value > limit, told
        else:
            raise AssertionError(f"a bolus refused for {told}")

    def _window_reason_is_right(self, reason: int, value: int, limit: int, course: Course) -> None:
        ring = WINDOW_REASONS.index(reason)
        units, end = with_slop(self.world, ring, course)
        told = f"{REASONS[reason]} value {value} limit {limit}"
        assert limit == self.plan.limits[ring] < value, told
        assert units > limit * NL, f"{told}; the oracle finds at most {units // NL} nL, {end - course.now} ms from now"
        if self.plan.week and course.wall is not None and not course.overlay[0]:
            level = replace(self.plan, rate=course.rate_at(course.now), week=())  # as if the rate of now went on for ever
            if with_slop(self.world, ring, replace(course, plan=level))[0] <= limit * NL:
                self.tally["refused for a rise to come"] += 1

    # --- a temporary rate ----------------------------------------------------------------------------------------------------
    def temp(self, rate: int, duration: int) -> None:
        """A wish for a temporary rate, judged twice."""
        world, plan = self.world, self.plan
        verdict = gate.judge(world.situation(), gate.Wish(gate.RATE, rate_nl_per_day=rate, duration_ms=duration))
        self.tally["temp wishes"] += 1
        over = (TEMP_RATE, rate, world.now + duration)
        here = world.course(False)
        raises = rate > min(here.plan.rate_at(None if here.wall is None else t + here.wall) for t in self._corners(over))
        if not verdict.reasons:
            self.tally["temp granted"] += 1
            assert rate <= plan.max_rate, f"granted {rate} nL/day, max_rate {plan.max_rate}"
            assert duration <= plan.max_temp, f"granted {duration} ms, max_temp {plan.max_temp}"
            if raises:
                self._windows_hold(f"temp of {rate} nL/day", overlay=over)
                self.tally["temp raised"] += 1
                self.tally["temp raised over minimum"] += world.overlay[0] == MINIMUM_RATE
            elif world.overlay[0] == MINIMUM_RATE or world.overlay[2] > world.now:
                self.calm = False  # the schedule comes back, in part or sooner, where a grant had counted on less
            world.lay(TEMP_RATE, rate, world.now + duration)
            return
        for reason, value, limit in verdict.reasons:
            told = f"temp {REASONS.get(reason, reason)} value {value} limit {limit}"
            self.tally["temp " + REASONS.get(reason, str(reason))] += 1
            if reason in WINDOW_REASONS:
                self._window_reason_is_right(reason, value, limit, world.course(False, overlay=over))
            elif reason == m.MAX_RATE:
                assert value == rate > limit == plan.max_rate, told
            elif reason in (m.NOT_OFFERED, m.DURATION):
                assert duration > plan.max_temp, told
            else:
                raise AssertionError(told)

    def _corners(self, over: tuple[int, int, int]) -> list[int]:
        """Times at which the scheduled rate may change while an overlay lasts, its begin included."""
        course = self.world.course(False, overlay=over)
        return [course.now, *course.changes(over[2])]

    # --- the end ---------------------------------------------------------------------------------------------------------------
    def truth(self) -> None:
        """No window of true time held more than its limit, whatever happened; where nothing unforeseen came, no basal was held
        back, and where it was, a window was really near its limit."""
        world, plan = self.world, self.plan
        for span, limit in zip(WINDOWS, plan.limits, strict=True):
            units = fullest_past(span, world.moved) * plan.step
            assert units <= limit * NL, f"the truth: {units // NL} nL in {span} ms, limit {limit} nL"
        self.tally["steps"] += len(world.moved)
        if world.narrowed:
            self.tally["narrowed"] += 1
            assert not self.calm, f"basal held back although every grant was foreseen: {world.narrowed[0]}"
        for when, new_steps, reason, value, limit in world.narrowed[:3]:
            ring = WINDOW_REASONS.index(reason)
            span = WINDOWS[ring] + BUCKETS[ring]
            counted = sum(1 for t in world.seen if when - span - HOUR < t <= when)
            assert value > limit == plan.limits[ring], f"held back {value} of {limit}"
            room = (counted + new_steps + SLOP_CHUNKS * world.chunk) * plan.step
            assert room > limit * NL, f"held back with {counted} steps in the window, {new_steps} new, limit {limit} nL"


def play(history: History, tally: "Counter[str]") -> None:
    """Play one history with all checks; AssertionError where core and oracle do not agree."""
    Trial(history, tally).play()
