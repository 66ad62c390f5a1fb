"""The waiting time that goes with a refusal. Invariant: asked again after it, with nothing else done, the wish is granted; no
time is told where none helps; and where the oracle finds ample room in every window, it is only as long as lockout and running
bolus need, and a quarter of the bolus at most.
"""

from collections import Counter

from oracle import DAY, NL, begun_within
from tolerance import BUCKETS, WINDOW_REASONS, with_slop
from world import World

from thecal.core import gate
from thecal.core import messages as m
from thecal.core.waiting import wait_ms

PASSING = {m.BOLUS_RUNNING, m.LOCKOUT, m.BOLUS_COUNT, *WINDOW_REASONS}
AMPLE_CHUNKS = 5  # a waiting time errs on the late side by this much accounting


def check_wait(world: World, volume: int, duration: int, reasons: set[int], calm: bool, tally: "Counter[str]") -> None:
    """AssertionError where the time told for a refused bolus is wrong. `calm`: no limit may hold anything back meanwhile."""
    wish = gate.Wish(gate.BOLUS, volume_nl=volume, duration_ms=duration)
    wait = wait_ms(world.situation(), wish)
    if reasons - PASSING or not world.plan.count:
        assert wait < 0, f"told to wait {wait} ms for what never comes: {reasons}"
        return
    tally["waits"] += 1
    need, counted = least_wait(world)
    later = world.twin()
    later.advance(need + 1)
    course = later.course(False, (volume, duration))
    room = all(with_slop(later, ring, course, AMPLE_CHUNKS)[0] <= world.plan.limits[ring] * NL for ring in range(3))
    if room and not counted and len(later.narrowed) == len(world.narrowed):
        tally["waits, ample room"] += 1
        most = need + 1 + duration // 4  # the core counts a bolus by whole quarters
        assert need <= wait <= most, f"told to wait {wait} ms, though {need} ms are enough"
    if m.LOCKOUT in reasons:
        just_before = world.twin()
        just_before.advance(world.begun_seen[-1] + world.plan.lockout - world.now - 1)
        still = {reason for reason, _value, _limit in gate.judge(just_before.situation(), wish).reasons}
        assert m.LOCKOUT in still, "no lockout any more, 1 ms before it ends"
    if wait < 0:
        tally["waits never"] += 1
        return
    assert wait >= max(need, 1), f"told to wait {wait} ms, though {need} ms are the least"
    later = world.twin()
    later.advance(wait)
    if len(later.narrowed) > len(world.narrowed):  # a limit holds a running bolus back: that takes as long as it takes
        assert not calm, f"held back although every grant was foreseen: {later.narrowed[-1]}"
        tally["waits narrowed"] += 1
        return
    verdict = gate.judge(later.situation(), wish)
    assert verdict.allowed == volume, f"told to wait {wait} ms, and then refused: {verdict.reasons}"


def least_wait(world: World) -> tuple[int, bool]:
    """Time until the running bolus, the lockout and the count let a bolus pass, and whether the core may still count one more."""
    plan = world.plan
    need = world.bolus[1] - world.bolus[2] if world.bolus[0] else 0
    if world.begun_seen:
        need = max(need, world.begun_seen[-1] + plan.lockout - world.now)
    if begun_within(DAY, world.now, world.begun_seen) >= plan.count:
        need = max(need, world.begun_seen[-plan.count] + DAY - world.now)
    return need, begun_within(DAY + BUCKETS[2], world.now, world.begun_seen) >= plan.count
