"""What the board says, as typed values: hello, status, and the answer to a command.

Invariant: an answer with a missing or non-integer field is `BadAnswer`, never a guessed number; a sensor that is not fitted is
None.
"""

from dataclasses import dataclass, field
from typing import Any

from thecal.core import messages
from thecal_host.link.errors import BadAnswer, WrongProtocol

PROTO = 1

# JSON key -> Status field, in the order of SPEC.md section 4. None is allowed only where a sensor may be missing.
STATUS_KEYS = {
    "st": "state",
    "fault": "fault",
    "alarm": "alarm",
    "t": "t_ms",
    "boot": "boot",
    "rate": "rate_nl_per_day",
    "min": "min_nl",
    "max": "max_nl",
    "res": "reservoir_nl",
    "w1": "window_1h_nl",
    "w4": "window_4h_nl",
    "w24": "window_24h_nl",
    "bol": "bolus_left_nl",
    "prog": "program_crc",
    "edges": "edges",
    "perm": "permitted_steps",
    "bat": "battery_mv",
    "pa": "pressure_pa",
    "seq": "log_seq",
    "wr": "durable_writes",
    "heap": "heap_free_bytes",
    "hold": "hold_ms",
}
_NULLABLE = ("bat", "pa")


@dataclass(frozen=True)
class Hello:
    """Who answers: link version, firmware version (major*10000 + minor*100 + patch), board id, state, boot count, next id
    counter."""

    proto: int
    firmware: int
    board_id: str
    state: int
    boot: int
    next_counter: int
    log_seq: int
    port: str

    @property
    def version(self) -> str:
        """The firmware version as text, "1.2.3"."""
        return f"{self.firmware // 10000}.{self.firmware // 100 % 100}.{self.firmware % 100}"


@dataclass(frozen=True)
class Status:
    """SPEC.md section 4; units are in the names, `program_crc` 0 means no program, `delivered` is the interval [min_nl,
    max_nl]."""

    state: int
    fault: int
    alarm: int
    t_ms: int
    boot: int
    rate_nl_per_day: int
    min_nl: int
    max_nl: int
    reservoir_nl: int
    window_1h_nl: int
    window_4h_nl: int
    window_24h_nl: int
    bolus_left_nl: int
    program_crc: int
    edges: int
    permitted_steps: int
    battery_mv: "int | None"
    pressure_pa: "int | None"
    log_seq: int
    durable_writes: int
    heap_free_bytes: int
    hold_ms: int
    extra: "dict[str, Any]" = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The definite answer to a command. `replayed`: the board had already answered this id and did not run it again."""

    command: str
    command_id: int
    result: int
    reason: int = 0
    value: int = 0
    limit: int = 0
    replayed: bool = False
    key: str = ""
    low: int = 0
    high: int = 0

    @property
    def ok(self) -> bool:
        """True when the board did what was asked (a granted bolus is not yet delivered)."""
        return self.result == messages.OK


def parse_hello(answer: "dict[str, object]") -> Hello:
    """Hello from JSON. WrongProtocol when the link version differs, BadAnswer when a field is missing."""
    proto = answer.get("proto")
    if not isinstance(proto, int):
        raise WrongProtocol("The board's firmware is too old to say its link version. Run `thecal flash` to update it.")
    if proto != PROTO:
        what = "newer: update this program" if proto > PROTO else "older: run `thecal flash` to update it"
        raise WrongProtocol(f"The board speaks link version {proto}, this program speaks {PROTO}. The firmware is {what}.")
    return Hello(
        proto,
        _whole(answer, "fw"),
        str(answer.get("id", "")),
        _whole(answer, "st"),
        _whole(answer, "boot"),
        _whole(answer, "next"),
        _whole(answer, "seq"),
        str(answer.get("port", "")),
    )


def parse_status(answer: "dict[str, object]") -> Status:
    """Status from JSON; BadAnswer when a field is missing or not an integer. Keys this host does not know are kept in `extra`."""
    values: dict[str, Any] = {}
    for key, name in STATUS_KEYS.items():
        values[name] = None if key in _NULLABLE and key in answer and answer[key] is None else _whole(answer, key)
    extra = {key: value for key, value in answer.items() if key not in STATUS_KEYS and key != "r"}
    return Status(**values, extra=extra)


def parse_answer(command: str, command_id: int, answer: "dict[str, object]") -> Answer:
    """Answer from JSON; missing `k`, `v`, `l` count as 0 (SPEC.md section 3 leaves them out where they say nothing)."""
    reason = answer.get("k", 0)
    return Answer(
        command,
        command_id,
        _whole(answer, "r"),
        reason if isinstance(reason, int) else 0,
        _optional(answer, "v"),
        _optional(answer, "l"),
        bool(answer.get("a", 0)),
        reason if isinstance(reason, str) else "",
        _optional(answer, "lo"),
        _optional(answer, "hi"),
    )


def _whole(answer: "dict[str, object]", key: str) -> int:
    value = answer.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadAnswer(
            f"The board's answer lacks {key!r}: its firmware is older or newer than this program. Run `thecal flash`."
        )
    return value


def _optional(answer: "dict[str, object]", key: str) -> int:
    value = answer.get(key, 0)
    return value if isinstance(value, int) else 0
