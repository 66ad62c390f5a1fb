"""Sixty days of a flex week on the whole firmware: begun 5 s before the chip's timer wraps, the clock set back and forth,
against the exact oracle at every day's end (issue "The full day", point 1).

The loop's idle beats are stretched tenfold here (they decide nothing but how often the loop looks around) so that sixty days
take half a minute; `test_limits_at_their_least_never_narrow_an_admitted_week` runs with the firmware's own beats.
"""

from fractions import Fraction
from typing import Any

import pytest
from firmware.day_oracle import DAY_MS, Oracle, Pattern
from harness import MONDAY_MS, Bench, board_config, flex_program

from thecal.core import events, faults
from thecal.core.prescription import validate
from thecal.monitor import watch
from thecal.services import inputs, link, supervisor
from thecal.services.pump import make_part

HOUR = 3_600_000
JUST_BEFORE_THE_WRAP = (1 << 30) - 5_000_000  # us
WEEKDAY: Pattern = [(30 * k, 4_000 + 53_000 * (k * 5 % 24) // 23) for k in range(48)]
WEEKEND: Pattern = [(0, 12_000), (7 * 60 + 13, 41_000), (12 * 60, 0), (13 * 60, 60_000), (23 * 60 + 59, 1_000)]
FRIDAY: Pattern = [(60 * k + k, 9_000 + 1_777 * k) for k in range(24)]
DAYS = [WEEKDAY, WEEKEND, FRIDAY]
WEEK = [1, 1, 1, 1, 3, 2, 2]
OFFSET_MIN = -330
PEAK = 60_000

# day -> (when in the day, jump): into the day before and after, over a weekend's ends, and small ones
JUMPS_MS = {
    3: (5 * HOUR + 17, 2 * HOUR),
    5: (23 * HOUR, 3 * HOUR + 123),
    8: (1 * HOUR, -3 * HOUR),
    13: (11 * HOUR + 59 * 60_000, -7 * HOUR),
    14: (0, -1),
    20: (20 * HOUR + 1, 11 * HOUR),
    21: (12 * HOUR, -11 * HOUR),
    27: (2 * HOUR, -9 * HOUR),
    34: (23 * HOUR + 59 * 60_000 + 59_999, 1),
    35: (6 * HOUR, 5 * HOUR),
    41: (14 * HOUR, -60_000),
    48: (18 * HOUR, 8 * HOUR),
    55: (9 * HOUR, -8 * HOUR),
    59: (22 * HOUR, 30_000),
}


def stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times fewer idle turns of the loop."""
    monkeypatch.setattr(watch, "PERIOD_MS", 20_000)
    monkeypatch.setattr(supervisor, "FEED_MS", 25_000)
    monkeypatch.setattr(inputs, "IDLE_MS", 20_000)
    monkeypatch.setattr(link, "IDLE_MS", 50_000)


@pytest.mark.sr("SR-24")
def test_sixty_days(monkeypatch: pytest.MonkeyPatch) -> None:
    stretch(monkeypatch)
    config = board_config()
    config["limits"]["watchdog_ms"] = 60_000
    fields = flex_program(
        DAYS,
        WEEK,
        rate_nl_per_day=0,
        max_rate_nl_per_day=PEAK,
        utc_offset_biased_min=1440 + OFFSET_MIN,
        limit_1h_nl=100_000,  # any hour at the peak fits, so no clock can make a window too full
        limit_4h_nl=100_000,
        limit_24h_nl=100_000,
        chunk_nl=4_000,
        min_rate_nl_per_day=0,
    )
    b = Bench(config=config, chip_keys={"ticks0": JUST_BEFORE_THE_WRAP}).running(fields)
    began_ms = b.pump.now_ms()
    truth = Oracle(DAYS, WEEK, 0, OFFSET_MIN, began_ms)
    start = MONDAY_MS + 2 * DAY_MS + 19 * HOUR + 4_321
    b.set_clock(start)
    truth.clock(began_ms, start)
    narrowed = worst = Fraction(0)
    for day in range(60):
        when_ms, jump_ms = JUMPS_MS.get(day, (0, 0))
        b.advance(when_ms)
        if jump_ms:
            unix_ms = truth.to(b.pump.now_ms()).unix_ms() + jump_ms
            b.set_clock(unix_ms)
            truth.clock(b.pump.now_ms(), unix_ms)
        b.advance(DAY_MS - when_ms)
        error = abs(b.edges() - truth.to(b.pump.now_ms()).steps())
        worst = max(worst, error)
        narrowed += faults.A_LIMIT_NARROWED in b.pump.alarms.held()
        assert error < 1, (day, b.edges(), float(truth.steps()))
    assert b.pump.now_ms() - began_ms == 60 * DAY_MS
    assert b.edges() > 25_000
    assert narrowed == 0
    assert b.pump.fault == 0
    assert b.status()["wall"] == truth.unix_ms()
    assert len(b.of(events.CLOCK)) == 1 + len(JUMPS_MS)


NO_BOLUS: dict[str, Any] = {"max_bolus_nl": 0, "patient_bolus_nl": 0, "patient_bolus_ms": 0, "rate_nl_per_day": 0, "chunk_nl": 83}


def least_limits() -> dict[str, Any]:
    """The smallest limits that the validator lets pass for this week, asked from itself one after the other."""
    limits = {"limit_1h_nl": 1_660, "limit_4h_nl": 1_660, "limit_24h_nl": 1_660}
    part = make_part(board_config())
    for _ in range(4):
        for problem in validate(flex_program(DAYS, WEEK, **NO_BOLUS, **limits), part):
            assert problem.key in limits
            limits[problem.key] = problem.limit
    return limits


@pytest.mark.sr("SR-02")
def test_limits_at_their_least_never_narrow_an_admitted_week() -> None:
    """Not one nL to spare in any window, chunks of two steps; the firmware's own beats, from just before the wrap."""
    fields = flex_program(DAYS, WEEK, **NO_BOLUS, **least_limits())
    b = Bench(chip_keys={"ticks0": JUST_BEFORE_THE_WRAP}).running(fields)
    truth = Oracle(DAYS, WEEK, 0, 0, b.pump.now_ms())
    b.set_clock(MONDAY_MS + 3 * DAY_MS + 12 * HOUR)
    truth.clock(b.pump.now_ms(), MONDAY_MS + 3 * DAY_MS + 12 * HOUR)
    for _ in range(2):  # Thursday noon to Saturday noon: all three patterns
        b.advance(DAY_MS)
        assert abs(b.edges() - truth.to(b.pump.now_ms()).steps()) < 1
        assert faults.A_LIMIT_NARROWED not in b.pump.alarms.held()


@pytest.mark.sr("SR-02")
def test_a_clock_that_repeats_the_fullest_hours_is_held_back_by_the_windows_with_an_alarm() -> None:
    """The limits know no wall clock: 60 uL/day from 13:00 to 24:00, lived through twice in one day."""
    day: Pattern = [(0, 1_000), (13 * 60, 60_000)]
    fields = flex_program([day], **NO_BOLUS, limit_1h_nl=10_000, limit_4h_nl=15_000, limit_24h_nl=20_000)
    problems = validate(fields, make_part(board_config()))
    assert [problem.key for problem in problems] == ["limit_24h_nl"]
    fields["limit_24h_nl"] = limit = problems[0].limit
    b = Bench().running(fields)
    b.set_clock(MONDAY_MS + 13 * HOUR)
    b.advance(11 * HOUR - 60_000)
    assert faults.A_LIMIT_NARROWED not in b.pump.alarms.held()
    b.set_clock(MONDAY_MS + 13 * HOUR)
    b.advance(6 * HOUR)
    assert faults.A_LIMIT_NARROWED in b.pump.alarms.held()
    assert b.edges() * 41.282 <= limit
    assert b.pump.fault == 0
