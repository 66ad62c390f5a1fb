"""The chain of reasons, and the window rule against an oracle that looks at every window end in the minute grid."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core import gate
from thecal.core import messages as m
from thecal.core.basal import Basal
from thecal.core.windows import RINGS, Windows

STEP_PL = 41_282_490_964
HOUR = 3_600_000


def situation(**changes: Any) -> gate.Situation:
    """A program that runs 0.5 mL/day, a clean past. A change goes to the program where it has such a field, or else to the
    situation; `basal_nl_per_day` is the program's rate."""
    fields: dict[str, Any] = {
        "rate_nl_per_day": changes.pop("basal_nl_per_day", 480_000),
        "week": b"",
        "utc_offset_biased_min": 1440,
        "max_rate_nl_per_day": 1_000_000,
        "max_bolus_nl": 80_000,
        "limit_1h_nl": 120_000,
        "limit_4h_nl": 250_000,
        "limit_24h_nl": 800_000,
        "bolus_lockout_ms": 2 * HOUR,
        "boluses_per_24h": 4,
        "chunk_nl": 800,
        "max_temp_ms": 0,
    }
    own: dict[str, Any] = {
        "now_ms": 100 * HOUR,
        "history_ms": 100 * HOUR,
        "basal": None,
        "unsettled_steps": 0,
        "step_pl_per_million": STEP_PL,
        "max_steps_per_s": 1000,
        "reservoir_left_nl": 20_000_000,
        "last_bolus_ms": -1,
    }
    later: dict[str, Any] = {}
    for key, value in changes.items():
        (fields if key in fields else own if key in own else later)[key] = value
    if own["basal"] is None:
        own["basal"] = Basal(fields)
    windows = Windows()
    windows.roll(own["now_ms"])
    s = gate.Situation(fields, windows, **own)
    for key, value in later.items():
        assert hasattr(s, key)
        setattr(s, key, value)
    return s


def bolus(volume_nl: int = 40_000, duration_ms: int = 600_000) -> gate.Wish:
    return gate.Wish(gate.BOLUS, volume_nl=volume_nl, duration_ms=duration_ms)


def reasons(s: gate.Situation, w: gate.Wish) -> list[int]:
    return [reason for reason, _value, _limit in gate.judge(s, w).reasons]


def test_a_modest_bolus_is_granted_whole() -> None:
    verdict = gate.judge(situation(), bolus())
    assert verdict.allowed == verdict.asked == 40_000
    assert verdict.reasons == []


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize(
    ("changes", "wish", "reason"),
    [
        ({}, bolus(80_001), m.MAX_BOLUS),
        ({}, bolus(41), m.BELOW_QUANTUM),
        ({}, bolus(80_000, 1), m.STEP_RATE),
        ({"running": (1, 1)}, bolus(), m.BOLUS_RUNNING),
        ({"alarm": 6}, bolus(), m.ALARM),
        ({"last_bolus_ms": 98 * HOUR + 1}, bolus(), m.LOCKOUT),
        ({"boluses_per_24h": 0}, bolus(), m.BOLUS_COUNT),
        ({"limit_1h_nl": 60_000}, bolus(), m.WINDOW_1H),
        ({"limit_4h_nl": 120_000}, bolus(), m.WINDOW_4H),
        ({"limit_24h_nl": 530_000}, bolus(), m.WINDOW_24H),
        ({"reservoir_left_nl": 39_999}, bolus(), m.RESERVOIR),
    ],
)
def test_each_constraint_refuses_with_its_reason(changes: dict[str, Any], wish: gate.Wish, reason: int) -> None:
    s = situation(**changes)
    assert reasons(s, wish) == [reason]
    assert gate.judge(s, wish).allowed == 0


def test_all_reasons_are_known_not_only_the_first() -> None:
    got = reasons(situation(boluses_per_24h=0, last_bolus_ms=100 * HOUR), bolus(900_000))
    assert {m.MAX_BOLUS, m.LOCKOUT, m.BOLUS_COUNT, m.WINDOW_1H, m.WINDOW_4H, m.WINDOW_24H} <= set(got)


def test_a_program_is_judged_by_its_highest_rate_not_by_its_daily_dose() -> None:
    """The validator refuses such a program first; the chain does not lean on that."""
    s = situation(basal_nl_per_day=1_000_001)
    verdict = gate.judge(s, gate.Wish(gate.BASAL, rate_nl_per_day=5_000))
    assert (verdict.allowed, verdict.first()) == (0, (m.MAX_RATE, 1_000_001, 1_000_000))
    s = situation(basal_nl_per_day=1_000_000)
    assert gate.judge(s, gate.Wish(gate.BASAL, rate_nl_per_day=900_000)).allowed == 900_000


@pytest.mark.sr("SR-02")
def test_a_program_taken_while_infusing_has_to_fit_the_windows_beside_the_bolus_under_way() -> None:
    s = situation(limit_1h_nl=60_000, running=(40_000, 600_000))
    wish = gate.Wish(gate.BASAL, rate_nl_per_day=480_000)
    assert reasons(s, wish) == []  # off: nothing will run until a start
    s.infusing = True
    assert reasons(s, wish) == [m.WINDOW_1H]


def test_a_later_constraint_never_widens_what_an_earlier_one_allowed() -> None:
    verdict = gate.Verdict(100)
    verdict.narrow(60, m.TITRATION, 100, 60)
    verdict.narrow(80, m.MAX_RATE, 100, 80)
    verdict.narrow(-5, m.STROKE, 1, 0)
    assert verdict.allowed == 0
    assert [reason for reason, _value, _limit in verdict.reasons] == [m.TITRATION, m.MAX_RATE, m.STROKE]


@pytest.mark.sr("SR-02")
def test_lockout_ends_exactly_on_time() -> None:
    assert m.LOCKOUT in reasons(situation(last_bolus_ms=98 * HOUR + 1), bolus())
    assert reasons(situation(last_bolus_ms=98 * HOUR), bolus()) == []


def true_worst_nl(
    history: list[tuple[int, int]], now: int, basal: int, volume: int, duration: int, window_ms: int, grid_ms: int
) -> float:
    """Written without the gate: deliver basal and bolus minute by minute after `now`, look at every window end on the grid."""
    worst = 0.0
    end = now
    while end <= now + duration + window_ms:
        start = end - window_ms
        past = sum(steps for t, steps in history if t > start) * STEP_PL / 1e9
        basal_part = basal * (end - max(now, start)) / 86_400_000
        bolus_part = volume * max(0, min(end, now + duration) - max(now, start)) / duration
        worst = max(worst, past + basal_part + bolus_part)
        end += grid_ms
    return worst


HISTORY = st.lists(st.tuples(st.integers(1, 9 * HOUR), st.integers(0, 3000)), max_size=10)


@pytest.mark.sr("SR-02")
@settings(max_examples=150, deadline=None)
@given(
    HISTORY, st.integers(1000, 1_000_000), st.integers(42, 80_000), st.integers(60_000, 2 * HOUR), st.integers(60_000, 400_000)
)
def test_granted_means_never_exceeded(history: list[tuple[int, int]], basal: int, volume: int, duration: int, limit: int) -> None:
    s = situation(basal_nl_per_day=basal, limit_1h_nl=limit, limit_4h_nl=2 * limit, limit_24h_nl=5 * limit, max_bolus_nl=80_000)
    s.windows = Windows()
    now = 0
    events: list[tuple[int, int]] = []
    for gap, steps in history:
        now += gap
        s.windows.add(now, steps)
        events.append((now, steps))
    s.now_ms = s.history_ms = now + 24 * HOUR if not history else now
    s.windows.roll(s.now_ms)
    s.history_ms = 100 * HOUR
    granted = gate.judge(s, bolus(volume, duration)).allowed == volume
    for k, key in enumerate(("limit_1h_nl", "limit_4h_nl", "limit_24h_nl")):
        length, count = RINGS[k]
        worst = true_worst_nl(events, s.now_ms, basal, volume, duration, length * count, length // 5)
        if granted:
            assert worst <= s.fields[key]
        if worst > s.fields[key]:
            assert not granted
