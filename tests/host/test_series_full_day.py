"""Curves of a day with a schedule, temporary rates, holds, set-up motions and an emergency stop; wall-clock times of the log."""

import csv

import pytest

from thecal.core import basal, events, faults, messages, states
from thecal.core.events import pack_record, unpack_record
from thecal.core.ledger import M_DETACHED, M_REVERSE
from thecal_host.logs import export, series
from thecal_host.logs.clock import wall_times

STEP_PL = 50_000_000_000  # 50 nL a microstep
H_MS = 3_600_000
MONDAY_MS = 1_796_025_600_000
BEGIN = [(1, 0, events.BOOT), (1, 0, events.STATE, 0, states.OFF, states.INFUSING, states.E_START)]


def log(*rows):
    return [pack_record(seq, *row) for seq, row in enumerate(rows)]


def rate(t_ms, nl_per_day, why=basal.WHY_SCHEDULE, ahead_ms=0, boot=1):
    return boot, t_ms, events.RATE, 0, nl_per_day, ahead_ms, why


# --- the programmed curve -----------------------------------------------------------------------------------------------------


def test_schedule_temporary_rate_and_hold():
    rows = [
        *BEGIN,
        rate(0, 240_000),
        rate(6 * H_MS - 700, 120_000, ahead_ms=700),
        (1, 8 * H_MS, events.OVERLAY, 7, 480_000, 2 * H_MS, basal.TEMP),
        rate(8 * H_MS, 480_000, basal.WHY_TEMP, ahead_ms=400),
        rate(10 * H_MS + 500, 120_000, basal.WHY_TEMP),  # noticed late: it held from the end of the temporary rate on
        (1, 12 * H_MS, events.STATE, 0, states.INFUSING, states.HELD, states.E_HOLD),
        (1, 13 * H_MS, events.STATE, 0, states.HELD, states.INFUSING, states.E_RESUME),
        (1, 14 * H_MS, events.SENSORS),
    ]
    made = series.build(log(*rows), STEP_PL)
    parts = [(6 * H_MS, 240_000), (2 * H_MS + 400, 120_000), (2 * H_MS - 400, 480_000), (2 * H_MS, 120_000), (H_MS, 120_000)]
    assert made.programmed_nl == sum(span * nl for span, nl in parts) // series.DAY_MS
    assert made.programmed_at(6 * H_MS) == 60_000
    assert made.programmed_at(13 * H_MS) == made.programmed_at(12 * H_MS)


def test_a_step_of_the_schedule_noticed_late_held_from_its_minute_on():
    rows = [
        *BEGIN,
        (1, 0, events.CLOCK, MONDAY_MS + 250, 0, 0, events.CLOCK_FIRST),
        rate(0, 240_000, basal.WHY_CLOCK),
        rate(H_MS + 500, 0),  # the whole minute was 750 ms earlier
        (1, 2 * H_MS, events.SENSORS),
    ]
    made = series.build(log(*rows), STEP_PL)
    assert made.programmed_nl == 240_000 * (H_MS - 250) // series.DAY_MS
    far = log(*BEGIN, (1, 0, events.CLOCK, MONDAY_MS, 0, 0, 0), rate(0, 240_000), rate(30_000, 0), (1, H_MS, events.SENSORS))
    assert series.build(far, STEP_PL).programmed_nl == 240_000 * 30_000 // series.DAY_MS


def test_a_rate_ahead_that_a_stop_overtakes_is_the_next_starts():
    rows = [
        *BEGIN,
        rate(0, 240_000),
        rate(H_MS - 900, 480_000, ahead_ms=900),
        (1, H_MS - 500, events.STATE, 0, states.INFUSING, states.OFF, states.E_STOP),
        (1, 2 * H_MS, events.SENSORS),
    ]
    assert series.build(log(*rows), STEP_PL).programmed_nl == 240_000 * (H_MS - 500) // series.DAY_MS


# --- set-up motions -----------------------------------------------------------------------------------------------------------


def motion_rows(kind, first=100, steps=1000, t_ms=1000, made=None):
    made = steps if made is None else made
    return [
        (1, 0, events.BOOT, first, first),
        (1, t_ms, events.MOVE, 7, steps, 10_000, kind),
        (1, t_ms, events.STATE, first, states.OFF, states.SETUP, states.E_MOVE),
        (1, t_ms, events.DOSE, first, min(steps, 600), 1, kind),
        (1, t_ms + 6000, events.DOSE, first + 600, steps - 600, 2, kind),
        (1, t_ms + 10_000 * made // steps, events.MOVE_END, 7, steps, steps - made, int(made == steps)),
        (1, t_ms + 10_000 * made // steps, events.STATE, first + made, states.SETUP, states.OFF, states.E_MOVED),
    ]


@pytest.mark.parametrize("kind", [messages.PRIME | M_DETACHED, messages.JOG | M_REVERSE, messages.PURGE | M_DETACHED])
def test_what_is_no_dose_is_in_neither_curve(kind):
    made = series.build(log(*motion_rows(kind)), STEP_PL)
    assert made.delivered_nl == (0, 0)
    assert made.programmed_nl == 0
    assert made.setup_steps == 1000


def test_a_dose_after_a_motion_counts_from_where_the_motion_ended():
    rows = [
        *motion_rows(messages.PRIME | M_DETACHED),
        (1, 20_000, events.STATE, 1100, states.OFF, states.INFUSING, states.E_START),
        (1, 20_000, events.DOSE, 1100, 20, 3),
        (1, 90_000, events.DOSE, 1120, 20, 4),
    ]
    made = series.build(log(*rows), STEP_PL)
    assert made.delivered_nl == (20 * 50, 40 * 50)


def test_a_prime_into_the_connected_outlet_is_a_programmed_dose():
    made = series.build(log(*motion_rows(messages.PRIME)), STEP_PL)
    assert made.programmed_nl == 50_000
    assert made.delivered_nl == (600 * 50, 1000 * 50)
    early = series.build(log(*motion_rows(messages.PRIME, made=700)), STEP_PL)
    assert early.programmed_nl == 35_000
    assert early.setup_steps == 0


def test_a_power_cut_in_a_motion_leaves_what_was_not_settled_as_perhaps_a_dose():
    kind = messages.PRIME | M_DETACHED
    # the ledger had settled 600 of the steps as set-up; the 400 after them may be a dose, or not
    rows = [*motion_rows(kind)[:5], (2, 7000, events.BOOT, 1100, 100, 0, 0)]
    made = series.build(log(*rows), STEP_PL)
    low, high = made.delivered_nl
    assert low == 0
    assert high >= 400 * 50
    after = [*rows, (2, 8000, events.STATE, 1100, states.OFF, states.INFUSING, 8), (2, 8000, events.DOSE, 1100, 20, 3)]
    low, high = series.build(log(*after, (2, 9000, events.DOSE, 1120, 20, 4)), STEP_PL).delivered_nl
    assert low == 20 * 50
    assert high >= (400 + 40) * 50


def test_a_lease_cut_short_by_the_emergency_stop_is_not_taken_for_delivered():
    rows = [
        *BEGIN,
        (1, 1000, events.DOSE, 0, 400, 1),
        (1, 2000, events.ALARM, 300, 30, 0, faults.A_ESTOP),  # of the lease in flight 30 steps may not have been made
        (1, 2000, events.STATE, 300, states.INFUSING, states.OFF, states.E_ESTOP),
        (1, 3000, events.STATE, 300, states.OFF, states.INFUSING, states.E_START),
        (1, 4000, events.DOSE, 300, 100, 2),
        (1, 5000, events.DOSE, 400, 100, 3),
    ]
    low, high = series.build(log(*rows), STEP_PL).delivered_nl
    assert low == (400 - 30) * 50
    assert high == 500 * 50


def test_a_refused_press_of_the_button_is_a_mark_and_one_by_command_is_one_mark():
    rows = [
        *BEGIN,
        (1, 10, events.UNMET, messages.BUTTON_ID, 60, 1, messages.LOCKOUT),
        (1, 20, events.UNMET, 7 << 16, 60, 2, messages.LOCKOUT),
        (1, 20, events.REFUSAL, 7 << 16, 1, 2, messages.LOCKOUT),
    ]
    made = series.build(log(*rows), STEP_PL)
    assert [(mark.t_ms, mark.detail) for mark in made.refusals] == [(10, messages.LOCKOUT), (20, messages.LOCKOUT)]


# --- wall-clock times ---------------------------------------------------------------------------------------------------------


def times(*rows):
    return wall_times([unpack_record(raw) if raw else None for raw in log(*rows)])


def test_times_are_told_within_a_start_and_not_beyond():
    rows = [
        (1, 1000, events.BOOT),
        (1, 5000, events.CLOCK, MONDAY_MS, 0, 0, events.CLOCK_FIRST),
        (1, 6000, events.SENSORS),
        (2, 6000, events.BOOT),
        (2, 7000, events.SENSORS),
        (3, 7000, events.BOOT),
        (3, 9000, events.CLOCK, MONDAY_MS + 60_000, 0, 0, events.CLOCK_FIRST),
    ]
    assert times(*rows) == [MONDAY_MS - 4000, MONDAY_MS, MONDAY_MS + 1000, None, None, MONDAY_MS + 58_000, MONDAY_MS + 60_000]


def test_a_jump_holds_from_its_record_on():
    rows = [
        (1, 0, events.CLOCK, MONDAY_MS, 0, 0, events.CLOCK_FIRST),
        (1, 1000, events.SENSORS),
        (1, 2000, events.CLOCK, MONDAY_MS + H_MS, 3598, 0, events.CLOCK_FORWARD),
        (1, 3000, events.SENSORS),
    ]
    assert times(*rows) == [MONDAY_MS, MONDAY_MS + 1000, MONDAY_MS + H_MS, MONDAY_MS + H_MS + 1000]


@pytest.mark.parametrize(("way", "sign"), [(events.CLOCK_FORWARD, 1), (events.CLOCK_BACK, -1)])
def test_before_a_jump_whose_first_setting_is_lost_the_old_clock_is_told(way, sign):
    told = times((1, 1000, events.SENSORS), (1, 2000, events.CLOCK, MONDAY_MS, 3600, 0, way))
    assert told == [MONDAY_MS - 1000 - sign * H_MS, MONDAY_MS]


def test_the_csv_file_has_the_wall_clock_where_it_is_known():
    raws = [*log((1, 1000, events.SENSORS), (1, 2000, events.CLOCK, MONDAY_MS, 0, 0, 0), (2, 3000, events.SENSORS)), b"x" * 32]
    rows = list(csv.DictReader(export.records_csv("b", raws, STEP_PL).splitlines()))
    assert [row["wall_time_utc"] for row in rows] == ["2026-11-30 07:59:59Z", "2026-11-30 08:00:00Z", "", ""]
    assert rows[3]["event"] == "damaged"
    assert rows[3]["sentence"] == (b"x" * 32).hex()
