"""The shipped drug library: what it must hold, its hash, and files that are none."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal_host import paths
from thecal_host.drugs import load, problems
from thecal_host.drugs.entries import canonical
from thecal_host.drugs.figures import CERTAINTIES, FIGURES, FigureError, parse
from thecal_host.drugs.load import LibraryError

FILE = paths.drug_library_file()
TEXT = FILE.read_text(encoding="utf-8")
DATA = tomllib.loads(TEXT)
APPROVED = ["morphine", "ziconotide", "baclofen"]
OFF_LABEL = ["hydromorphone", "fentanyl", "sufentanil", "bupivacaine", "clonidine"]


def test_the_shipped_library_is_whole_and_in_good_order() -> None:
    library = load.shipped()
    assert library.drugs() == [*APPROVED, *OFF_LABEL, "water"]
    for name in library.drugs():
        status = "approved" if name in APPROVED else "off-label" if name in OFF_LABEL else "bench"
        assert {entry.drug.status for entry in library.of_drug(name)} == {status}
    for entry in library.entries:
        assert set(entry.figures) == set(FIGURES)
        for item in (entry.concentration, *entry.figures.values()):
            assert item.certainty in CERTAINTIES and len(item.cited) > 10
        assert entry.fault_policy in ("stop", "minimum", "continue")
    assert len({entry.crc for entry in library.entries}) == len(library.entries)
    assert "not a medical device" in library.notice
    assert "not an opioid" in library.of_drug("ziconotide")[0].drug.group
    for entry in library.of_drug("baclofen"):
        assert (entry.fault_policy, entry.basal_resumes) == ("continue", True)


@pytest.mark.parametrize(
    ("drug", "concentration", "key", "text"),
    [
        ("morphine", "25 mg/mL", "dose.soft_high", "20 mg/day"),
        ("ziconotide", "100 mcg/mL", "dose.hard_high", "19.2 mcg/day"),
        ("ziconotide", "25 mcg/mL", "titration.raise_by", "2.4 mcg/day"),
        ("ziconotide", "25 mcg/mL", "policy.first_fill", "14 days"),
        ("ziconotide", "2.5 mcg/mL", "policy.stability", "40 days"),
        ("baclofen", "500 mcg/mL", "dose.soft_high", "1000 mcg/day"),
        ("baclofen", "2000 mcg/mL", "titration.raise_share", "30 %"),
        ("baclofen", "50 mcg/mL", "bolus.hard_high", "100 mcg"),
    ],
)
def test_figures_of_the_labels(drug: str, concentration: str, key: str, text: str) -> None:
    (entry,) = [entry for entry in load.shipped().of_drug(drug) if entry.concentration.text == concentration]
    assert (entry.figures[key].text, entry.figures[key].certainty) == (text, "label")


def test_bounds_in_nl_are_rounded_outward() -> None:
    """0.5 mg/day of 7.5 mg/mL is 66,666.67 nL/day; 20 mg/day is 2,666,666.67."""
    (entry,) = [entry for entry in load.shipped().of_drug("bupivacaine") if entry.ng_per_ml == 7_500_000]
    assert (entry.dose.soft_low, entry.dose.hard_high) == (66_666, 2_666_667)


def test_the_hash_beside_it_is_the_one_of_its_content() -> None:
    assert load.content_hash(DATA) == FILE.with_name("drug_library.sha256").read_text().strip(), (
        "drug_library.toml was changed: write the hash that the error names to drug_library.sha256"
    )
    assert load.content_hash(tomllib.loads(TEXT.replace("\n\n", "\n\n# more\n"))) == load.content_hash(DATA)


def library_at(folder: Path, text: str = TEXT, wanted: "str | None" = "") -> Path:
    """A copy of the shipped library with its hash file (`wanted` "" the right one for the shipped text, None: none)."""
    path = folder / "drug_library.toml"
    path.write_text(text, encoding="utf-8")
    if wanted is not None:
        path.with_name("drug_library.sha256").write_text(wanted or load.content_hash(DATA) + "\n")
    return path


def the_problem(path: Path) -> problems.LibraryProblem:
    with pytest.raises(LibraryError) as caught:
        load.open_base(path)
    assert len(caught.value.problems) == 1, str(caught.value)
    return caught.value.problems[0]


def test_a_changed_library_is_refused_by_its_hash(tmp_path: Path) -> None:
    assert load.open_base(library_at(tmp_path)).library.hash == load.shipped().hash
    for number, (text, wanted) in enumerate(
        [
            (TEXT.replace("20 mg/day", "21 mg/day", 1), ""),
            (TEXT, None),
            (TEXT, "0" * 64),
            (TEXT, "no hash at all"),
            (TEXT, "\x00"),
        ]
    ):
        (tmp_path / str(number)).mkdir()
        problem = the_problem(library_at(tmp_path / str(number), text, wanted))
        assert problem.name == problems.HASH and "restore" in problem.hint
    folder = tmp_path / "folder"
    (folder / "drug_library.sha256").mkdir(parents=True)
    assert the_problem(library_at(folder, wanted=None)).name == problems.HASH


@pytest.mark.parametrize("text", ["", "[", "entry = 1\nentry = 2", "\x00", "a = " + "[" * 5000, "x = 1979-05-27"])
def test_what_is_no_library_is_refused(tmp_path: Path, text: str) -> None:
    """By its syntax, or by its hash: never read."""
    assert the_problem(library_at(tmp_path, text)).name in (problems.FILE, problems.HASH)


def test_a_path_that_is_nothing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml", Path("\x00"), Path("/dev/null")):
        with pytest.raises(LibraryError) as caught:
            load.read_data(path)
        assert caught.value.problems[0].name == problems.FILE


@given(st.integers(0, len(TEXT) - 1), st.sampled_from(list('0159.-"[]={}\n mug%\u00b5')))
def test_one_character_changes_the_hash_or_nothing(at: int, char: str) -> None:
    text = TEXT[:at] + char + TEXT[at + 1 :]
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert (load.content_hash(data) == load.content_hash(DATA)) == (
        json.dumps(data, sort_keys=True) == json.dumps(DATA, sort_keys=True)
    )
    assert canonical(data).isascii()


def test_a_figure_is_exact_whatever_its_spelling() -> None:
    kind = FIGURES["dose.typical"][0]
    one, other = parse(kind, "0.1 mg/h"), parse(kind, "2.4 mg/day")
    assert one[0] * other[1] == other[0] * one[1]
    assert parse(FIGURES["titration.raise_share"][0], "2.5 %") == (25, 1)
    with pytest.raises(FigureError, match="at most one decimal"):
        parse(FIGURES["titration.raise_share"][0], "2.55 %")


def test_the_library_is_data_of_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert FILE.name == "drug_library.toml" and FILE.parent == paths.examples_dir().parent
    monkeypatch.setattr(paths, "_DATA", tmp_path / "site/_data")
    (tmp_path / "site/_data").mkdir(parents=True)
    assert paths.drug_library_file() == tmp_path / "site/_data/drug_library.toml"
    with pytest.raises(LibraryError, match="does not exist"):
        load.shipped()
    wheel = tomllib.loads((FILE.parents[1] / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for name in ("drug_library.toml", "drug_library.sha256"):
        assert wheel["force-include"][f"host_tools/{name}"] == f"thecal_host/_data/{name}"
