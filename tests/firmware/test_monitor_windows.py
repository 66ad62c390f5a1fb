"""The monitor's own windows over more than two days: against adding up every edge again, and beside the board's windows filled to
the brim. The ring of 289 slots has gone round twice by then."""

import random
from collections.abc import Callable

import pytest
from monitor_fakes import DAY, HOUR, MINUTE, Pump, fields

from thecal.core.windows import RING_1H, RING_4H, RING_24H, Windows
from thecal.monitor import watch

SLOT = 5 * MINUTE
SPARE = 16 + 2  # what monitor_budgets adds at 48 uL/day
WIDE = 400_000_000


def pump(start_ms: int = 0, **limits: int) -> Pump:
    """Only windows judge: the envelope allows 10 mL by the hour of boluses."""
    wide = {"rate_nl_per_day": 48_000, "max_rate_nl_per_day": 48_000, "limit_1h_nl": WIDE, "limit_4h_nl": WIDE}
    made = Pump(fields(**{**wide, "max_bolus_nl": 10_000_000, "bolus_lockout_ms": 0, **limits}), start_ms)
    made.temp = (0, 1 << 60)
    made.ledger.update(grant_nl=1, last_bolus_ms=start_ms)
    return made


def brute(given_ms: list[tuple[int, int]], now: int, slots: int) -> int:
    """Edges in the slot of `now` and the `slots - 1` before it."""
    return sum(steps for at, steps in given_ms if at // SLOT > now // SLOT - slots)


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("seed", range(6))
def test_every_window_is_the_sum_of_its_slots_for_49_hours(seed: int) -> None:
    r = random.Random(seed)
    p = pump(start_ms=r.randrange(DAY))
    given_ms: list[tuple[int, int]] = []
    end = p.now + 49 * HOUR + r.randrange(HOUR)
    while p.now < end:
        p.now += (
            r.choice([1, 2_000, 60_000, SLOT, SLOT - 1, 17 * MINUTE, 3 * HOUR]) if r.random() < 0.9 else r.randrange(2 * HOUR)
        )
        p.poll()  # as the loop does before anything moves: edges belong to the slot in which they came
        steps = r.choice([0, 1, 5, 300])
        p.edges += steps
        given_ms.append((p.now, steps))
        p.poll()
        assert p.monitor._sums == [brute(given_ms, p.now, slots) for slots in (13, 49, 289)]
    assert p.monitor.tripped == 0 and sum(steps for _at, steps in given_ms) > 5_000


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize(("key", "slots"), [("limit_1h_nl", 13), ("limit_4h_nl", 49), ("limit_24h_nl", 289)])
@pytest.mark.parametrize("first", [0, 24 * HOUR, 48 * HOUR])
def test_a_window_trips_one_step_over_its_limit_and_not_before(key: str, slots: int, first: int) -> None:
    """The limit in the first slot, nothing till the window's last: one step there is too many; a slot later it is not."""
    for late in (False, True):
        p = pump(**{key: 1_000})
        while p.now < first:
            p.now += HOUR
            p.poll()
        p.poll()
        p.edges += 1_000 + SPARE
        p.poll()
        assert p.monitor.tripped == 0
        p.now += slots * SLOT - 1 + (1 if late else 0)
        p.poll()
        p.edges += 1
        p.poll()
        assert p.monitor.tripped == (0 if late else watch.TRIP_WINDOW)
        assert p.cut is not late


def test_a_ring_that_was_left_alone_for_days_is_empty() -> None:
    for gap in (288 * SLOT, 289 * SLOT, 290 * SLOT, 1_000 * SLOT):
        p = pump()
        p.poll()
        p.edges += 500
        p.poll()
        p.now += gap
        p.poll()
        left = 500 if gap < 289 * SLOT else 0
        assert p.monitor._sums == [0, 0, left]
        assert sum(p.monitor._slots) == left


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("turn_ms", [500, 2_000, 3_999])
@pytest.mark.parametrize("seed", range(4))
def test_a_pump_at_the_brim_of_the_boards_windows_trips_nothing(seed: int, turn_ms: int) -> None:
    """Delivery as fast as the board's windows (core/windows.py) let it, for two days: each chunk is intended when there is room
    for it, moves, and is settled late; the loop comes round every `turn_ms`, not on any grid."""
    limits = {RING_1H: 3_000, RING_4H: 5_000, RING_24H: 12_000}
    r = random.Random(seed)
    start = r.randrange(DAY)
    p = pump(start, limit_1h_nl=3_000, limit_4h_nl=5_000, limit_24h_nl=12_000)
    board = Windows()
    board.roll(start)
    open_steps = settled_at = 0
    while p.now < start + 49 * HOUR:
        p.now += turn_ms + r.randrange(turn_ms)
        p.poll()
        if open_steps and r.random() < 0.2:
            p.now = max(p.now, settled_at)
            p.poll()
        if open_steps and p.now >= settled_at:
            board.add(p.now, open_steps)
            open_steps = 0
        chunk = r.choice([50, 150, 400])
        room = all(board.still_in(ring, p.now, 0) + chunk <= limit for ring, limit in limits.items())
        if not open_steps and room:
            open_steps = chunk
            p.edges += chunk
            settled_at = p.now + r.choice([0, 100, 2_000, 20 * MINUTE])
        elif not room:
            p.now += r.choice([MINUTE, SLOT, 3 * SLOT])
    assert p.monitor.tripped == 0
    assert p.edges > 20_000


@pytest.mark.sr("SR-08")
def test_a_restart_keeps_the_windows(restarted: Callable[[Pump], Pump]) -> None:
    p = pump(limit_24h_nl=1_000)
    p.poll()
    p.edges += 900
    p.poll()
    again = restarted(p)
    again.now += MINUTE
    again.poll()
    again.edges += 100 + SPARE
    again.poll()
    assert again.monitor.tripped == 0
    again.edges += 1
    again.poll()
    assert again.monitor.tripped == watch.TRIP_WINDOW


@pytest.fixture
def restarted() -> Callable[[Pump], Pump]:
    """Another monitor over a ledger whose newest buckets hold what the first one counted."""

    def restart(p: Pump) -> Pump:
        again = pump(p.now, limit_24h_nl=1_000)
        again.ledger.update(t_ms=p.now, settled=p.edges, bucket_steps=p.edges)
        assert again.monitor.begin(p.now)
        again.ledger["intent"] = p.edges + 10_000
        return again

    return restart
