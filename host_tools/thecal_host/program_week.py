"""The week of a program for people: the rates of each weekday, the doses they make, and two programs' weeks beside each other.

Invariant: days that are alike are grouped and every moment at which one of the two programs changes its rate has a row, so what
is read in the rows is the whole week. Nothing is opened here: fields in, rows out.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from thecal.core.schedule import DAY_MIN, Schedule

SAME, CHANGED, MORE, LESS = "", "~", "+", "-"
Fields = dict[str, Any]
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class DayRow:
    """One stretch of the week: days, local time it begins at, both rates in nL/day (None: no program), the mark."""

    days: str
    minute: int
    old: "int | None"
    new: int
    mark: str

    @property
    def time(self) -> str:
        """The local time it begins at, "06:30"."""
        return f"{self.minute // 60:02d}:{self.minute % 60:02d}"


def mark_volume(before: int, old: Fields, after: int, new: Fields) -> str:
    """Which way a volume (or a volume a day) goes: MORE when its volume or, by the
    concentration, its mass is higher than before."""
    masses = before * old["concentration_ng_per_ml"], after * new["concentration_ng_per_ml"]
    if after > before or masses[1] > masses[0]:
        return MORE
    return SAME if after == before and masses[0] == masses[1] else LESS


def day_line(fields: Fields, day: int) -> "list[tuple[int, int]]":
    """(minute of the day, rate in nL/day) of day 0 (Monday) to 6; one line from minute 0 on where there is no schedule."""
    schedule = Schedule(fields)
    begin, end = day * DAY_MIN, (day + 1) * DAY_MIN
    line = [(0, schedule.rate_at(begin * 60_000))]
    line += [
        (minute - begin, rate) for minute, rate in zip(schedule.minutes, schedule.rates, strict=True) if begin < minute < end
    ]
    return line


def daily_nl(fields: Fields) -> list[int]:
    """The dose of each day, Monday to Sunday, nL rounded up, as the schedule has it."""
    doses = []
    for day in range(7):
        line = [*day_line(fields, day), (DAY_MIN, 0)]
        total = sum(rate * (after[0] - minute) for (minute, rate), after in pairwise(line))
        doses.append(-(-total // DAY_MIN))
    return doses


def _rate_at(line: "list[tuple[int, int]]", minute: int) -> int:
    return [rate for begin, rate in line if begin <= minute][-1]


def days_text(days: list[int]) -> str:
    """Names of the days given by number: "every day", "Mon-Fri", "Sat, Sun"."""
    if len(days) == 7:
        return "every day"
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        return f"{DAYS[days[0]]}-{DAYS[days[-1]]}"
    return ", ".join(DAYS[day] for day in days)


def day_rows(old: "Fields | None", new: Fields) -> list[DayRow]:
    """The week of both programs, days that are alike in one group; one row for every moment at which one of the two changes."""
    groups: dict[Any, list[int]] = {}
    for day in range(7):
        lines = (tuple(day_line(old, day)) if old else (), tuple(day_line(new, day)))
        groups.setdefault(lines, []).append(day)
    made = []
    for (before, after), days in groups.items():
        for minute in sorted({minute for minute, _rate in (*before, *after)}):
            was, will = _rate_at(list(before), minute) if before else None, _rate_at(list(after), minute)
            mark = SAME if was is None or old is None else mark_volume(was, old, will, new)
            made.append(DayRow(days_text(days), minute, was, will, mark))
    return made
