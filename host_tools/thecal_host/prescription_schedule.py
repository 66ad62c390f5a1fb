"""The days of a flex prescription, [[basal.day]], made into the week and the day patterns of a program.

Invariant: a week handed on has every weekday exactly once, and every day begins at 00:00 and goes on in rising order, so each
moment of the week has one rate; equal days share one pattern, numbered in the order of the week, so that the order in the file
does not change the program.
"""

import re
from typing import Any

from thecal.core import units
from thecal.core.schedule import DAY_KEYS, RATE_MASK, STEPS_PER_DAY, day_steps, pack_day
from thecal_host.prescription_texts import DAY_NAMES, shown
from thecal_host.prescription_values import RATES, Reading, read_amount

_LONG_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SETS = {"weekdays": range(5), "weekend": range(5, 7), "every day": range(7)}
DAYS_LIMIT = '"every day", "weekdays", "weekend", or a list of "mon" to "sun"'
STEPS_LIMIT = f'1 to {STEPS_PER_DAY} steps like ["22:00", "450 mcg/day"]'
_TIME = re.compile(r"([0-9]{2}):([0-9]{2})")
_KEYS = ("days", "steps")


def read_days(given: Any, reading: Reading) -> None:
    """Read `basal.day` of a flex prescription into the fields `week` and `day_1`..; problems are noted in `reading`."""
    if not isinstance(given, list) or not given or not all(isinstance(item, dict) for item in given):
        value = "missing" if given is None else shown(given)
        hint = 'a flex program needs its days: write [[basal.day]], days = "every day", steps = [["00:00", "300 mcg/day"]].'
        reading.refuse("basal.day", value, "one or more [[basal.day]] sections", hint, "week")
        return
    week: dict[int, bytes] = {}
    owner: dict[int, str] = {}
    before = len(reading.problems)
    for number, item in enumerate(given[:8], 1):
        where = f"basal.day[{number}]"
        for key in item:
            if key not in _KEYS:
                name = shown(key).strip('"')
                reading.refuse(f"{where}.{name}", "not a known key", "days, steps", "unknown key; remove it.", "week")
        days = _read_names(item, where, reading)
        for day in days:
            if day in owner:
                name = DAY_NAMES[day]
                hint = f"{name} has its steps in {owner[day]} already; name every weekday once."
                reading.refuse(f"{where}.days", f'"{name}" twice', "each weekday once", hint, "week")
            owner.setdefault(day, where)
        raw = _read_steps(item, where, reading)
        for day in days:
            week.setdefault(day, raw)
    if len(given) > 7:
        hint = "a week has seven days; name several weekdays in one section."
        reading.refuse("basal.day", f"{len(given)} sections", "at most 7 sections", hint, "week")
    missing = [DAY_NAMES[day] for day in range(7) if day not in owner]
    if missing and len(reading.problems) == before:
        hint = f"add {', '.join(missing)} to a [[basal.day]]; a day without steps is never guessed (for none write 0 mL/day)."
        reading.refuse("basal.day", f"without {', '.join(missing)}", "all seven weekdays", hint, "week")
    if len(reading.problems) == before and "week" not in reading.failed:
        _store(week, owner, reading)


def _store(week: dict[int, bytes], owner: dict[int, str], reading: Reading) -> None:
    """The seven days as week and patterns, each pattern once, in the order of the week; where each step stands in the file."""
    patterns: list[bytes] = []
    for day in range(7):
        if week[day] not in patterns:
            patterns.append(week[day])
    reading.fields["week"] = bytes(patterns.index(week[day]) + 1 for day in range(7))
    for key, raw in zip(DAY_KEYS, patterns, strict=False):
        reading.fields[key] = raw
        section = next(owner[day] for day in range(7) if week[day] == raw)
        reading.where[key] = section
        for number, (_minute, rate) in enumerate(day_steps(raw), 1):
            reading.where[f"{key} step {number}"] = f"{section}.steps[{number}]"
            reading.where.setdefault(f"{key} rate {rate}", f"{section}.steps[{number}]")


def _read_names(item: dict[str, Any], where: str, reading: Reading) -> list[int]:
    """The weekdays (0 is Monday) of one section, in the order written; a name twice is a problem."""
    value = item.get("days")
    names = [value] if isinstance(value, str) else value
    where = f"{where}.days"
    if not isinstance(names, list) or not names:
        hint = 'say which weekdays these steps are for, like days = "weekdays".'
        reading.refuse(where, "missing" if value is None else shown(value), DAYS_LIMIT, hint, "week")
        return []
    found: list[int] = []
    for name in names[:50]:
        word = name.lower() if isinstance(name, str) else ""
        days = _SETS.get(word, ())
        if word in DAY_NAMES or word in _LONG_NAMES:
            days = (DAY_NAMES.index(word[:3]),)
        if not days:
            reading.refuse(where, shown(name), DAYS_LIMIT, "this is no weekday; use the English names.", "week")
            return []
        found.extend(days)
    return found


def _read_steps(item: dict[str, Any], where: str, reading: Reading) -> bytes:
    """The bytes of the steps of one section; b"" when one of them is wrong."""
    value = item.get("steps")
    where = f"{where}.steps"
    if not isinstance(value, list) or not value:
        hint = 'write steps = [["00:00", "300 mcg/day"], ["22:00", "450 mcg/day"]].'
        reading.refuse(where, "missing" if value is None else shown(value), STEPS_LIMIT, hint, "week")
        return b""
    if len(value) > STEPS_PER_DAY:
        hint = "the board keeps no more; join steps, half an hour is the shortest that fits a whole day."
        reading.refuse(where, f"{len(value)} steps", f"at most {STEPS_PER_DAY} steps", hint, "week")
        return b""
    steps: list[tuple[int, int]] = []
    for number, step in enumerate(value, 1):
        found = _read_step(step, f"{where}[{number}]", steps, reading)
        if found is None:
            return b""
        steps.append(found)
    return pack_day(steps)


def _read_step(step: Any, where: str, before: list[tuple[int, int]], reading: Reading) -> tuple[int, int] | None:
    """(minute of the day, rate in nL/day) of one step after those `before` it, or None after noting what is wrong."""
    if not isinstance(step, list) or len(step) != 2:
        hint = "a step is a time and a rate, both in quotes, in brackets of its own."
        reading.refuse(where, shown(step), '["22:00", "450 mcg/day"]', hint, "week")
        return None
    minute = _minute(step[0], where, reading)
    if minute is None:
        return None
    if not before and minute:
        hint = "the first step of a day begins at 00:00; what holds from midnight on is never guessed."
        reading.refuse(where, shown(step[0]), '"00:00" for the first step', hint, "week")
        return None
    if before and minute <= before[-1][0]:
        last = before[-1][0]
        hint = "there is a step at this time already." if minute == last else "put the steps in the order of the day."
        reading.refuse(where, shown(step[0]), f'after "{last // 60:02}:{last % 60:02}"', hint, "week")
        return None
    rate = read_amount(reading, where, "rate_nl_per_day", RATES, step[1], "week")
    if rate is None:
        return None
    if rate > RATE_MASK:
        text = f"{shown(step[1])} ({units.format_volume(rate)}/day)"
        reading.refuse(where, text, "0, or 1 uL/day to 200 mL/day", "lower it.", "week")
        return None
    return minute, rate


def _minute(value: Any, where: str, reading: Reading) -> int | None:
    """Minute of the day of a text "HH:MM"."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is not None and int(match[1]) < 24 and int(match[2]) < 60:
        return int(match[1]) * 60 + int(match[2])
    if match is not None and value == "24:00":
        hint = "a day ends where the next one begins: the rate from midnight on is the next day's step at 00:00."
    else:
        hint = "write two digits, colon, two digits, in quotes; 24 hours, no am or pm."
    reading.refuse(where, shown(value), 'a time of day from "00:00" to "23:59"', hint, "week")
    return None
