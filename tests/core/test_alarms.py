"""Alarms: latched until acknowledged and gone; the highest priority shows."""

import pytest

from thecal.core import faults
from thecal.core.faults import Alarms


@pytest.mark.sr("SR-30")
def test_acknowledging_is_not_clearing() -> None:
    alarms = Alarms()
    assert alarms.raise_(faults.A_RESERVOIR_LOW)
    assert not alarms.raise_(faults.A_RESERVOIR_LOW)  # no news
    assert alarms.acknowledge() == []
    assert alarms.held() == [faults.A_RESERVOIR_LOW]
    assert alarms.lower(faults.A_RESERVOIR_LOW)
    assert alarms.held() == []


@pytest.mark.sr("SR-30")
def test_gone_but_not_acknowledged_stays() -> None:
    alarms = Alarms()
    alarms.raise_(faults.A_BATTERY_LOW)
    assert not alarms.lower(faults.A_BATTERY_LOW)
    assert alarms.held() == [faults.A_BATTERY_LOW]
    assert alarms.acknowledge() == [faults.A_BATTERY_LOW]
    assert alarms.held() == []


def test_a_cause_that_comes_back_is_news_and_needs_a_new_acknowledgement() -> None:
    alarms = Alarms()
    alarms.raise_(faults.A_BATTERY_LOW)
    alarms.lower(faults.A_BATTERY_LOW)
    assert alarms.raise_(faults.A_BATTERY_LOW)
    assert not alarms.lower(faults.A_BATTERY_LOW)


def test_the_highest_shows_and_all_are_held() -> None:
    alarms = Alarms()
    for alarm in (faults.A_BATTERY_LOW, faults.A_TIME_UNKNOWN, faults.A_FAULT):
        alarms.raise_(alarm)
    assert alarms.highest() == faults.A_FAULT
    assert alarms.held() == [faults.A_FAULT, faults.A_TIME_UNKNOWN, faults.A_BATTERY_LOW]


def test_every_alarm_has_a_priority() -> None:
    codes = {value for name, value in vars(faults).items() if name.startswith("A_")}
    assert set(faults.PRIORITY) == codes
