"""Exact rational step accumulator: rates and a bolus in, whole microsteps out. Invariant: at every instant
|steps x step volume - integral of the programmed rate| < 1 step, strictly, for any sequence of changes, holds and
cancelled boluses.

Everything is counted in phase units. One microstep is D = 54 * step_pl_per_million units; one nL is 54e9 units; a
rate of r nL/day is 625 r units per ms (54e9 / 86,400,000 ms = 625), all exact. A bolus is rounded *up* to whole
units while it runs, so the phase is never behind the true integral and never a whole step ahead of it: that makes
the bound strict. Time is an argument.
"""

from thecal.core.compat import const

UNITS_PER_NL = 54_000_000_000
UNITS_PER_RATE_MS = const(625)
FAR_MS = 1 << 60


class Accumulator:
    """Phase of one pump. `phase` is the part of a step not yet given out, in units, 0 <= phase < step_units."""

    def __init__(self, step_pl_per_million: int) -> None:
        if step_pl_per_million <= 0:
            raise ValueError("step_pl_per_million")
        self.step_units = 54 * step_pl_per_million
        self.phase = 0
        self._rate_units = 0
        self._bolus_units = 0
        self._bolus_ms = 0
        self._bolus_elapsed_ms = 0
        self._bolus_given = 0

    def set_rate(self, rate_nl_per_day: int) -> None:
        """Basal rate from now on, nL/day >= 0."""
        if rate_nl_per_day < 0:
            raise ValueError("rate_nl_per_day")
        self._rate_units = UNITS_PER_RATE_MS * rate_nl_per_day

    def start_bolus(self, volume_nl: int, duration_ms: int) -> None:
        """Add `volume_nl` spread evenly over `duration_ms` (>= 1), beginning now. ValueError while another bolus runs."""
        if self._bolus_ms:
            raise ValueError("bolus_running")
        if volume_nl <= 0 or duration_ms <= 0:
            raise ValueError("bolus")
        self._bolus_units = volume_nl * UNITS_PER_NL
        self._bolus_ms = duration_ms
        self._bolus_elapsed_ms = 0
        self._bolus_given = 0

    def start_steps(self, steps: int, duration_ms: int) -> None:
        """As `start_bolus`, for exactly `steps` >= 1 whole steps (a set-up motion)."""
        if self._bolus_ms or steps <= 0 or duration_ms <= 0:
            raise ValueError("steps")
        self._bolus_units = steps * self.step_units
        self._bolus_ms = duration_ms
        self._bolus_elapsed_ms = 0
        self._bolus_given = 0

    def cancel_bolus(self) -> int:
        """End the running bolus now; returns what it still owed, in nL rounded up (0 when none runs)."""
        left = self._bolus_units - self._bolus_given
        self._bolus_units = self._bolus_ms = self._bolus_elapsed_ms = self._bolus_given = 0
        return -(-left // UNITS_PER_NL)

    def bolus_left_nl(self) -> int:
        """What the running bolus still owes, nL rounded up."""
        return -(-(self._bolus_units - self._bolus_given) // UNITS_PER_NL)

    def bolus_left_ms(self) -> int:
        """Time until the running bolus is complete, 0 when none runs."""
        return self._bolus_ms - self._bolus_elapsed_ms

    def reset_phase(self) -> None:
        """Forget the part of a step not yet given out (less than one step), as after a reset."""
        self.phase = 0

    def advance(self, dt_ms: int) -> int:
        """Let `dt_ms` >= 0 pass; returns the whole steps that became due in it."""
        gain = self._gain(dt_ms)
        if self._bolus_ms:
            self._bolus_elapsed_ms += dt_ms
            if self._bolus_elapsed_ms >= self._bolus_ms:
                self._bolus_units = self._bolus_ms = self._bolus_elapsed_ms = self._bolus_given = 0
            else:
                self._bolus_given += gain - self._rate_units * dt_ms
        phase = self.phase + gain
        steps = phase // self.step_units
        self.phase = phase - steps * self.step_units
        return steps

    def steps_in(self, dt_ms: int) -> int:
        """Whole steps that will have become due after `dt_ms`, changing nothing."""
        return (self.phase + self._gain(dt_ms)) // self.step_units

    def ms_to_step(self, n: int) -> int:
        """Least whole number of ms after which the n-th step from now (n >= 1) is due; FAR_MS when it never is."""
        need = n * self.step_units - self.phase
        rate = self._rate_units
        if not self._bolus_ms:
            return -(-need // rate) if rate else FAR_MS
        left_ms = self._bolus_ms - self._bolus_elapsed_ms
        whole = self._gain(left_ms)
        if need > whole:
            return left_ms + (-(-(need - whole) // rate)) if rate else FAR_MS
        # inside the bolus: estimate from the sum of both slopes, then walk the last ms (the ceilings cost at most one)
        at = need * self._bolus_ms // (rate * self._bolus_ms + self._bolus_units)
        while at > 0 and self._gain(at - 1) >= need:
            at -= 1
        while self._gain(at) < need:
            at += 1
        return at

    def us_to_step(self, n: int) -> int:
        """As `ms_to_step`, in microseconds: when inside the coming
        milliseconds the n-th step falls, for the lease's start and end."""
        need = n * self.step_units - self.phase
        rate = self._rate_units
        if self._bolus_ms:
            left_ms = self._bolus_ms - self._bolus_elapsed_ms
            whole = self._gain(left_ms)
            if need <= whole:
                owed = self._bolus_units - self._bolus_given
                return -(-need * 1000 * left_ms // (rate * left_ms + owed))
            return left_ms * 1000 - (-(need - whole) * 1000 // rate) if rate else FAR_MS
        return -(-need * 1000 // rate) if rate else FAR_MS

    def _gain(self, dt_ms: int) -> int:
        """Units that `dt_ms` adds to the phase."""
        gain = self._rate_units * dt_ms
        if self._bolus_ms:
            elapsed = self._bolus_elapsed_ms + dt_ms
            if elapsed >= self._bolus_ms:
                gain += self._bolus_units - self._bolus_given
            else:
                gain += -(-self._bolus_units * elapsed // self._bolus_ms) - self._bolus_given
        return gain
