"""The review of a program against its drug library entry: which bounds it crosses, and what looks like a slip.

Invariant: every rate, dose and bolus the program can give is looked at; a value outside a hard bound, or one that looks like a
slip of 10 or 1000, is in `hard`; whatever a shipped entry finds, the entry that narrows it finds too. Exact integers, in nL of
the program's own concentration. A temporary rate needs no bound of its own: limits.max_rate and limits.per_24h hold it and are
judged.
"""

from typing import Any

from thecal.core import units
from thecal.core.prescription import basal_in_window_nl
from thecal.core.program_table import with_defaults
from thecal.core.schedule import DAY_KEYS, DAY_MIN, STEPS_PER_DAY, day_steps
from thecal_host.drugs import findings as say
from thecal_host.drugs.entries import Bounds, Entry, Library
from thecal_host.drugs.findings import HARD, NOTE, SOFT, Finding, Review
from thecal_host.drugs.slips import UNIT_FACTOR, find
from thecal_host.drugs.unknown import no_entry

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WINDOW_24H_MIN = 1500  # the longest span the 24 h window can count (core/windows.py)

__all__ = ["Finding", "Review", "advised", "review"]


def review(fields: dict[str, Any], library: Library) -> Review:
    """Every finding of a program's `fields` (those missing count with their defaults; a field of the wrong type is left to the
    validator)."""
    fields = with_defaults(fields)
    drug, ng_per_ml = fields.get("drug"), fields.get("concentration_ng_per_ml")
    drug = drug if isinstance(drug, str) else ""
    ng_per_ml = ng_per_ml if isinstance(ng_per_ml, int) else 0
    entry = library.find(drug, ng_per_ml)
    if entry is None:
        return Review(None, library.sha256, no_entry(drug, ng_per_ml, library))
    judge = _Judge(fields, entry).run()
    hard, soft = judge.hard, judge.soft
    if entry.base is not None:
        below = _Judge(fields, entry.base).run()
        hard = _added(hard, below.hard, [])
        soft = _added(_added([], soft, hard), below.soft, hard)
    if entry.own:
        why = f'this entry is from "{entry.origin}", on own responsibility ({library.responsible}); confirm it.'
        soft.append(Finding(SOFT, "drug", entry.title, "the shipped library", why, say.OWN))
    return Review(entry, library.sha256, hard, soft, judge.notes)


def _added(there: list[Finding], more: list[Finding], beside: list[Finding]) -> list[Finding]:
    """`there` and those of `more` that say nothing yet said there or `beside` (of the same value on the same side)."""
    told = {(finding.key, finding.value, finding.high) for finding in [*there, *beside]}
    return there + [finding for finding in more if (finding.key, finding.value, finding.high) not in told]


def advised(entry: Entry) -> dict[str, int]:
    """What the entry advises for fields a prescription leaves out: titration rule, longest hold, whether basal resumes."""
    window_ms = entry.number("titration.window")
    return {
        "raise_per_mille": entry.number("titration.raise_share"),
        "raise_nl_per_day": entry.nl("titration.raise_by", False),
        "raise_window_ms": window_ms,
        "max_hold_ms": min(entry.number("policy.max_interruption"), 259_200_000),
        "basal_resumes": int(entry.basal_resumes),
    }


class _Judge:
    """One program against one entry."""

    def __init__(self, fields: dict[str, Any], entry: Entry) -> None:
        self.fields = fields
        self.entry = entry
        week = fields.get("week")
        self.week = week if isinstance(week, bytes) else b""
        self.hard: list[Finding] = []
        self.soft: list[Finding] = []
        self.notes: list[Finding] = []

    def run(self) -> "_Judge":
        """Look at everything, in the order of a prescription file."""
        self._rates()
        self._boluses()
        self._hold()
        self._titration()
        self._notes()
        return self

    def _number(self, key: str) -> int:
        value = self.fields.get(key, 0)
        return value if isinstance(value, int) else 0

    def _note(self, key: str, value: str, limit: str, why: str) -> None:
        self.notes.append(Finding(NOTE, key, value, limit, why))

    def _amount(
        self,
        key: str,
        nl: int,
        section: str,
        bounds: "Bounds | None" = None,
        place: str = "",
        low: bool = True,
        firm: bool = True,
    ) -> None:
        """Judge one amount; `place` says where in the field it is, `low` whether too little needs a confirmation and `firm`
        whether far too little is refused."""
        entry = self.entry
        bounds = bounds or {"dose": entry.dose, "peak": entry.peak, "bolus": entry.bolus}[section]
        slip = find(nl, bounds) if firm or nl > bounds.soft_high else None
        plain = slip is not None and slip.factor == UNIT_FACTOR
        value = place + say.with_volume(nl, entry, section, plain)
        bits = (say.BOLUS_LOW, say.BOLUS_HIGH) if section == "bolus" else (say.RATE_LOW, say.RATE_HIGH)
        under = "dose" if section == "peak" else section
        if slip:
            high = "hard_high" if nl > bounds.hard_high else "soft_high"
            bound = f"{section}.{high}" if slip.too_large else f"{under}.hard_low"
            self.hard.append(
                say.slipped(key, value, entry, bound, slip, place + say.amount_text(nl, entry, section, plain=plain))
            )
        elif nl > bounds.hard_high:
            self.hard.append(say.crossing(HARD, key, value, entry, f"{section}.hard_high"))
        elif firm and nl < bounds.hard_low:
            self.hard.append(say.crossing(HARD, key, value, entry, f"{under}.hard_low"))
        elif nl > bounds.soft_high:
            self.soft.append(say.crossing(SOFT, key, value, entry, f"{section}.soft_high", bits[1]))
        elif low and nl < bounds.soft_low:
            self.soft.append(say.crossing(SOFT, key, value, entry, f"{under}.soft_low", bits[0]))

    def _rates(self) -> None:
        """Rates that may last for days count as daily doses; the steps of a day and the fastest rate as peaks."""
        rate = self._number("rate_nl_per_day")
        if rate or not self.week:
            self._amount("rate_nl_per_day", rate, "dose")
        if self.week:
            self._days()
        if self._number("min_rate_nl_per_day"):
            self._amount("min_rate_nl_per_day", self._number("min_rate_nl_per_day"), "dose")
        self._amount("max_rate_nl_per_day", self._number("max_rate_nl_per_day"), "peak", low=False, firm=False)
        self._amount("limit_24h_nl", self._number("limit_24h_nl"), "dose", self._window_bounds(), low=False, firm=False)

    def _window_bounds(self) -> Bounds:
        """The daily bounds as the 24 h window counts them: a dose at the bound must fit into it."""
        dose = self.entry.dose
        chunk = self._number("chunk_nl")
        soft, hard = (basal_in_window_nl(high, WINDOW_24H_MIN, chunk) for high in (dose.soft_high, dose.hard_high))
        return Bounds(dose.typical, dose.soft_low, soft, dose.hard_low, hard)

    def _days(self) -> None:
        for number, key in enumerate(DAY_KEYS, 1):
            days = [DAYS[at % 7] for at, pattern in enumerate(self.week) if pattern == number]
            raw = self.fields.get(key)
            if not days or not isinstance(raw, bytes):
                continue
            steps = day_steps(raw)
            minutes = [minute for minute, _rate in steps]
            if not steps or minutes[0] != 0 or minutes != sorted(set(minutes)) or minutes[-1] >= DAY_MIN or len(raw) % 5:
                why = f"this day pattern cannot be read as up to {STEPS_PER_DAY} steps from 00:00 on; write it again."
                self.hard.append(Finding(HARD, key, f"{len(raw)} bytes", "steps in order of time", why))
                continue
            for minute, rate in steps:
                if rate:
                    self._amount(key, rate, "peak", place=f"{minute // 60:02}:{minute % 60:02} ", low=False)
            self._amount(key, day_total_nl(steps), "dose", place=f"the whole day ({', '.join(days)}) ")

    def _boluses(self) -> None:
        most, patient = self._number("max_bolus_nl"), self._number("patient_bolus_nl")
        count = self._number("boluses_per_24h")
        if patient:
            self._amount("patient_bolus_nl", patient, "bolus")
        if not most:
            return
        self._amount("max_bolus_nl", most, "bolus")
        if not count:
            return
        lockout_ms = self._number("bolus_lockout_ms")
        if lockout_ms < self.entry.number("bolus.lockout"):
            self._other("bolus_lockout_ms", units.format_ms(lockout_ms), "bolus.lockout", "at least ", say.OTHER, False)
        if count > self.entry.number("bolus.per_24h"):
            self._other("boluses_per_24h", str(count), "bolus.per_24h", "at most ", say.OTHER, True)

    def _other(self, key: str, value: str, bound: str, way: str, bit: int, high: bool) -> None:
        figure = self.entry.figures[bound]
        why = f"{say.meaning(bound)} for {self.entry.title} ({say.cited(self.entry, bound)}); confirm it or change it."
        self.soft.append(Finding(SOFT, key, value, way + figure.text, why, bit, high))

    def _hold(self) -> None:
        hold_ms = self._number("max_hold_ms")
        if hold_ms > self.entry.number("policy.max_interruption"):
            self._other("max_hold_ms", units.format_ms(hold_ms), "policy.max_interruption", "at most ", say.HOLD, True)

    def _titration(self) -> None:
        """Looser means: a shorter window, or a larger raise of some dose between the hard bounds. Both rules are straight lines
        over the dose, so the two ends decide."""
        entry = self.entry
        window_ms = entry.number("titration.window")
        if not window_ms:
            return
        share, by = entry.number("titration.raise_share"), entry.nl("titration.raise_by", True)
        own_ms, own_share, own_by = (self._number(key) for key in ("raise_window_ms", "raise_per_mille", "raise_nl_per_day"))
        ends = (entry.dose.hard_low, entry.dose.hard_high)
        larger = any(dose * own_share + own_by * 1000 > dose * share + by * 1000 for dose in ends)
        if own_ms >= window_ms and not larger:
            return
        value = _rule_text(own_share, own_by, own_ms, entry) if own_ms else "no rule"
        limit = _rule_text(share, by, window_ms, entry)
        cite = say.cited(entry, "titration.raise_share" if share else "titration.raise_by")
        why = f"looser than the titration rule of {entry.title} ({cite}); confirm it or change it."
        key = "raise_per_mille" if own_share else "raise_nl_per_day" if own_by else "raise_window_ms"
        self.soft.append(Finding(SOFT, key, value, limit, why, say.TITRATION))

    def _notes(self) -> None:
        entry = self.entry
        if entry.drug.status == "off-label":
            self._note("drug", entry.drug.name, "", f"this drug is off-label here. {entry.drug.note}")
        if bool(self._number("basal_resumes")) != entry.basal_resumes:
            advice = "on" if entry.basal_resumes else "off"
            value = "yes" if self._number("basal_resumes") else "no"
            why = f"after a power cut the entry advises basal to go {advice}. {entry.drug.note}"
            self._note("basal_resumes", value, "yes" if entry.basal_resumes else "no", why)
        if entry.fault_policy == "minimum" and not self._number("min_rate_nl_per_day"):
            why = "after a fault the entry advises the minimum rate, and this program offers none."
            self._note("min_rate_nl_per_day", "none", "", why)
        rate = self._mean_rate()
        lasts_ms = self._number("reservoir_nl") * units.DAY_MS // rate if rate else 0
        keeps_ms = entry.number("policy.first_fill")
        if lasts_ms > keeps_ms:
            later = entry.figures["policy.stability"].text
            keeps = entry.figures["policy.first_fill"].text
            why = f"{entry.title} keeps {keeps} in the first fill of a new pump, {later} in later ones; refill in time."
            self._note("reservoir_nl", f"{lasts_ms // units.DAY_MS} days of basal", f"at most {keeps}", why)

    def _mean_rate(self) -> int:
        """Basal of an average day, nL/day rounded down."""
        if not self.week:
            return self._number("rate_nl_per_day")
        total = 0
        for pattern in self.week:
            raw = self.fields.get(f"day_{pattern}")
            total += day_total_nl(day_steps(raw)) if isinstance(raw, bytes) and raw else 0
        return total // len(self.week)


def day_total_nl(steps: list[tuple[int, int]]) -> int:
    """nL of one day of (minute of the day, nL/day) steps, rounded up."""
    total = 0
    for at, (minute, rate) in enumerate(steps):
        end = steps[at + 1][0] if at + 1 < len(steps) else DAY_MIN
        total += rate * (end - minute)
    return -(-total // DAY_MIN)


def _rule_text(share: int, by_nl: int, window_ms: int, entry: Entry) -> str:
    parts = [units.decimal(share, 1) + " %"] if share else []
    parts += [say.amount_text(by_nl, entry, "dose")] if by_nl else []
    return f"{' + '.join(parts) or 'no raise'} in {units.format_ms(window_ms)}"
