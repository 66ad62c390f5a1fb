"""Files and the log over the link: stage a blob, read one back, pull event records.

Invariants: what is read is contiguous (a lost frame is asked for again, never skipped); a gap between log records is handed on
only after the board has shown it twice, so it is a loss on the board and not on the line; a damaged record hides no other.
"""

from collections.abc import Callable, Iterator

from thecal.core import codec, events, frames, messages
from thecal.core.events import unpack_record
from thecal_host import texts
from thecal_host.link.errors import BadAnswer, Rejected
from thecal_host.link.session import Session, decode_response

DATA_BYTES = 90
STAGE_TRIES = 3
STALLED_TRIES = 8

Progress = Callable[[int, int], None]


def require_ok(what: str, answer: "dict[str, object]") -> None:
    """Rejected with a sentence when `answer` is not OK."""
    result = int(str(answer["r"]))
    if result != messages.OK:
        raise Rejected(f"The board did not {what}: {texts.refusal(answer)}", result)


def stage(session: Session, kind: int, blob: bytes, deadline_s: float, progress: "Progress | None") -> None:
    """Announce `blob`, send it in pieces, check that the board took the last one. Starts over (at most 3 times) after a
    restart."""
    if not 0 < len(blob) <= messages.BLOB_MAX_BYTES:
        raise BadAnswer(f"A file of {len(blob)} bytes cannot be staged: 1 to {messages.BLOB_MAX_BYTES} bytes fit.")
    result = messages.OK
    for _attempt in range(STAGE_TRIES):
        answer = session.ask({"c": "stage", "k": kind, "n": len(blob), "crc": codec.crc32(blob)}, deadline_s)
        require_ok("take the file", answer)
        result, offset = _send(session, kind, blob, deadline_s, progress)
        if result == messages.OK and offset == len(blob):
            return
        if result not in (messages.OK, messages.BAD_BLOB):
            break
    raise Rejected(f"The board did not take the file: {texts.refusal({'r': result or messages.BAD_BLOB})}", result)


def _send(session: Session, kind: int, blob: bytes, deadline_s: float, progress: "Progress | None") -> "tuple[int, int]":
    offset = 0
    stalled = 0
    while offset < len(blob):
        wanted, result = session.data(kind, offset, blob[offset : offset + DATA_BYTES], deadline_s)
        if result not in (messages.OK, messages.BUSY):
            return result, wanted
        stalled = 0 if wanted > offset else stalled + 1
        if wanted > len(blob) or stalled > STALLED_TRIES:
            return messages.BAD_BLOB, wanted
        offset = wanted
        if progress:
            progress(offset, len(blob))
    return messages.OK, offset


def read_blob(session: Session, kind: int, deadline_s: float, progress: "Progress | None") -> bytes:
    """The whole blob, by trains of BLOB frames; what a train lost is asked for again from where it broke. b"" when there is
    none."""
    data = bytearray()
    stalled = 0
    while True:
        got, parts = session.train({"c": "read", "k": kind, "o": len(data)}, frames.BLOB, deadline_s)
        if got == frames.RESPONSE:
            require_ok("hand out the file", decode_response(got, parts))
            raise BadAnswer("The board handed out nothing where a file was asked for. Update it with `thecal flash`.")
        before = len(data)
        total = 0
        for part in parts:
            if len(part) < 8:
                raise BadAnswer("The board sent a piece of a file in an unknown form. Update it with `thecal flash`.")
            total = int.from_bytes(part[4:8], "little")
            if int.from_bytes(part[:4], "little") == len(data):
                data.extend(part[8:])
        if progress:
            progress(len(data), total)
        if len(data) >= total:
            return bytes(data[:total])
        stalled = 0 if len(data) > before else stalled + 1
        if stalled > STALLED_TRIES:
            raise BadAnswer("The board keeps sending the wrong piece of a file. Restart it and try again.")


def pull_log(session: Session, first: int, end: int, deadline_s: float, progress: "Progress | None") -> "Iterator[bytes]":
    """Records `first` <= sequence < `end` (and what was appended meanwhile in the same train), raw, in order. Damaged ones
    (wrong CRC) stand where a sequence is missing, at most one for each; their own sequence is never believed."""
    want = ask = first
    doubted = -1
    shown = 0  # damaged records handed on since the last true one
    while ask < end:
        records = _log_train(session, ask, deadline_s)
        if not records:
            return
        before = want
        damaged: list[bytes] = []
        for raw in records:
            if unpack_record(raw) is None:
                damaged.append(raw)
                continue
            seq = codec.get(raw, 0, 4)
            if seq < want:
                damaged.clear()  # they lie before what was asked for
                continue
            if seq > want and doubted != want:
                doubted = want  # a frame may have been lost on the way: ask once more before believing in a gap
                break
            yield from damaged[shown : seq - want]
            yield raw
            damaged.clear()
            shown = 0
            want = ask = seq + 1
        else:
            if want == before and not damaged:
                raise BadAnswer("The board keeps sending log records that were not asked for. Restart it and try again.")
            if want == before and doubted == want:
                yield from damaged[shown : end - want]
                shown = max(shown, len(damaged))
                ask = _beyond(session, ask, end, deadline_s)
            elif want == before:
                doubted = want
        if progress:
            progress(min(want, end) - first, end - first)


def _beyond(session: Session, blocked: int, end: int, deadline_s: float) -> int:
    """The next sequence after `blocked` from which the board shows a true record, or nothing; `end` when there is none. The
    board finds its place by the sequences on its flash, so a long damaged stretch can come back whatever is asked for: steps
    double, then halve, and so end soon however long it is."""
    low = high = blocked
    step = 1
    while True:
        low, high = high, min(high + step, end)
        if high == end or _shows(_log_train(session, high, deadline_s), high):
            break
        step *= 2
    while high - low > 1:
        middle = (low + high) // 2
        if _shows(_log_train(session, middle, deadline_s), middle):
            high = middle
        else:
            low = middle
    return high


def _shows(records: "list[bytes]", first: int) -> bool:
    return not records or any(unpack_record(raw) is not None and codec.get(raw, 0, 4) >= first for raw in records)


def _log_train(session: Session, first: int, deadline_s: float) -> "list[bytes]":
    """One train of records, as the board sends it when asked for `first`."""
    kind, parts = session.train({"c": "log", "s": first}, frames.LOG, deadline_s)
    if kind == frames.RESPONSE:
        require_ok("hand out its log", decode_response(kind, parts))
        raise BadAnswer("The board handed out nothing where its log was asked for. Update it with `thecal flash`.")
    return _records(parts)


def _records(parts: "list[bytes]") -> "list[bytes]":
    out: list[bytes] = []
    for part in parts:
        if len(part) < 4 or (len(part) - 4) % events.RECORD_BYTES:
            raise BadAnswer("The board sent log records in an unknown form. Update it with `thecal flash`.")
        out += [part[at : at + events.RECORD_BYTES] for at in range(4, len(part), events.RECORD_BYTES)]
    return out
