"""The limits chain against an oracle written without looking at it (oracle.py), over thousands of histories: what the core admits
never breaks a limit in truth, what it refuses the oracle refuses too (tolerance.py says within what), reasons say what they
compare, and the waiting time told is right. Invariant: the numbers below prove that the histories were not vacuous.
"""

import os
import random
from collections import Counter

import pytest
from checks import Trial, play
from histories import EVENT_BYTES, MOST_BYTES, PROGRAM_BYTES, make
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from oracle import CAPPED, DAY, HOUR, MINUTE, NL, TEMP, Course, Plan, begun_within, fullest_past, worst_window
from world import QuickLedger, WholeLedger, World

PARTS = 5
SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
HISTORIES = int(os.environ.get("THECAL_HISTORIES_CI", "5200"))

# what 1000 histories must at least have met
LEAST = {
    "granted": 800,
    "refused": 1500,
    "WINDOW_1H": 150,
    "WINDOW_4H": 200,
    "WINDOW_24H": 400,
    "LOCKOUT": 300,
    "BOLUS_COUNT": 100,
    "BOLUS_RUNNING": 300,
    "MAX_BOLUS": 60,
    "STEP_RATE": 60,
    "refused for a rise to come": 40,
    "temp raised": 100,
    "temp WINDOW_24H": 50,
    "temp raised over minimum": 20,
    "temp MAX_RATE": 10,
    "resets": 300,
    "clock set": 300,
    "narrowed": 2,
    "waits": 200,
    "waits, ample room": 60,
}


@pytest.mark.sr("SR-02")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_core_and_oracle_agree_over_every_history(part: int) -> None:
    tally: Counter[str] = Counter()

    @seed(part)
    @settings(max_examples=HISTORIES // PARTS, database=None, deadline=None, suppress_health_check=SLOW_IS_FINE, print_blob=True)
    @given(
        st.binary(min_size=PROGRAM_BYTES + EVENT_BYTES, max_size=MOST_BYTES) | st.binary(min_size=MOST_BYTES, max_size=MOST_BYTES)
    )
    def every_history(data: bytes) -> None:
        play(make(data), tally)

    every_history()
    print(f"part {part}: {dict(sorted(tally.items()))}")
    too_few = {key: tally[key] for key, least in LEAST.items() if tally[key] * 1000 < least * tally["histories"]}
    assert not too_few, f"of {tally['histories']} histories too few met {too_few}"


def test_the_quick_ledger_is_the_ledger() -> None:
    for number in range(20):
        history = make(random.Random(number).randbytes(MOST_BYTES))
        quick, whole = (Trial(history, Counter(), World(history, kind)) for kind in (QuickLedger, WholeLedger))
        quick.play()
        whole.play()
        assert quick.tally == whole.tally
        assert (quick.world.moved, quick.world.seen) == (whole.world.moved, whole.world.seen)
        assert quick.world.ledger.pack() == whole.world.ledger.pack()


# --- the oracle itself, against numbers small enough to do by hand --------------------------------------------------------
def plan(**changes: object) -> Plan:
    """1 nL a step, 24 nL/day (one step an hour), limits 5, 10 and 40 nL."""
    fields: dict[str, object] = {
        "rate": 24,
        "week": (),
        "offset_min": 0,
        "limits": (5, 10, 40),
        "max_rate": 100,
        "max_bolus": 5,
        "lockout": HOUR,
        "count": 4,
        "chunk": 1,
        "max_temp": DAY,
        "min_rate": 0,
        "step_pl_per_million": 1_000_000_000,
        "max_steps_per_s": 1,
    }
    fields.update(changes)
    return Plan(**fields)  # type: ignore[arg-type]


def test_by_hand_the_oracle_counts_basal_and_bolus_of_a_window() -> None:
    course = Course(plan(), 2 * DAY, None, flows=((2 * DAY, 2 * DAY + 30 * MINUTE, 3 * NL),))
    units, end = worst_window(HOUR, course, (), 0, 1 << 90, whole_steps=False)
    assert units == 4 * NL  # one of basal and all three of the bolus
    assert end == 2 * DAY + HOUR


def test_by_hand_the_oracle_sees_a_rise_that_comes_after_the_bolus() -> None:
    monday = 4 * DAY  # the fifth of January 1970
    week = (((0, 24), (60, 240)),) * 7
    course = Course(plan(week=week), 0, monday, flows=((0, MINUTE, 3 * NL),))
    units, end = worst_window(4 * HOUR, course, (), -DAY, 1 << 90, whole_steps=False)
    assert end == 4 * HOUR  # all of the bolus is still inside: later, more basal comes than leaves, but the bolus goes
    assert units == (3 + 1 + 30) * NL


def test_by_hand_the_oracle_assumes_the_peak_where_history_is_shorter() -> None:
    units, end = worst_window(HOUR, Course(plan(rate=48), 0, None), (), 0, 1 << 90, whole_steps=False)
    assert (units, end) == (2 * NL, 0)


def test_by_hand_the_oracle_keeps_a_step_until_it_is_a_window_old() -> None:
    course = Course(plan(rate=0), DAY, None)
    assert worst_window(HOUR, course, (DAY - HOUR + 1,), 0, 1 << 90)[0] == NL
    assert worst_window(HOUR, course, (DAY - HOUR,), 0, 1 << 90)[0] == 0
    assert fullest_past(HOUR, (0, HOUR - 1, HOUR)) == 2
    assert begun_within(DAY, DAY, (0, 1, DAY)) == 2


def test_by_hand_the_oracle_follows_week_offset_and_overlay() -> None:
    week = (((0, 24),),) * 6 + (((0, 48), (720, 0)),)  # Sunday has its own
    sunday = 3 * DAY  # the fourth of January 1970
    here = plan(week=week, offset_min=60)
    assert [here.rate_at(sunday - HOUR - 1), here.rate_at(sunday - HOUR), here.rate_at(sunday + 11 * HOUR)] == [24, 48, 0]
    course = Course(here, 0, sunday, (TEMP, 72, 2 * HOUR))
    assert [course.rate_at(0), course.rate_at(2 * HOUR)] == [72, 48]
    assert course.changes(DAY) == [2 * HOUR, 11 * HOUR, 23 * HOUR]
    capped = Course(here, 0, sunday, (CAPPED, 30, 12 * HOUR))
    assert [capped.rate_at(0), capped.rate_at(11 * HOUR), capped.rate_at(23 * HOUR)] == [30, 0, 24]
