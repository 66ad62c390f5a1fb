"""Volumes and masses for people, rounded to what can be read at a glance. Invariant: only texts are made here; nothing that is
counted, compared or sent is, and an interval is rounded outward, so its text still contains what the exact one did.
"""

from thecal.core import units

DIGITS = 4  # significant digits of a figure for people
WIDTH_DIGITS = 2  # digits of an interval's width that its ends still show


def _grain(value: int, digits: int = DIGITS) -> int:
    """The power of ten that leaves `value` with `digits` significant digits, at least 1."""
    return int(10 ** max(0, len(str(abs(value))) - digits))


def _nearest(value: int) -> int:
    grain = _grain(value)
    return (2 * value + grain) // (2 * grain) * grain


def volume(nl: int) -> str:
    """`nl` nL with at most 4 significant digits, whole nL at the finest."""
    return units.format_volume(_nearest(nl))


def mass(nl: int, ng_per_ml: int) -> str:
    """The mass in `nl` nL at `ng_per_ml` ng/mL with at most 4 significant digits."""
    return units.format_mass(_nearest((2 * nl * ng_per_ml + units.ML_NL) // (2 * units.ML_NL)))


def interval(min_nl: int, max_nl: int) -> "tuple[int, int]":
    """[min, max] in nL, rounded outward to 4 significant digits, or more where its width would be lost."""
    grain = min(_grain(max_nl), _grain(max_nl - min_nl, WIDTH_DIGITS))
    return min_nl // grain * grain, -(-max_nl // grain) * grain


def between(min_nl: int, max_nl: int, ng_per_ml: int = 0) -> str:
    """Text like "between 19.9 uL (497.5 mcg) and 20.05 uL (501.25 mcg)"; without masses when `ng_per_ml` is 0."""
    ends = interval(min_nl, max_nl)
    texts = [units.format_volume(nl) + (f" ({units.mass_text(nl, ng_per_ml)})" if ng_per_ml else "") for nl in ends]
    return f"between {texts[0]} and {texts[1]}"


def with_mass(nl: int, ng_per_ml: int) -> str:
    """Exact volume with its mass, "60 uL = 1.5 mg"; the volume alone when `ng_per_ml` is 0 (unknown)."""
    return units.format_volume(nl) + (f" = {units.mass_text(nl, ng_per_ml)}" if ng_per_ml else "")
