"""The state table: total, and closed where it must be."""

import pytest

from thecal.core import states


def test_every_pair_is_answered() -> None:
    for state in states.STATES:
        assert len(states.TABLE[state]) == len(states.EVENTS)
        for event in states.EVENTS:
            after = states.step(state, event)
            assert after == states.NO or after in states.STATES
    assert len(states.TABLE) == len(states.STATES) == len(states.STATE_NAMES)
    assert len(states.EVENTS) == len(states.EVENT_NAMES)


@pytest.mark.sr("SR-01")
def test_a_fault_ends_in_safe_from_everywhere() -> None:
    assert all(states.step(state, states.E_FAULT) == states.SAFE for state in states.STATES)


@pytest.mark.sr("SR-23")
def test_safe_is_left_only_by_recovery_or_maintenance() -> None:
    out = {event for event in states.EVENTS if states.step(states.SAFE, event) not in (states.NO, states.SAFE)}
    assert out == {states.E_RECOVER, states.E_MAINTENANCE}


def test_motion_needs_infusing_and_infusing_needs_start_resume_or_policy() -> None:
    assert [state for state in states.STATES if states.may_move(state)] == [states.INFUSING, states.SETUP]
    ways_in = {
        event
        for state in states.STATES
        for event in states.EVENTS
        if states.step(state, event) == states.INFUSING and state != states.INFUSING
    }
    assert ways_in == {states.E_START, states.E_RESUME, states.E_PASS_RESUME}


@pytest.mark.sr("SR-07")
def test_a_bolus_is_taken_only_while_infusing() -> None:
    assert [state for state in states.STATES if states.step(state, states.E_BOLUS) != states.NO] == [states.INFUSING]


def ways_into(target: int) -> set[tuple[int, int]]:
    return {(state, event) for state in states.STATES for event in states.EVENTS if states.step(state, event) == target != state}


def test_set_up_motions_begin_only_from_off_and_lead_nowhere_near_therapy() -> None:
    assert ways_into(states.SETUP) == {(states.OFF, states.E_MOVE)}
    after = {states.step(states.SETUP, event) for event in states.EVENTS} - {states.NO}
    assert after == {states.OFF, states.SAFE, states.MAINTENANCE}


@pytest.mark.sr("SR-04")
def test_an_emergency_stop_ends_every_motion_and_starts_nothing() -> None:
    for state in states.STATES:
        after = states.step(state, states.E_ESTOP)
        assert not states.may_move(state if after == states.NO else after)
    assert states.step(states.INFUSING, states.E_ESTOP) == states.step(states.SETUP, states.E_ESTOP) == states.OFF
    assert states.step(states.HELD, states.E_ESTOP) == states.OFF
    assert states.step(states.SAFE, states.E_ESTOP) == states.SAFE


def test_a_rate_is_changed_only_while_infusing() -> None:
    assert [state for state in states.STATES if states.step(state, states.E_RATE) != states.NO] == [states.INFUSING]
