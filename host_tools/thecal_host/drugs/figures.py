"""The figures of a drug library entry: one table of keys, what each holds, and which way each may be narrowed.

Invariant: a Figure is exact (a fraction of whole project units: ng, ng/day, ms, a count, per mille) and carries its source and
certainty; a text that is not exactly an amount of its kind is an error, never a guess.
"""

from dataclasses import dataclass
from typing import Any

from thecal.core import units
from thecal_host import unit_texts

COUNT = "a count"
SHARE = "a share"
FAULT = "a fault policy"
YES = "yes or no"
FAULTS = ("stop", "minimum", "continue")
ANSWERS = ("no", "yes")
CERTAINTIES = ("label", "consensus", "GK")
OWN_CERTAINTIES = (*CERTAINTIES, "own")

DOWN = "down"  # narrower when smaller
UP = "up"  # narrower when larger
FREE = "free"  # neither; the shipped one goes on counting beside it
SAME = "same"  # a policy: another one is neither narrower nor wider

_DOSE = (units.MASS_RATE,)
_MASS = (units.MASS,)
_TIME = (units.TIME,)

# key -> (what it holds, which way it may be narrowed, what it means)
FIGURES: dict[str, tuple[Any, str, str]] = {
    "dose.typical": (_DOSE, FREE, "a usual daily dose"),
    "dose.soft_low": (_DOSE, UP, "a lower daily dose needs a confirmation"),
    "dose.soft_high": (_DOSE, DOWN, "a higher daily dose needs a confirmation"),
    "dose.hard_low": (_DOSE, UP, "a lower daily dose is refused"),
    "dose.hard_high": (_DOSE, DOWN, "a higher daily dose is refused"),
    "peak.typical": (_DOSE, FREE, "a usual highest rate of a schedule"),
    "peak.soft_high": (_DOSE, DOWN, "a higher rate at any moment needs a confirmation"),
    "peak.hard_high": (_DOSE, DOWN, "a higher rate at any moment is refused"),
    "bolus.typical": (_MASS, FREE, "a usual bolus"),
    "bolus.soft_low": (_MASS, UP, "a smaller bolus needs a confirmation"),
    "bolus.soft_high": (_MASS, DOWN, "a larger bolus needs a confirmation"),
    "bolus.hard_low": (_MASS, UP, "a smaller bolus is refused"),
    "bolus.hard_high": (_MASS, DOWN, "a larger bolus is refused"),
    "bolus.lockout": (_TIME, UP, "a shorter lockout needs a confirmation"),
    "bolus.per_24h": (COUNT, DOWN, "more boluses in 24 h need a confirmation"),
    "titration.raise_share": (SHARE, DOWN, "a raise: this share of the dose before, plus raise_by"),
    "titration.raise_by": (_DOSE, DOWN, "a raise: this much on top of raise_share"),
    "titration.window": (_TIME, UP, "... at most once in this time (0: no rule)"),
    "policy.fault": (FAULT, SAME, "what goes on after a fault that leaves a choice"),
    "policy.basal_resumes": (YES, SAME, "does basal go on after a power cut?"),
    "policy.max_interruption": (_TIME, DOWN, "the longest time without infusion"),
    "policy.first_fill": (_TIME, DOWN, "days in the reservoir, first fill of a new pump"),
    "policy.stability": (_TIME, DOWN, "days in the reservoir, later fills"),
}
SECTIONS = ("dose", "peak", "bolus", "titration", "policy")
COUNT_MAX = 48
SHARE_MAX = 10_000  # per mille
SPAN_MAX_MS = 366 * units.DAY_MS


class FigureError(ValueError):
    """A text that is no figure of its kind: `limit` is what is allowed, `hint` what to do."""

    def __init__(self, limit: str, hint: str) -> None:
        super().__init__(hint)
        self.limit = limit
        self.hint = hint


@dataclass(frozen=True)
class Figure:
    """One figure: the text as written, its exact value num / den (a policy: its place in FAULTS or ANSWERS), and where it is
    from."""

    key: str
    text: str
    num: int
    den: int
    source: str
    cited: str
    certainty: str

    def over(self, other: "Figure") -> bool:
        """True when this is strictly more than `other`."""
        return self.num * other.den > other.num * self.den

    @property
    def whole(self) -> int:
        """The value of a figure whose kind allows whole numbers only (times, counts, shares, policies)."""
        return self.num // self.den

    def as_dict(self) -> dict[str, str]:
        """For --json: the text with its source in full."""
        return {"value": self.text, "source": self.cited, "certainty": self.certainty}


def parse(kind: Any, text: str) -> tuple[int, int]:
    """(num, den) of `text`, a figure of `kind`. Raises FigureError."""
    if kind in (FAULT, YES):
        words = FAULTS if kind == FAULT else ANSWERS
        if text not in words:
            raise FigureError(" or ".join(f'"{word}"' for word in words), "write one of these words.")
        return words.index(text), 1
    if kind == COUNT:
        if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= COUNT_MAX):
            raise FigureError(f"0 to {COUNT_MAX}", "write a whole number without a unit.")
        return int(text), 1
    if kind == SHARE:
        return _share(text), 1
    try:
        quantity = units.parse(text, kind)
        if quantity.kind != units.TIME:
            return quantity.num, quantity.den
        rounded = units.whole(quantity)
    except units.UnitError as error:
        raise FigureError(unit_texts.limit_text(error, kind), unit_texts.hint(error, kind)) from None
    if not rounded.exact or rounded.value > SPAN_MAX_MS:
        raise FigureError("whole ms, at most 366 days", "write a time like 24 h.")
    return rounded.value, 1


def _share(text: str) -> int:
    """Per mille of a text like "30 %" or "2.5 %"."""
    number = text.removesuffix("%").rstrip(" ")
    whole, point, tenth = number.partition(".")
    good = (
        text.endswith("%") and number.isascii() and whole.isdigit() and (len(tenth) == 1 and tenth.isdigit() if point else True)
    )
    if not good or len(whole) > 4 or int(whole + (tenth or "0")) > SHARE_MAX:
        raise FigureError(f"0 % to {SHARE_MAX // 10} %", 'write it like "30 %", with at most one decimal.')
    return int(whole + (tenth or "0"))
