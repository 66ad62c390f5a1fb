"""The link service: frames in, answers out. Invariant: bytes from outside can never raise, block or change
anything that `messages.check_request` and the command's own rules did not allow; the answer to a command leaves
only when its log record is durable.

One request is handled per turn, so a flood cannot starve delivery.
Bad frames are counted and logged once a minute, not one by one.
"""

import gc
import json

from thecal.core import events, frames
from thecal.core import messages as m
from thecal.core.codec import U32, get
from thecal.core.compat import const
from thecal.services.activation import Staged
from thecal.services.pump import FW_VERSION, LEDGER_PATH
from thecal.services.status import status_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal.services.commands import Commands, Reply, Request
    from thecal.services.pump import Pump

IDLE_MS = const(5000)  # the clock's wait returns by itself when input comes
BAD_FRAMES_MS = const(60_000)
QUEUE_MAX = const(4)
UNLOGGED = (m.BUSY, m.STALE_ID, m.ID_TAKEN, m.ID_AHEAD)  # answers that changed nothing, so nothing has to be durable first
BLOB_PIECE = const(110)


class Link:
    """The host's line."""

    def __init__(self, pump: "Pump", commands: "Commands") -> None:
        self._pump = pump
        self._commands = commands
        self._serial = pump.board.serial
        self._decoder = frames.Decoder()
        self._queue: "list[frames.Frame]" = []
        self._held: "tuple[int, int, Reply | None, int] | None" = (
            None  # (frame sequence, request id, answer or None, log sequence it waits for)
        )
        self._bad_logged = 0
        self._bad_logged_ms = 0

    def waiting(self) -> bool:
        """Input is there: the loop should call `poll` now."""
        return self._serial.any()

    def poll(self, now_ms: int) -> int:
        """Read what is there, finish a held answer, handle one frame."""
        if self._serial.any() and len(self._queue) < QUEUE_MAX:
            data = self._serial.read()
            if data:
                for frame in self._decoder.feed(data):
                    if len(self._queue) < QUEUE_MAX:
                        self._queue.append(frame)
        if self._held is not None and not self._finish():
            return now_ms + 1 if self._pump.journal.failed else now_ms
        if self._queue:
            try:
                self._handle(self._queue.pop(0), now_ms)
            except MemoryError:  # a request that does not fit the heap is dropped; the host asks again
                gc.collect()
            return now_ms
        bad = self._decoder.bad
        if bad != self._bad_logged and now_ms - self._bad_logged_ms >= BAD_FRAMES_MS:
            self._pump.journal.write(now_ms, events.BAD_FRAMES, 0, bad - self._bad_logged)
            self._bad_logged = bad
            self._bad_logged_ms = now_ms
        return now_ms + IDLE_MS

    # --- answers ---------------------------------------------------------------------------------------------------------------
    def _finish(self) -> bool:
        """Send the held answer if it may leave; True when nothing is held any more."""
        if self._held is None:
            return True
        seq, command_id, answer, wait_seq = self._held
        if answer is None:
            answer = self._commands.activation.finished
            if answer is None:
                return False
            self._held = (seq, command_id, answer, self._pump.journal.next_seq)
            wait_seq = self._pump.journal.next_seq
        journal = self._pump.journal
        if journal.durable_seq < wait_seq and not journal.failed:
            return False
        self._held = None
        self._answer(seq, command_id, answer)
        if self._commands.reset_wanted:
            self._pump.board.chip.set_flag(1)
            self._pump.board.chip.reset()
        return True

    def _answer(self, seq: int, command_id: int, reply: "Reply") -> None:
        code, reason, value, limit, replayed = reply
        answer = {"r": code, "i": command_id, "k": reason, "v": value, "l": limit, "a": replayed}
        if code and not replayed and self._commands.wait_ms():
            answer["w"] = self._commands.wait_ms()
        self._send(seq, answer)

    def _send(self, seq: int, fields: "dict[str, Any]") -> None:
        data = json.dumps(fields).encode()
        at = 0
        while True:
            piece = data[at : at + frames.PAYLOAD_MAX]
            at += len(piece)
            more = at < len(data)
            self._serial.write(frames.encode(frames.RESPONSE, seq, piece, frames.FLAG_MORE if more else 0))
            if not more:
                return

    # --- requests --------------------------------------------------------------------------------------------------------------
    def _handle(self, frame: "frames.Frame", now_ms: int) -> None:
        if frame.kind == frames.REQUEST:
            self._request(frame, now_ms)
        elif frame.kind == frames.DATA:
            self._data(frame)

    def _request(self, frame: "frames.Frame", now_ms: int) -> None:
        try:
            request = m.check_request(json.loads(frame.payload))
        except m.RequestError as error:
            key, value, low, high = error.args
            self._send(frame.seq, {"r": m.BAD_REQUEST, "k": key, "v": value, "lo": low, "hi": high})
            return
        except (ValueError, RuntimeError, UnicodeError):  # not JSON, nested too deep, not UTF-8
            self._send(frame.seq, {"r": m.BAD_REQUEST, "k": "json", "v": 0, "lo": 0, "hi": 0})
            return
        if "i" in request:
            answer = self._commands.run(request, now_ms)
            if answer is not None and (answer[0] in UNLOGGED or answer[4]):
                self._answer(frame.seq, request["i"], answer)
            else:
                self._held = (frame.seq, request["i"], answer, self._pump.journal.next_seq)
                self._pump.journal.flush_soon()
                self._finish()
            return
        getattr(self, "_" + request["c"])(frame.seq, request)

    def _hello(self, seq: int, _request: "Request") -> None:
        pump = self._pump
        board_id = "".join("%02x" % byte for byte in pump.board.chip.unique_id())
        self._send(
            seq,
            {
                "r": m.OK,
                "proto": frames.VERSION,
                "fw": FW_VERSION,
                "id": board_id,
                "st": pump.state,
                "boot": pump.ledger.boot,
                "next": pump.ledger.id_floor + 1,
                "seq": pump.journal.next_seq,
                "port": pump.config["name"],
            },
        )

    def _status(self, seq: int, _request: "Request") -> None:
        self._send(seq, status_fields(self._pump))

    def _stage(self, seq: int, request: "Request") -> None:
        self._commands.activation.staged[request["k"]] = Staged(request["n"], request["crc"])
        self._send(seq, {"r": m.OK})

    def _data(self, frame: "frames.Frame") -> None:
        """A piece of the blob that is still incomplete: offset (4), bytes. Kind is in the top byte of the offset."""
        if len(frame.payload) < 5:
            return
        word = get(frame.payload, 0, 4)
        staged = self._commands.activation.staged.get(word >> 24)
        offset = word & 0xFFFFFF
        code = m.OK
        wanted = 0
        if staged is None:
            code = m.BAD_BLOB
        else:
            if offset == len(staged.data):
                piece = frame.payload[4:]
                if offset + len(piece) > staged.size:
                    code = m.BAD_BLOB
                else:
                    staged.data.extend(piece)
            wanted = len(staged.data)
            if wanted == staged.size and not staged.whole():
                code = m.BAD_BLOB
        self._serial.write(frames.encode(frames.ACK, frame.seq, wanted.to_bytes(4, "little") + bytes((code,))))

    def _read(self, seq: int, request: "Request") -> None:
        kind = request["k"]
        if kind in (m.BLOB_PROGRAM, m.BLOB_MONITOR):
            staged = self._commands.activation.staged.get(kind)
            data = bytes(staged.data) if staged is not None else b""
        elif kind == m.BLOB_ACTIVE_PROGRAM:
            data = self._commands.activation.active_program() or b""
        elif kind == m.BLOB_ACTIVE_MONITOR:
            data = self._pump.monitor.blob()
        else:
            data = self._pump.store.read(LEDGER_PATH) or b""
        at = min(request["o"], len(data))
        for left in range(m.LOG_TRAIN_FRAMES - 1, -1, -1):
            piece = data[at : at + BLOB_PIECE]
            head = at.to_bytes(4, "little") + len(data).to_bytes(4, "little")
            at += len(piece)
            more = left > 0 and at < len(data)
            self._serial.write(frames.encode(frames.BLOB, seq, head + piece, frames.FLAG_MORE if more else 0))
            if not more:
                return

    def _log(self, seq: int, request: "Request") -> None:
        journal = self._pump.journal
        first = request["s"]
        if first >= journal.durable_seq and journal.next_seq > journal.durable_seq:
            journal.flush_soon()
            self._send(seq, {"r": m.BUSY})  # the lazy records are being made durable: ask again
            return
        per_frame = m.LOG_RECORDS_PER_FRAME
        records = journal.read_from(first, m.LOG_TRAIN_FRAMES * per_frame)
        at = 0
        while True:
            part = records[at : at + per_frame]
            at += per_frame
            more = at < len(records)
            payload = first.to_bytes(4, "little") + b"".join(part)
            self._serial.write(frames.encode(frames.LOG, seq, payload, frames.FLAG_MORE if more else 0))
            if not more:
                return
            first = min(get(part[-1], 0, 4) + 1, U32)  # a damaged record may hold any number
