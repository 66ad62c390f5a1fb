"""Frames: what goes in comes out, however it is cut up and whatever lies between; nothing that comes in can raise or grow
without bound."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core import frames
from thecal.core.codec import crc32

KINDS = st.sampled_from(frames.TYPES)
SEQS = st.integers(0, 0xFFFF)
PAYLOADS = st.binary(max_size=frames.PAYLOAD_MAX)
FRAMES = st.tuples(KINDS, SEQS, PAYLOADS, st.sampled_from([0, frames.FLAG_MORE]))


def decode_all(data, cuts=()):
    decoder = frames.Decoder()
    out = []
    edges = [0, *sorted(cuts), len(data)]
    for begin, end in pairwise(edges):
        out += decoder.feed(data[begin:end])
    return decoder, out


def test_one_frame_by_hand():
    wire = frames.encode(frames.REQUEST, 0x0201, b"\x00a")
    raw = bytes((1, 1, 1, 2, 0)) + b"a"
    raw += crc32(raw).to_bytes(4, "little")
    assert wire[0] == wire[-1] == 0
    assert wire[1] == 5  # four bytes that are not zero, then the zero of the payload
    assert wire[2:6] == raw[:4]
    assert wire[7] == ord("a")
    assert frames.cobs_decode(wire[1:-1]) == raw


@given(st.binary(max_size=253))
def test_cobs_round_trip_without_zeros(raw):
    encoded = bytes(frames.cobs_encode(raw))
    assert 0 not in encoded
    assert len(encoded) == len(raw) + 1
    assert frames.cobs_decode(encoded) == raw


@given(FRAMES)
def test_round_trip(frame):
    kind, seq, payload, flags = frame
    wire = frames.encode(kind, seq, payload, flags)
    assert len(wire) <= frames.ENCODED_MAX + 2
    decoder, out = decode_all(wire)
    assert decoder.bad == 0
    assert [(f.kind, f.seq, f.payload, f.flags) for f in out] == [(kind, seq, payload, flags)]
    assert out[0].more == bool(flags)


@given(KINDS, SEQS, st.binary(max_size=frames.REQUEST_MAX), st.binary(min_size=24, max_size=24))
def test_a_mac_always_fits_a_request(kind, seq, payload, auth):
    wire = frames.encode(kind, seq, payload, auth=auth)
    _decoder, out = decode_all(wire)
    assert (out[0].payload, out[0].auth) == (payload, auth)
    assert out[0].signed[4:] == payload
    assert out[0].flags & frames.FLAG_AUTH


@given(st.lists(FRAMES, max_size=6), st.data())
def test_any_split_gives_the_same_frames(sent, data):
    wire = b"".join(frames.encode(*frame) for frame in sent)
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=12))
    _decoder, out = decode_all(wire, cuts)
    assert [(f.kind, f.seq, f.payload, f.flags) for f in out] == sent


@given(st.lists(FRAMES, max_size=4), st.lists(st.binary(max_size=300), min_size=5, max_size=5))
def test_garbage_between_frames_loses_no_frame(sent, garbage):
    wire = b""
    for frame, noise in zip(sent, garbage, strict=False):
        wire += noise + frames.encode(*frame)  # the frame's own first zero ends whatever the noise left open
    _decoder, out = decode_all(wire + garbage[-1])
    got = [(f.kind, f.seq, f.payload, f.flags) for f in out]
    assert got == sent


@settings(max_examples=300)
@given(st.binary(max_size=2000), st.integers(1, 97))
def test_any_bytes_never_raise_and_memory_is_bounded(data, step):
    decoder = frames.Decoder()
    for at in range(0, len(data), step):
        decoder.feed(data[at : at + step])
        assert len(decoder._buffer) <= frames.ENCODED_MAX
    assert decoder.bad <= data.count(b"\x00")


@given(FRAMES, st.data())
def test_one_flipped_bit_is_never_taken_for_the_frame(frame, data):
    wire = bytearray(frames.encode(*frame))
    at = data.draw(st.integers(0, len(wire) - 1))
    wire[at] ^= 1 << data.draw(st.integers(0, 7))
    _decoder, out = decode_all(bytes(wire))
    kind, seq, payload, flags = frame
    for found in out:  # only a flip outside the frame (in a delimiter) may leave it whole
        assert (found.kind, found.seq, found.payload, found.flags) == (kind, seq, payload, flags)
        assert at in (0, len(wire) - 1)


@pytest.mark.parametrize("size", [frames.PAYLOAD_MAX + 1, 500])
def test_a_payload_too_long_is_refused(size):
    with pytest.raises(ValueError, match="frame"):
        frames.encode(frames.REQUEST, 0, bytes(size))


@pytest.mark.parametrize(
    "raw", [b"", b"\x01", b"\x01\x01\x00\x00", bytes(126), b"\x02\x01\x00\x00", b"\x01\x07\x00\x00", b"\x21\x01\x00\x00"]
)
def test_wrong_version_type_or_length_is_no_frame(raw):
    sealed = raw + crc32(raw).to_bytes(4, "little")
    accepted = frames.parse(sealed)
    assert (accepted is not None) == (raw == b"\x01\x01\x00\x00")
    assert frames.parse(raw) is None


def test_an_endless_line_without_zeros_is_dropped_and_the_next_frame_found():
    decoder = frames.Decoder()
    for _ in range(100):
        assert decoder.feed(b"\x55" * 1000) == []
        assert len(decoder._buffer) <= frames.ENCODED_MAX
    found = decoder.feed(frames.encode(frames.ACK, 7, b"x"))
    assert [frame.seq for frame in found] == [7]
    assert decoder.bad == 1
