"""Every way a drug library can be wrong: a named problem each, nothing unknown skipped, nothing half-read."""

import copy
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal_host import paths
from thecal_host.drugs import load, problems
from thecal_host.drugs.read import Reader

DATA = tomllib.loads(paths.drug_library_file().read_text(encoding="utf-8"))


def problems_of(data: "dict[str, Any]") -> "list[problems.LibraryProblem]":
    """Problems of a complete library of this content; [] when it is good."""
    reader = Reader("library.toml").read(data)
    for raw in reader.entries:
        load.complete(reader, raw, reader.drugs, "t")
    load.refuse_twice(reader)
    for problem in reader.problems:
        assert problem.name in problems.NAMES and problem.hint and problem.file == "library.toml"
        assert problem.sentence.isprintable() and len(problem.sentence) < 1500
    return reader.problems


def changed(path: str, value: Any) -> "dict[str, Any]":
    """The shipped data with one place of the first entry (or of the top) changed; None removes it."""
    data = copy.deepcopy(DATA)
    place: Any = data
    *way, last = path.split("/")
    for part in way:
        place = place[int(part) if part.isdigit() else part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return data


def figure(value: Any, source: Any = "bench", certainty: Any = "GK") -> "dict[str, Any]":
    return {"value": value, "source": source, "certainty": certainty}


BROKEN: "list[tuple[str, Any, str]]" = [
    # place, new value (None: removed), name of the problem
    ("library", None, problems.MISSING),
    ("library", 3, problems.KIND),
    ("library/format", 2, problems.FORMAT),
    ("library/format", True, problems.FORMAT),
    ("library/format", "1", problems.FORMAT),
    ("library/format", None, problems.MISSING),
    ("library/title", "", problems.TEXT),
    ("library/title", None, problems.MISSING),
    ("library/title", "a\nb", problems.TEXT),
    ("library/title", 1, problems.KIND),
    ("library/own_responsibility", "true", problems.KIND),
    ("library/colour", 1, problems.UNKNOWN),
    ("library/" + "k" * 5000, 1, problems.UNKNOWN),
    ("entries", [], problems.UNKNOWN),
    ("sources", "none", problems.KIND),
    ("sources/bench", None, problems.UNKNOWN),
    ("sources/bench", "", problems.TEXT),
    ("drug", [1], problems.KIND),
    ("drug/morphine", None, problems.UNKNOWN),
    ("drug/morphine", "opioid", problems.KIND),
    ("drug/morphine/status", "allowed", problems.CHOICE),
    ("drug/morphine/note", None, problems.MISSING),
    ("drug/morphine/dose", 1, problems.UNKNOWN),
    ("drug/Morphine", {"status": "bench", "group": "g", "note": "n"}, problems.TEXT),
    ("drug/averylongdrugname", {"status": "bench", "group": "g", "note": "n"}, problems.TEXT),
    ("drug/morphi\u0578", {"status": "bench", "group": "g", "note": "n"}, problems.TEXT),
    ("entry", {}, problems.KIND),
    ("entry", [1], problems.KIND),
    ("entry", [{}], problems.MISSING),
    ("entry", [{}] * 201, problems.RANGE),
    ("entry/0/drug", None, problems.MISSING),
    ("entry/0/drug", 5, problems.KIND),
    ("entry/0/drug", "Morphine", problems.TEXT),
    ("entry/0/drug", "helium", problems.UNKNOWN),
    ("entry/0/concentration", None, problems.MISSING),
    ("entry/0/concentration", "10 mg/mL", problems.KIND),
    ("entry/0/concentration", figure("10 mg"), problems.AMOUNT),
    ("entry/0/concentration", figure("0 mg/mL"), problems.RANGE),
    ("entry/0/concentration", figure("0.0000001 mcg/mL"), problems.RANGE),
    ("entry/0/concentration", figure("2 g/mL"), problems.RANGE),
    ("entry/0/concentration", figure("25 mg/mL"), problems.DUPLICATE),
    ("entry/0/dose", 1, problems.KIND),
    ("entry/0/dose", None, problems.MISSING),
    ("entry/0/doze", {}, problems.UNKNOWN),
    ("entry/0/dose/typical", None, problems.MISSING),
    ("entry/0/dose/typical", "5 mg/day", problems.KIND),
    ("entry/0/dose/typical", {"value": "5 mg/day", "source": "bench"}, problems.MISSING),
    ("entry/0/dose/typical", figure(5), problems.KIND),
    ("entry/0/dose/typical", figure("5"), problems.AMOUNT),
    ("entry/0/dose/typical", figure("-5 mg/day"), problems.AMOUNT),
    ("entry/0/dose/typical", figure("5 mg"), problems.AMOUNT),
    ("entry/0/dose/typical", figure("0.2 mL/day"), problems.AMOUNT),
    ("entry/0/dose/typical", figure("5,0 mg/day"), problems.AMOUNT),
    ("entry/0/dose/typical", figure("5e3 mcg/day"), problems.AMOUNT),
    ("entry/0/dose/typical", figure("\u0665 mg/day"), problems.TEXT),
    ("entry/0/dose/typical", figure("5 mg/day", "nowhere"), problems.UNKNOWN),
    ("entry/0/dose/typical", figure("5 mg/day", ["bench"]), problems.KIND),
    ("entry/0/dose/typical", figure("5 mg/day", "bench", "sure"), problems.CHOICE),
    ("entry/0/dose/typical", figure("5 mg/day", "bench", "own"), problems.CHOICE),
    ("entry/0/dose/typical", figure("5 mg/day") | {"note": "x"}, problems.UNKNOWN),
    ("entry/0/dose/typical", figure("5 mcg/day"), problems.CROSSING),
    ("entry/0/dose/soft_low", figure("5.1 mg/day"), problems.CROSSING),
    ("entry/0/dose/hard_low", figure("0.3 mg/day"), problems.CROSSING),
    ("entry/0/dose/hard_high", figure("19 mg/day"), problems.CROSSING),
    ("entry/0/peak/hard_high", figure("24 mg/day"), problems.CROSSING),
    ("entry/0/bolus/soft_high", figure("0.4 mg"), problems.CROSSING),
    ("entry/0/policy/stability", figure("89 days"), problems.CROSSING),
    ("entry/0/dose/typical", figure("2 mg/day"), problems.SLIP_BLIND),
    ("entry/0/dose/hard_low", figure("0.005 mg/day"), problems.SLIP_BLIND),
    ("entry/0/dose/hard_low", figure("0 mg/day"), problems.SLIP_BLIND),
    ("entry/0/bolus/lockout", figure("1 h 30 min"), problems.AMOUNT),
    ("entry/0/bolus/lockout", figure("400 days"), problems.AMOUNT),
    ("entry/0/bolus/per_24h", figure("49"), problems.AMOUNT),
    ("entry/0/bolus/per_24h", figure("8 boluses"), problems.AMOUNT),
    ("entry/0/bolus/per_24h", figure("9" * 300), problems.AMOUNT),
    ("entry/0/titration/raise_share", figure("20"), problems.AMOUNT),
    ("entry/0/titration/raise_share", figure("20.55 %"), problems.AMOUNT),
    ("entry/0/titration/raise_share", figure("1001 %"), problems.AMOUNT),
    ("entry/0/titration/raise_share", figure("%"), problems.AMOUNT),
    ("entry/0/titration/window", figure("0 s"), problems.RULE),
    ("entry/0/policy/fault", figure("pray"), problems.AMOUNT),
    ("entry/0/policy/basal_resumes", figure("true"), problems.AMOUNT),
    ("entry/0/policy/basal_resumes", figure(True), problems.KIND),
    ("entry/0/policy/fault", figure("x" * 401), problems.TEXT),
]


@pytest.mark.parametrize(("place", "value", "name"), BROKEN, ids=lambda item: ascii(item)[:40] if item is not None else "gone")
def test_everything_that_can_be_wrong_has_its_name(place: str, value: Any, name: str) -> None:
    found = problems_of(changed(place, value))
    assert name in {problem.name for problem in found}, [problem.sentence for problem in found]


def test_the_shipped_data_have_no_problem() -> None:
    assert problems_of(copy.deepcopy(DATA)) == []


def places(data: Any, way: "tuple[Any, ...]" = ()) -> "list[tuple[Any, ...]]":
    """The way to every value in the data."""
    found = [way] if way else []
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        found += places(value, (*way, key))
    return found


SMALL = {**DATA, "entry": [DATA["entry"][0], DATA["entry"][3], DATA["entry"][-1]]}
PLACES = places(SMALL)
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ["", "5 mg/day", "5 mg", "1 h", "30 %", "-1 mg", "0 mcg/day", "9" * 500 + " mg", "yes", "GK", "\u202e5 mg/day"]
    ),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


@settings(max_examples=400, deadline=None)
@given(way=st.sampled_from(PLACES), value=STRANGE)
def test_a_mutated_library_is_good_or_has_named_problems(way: "tuple[Any, ...]", value: Any) -> None:
    """Any value at any place: no error but problems with names, and data without one keep every invariant."""
    data = copy.deepcopy(SMALL)
    place: Any = data
    for part in way[:-1]:
        place = place[part]
    if value is None:
        del place[way[-1]]
    else:
        place[way[-1]] = value
    if problems_of(data):
        return
    reader = Reader("t").read(data)
    for raw in reader.entries:
        assert load.complete(reader, raw, reader.drugs, "t") is not None
    assert way[0] in ("library", "sources", "drug", "entry")
