"""The monitor against an ideal pump, by itself: a correct pump never trips it, whatever the clock, program and overlays do; a
doubled stream does, within a stated time. 1 nL is one step, so budgets can be followed by hand."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_fakes import DAY, HOUR, MINUTE, OFF, Pump, day, fields, flex, ledger_bytes

from thecal.core import states
from thecal.monitor import watch
from thecal.monitor.envelope import minute_of_week
from thecal.monitor.intent import read_intent, read_mode
from thecal_host.monitor_limits import from_fields

MONDAY = 1_767_571_200_000  # 2026-01-05 00:00 UTC
QUARTER = 15 * MINUTE
RATES = st.sampled_from([0, 1_000, 48_000, 240_000, 480_000, 960_000, 24_000_000, 100_000_000])


@st.composite
def patterns(draw: st.DrawFn) -> bytes:
    minutes = sorted(draw(st.sets(st.integers(1, 1439), max_size=47)))
    return day(*((minute, draw(RATES)) for minute in [0, *minutes]))


@st.composite
def programs(draw: st.DrawFn) -> dict[str, Any]:
    made = fields(
        rate_nl_per_day=draw(RATES),
        max_rate_nl_per_day=100_000_000,
        min_rate_nl_per_day=draw(RATES),
        max_temp_ms=DAY,
        utc_offset_biased_min=draw(st.integers(600, 2280)),
        step_pl_per_million=draw(st.sampled_from([10**9, 41_282_490_964, 10**12])),
        bolus_lockout_ms=draw(st.sampled_from([10 * MINUTE, 30 * MINUTE])),
        max_bolus_nl=2_000_000,
    )
    if draw(st.booleans()):
        made["week"] = bytes(draw(st.lists(st.integers(1, 2), min_size=7, max_size=7)))
        made["day_1"], made["day_2"] = draw(patterns()), draw(patterns())
    return made


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["clock", "lost", "bolus", "stop", "temp", "minimum", "normal", "program", "wait", "long"]),
        st.integers(0, 2 * HOUR),  # time until then
        st.integers(0, 10**12),  # whatever the act needs
        st.sampled_from([0, 1100, 2800]),  # how late steps come until then
    ),
    min_size=3,
    max_size=25,
)


@pytest.mark.sr("SR-08")
@settings(max_examples=150, deadline=None)
@given(programs(), programs(), ACTS, st.booleans(), st.integers(0, QUARTER))
def test_a_correct_pump_never_trips(first: dict[str, Any], other: dict[str, Any], acts: list[Any], known: bool, t0: int) -> None:
    other["step_pl_per_million"] = first["step_pl_per_million"]  # the step volume is the board's
    other["bolus_lockout_ms"] = first["bolus_lockout_ms"]
    pump = Pump(first, start_ms=t0)
    if known:
        pump.set_clock(MONDAY + 40 * HOUR)
    again = 0
    crc = 8
    for act, wait, number, late in acts:
        pump.advance(wait, late_ms=late)
        if act == "clock":
            pump.set_clock(MONDAY + number % (8 * DAY))
        elif act == "lost":
            pump.set_clock(None)
        elif act == "bolus" and pump.bolus is None and pump.now >= again:
            again = pump.now + first["bolus_lockout_ms"]
            pump.begin_bolus(1 + number % 2_000_000, 1 + number % (2 * HOUR))
        elif act == "stop" and pump.bolus is not None:
            pump.end_bolus()
        elif act == "temp" and not pump.minimum:
            pump.begin_temp(1_000 + number % 99_999_001, MINUTE + number % (3 * HOUR))
        elif act == "minimum" and pump.program["min_rate_nl_per_day"]:
            pump.normal()
            pump.begin_minimum(pump.program["min_rate_nl_per_day"])
        elif act == "normal":
            pump.normal()
        elif act == "program":
            pump.normal()
            pump.change(other if crc % 2 == 0 else first, crc)
            crc += 1
        elif act == "long":
            pump.advance(6 * HOUR, tick=MINUTE, late_ms=late)
    pump.advance(HOUR)
    assert pump.monitor.tripped == 0 and not pump.cut


@pytest.mark.sr("SR-08")
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([48_000, 96_000, 480_000, 960_000]), min_size=24, max_size=24),
    st.integers(-840, 840),
    st.integers(0, 7 * DAY),
    st.integers(1, DAY),
)
def test_a_doubled_stream_is_stopped_in_45_minutes(rates: list[int], offset: int, clock: int, wait: int) -> None:
    """With entries of an hour the second interval from now lies wholly in one entry, or the third does; twice an entry is over it
    wherever it is more than what may come late."""
    pump = Pump(flex(*((60 * hour, rate) for hour, rate in enumerate(rates)), utc_offset_biased_min=1440 + offset))
    pump.set_clock(MONDAY + clock)
    pump.advance(wait, tick=MINUTE)
    assert not pump.cut
    pump.factor = 2
    before = pump.edges
    pump.advance(45 * MINUTE, tick=2000)
    assert pump.cut and pump.monitor.tripped == watch.TRIP_ENVELOPE
    assert pump.latched == [("/latch", b"\x03")]
    assert pump.edges - before <= 3 * (max(rates) // 96 + 70)


def test_the_week_of_the_monitor() -> None:
    assert minute_of_week(MONDAY, 0) == 0
    assert minute_of_week(MONDAY - 1, 0) == 10_079
    assert minute_of_week(0, 0) == 3 * 1440  # a Thursday
    assert minute_of_week(MONDAY, -600) == 10_080 - 600
    assert minute_of_week(MONDAY + DAY - MINUTE, 60) == 1440 + 59


def test_states_are_those_of_the_table() -> None:
    assert (watch.INFUSING, states.OFF) == (states.INFUSING, OFF)


@pytest.mark.sr("SR-08")
def test_a_bolus_without_a_grant_in_the_ledger_is_none() -> None:
    """20 uL in 10 min beside 5 uL of basal per interval: with the ledger's word it passes, without it is a runaway."""
    for granted in (True, False):
        pump = Pump()
        pump.advance(HOUR, tick=2000)
        before = pump.edges
        pump.begin_bolus(20_000, 10 * MINUTE, granted)
        pump.advance(HOUR, tick=2000)
        assert pump.monitor.tripped == (0 if granted else watch.TRIP_ENVELOPE)
        if not granted:
            assert pump.edges - before <= 5_000 + 64 + 80  # an interval's budget and one look of 40 steps a second


@pytest.mark.sr("SR-08")
def test_a_grant_that_nobody_spoke_of_is_asked_for_before_it_trips() -> None:
    pump = Pump(chunk=10**6)
    pump.advance(HOUR + MINUTE, tick=2000)
    pump.bolus = (20_000, pump.now, pump.now + 10 * MINUTE, 0)
    pump.ledger.update(grant_nl=20_000, last_bolus_ms=pump.now)
    pump.advance(HOUR, tick=2000)
    assert pump.monitor.tripped == 0


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize(("quarters_ago", "trip"), [(0, 0), (1, 0), (2, watch.TRIP_ENVELOPE)])
def test_a_bolus_shorter_than_a_look_is_known_by_its_beginning(quarters_ago: int, trip: int) -> None:
    """Over before anybody asked; when it began stands in the ledger, and counts in its interval and the next."""
    pump = Pump(chunk=10**6)
    pump.advance(HOUR + MINUTE, tick=2000)
    pump.ledger.update(last_bolus_ms=pump.now - quarters_ago * QUARTER)
    pump.edges += 20_000
    pump.advance(2000)
    assert pump.monitor.tripped == trip


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize(("late_quarters", "trip"), [(0, 0), (1, watch.TRIP_ENVELOPE)])
def test_what_a_bolus_has_left_may_come_just_after_its_interval(late_quarters: int, trip: int) -> None:
    """It ran as the interval began, ended in its last second, and 60 of its steps come late, where no rate is. A quarter of an
    hour later they would be too many."""
    pump = Pump(flex((0, 0), rate_nl_per_day=0), chunk=10**6)
    pump.set_clock(MONDAY)
    pump.advance(10 * MINUTE, tick=2000)
    pump.begin_bolus(20_000, 35 * MINUTE - 1000)
    pump.advance(35 * MINUTE - 1000, tick=2000)
    pump.poll()
    pump.advance(1500 + late_quarters * QUARTER, tick=2000)
    assert pump.monitor.tripped == 0 and pump.bolus is None
    pump.edges += 60
    pump.advance(2000, tick=2000)
    assert pump.monitor.tripped == trip


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize(
    ("before_ms", "trip"), [(1_000, 0), (3_500, 0), (4_500, watch.TRIP_ENVELOPE), (60_000, watch.TRIP_ENVELOPE)]
)
def test_the_last_lease_of_the_old_program_may_come_in_the_next_interval(before_ms: int, trip: int) -> None:
    pump = Pump(fields(rate_nl_per_day=48_000_000, max_rate_nl_per_day=48_000_000))
    pump.advance(QUARTER - before_ms, tick=500)
    pump.change(fields(rate_nl_per_day=1_000, max_rate_nl_per_day=1_000), 8)
    pump.advance(before_ms + 200, tick=500)
    pump.edges += 300
    pump.advance(2000, tick=500)
    assert pump.monitor.tripped == (0 if before_ms < 4_000 else watch.TRIP_ENVELOPE)


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("after_ms", [-2000, 0, 1500])
def test_a_burst_at_the_turn_of_an_interval_is_seen(after_ms: int) -> None:
    """What the interval that ends has no room for is counted in the one that begins."""
    pump = Pump(chunk=10**6)
    pump.advance(QUARTER + after_ms, tick=2000)
    pump.edges += 12_000
    pump.advance(4000, tick=2000)
    assert pump.monitor.tripped == watch.TRIP_ENVELOPE


@pytest.mark.sr("SR-08")
def test_a_grant_is_a_volume_not_an_id() -> None:
    pump = Pump()
    pump.advance(HOUR, tick=2000)
    pump.begin_bolus(20_000, 10 * MINUTE, granted=False)
    pump.ledger.update(grant_id=77 << 16, grant_nl=0)
    pump.advance(HOUR, tick=2000)
    assert pump.monitor.tripped == watch.TRIP_ENVELOPE


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("chunk", [50, 10**6])
def test_a_bolus_pays_for_its_interval_and_the_next_only(chunk: int) -> None:
    """Also where no edge beyond the intent makes the monitor ask: it asks at every new interval."""
    pump = Pump(chunk=chunk)
    pump.advance(QUARTER + MINUTE, tick=2000)
    pump.begin_bolus(20_000, MINUTE)
    pump.advance(QUARTER, tick=2000)
    assert pump.monitor.tripped == 0 and pump.bolus is None
    pump.advance(2 * QUARTER - MINUTE, tick=2000)  # two more intervals begin
    pump.begin_bolus(20_000, 10 * MINUTE, granted=False)
    pump.advance(QUARTER, tick=2000)
    assert pump.monitor.tripped == watch.TRIP_ENVELOPE


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("overlay", [0, 1, 2, 3])
def test_a_higher_rate_needs_the_ledgers_word(overlay: int) -> None:
    """The rate that a temporary rate may have, or the minimum: only the overlay kind that stands in the ledger allows it."""
    allowed = {1: 960_000, 2: 720_000}
    for kind, rate in ((1, 960_000), (2, 720_000)):
        pump = Pump(fields(max_temp_ms=HOUR, min_rate_nl_per_day=720_000, max_rate_nl_per_day=960_000))
        pump.advance(HOUR, tick=2000)
        pump.temp = (rate, pump.now + 10 * HOUR)
        pump.ledger["overlay"] = overlay
        pump.advance(2 * HOUR, tick=2000)
        may = overlay in allowed and rate <= allowed[overlay]
        assert pump.monitor.tripped == (0 if may else watch.TRIP_ENVELOPE), (overlay, kind)


@pytest.mark.sr("SR-08")
def test_a_temporary_rate_that_was_not_offered_is_no_excuse() -> None:
    pump = Pump()
    pump.begin_temp(960_000, 10 * HOUR)
    pump.advance(2 * HOUR, tick=2000)
    assert pump.monitor.tripped == watch.TRIP_ENVELOPE


@pytest.mark.sr("SR-24")
def test_without_a_clock_the_safe_rate_is_the_budget() -> None:
    """Entries of 0.96 mL/day do not count while nobody knows the time; those of 0 do not forbid the safe rate."""
    high = Pump(flex((0, 960_000), rate_nl_per_day=48_000))
    high.temp = (960_000, DAY)  # it delivers by an entry it cannot know
    high.advance(HOUR, tick=2000)
    assert high.monitor.tripped == watch.TRIP_ENVELOPE
    low = Pump(flex((0, 0), rate_nl_per_day=960_000))
    low.advance(3 * HOUR, tick=2000)
    assert low.monitor.tripped == 0
    low.set_clock(MONDAY)
    low.temp = (960_000, DAY)  # and goes on as before when the clock is known
    low.advance(HOUR, tick=2000)
    assert low.monitor.tripped == watch.TRIP_ENVELOPE


@pytest.mark.sr("SR-08")
def test_an_hour_of_no_rate_allows_nothing_but_what_is_late() -> None:
    program = flex((0, 960_000), (60, 0), (120, 960_000))
    pump = Pump(program)
    pump.set_clock(MONDAY)
    pump.advance(HOUR + QUARTER, tick=2000)
    before = pump.edges
    pump.temp = (240_000, DAY)
    pump.advance(HOUR, tick=2000)
    assert pump.monitor.tripped == watch.TRIP_ENVELOPE
    assert pump.edges - before <= from_fields(program, 7).week[1][1] + 6


def test_the_larger_of_two_clocks_counts_until_the_interval_ends() -> None:
    program = flex((0, 960_000), (720, 48_000))
    pump = Pump(program)
    pump.set_clock(MONDAY + HOUR)
    pump.advance(QUARTER + 12 * MINUTE, tick=2000)
    pump.set_clock(MONDAY + 13 * HOUR)
    pump.advance(2 * QUARTER, tick=2000)
    pump.set_clock(MONDAY + HOUR)
    pump.advance(2 * QUARTER + MINUTE, tick=2000)
    assert pump.monitor.tripped == 0
    pump.set_clock(MONDAY + 13 * HOUR)
    pump.temp = (960_000, DAY)  # as if it had not heard
    pump.advance(2 * MINUTE, tick=2000)  # to the end of the interval
    assert pump.monitor.tripped == 0
    pump.advance(QUARTER, tick=2000)
    assert pump.monitor.tripped == watch.TRIP_ENVELOPE


def test_the_ledger_is_read_when_needed_and_no_oftener() -> None:
    """At most 600 chunks and 96 intervals; a read costs a board some milliseconds, and the virtual board a day's run."""
    pump = Pump(chunk=800)
    pump.advance(DAY, tick=2000)
    assert 96 < pump.reads <= 600 + 96 + 10


def test_fake_ledger_bytes_mean_what_they_say() -> None:
    raw = ledger_bytes(state=8, settled=3, intent=9, overlay=2, setup=77, motion=18, grant_id=1, grant_nl=5, last_bolus_ms=6)
    assert read_intent(raw) == (3, 9, True, 6)
    assert read_mode(raw) == (8, 2, 18, 77)
