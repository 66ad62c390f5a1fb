"""Slips of a unit or of the decimal point: a value that is 10 or 1000 times off a usual one. Invariant: exact integers; a value
between the soft bounds is never called a slip."""

from dataclasses import dataclass

from thecal_host.drugs.entries import Bounds

UNIT_FACTOR = 1000  # mg for mcg
FACTORS = (UNIT_FACTOR, 10)
NEAR = 2  # near typical: between half of it and twice


@dataclass(frozen=True)
class Slip:
    """A value is `factor` times too large (or too small); num / den is what was probably meant, in the unit of the value."""

    factor: int
    too_large: bool
    num: int
    den: int


def find(nl: int, bounds: Bounds) -> "Slip | None":
    """The slip that explains `nl`, or None: what a factor of 10 or 1000 leads to must be near typical. Outside the hard bounds
    (refused anyway) it is enough for 1000 that it leads between the soft bounds. Above the soft bound only a value too large is
    one; were the rule wider there, no unusual dose could ever be confirmed. Of several the one nearest to typical."""
    refused = nl < bounds.hard_low or nl > bounds.hard_high
    if nl <= 0 or (nl <= bounds.soft_high and not refused):
        return None
    best: Slip | None = None
    for factor in FACTORS:
        for slip in (Slip(factor, True, nl, factor), Slip(factor, False, nl * factor, 1)):
            fits = (refused or slip.too_large) and _near(slip, bounds)
            fits = fits or (refused and factor == UNIT_FACTOR and _usual(slip, bounds))
            if fits and (best is None or _closer(slip, best, bounds.typical)):
                best = slip
    return best


def _usual(slip: Slip, bounds: Bounds) -> bool:
    return bounds.soft_low * slip.den <= slip.num <= bounds.soft_high * slip.den


def _near(slip: Slip, bounds: Bounds) -> bool:
    return bounds.typical * slip.den <= NEAR * slip.num and slip.num <= NEAR * bounds.typical * slip.den


def _closer(one: Slip, other: Slip, typical: int) -> bool:
    """Is `one` nearer to typical as a ratio? (How many times larger or smaller it is, never below 1.)"""
    return _off(one, typical)[0] * _off(other, typical)[1] < _off(other, typical)[0] * _off(one, typical)[1]


def _off(slip: Slip, typical: int) -> tuple[int, int]:
    goal = typical * slip.den
    return (slip.num, goal) if slip.num >= goal else (goal, slip.num)
