"""Blobs and the log over a bad line: whole, in order, nothing twice; gaps are believed only when the board shows them again."""

import random

import pytest
from fake_board import FakeBoard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thecal.core import messages
from thecal_host.link.client import Client
from thecal_host.link.errors import BadAnswer, Rejected
from thecal_host.link.session import Session
from thecal_host.link.transport import Transport

FAULTS = ["", "", "drop", "half", "corrupt", "twice", "garbage", "lose_frame", "wrong_seq"]


def client_of(board):
    return Client(board.url, 6, 6, Session(Transport(board.url), first_wait_s=0.05))


@pytest.mark.parametrize("size", [1, 89, 90, 91, 500, messages.BLOB_MAX_BYTES])
def test_stage_and_read_back(size):
    blob = random.Random(size).randbytes(size)
    seen = []
    with FakeBoard() as board, client_of(board) as client:
        client.stage(messages.BLOB_PROGRAM, blob, lambda done, total: seen.append((done, total)))
        assert client.read_blob(messages.BLOB_PROGRAM) == blob
    assert seen[-1] == (size, size)


@pytest.mark.parametrize("size", [0, messages.BLOB_MAX_BYTES + 1])
def test_a_blob_that_cannot_fit_is_refused_here(size):
    with FakeBoard() as board, client_of(board) as client, pytest.raises(BadAnswer, match="cannot be staged"):
        client.stage(messages.BLOB_PROGRAM, bytes(size))


def test_a_board_that_refuses_the_blob():
    with FakeBoard() as board, client_of(board) as client:
        board.refuse["stage"] = messages.STORE_FULL
        with pytest.raises(Rejected, match="flash") as caught:
            client.stage(messages.BLOB_PROGRAM, b"abc")
        assert caught.value.result == messages.STORE_FULL


def test_reading_what_is_not_there():
    with FakeBoard() as board, client_of(board) as client:
        assert client.read_blob(messages.BLOB_MONITOR) is None


def test_records_that_are_not_durable_yet_are_waited_for():
    with FakeBoard() as board, client_of(board) as client:
        board.add_records(5)
        board.lazy = True
        assert len(list(client.pull_log())) == 5


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.binary(min_size=1, max_size=600), st.lists(st.sampled_from(FAULTS), max_size=6))
def test_any_blob_survives_a_bad_line(blob, faults):
    with FakeBoard() as board, client_of(board) as client:
        board.faults = list(faults)
        client.stage(messages.BLOB_MONITOR, blob)
        assert client.read_blob(messages.BLOB_MONITOR) == blob


def test_a_restart_while_staging_starts_over():
    blob = bytes(range(200))
    with FakeBoard() as board, client_of(board) as client:
        original = board._data
        calls = []

        def forget_once(payload):
            calls.append(1)
            if len(calls) == 2:
                board.staging[3].clear()
            return original(payload)

        board._data = forget_once
        client.stage(messages.BLOB_PROGRAM, blob)
        assert board.blobs[messages.BLOB_PROGRAM] == blob


def test_pull_the_whole_log():
    with FakeBoard() as board, client_of(board) as client:
        board.add_records(500)
        seen = []
        assert list(client.pull_log(0, lambda done, total: seen.append((done, total)))) == board.records
        assert seen[-1] == (500, 500)
        assert list(client.pull_log(490)) == board.records[490:]
        assert list(client.pull_log(500)) == []
        assert list(client.pull_log(9_999)) == []


def test_an_empty_log():
    with FakeBoard() as board, client_of(board) as client:
        assert list(client.pull_log()) == []


def test_a_gap_on_the_board_is_handed_on():
    with FakeBoard() as board, client_of(board) as client:
        board.add_records(10)
        board.add_records(100, first=50)
        board.add_records(3, first=1000)
        assert list(client.pull_log()) == board.records


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(st.sampled_from(FAULTS), max_size=8), st.integers(0, 160), st.booleans())
def test_the_log_survives_a_bad_line(faults, first, with_gap):
    with FakeBoard() as board, client_of(board) as client:
        board.add_records(150)
        if with_gap:
            board.add_records(40, first=170)
        board.faults = ["", *faults]
        expected = [raw for raw in board.records if int.from_bytes(raw[:4], "little") >= first]
        assert list(client.pull_log(first)) == expected


def test_a_log_in_an_unknown_form_is_a_sentence():
    with FakeBoard() as board, client_of(board) as client:
        board.add_records(3)
        board._log = lambda first: [(6, b"\x00" * 7)]
        with pytest.raises(BadAnswer, match="unknown form"):
            list(client.pull_log())
