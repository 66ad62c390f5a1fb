"""One entry of a drug library: a drug at one concentration with all its figures, and the library that holds them.

Invariant: an entry handed out has every figure, and its bounds lie in the order hard, soft, typical, soft, hard. Bounds become nL
by the entry's own concentration, rounded outward by less than 1 nL: the rounding of a dose to whole nL never crosses its own
bound.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import gcd
from pathlib import Path
from typing import Any

from thecal.core import units
from thecal.core.codec import crc32
from thecal_host.drugs.figures import ANSWERS, FAULTS, Figure

STATUSES = ("approved", "off-label", "bench")
SLIP_10 = 10
SLIP_1000 = 1000


@dataclass(frozen=True)
class Drug:
    """What holds for a drug at any concentration. `status` is one of STATUSES."""

    name: str
    status: str
    group: str
    note: str


@dataclass(frozen=True)
class Bounds:
    """Bounds of one kind of amount in nL (or nL/day) at an entry's concentration, both ends still allowed."""

    typical: int
    soft_low: int
    soft_high: int
    hard_low: int
    hard_high: int


@dataclass(frozen=True)
class Entry:
    """A drug at one concentration. `base` is the shipped entry that a user's library narrowed; `own` marks one that is a user's
    own responsibility; `origin` is the title of the library it comes from."""

    drug: Drug
    ng_per_ml: int
    concentration: Figure
    figures: dict[str, Figure]
    origin: str
    own: bool = False
    base: "Entry | None" = None

    @property
    def title(self) -> str:
        """Text like "baclofen 2000 mcg/mL", as the library writes it."""
        return f"{self.drug.name} {self.concentration.text}"

    def nl(self, key: str, up: bool) -> int:
        """The mass (per day) of figure `key` as nL (per day), rounded up or down."""
        figure = self.figures[key]
        num, den = figure.num * units.ML_NL, figure.den * self.ng_per_ml
        return -(-num // den) if up else num // den

    @cached_property
    def dose(self) -> Bounds:
        """Bounds of what is given over a whole day, nL/day."""
        return self._bounds("dose")

    @cached_property
    def bolus(self) -> Bounds:
        """Bounds of one bolus, nL."""
        return self._bounds("bolus")

    @cached_property
    def peak(self) -> Bounds:
        """Bounds of a rate that holds for a part of the day only, nL/day; its lower ends are those of the dose."""
        high = (self.nl("peak.soft_high", True), self.nl("peak.hard_high", True))
        return Bounds(self.nl("peak.typical", True), self.dose.soft_low, high[0], self.dose.hard_low, high[1])

    def _bounds(self, section: str) -> Bounds:
        ends = ("soft_low", False), ("soft_high", True), ("hard_low", False), ("hard_high", True)
        return Bounds(self.nl(f"{section}.typical", True), *(self.nl(f"{section}.{end}", up) for end, up in ends))

    def number(self, key: str) -> int:
        """The whole number of a time (ms), count or share (per mille)."""
        return self.figures[key].whole

    @property
    def fault_policy(self) -> str:
        """What goes on after a fault that leaves a choice: "stop", "minimum" or "continue"."""
        return FAULTS[self.figures["policy.fault"].whole]

    @property
    def basal_resumes(self) -> bool:
        """Whether basal is advised to go on after a power cut."""
        return ANSWERS[self.figures["policy.basal_resumes"].whole] == "yes"

    @property
    def stability_ms(self) -> int:
        """How long the drug keeps in the reservoir; the first fill of a new pump may be shorter (`policy.first_fill`)."""
        return self.number("policy.stability")

    @cached_property
    def crc(self) -> int:
        """The CRC-32 that a program carries as `library_crc`: over drug, values, sources and certainties. Never 0, which means
        none."""
        told = {key: _told(figure) for key, figure in self.figures.items()}
        drug = self.drug
        content = [drug.name, drug.status, drug.group, drug.note, self.own, _told(self.concentration), told]
        return crc32(canonical(content)) or 1

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "drug": self.drug.name,
            "status": self.drug.status,
            "group": self.drug.group,
            "note": self.drug.note,
            "concentration": self.concentration.as_dict(),
            "concentration_ng_per_ml": self.ng_per_ml,
            "crc": f"{self.crc:08x}",
            "origin": self.origin,
            "own_responsibility": self.own,
            "narrowed": self.base is not None,
            "figures": {key: figure.as_dict() for key, figure in self.figures.items()},
        }


def _told(figure: Figure) -> list[Any]:
    """What an entry's CRC covers of a figure: its value, not its spelling ("1 mg" is "1000 mcg")."""
    common = gcd(figure.num, figure.den)
    return [figure.num // common, figure.den // common, figure.cited, figure.certainty]


def canonical(content: Any) -> bytes:
    """One spelling of parsed data: key order, spaces and comments of the file do not count."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=str).encode("ascii")


@dataclass(frozen=True)
class Library:
    """All entries. `sha256` is the hash of the content (of a user's library: over the shipped hash and its own content);
    `responsible` is name and reason when it was marked as own responsibility, else ""."""

    path: Path
    title: str
    notice: str
    sha256: str
    entries: tuple[Entry, ...]
    responsible: str = ""
    user_path: "Path | None" = None

    @property
    def hash(self) -> str:
        """The SHA-256 that is shown."""
        return self.sha256

    def find(self, drug: str, ng_per_ml: int) -> "Entry | None":
        """The entry of a drug (upper and lower case alike) at a concentration, or None."""
        return next((entry for entry in self.of_drug(drug) if entry.ng_per_ml == ng_per_ml), None)

    def of_drug(self, drug: str) -> list[Entry]:
        """Every entry of a drug, weakest concentration first; none when the drug is unknown."""
        wanted = drug.strip().casefold()
        return sorted((entry for entry in self.entries if entry.drug.name == wanted), key=lambda entry: entry.ng_per_ml)

    def drugs(self) -> list[str]:
        """Names of the drugs, in the order of the file, each once."""
        return list(dict.fromkeys(entry.drug.name for entry in self.entries))


ORDER_HINT = "these bounds cross; the order is hard, soft, typical, soft, hard."
# name of the problem, key, value as written, what is allowed, what to do
Flaw = tuple[str, str, str, str, str]


def flaws(figures: dict[str, Figure]) -> Iterator[Flaw]:
    """What is wrong with the figures of one complete entry against each other."""
    for section in ("dose", "bolus"):
        yield from _crossing(
            figures, [f"{section}.{end}" for end in ("hard_low", "soft_low", "typical", "soft_high", "hard_high")]
        )
        yield from _slip_blind(figures, section)
    yield from _crossing(figures, ["peak.typical", "peak.soft_high", "peak.hard_high"])
    yield from _crossing(figures, ["dose.soft_high", "peak.soft_high"], "a dose spread evenly must not be above the peak.")
    yield from _crossing(figures, ["dose.hard_high", "peak.hard_high"], "a dose spread evenly must not be above the peak.")
    yield from _crossing(figures, ["policy.first_fill", "policy.stability"], "a first fill does not keep longer than later ones.")
    window = figures["titration.window"]
    raises = figures["titration.raise_share"].num or figures["titration.raise_by"].num
    if bool(window.num) != bool(raises):
        hint = "a titration rule needs a window and a raise; without a rule all three are 0."
        yield "rule", "titration.window", window.text, "0 with a raise of 0, more than 0 with a raise", hint


def _crossing(figures: dict[str, Figure], keys: list[str], hint: str = ORDER_HINT) -> Iterator[Flaw]:
    for low, high in pairwise(keys):
        if figures[low].over(figures[high]):
            limit = f"at least {figures[low].text} ({low})"
            yield "crossing", high, figures[high].text, limit, hint


def _slip_blind(figures: dict[str, Figure], section: str) -> Iterator[Flaw]:
    """10 times the typical amount must be above the soft bound, and 1/1000 of it below the hard one, or a slip passes unseen."""
    typical, high, low = (figures[f"{section}.{end}"] for end in ("typical", "soft_high", "hard_low"))
    if typical.num * SLIP_10 * high.den <= high.num * typical.den:
        limit = f"less than 10 times {typical.text} ({section}.typical)"
        yield "slip_blind", f"{section}.soft_high", high.text, limit, "a slip of 10 would pass unseen; lower it."
    if typical.num * low.den >= low.num * typical.den * SLIP_1000:
        limit = f"more than 1/1000 of {typical.text} ({section}.typical)"
        yield "slip_blind", f"{section}.hard_low", low.text, limit, "a slip of mg for mcg would pass unseen; raise it."
