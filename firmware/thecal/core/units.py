"""Amounts written by people, as exact integers. Invariant: no float, no guess, and never a silent rounding.

"12 mg/day" becomes a Quantity: an exact fraction in the project's unit of its kind (ng, nL, ms, ng/mL, ng/day, nL/day). The
micro prefix may be written u, µ or mc; "mg" and "mcg" are different words and neither is ever corrected into the other. A whole
number is made only by `whole`, which rounds to the nearest, keeps the exact value beside the result, and refuses when
rounding would change it by more than 0.1 %. Errors are codes; sentences live on the host (thecal_host/unit_texts.py).
"""

from thecal.core.compat import const

MASS = const(1)  # ng
VOLUME = const(2)  # nL
TIME = const(3)  # ms
CONCENTRATION = const(4)  # ng/mL
MASS_RATE = const(5)  # ng/day
VOLUME_RATE = const(6)  # nL/day
KINDS = (MASS, VOLUME, TIME, CONCENTRATION, MASS_RATE, VOLUME_RATE)

EMPTY = const(1)  # no text at all
NO_UNIT = const(2)  # a bare number: mg and mcg are a factor 1000 apart, so it is never guessed
NOT_A_NUMBER = const(3)  # does not start with digits; also a point without a digit on both sides
COMMA = const(4)  # decimal comma, or a comma between thousands
EXPONENT = const(5)
NEGATIVE = const(6)
NOT_FINITE = const(7)
TOO_LONG = const(8)  # more than MAX_DECIMALS decimals or MAX_DIGITS digits before the point
UNKNOWN_UNIT = const(9)  # detail: the unit as written
WRONG_KIND = const(10)  # detail: the unit as written; a good unit in the wrong place
INEXACT = const(11)  # rounding to a whole project unit would change it by more than 0.1 %
NO_CONCENTRATION = const(12)  # a mass where only a concentration could make it a volume

MAX_DECIMALS = const(9)
MAX_DIGITS = const(12)
DAY_MS = const(86_400_000)
ML_NL = const(1_000_000)
ROUNDING_PER_MILLE = const(1)  # the largest change rounding may make

_DIGITS = "0123456789"
_MASSES = (("ng", 1), ("mcg", 1_000), ("ug", 1_000), ("mg", 1_000_000), ("g", 1_000_000_000))
_VOLUMES = (("nL", 1), ("uL", 1_000), ("mcL", 1_000), ("mL", 1_000_000), ("L", 1_000_000_000))
_TIMES = (
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("hr", 3_600_000),
    ("hour", 3_600_000),
    ("hours", 3_600_000),
    ("d", DAY_MS),
    ("day", DAY_MS),
    ("days", DAY_MS),
)
_PER_TIMES = (
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("hr", 3_600_000),
    ("hour", 3_600_000),
    ("d", DAY_MS),
    ("day", DAY_MS),
)


class UnitError(ValueError):
    """Text that is no amount. `args` is (code, the text as written, detail); the codes stand at the top of this file."""

    @property
    def code(self) -> int:
        return self.args[0]

    @property
    def text(self) -> str:
        return self.args[1]

    @property
    def detail(self) -> str:
        return self.args[2]


class Quantity:
    """An exact amount: `num / den` in the project's unit of `kind` (den > 0, num >= 0); `text` is what was written."""

    __slots__ = ("den", "kind", "num", "text")

    def __init__(self, kind: int, num: int, den: int, text: str) -> None:
        self.kind = kind
        self.num = num
        self.den = den
        self.text = text


class Rounded:
    """A whole number of project units and the exact value `num / den` it was rounded from."""

    __slots__ = ("den", "num", "value")

    def __init__(self, value: int, num: int, den: int) -> None:
        self.value = value
        self.num = num
        self.den = den

    @property
    def exact(self) -> bool:
        """True when nothing was rounded."""
        return self.value * self.den == self.num


def known_units(kind: int) -> "tuple[str, ...]":
    """The units offered for `kind` in messages, plainest spelling first; all of them parse."""
    if kind == MASS:
        return ("ng", "mcg", "mg", "g")
    if kind == VOLUME:
        return ("nL", "uL", "mL")
    if kind == TIME:
        return ("ms", "s", "min", "h", "day")
    if kind == CONCENTRATION:
        return ("ng/mL", "mcg/mL", "mg/mL")
    if kind == MASS_RATE:
        return ("ng/day", "mcg/day", "mg/day", "mcg/h", "mg/h")
    return ("nL/day", "uL/day", "mL/day", "nL/h", "uL/h", "mL/h")


def _lookup(table: "tuple[tuple[str, int], ...]", name: str) -> int:
    for known, factor in table:
        if known == name:
            return factor
    return 0


def _canonical(name: str) -> str:
    """One spelling for micro (U+00B5 and U+03BC become u) and for the litre (l becomes L). Case says prefix, so it stays."""
    name = name.replace("\u00b5", "u").replace("\u03bc", "u")
    if name in ("nl", "ul", "mcl", "ml", "l"):
        name = name[:-1] + "L"
    return name


def _unit(name: str) -> "tuple[int, int, int]":
    """(kind, num, den): one `name` is num / den project units. (0, 0, 1) when unknown."""
    parts = name.split("/")
    top = _canonical(parts[0].strip(" \t"))
    mass = _lookup(_MASSES, top)
    volume = _lookup(_VOLUMES, top)
    if len(parts) == 1:
        if mass:
            return MASS, mass, 1
        if volume:
            return VOLUME, volume, 1
        time_ms = _lookup(_TIMES, top)
        return (TIME, time_ms, 1) if time_ms else (0, 0, 1)
    if len(parts) != 2:
        return 0, 0, 1
    bottom = _canonical(parts[1].strip(" \t"))
    per_nl = _lookup(_VOLUMES, bottom)
    per_ms = _lookup(_PER_TIMES, bottom)
    if mass and per_nl:
        return CONCENTRATION, mass * ML_NL, per_nl
    if mass and per_ms:
        return MASS_RATE, mass * DAY_MS, per_ms
    if volume and per_ms:
        return VOLUME_RATE, volume * DAY_MS, per_ms
    return 0, 0, 1


def _number_end(text: str, body: str) -> int:
    """How many characters of `body` are its number; UnitError when it does not begin with a plain decimal number."""
    lower = body.lower()
    if lower[:1] in ("-", "\u2212"):
        raise UnitError(NEGATIVE, text, "")
    for word in ("nan", "inf", "+inf", "+nan"):
        if lower.startswith(word):
            raise UnitError(NOT_FINITE, text, "")
    end = 0
    points = 0
    while end < len(body) and (body[end] in _DIGITS or body[end] == "."):
        points += body[end] == "."
        end += 1
    number = body[:end]
    if not number or points > 1 or number[0] == "." or number[-1] == ".":
        raise UnitError(NOT_A_NUMBER, text, "")
    after = body[end:]
    if after[:1] == ",":
        raise UnitError(COMMA, text, "")
    if after[:1] in ("e", "E") and after[1:2] and (after[1] in _DIGITS or after[1] in "+-"):
        raise UnitError(EXPONENT, text, "")
    return end


def parse(text: object, kinds: "tuple[int, ...]" = KINDS) -> Quantity:
    """The exact amount the str `text` says: a decimal number (up to 12 digits, 9 decimals), then a unit of one of `kinds`.
    Raises UnitError; its code says what is wrong."""
    if not isinstance(text, str):
        raise UnitError(NO_UNIT, str(text), "")
    body = text.strip(" \t")
    if not body:
        raise UnitError(EMPTY, text, "")
    end = _number_end(text, body)
    number = body[:end]
    name = body[end:].strip(" \t")
    if not name:
        raise UnitError(NO_UNIT, text, "")
    point = number.find(".")
    whole_digits = number if point < 0 else number[:point]
    decimals = "" if point < 0 else number[point + 1 :]
    if len(whole_digits) > MAX_DIGITS or len(decimals) > MAX_DECIMALS:
        raise UnitError(TOO_LONG, text, "")
    kind, num, den = _unit(name)
    if not kind:
        raise UnitError(UNKNOWN_UNIT, text, name)
    if kind not in kinds:
        raise UnitError(WRONG_KIND, text, name)
    return Quantity(kind, int(whole_digits + decimals) * num, 10 ** len(decimals) * den, text)


def whole(quantity: Quantity) -> Rounded:
    """`quantity` as a whole number of its project unit, half rounded up. UnitError(INEXACT) when that changes it by more than 0.1
    %."""
    num = quantity.num
    den = quantity.den
    value = (2 * num + den) // (2 * den)
    off = value * den - num
    if off < 0:
        off = -off
    if off * 1000 > num * ROUNDING_PER_MILLE:
        raise UnitError(INEXACT, quantity.text, "")
    return Rounded(value, num, den)


def to_volume(quantity: Quantity, ng_per_ml: int) -> Quantity:
    """A mass (or mass rate) as the exact volume (or volume rate) that holds it at `ng_per_ml` ng/mL (> 0, or 0 when unknown);
    a volume (rate) as it is. UnitError(NO_CONCENTRATION) for a mass when it is unknown, WRONG_KIND for anything else."""
    kind = quantity.kind
    if kind == VOLUME or kind == VOLUME_RATE:
        return quantity
    if kind != MASS and kind != MASS_RATE:
        raise UnitError(WRONG_KIND, quantity.text, "")
    if ng_per_ml <= 0:
        raise UnitError(NO_CONCENTRATION, quantity.text, "")
    kind = VOLUME if kind == MASS else VOLUME_RATE
    return Quantity(kind, quantity.num * ML_NL, quantity.den * ng_per_ml, quantity.text)


def decimal(value: int, places: int) -> str:
    """`value` / 10**places as the shortest exact decimal text, with a leading zero and without trailing ones."""
    sign = "-" if value < 0 else ""
    digits = str(-value if value < 0 else value)
    if places == 0:
        return sign + digits
    while len(digits) <= places:
        digits = "0" + digits
    tail = digits[-places:].rstrip("0")
    return sign + digits[:-places] + ("." + tail if tail else "")


def format_volume(nl: int) -> str:
    """Exact text for nL: nL below 1 uL, uL below 0.1 mL, else mL. `parse` reads it back."""
    size = -nl if nl < 0 else nl
    if size < 1_000:
        return str(nl) + " nL"
    if size < 100_000:
        return decimal(nl, 3) + " uL"
    return decimal(nl, 6) + " mL"


def format_mass(ng: int) -> str:
    """Exact text for ng: ng below 1 mcg, mcg below 1 mg, else mg. `parse` reads it back."""
    size = -ng if ng < 0 else ng
    if size < 1_000:
        return str(ng) + " ng"
    if size < 1_000_000:
        return decimal(ng, 3) + " mcg"
    return decimal(ng, 6) + " mg"


def format_concentration(ng_per_ml: int) -> str:
    """Exact text for ng/mL. `parse` reads it back."""
    return format_mass(ng_per_ml) + "/mL"


def format_ms(ms: int) -> str:
    """Exact text for ms in the largest unit that divides it. `parse` reads it back."""
    for name, factor in (("day", DAY_MS), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)):
        if ms and ms % factor == 0:
            count = ms // factor
            return str(count) + " " + name + ("s" if name == "day" and count != 1 else "")
    return str(ms) + (" ms" if ms else " s")


def mass_in(nl: int, ng_per_ml: int) -> "tuple[int, int]":
    """The exact mass in `nl` nL at `ng_per_ml` ng/mL, as the fraction (num, den) of ng."""
    return nl * ng_per_ml, ML_NL


def mass_text(nl: int, ng_per_ml: int) -> str:
    """The mass in `nl` nL at `ng_per_ml` ng/mL for people, rounded to the nearest ng."""
    num, den = mass_in(nl, ng_per_ml)
    return format_mass((2 * num + den) // (2 * den))
