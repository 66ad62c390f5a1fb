"""What the chain of reasons works with: a wish, the situation it is judged in, and the verdict.

Invariant: plain data. A verdict only ever gets lower, and keeps every reason that lowered it.
"""

from thecal.core import messages as m
from thecal.core.basal import Basal
from thecal.core.compat import const
from thecal.core.windows import Windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal.core.outlook import Flow

BASAL = const(1)
BOLUS = const(2)
RATE = const(3)
MOTION = const(4)
NL = 1_000_000_000  # pL per 1,000,000 steps in a nL
NEVER = -1


class Wish:
    """What somebody wants: BASAL, the daily dose of a program (`rate_nl_per_day`); BOLUS, `volume_nl` over `duration_ms`; RATE, a
    temporary `rate_nl_per_day` for `duration_ms`; MOTION, `steps` over `duration_ms` with `reverse` and `detached`."""

    __slots__ = ("detached", "duration_ms", "kind", "motion", "rate_nl_per_day", "reverse", "steps", "volume_nl")

    def __init__(self, kind: int, rate_nl_per_day: int = 0, volume_nl: int = 0, duration_ms: int = 0) -> None:
        self.kind = kind
        self.rate_nl_per_day = rate_nl_per_day
        self.volume_nl = volume_nl
        self.duration_ms = duration_ms
        self.motion = 0
        self.steps = 0
        self.reverse = False
        self.detached = False


class Verdict:
    """What was asked and allowed (nL for a bolus, nL/day for a rate, steps for a motion) and every (reason, value, limit) that
    narrowed it."""

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
    """What the chain looks at. `fields`: the program the wish is judged by. Volumes in nL, times in board ms.

    The rest is set by the caller where it matters: `running` (volume left in nL, time left in ms) of the bolus under way and
    `owed_steps` that are due but not yet permitted; `alarm` (highest active alarm that forbids boluses); `infusing`;
    `current_nl_per_day` (daily dose in force, NEVER: none), `ref` (daily dose before the newest raise, when that was) and
    `ref_rules`, the titration rules that hold (per mille, nL/day, window ms); `screw` (steps forward of home, NEVER: not homed),
    `stroke_steps` (0: unknown), `max_setup_nl`.
    """

    def __init__(
        self,
        fields: "dict[str, Any]",
        windows: Windows,
        now_ms: int,
        history_ms: int,
        basal: Basal,
        unsettled_steps: int,
        step_pl_per_million: int,
        max_steps_per_s: int,
        reservoir_left_nl: int,
        last_bolus_ms: int,
    ) -> None:
        self.fields = fields
        self.windows = windows
        self.now_ms = now_ms
        self.history_ms = history_ms
        self.basal = basal
        self.unsettled_steps = unsettled_steps
        self.step_pl_per_million = step_pl_per_million
        self.max_steps_per_s = max_steps_per_s
        self.reservoir_left_nl = reservoir_left_nl
        self.last_bolus_ms = last_bolus_ms  # begin of the newest bolus, NEVER: there was none
        self.running: "tuple[int, int]" = (0, 0)
        self.owed_steps = 0
        self.alarm = 0
        self.infusing = False
        self.current_nl_per_day = NEVER
        self.ref: "tuple[int, int]" = (0, NEVER)
        self.ref_rules: "tuple[tuple[int, int, int], ...]" = ()
        self.screw = NEVER
        self.stroke_steps = 0
        self.max_setup_nl = 0

    def steps_nl(self, steps: int) -> int:
        """Volume of `steps`, nL rounded up."""
        return -(-steps * self.step_pl_per_million // NL)

    def flows(self) -> "list[Flow]":
        """The rest of the running bolus."""
        left_nl, left_ms = self.running
        return [(self.now_ms, self.now_ms + left_ms, left_nl)] if left_nl else []
