"""The runner that plays a scenario, like the reference day, on a virtual board.

Invariant: the runner acts only while virtual time stands still and moves time only by `advance`, and every command carries an
id that follows from its place in the scenario; so one scenario gives the same event log, byte for byte, on every engine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from thecal.core import messages, states
from thecal.core.codec import crc32
from thecal_host import boards, monitor_limits, prescriptions
from thecal_host.link.client import Client
from thecal_host.link.types import Answer, Hello, Status
from thecal_host.prescriptions import Prescription
from thecal_host.reference_day import REFERENCE_DAY, Action
from thecal_host.virtual.control import ControlClient
from thecal_host.virtual.registry import RunningBoard

SEEK_MS = 50  # how finely a moment of motion is looked for
SEEK_MAX_MS = 60_000
SETTLE_MS = 1500  # what a switch or a motion sets off has happened, and is durable

Progress = Callable[[int, int, str], None]  # virtual ms since the start, ms in all, what is happening


class ScenarioError(Exception):
    """The scenario could not be played to its end; the text is a sentence."""

    exit_code = 1


@dataclass(frozen=True)
class Cut:
    """One power cut: the plant and the board's status just before it, and the status right after power came back."""

    at_ms: int
    off_ms: int
    batch_left: int
    true_edges: int
    before: Status
    after: Status

    @property
    def lost_ms(self) -> int:
        """By how much the board's own time fell behind: the time without power, and what was not durable before it."""
        return self.off_ms - (self.after.t_ms - self.before.t_ms)


@dataclass
class Played:
    """What happened: the answers in order of the commands, the cuts, the raw log, and how board and plant stood at the end."""

    prescription: Prescription
    hello: Hello
    answers: list[tuple[Action, Answer]] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    presses: list[int] = field(default_factory=list)  # when the button was pressed, and when the emergency stop
    estops: list[int] = field(default_factory=list)
    seen: list[tuple[int, Status]] = field(default_factory=list)  # the board's status at every action
    ledger: bytes = b""
    status: "Status | None" = None
    truth: dict[str, Any] = field(default_factory=dict)
    truth_before: dict[str, Any] = field(default_factory=dict)  # where therapy began: after the last set-up motion
    truth_zero: dict[str, Any] = field(default_factory=dict)  # where the scenario began


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
        self.played.truth_zero = self.played.truth_before
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
        """Play one action; a command of the link goes there as it is."""
        self.played.seen.append((self._now_ms, self._client.status()))
        own = getattr(self, "_" + action.what, None)
        if own is not None:
            own(number, action)
        else:
            request = {"c": action.what, **action.values}
            answer = self._client.command(request, self._id(number))
            if action.refused:
                self.played.answers.append((action, answer))
            else:
                self._must(action, answer)

    def _id(self, number: int) -> int:
        """Follows from the board's counter and the place in the scenario; no randomness."""
        return (self._client.hello().next_counter << messages.ID_RANDOM_BITS) | (number + 1)

    def _must(self, action: Action, answer: Answer) -> None:
        self.played.answers.append((action, answer))
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

    def _move(self, number: int, action: Action) -> None:
        """A set-up motion, and its end."""
        self._must(action, self._client.command({"c": "move", **action.values}, self._id(number)))
        self._control.advance(action.values["ms"] + SETTLE_MS)
        self._now_ms += action.values["ms"] + SETTLE_MS
        if self._client.status().state != states.OFF:
            raise ScenarioError("A set-up motion did not end in its time.")
        self._before()

    def _press(self, _number: int, action: Action) -> None:
        """Hold the button for a moment that has passed when this returns."""
        self.played.presses.append(self._now_ms)
        self._control.press("button", action.values["for_ms"])
        self._control.advance(action.values["for_ms"] + SETTLE_MS)
        self._now_ms += action.values["for_ms"] + SETTLE_MS

    def _estop(self, _number: int, action: Action) -> None:
        if action.values["pressed"]:
            self.played.estops.append(self._now_ms)
        self._control.press("estop", action.values["pressed"])
        self._control.advance(SETTLE_MS)
        self._now_ms += SETTLE_MS

    def _before(self) -> None:
        """What is moved from here on is therapy."""
        self.played.truth_before = self._control.truth()

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
