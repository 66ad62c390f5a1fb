"""A host that asks too early: requests hold no byte that a MicroPython prompt obeys, so it interrupts no board that starts."""

import json

import pytest

from thecal.core import frames
from thecal_host.link.session import PROMPT_COMMANDS, Session
from thecal_host.link.transport import Transport


@pytest.mark.parametrize("request_", [{"c": "hello"}, {"c": "status"}, {"c": "provision", "i": 65537, "nothing": 1}])
def test_a_request_never_holds_ctrl_c_or_ctrl_d(request_: dict[str, object]) -> None:
    session = Session(Transport("loop://"))
    payload = json.dumps(request_).encode()
    for first in [*range(0, 0x600, 7), 0x2FF, 0xFFFF, *range(0x600, 1 << 16, 331)]:
        session._seq = first
        frame = session._frame(frames.REQUEST, payload)
        assert not any(byte in frame for byte in PROMPT_COMMANDS), first
        (decoded,) = frames.Decoder().feed(frame)
        assert (decoded.kind, decoded.seq, decoded.payload) == (frames.REQUEST, session._seq, payload)


def test_without_this_many_requests_would_hold_one() -> None:
    payload = b'{"c":"hello"}'
    bad = sum(any(byte in frames.encode(frames.REQUEST, seq, payload) for byte in PROMPT_COMMANDS) for seq in range(1 << 12))
    assert bad > 100


def test_a_frame_that_cannot_do_without_is_sent_all_the_same() -> None:
    frame = Session(Transport("loop://"))._frame(frames.DATA, b"\x01\x00\x00\x00\x03\x04")
    assert frames.Decoder().feed(frame)[0].payload == b"\x01\x00\x00\x00\x03\x04"
