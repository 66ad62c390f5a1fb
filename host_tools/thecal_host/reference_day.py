"""The reference day as data: set-up motions, then 24 h of a flex program with everything a user can do in it and a power cut.

Invariant: nothing in here depends on a clock of this computer or on chance; every time is world time since the day began, and
the wall clock the board is told follows from it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from thecal.core import messages

SECOND_MS = 1000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
EXAMPLE = "baclofen_flex_night.toml"
BEGAN_UNIX_MS = int(datetime(2026, 1, 5, 5, 7, tzinfo=UTC).timestamp()) * 1000  # a Monday, 06:07 in the example's local time
SLOWER_NL_PER_DAY = 60_000
FASTER_NL_PER_DAY = 225_000


@dataclass(frozen=True)
class Action:
    """One action at `at_ms` of world time since the scenario began; `values` are those of the action, units in their names;
    `refused`: the board is expected to refuse it."""

    at_ms: int
    what: str
    values: dict[str, int] = field(default_factory=dict)
    refused: bool = False


def _clock(at_ms: int, off_ms: int = 0) -> Action:
    """Tell the board the time it is in the scenario, or one that is `off_ms` wrong."""
    return Action(at_ms, "clock", {"u": BEGAN_UNIX_MS + at_ms + off_ms})


def _move(at_ms: int, kind: int, steps: int, duration_ms: int, reverse: int = 0) -> Action:
    return Action(at_ms, "move", {"k": kind, "n": steps, "ms": duration_ms, "rev": reverse, "det": 1})


SETUP_MS = 10 * MINUTE_MS
REFERENCE_DAY: tuple[Action, ...] = (
    Action(0, "provision", {"nothing": 1}),
    _move(0, messages.HOME, 2000, 60 * SECOND_MS, reverse=1),
    _move(2 * MINUTE_MS, messages.PRIME, 2400, 2 * MINUTE_MS),
    _move(5 * MINUTE_MS, messages.PURGE, 240, 20 * SECOND_MS),
    _move(6 * MINUTE_MS, messages.JOG, 64, 5 * SECOND_MS, reverse=1),
    _move(7 * MINUTE_MS, messages.JOG, 64, 5 * SECOND_MS),
    Action(8 * MINUTE_MS, "direction", {"ok": 1}),
    Action(SETUP_MS, "upload"),
    Action(SETUP_MS, "activate"),
    _clock(SETUP_MS),
    Action(SETUP_MS, "start"),
    Action(1 * HOUR_MS, "patient"),
    Action(1 * HOUR_MS + 30 * MINUTE_MS, "patient", refused=True),  # inside the lockout
    Action(2 * HOUR_MS, "temp", {"nlday": FASTER_NL_PER_DAY, "ms": HOUR_MS}),
    Action(3 * HOUR_MS + 30 * MINUTE_MS, "temp", {"nlday": SLOWER_NL_PER_DAY, "ms": 2 * HOUR_MS}),
    Action(4 * HOUR_MS, "cut_in_motion", {"off_ms": 2 * MINUTE_MS}),  # it knows no time any more: its safe rate
    Action(4 * HOUR_MS + 20 * MINUTE_MS, "ack"),
    _clock(6 * HOUR_MS),
    Action(8 * HOUR_MS, "press", {"for_ms": 400}),  # the button, which no host asked
    Action(9 * HOUR_MS, "hold", {"ms": 30 * MINUTE_MS}),  # ends by itself
    Action(10 * HOUR_MS, "minimum"),
    Action(10 * HOUR_MS + 30 * MINUTE_MS, "normal"),
    _clock(11 * HOUR_MS, 6 * HOUR_MS),  # the clock jumps into the night and back
    _clock(11 * HOUR_MS + 30 * MINUTE_MS),
    Action(12 * HOUR_MS, "patient", refused=True),  # the third within 24 h
    Action(13 * HOUR_MS, "estop", {"pressed": 1}),
    Action(13 * HOUR_MS + MINUTE_MS, "start", refused=True),  # while it is pressed
    Action(13 * HOUR_MS + 2 * MINUTE_MS, "estop", {"pressed": 0}),
    Action(13 * HOUR_MS + 3 * MINUTE_MS, "ack"),
    Action(13 * HOUR_MS + 4 * MINUTE_MS, "start"),
    Action(DAY_MS, "end"),  # the night rate came at 15:53, 22:00 local time, and went at 23:53
)
