"""What the orders of a played scenario come to, worked out from the scenario alone: a second opinion on the pump's day.

Invariant: nothing of the firmware's arithmetic is used. The schedule is read from the prescription's text with Python's own
calendar, and the day is summed piece by piece, each as long as its rate holds.
"""

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from thecal_host.reference_day import DAY_MS, MINUTE_MS
from thecal_host.scenario import Played

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GROUPS = {"weekdays": DAYS[:5], "weekend": DAYS[5:], "every day": DAYS}
MASS_NG = {"mg": 1_000_000, "mcg": 1000, "ng": 1}


@dataclass(frozen=True)
class Piece:
    """From `from_ms` to `to_ms` of the scenario basal ran at `nl_per_day`, for the reason `why`."""

    from_ms: int
    to_ms: int
    nl_per_day: Fraction
    why: str


class Sheet:
    """A flex prescription as it stands in its file."""

    def __init__(self, path: Path) -> None:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        number, unit = data["drug"]["concentration"].split()
        self._ng_per_nl = Fraction(number) * MASS_NG[unit.split("/")[0]] / 1_000_000
        basal = data["basal"]
        hours, minutes = basal["utc_offset"][1:].split(":")
        sign = -1 if basal["utc_offset"].startswith("-") else 1
        self._offset = sign * timedelta(hours=int(hours), minutes=int(minutes))
        self.safe = self.rate(basal["safe_dose"])
        self.minimum = self.rate(data["minimum"]["dose"])
        self.patient = self.rate(data["patient_bolus"]["dose"] + "/day")
        self._days: dict[str, list[tuple[int, Fraction]]] = {}
        for day in basal["day"]:
            steps = []
            for clock, dose in day["steps"]:
                steps.append((int(clock[:2]) * 60 + int(clock[3:]), self.rate(dose)))
            names = GROUPS[day["days"]] if isinstance(day["days"], str) else day["days"]
            for name in names:
                self._days[name] = steps

    def rate(self, dose: str) -> Fraction:
        """nL/day of a dose like "300 mcg/day"."""
        number, unit = dose.split()
        return Fraction(number) * MASS_NG[unit.split("/")[0]] / self._ng_per_nl

    def at(self, unix_ms: int) -> Fraction:
        """The scheduled rate at a wall time."""
        local = datetime.fromtimestamp(unix_ms // 1000, UTC) + self._offset
        minute = local.hour * 60 + local.minute
        return [rate for start, rate in self._days[DAYS[local.weekday()]] if start <= minute][-1]


def pieces(played: Played) -> list[Piece]:
    """The basal of the scenario, from its begin to its end."""
    sheet = Sheet(played.prescription.path)
    marks = _marks(played)
    ends = sorted({at_ms for at_ms, _what, _values in marks} | set(range(0, DAY_MS + 1, MINUTE_MS)))
    state = _State(sheet)
    found: list[Piece] = []
    for at_ms, until_ms in pairwise(ends):
        for when, what, values in marks:
            if when == at_ms:
                state.take(at_ms, what, values)
        rate, why = state.now(at_ms)
        if found and found[-1].nl_per_day == rate and found[-1].why == why:
            found[-1] = Piece(found[-1].from_ms, until_ms, rate, why)
        else:
            found.append(Piece(at_ms, until_ms, rate, why))
    return found


def basal_nl(played: Played) -> Fraction:
    """The volume of all pieces, nL, exact."""
    return sum((piece.nl_per_day * (piece.to_ms - piece.from_ms) / DAY_MS for piece in pieces(played)), Fraction(0))


def bolus_nl(played: Played) -> Fraction:
    """The granted boluses: those a host asked for, and each press of the button that the lockout did not refuse."""
    sheet = Sheet(played.prescription.path)
    granted = sum(action.what == "patient" and answer.ok for action, answer in played.answers)
    return sheet.patient * (granted + len(played.presses))


def _marks(played: Played) -> "list[tuple[int, str, dict[str, int]]]":
    """What changes the rate: answered commands at their times, ends of what lasts a while, power cuts."""
    marks: list[tuple[int, str, dict[str, int]]] = []
    for action, answer in played.answers:
        if answer.ok:
            marks.append((action.at_ms, action.what, action.values))
    for at_ms in played.estops:
        marks.append((at_ms, "stop", {}))
    for action, answer in played.answers:
        if answer.ok and action.what in ("temp", "hold"):
            end = action.at_ms + action.values["ms"]
            end += sum(cut.lost_ms for cut in played.cuts if action.at_ms < cut.at_ms < end)  # in the board's own time
            marks.append((end, "end of " + action.what, {}))
    for cut in played.cuts:
        marks.append((cut.at_ms, "power off", {}))
        marks.append((cut.at_ms + cut.off_ms, "power on", {}))
    return sorted(marks, key=lambda mark: mark[0])


class _State:
    """What the pump should be doing."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._on = self._held = self._dark = False
        self._wall_ms: int | None = None
        self._over: Fraction | None = None
        self._capped = self._least = False

    def take(self, at_ms: int, what: str, values: "dict[str, int]") -> None:
        if what in ("start", "stop"):
            self._on = what == "start"
            self._over, self._least = None, False
        elif what in ("hold", "end of hold", "resume"):
            self._held = what == "hold"
        elif what == "temp":
            self._over, self._capped, self._least = Fraction(values["nlday"]), False, False
        elif what in ("normal", "end of temp"):
            self._over, self._least = None, False
        elif what == "minimum":
            self._least = True
        elif what == "clock":
            self._wall_ms = values["u"] - at_ms
        elif what == "power off":
            self._dark, self._wall_ms, self._capped = True, None, True
        elif what == "power on":
            self._dark = False

    def now(self, at_ms: int) -> tuple[Fraction, str]:
        if not self._on or self._held or self._dark:
            return Fraction(0), "no power" if self._dark else "held" if self._held else "off"
        if self._least:
            return self._sheet.minimum, "minimum rate"
        plain = self._sheet.safe if self._wall_ms is None else self._sheet.at(at_ms + self._wall_ms)
        why = "no clock" if self._wall_ms is None else "schedule"
        if self._over is not None:
            return (min(self._over, plain) if self._capped else self._over), "temporary rate"
        return plain, why
