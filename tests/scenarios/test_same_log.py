"""The reference day on both engines from one flashed image: the same event log and the same ledger, byte for byte."""

import pytest
from flashed_boards import NEEDS_VM, StartBoard

from thecal.core import events, messages, states
from thecal.core.events import Record, unpack_record
from thecal_host import paths, reference_day, scenario
from thecal_host.link.client import Client
from thecal_host.reference_day import REFERENCE_DAY, Action
from thecal_host.scenario import Played, ScenarioError
from thecal_host.virtual.child import CPYTHON, MICROPYTHON, micropython_here
from thecal_host.virtual.registry import RunningBoard

EXAMPLE = str(paths.examples_dir() / reference_day.EXAMPLE)


WHAT = ("provision", "upload", "activate", "start")


def records(played: Played) -> list[Record]:
    found = [unpack_record(raw) for raw in played.log]
    assert None not in found
    return [record for record in found if record is not None]


def test_the_reference_day_gives_the_same_bytes_on_both_engines(start_board: StartBoard) -> None:
    if not micropython_here():
        pytest.fail(NEEDS_VM)  # one engine alone proves nothing
    vm = scenario.play(start_board("vm", engine=MICROPYTHON), EXAMPLE)
    cpython = scenario.play(start_board("cpython", engine=CPYTHON), EXAMPLE)
    assert len(vm.log) > 600
    assert b"".join(vm.log) == b"".join(cpython.log)
    assert len(vm.ledger) == 394
    assert vm.ledger == cpython.ledger
    assert vm.truth["edges"] == cpython.truth["edges"]
    assert vm.truth["catheter_out_pl"] == cpython.truth["catheter_out_pl"]
    assert [answer for _action, answer in vm.answers] == [answer for _action, answer in cpython.answers]
    _the_day_has_what_it_should_have(vm)


def _the_day_has_what_it_should_have(played: Played) -> None:
    """So that two equally empty logs would not pass."""
    log = records(played)
    count = {code: sum(record.code == code for record in log) for code in events.FIELDS}
    assert count[events.GRANT] == count[events.BOLUS_END] == 2
    assert [record.detail for record in log if record.code == events.GRANT] == [messages.BY_PATIENT, messages.BY_BUTTON]
    assert count[events.REFUSAL] == 3
    assert count[events.UNMET] == 2
    assert count[events.MOVE] == count[events.MOVE_END] == 5
    assert count[events.CLOCK] == 4
    assert count[events.HOLD] == count[events.DIRECTION] == 1
    assert count[events.OVERLAY] == 6  # faster and its end, slower and its end, minimum and normal
    assert {record.detail for record in log if record.code == events.RATE} == {0, 1, 2, 3, 5, 6}
    assert count[events.INPUT] == 5  # the home switch and the emergency stop, each closed and opened; the button
    assert count[events.RECOVERED] == 1
    assert count[events.FAULT] == count[events.MONITOR_TRIP] == 0
    assert count[events.DOSE] > 500
    assert sum(record.code == events.BOOT for record in log) == 3  # flashed, started here, after the cut
    assert played.status is not None
    assert played.status.state == states.INFUSING
    therapy_pl = played.truth["delivered_pl"] - played.truth_before["delivered_pl"]
    assert played.status.min_nl * 1000 <= therapy_pl <= played.status.max_nl * 1000
    assert played.cuts[0].batch_left > 0


def test_ids_follow_from_the_place_in_the_scenario(running_board: RunningBoard) -> None:
    played = scenario.play(running_board, EXAMPLE, tuple(action for action in REFERENCE_DAY if action.what in WHAT)[:4])
    assert [answer.command_id for _action, answer in played.answers] == [1 << 16 | 1, 2 << 16 | 3, 3 << 16 | 4]


def test_an_action_that_the_board_refuses_ends_the_scenario_with_a_sentence(running_board: RunningBoard) -> None:
    with pytest.raises(ScenarioError, match=r"cannot go on at start.*no program is active"):
        scenario.play(running_board, EXAMPLE, (Action(0, "provision", {"nothing": 1}), Action(0, "start")))


def test_a_motor_that_does_not_move_cannot_be_cut_in_motion(running_board: RunningBoard) -> None:
    with pytest.raises(ScenarioError, match="did not move within a minute"):
        scenario.play(running_board, EXAMPLE, (Action(0, "provision", {"nothing": 1}), Action(0, "cut_in_motion", {"off_ms": 0})))
    with Client(running_board.port) as client:
        assert client.status().state == states.OFF
