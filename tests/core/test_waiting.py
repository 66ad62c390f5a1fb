"""The told waiting time: a pump that really delivers (own arithmetic, real ledger) waits for it and asks again.

The pump here delivers minute by minute, chunk by chunk, like services/delivery.py but coarser: a chunk is opened when its first
step is due, and settled when the next one is opened.
"""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weeks import Pattern, fields_of, weeks

from thecal.core import gate
from thecal.core import messages as m
from thecal.core.basal import Basal
from thecal.core.ledger import NEVER_MS, Grant, Ledger
from thecal.core.schedule import DAY_MS
from thecal.core.waiting import WAIT_MAX_MS, wait_ms

HOUR = 3_600_000
MIN = 60_000
STEP_PL = 41_282_490_964
MONDAY_MS = 1_767_571_200_000
LIMITS: dict[str, Any] = {
    "rate_nl_per_day": 480_000,
    "week": b"",
    "utc_offset_biased_min": 1440,
    "max_rate_nl_per_day": 3_000_000,
    "max_bolus_nl": 80_000,
    "limit_1h_nl": 120_000,
    "limit_4h_nl": 250_000,
    "limit_24h_nl": 800_000,
    "bolus_lockout_ms": HOUR,
    "boluses_per_24h": 4,
    "chunk_nl": 800,
    "max_temp_ms": 0,
}


class Pump:
    """Basal and boluses into a ledger, 1 min at a time. Infusing since 200 h."""

    def __init__(self, **limits: Any) -> None:
        self.fields = {**LIMITS, **limits}
        self.basal = Basal(self.fields)
        self.basal.wall_ms = MONDAY_MS - 200 * HOUR
        self.ledger = Ledger(lambda _data: None)
        self.due = Fraction(0)  # nL that should have come by now
        self.bolus = (0, 0, 0)  # begin, end, nL
        self.chunk = max(1, self.fields["chunk_nl"] * 10**9 // STEP_PL)
        self.now_ms = 170 * HOUR
        self.run(30 * HOUR)

    def run(self, ms: int) -> None:
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            then = min(self.now_ms - self.now_ms % MIN + MIN, end_ms)
            self.due += Fraction(self.basal.units(self.now_ms, then), DAY_MS)
            first, last, volume = self.bolus
            part = min(then, last) - max(self.now_ms, first)
            if part > 0:
                self.due += Fraction(volume * part, last - first)
            self.now_ms = then
            steps = int(self.due * 10**9 / STEP_PL)
            while steps > self.ledger.intent:
                self.ledger.open_chunk(then, min(self.ledger.intent, steps), self.chunk, 0)

    def situation(self) -> gate.Situation:
        ledger = self.ledger
        ledger.windows.roll(self.now_ms)
        begun = -1 if ledger.last_bolus_ms == NEVER_MS else ledger.last_bolus_ms
        s = gate.Situation(
            self.fields, ledger.windows, self.now_ms, self.now_ms, self.basal, ledger.unsettled, STEP_PL, 1000, 10**9, begun
        )
        first, last, volume = self.bolus
        if self.now_ms < last:
            s.running = (-(-volume * (last - self.now_ms) // (last - first)) + 1, last - self.now_ms)
        s.infusing = True
        return s

    def ask(self, volume_nl: int = 40_000, duration_ms: int = 10 * MIN) -> tuple[list[int], int]:
        """(reasons of the refusal, told wait in ms); a bolus that is granted begins."""
        wish = gate.Wish(gate.BOLUS, volume_nl=volume_nl, duration_ms=duration_ms)
        s = self.situation()
        why = [reason for reason, _value, _limit in gate.judge(s, wish).reasons]
        wait = wait_ms(s, wish)
        assert (wait == 0) == (why == [])
        if not why:
            self.ledger.promise(self.now_ms, Grant(1 << 16, self.now_ms, volume_nl, duration_ms))
            self.bolus = (self.now_ms, self.now_ms + duration_ms, volume_nl)
        return why, wait


# --- by hand ----------------------------------------------------------------------------------------------------------------
def test_nothing_in_the_way_no_wait() -> None:
    assert Pump().ask() == ([], 0)


def test_the_lockout_is_told_to_the_ms() -> None:
    p = Pump()
    p.ask()
    p.run(20 * MIN)
    assert p.ask() == ([m.LOCKOUT], 40 * MIN)
    p.run(40 * MIN - 1)
    assert p.ask()[0] == [m.LOCKOUT]
    p.run(1)
    assert p.ask() == ([], 0)


def test_a_running_bolus_is_waited_for() -> None:
    p = Pump(bolus_lockout_ms=0)
    p.ask()
    p.run(4 * MIN)
    why, wait = p.ask()
    assert m.BOLUS_RUNNING in why
    assert wait >= 6 * MIN
    p.run(wait)
    assert p.ask() == ([], 0)


@pytest.mark.sr("SR-02")
def test_a_full_hour_is_waited_for_and_not_5_minutes_too_long() -> None:
    """65 min at 20 uL/h are 21.7 uL, so two boluses of 40 uL do not fit 100 uL together, the accounting included."""
    p = Pump(bolus_lockout_ms=0, limit_1h_nl=100_000)
    p.ask()
    p.run(10 * MIN)
    why, wait = p.ask()
    assert why == [m.WINDOW_1H]
    assert 45 * MIN < wait <= 65 * MIN
    p.run(wait - 5 * MIN)
    assert p.ask()[0] == [m.WINDOW_1H]
    p.run(5 * MIN)
    assert p.ask() == ([], 0)


@pytest.mark.sr("SR-02")
def test_a_full_day_is_waited_for_and_not_an_hour_too_long() -> None:
    p = Pump(limit_24h_nl=570_000, boluses_per_24h=48, bolus_lockout_ms=0)
    p.ask()
    p.run(10 * MIN)
    why, wait = p.ask()
    assert why == [m.WINDOW_24H]
    assert 23 * HOUR < wait <= 25 * HOUR
    p.run(wait - HOUR)
    assert p.ask()[0] == [m.WINDOW_24H]
    p.run(HOUR)
    assert p.ask() == ([], 0)


def test_the_count_of_a_day_is_waited_for() -> None:
    p = Pump(boluses_per_24h=1)
    p.ask()
    p.run(2 * HOUR)
    why, wait = p.ask()
    assert why == [m.BOLUS_COUNT]
    p.run(wait - 1)
    assert p.ask()[0] == [m.BOLUS_COUNT]
    p.run(1)
    assert p.ask() == ([], 0)


@pytest.mark.sr("SR-02")
def test_a_night_rate_that_stands_in_the_way_is_waited_for() -> None:
    """100 uL/h from 01:00 to 02:00 leaves no room for 40 uL beside it, before or after, in the same 65 min."""
    night: Pattern = [(0, 24_000), (60, 2_400_000), (120, 24_000)]
    p = Pump(**fields_of([night], [1] * 7), limit_1h_nl=125_000)
    p.run(70 * MIN)
    why, wait = p.ask()
    assert why == [m.WINDOW_1H]
    p.run(wait - 5 * MIN)
    assert p.ask()[0] == [m.WINDOW_1H]
    p.run(5 * MIN)
    assert p.ask() == ([], 0)


@pytest.mark.parametrize(
    ("limits", "volume", "reason"),
    [
        ({}, 80_001, m.MAX_BOLUS),
        ({}, 41, m.BELOW_QUANTUM),
        ({"boluses_per_24h": 0}, 40_000, m.BOLUS_COUNT),
        ({"limit_1h_nl": 50_000}, 40_000, m.WINDOW_1H),
        ({"limit_24h_nl": 510_000}, 40_000, m.WINDOW_24H),
    ],
)
def test_where_waiting_does_not_help_it_says_so(limits: dict[str, int], volume: int, reason: int) -> None:
    why, wait = Pump(**limits).ask(volume)
    assert reason in why
    assert wait == gate.NEVER


def test_an_alarm_is_not_waited_for() -> None:
    p = Pump()
    s = p.situation()
    s.alarm = 6
    assert wait_ms(s, gate.Wish(gate.BOLUS, volume_nl=40_000, duration_ms=600_000)) == gate.NEVER


# --- any history ------------------------------------------------------------------------------------------------------------
ASKS = st.lists(
    st.tuples(st.integers(0, 5 * HOUR), st.integers(42, 80_000), st.integers(1_000, 3 * HOUR)), min_size=1, max_size=6
)


@pytest.mark.sr("SR-02")
@settings(max_examples=40, deadline=None)
@given(
    st.one_of(st.none(), weeks(900_000, 15)),
    ASKS,
    st.integers(60_000, 300_000),
    st.integers(0, 3 * HOUR),
    st.integers(1, 6),
)
def test_asked_again_after_the_told_time_it_is_granted(
    week: tuple[list[Pattern], list[int]] | None, asks: list[tuple[int, int, int]], hour_nl: int, lockout: int, count: int
) -> None:
    limits: dict[str, Any] = {
        "limit_1h_nl": hour_nl,
        "limit_4h_nl": 2 * hour_nl,
        "limit_24h_nl": 6 * hour_nl,
        "bolus_lockout_ms": lockout,
        "boluses_per_24h": count,
    }
    p = Pump(**(fields_of(*week) if week else {}), **limits)
    waits = 0
    for gap, volume, duration in asks:
        p.run(gap)
        why, wait = p.ask(volume, duration)
        if wait > 0 and waits < 2:
            waits += 1
            assert wait <= WAIT_MAX_MS + 25 * HOUR
            p.run(wait)
            assert p.ask(volume, duration) == ([], 0), why
