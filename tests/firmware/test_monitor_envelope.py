"""The budget of one interval, by hand: 1 nL is one step, entries of 0.96 and 0 mL/day, 15 min. What held for a moment counts for
the whole interval, by every clock and program there was in it, and for no interval after."""

from typing import Any

import pytest
from monitor_fakes import HOUR, MINUTE, Pump, fields, flex

from thecal.monitor.envelope import BOLUS, MINIMUM, TEMP, Envelope
from thecal.monitor.limits import decode
from thecal_host import monitor_limits

MONDAY = 1_767_571_200_000  # 2026-01-05 00:00 UTC
QUARTER = 15 * MINUTE
LATE = 45 + 2  # 4 s of 0.96 mL/day, and 2
HIGH, LOW, SAFE = 10_000 + LATE, LATE, 2_500 + LATE
DAY = flex((0, 0), (600, 960_000), (601, 0), rate_nl_per_day=240_000, max_rate_nl_per_day=960_000)


class Clock:
    """Board time and a wall clock that can be set."""

    def __init__(self, program: dict[str, Any] = DAY, unix_ms: int = -1) -> None:
        self.ahead = unix_ms
        self.envelope = Envelope(lambda now_ms: now_ms + self.ahead if self.ahead >= 0 else -1)
        self.load(program)
        self.envelope.reset(-QUARTER)  # the interval in which the clock was first seen may have had the safe rate
        self.at(-QUARTER)
        self.at(0)

    def load(self, program: dict[str, Any]) -> None:
        blob = monitor_limits.encode(program, 7)
        self.envelope.load(decode(blob), blob)

    def at(self, now_ms: int, live: int = 0) -> int:
        """The allowance after a look at `now_ms`."""
        self.envelope.look(now_ms)
        if self.envelope.interval_over(now_ms):
            self.envelope.turn(now_ms, live)
        return self.envelope.allowance()


def test_an_entry_of_a_minute_counts_for_its_interval() -> None:
    clock = Clock(unix_ms=MONDAY + 10 * HOUR - QUARTER - MINUTE)
    assert clock.at(QUARTER - 1) == LOW
    assert [clock.at(QUARTER), clock.at(QUARTER + MINUTE - 1)] == [LOW, LOW]
    assert [clock.at(QUARTER + MINUTE), clock.at(2 * QUARTER - 1)] == [HIGH, HIGH]
    assert clock.at(2 * QUARTER) == LOW


def test_an_entry_between_two_looks_is_not_missed() -> None:
    clock = Clock(unix_ms=MONDAY + 10 * HOUR - 5 * MINUTE)
    assert clock.at(5 * MINUTE - 1) == LOW
    assert clock.at(6 * MINUTE + 30_000) == HIGH


@pytest.mark.sr("SR-24")
def test_a_clock_that_is_not_known_is_the_safe_rate() -> None:
    clock = Clock()
    assert clock.at(1000) == SAFE
    clock.ahead = MONDAY
    assert [clock.at(2000), clock.at(QUARTER)] == [SAFE, LOW]
    clock.ahead = -1
    assert [clock.at(QUARTER + 1), clock.at(2 * QUARTER)] == [SAFE, SAFE]


def test_a_clock_set_since_the_last_look_held_all_that_time() -> None:
    """Both: the old one passed ten o'clock before it was set, the new one is past it."""
    for before, after in ((10 * HOUR - 1000, 0), (0, 10 * HOUR + MINUTE - 1500)):
        clock = Clock(unix_ms=MONDAY + before)
        assert clock.at(100) == LOW
        clock.ahead = MONDAY + after
        assert clock.at(2000) == HIGH
        assert clock.at(QUARTER) == LOW


def test_a_clock_set_as_an_interval_ends_counts_in_both() -> None:
    clock = Clock(unix_ms=MONDAY + 10 * HOUR - QUARTER)
    assert clock.at(QUARTER - 500) == LOW
    clock.ahead = MONDAY
    assert clock.at(QUARTER + 500) == HIGH
    assert clock.at(2 * QUARTER) == LOW


def test_a_clock_set_back_and_forth() -> None:
    clock = Clock(unix_ms=MONDAY)
    for unix_ms, most in ((MONDAY - HOUR, LOW), (MONDAY + 10 * HOUR, HIGH), (MONDAY, HIGH), (-1, HIGH)):
        clock.ahead = unix_ms
        assert clock.at(30_000) == most
    assert clock.at(QUARTER) == SAFE


def test_before_a_boot_nothing_is_looked_at() -> None:
    """Board time goes on from long ago; the first look begins there, and not with the week since."""
    clock = Clock(unix_ms=MONDAY)
    clock.envelope.reset(20 * HOUR)
    assert clock.at(20 * HOUR) == LOW


def test_overlays_are_the_larger_and_boluses_come_on_top() -> None:
    clock = Clock(
        flex((0, 480_000), max_temp_ms=1, min_rate_nl_per_day=720_000, max_rate_nl_per_day=960_000, boluses_per_24h=1),
        MONDAY,
    )
    base, lowest, bolus = 5_000 + LATE, 7_500 + LATE, 40_000 + 417 + LATE  # the tail of one that lasted its 24 h
    assert clock.at(1) == base
    clock.envelope.see(MINIMUM)
    assert clock.at(2) == lowest
    clock.envelope.see(TEMP)
    assert clock.at(3) == HIGH
    clock.envelope.see(BOLUS)
    assert clock.at(4) == HIGH + bolus
    assert clock.at(QUARTER, live=MINIMUM) == HIGH + bolus  # what was seen counts in the next interval too
    assert clock.at(2 * QUARTER) == lowest
    assert clock.at(3 * QUARTER) == base


def test_every_program_of_an_interval_counts_in_it() -> None:
    big = fields(max_temp_ms=1, rate_nl_per_day=96_000, max_rate_nl_per_day=960_000, boluses_per_24h=1)
    small = fields(rate_nl_per_day=96_000, max_rate_nl_per_day=96_000, boluses_per_24h=0)
    clock = Clock(big)
    for program in (small, small, small):
        clock.load(program)
        clock.at(MINUTE)
    clock.envelope.see(TEMP)
    assert clock.at(2 * MINUTE) == HIGH
    clock.envelope.see(BOLUS)
    assert clock.at(2 * MINUTE) == HIGH + 40_000 + 417 + LATE
    assert clock.at(QUARTER) == 1_000 + 18 + 18  # the bolus seen before, which this program does not offer
    assert clock.at(2 * QUARTER) == 1_000 + 18


@pytest.mark.parametrize("late_ms", [-1, 0, 1])
def test_a_program_changed_in_the_last_four_seconds_counts_on_for_one_interval(late_ms: int) -> None:
    small = fields(rate_nl_per_day=1_000, max_rate_nl_per_day=1_000)
    clock = Clock(fields(rate_nl_per_day=960_000, max_rate_nl_per_day=960_000))
    clock.load(small)
    clock.at(QUARTER - 4_000 - late_ms)
    kept = clock.at(QUARTER)
    assert kept == (11 + 18 if late_ms > 0 else HIGH)
    assert clock.at(2 * QUARTER) == 11 + 18


def test_from_a_continuous_program_to_a_week_and_back() -> None:
    clock = Clock(fields(rate_nl_per_day=960_000, max_rate_nl_per_day=960_000), MONDAY)
    clock.at(5 * HOUR)
    clock.load(DAY)
    assert [clock.at(5 * HOUR + MINUTE), clock.at(5 * HOUR + QUARTER)] == [HIGH, LOW]
    clock.load(fields(rate_nl_per_day=240_000, max_rate_nl_per_day=960_000))
    assert clock.at(5 * HOUR + QUARTER + 1) == SAFE
    assert clock.at(15 * HOUR) == SAFE


def test_without_limits_nothing_is_judged() -> None:
    envelope = Envelope(lambda now_ms: -1)
    envelope.look(QUARTER)
    assert not envelope.interval_over(QUARTER)
    envelope.turn(QUARTER, TEMP)
    assert (envelope.since_ms(), envelope.allowance()) == (0, 0)


def test_an_interval_is_read_at_its_beginning() -> None:
    pump = Pump()
    pump.advance(QUARTER - 1, tick=2000)
    reads = pump.reads
    pump.advance(1, tick=2000)
    assert pump.reads == reads + 1
