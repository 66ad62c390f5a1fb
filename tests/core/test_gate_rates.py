"""The chain for temporary rates and for titration: what raises is judged by everything, what lowers by nothing but the table."""

from typing import Any

import pytest
from core.test_gate import HOUR, bolus, reasons, situation
from weeks import fields_of

from thecal.core import basal, gate
from thecal.core import messages as m
from thecal.core.basal import Basal
from thecal.core.schedule import DAY_MS

WEEK = 7 * DAY_MS


def offering(**changes: Any) -> gate.Situation:
    """Infusing 20 uL/h, temporary rates of up to 12 h, nothing delivered yet."""
    return situation(**{"max_temp_ms": 12 * HOUR, "infusing": True, **changes})


def temp(rate: int, duration_ms: int = HOUR) -> gate.Wish:
    return gate.Wish(gate.RATE, rate_nl_per_day=rate, duration_ms=duration_ms)


# --- temporary rates --------------------------------------------------------------------------------------------------------
@pytest.mark.sr("SR-02")
@pytest.mark.parametrize(
    ("changes", "wish", "refusal"),
    [
        ({"max_temp_ms": 0}, temp(500_000), (m.NOT_OFFERED, HOUR, 0)),
        ({}, temp(500_000, 12 * HOUR + 1), (m.DURATION, 12 * HOUR + 1, 12 * HOUR)),
        ({}, temp(1_000_001), (m.MAX_RATE, 1_000_001, 1_000_000)),
        ({"max_steps_per_s": 0}, temp(500_000), (m.STEP_RATE, 6, 0)),
        ({"alarm": 6}, temp(480_001), (m.ALARM, 6, 0)),
        # 65 min at 41.67 uL/h, or 55 of them and 10 min at 20: an hour of it, 5 min of basal, two chunks
        ({"limit_1h_nl": 44_933}, temp(1_000_000), (m.WINDOW_1H, 44_934, 44_933)),
        ({"limit_4h_nl": 108_266}, temp(1_000_000), (m.WINDOW_4H, 108_267, 108_266)),
        ({"limit_24h_nl": 523_266}, temp(1_000_000), (m.WINDOW_24H, 523_267, 523_266)),
    ],
)
def test_each_constraint_refuses_a_raise(changes: dict[str, Any], wish: gate.Wish, refusal: tuple[int, int, int]) -> None:
    s = offering(**changes)
    verdict = gate.judge(s, wish)
    assert verdict.reasons == [refusal]
    assert (verdict.asked, verdict.allowed) == (wish.rate_nl_per_day, 0)


def test_a_raise_that_fits_is_granted_whole() -> None:
    for changes in ({"limit_1h_nl": 44_934}, {"limit_4h_nl": 108_267}, {"limit_24h_nl": 523_267}, {}):
        verdict = gate.judge(offering(**changes), temp(1_000_000))
        assert (verdict.allowed, verdict.reasons) == (1_000_000, [])
    assert reasons(offering(), temp(500_000, 12 * HOUR)) == []


@pytest.mark.sr("SR-02")
def test_lowering_is_never_refused_whatever_the_windows_alarms_and_titration_say() -> None:
    s = offering(limit_1h_nl=1, limit_4h_nl=1, limit_24h_nl=1, alarm=3, current_nl_per_day=480_000, running=(1_000, 1_000))
    s.ref_rules = ((0, 0, WEEK),)
    s.windows.add(s.now_ms, 100_000)
    s.last_bolus_ms = s.now_ms
    for rate in (0, 1_000, 479_999, 480_000):
        assert reasons(s, temp(rate, 12 * HOUR)) == []
    assert m.TITRATION in reasons(s, temp(480_001, 12 * HOUR))


def flex(s: gate.Situation) -> gate.Situation:
    """1 uL/h, but 100 uL/h in the hour that begins in 4 h."""
    s.basal = Basal(fields_of([[(0, 24_000), (240, 2_400_000), (300, 24_000)]], [1] * 7))
    s.basal.wall_ms = 1_767_571_200_000 - s.now_ms
    s.fields["max_rate_nl_per_day"] = 3_000_000
    return s


@pytest.mark.sr("SR-02")
def test_what_lowers_now_and_raises_later_is_a_raise() -> None:
    s = flex(offering(alarm=6))
    assert reasons(s, temp(24_000, 12 * HOUR)) == []
    assert reasons(s, temp(24_001, 12 * HOUR)) == [m.ALARM]
    at_peak = flex(offering(alarm=6, now_ms=104 * HOUR))
    at_peak.basal.wall_ms = 1_767_571_200_000 - 100 * HOUR
    assert reasons(at_peak, temp(2_400_000, HOUR)) == []
    assert reasons(at_peak, temp(2_400_000, HOUR + 1)) == [m.ALARM]


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize("kind", [basal.TEMP, basal.MINIMUM, basal.CAPPED])
def test_a_raise_is_one_against_the_schedule_whatever_lies_over_it(kind: int) -> None:
    """A minimum rate hides every change of the schedule; the fall after the peak must be seen all the same."""
    s = flex(offering(alarm=6, now_ms=104 * HOUR))
    s.basal.wall_ms = 1_767_571_200_000 - 100 * HOUR
    s.basal.lay(kind, 1_000, s.now_ms + 9 * HOUR)
    assert reasons(s, temp(2_400_000, HOUR)) == []
    assert reasons(s, temp(2_400_000, HOUR + 1)) == [m.ALARM]


@pytest.mark.sr("SR-02")
def test_the_schedule_after_a_temporary_rate_counts() -> None:
    """4 h at 20 uL/h end where the hour at 100 uL/h begins."""
    s = flex(offering(limit_1h_nl=120_000, limit_4h_nl=160_000))
    assert reasons(s, temp(480_000, 4 * HOUR)) == [m.WINDOW_4H]
    s.fields["limit_4h_nl"] = 170_000  # 100 uL, 3.25 h at 20 uL/h, two chunks
    assert reasons(s, temp(480_000, 4 * HOUR)) == []


@pytest.mark.sr("SR-02")
def test_a_bolus_meets_the_temporary_rate_that_is_under_way() -> None:
    s = offering(limit_1h_nl=80_000)
    s.basal.lay(basal.TEMP, 960_000, s.now_ms + 2 * HOUR)
    assert reasons(s, bolus()) == [m.WINDOW_1H]  # 65 min at 40 uL/h, and 40 uL
    s.fields["limit_1h_nl"] = 43_334 + 40_000 + 1_600
    assert reasons(s, bolus()) == []


# --- titration --------------------------------------------------------------------------------------------------------------
def raised(daily: int, rules: tuple[tuple[int, int, int], ...], **changes: Any) -> tuple[int, list[tuple[int, int, int]]]:
    """(allowed, reasons) of a program of `daily` nL, where 480,000 nL a day are in force."""
    s = situation(**{"current_nl_per_day": 480_000, "basal_nl_per_day": min(daily, 1_000_000), **changes})
    s.ref_rules = rules
    verdict = gate.judge(s, gate.Wish(gate.BASAL, rate_nl_per_day=daily))
    return verdict.allowed, verdict.reasons


TEN_PERCENT = ((100, 0, WEEK),)


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize(
    ("rules", "limit"),
    [
        (TEN_PERCENT, 528_000),
        (((0, 30_000, WEEK),), 510_000),
        (((100, 30_000, WEEK),), 558_000),
        (((100, 30_000, WEEK), (0, 5_000, WEEK)), 485_000),  # the old program's rule and the new one's: the lower holds
    ],
)
def test_the_daily_dose_may_rise_by_the_rule_and_no_nl_more(rules: tuple[tuple[int, int, int], ...], limit: int) -> None:
    assert raised(limit, rules) == (limit, [])
    allowed, got = raised(limit + 1, rules)
    assert allowed == limit
    assert (m.TITRATION, limit + 1, limit) in got


def test_no_rule_no_limit() -> None:
    assert raised(1_000_000, ((100, 0, 0),)) == (1_000_000, [])
    assert raised(1_000_000, TEN_PERCENT, current_nl_per_day=gate.NEVER) == (1_000_000, [])  # the first program of a board


def test_lowering_is_free() -> None:
    assert raised(470_000, TEN_PERCENT, ref=(300_000, 99 * HOUR)) == (470_000, [])


@pytest.mark.sr("SR-02")
def test_a_second_raise_inside_the_window_counts_from_before_the_first() -> None:
    """480 came from 440 an hour ago: 10 % of 440 is used up to 484."""
    first = {"ref": (440_000, 99 * HOUR)}
    assert raised(484_000, TEN_PERCENT, **first) == (484_000, [])
    assert raised(484_001, TEN_PERCENT, **first) == (484_000, [(m.TITRATION, 484_001, 484_000)])


@pytest.mark.sr("SR-02")
def test_the_window_ends_exactly_on_time() -> None:
    s = {"now_ms": 100 * DAY_MS, "ref": (440_000, 93 * DAY_MS)}
    assert raised(528_000, TEN_PERCENT, **s) == (528_000, [])  # 7 days to the ms: the raise is over
    s["ref"] = (440_000, 93 * DAY_MS + 1)
    assert raised(528_000, TEN_PERCENT, **s) == (484_000, [(m.TITRATION, 528_000, 484_000)])


@pytest.mark.sr("SR-02")
def test_a_rule_tightened_below_what_runs_already_refuses_only_more() -> None:
    """484 runs, 440 before; the new rule allows 5 %: 462. Staying is no raise."""
    rules = ((50, 0, WEEK),)
    own = {"current_nl_per_day": 484_000, "ref": (440_000, 99 * HOUR)}
    assert raised(484_000, rules, **own) == (484_000, [])
    assert raised(484_001, rules, **own) == (462_000, [(m.TITRATION, 484_001, 462_000)])


@pytest.mark.sr("SR-02")
def test_what_a_temporary_rate_adds_counts_as_if_it_were_added_to_a_day() -> None:
    """10 % of 480 uL is 48 uL: 4 h at 12 uL/h more."""
    s = offering(current_nl_per_day=480_000, limit_24h_nl=10_000_000, limit_4h_nl=10_000_000)
    s.ref_rules = TEN_PERCENT
    assert reasons(s, temp(768_000, 4 * HOUR)) == []
    verdict = gate.judge(s, temp(768_001, 4 * HOUR))
    assert (verdict.allowed, verdict.reasons) == (0, [(m.TITRATION, 528_001, 528_000)])


@pytest.mark.sr("SR-02")
def test_a_temporary_rate_over_another_is_measured_from_the_schedule() -> None:
    """Or two temporary rates, each within 10 % of the one before, would climb past the rule."""
    s = offering(current_nl_per_day=480_000, limit_24h_nl=10_000_000, limit_4h_nl=10_000_000)
    s.ref_rules = TEN_PERCENT
    s.basal.lay(basal.TEMP, 768_000, s.now_ms + 4 * HOUR)
    assert reasons(s, temp(768_000, 4 * HOUR)) == []
    assert reasons(s, temp(1_000_000, 4 * HOUR)) == [m.TITRATION]


def test_a_temporary_rate_out_of_minimum_is_measured_from_the_schedule_too() -> None:
    s = offering(current_nl_per_day=480_000, limit_24h_nl=10_000_000, limit_4h_nl=10_000_000)
    s.ref_rules = TEN_PERCENT
    s.basal.lay(basal.MINIMUM, 1_000, 0)
    assert reasons(s, temp(480_000, 12 * HOUR)) == []
