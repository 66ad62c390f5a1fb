"""Wall-clock times for people: written with their offset from UTC, and read back. Invariant: no time of day is shown without
its offset or the board's own, and none is made up: where the board's clock is not known there is none.

Nothing here is counted or limited by; the board's limits use its own ms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from thecal.core import messages
from thecal.core.schedule import OFFSET_BIAS_MIN

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class WallError(ValueError):
    """A text that is no time, or a time no board can have; the text of the error is a sentence."""

    exit_code = 2


def _at(unix_ms: int, offset_min: int) -> datetime:
    zone = timezone(timedelta(minutes=offset_min))
    try:
        return (_EPOCH + timedelta(milliseconds=unix_ms)).astimezone(zone)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def utc(unix_ms: int) -> str:
    """ "2026-11-21 03:32:41Z", cut to whole seconds."""
    return _at(unix_ms, 0).strftime("%Y-%m-%d %H:%M:%SZ")


def local(unix_ms: int, offset_min: int) -> str:
    """ "2026-11-21 04:32:41+01:00" at `offset_min` minutes east of UTC, cut to whole seconds."""
    return _at(unix_ms, offset_min).isoformat(" ", "seconds")


def offset_of(fields: "Mapping[str, object] | None") -> int:
    """Minutes east of UTC of a program; 0 without one."""
    biased = fields.get("utc_offset_biased_min", OFFSET_BIAS_MIN) if fields else OFFSET_BIAS_MIN
    return biased - OFFSET_BIAS_MIN if isinstance(biased, int) else 0


@dataclass(frozen=True)
class BoardTime:
    """The wall clock of a board at one moment; `unix_ms` None: the board does not know it."""

    unix_ms: "int | None"
    offset_min: int = 0

    def text(self) -> str:
        """Date, time and offset, or "unknown"."""
        return "unknown" if self.unix_ms is None else local(self.unix_ms, self.offset_min)

    def after(self, ms: int) -> str:
        """The time of day `ms` later in local time of the program, rounded up to the minute: "14:05", "Tue 14:05" on another
        day, "2026-11-30 14:05" beyond a week; "" when the clock is unknown."""
        if self.unix_ms is None:
            return ""
        then_ms = -(-(self.unix_ms + ms) // 60_000) * 60_000
        now, then = _at(self.unix_ms, self.offset_min), _at(then_ms, self.offset_min)
        if now.date() == then.date():
            return then.strftime("%H:%M")
        if then_ms - self.unix_ms < 6 * 86_400_000:
            return f"{_DAYS[then.weekday()]} {then.strftime('%H:%M')}"
        return then.strftime("%Y-%m-%d %H:%M")

    def at(self, ms: int, word: str = "at") -> str:
        """`after` as a clause, " (at 14:05)", or "" when the clock is unknown."""
        then = self.after(ms)
        return f" ({word} {then})" if then else ""


def parse(text: str) -> int:
    """Unix ms of an ISO 8601 time with its offset ("2026-11-21T04:32:41+01:00", "... 03:32:41Z"), or of plain Unix seconds
    ("1795231961.25"). WallError otherwise, or outside what the board's clock can hold."""
    unix_ms = _unix(text)
    if unix_ms is None:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise WallError(
                f'"{text}" is not a time. Write it like "2026-11-21T04:32:41+01:00" or "2026-11-21 03:32:41Z".'
            ) from None
        if moment.tzinfo is None:
            raise WallError(f'"{text}" lacks its offset from UTC (it is never guessed): add "+01:00", or "Z" for UTC.')
        unix_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    if not messages.UNIX_MS_MIN <= unix_ms <= messages.UNIX_MS_MAX:
        raise WallError(
            f'"{text}" cannot be: the board\'s clock holds {utc(messages.UNIX_MS_MIN)} to {utc(messages.UNIX_MS_MAX)}.'
        )
    return unix_ms


def _unix(text: str) -> "int | None":
    whole, _point, decimals = text.strip().partition(".")
    if not whole.isascii() or not whole.isdigit() or len(whole) > 12 or len(decimals) > 3 or not (decimals or "0").isdigit():
        return None
    if len(whole) < 9:  # 2026 is a year and no number of seconds
        return None
    return int(whole) * 1000 + int(decimals.ljust(3, "0"))
