"""Amounts as text: numbers small enough to do by hand, then every refusal, then properties against fractions.Fraction."""

import random
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.core import units
from thecal.core.units import UnitError, parse, to_volume, whole

UNIT_VALUES = {
    "ng": (units.MASS, Fraction(1)),
    "mcg": (units.MASS, Fraction(1000)),
    "ug": (units.MASS, Fraction(1000)),
    "\u00b5g": (units.MASS, Fraction(1000)),
    "\u03bcg": (units.MASS, Fraction(1000)),
    "mg": (units.MASS, Fraction(10**6)),
    "g": (units.MASS, Fraction(10**9)),
    "nL": (units.VOLUME, Fraction(1)),
    "uL": (units.VOLUME, Fraction(1000)),
    "\u00b5l": (units.VOLUME, Fraction(1000)),
    "ml": (units.VOLUME, Fraction(10**6)),
    "mL": (units.VOLUME, Fraction(10**6)),
    "ms": (units.TIME, Fraction(1)),
    "s": (units.TIME, Fraction(1000)),
    "m": (units.TIME, Fraction(60_000)),
    "min": (units.TIME, Fraction(60_000)),
    "h": (units.TIME, Fraction(3_600_000)),
    "d": (units.TIME, Fraction(86_400_000)),
    "days": (units.TIME, Fraction(86_400_000)),
    "mg/mL": (units.CONCENTRATION, Fraction(10**6)),
    "mcg/mL": (units.CONCENTRATION, Fraction(1000)),
    "ng/uL": (units.CONCENTRATION, Fraction(1000)),
    "mg/day": (units.MASS_RATE, Fraction(10**6)),
    "mcg/h": (units.MASS_RATE, Fraction(24_000)),
    "mL/day": (units.VOLUME_RATE, Fraction(10**6)),
    "uL/h": (units.VOLUME_RATE, Fraction(24_000)),
    "nL/min": (units.VOLUME_RATE, Fraction(1440)),
    "nL/s": (units.VOLUME_RATE, Fraction(86_400)),
}


def code_of(text: str, kinds: tuple[int, ...] = units.KINDS) -> int:
    with pytest.raises(UnitError) as caught:
        whole(parse(text, kinds))
    assert caught.value.text == text
    return caught.value.code


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("12 mg/day", units.MASS_RATE, 12_000_000),
        ("25 mg/mL", units.CONCENTRATION, 25_000_000),
        ("0.48 mL/day", units.VOLUME_RATE, 480_000),
        ("20 mL", units.VOLUME, 20_000_000),
        ("500 uL", units.VOLUME, 500_000),
        ("50 mcg", units.MASS, 50_000),
        ("2.4 mcg/day", units.MASS_RATE, 2_400),
        ("2.5 mcg/mL", units.CONCENTRATION, 2_500),
        ("4 h", units.TIME, 14_400_000),
        ("15 min", units.TIME, 900_000),
        ("10m", units.TIME, 600_000),
        ("1 d", units.TIME, 86_400_000),
        ("20 uL/h", units.VOLUME_RATE, 480_000),
        ("  0.001 mL / day\t", units.VOLUME_RATE, 1_000),
        ("0 mg", units.MASS, 0),
    ],
)
def test_by_hand(text: str, kind: int, value: int) -> None:
    quantity = parse(text)
    rounded = whole(quantity)
    assert (quantity.kind, rounded.value, rounded.exact) == (kind, value, True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", units.EMPTY),
        (" \t", units.EMPTY),
        ("12", units.NO_UNIT),
        ("0.5 ", units.NO_UNIT),
        ("mg", units.NOT_A_NUMBER),
        (".5 mg", units.NOT_A_NUMBER),
        ("5. mg", units.NOT_A_NUMBER),
        ("1.2.3 mg", units.NOT_A_NUMBER),
        ("+5 mg", units.NOT_A_NUMBER),
        ("\u0661\u0662 mg", units.NOT_A_NUMBER),
        ("1,5 mg", units.COMMA),
        ("1,000 mg", units.COMMA),
        ("1e3 mg", units.EXPONENT),
        ("1E-3 mg", units.EXPONENT),
        ("-1 mg", units.NEGATIVE),
        ("\u22121 mg", units.NEGATIVE),
        ("nan mg", units.NOT_FINITE),
        ("NaN", units.NOT_FINITE),
        ("inf mL", units.NOT_FINITE),
        ("-inf mL", units.NEGATIVE),
        ("1.0000000001 mg", units.TOO_LONG),
        ("1234567890123 ng", units.TOO_LONG),
        ("3 MG", units.UNKNOWN_UNIT),
        ("3 Mg", units.UNKNOWN_UNIT),
        ("3 mg/kg/day", units.UNKNOWN_UNIT),
        ("3 mg/mL/day", units.UNKNOWN_UNIT),
        ("3 day/mg", units.UNKNOWN_UNIT),
        ("3 mg mg", units.UNKNOWN_UNIT),
        ("1 500 mg", units.UNKNOWN_UNIT),
        ("3 %", units.UNKNOWN_UNIT),
        ("3 e", units.UNKNOWN_UNIT),
        ("0.4 nL", units.INEXACT),
        ("1.5 ng", units.INEXACT),
    ],
)
def test_refusals(text: str, code: int) -> None:
    assert code_of(text) == code


def test_a_good_unit_in_the_wrong_place() -> None:
    assert code_of("4 h", (units.MASS, units.VOLUME)) == units.WRONG_KIND
    assert code_of("4 mg", (units.MASS_RATE,)) == units.WRONG_KIND


def test_not_a_text_is_a_number_without_unit() -> None:
    for value in (12, 1.5, None, True):
        with pytest.raises(UnitError) as caught:
            parse(value)  # type: ignore[arg-type]
        assert caught.value.code == units.NO_UNIT


def test_mg_and_mcg_are_a_thousand_apart() -> None:
    assert whole(parse("1 mg")).value == 1000 * whole(parse("1 mcg")).value


def test_mass_becomes_volume_by_the_concentration() -> None:
    rate = to_volume(parse("12 mg/day"), 25_000_000)
    assert (rate.kind, whole(rate).value, whole(rate).exact) == (units.VOLUME_RATE, 480_000, True)
    bolus = to_volume(parse("1 mg"), 25_000_000)
    assert (bolus.kind, whole(bolus).value) == (units.VOLUME, 40_000)
    assert to_volume(parse("3 uL"), 0).num == 3_000
    with pytest.raises(UnitError) as caught:
        to_volume(parse("1 mg"), 0)
    assert caught.value.code == units.NO_CONCENTRATION
    with pytest.raises(UnitError) as caught:
        to_volume(parse("1 h"), 1)
    assert caught.value.code == units.WRONG_KIND


def test_rounding_is_seen_and_bounded() -> None:
    rounded = whole(to_volume(parse("1 mg"), 30_000_000))  # 33,333.3 nL
    assert rounded.value == 33_333 and not rounded.exact
    assert Fraction(rounded.num, rounded.den) == Fraction(100_000, 3)
    assert whole(to_volume(parse("2 mg"), 30_000_000)).value == 66_667  # to the nearest
    assert whole(parse("999.5 nL")).value == 1000  # half goes up; 0.05 %
    assert code_of("99.5 nL") == units.INEXACT  # 0.5 %


@pytest.mark.parametrize("kind", units.KINDS)
def test_every_offered_unit_parses_as_its_kind(kind: int) -> None:
    for name in units.known_units(kind):
        assert parse("1 " + name, (kind,)).kind == kind


@given(
    st.integers(0, 10**12 - 1),
    st.text("0123456789", max_size=9),
    st.sampled_from(sorted(UNIT_VALUES)),
    st.sampled_from(("", " ", "\t ")),
)
def test_exact_for_every_number_and_unit(integer: int, decimals: str, name: str, gap: str) -> None:
    text = f"{integer}{'.' + decimals if decimals else ''}{gap}{name}"
    kind, factor = UNIT_VALUES[name]
    quantity = parse(text)
    assert quantity.kind == kind
    assert Fraction(quantity.num, quantity.den) == Fraction(f"{integer}.{decimals or 0}") * factor


@given(st.fractions(0, 10**12, max_denominator=10**9))
def test_whole_is_the_nearest_or_refuses(value: Fraction) -> None:
    quantity = units.Quantity(units.VOLUME, value.numerator, value.denominator, "x")
    try:
        result = whole(quantity)
    except UnitError as error:
        assert error.code == units.INEXACT
        nearest = int(value + Fraction(1, 2))
        assert abs(nearest - value) * 1000 > value
    else:
        assert abs(result.value - value) <= Fraction(1, 2)
        assert abs(result.value - value) * 1000 <= value
        assert result.exact == (value.denominator == 1)


@given(st.text(max_size=30))
def test_any_text_gives_an_amount_or_a_unit_error(text: str) -> None:
    try:
        quantity = parse(text)
    except UnitError as error:
        assert error.code in range(units.EMPTY, units.NO_CONCENTRATION + 1)
        assert error.text == text
    else:
        assert quantity.num >= 0 and quantity.den > 0
        assert re.match(r"[ \t]*[0-9]", text)


@given(st.integers(0, 10**12))
def test_formats_are_exact_and_read_back(value: int) -> None:
    assert whole(parse(units.format_volume(value), (units.VOLUME,))).value == value
    assert whole(parse(units.format_mass(value), (units.MASS,))).value == value
    assert whole(parse(units.format_concentration(value), (units.CONCENTRATION,))).value == value
    assert whole(parse(units.format_ms(value), (units.TIME,))).value == value


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (units.format_volume(999), "999 nL"),
        (units.format_volume(40_000), "40 uL"),
        (units.format_volume(480_000), "0.48 mL"),
        (units.format_volume(-41_282), "-41.282 uL"),
        (units.format_mass(12_000_000), "12 mg"),
        (units.format_mass(2_400), "2.4 mcg"),
        (units.format_ms(7_200_000), "2 h"),
        (units.format_ms(5_400_000), "90 min"),
        (units.format_ms(172_800_000), "2 days"),
        (units.format_ms(1_500), "1500 ms"),
        (units.format_ms(0), "0 s"),
        (units.decimal(5, 3), "0.005"),
        (units.decimal(-1_050, 3), "-1.05"),
        (units.decimal(7, 0), "7"),
        (units.mass_text(40_000, 25_000_000), "1 mg"),
    ],
)
def test_formats_by_hand(text: str, wanted: str) -> None:
    assert text == wanted


def test_a_slip_of_one_prefix_is_never_repaired() -> None:
    """Whatever case is chosen for the letters, a unit either means what its own row says or is refused."""
    dice = random.Random(5)
    for name, (kind, factor) in sorted(UNIT_VALUES.items()):
        for _ in range(20):
            shuffled = "".join(dice.choice((c.upper(), c.lower())) for c in name)
            try:
                quantity = parse("1 " + shuffled)
            except UnitError as error:
                assert error.code == units.UNKNOWN_UNIT
            else:
                assert (quantity.kind, Fraction(quantity.num, quantity.den)) == (kind, factor)
