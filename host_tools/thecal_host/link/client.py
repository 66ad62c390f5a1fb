"""The typed client of one board: what SPEC.md section 3 offers, as methods.

Invariants: a command gets its id once and is sent again only under that id, with the same payload, until a definite answer or the
deadline; past the deadline it is `Uncertain`, never "failed"; no answer is guessed.
"""

import random
from collections.abc import Callable, Iterator

from thecal.core import messages
from thecal_host.link import transfers
from thecal_host.link.errors import LinkError, Uncertain
from thecal_host.link.session import Request, Session
from thecal_host.link.settle import settle_command
from thecal_host.link.transport import Transport
from thecal_host.link.types import Answer, Hello, Status, parse_answer, parse_hello, parse_status

QUERY_DEADLINE_S = 5.0
COMMAND_DEADLINE_S = 15.0

Progress = Callable[[int, int], None]


class Client:
    """`with Client(url) as board: board.status()`. Opens the port and says hello on entry. Not thread-safe."""

    def __init__(
        self,
        port: "str | Transport",
        query_deadline_s: "float | None" = None,
        command_deadline_s: "float | None" = None,
        session: "Session | None" = None,
    ) -> None:
        transport = Transport(port) if isinstance(port, str) else port
        self.session = session or Session(transport)
        self.query_deadline_s = QUERY_DEADLINE_S if query_deadline_s is None else query_deadline_s
        self.command_deadline_s = COMMAND_DEADLINE_S if command_deadline_s is None else command_deadline_s
        self.board: Hello | None = None

    def __enter__(self) -> "Client":
        self.connect()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The port this client talks to."""
        return self.session.transport.url

    def connect(self) -> Hello:
        """Open the port and learn who is there. Any LinkError."""
        self.session.transport.open()
        try:
            return self.hello()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the port; the board goes on as it is."""
        self.session.transport.close()

    def hello(self) -> Hello:
        """Board id, versions, state, next id counter and next log sequence. WrongProtocol for another link version."""
        answer = self.session.ask({"c": "hello"}, self.query_deadline_s)
        transfers.require_ok("say who it is", answer)
        hello = parse_hello(answer)
        self.session.board_id = hello.board_id
        self.board = hello
        return hello

    def status(self) -> Status:
        """The present state of pump and therapy."""
        answer = self.session.ask({"c": "status"}, self.query_deadline_s)
        transfers.require_ok("report its status", answer)
        return parse_status(answer)

    # --- commands: an id each, answered once ---------------------------------------------------------------------------

    def start(self, command_id: "int | None" = None) -> Answer:
        """Start therapy with the active program."""
        return self.command({"c": "start"}, command_id)

    def stop(self, command_id: "int | None" = None) -> Answer:
        """Stop therapy; a lease in flight is completed, a running bolus ends."""
        return self.command({"c": "stop"}, command_id)

    def hold(self, ms: int = 0, command_id: "int | None" = None) -> Answer:
        """Hold therapy for `ms` ms (up to 72 h and the program's longest hold), or until `resume` when 0."""
        return self.command({"c": "hold", "ms": ms}, command_id)

    def resume(self, command_id: "int | None" = None) -> Answer:
        """End a hold."""
        return self.command({"c": "resume"}, command_id)

    def ack(self, command_id: "int | None" = None) -> Answer:
        """Acknowledge alarms (acknowledging is not clearing)."""
        return self.command({"c": "ack"}, command_id)

    def maintenance(self, command_id: "int | None" = None) -> Answer:
        """Stop therapy and restart into maintenance: the MicroPython prompt is free then."""
        return self.command({"c": "maintenance"}, command_id)

    def provision(self, nothing: bool, command_id: "int | None" = None) -> Answer:
        """Make a new board ready. `nothing`: the service declares that nothing was delivered before; else windows start full."""
        return self.command({"c": "provision", "nothing": int(nothing)}, command_id)

    def activate(self, program_crc: int, monitor_crc: int, command_id: "int | None" = None) -> Answer:
        """Make the staged program (entries CRC) and monitor limits (CRC-32 of the blob) the active ones."""
        return self.command({"c": "activate", "crc": program_crc, "mcrc": monitor_crc}, command_id)

    def bolus(self, nl: int, ms: int, command_id: "int | None" = None) -> Answer:
        """Ask for a clinician bolus of `nl` nL over `ms` ms (0: as fast as the limits allow). With the id of an earlier bolus
        this asks for *that* bolus's answer; it is never delivered twice. Uncertain when no answer comes in time."""
        return self.command({"c": "bolus", "nl": nl, "ms": ms}, command_id)

    def patient(self, command_id: "int | None" = None) -> Answer:
        """Ask for the program's patient bolus, as its button does. A refusal says how long to wait and is logged as unmet
        demand."""
        return self.command({"c": "patient"}, command_id)

    def temp(self, nl_per_day: int, ms: int, command_id: "int | None" = None) -> Answer:
        """A temporary rate of `nl_per_day` nL/day for `ms` ms (a minute at least); it takes the place of one that runs."""
        return self.command({"c": "temp", "nlday": nl_per_day, "ms": ms}, command_id)

    def minimum(self, command_id: "int | None" = None) -> Answer:
        """The program's minimum rate, until `normal`."""
        return self.command({"c": "minimum"}, command_id)

    def normal(self, command_id: "int | None" = None) -> Answer:
        """End a temporary or minimum rate: the program's own rate again."""
        return self.command({"c": "normal"}, command_id)

    def set_clock(self, unix_ms: int, command_id: "int | None" = None) -> Answer:
        """Set the board's wall clock, Unix ms (2020 to 2099). Limits never use it; the schedule of a flex program does."""
        return self.command({"c": "clock", "u": unix_ms}, command_id)

    def move(
        self, kind: int, steps: int, ms: int, reverse: bool = False, detached: bool = False, command_id: "int | None" = None
    ) -> Answer:
        """Begin the set-up motion `kind` (messages.JOG, PRIME, PURGE or HOME): `steps` microsteps over `ms` ms (1 ms to 1 h).
        `detached`: the outlet is disconnected, so nothing of it is a dose."""
        request: Request = {"c": "move", "k": kind, "n": steps, "ms": ms, "rev": int(reverse), "det": int(detached)}
        return self.command(request, command_id)

    def direction(self, ok: bool, command_id: "int | None" = None) -> Answer:
        """Tell the board what was seen: did the plunger move towards the outlet? After a no it refuses to start until a yes."""
        return self.command({"c": "direction", "ok": int(ok)}, command_id)

    def command(self, request: Request, command_id: "int | None" = None) -> Answer:
        """Any command of SPEC.md section 3 that carries an id, as its name ("c") and its other keys."""
        if command_id is None:
            command_id = (self.hello().next_counter << messages.ID_RANDOM_BITS) | random.getrandbits(messages.ID_RANDOM_BITS)
        name = str(request["c"])
        full: Request = {"c": name, "i": command_id}
        full.update({key: value for key, value in request.items() if key != "c"})
        self.session.sent = 0
        try:
            return parse_answer(name, command_id, self.session.ask(full, self.command_deadline_s))
        except LinkError as error:
            if self.session.sent == 0:
                raise
            raise Uncertain(name, command_id, settle_command(full, self.url), str(error)) from error

    # --- blobs and the log ---------------------------------------------------------------------------------------------

    def stage(self, kind: int, blob: bytes, progress: "Progress | None" = None) -> None:
        """Put `blob` into the staging place `kind`. Rejected when the board refuses it; nothing becomes active by this."""
        transfers.stage(self.session, kind, blob, self.query_deadline_s, progress)

    def read_blob(self, kind: int, progress: "Progress | None" = None) -> "bytes | None":
        """The bytes of a staged or active blob, or of the ledger; None when the board has none."""
        return transfers.read_blob(self.session, kind, self.query_deadline_s, progress) or None

    def pull_log(self, first_seq: int = 0, progress: "Progress | None" = None) -> Iterator[bytes]:
        """Raw 32-byte records from `first_seq` to the end of the log as it is now, in rising sequence. Gaps are real losses."""
        return transfers.pull_log(self.session, first_seq, self.hello().log_seq, self.query_deadline_s, progress)
