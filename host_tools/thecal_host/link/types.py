"""What the board says, as typed values: hello, status, and the answer to a command.

Invariant: an answer with a missing or non-integer field is `BadAnswer`, never a guessed number; a sensor that is not fitted is
None.
"""

from dataclasses import dataclass, field
from typing import Any

from thecal.core import messages
from thecal_host.link.errors import BadAnswer, WrongProtocol

PROTO = 1
_LACKS = "The board's answer lacks '{}': its firmware is older or newer than this program. Run `thecal flash`."

# JSON key -> Status field, as in SPEC.md section 4 ("held" is a list and stands apart). None is allowed only where a sensor or
# an input may be missing, or there is nothing to tell (no change ahead, no wall clock, no home).
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
    "mode": "mode",
    "ovl": "overlay",
    "ovlms": "overlay_left_ms",
    "chg": "change_in_ms",
    "chgrate": "change_to_nl_per_day",
    "wall": "wall_unix_ms",
    "lock": "lockout_left_ms",
    "nbol": "boluses_24h",
    "unmet": "unmet",
    "src": "source",
    "mot": "motion",
    "motleft": "motion_left_steps",
    "pos": "position_steps",
    "dir": "direction",
    "btn": "button",
    "stop": "estop",
    "home": "home",
    "ovr": "overrides",
    "lib": "library_crc",
    "setup": "setup_nl",
}
_NULLABLE = ("bat", "pa", "chg", "chgrate", "wall", "pos", "btn", "stop", "home")


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
    max_nl] (set-up motions left out). `rate_nl_per_day` is the rate now and `change_in_ms` the time to the next; `held` are the
    codes of all alarms that are not cleared. An input is 1 while pressed or closed."""

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
    mode: int
    overlay: int
    overlay_left_ms: int
    change_in_ms: "int | None"
    change_to_nl_per_day: "int | None"
    wall_unix_ms: "int | None"
    lockout_left_ms: int
    boluses_24h: int
    unmet: int
    source: int
    motion: int
    motion_left_steps: int
    position_steps: "int | None"
    direction: int
    button: "int | None"
    estop: "int | None"
    home: "int | None"
    overrides: int
    library_crc: int
    setup_nl: int
    held: "tuple[int, ...]"
    extra: "dict[str, Any]" = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The definite answer to a command. `replayed`: the board had already answered this id and did not run it again. `wait_ms`:
    how long until the same wish would be granted, 0 where the board does not say."""

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
    wait_ms: int = 0

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
    values["motion"] &= 15  # the kind; the ledger's byte says more
    held = answer.get("held")
    if not isinstance(held, list) or not all(isinstance(code, int) and not isinstance(code, bool) for code in held):
        raise BadAnswer(_LACKS.format("held"))
    extra = {key: value for key, value in answer.items() if key not in STATUS_KEYS and key not in ("r", "held")}
    return Status(**values, held=tuple(held), extra=extra)


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
        _optional(answer, "w"),
    )


def _whole(answer: "dict[str, object]", key: str) -> int:
    value = answer.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadAnswer(_LACKS.format(key))
    return value


def _optional(answer: "dict[str, object]", key: str) -> int:
    value = answer.get(key, 0)
    return value if isinstance(value, int) else 0
