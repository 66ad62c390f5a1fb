"""A board in Python behind a TCP socket that follows SPEC.md and misbehaves on request. For tests of the host's link.

Invariant: it runs an id at most once and keeps the list of what it ran (`ran`), so that a test can prove that nothing ran twice.
`faults` is a list of names taken one per answer: "drop", "half", "corrupt", "twice", "garbage", "boot_text", "unplug",
"unplug_before", "busy", "wrong_seq", "lose_frame"; an answer without one is sent as it should be.
"""

import json
import socket
import threading

from thecal.core import events, frames, messages
from thecal.core.codec import crc32

STATUS = {
    "st": 4,
    "fault": 0,
    "alarm": 0,
    "t": 3_600_000,
    "boot": 1,
    "rate": 480_000,
    "min": 19_900,
    "max": 20_041,
    "res": 19_979_959,
    "w1": 20_041,
    "w4": 20_041,
    "w24": 20_041,
    "bol": 0,
    "prog": 0x12345678,
    "edges": 485,
    "perm": 486,
    "bat": 3700,
    "pa": None,
    "seq": 10,
    "wr": 12,
    "heap": 100_000,
    "hold": 0,
    "mode": 1,
    "ovl": 0,
    "ovlms": 0,
    "chg": None,
    "chgrate": None,
    "wall": None,
    "lock": 0,
    "nbol": 0,
    "unmet": 0,
    "src": 0,
    "mot": 0,
    "motleft": 0,
    "pos": None,
    "dir": 0,
    "btn": None,
    "stop": None,
    "home": None,
    "ovr": 0,
    "lib": 0,
    "held": [],
    "setup": 0,
}


class FakeBoard:
    """`with FakeBoard() as board: Client(board.url)`. `mode`: "board", "repl", "echo", "raw_repl", "noise", "silent" or
    "old_frames"."""

    def __init__(self, mode="board", board_id="fa4eb0a2d0000001", proto=1, faults=()):
        self.mode = mode
        self.board_id = board_id
        self.proto = proto
        self.faults = list(faults)
        self.ran = []
        self.requests = []
        self.answers = {}
        self.floor = 0
        self.boot = 1
        self.records = []
        self.blobs = {}
        self.staging = None
        self.refuse = {}
        self.lazy = False
        self.status = dict(STATUS)
        self.motion = []  # statuses to show one after the other once a motion was granted
        self.hello_extra = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5)
        self._listener.close()
        assert not self._thread.is_alive()

    def add_records(self, count, first=0, code=events.DOSE):
        for seq in range(first, first + count):
            self.records.append(events.pack_record(seq, 1, seq * 1000, code, seq * 10, 1, seq & 0xFFFF, 0))

    # --- the line ------------------------------------------------------------------------------------------------------
    def _serve(self):
        while not self._stop.is_set():
            try:
                line, _ = self._listener.accept()
            except TimeoutError:
                continue
            with line:
                line.settimeout(0.05)
                self._talk(line)

    def _talk(self, line):
        decoder = frames.Decoder()
        if self.mode == "noise":
            line.sendall(b"NMEA $GPGGA,123519,4807.038,N,01131.000,E*47\r\n")
        while not self._stop.is_set():
            try:
                data = line.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            if self.mode == "board":
                for frame in decoder.feed(data):
                    if not self._answer(line, frame):
                        return
            else:
                self._be_strange(line, data)

    def _be_strange(self, line, data):
        if self.mode == "repl":
            line.sendall(
                data.replace(b"\x00", b"") + b"\r\nTraceback (most recent call last):\r\nSyntaxError: invalid syntax\r\n>>> "
            )
        elif self.mode == "echo":
            line.sendall(data + b"\r\n>>> ")
        elif self.mode == "raw_repl":
            line.sendall(b"raw REPL; CTRL-B to exit\r\n>")
        elif self.mode == "noise":
            line.sendall(b"NMEA $GPGGA,123520,4807.038,N,01131.000,E*47\r\n")
        elif self.mode == "old_frames":
            raw = bytes((0x02, 2, 0, 0)) + b'{"r":0}'
            line.sendall(b"\x00" + bytes(frames.cobs_encode(raw + crc32(raw).to_bytes(4, "little"))) + b"\x00")

    def _answer(self, line, frame):
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "unplug_before":
            return False
        parts = self._run(frame, fault == "busy")
        seq = frame.seq ^ (0x8000 if fault == "wrong_seq" else 0)
        out = []
        for index, (kind, payload) in enumerate(parts):
            more = frames.FLAG_MORE if index + 1 < len(parts) else 0
            out.append(frames.encode(kind, seq, payload, more))
        if fault == "lose_frame" and len(out) > 2:
            del out[len(out) // 2]
        wire = b"".join(out)
        if fault == "drop":
            return True
        if fault == "unplug":
            return False
        if fault == "half":
            wire = wire[: len(wire) // 2]
        elif fault == "corrupt":
            middle = len(wire) // 2
            wire = wire[:middle] + bytes((wire[middle] ^ 0x55,)) + wire[middle + 1 :]
        elif fault == "twice":
            wire += wire
        elif fault == "garbage":
            wire = bytes(range(256)) * 3 + wire
        elif fault == "boot_text":
            wire = b"MPY: soft reboot\r\nhello from boot\r\n" + wire
        line.sendall(wire)
        return True

    # --- the board -----------------------------------------------------------------------------------------------------
    def _run(self, frame, busy):
        if frame.kind == frames.DATA:
            return [self._data(frame.payload)]
        request = json.loads(frame.payload)
        messages.check_request(request)
        assert len(frame.payload) <= frames.REQUEST_MAX
        self.requests.append(request)
        name = request["c"]
        if busy:
            return [respond({"r": messages.BUSY})]
        if name == "hello":
            hello = {"r": 0, "proto": self.proto, "fw": 100, "id": self.board_id, "st": 4, "boot": self.boot}
            hello.update({"next": self.floor + 1, "seq": len_seq(self.records), "port": "fake"})
            return split(hello | self.hello_extra)
        if name == "status":
            if self.motion:
                self.status |= self.motion.pop(0)
            return split({"r": 0, **self.status})
        if name == "log":
            return self._log(request["s"])
        if name == "stage":
            self.staging = [request["k"], request["n"], request["crc"], bytearray()]
            return [respond({"r": self.refuse.get("stage", 0)})]
        if name == "read":
            return self._read(request["k"], request["o"])
        return [respond({**self._command(request), "i": request["i"]})]

    def _command(self, request):
        command_id, mark = request["i"], messages.digest(request)
        if command_id in self.answers:
            known_mark, answer = self.answers[command_id]
            return {**answer, "a": 1} if known_mark == mark else {"r": messages.ID_TAKEN}
        if messages.id_counter(command_id) <= self.floor:
            return {"r": messages.STALE_ID}
        self.floor = messages.id_counter(command_id)
        answer = self.refuse.get(request["c"], {"r": 0, "v": request.get("nl", 0)})
        if answer["r"] == 0 and request["c"] == "clock":
            self.status["wall"] = request["u"]
        self.ran.append((request["c"], command_id))
        self.answers[command_id] = (mark, answer)
        return answer

    def _data(self, payload):
        word = int.from_bytes(payload[:4], "little")
        offset = word & 0xFFFFFF
        kind, size, crc, data = self.staging
        result = 0
        assert word >> 24 == kind
        if offset == len(data):
            data.extend(payload[4:])
        if len(data) == size:
            result = messages.OK if crc32(data) == crc else messages.BAD_BLOB
            self.blobs[kind] = bytes(data)
        return frames.ACK, len(data).to_bytes(4, "little") + bytes((result,))

    def _read(self, kind, offset):
        blob = self.blobs.get(kind, b"")
        out = []
        for at in range(offset, len(blob), 110):
            head = at.to_bytes(4, "little") + len(blob).to_bytes(4, "little")
            out.append((frames.BLOB, head + blob[at : at + 110]))
        return out or [(frames.BLOB, offset.to_bytes(4, "little") + len(blob).to_bytes(4, "little"))]

    def _log(self, first):
        if self.lazy:
            self.lazy = False
            return [respond({"r": messages.BUSY})]
        wanted = [raw for raw in self.records if int.from_bytes(raw[:4], "little") >= first][:48]
        out = []
        for at in range(0, len(wanted), 3):
            out.append((frames.LOG, wanted[at][:4] + b"".join(wanted[at : at + 3])))
        return out or [(frames.LOG, first.to_bytes(4, "little"))]


def len_seq(records):
    return int.from_bytes(records[-1][:4], "little") + 1 if records else 0


def respond(answer):
    return frames.RESPONSE, json.dumps(answer, separators=(",", ":")).encode()


def split(answer):
    text = json.dumps(answer, separators=(",", ":")).encode()
    return [(frames.RESPONSE, text[at : at + frames.PAYLOAD_MAX]) for at in range(0, len(text), frames.PAYLOAD_MAX)]
