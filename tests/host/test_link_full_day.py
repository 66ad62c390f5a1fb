"""Commands and status of the full day over the link: sent as the protocol says, read as values or refused as a sentence."""

import pytest
from fake_board import STATUS, FakeBoard
from harness import Bench

from thecal.core import messages
from thecal_host.link.client import Client
from thecal_host.link.errors import BadAnswer
from thecal_host.link.session import Session
from thecal_host.link.transport import Transport
from thecal_host.link.types import STATUS_KEYS, parse_status


def client_of(board):
    return Client(board.url, 1.2, 1.2, Session(Transport(board.url), first_wait_s=0.15))


@pytest.mark.parametrize(
    ("act", "request_"),
    [
        (lambda c: c.hold(), {"c": "hold", "ms": 0}),
        (lambda c: c.hold(60_000), {"c": "hold", "ms": 60_000}),
        (lambda c: c.patient(), {"c": "patient"}),
        (lambda c: c.temp(240_000, 3_600_000), {"c": "temp", "nlday": 240_000, "ms": 3_600_000}),
        (lambda c: c.minimum(), {"c": "minimum"}),
        (lambda c: c.normal(), {"c": "normal"}),
        (lambda c: c.set_clock(1_796_025_600_000), {"c": "clock", "u": 1_796_025_600_000}),
        (lambda c: c.move(2, 100, 5000, detached=True), {"c": "move", "k": 2, "n": 100, "ms": 5000, "rev": 0, "det": 1}),
        (lambda c: c.move((1 << 2), (1 << 24) - 1, 3_600_000, True), {"c": "move", "k": 4, "n": 16_777_215, "ms": 3_600_000}),
        (lambda c: c.direction(False), {"c": "direction", "ok": 0}),
    ],
)
def test_every_command_of_the_full_day_is_sent_as_the_contract_says(act, request_):
    with FakeBoard() as board, client_of(board) as client:
        answer = act(client)
        assert answer.ok
        sent = board.requests[-1]
        assert sent["i"] == answer.command_id
        assert request_.items() <= sent.items()


@pytest.mark.parametrize(
    "act",
    [
        lambda c: c.hold(259_200_001),
        lambda c: c.temp(240_000, 59_999),
        lambda c: c.temp(-1, 60_000),
        lambda c: c.set_clock(0),
        lambda c: c.move(5, 1, 1),
        lambda c: c.move(1, 0, 1),
        lambda c: c.move(1, 1, 3_600_001),
    ],
)
def test_commands_out_of_range_never_leave_the_host(act):
    with FakeBoard() as board, client_of(board) as client:
        with pytest.raises(BadAnswer, match="Nothing was sent"):
            act(client)
        assert board.ran == []


def test_a_refusal_tells_how_long_to_wait():
    with FakeBoard() as board, client_of(board) as client:
        board.refuse["patient"] = {"r": messages.REFUSED, "k": messages.LOCKOUT, "v": 1, "l": 2, "w": 5_100_000}
        assert client.patient().wait_ms == 5_100_000


@pytest.mark.parametrize("held", [None, 3, [True], ["x"], {}])
def test_held_alarms_that_make_no_sense_are_a_sentence(held):
    with FakeBoard() as board, client_of(board) as client:
        board.status["held"] = held
        with pytest.raises(BadAnswer, match="lacks 'held'"):
            client.status()


def test_what_may_be_missing_in_status_is_none_and_nothing_else_may():
    with FakeBoard() as board, client_of(board) as client:
        board.status |= {"held": [10, 3], "mot": 2 | 32}
        now = client.status()
        assert (now.wall_unix_ms, now.change_in_ms, now.position_steps, now.button) == (None, None, None, None)
        assert (now.held, now.motion) == ((10, 3), 2)
        board.status["lock"] = None
        with pytest.raises(BadAnswer, match="lock"):
            client.status()


def test_the_firmware_says_what_the_host_expects_and_no_more():
    bench = Bench()
    for answer in (bench.ask(c="status"), bench.running().ask(c="status")):
        assert parse_status(answer).extra == {}
        assert set(answer) == {*STATUS_KEYS, "held", "r"}
    assert set(STATUS) == {*STATUS_KEYS, "held"}, "the fake board of these tests says the same"
