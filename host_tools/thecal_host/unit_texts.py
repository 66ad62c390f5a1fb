"""Sentences for the error codes of `thecal.core.units`. Invariant: every code has one, and each says what was written and what to
write."""

import difflib

from thecal.core import units
from thecal.core.units import UnitError

KIND_NAMES = {
    units.MASS: "a mass",
    units.VOLUME: "a volume",
    units.TIME: "a time",
    units.CONCENTRATION: "a concentration",
    units.MASS_RATE: "a mass per time",
    units.VOLUME_RATE: "a volume per time",
}
EXAMPLES = {
    units.MASS: "2 mg",
    units.VOLUME: "0.5 mL",
    units.TIME: "4 h",
    units.CONCENTRATION: "25 mg/mL",
    units.MASS_RATE: "12 mg/day",
    units.VOLUME_RATE: "0.48 mL/day",
}


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def either_kind(kinds: tuple[int, ...]) -> str:
    """The kinds of amount that are wanted, in words: "a volume or a mass"."""
    return _either([KIND_NAMES[kind] for kind in kinds])


def _units_of(kinds: tuple[int, ...]) -> str:
    return ", ".join(name for kind in kinds for name in units.known_units(kind))


def one_line(text: str, longest: int = 60) -> str:
    """What somebody wrote, as one printable line of at most `longest` characters (an escape counts as the one it stands for)."""
    cut = text if len(text) <= longest else text[: longest - 3] + "..."
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)


def _nearest(name: str, kinds: tuple[int, ...]) -> str:
    """What the unknown unit was probably meant to be, as a question, or "" when nothing is near. mg is never offered for mcg or
    back."""
    known = [known for kind in kinds for known in units.known_units(kind)]
    name = name[:40]
    same = [unit for unit in known if unit.lower() == name.lower()]
    if same:
        return f' Upper and lower case count: did you mean "{same[0]}"?'
    near = difflib.get_close_matches(name, known, 1, 0.8)
    return f' Did you mean "{near[0]}"?' if near and near[0][:2] == name[:2] else ""


def limit_text(error: UnitError, kinds: tuple[int, ...]) -> str:
    """What would be allowed instead, in a few words."""
    if error.code == units.TOO_LONG:
        return f"{units.MAX_DIGITS} digits and {units.MAX_DECIMALS} decimals"
    if error.code == units.INEXACT:
        return "a change of at most 0.1 % by rounding"
    return either_kind(kinds)


def hint(error: UnitError, kinds: tuple[int, ...]) -> str:
    """What is wrong and what to write, one sentence, for a UnitError raised while `kinds` were expected."""
    example = f'write it like "{EXAMPLES[kinds[0]]}"'
    wanted = either_kind(kinds)
    unit = one_line(error.detail, 20)
    why = "seconds, minutes and hours are far apart" if kinds == (units.TIME,) else "mg and mcg are a factor of 1000 apart"
    sentences = {
        units.EMPTY: f"it is empty; {example}.",
        units.NO_UNIT: f"a number needs its unit ({why}, so it is never guessed); {example}.",
        units.NOT_A_NUMBER: f"it must begin with a plain decimal number, with digits on both sides of the point; {example}.",
        units.COMMA: 'a comma is not accepted, neither for decimals nor for thousands; use a decimal point ("0.5").',
        units.EXPONENT: 'exponents are not accepted; write the number out ("0.0012", not "1.2e-3").',
        units.NEGATIVE: "it must not be negative.",
        units.NOT_FINITE: "it must be an ordinary number.",
        units.TOO_LONG: f"at most {units.MAX_DIGITS} digits before the point and {units.MAX_DECIMALS} after it.",
        units.UNKNOWN_UNIT: f'the unit "{unit}" is not known here.{_nearest(error.detail, kinds)} Known: {_units_of(kinds)}.',
        units.WRONG_KIND: f'"{unit}" is not {wanted}; {example}. Known: {_units_of(kinds)}.',
        units.INEXACT: "it is too small to be kept in whole units: rounding would change it by more than 0.1 %.",
        units.NO_CONCENTRATION: "a mass becomes a volume only by the concentration, and that is missing; give a volume.",
    }
    return sentences.get(error.code, f"code {error.code}.")


def sentence(error: UnitError, kinds: tuple[int, ...]) -> str:
    """The whole error for a command line: the text as written, then the hint."""
    return f'"{one_line(error.text)}": {hint(error, kinds)}'
