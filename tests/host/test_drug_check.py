"""A program against the drug library: every bound from both sides, every slip, every kind of rate and bolus."""

from typing import Any

import pytest
from drug_programs import usual, week
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core import units
from thecal.core.program_table import FIELDS, OVERRIDES
from thecal_host import boards, prescriptions
from thecal_host.drugs import findings, slips
from thecal_host.drugs.check import day_total_nl, review
from thecal_host.drugs.entries import Bounds, Entry
from thecal_host.drugs.findings import Finding
from thecal_host.drugs.load import shipped
from thecal_host.paths import examples_dir

LIBRARY = shipped()
ENTRIES = LIBRARY.entries
each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)


def entry_of(drug: str, text: str) -> Entry:
    entry = LIBRARY.find(drug, units.parse(text).num // units.parse(text).den)
    assert entry is not None
    return entry


BACLOFEN = entry_of("baclofen", "2000 mcg/mL")
MORPHINE = entry_of("morphine", "25 mg/mL")


def bits(fields: "dict[str, Any]") -> "list[tuple[str, int]]":
    """(field, bit) of every soft finding; there must be no hard one."""
    found = review(fields, LIBRARY)
    assert found.hard == []
    return [(finding.key, finding.bit) for finding in found.soft]


def refusals(fields: "dict[str, Any]", key: str) -> "list[Finding]":
    return [finding for finding in review(fields, LIBRARY).hard if finding.key == key]


@each_entry
def test_a_usual_program_has_nothing_to_confirm(entry: Entry) -> None:
    found = review(usual(entry), LIBRARY)
    assert (found.entry, found.hard, found.soft, found.overrides) == (entry, [], [], 0)
    assert found.library_crc == entry.crc != 0
    assert found.library_hash == LIBRARY.hash


@pytest.mark.parametrize("path", sorted(examples_dir().glob("*.toml")), ids=lambda path: path.stem)
def test_the_examples_have_nothing_to_confirm(path: Any) -> None:
    fields = dict(prescriptions.load(path, boards.load("virtual").part).fields)
    found = review(fields, LIBRARY)
    assert [finding.text for finding in found.hard + found.soft] == []


@each_entry
@pytest.mark.parametrize(
    ("key", "section", "low_bit", "high_bit"),
    [
        ("rate_nl_per_day", "dose", findings.RATE_LOW, findings.RATE_HIGH),
        ("min_rate_nl_per_day", "dose", findings.RATE_LOW, findings.RATE_HIGH),
        ("max_bolus_nl", "bolus", findings.BOLUS_LOW, findings.BOLUS_HIGH),
        ("patient_bolus_nl", "bolus", findings.BOLUS_LOW, findings.BOLUS_HIGH),
    ],
)
def test_every_bound_from_both_sides(entry: Entry, key: str, section: str, low_bit: int, high_bit: int) -> None:
    """At a bound it still passes; one nL beyond it does not."""
    bounds: Bounds = getattr(entry, section)
    assert bits(usual(entry, **{key: bounds.soft_low})) == []
    assert bits(usual(entry, **{key: bounds.soft_high})) == []
    assert bits(usual(entry, **{key: bounds.soft_low - 1})) == [(key, low_bit)]
    assert bits(usual(entry, **{key: bounds.soft_high + 1})) == [(key, high_bit)]
    assert bits(usual(entry, **{key: bounds.hard_low})) == [(key, low_bit)]
    assert refusals(usual(entry, **{key: bounds.hard_low - 1}), key)
    assert refusals(usual(entry, **{key: bounds.hard_high + 1}), key)


@each_entry
def test_a_rate_of_part_of_the_day_may_be_higher_than_a_dose(entry: Entry) -> None:
    peak = entry.peak
    assert bits(usual(entry, max_rate_nl_per_day=peak.soft_high)) == []
    assert bits(usual(entry, max_rate_nl_per_day=peak.soft_high + 1)) == [("max_rate_nl_per_day", findings.RATE_HIGH)]
    assert refusals(usual(entry, max_rate_nl_per_day=peak.hard_high + 1), "max_rate_nl_per_day")


def test_a_24_h_limit_holds_the_highest_dose_and_not_much_more() -> None:
    """1000 mcg/day, the soft bound, is 0.5 mL/day; what the window sees of it is 25 h and two chunks: 521,034 nL."""
    most = 500_000 * 25 // 24 + 1 + 2 * 100
    assert bits(usual(BACLOFEN, limit_24h_nl=most)) == []
    assert bits(usual(BACLOFEN, limit_24h_nl=most + 1)) == [("limit_24h_nl", findings.RATE_HIGH)]
    assert refusals(usual(BACLOFEN, limit_24h_nl=1_000_000 * 25 // 24 + 202), "limit_24h_nl")


def test_1000_times_the_typical_dose_by_hand() -> None:
    """400 mg/day in place of 400 mcg/day; 200 mL/day of 2000 mcg/mL."""
    (finding,) = refusals(usual(BACLOFEN, rate_nl_per_day=200_000_000), "rate_nl_per_day")
    assert finding.kind == findings.SLIP
    assert finding.value == "400 mg/day (200 mL/day)"
    assert finding.limit == "at most 2000 mcg/day"
    assert finding.sentence == (
        "400 mg/day is 1000 times 400 mcg/day; 400 mcg/day is typical for a daily dose of baclofen 2000 mcg/mL: is the unit "
        "right (mg, mcg)? Refused as a slip."
    )
    assert finding.text.startswith(
        "basal.dose is 400 mg/day (200 mL/day), allowed: at most 2000 mcg/day: 400 mg/day is 1000 times"
    )


def test_a_decimal_point_between_the_soft_and_the_hard_bound_is_refused_too() -> None:
    """Water: 98 g/day is below the hard bound of 100, and 10 times 9.8, less than half the typical 20. A bolus of 2.5 mg of
    morphine is at the hard bound, and 10 times 0.25, half the typical one."""
    water = entry_of("water", "1 g/mL")
    assert bits(usual(water, rate_nl_per_day=98_000_000)) == [("rate_nl_per_day", findings.RATE_HIGH)]
    (finding,) = refusals(usual(MORPHINE, max_bolus_nl=100_000), "max_bolus_nl")
    assert finding.kind == findings.SLIP
    assert "2.5 mg is 10 times 0.25 mg; 0.5 mg is typical for a bolus" in finding.sentence
    assert bits(usual(MORPHINE, max_bolus_nl=99_999)) == [("max_bolus_nl", findings.BOLUS_HIGH)]


@settings(max_examples=400, deadline=None)
@given(entry=st.sampled_from(ENTRIES), data=st.data())
def test_every_slip_of_a_typical_amount_is_refused_and_named(entry: Entry, data: st.DataObject) -> None:
    """Half to twice the typical dose or bolus, then 1000 times more or less, or 10 times more: refused, and named as a slip."""
    key, section = data.draw(
        st.sampled_from([("rate_nl_per_day", "dose"), ("max_bolus_nl", "bolus"), ("patient_bolus_nl", "bolus")])
    )
    bounds: Bounds = getattr(entry, section)
    meant = data.draw(st.integers(max(-(-bounds.typical // 2), bounds.soft_low), min(2 * bounds.typical, bounds.soft_high)))
    factor = data.draw(st.sampled_from((1000, 10)))
    written = meant * factor
    if factor == 1000 and data.draw(st.booleans()):
        written = -(-meant // 1000)
    assert not bounds.soft_low <= written <= bounds.soft_high
    named = [finding for finding in refusals(usual(entry, **{key: written}), key) if finding.kind == findings.SLIP]
    assert len(named) == 1
    assert named[0].bit == 0
    assert named[0] in review(usual(entry, **{key: written}), LIBRARY).slips
    times = f"is {factor} times" if written > meant else f"is 1/{factor} of"
    assert times in named[0].sentence


@each_entry
def test_ten_times_the_typical_dose_is_a_slip_and_some_high_dose_can_be_confirmed(entry: Entry) -> None:
    for key, bounds in (("rate_nl_per_day", entry.dose), ("max_bolus_nl", entry.bolus)):
        assert [finding.kind for finding in refusals(usual(entry, **{key: 10 * bounds.typical}), key)] == [findings.SLIP]
        if bounds.hard_high > bounds.soft_high:
            assert slips.find(bounds.soft_high + 1, bounds) is None, "nothing above the soft bound could be confirmed"


@given(
    st.integers(1, 10**12),
    st.lists(st.integers(1, 10**9), min_size=5, max_size=5).map(sorted),
)
def test_a_slip_found_is_a_true_one(nl: int, ends: "list[int]") -> None:
    """Oracle by fractions of whole numbers: what a slip says was meant is between the soft bounds, and no value between them is
    called one."""
    bounds = Bounds(ends[2], ends[1], ends[3], ends[0], ends[4])
    slip = slips.find(nl, bounds)
    if slip is None:
        for factor in (10, 1000):
            if nl > ends[3]:
                assert not ends[2] * factor <= 2 * nl <= 4 * ends[2] * factor
            if nl < ends[0]:
                assert not ends[2] <= 2 * nl * factor <= 4 * ends[2]
        if not ends[0] <= nl <= ends[4]:
            assert not ends[1] * 1000 <= nl <= ends[3] * 1000
            assert not ends[1] <= nl * 1000 <= ends[3]
        return
    assert not ends[1] <= nl <= ends[3]
    near = ends[2] * slip.den <= 2 * slip.num <= 4 * ends[2] * slip.den
    assert near or (slip.factor == 1000 and ends[1] * slip.den <= slip.num <= ends[3] * slip.den)
    assert slip.num * (slip.factor if slip.too_large else 1) == nl * slip.den * (1 if slip.too_large else slip.factor)


def test_flex_looks_at_every_step_and_every_day() -> None:
    """300 mcg/day by day, 450 from 22:00 to 06:00: 350 mcg a day. 2000 mcg/mL: 0.15 and 0.225 mL/day."""
    night = [(0, 225_000), (360, 150_000), (1320, 225_000)]
    assert day_total_nl(night) == 175_000
    flex = usual(BACLOFEN, rate_nl_per_day=150_000, **week(day_1=night))
    assert bits(flex) == []
    low = usual(BACLOFEN, rate_nl_per_day=150_000, **week(day_1=night, day_2=[(0, 0), (600, 40_000), (720, 0)]))
    (finding,) = refusals(low, "day_2")
    assert finding.value == "the whole day (Sat, Sun) 6.668 mcg/day (3.334 uL/day)"
    high = usual(BACLOFEN, rate_nl_per_day=150_000, **week(day_1=night, day_3=[(0, 150_000), (60, 1_000_001), (61, 150_000)]))
    assert bits(high) == [("day_3", findings.RATE_HIGH)]
    assert [finding.value for finding in review(high, LIBRARY).soft] == ["01:00 2000.002 mcg/day (1.000001 mL/day)"]
    slip = usual(BACLOFEN, **week(day_1=[(0, 225_000), (360, 150_000_000), (390, 150_000)]))
    kinds = {(finding.key, finding.kind, finding.value[:9]) for finding in review(slip, LIBRARY).hard}
    assert ("day_1", findings.SLIP, "06:00 300") in kinds
    assert any(value == "the whole" for _key, _kind, value in kinds)


def test_flex_without_a_safe_rate_and_a_pattern_that_is_no_pattern() -> None:
    night = [(0, 225_000), (360, 150_000)]
    assert bits(usual(BACLOFEN, **week(day_1=night) | {"rate_nl_per_day": 0})) == []
    assert refusals(usual(BACLOFEN, rate_nl_per_day=0), "rate_nl_per_day")
    broken = week(day_1=night) | {"day_1": b"\x01\x02\x03\x04\x05\x06"}
    assert refusals(usual(BACLOFEN, **broken), "day_1")[0].limit == "steps in order of time"


def test_everything_else_that_needs_a_confirmation() -> None:
    for changed, key, bit in (
        ({"bolus_lockout_ms": 4 * 3_600_000 - 1}, "bolus_lockout_ms", findings.OTHER),
        ({"boluses_per_24h": 5}, "boluses_per_24h", findings.OTHER),
        ({"max_hold_ms": 4 * 3_600_000 + 1}, "max_hold_ms", findings.HOLD),
        ({"raise_per_mille": 301}, "raise_per_mille", findings.TITRATION),
        ({"raise_nl_per_day": 1}, "raise_per_mille", findings.TITRATION),
        ({"raise_per_mille": 0, "raise_nl_per_day": 3_001}, "raise_nl_per_day", findings.TITRATION),
        ({"raise_window_ms": 86_399_999}, "raise_per_mille", findings.TITRATION),
        ({"raise_per_mille": 0, "raise_window_ms": 0}, "raise_window_ms", findings.TITRATION),
    ):
        assert bits(usual(BACLOFEN, **changed)) == [(key, bit)], changed
    assert (
        bits(usual(BACLOFEN, raise_per_mille=0, raise_nl_per_day=3_000)) == []
    )  # 30 % of the least dose, 20 mcg/day = 10 uL/day
    assert bits(usual(BACLOFEN, raise_per_mille=200, raise_window_ms=2 * 86_400_000)) == []
    assert bits(usual(BACLOFEN, bolus_lockout_ms=0, max_bolus_nl=0, boluses_per_24h=0)) == []


def test_the_bits_are_the_ones_of_the_program() -> None:
    names = dict(OVERRIDES)
    words = {findings.RATE_LOW: "rate below", findings.RATE_HIGH: "rate above", findings.BOLUS_LOW: "bolus below"}
    words |= {findings.BOLUS_HIGH: "bolus above", findings.OTHER: "lockout", findings.HOLD: "hold"}
    words |= {findings.TITRATION: "titration", findings.OWN: "own"}
    assert set(words) == set(names)
    for bit, word in words.items():
        assert names[bit].startswith(word)


def test_every_soft_finding_names_value_bound_and_source() -> None:
    found = review(usual(BACLOFEN, rate_nl_per_day=600_000, max_bolus_nl=4_999, max_hold_ms=86_400_000), LIBRARY)
    assert found.overrides == findings.RATE_HIGH | findings.BOLUS_LOW | findings.HOLD
    assert [finding.name for finding in found.soft] == [dict(OVERRIDES)[finding.bit] for finding in found.soft]
    assert found.soft[0].sentence == (
        "above the soft bound of a daily dose of baclofen 2000 mcg/mL (label, source lioresal); confirm it or change it."
    )
    assert (found.soft[0].value, found.soft[0].limit) == ("1200 mcg/day (0.6 mL/day)", "at most 1000 mcg/day")


def test_unknown_drugs_and_concentrations_are_refused_with_the_nearest() -> None:
    (finding,) = review(usual(BACLOFEN, drug="baclofn"), LIBRARY).hard
    assert finding.key == "drug" and 'did you mean "baclofen"?' in finding.sentence and "morphine" in finding.limit
    (finding,) = review(usual(BACLOFEN, concentration_ng_per_ml=900_000), LIBRARY).hard
    assert finding.key == "concentration_ng_per_ml" and finding.kind == findings.UNKNOWN
    assert "the nearest is 1000 mcg/mL" in finding.sentence
    (finding,) = review(usual(MORPHINE, concentration_ng_per_ml=25_000), LIBRARY).hard
    assert finding.kind == findings.SLIP and "25 mcg/mL is 1/1000 of 25 mg/mL" in finding.sentence
    (finding,) = review(usual(MORPHINE, concentration_ng_per_ml=250_000_000), LIBRARY).hard
    assert finding.kind == findings.SLIP and "is 10 times 25 mg/mL" in finding.sentence
    assert review({}, LIBRARY).refused and review({"drug": 7, "concentration_ng_per_ml": None}, LIBRARY).refused
    assert review(usual(BACLOFEN, drug="Baclofen"), LIBRARY).entry == BACLOFEN


def test_notes_say_what_is_only_advice() -> None:
    clonidine = entry_of("clonidine", "500 mcg/mL")
    notes = {finding.key: finding for finding in review(usual(clonidine, reservoir_nl=20_000_000), LIBRARY).notes}
    assert set(notes) == {"drug", "min_rate_nl_per_day", "reservoir_nl"}
    assert "off-label" in notes["drug"].sentence
    assert notes["reservoir_nl"].value == "83 days of basal"
    resumes = review(usual(BACLOFEN, basal_resumes=0), LIBRARY)
    assert [finding.key for finding in resumes.notes] == ["basal_resumes"] and resumes.overrides == 0
    assert "can kill" in resumes.notes[0].sentence


@settings(max_examples=200, deadline=None)
@given(
    entry=st.sampled_from(ENTRIES),
    fields=st.dictionaries(
        st.sampled_from([row[1] for row in FIELDS]),
        st.integers(-1, 2**32) | st.binary(max_size=15) | st.none() | st.text(max_size=3),
        max_size=6,
    ),
)
def test_no_fields_at_all_end_in_anything_but_findings(entry: Entry, fields: "dict[str, Any]") -> None:
    fields = {key: value for key, value in fields.items() if key not in ("drug", "concentration_ng_per_ml")}
    found = review(usual(entry, **fields), LIBRARY)
    known = dict(OVERRIDES)
    for finding in found.soft:
        assert finding.bit in known and "\n" not in finding.text
    for finding in found.hard + found.notes:
        assert finding.bit == 0 and "\n" not in finding.text
    assert found.as_dict()["overrides"] == found.overrides
