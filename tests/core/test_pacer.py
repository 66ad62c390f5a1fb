"""When and how much: each decision of the pacer by hand, with a step of 1 nL. Whole runs are in test_pacer_runs.py."""

from typing import Any

import pytest
from weeks import Pattern, fields_of

from thecal.core import basal, faults, pacer
from thecal.core.basal import Basal
from thecal.core.pacer import AHEAD, CHUNK, END, LEASE, WAIT, Pacer
from thecal.core.permit import LEASE_MAX_STEPS
from thecal.core.schedule import FAR_MS
from thecal.core.situation import NEVER, Situation
from thecal.core.windows import Windows

DAY_MS = 86_400_000
NL_STEP = 1_000_000_000  # pL per 1,000,000 steps: 1 nL a step
PER_S = 86_400  # nL/day: 1 nL a second
PLENTY = 10_000


class Watched(Pacer):
    """A pacer that notes (when it holds, or was seen to hold, rate, why)."""

    def __init__(self, fields: dict[str, Any], step_pl: int = NL_STEP, max_steps_per_s: int = 1_000_000) -> None:
        super().__init__(step_pl, max_steps_per_s, Basal(fields))
        self.heard: list[tuple[int, int, int]] = []
        self.load(fields, self.basal)

    def rate_taken(self, now_ms: int, ahead_ms: int, why: int) -> None:
        self.heard.append((now_ms + ahead_ms, self.rate_nl_per_day, why))


def fields(rate_nl_per_day: int, chunk_nl: int = 2_000, **more: Any) -> dict[str, Any]:
    return {"rate_nl_per_day": rate_nl_per_day, "week": b"", "utc_offset_biased_min": 1440, "chunk_nl": chunk_nl, **more}


def at_rate(rate_nl_per_day: int, chunk_nl: int = 2_000, max_steps_per_s: int = 1_000_000) -> Watched:
    """Infusing since 0."""
    p = Watched(fields(rate_nl_per_day, chunk_nl), max_steps_per_s=max_steps_per_s)
    p.begin(0)
    return p


def scheduled(day: Pattern, begin_ms: int) -> Watched:
    """Infusing since `begin_ms` after midnight; every day is `day`."""
    p = Watched({**fields_of([day], [1] * 7), "chunk_nl": 2_000})
    p.basal.wall_ms = 0
    p.begin(begin_ms)
    return p


def lease(p: Pacer, now_ms: int, room: int = PLENTY) -> tuple[int, int, int, int]:
    """(steps, first us, last us, when to look again) of the lease that begins now."""
    assert p.next_act(now_ms, False, True, room) == LEASE
    first_us, last_us = p.lease_us(now_ms, now_ms * 1000)
    return p.steps, first_us, last_us, p.taken(now_ms, room - p.steps)


# --- leases ------------------------------------------------------------------------------------------------------------------
def test_a_slow_step_is_waited_for_and_given_out_just_before_its_time() -> None:
    p = at_rate(PER_S // 8)  # one step in 8 s
    assert (p.next_act(0, False, True, PLENTY), p.wake_ms) == (WAIT, 8_000 - pacer.LEAD_MS)
    assert (p.next_act(6_999, False, True, PLENTY), p.wake_ms) == (WAIT, 7_600)
    assert lease(p, 7_600) == (1, 8_000_000, 8_000_000, 15_600)
    assert (p.next_act(7_700, True, True, PLENTY), p.wake_ms) == (WAIT, 8_001)  # the lease in flight has ended by then
    assert (p.next_act(8_001, True, True, PLENTY), p.wake_ms) == (WAIT, 8_002)


def test_nothing_is_slept_on_longer_than_a_rest() -> None:
    p = at_rate(1_000)  # one step in 86.4 s
    assert (p.next_act(0, False, True, PLENTY), p.wake_ms) == (WAIT, pacer.REST_MS)
    assert lease(p, 86_000) == (1, 86_400_000, 86_400_000, 96_000)


def test_a_rate_of_nothing_rests() -> None:
    p = at_rate(0)
    assert (p.next_act(5, False, True, PLENTY), p.wake_ms) == (WAIT, 5 + pacer.REST_MS)


def test_a_fast_lease_is_a_second_of_steps_evenly_spaced() -> None:
    p = at_rate(10 * PER_S)
    assert lease(p, 0) == (10, 100_000, 1_000_000, 1_001)
    assert lease(p, 1_001) == (10, 1_100_000, 2_000_000, 2_001)


def test_late_leases_begin_now_and_keep_the_count() -> None:
    p = at_rate(10 * PER_S)
    assert lease(p, 5_050)[:3] == (60, 5_050_000, 6_000_000)


@pytest.mark.parametrize(
    ("rate", "chunk_nl", "room", "steps"),
    [(10, 2_000, 4, 4), (10, 6, PLENTY, 3), (10, 1, PLENTY, 1), (1_000, 2_000, PLENTY, LEASE_MAX_STEPS)],
    ids=["durable intent", "half a chunk", "smallest chunk", "a permit"],
)
def test_what_bounds_a_lease(rate: int, chunk_nl: int, room: int, steps: int) -> None:
    p = at_rate(rate * PER_S, chunk_nl)
    assert lease(p, 0, room)[0] == steps


def test_the_motor_s_speed_bounds_a_lease_and_spaces_it() -> None:
    p = at_rate(10 * PER_S, max_steps_per_s=4)
    assert lease(p, 0)[:3] == (5, 100_000, 100_000 + 4 * 250_000)


# --- chunks ------------------------------------------------------------------------------------------------------------------
def test_without_durable_intent_a_chunk_comes_first_when_it_may_be_written() -> None:
    p = at_rate(10 * PER_S)
    assert p.next_act(0, False, True, 0) == CHUNK
    assert (p.next_act(7, False, False, 0), p.wake_ms) == (WAIT, 7)


def test_the_next_chunk_is_made_durable_while_the_lease_before_it_runs() -> None:
    p = at_rate(10 * PER_S)
    assert lease(p, 0, 19)[3] == 0  # 9 left, and the next lease will want 10: look again at once
    assert (p.next_act(0, True, False, 9), p.wake_ms) == (WAIT, 1_001)  # no write left in this turn
    assert (p.next_act(1, True, True, 9), p.wake_ms) == (AHEAD, 1_001)
    assert (p.next_act(2, True, True, 9), p.wake_ms) == (WAIT, 1_001)


def test_enough_intent_for_the_next_lease_needs_no_chunk_yet() -> None:
    p = at_rate(10 * PER_S)
    assert lease(p, 0, 20)[3] == 1_001
    assert p.next_act(1, True, True, 10) == WAIT


def test_the_size_of_a_chunk() -> None:
    p = at_rate(PER_S, 50)
    assert p.next_chunk(100, 100, 0) == p.next_chunk(100, 149, 0) == 50
    assert p.next_chunk(100, 150, 0) == 0
    p.add_motion(0, 3_000, 1_000, 16)
    assert p.next_chunk(0, 0, 3_000) == pacer.SETUP_CHUNK_STEPS
    assert p.next_chunk(2_048, 2_048, 952) == 952
    assert p.next_chunk(2_990, 3_000, 10) == 0


def situation(p: Pacer, now_ms: int, limit_nl: int, left_nl: int) -> Situation:
    limits = {"limit_1h_nl": limit_nl, "limit_4h_nl": 9_999, "limit_24h_nl": 9_999}
    return Situation(limits, Windows(), now_ms, now_ms, p.basal, 20, NL_STEP, 1_000, left_nl, NEVER)


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize(
    ("limit_nl", "left_nl", "answer"),
    [
        (70, 1, (0, 0)),
        (69, 1, (faults.A_LIMIT_NARROWED, 70)),
        (70, 0, (faults.A_RESERVOIR_EMPTY, 0)),
        (69, 0, (faults.A_RESERVOIR_EMPTY, 0)),
    ],
    ids=["just fits", "window", "reservoir", "both"],
)
def test_a_chunk_without_room_is_held_back_and_its_time_is_not_caught_up(
    limit_nl: int, left_nl: int, answer: tuple[int, int]
) -> None:
    p = at_rate(10 * PER_S)
    assert p.next_act(20_000, False, True, 0) == CHUNK
    assert p.hold_back(20_000, situation(p, 20_000, limit_nl, left_nl), 50) == answer
    assert lease(p, 20_000)[0] == (10 if answer[0] else 210)


# --- rates -------------------------------------------------------------------------------------------------------------------
def test_a_lease_ends_where_the_rate_changes_and_the_next_has_the_new_one() -> None:
    p = scheduled([(0, 10 * PER_S), (1, 20 * PER_S)], 59_000)
    assert lease(p, 59_500)[:3] == (10, 59_500_000, 60_000_000)
    assert lease(p, 60_001)[:3] == (20, 60_050_000, 61_000_000)
    assert p.heard == [(59_000, 10 * PER_S, basal.WHY_NORMAL), (60_001, 20 * PER_S, basal.WHY_SCHEDULE)]


def test_what_is_earned_before_a_change_counts_after_it() -> None:
    """Half a step by 60 s, the other half at twice the rate: the step falls on 61 s."""
    p = scheduled([(0, PER_S // 4), (1, PER_S // 2)], 58_000)
    assert p.next_change_ms() == 60_000
    assert (p.next_act(58_000, False, True, PLENTY), p.wake_ms) == (WAIT, 60_000 - pacer.LEAD_MS)
    assert (p.next_act(58_999, False, True, PLENTY), p.wake_ms) == (WAIT, 60_000 - pacer.LEAD_MS)
    assert (p.next_act(59_600, False, True, PLENTY), p.wake_ms) == (WAIT, 61_000 - pacer.LEAD_MS)  # the change is passed
    assert lease(p, 60_600)[:3] == (1, 61_000_000, 61_000_000)
    assert p.next_change_ms() == DAY_MS


def test_a_rate_commanded_under_way_holds_from_the_end_of_the_lease_in_flight() -> None:
    p = at_rate(10 * PER_S)
    lease(p, 0)
    p.basal.lay(basal.TEMP, 20 * PER_S, 61_000)
    p.change_rate_in_run(300, basal.WHY_TEMP)
    assert p.heard[1:] == [(1_000, 20 * PER_S, basal.WHY_TEMP)]
    assert p.next_change_ms() == 61_000
    assert lease(p, 1_001)[:3] == (20, 1_050_000, 2_000_000)
    p.change_rate_in_run(1_500, basal.WHY_TEMP)
    assert len(p.heard) == 2  # the same rate is no news


@pytest.mark.parametrize(
    ("kind", "wall", "why"),
    [
        (basal.TEMP, True, basal.WHY_NORMAL),
        (basal.CAPPED, True, basal.WHY_NORMAL),
        (basal.MINIMUM, True, basal.WHY_MINIMUM),
        (basal.NONE, True, basal.WHY_SCHEDULE),
        (basal.NONE, False, basal.WHY_NO_CLOCK),
    ],
)
def test_why_another_rate_holds_after_a_boundary(kind: int, wall: bool, why: int) -> None:
    p = scheduled([(0, PER_S), (1, 2 * PER_S)], 50_000)
    p.basal.lay(kind, PER_S, 60_000)
    p.take_rate(50_000, basal.WHY_TEMP, 50_000)
    if not wall:
        p.basal.wall_ms = None
    p._rate_until_ms = 60_000
    p.rate_nl_per_day = 1
    p.stop(60_000)
    assert p.heard[-1][0::2] == (60_000, why)


def test_a_capped_rate_is_a_temporary_one_while_it_lasts() -> None:
    p = scheduled([(0, PER_S), (1, 2 * PER_S), (2, 3 * PER_S)], 50_000)
    p.basal.lay(basal.CAPPED, PER_S + 1_000, 1_000_000)
    p.stop(120_000)
    assert p.heard[1:] == [(120_000, PER_S + 1_000, basal.WHY_TEMP)]
    assert p.owed_steps() == 10 + 60  # and the 60 s at 1000 nL/day more are 0.69 of a step


# --- holds, boluses, motions ---------------------------------------------------------------------------------------------------
def test_a_hold_gives_nothing_and_the_lease_in_flight_is_not_counted_twice() -> None:
    p = at_rate(10 * PER_S)
    lease(p, 0)  # up to 1000
    p.stop(400)
    p.begin(50_000)  # its last 600 ms have been given
    assert lease(p, 50_001)[:2] == (4, 50_700_000)
    p.stop(55_000)
    assert p.owed_steps() == 40  # 51 to 55 s
    p.begin(70_000)
    assert lease(p, 70_000)[:3] == (50, 70_000_000, 71_000_000)


def test_a_bolus_runs_evenly_beside_basal_and_its_end_is_seen() -> None:
    p = at_rate(10 * PER_S)
    p.add_bolus(0, 20, 2_000)
    assert (p.bolus_left_nl(), p.running_at(0)) == (20, (21, 2_002))
    assert lease(p, 0)[:3] == (20, 50_000, 1_000_000)
    assert p.running_at(600) == (11, 1_402)
    assert lease(p, 1_001)[:3] == (20, 1_050_000, 2_000_000)
    assert (p.next_act(2_001, False, False, PLENTY), p.wake_ms) == (WAIT, 2_001)  # its end is a durable write
    assert p.next_act(2_001, False, True, PLENTY) == END
    assert p.running_at(2_001) == (1, 1)
    assert p.cancel_bolus() == 0
    assert (p.bolus_left_nl(), p.running_at(2_001)) == (0, (0, 0))
    assert lease(p, 2_001)[0] == 10


def test_a_lease_does_not_reach_over_the_end_of_a_bolus() -> None:
    p = at_rate(10 * PER_S)
    p.add_bolus(0, 5, 500)
    assert lease(p, 0)[:3] == (10, 50_000, 500_000)


def test_a_bolus_whose_last_step_came_early_ends_on_time() -> None:
    p = at_rate(0)
    p.add_bolus(0, 2, 8_000)
    assert lease(p, 3_600)[1] == 4_000_000
    assert lease(p, 7_600)[1:] == (8_000_000, 8_000_000, 8_001)
    assert p.next_act(8_001, False, True, PLENTY) == END
    q = at_rate(1_000)
    q.add_bolus(0, 1, 4_000)  # with basal its step falls before its end
    _steps, first_us, _last_us, wake = lease(q, 3_600)
    assert first_us < 4_000_000 and wake == 4_000
    assert q.next_act(4_000, False, True, PLENTY) == WAIT  # advances to its end
    assert q.next_act(4_000, False, True, PLENTY) == END


def test_a_cancelled_bolus_says_what_it_owed() -> None:
    p = at_rate(0)
    p.add_bolus(0, 20, 2_000)
    p.stop(500)
    assert (p.owed_steps(), p.cancel_bolus(), p.running_at(500)) == (5, 15, (0, 0))


def test_a_bolus_has_not_ended_while_steps_of_it_are_owed() -> None:
    p = at_rate(0)
    p.add_bolus(0, 20, 200)
    p.stop(500)
    p.begin(500)
    assert lease(p, 500)[0] == 20
    assert p.next_act(501, False, True, PLENTY) == END


def test_a_motion_is_exactly_its_steps_in_leases_of_its_own() -> None:
    p = at_rate(10 * PER_S, chunk_nl=2)
    p.stop(700)
    p.add_motion(1_000, 40, 2_000, 16)
    assert p.owed_steps() == 0 and p.next_change_ms() == FAR_MS  # what basal still owed is not moved by a motion
    assert lease(p, 1_000)[:3] == (16, 1_050_000, 1_800_000)
    assert lease(p, 1_801)[:3] == (16, 1_850_000, 2_600_000)
    assert lease(p, 2_601)[:3] == (8, 2_650_000, 3_000_000)
    assert p.running_at(2_700) == (0, 0)  # a motion is no bolus
    assert p.next_act(3_001, False, True, PLENTY) == END
    p.end_motion()
    p.begin(5_000)
    assert lease(p, 5_000)[:3] == (1, 5_100_000, 5_100_000)
