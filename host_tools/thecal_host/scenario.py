"""The reference day: one continuous therapy with a bolus, a refused bolus and a power cut, as data, and the runner that plays
it on a virtual board.

Invariant: the runner acts only while virtual time stands still and moves time only by `advance`, and every command carries an
id that follows from its place in the scenario; so one scenario gives the same event log, byte for byte, on every engine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from thecal.core import messages
from thecal.core.codec import crc32
from thecal_host import boards, monitor_limits, prescriptions
from thecal_host.link.client import Client
from thecal_host.link.types import Answer, Hello, Status
from thecal_host.prescriptions import Prescription
from thecal_host.virtual.control import ControlClient
from thecal_host.virtual.registry import RunningBoard

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
SEEK_MS = 50  # how finely a moment of motion is looked for
SEEK_MAX_MS = 60_000

Progress = Callable[[int, int, str], None]  # virtual ms since the start, ms in all, what is happening


class ScenarioError(Exception):
    """The scenario could not be played to its end; the text is a sentence."""

    exit_code = 1


@dataclass(frozen=True)
class Action:
    """One action at `at_ms` of world time since the scenario began; `values` are those of the action, units in their names."""

    at_ms: int
    what: str
    values: dict[str, int] = field(default_factory=dict)


REFERENCE_DAY: tuple[Action, ...] = (
    Action(0, "provision", {"nothing": 1}),
    Action(0, "upload"),
    Action(0, "activate"),
    Action(0, "start"),
    Action(3 * HOUR_MS, "bolus", {"nl": 40_000, "ms": 10 * MINUTE_MS}),  # 1 mg of 25 mg/mL
    Action(3 * HOUR_MS + 30 * MINUTE_MS, "bolus", {"nl": 40_000, "ms": 10 * MINUTE_MS}),  # inside the lockout: refused
    Action(7 * HOUR_MS + 13 * MINUTE_MS, "cut_in_motion", {"off_ms": 2 * MINUTE_MS}),
    Action(7 * HOUR_MS + 20 * MINUTE_MS, "ack"),
    Action(DAY_MS, "end"),
)


@dataclass(frozen=True)
class Cut:
    """One power cut: the plant and the board's status just before it, and the status right after power came back."""

    at_ms: int
    off_ms: int
    batch_left: int
    true_edges: int
    before: Status
    after: Status


@dataclass
class Played:
    """What happened: the answers in order of the commands, the cuts, the raw log, and how board and plant stood at the end."""

    prescription: Prescription
    hello: Hello
    answers: list[tuple[Action, Answer]] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    ledger: bytes = b""
    status: "Status | None" = None
    truth: dict[str, Any] = field(default_factory=dict)
    truth_before: dict[str, Any] = field(default_factory=dict)


def play(
    board: RunningBoard, prescription_path: str, actions: tuple[Action, ...] = REFERENCE_DAY, progress: "Progress | None" = None
) -> Played:
    """Play `actions` on a running virtual board with firmware that was never provisioned. LinkError, VirtualError,
    PrescriptionError, ScenarioError."""
    part = boards.load("virtual").part
    rx = prescriptions.load(prescription_path, part)
    with ControlClient(board) as control, Client(board.port) as client:
        player = _Player(control, client, rx, actions[-1].at_ms, progress)
        for number, action in enumerate(actions):
            player.go_to(action.at_ms, action.what)
            player.act(number, action)
        return player.finish()


class _Player:
    def __init__(
        self, control: ControlClient, client: Client, rx: Prescription, end_ms: int, progress: "Progress | None"
    ) -> None:
        self._control = control
        self._client = client
        self._rx = rx
        self._limits = monitor_limits.encode(rx.fields, rx.crc)
        self._end_ms = end_ms
        self._progress = progress
        self._now_ms = 0
        self.played = Played(rx, client.hello(), truth_before=control.truth())
        self._zero_ms = int(self.played.truth_before["world_ms"])

    def go_to(self, at_ms: int, what: str) -> None:
        """Advance to a moment of the scenario."""
        left = at_ms - self._now_ms
        if left > 0:
            tell = self._progress
            self._control.advance(left, (lambda _now, world: tell(world - self._zero_ms, self._end_ms, what)) if tell else None)
            self._now_ms = at_ms
        if self._progress:
            self._progress(self._now_ms, self._end_ms, what)

    def act(self, number: int, action: Action) -> None:
        getattr(self, "_" + action.what)(number, action)

    def _id(self, number: int) -> int:
        """Follows from the board's counter and the place in the scenario; no randomness."""
        return (self._client.hello().next_counter << messages.ID_RANDOM_BITS) | (number + 1)

    def _note(self, action: Action, answer: Answer) -> None:
        self.played.answers.append((action, answer))

    def _must(self, action: Action, answer: Answer) -> None:
        self._note(action, answer)
        if not answer.ok:
            from thecal_host.record_texts import answer_sentence

            raise ScenarioError(f"The reference day cannot go on at {action.what}. {answer_sentence(answer)}")

    def _provision(self, number: int, action: Action) -> None:
        self._must(action, self._client.provision(bool(action.values["nothing"]), self._id(number)))

    def _upload(self, _number: int, _action: Action) -> None:
        for kind, blob in ((messages.BLOB_PROGRAM, self._rx.blob), (messages.BLOB_MONITOR, self._limits)):
            self._client.stage(kind, blob)
            if self._client.read_blob(kind) != blob:
                raise ScenarioError("What the board read back is not what was uploaded.")

    def _activate(self, number: int, action: Action) -> None:
        self._must(action, self._client.activate(self._rx.crc, crc32(self._limits), self._id(number)))

    def _start(self, number: int, action: Action) -> None:
        self._must(action, self._client.start(self._id(number)))

    def _ack(self, number: int, action: Action) -> None:
        self._must(action, self._client.ack(self._id(number)))

    def _bolus(self, number: int, action: Action) -> None:
        self._note(action, self._client.bolus(action.values["nl"], action.values["ms"], self._id(number)))

    def _cut_in_motion(self, _number: int, action: Action) -> None:
        """The power goes at the first moment from now on at which the hardware holds a lease; it comes back `off_ms` later."""
        truth = self._control.truth()
        waited = 0
        while not truth["batch_left"]:
            if waited >= SEEK_MAX_MS:
                raise ScenarioError("The motor did not move within a minute, so its power could not be cut in motion.")
            self._control.advance(SEEK_MS)
            waited += SEEK_MS
            truth = self._control.truth()
        before = self._client.status()
        self._control.power_cut()
        self._control.power_on(action.values["off_ms"])
        after = self._client.status()
        in_flight, edges = int(truth["batch_left"]), int(truth["edges"])
        self.played.cuts.append(Cut(self._now_ms + waited, action.values["off_ms"], in_flight, edges, before, after))
        self._now_ms = int(self._control.truth()["world_ms"]) - self._zero_ms

    def _end(self, _number: int, _action: Action) -> None:
        """Nothing more happens."""

    def finish(self) -> Played:
        played = self.played
        played.truth = self._control.truth()
        played.log = list(self._client.pull_log())
        played.status = self._client.status()
        played.ledger = self._client.read_blob(messages.BLOB_LEDGER) or b""
        return played
