"""What the review of a program finds, in words. Invariant: a Finding names the field, its value, the bound and the source of the
bound, and a soft one carries exactly one override bit; nothing is judged here."""

from dataclasses import dataclass, field
from typing import Any

from thecal.core import units
from thecal.core.program_table import OVERRIDES
from thecal_host.drugs.entries import Entry
from thecal_host.drugs.figures import FIGURES
from thecal_host.drugs.slips import UNIT_FACTOR, Slip

RATE_LOW = 1
RATE_HIGH = 2
BOLUS_LOW = 4
BOLUS_HIGH = 8
OTHER = 16
HOLD = 32
TITRATION = 64
OWN = 128

HARD = "hard"
SOFT = "soft"
SLIP = "slip"
UNKNOWN = "unknown"
NOTE = "note"

_PLACES = {"ng": 0, "mcg": 3, "mg": 6, "g": 9}
_WHAT = {"dose": "a daily dose", "peak": "a rate", "bolus": "a bolus"}


@dataclass(frozen=True)
class Finding:
    """One finding: `key` is the program's field, `value` and `limit` texts with units, `sentence` why and what to do. `bit` is
    the override bit of a soft finding (0 for all others: they cannot be overridden)."""

    kind: str
    key: str
    value: str
    limit: str
    sentence: str
    bit: int = 0
    high: bool = True  # above a bound (else below)

    @property
    def name(self) -> str:
        """The name of its override, "" when it has none."""
        return dict(OVERRIDES).get(self.bit, "")

    @property
    def text(self) -> str:
        """All of it in one line, with the field as a prescription file has it."""
        from thecal_host.prescription_texts import TOML_KEYS

        limit = f", allowed: {self.limit}" if self.limit else ""
        return f"{TOML_KEYS.get(self.key, self.key)} is {self.value}{limit}: {self.sentence}"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "kind": self.kind,
            "key": self.key,
            "value": self.value,
            "limit": self.limit,
            "sentence": self.sentence,
            "bit": self.bit,
            "override": self.name,
        }


@dataclass(frozen=True)
class Review:
    """A program against the library. `hard` refuses (the slips are among them and again in `slips`), `soft` needs a confirmation
    each, `notes` ask for nothing."""

    entry: "Entry | None"
    library_hash: str
    hard: list[Finding] = field(default_factory=list)
    soft: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    @property
    def slips(self) -> list[Finding]:
        """The hard findings that are probably a slip of unit or decimal point."""
        return [finding for finding in self.hard if finding.kind == SLIP]

    @property
    def refused(self) -> bool:
        """True when no confirmation helps."""
        return bool(self.hard)

    @property
    def overrides(self) -> int:
        """The bits of every soft finding together."""
        mask = 0
        for finding in self.soft:
            mask |= finding.bit
        return mask

    @property
    def library_crc(self) -> int:
        """The CRC of the entry for the program's field of that name; 0 without an entry."""
        return self.entry.crc if self.entry else 0

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "entry": self.entry.title if self.entry else None,
            "library_crc": f"{self.library_crc:08x}",
            "library_sha256": self.library_hash,
            "overrides": self.overrides,
            "hard": [finding.as_dict() for finding in self.hard],
            "soft": [finding.as_dict() for finding in self.soft],
            "notes": [finding.as_dict() for finding in self.notes],
        }


def amount_text(nl: int, entry: Entry, section: str, den: int = 1, plain: bool = False) -> str:
    """`nl` / `den` nL (per day, except of a bolus) as mass, rounded to the nearest ng: in the entry's own unit, so that value and
    bound compare at a glance, or (`plain`) in the unit that suits its size, as somebody who slips writes it."""
    num, one = nl * entry.ng_per_ml, den * units.ML_NL
    ng = (2 * num + one) // (2 * one)
    unit = entry.figures[f"{section}.typical"].text.partition("/")[0].rpartition(" ")[2]
    text = units.format_mass(ng) if plain or unit not in _PLACES else f"{units.decimal(ng, _PLACES[unit])} {unit}"
    return text + ("" if section == "bolus" else "/day")


def with_volume(nl: int, entry: Entry, section: str, plain: bool = False) -> str:
    """Mass and volume: "12 mg/day (0.48 mL/day)"."""
    per = "" if section == "bolus" else "/day"
    return f"{amount_text(nl, entry, section, plain=plain)} ({units.format_volume(nl)}{per})"


def cited(entry: Entry, key: str) -> str:
    """Where a figure is from, briefly: "label, source lioresal"."""
    figure = entry.figures[key]
    return f"{figure.certainty}, source {figure.source}"


def crossing(kind: str, key: str, value: str, entry: Entry, bound: str, bit: int = 0) -> Finding:
    """A value beyond the figure `bound` ("dose.soft_high") of `entry`, in its way."""
    high = bound.endswith("high")
    figure = entry.figures[bound]
    limit = f"at {'most' if high else 'least'} {figure.text}"
    side = "above" if high else "below"
    what = _WHAT[bound.split(".")[0]]
    act = "it is refused." if kind == HARD else "confirm it or change it."
    why = f"{side} the {kind} bound of {what} of {entry.title} ({cited(entry, bound)}); {act}"
    return Finding(kind, key, value, limit, why, bit, high)


def slipped(key: str, value: str, entry: Entry, bound: str, slip: Slip, place: str) -> Finding:
    """A value, beyond the figure `bound`, that is a power of ten away from a usual one; `place` is the value in short."""
    section = bound.split(".")[0]
    meant = amount_text(slip.num, entry, section, slip.den, slip.factor == UNIT_FACTOR)
    times = f"{slip.factor} times" if slip.too_large else f"1/{slip.factor} of"
    ask = "is the unit right (mg, mcg)?" if slip.factor == UNIT_FACTOR else "is the decimal point, or a digit, wrong?"
    typical = entry.figures[f"{section}.typical"].text
    why = f"{place} is {times} {meant}; {typical} is typical for {_WHAT[section]} of {entry.title}: {ask} Refused as a slip."
    limit = f"at {'most' if slip.too_large else 'least'} {entry.figures[bound].text}"
    return Finding(SLIP, key, value, limit, why, 0, slip.too_large)


def meaning(key: str) -> str:
    """What a figure of an entry means."""
    return FIGURES[key][2]
