"""Frames on the wire: COBS between zero bytes, with a CRC over everything before it. SPEC.md section 2 has each byte.

Invariant: the decoder never raises, never holds more than one frame, and a frame it hands out had a correct CRC; whatever is
not a frame (boot text, noise, half frames) is counted in `bad` and dropped at the next zero byte.
"""

from thecal.core.codec import crc32
from thecal.core.compat import const

VERSION = const(1)
FLAG_MORE = const(0x10)
FLAG_AUTH = const(0x20)
HEADER_BYTES = const(4)
AUTH_BYTES = const(24)
CRC_BYTES = const(4)
RAW_MAX = const(126)
ENCODED_MAX = const(127)
PAYLOAD_MAX = const(118)
REQUEST_MAX = const(94)

REQUEST = const(1)
RESPONSE = const(2)
DATA = const(3)
ACK = const(4)
BLOB = const(5)
LOG = const(6)
TYPES = (REQUEST, RESPONSE, DATA, ACK, BLOB, LOG)


def cobs_encode(raw: bytes) -> bytearray:
    """Consistent Overhead Byte Stuffing (Cheshire and Baker 1999) of at most 253 bytes: no zero byte inside, one byte longer."""
    out = bytearray(1)
    out.extend(raw)
    mark = 0
    at = 0
    for byte in raw:  # only the zeros are touched: the log is pulled at the speed of this loop
        at += 1
        if not byte:
            out[mark] = at - mark
            mark = at
    out[mark] = at + 1 - mark
    return out


def cobs_decode(data: bytes) -> "bytes | None":
    """The inverse of `cobs_encode`, or None when `data` is not COBS."""
    out = bytearray()
    at = 0
    end = len(data)
    while at < end:
        run = data[at]
        if run == 0 or at + run > end:
            return None
        out.extend(data[at + 1 : at + run])
        at += run
        if at < end:
            out.append(0)
    return bytes(out)


def encode(kind: int, seq: int, payload: bytes, flags: int = 0, auth: bytes = b"") -> bytes:
    """One frame as bytes for the wire, zero byte at both ends. `auth` is b"" or AUTH_BYTES long; ValueError if too long."""
    if auth:
        flags |= FLAG_AUTH
    raw = bytearray((VERSION | flags, kind, seq & 0xFF, (seq >> 8) & 0xFF))
    raw.extend(payload)
    raw.extend(auth)
    if len(raw) + CRC_BYTES > RAW_MAX:
        raise ValueError("frame")
    raw.extend(crc32(raw).to_bytes(4, "little"))
    out = bytearray(1)
    out.extend(cobs_encode(raw))
    out.append(0)
    return bytes(out)


class Frame:
    """One received frame. `signed` are the exact received bytes a MAC covers (header and payload)."""

    __slots__ = ("auth", "flags", "kind", "payload", "seq", "signed")

    def __init__(self, raw: bytes) -> None:
        self.flags = raw[0] & 0xF0
        self.kind = raw[1]
        self.seq = raw[2] | (raw[3] << 8)
        end = len(raw) - CRC_BYTES
        if self.flags & FLAG_AUTH:
            end -= AUTH_BYTES
        self.payload = raw[HEADER_BYTES:end]
        self.signed = raw[:end]
        self.auth = raw[end : len(raw) - CRC_BYTES]

    @property
    def more(self) -> bool:
        """True when the answer goes on in the next frame."""
        return bool(self.flags & FLAG_MORE)


def parse(raw: bytes) -> "Frame | None":
    """A Frame from decoded bytes, or None when version, type, length or CRC is wrong."""
    end = len(raw) - CRC_BYTES
    if end < HEADER_BYTES or len(raw) > RAW_MAX or raw[0] & 0xCF != VERSION or raw[1] not in TYPES:
        return None
    if raw[0] & FLAG_AUTH and end < HEADER_BYTES + AUTH_BYTES:
        return None
    if crc32(raw[:end]) != int.from_bytes(raw[end:], "little"):
        return None
    return Frame(raw)


class Decoder:
    """Feed it bytes as they come; it returns the complete frames. `bad` counts what was dropped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._overlong = False
        self.bad = 0

    def feed(self, data: bytes) -> "list[Frame]":
        """Frames completed by `data`, in order. Never raises; holds at most ENCODED_MAX bytes between calls."""
        frames: "list[Frame]" = []
        start = 0
        while True:
            end = data.find(b"\x00", start)
            piece = data[start:] if end < 0 else data[start:end]
            if len(self._buffer) + len(piece) > ENCODED_MAX:
                self._overlong = True
                self._buffer = bytearray()
            elif not self._overlong:
                self._buffer.extend(piece)
            if end < 0:
                return frames
            self._close(frames)
            start = end + 1

    def _close(self, frames: "list[Frame]") -> None:
        encoded = bytes(self._buffer)
        overlong = self._overlong
        self._buffer = bytearray()
        self._overlong = False
        if overlong:
            self.bad += 1
        elif encoded:
            raw = cobs_decode(encoded)
            frame = None if raw is None else parse(raw)
            if frame is None:
                self.bad += 1
            else:
                frames.append(frame)
