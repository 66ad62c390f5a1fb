"""A host that asks too early: requests hold no byte that a MicroPython prompt obeys, so a board that is starting is never interrupted."""

import json

import pytest

from thecal.core import frames
from thecal_host.link.session import PROMPT_COMMANDS, Session
from thecal_host.link.transport import Transport


@pytest.mark.parametrize("first", range(0, 1 << 16, 331))
@pytest.mark.parametrize("request_", [{"c": "hello"}, {"c": "status"}, {"c": "provision", "i": 65537, "nothing": 1}])
def test_a_request_never_holds_ctrl_c_or_ctrl_d(first: int, request_: dict[str, object]) -> None:
    session = Session(Transport("loop://"))
    session._seq = first
    payload = json.dumps(request_).encode()
    frame = session._frame(frames.REQUEST, payload)
    assert not any(byte in frame for byte in PROMPT_COMMANDS)
    (decoded,) = frames.Decoder().feed(frame)
    assert (decoded.kind, decoded.seq, decoded.payload) == (frames.REQUEST, session._seq, payload)


def test_without_this_many_requests_would_hold_one() -> None:
    payload = b'{"c":"hello"}'
    bad = sum(any(byte in frames.encode(frames.REQUEST, seq, payload) for byte in PROMPT_COMMANDS) for seq in range(1 << 12))
    assert bad > 100


def test_a_frame_that_cannot_do_without_is_sent_all_the_same() -> None:
    frame = Session(Transport("loop://"))._frame(frames.DATA, b"\x01\x00\x00\x00\x03\x04")
    assert frames.Decoder().feed(frame)[0].payload == b"\x01\x00\x00\x00\x03\x04"
