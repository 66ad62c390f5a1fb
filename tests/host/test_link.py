"""The link client against a board that loses, repeats, garbles and vanishes: one dose stays one dose, and every failure is a
sentence."""

import json
import socket
import time

import pytest
from fake_board import FakeBoard, respond

from thecal.core import frames, messages
from thecal_host.link.client import Client
from thecal_host.link.errors import AtRepl, BadAnswer, LinkError, NoAnswer, NoPort, Uncertain, WrongDevice, WrongProtocol
from thecal_host.link.session import Session
from thecal_host.link.transport import Transport

QUICK = {"query_deadline_s": 1.2, "command_deadline_s": 1.2}


def client_of(board, **deadlines):
    return Client(board.url, session=Session(Transport(board.url), first_wait_s=0.15), **{**QUICK, **deadlines})


def test_hello_and_status():
    with FakeBoard() as board, client_of(board) as client:
        assert client.board.board_id == board.board_id
        assert client.board.version == "0.1.0"
        status = client.status()
        assert (status.min_nl, status.max_nl) == (19_900, 20_041)
        assert status.pressure_pa is None
        assert status.battery_mv == 3700


def test_status_keeps_keys_it_does_not_know():
    with FakeBoard() as board, client_of(board) as client:
        board.status["zz"] = 7
        assert client.status().extra == {"zz": 7}


def test_status_with_a_missing_key_is_a_sentence():
    with FakeBoard() as board, client_of(board) as client:
        del board.status["edges"]
        with pytest.raises(BadAnswer, match="edges"):
            client.status()


def test_a_command_gets_its_id_from_hello():
    with FakeBoard() as board, client_of(board) as client:
        board.floor = 41
        answer = client.start()
        assert answer.ok
        assert answer.command_id >> 16 == 42
        assert not answer.replayed


@pytest.mark.parametrize("fault", ["drop", "half", "corrupt", "wrong_seq", "unplug", "unplug_before", "busy"])
@pytest.mark.sr("SR-03")
def test_a_lost_answer_is_asked_for_again_under_the_same_id(fault):
    with FakeBoard() as board, client_of(board, command_deadline_s=5) as client:
        board.faults = ["", fault]  # the hello for the id is fine, the bolus's answer is not
        answer = client.bolus(40_000, 600_000)
        assert answer.ok
        assert board.ran == [("bolus", answer.command_id)]
        boluses = [request for request in board.requests if request["c"] == "bolus"]
        assert {request["i"] for request in boluses} == {answer.command_id}
        assert boluses[0] == boluses[-1]
        if fault not in ("unplug_before", "busy"):
            assert answer.replayed


@pytest.mark.parametrize("fault", ["twice", "garbage", "boot_text"])
def test_extra_bytes_around_an_answer_do_no_harm(fault):
    with FakeBoard() as board, client_of(board) as client:
        board.faults = [fault] * 6
        assert client.status().state == 4
        assert client.bolus(1_000, 60_000).ok
        assert client.status().state == 4
        assert len(board.ran) == 1


@pytest.mark.sr("SR-03")
def test_a_deadline_without_an_answer_is_uncertain_and_can_be_settled():
    with FakeBoard() as board, client_of(board) as client:
        board.faults = ["", *["drop"] * 20]
        with pytest.raises(Uncertain) as caught:
            client.bolus(40_000, 600_000)
        error = caught.value
        assert str(error.command_id) in str(error)
        assert "may or may not" in str(error)
        assert f'thecal bolus "40000 nL" --over "600000 ms" --id {error.command_id}' in error.settle
        board.faults = []
        answer = client.bolus(40_000, 600_000, error.command_id)
        assert answer.replayed
        assert answer.ok
        assert board.ran == [("bolus", error.command_id)]


def test_a_command_that_never_left_is_not_called_uncertain():
    with FakeBoard() as board:
        client = client_of(board)
        client.connect()
        client.session.transport.close()
        client.session.transport.url = "socket://127.0.0.1:9"
        with pytest.raises(NoPort):
            client.bolus(1_000, 1_000)


def test_the_board_that_comes_back_must_be_the_same_one():
    with FakeBoard() as board, client_of(board) as client:
        board.faults = ["", "unplug_before"]
        answers = []

        def swap(request_hello=board._run):
            def run(frame, busy):
                if board.faults == [] and not answers:
                    answers.append(1)
                    board.board_id = "another"
                return request_hello(frame, busy)

            return run

        board._run = swap()
        board.board_id = "fa4eb0a2d0000001"
        board.faults = ["", "unplug_before"]
        with pytest.raises(Uncertain, match="another"):
            client.bolus(1_000, 1_000)
        assert board.ran == []


def test_another_command_under_a_used_id_is_refused():
    with FakeBoard() as board, client_of(board) as client:
        used = client.bolus(1_000, 60_000).command_id
        assert client.bolus(2_000, 60_000, used).result == messages.ID_TAKEN
        assert client.start(used).result == messages.ID_TAKEN
        assert len(board.ran) == 1


def test_a_stale_id_is_a_definite_answer():
    with FakeBoard() as board, client_of(board) as client:
        board.floor = 100
        assert client.bolus(1_000, 60_000, 5 << 16).result == messages.STALE_ID
        assert board.ran == []


def test_a_refusal_carries_reason_value_and_limit():
    with FakeBoard() as board, client_of(board) as client:
        board.refuse["bolus"] = {"r": messages.REFUSED, "k": messages.LOCKOUT, "v": 60_000, "l": 7_200_000}
        answer = client.bolus(1_000, 60_000)
        assert (answer.result, answer.reason, answer.value, answer.limit) == (1, messages.LOCKOUT, 60_000, 7_200_000)


@pytest.mark.parametrize(("nl", "ms"), [(0, 1), (1 << 32, 1), (-5, 1), (1, -1), (1, 1 << 32)])
def test_a_value_out_of_range_never_leaves_the_host(nl, ms):
    with FakeBoard() as board, client_of(board) as client:
        with pytest.raises(BadAnswer, match="Nothing was sent"):
            client.bolus(nl, ms)
        assert all(request["c"] == "hello" for request in board.requests)


@pytest.mark.parametrize("mode", ["repl", "echo", "raw_repl"])
def test_a_board_at_the_prompt(mode):
    with FakeBoard(mode) as board, pytest.raises(AtRepl, match="run `thecal flash`"):
        client_of(board).connect()


def test_another_device():
    with FakeBoard("noise") as board, pytest.raises(WrongDevice, match="GPGGA"):
        client_of(board).connect()


def test_nobody():
    with FakeBoard("silent") as board, pytest.raises(NoAnswer, match="Nothing answers"):
        client_of(board).connect()


@pytest.mark.parametrize(("proto", "word"), [(0, "older"), (2, "newer")])
def test_other_link_versions(proto, word):
    with FakeBoard(proto=proto) as board, pytest.raises(WrongProtocol, match=word):
        client_of(board).connect()


def test_other_frame_versions():
    with FakeBoard("old_frames") as board, pytest.raises(WrongProtocol, match="frame version 2"):
        client_of(board).connect()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/dev/no-such-port", "There is no port"),
        ("socket://127.0.0.1:9", "Nobody listens"),
        ("nonsense://x", "not a port this program knows"),
        ("/", "not a serial port"),
        ("", "There is no port"),
    ],
)
def test_ports_that_cannot_be_opened(url, words):
    with pytest.raises(NoPort, match=words):
        Client(url).connect()


def test_a_port_that_goes_away_for_good_is_a_sentence_before_long():
    with FakeBoard() as board:
        client = client_of(board)
        client.connect()
    begin = time.monotonic()
    with pytest.raises(LinkError, match=r"went away|Nobody listens"):
        client.status()
    assert time.monotonic() - begin < 5


def test_a_port_that_comes_back_is_used_again():
    with FakeBoard() as board, client_of(board, query_deadline_s=5) as client:
        board.faults = ["unplug", "unplug_before", "", "unplug"]
        assert client.status().boot == 1
        assert client.status().boot == 1


def test_garbage_without_end_does_not_hang():
    server = socket.create_server(("127.0.0.1", 0))
    try:
        client = Client(f"socket://127.0.0.1:{server.getsockname()[1]}", 0.8)
        client.session.transport.open()
        line, _ = server.accept()
        line.sendall(b"\xff" * 100_000)
        begin = time.monotonic()
        with pytest.raises(WrongDevice):
            client.hello()
        assert time.monotonic() - begin < 3
        client.close()
        line.close()
    finally:
        server.close()


@pytest.mark.parametrize(
    "answer", [b'{"r":true}', b"[" * 100_000, b'{"r":' * 100_000, b'{"r":0,"x":' + b"[" * 100_000], ids=["bool", "[", "{", "in"]
)
def test_an_answer_that_makes_no_sense_is_a_sentence(answer):
    pieces = [(frames.RESPONSE, answer[at : at + frames.PAYLOAD_MAX]) for at in range(0, len(answer), frames.PAYLOAD_MAX)]
    with FakeBoard() as board, client_of(board, query_deadline_s=10) as client:
        board._run = lambda _frame, _busy: pieces
        with pytest.raises(BadAnswer, match="makes no sense"):
            client.status()


@pytest.mark.sr("SR-03")
@pytest.mark.parametrize("other", [{"i": 7 << 16}, {"i": True}, {"i": "x"}, {}])
def test_the_answer_to_another_command_is_noise(other):
    wrong = 2
    with FakeBoard() as board, client_of(board, command_deadline_s=6) as client:
        run = board._run

        def confused(frame, busy):
            nonlocal wrong
            parts = run(frame, busy)
            answer = json.loads(parts[0][1])
            if "i" in answer and wrong:
                wrong -= 1
                del answer["i"]
                return [respond({**answer, "r": messages.REFUSED, **other})]
            return parts

        board._run = confused
        answer = client.bolus(40_000, 600_000)
        assert (answer.ok, wrong) == (True, 0)
        assert board.ran == [("bolus", answer.command_id)]


@pytest.mark.sr("SR-03")
def test_a_command_that_only_others_answers_come_to_is_uncertain():
    with FakeBoard() as board, client_of(board) as client:
        board._command = lambda request: {"r": 0}
        run = board._run
        board._run = lambda frame, busy: [(kind, data.replace(b'"i":', b'"i":1')) for kind, data in run(frame, busy)]
        with pytest.raises(Uncertain, match="may or may not"):
            client.bolus(40_000, 600_000)


def test_a_request_the_board_could_not_read_is_refused_without_an_id():
    with FakeBoard() as board, client_of(board) as client:
        run = board._run
        bad = respond({"r": messages.BAD_REQUEST, "k": "json", "v": 0, "lo": 0, "hi": 0})
        board._run = lambda frame, busy: [bad] if b'"i"' in frame.payload else run(frame, busy)
        assert client.start().result == messages.BAD_REQUEST
