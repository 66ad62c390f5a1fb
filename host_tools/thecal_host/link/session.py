"""Stop and wait over a line that loses, repeats and garbles: one request out, its answer back, the *same* payload again after a
time-out.

Invariants: every attempt carries its own frame sequence, so a late answer to an earlier attempt is recognised and frames of
different attempts never mix; an answer that bears another command's id is noise; after a reconnect nothing is sent before the
board has shown that it is the same board; every loop ends at a deadline. What is wrong with a silent or strange line is told by
`diagnose.py`.
"""

import json
import random
import time
from collections.abc import Callable

from thecal.core import frames, messages
from thecal_host.link import diagnose
from thecal_host.link.errors import BadAnswer, LinkError, NoAnswer, NoPort, PortLost, WrongDevice
from thecal_host.link.transport import Transport

FIRST_WAIT_S = 0.6
LONGEST_WAIT_S = 3.0  # one durable write may take 2.8 s on bad flash
REOPEN_PAUSE_S = 0.2
BUSY_PAUSE_S = 0.05
NOISE_BYTES = 1024
PROMPT_COMMANDS = (b"\x03", b"\x04")  # Ctrl-C interrupts, Ctrl-D resets
SEQ_TRIES = 1024  # sequences from 0x300 to 0x4FF are all out, and so are their neighbours by chance

Answer = tuple[int, list[bytes]]
Request = dict[str, int | str]


class Session:
    """Requests and answers over one `Transport`. `sent` counts how often the present request left this machine."""

    def __init__(
        self,
        transport: Transport,
        first_wait_s: "float | None" = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.transport = transport
        self.board_id = ""
        self.sent = 0
        self._first_wait_s = FIRST_WAIT_S if first_wait_s is None else first_wait_s
        self._clock = clock
        self._sleep = sleep
        self._decoder = frames.Decoder()
        self._noise = bytearray()
        self._heard = False
        self._seq = random.randrange(1 << 16)

    def ask(self, request: Request, deadline_s: float) -> dict[str, object]:
        """The decoded JSON answer to `request`. A BUSY board is asked again with the same payload until the deadline.
        NoPort, PortLost, NoAnswer, AtRepl, WrongDevice, WrongProtocol or BadAnswer when there is none."""
        until = self._clock() + deadline_s
        payload = encode_request(request)
        self.sent = 0
        while True:
            kind, parts = self._exchange(frames.REQUEST, payload, until, (frames.RESPONSE,), request.get("i"))
            answer = decode_response(kind, parts)
            if answer["r"] != messages.BUSY or self._clock() + BUSY_PAUSE_S >= until:
                return answer
            self._sleep(BUSY_PAUSE_S)

    def train(self, request: Request, kind: int, deadline_s: float) -> Answer:
        """(kind, payloads) of a train of `kind` frames, or (RESPONSE, payloads) when the board refuses. A BUSY board is asked
        again. Errors as `ask`."""
        until = self._clock() + deadline_s
        payload = encode_request(request)
        self.sent = 0
        while True:
            got, parts = self._exchange(frames.REQUEST, payload, until, (kind, frames.RESPONSE))
            busy = got == frames.RESPONSE and decode_response(got, parts)["r"] == messages.BUSY
            if not busy or self._clock() + BUSY_PAUSE_S >= until:
                return got, parts
            self._sleep(BUSY_PAUSE_S)

    def data(self, blob_kind: int, offset: int, chunk: bytes, deadline_s: float) -> tuple[int, int]:
        """Send one DATA frame of the blob being staged; (next offset the board wants, result). Errors as `ask`."""
        self.sent = 0
        payload = (blob_kind << 24 | offset).to_bytes(4, "little") + chunk
        kind, parts = self._exchange(frames.DATA, payload, self._clock() + deadline_s, (frames.ACK, frames.RESPONSE))
        if kind == frames.RESPONSE:
            return 0, int(str(decode_response(kind, parts)["r"]))
        if len(parts[0]) != 5:
            raise BadAnswer(
                "The board acknowledged a piece of a file in an unknown form. Update with `thecal flash`, then upload again."
            )
        return int.from_bytes(parts[0][:4], "little"), parts[0][4]

    def _exchange(
        self, kind: int, payload: bytes, until: float, wanted: tuple[int, ...], command_id: "int | str | None" = None
    ) -> Answer:
        """Send `payload` until one attempt is answered whole by a frame kind in `wanted`, or the deadline passes. With a
        `command_id` only an answer to that id counts."""
        wait = self._first_wait_s
        parts: dict[int, list[bytes]] = {}
        self._heard = False
        self._noise.clear()
        silent = 0
        while True:
            try:
                if not self.transport.is_open:
                    self._reopen(until)
                frame = self._frame(kind, payload)
                parts[self._seq] = []
                self.sent += 1  # counted before the write: a write that fails half-way may still have arrived
                self.transport.write(frame)
                answer = self._collect(parts, wanted, wait, until, command_id)
                if answer is not None:
                    return answer
            except (PortLost, NoPort):
                if self._clock() + REOPEN_PAUSE_S >= until:
                    raise
                self._sleep(REOPEN_PAUSE_S)
                continue
            silent += 1
            if not self._heard and silent > 1:
                diagnose.check_prompt(self.transport, bytes(self._noise))
            if self._clock() >= until:
                raise self._silence()
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _frame(self, kind: int, payload: bytes) -> bytes:
        """`payload` under the next sequence whose frame holds no byte that a MicroPython prompt obeys at once. While a board
        starts its prompt is still open: a Ctrl-C in a request would end its firmware. (DATA frames hold a 3 by their type; they
        come later.)"""
        frame = b""
        for _attempt in range(SEQ_TRIES):
            self._seq = (self._seq + 1) & 0xFFFF
            frame = frames.encode(kind, self._seq, payload)
            if not any(byte in frame for byte in PROMPT_COMMANDS):
                break
        return frame

    def _collect(
        self,
        parts: dict[int, list[bytes]],
        wanted: tuple[int, ...],
        wait: float,
        until: float,
        command_id: "int | str | None",
    ) -> "Answer | None":
        """Read until one sequence in `parts` is complete; every frame that belongs to us earns another `wait`."""
        end = min(self._clock() + wait, until)
        while True:
            data = self.transport.read(max(0.0, min(end - self._clock(), 0.25)))
            for frame in self._decoder.feed(data):
                if frame.kind in (frames.REQUEST, frames.DATA):
                    continue  # only we send those: the echo of a prompt's line editor, not a board of ours
                self._heard = True
                collected = parts.get(frame.seq)
                if collected is None or frame.kind not in wanted:
                    continue
                collected.append(frame.payload)
                if not frame.more:
                    if command_id is None or answers_to(command_id, frame.kind, collected):
                        return frame.kind, collected
                    collected.clear()  # sequences come round again: this one answered another command
                end = min(self._clock() + wait, until)
            if data and not self._heard:
                self._noise.extend(data)
                del self._noise[:-NOISE_BYTES]
            if self._clock() >= end:
                return None

    def _reopen(self, until: float) -> None:
        """Open the port; if we already knew a board there, make it prove that it is the same one."""
        self.transport.open()
        self._decoder = frames.Decoder()
        if not self.board_id:
            return
        sent, known, self.board_id = self.sent, self.board_id, ""
        try:
            kind, parts = self._exchange(frames.REQUEST, encode_request({"c": "hello"}), until, (frames.RESPONSE,))
            found = decode_response(kind, parts).get("id")
        finally:
            self.board_id, self.sent = known, sent
        if found != known:
            self.transport.close()
            raise WrongDevice(
                f"The board on {self.transport.url} is {found}, but this command was for {known}. Plug that one in again."
            )

    def _silence(self) -> LinkError:
        if self._heard:
            return NoAnswer(f"The board on {self.transport.url} answers, but not to this request. Wait a moment and try again.")
        return diagnose.silence(self.transport.url, bytes(self._noise))


def encode_request(request: Request) -> bytes:
    """Compact JSON, at most REQUEST_MAX bytes. Checked against the very table the board uses, so that a wrong value never
    leaves."""
    try:
        messages.check_request(request)
    except messages.RequestError as error:
        key, value, low, high = error.args
        raise BadAnswer(f"{value} is out of range for {key}: it must be {low} to {high}. Nothing was sent.") from error
    return json.dumps(request, separators=(",", ":")).encode("ascii")


def decode_response(kind: int, parts: list[bytes]) -> dict[str, object]:
    """The JSON object of a RESPONSE with an integer "r"; BadAnswer otherwise."""
    try:
        answer = json.loads(b"".join(parts))
    except (ValueError, RecursionError):  # not JSON, or nested deeper than any answer of ours
        answer = None
    if kind != frames.RESPONSE or not isinstance(answer, dict) or not _is_whole(answer.get("r")):
        raise BadAnswer(
            "The board's answer makes no sense to this version. Update host and firmware to the same release (`thecal flash`)."
        )
    return answer


def answers_to(command_id: "int | str", kind: int, parts: list[bytes]) -> bool:
    """False when this RESPONSE speaks of another command than `command_id`. Only the refusal of a request that the board could
    not read bears no id. What makes no sense at all counts as ours: `decode_response` tells about it."""
    try:
        answer = decode_response(kind, parts)
    except BadAnswer:
        return True
    if "i" not in answer:
        return answer["r"] == messages.BAD_REQUEST
    return _is_whole(answer["i"]) and answer["i"] == command_id


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
