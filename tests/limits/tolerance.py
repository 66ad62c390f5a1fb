"""What the core may be unsure of, and no more: the oracle's view of a refusal. Invariant: a window is at most one bucket longer
(5, 15 or 60 min); SLOP_CHUNKS chunks of accounting and what is open come on top, and one step, because what was earned of a step
before a window counts in it; time is the board's own, and a step counts from when its chunk was settled.
"""

from oracle import MINUTE, NL, WINDOWS, Course, worst_window
from world import World

from thecal.core import messages as m

BUCKETS = (5 * MINUTE, 15 * MINUTE, 60 * MINUTE)
WINDOW_REASONS = (m.WINDOW_1H, m.WINDOW_4H, m.WINDOW_24H)
SLOP_CHUNKS = 2  # one counted from when it is intended, one until it is settled
ROUNDING_NL = 4
REASONS = {
    m.MAX_RATE: "MAX_RATE",
    m.MAX_BOLUS: "MAX_BOLUS",
    m.WINDOW_1H: "WINDOW_1H",
    m.WINDOW_4H: "WINDOW_4H",
    m.WINDOW_24H: "WINDOW_24H",
    m.LOCKOUT: "LOCKOUT",
    m.BOLUS_COUNT: "BOLUS_COUNT",
    m.BOLUS_RUNNING: "BOLUS_RUNNING",
    m.STEP_RATE: "STEP_RATE",
    m.BELOW_QUANTUM: "BELOW_QUANTUM",
    m.NOT_OFFERED: "NOT_OFFERED",
    m.DURATION: "DURATION",
}


def with_slop(world: World, ring: int, course: Course, slop: int = SLOP_CHUNKS) -> tuple[int, int]:
    """(units, end) of the fullest window as the core may see it, `slop` chunks included."""
    plan = world.plan
    extra = (slop * plan.chunk + ROUNDING_NL) * NL + (1 + world.ledger.unsettled) * plan.step
    enough = plan.limits[ring] * NL - extra
    units, end = worst_window(WINDOWS[ring] + BUCKETS[ring], course, world.seen, 0, enough, whole_steps=False)
    return units + extra, end
