"""`thecal library` as a user meets it: every figure with source and certainty, the hash, and what an own library changes."""

import json
from pathlib import Path
from typing import Any

import pytest
import test_drug_narrow as own

from thecal_host.cli import exit_codes
from thecal_host.cli.app import COMMANDS
from thecal_host.drugs import load
from thecal_host.drugs.figures import FIGURES

ROW = ("thecal_host.cli.library", "app", "Show and check the drug library.")


@pytest.fixture
def library(thecal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`thecal library ...`, with an empty configuration folder."""
    monkeypatch.setitem(COMMANDS, "library", COMMANDS.get("library", ROW))
    monkeypatch.setenv("THECAL_CONFIG_DIR", str(tmp_path / "config"))
    return lambda *argv: thecal("library", *argv)


def one_json(out: str) -> "dict[str, Any]":
    assert out.count("\n") == 1
    return json.loads(out)


def test_the_table_has_every_entry_and_says_what_it_is(library: Any) -> None:
    code, out, err = library()
    assert code == 0
    assert "NOT A MEDICAL DEVICE" in err
    for entry in load.shipped().entries:
        line = next(line for line in out.splitlines() if line.startswith(entry.drug.name) and f"{entry.crc:08x}" in line)
        assert entry.drug.status in line and entry.concentration.text in line
    assert load.shipped().hash in out
    assert "not medical advice" in out and "GK" in out


def test_show_has_every_figure_with_its_source(library: Any) -> None:
    code, out, _err = library("show", "ziconotide", "25 mcg/mL")
    assert code == 0
    (entry,) = [entry for entry in load.shipped().of_drug("ziconotide") if entry.ng_per_ml == 25_000]
    assert "N-type calcium-channel blocker, not an opioid" in out
    for key, figure in entry.figures.items():
        line = next(line for line in out.splitlines() if line.startswith(key + " "))
        assert figure.text in line and f" {figure.certainty} " in line and figure.source in line and FIGURES[key][2] in line
        assert f"  {figure.source}: {figure.cited}" in out
    assert "100 mcg/mL (entry" not in out
    assert library("show", "Ziconotide")[1].count("(entry ") == 3


def test_json_is_one_object(library: Any) -> None:
    for argv in (("--json",), ("show", "baclofen", "--json"), ("--json", "show", "baclofen")):
        code, out, _err = library(*argv)
        data = one_json(out)
        assert code == 0 and data["ok"] and data["sha256"] == load.shipped().hash
        figures = data["entries"][-1]["figures"]
        assert set(figures) == set(FIGURES)
        assert all(set(item) == {"value", "source", "certainty"} for item in figures.values())


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (("show", "baclofn"), 'did you mean "baclofen"'),
        (("show", "baclofen", "3 mg/mL"), "Known: 50 mcg/mL"),
        (("show", "baclofen", "3 mg"), "concentration"),
        (("check", "nowhere.toml"), "does not exist"),
        (("--library", "nowhere.toml"), "does not exist"),
    ],
)
def test_what_is_not_there_is_a_sentence(library: Any, argv: "tuple[str, ...]", word: str) -> None:
    code, _out, err = library(*argv)
    assert code == exit_codes.INVALID
    assert word in err


def test_a_library_of_ones_own_is_checked_and_shown(library: Any, tmp_path: Path) -> None:
    path = tmp_path / "ward.toml"
    path.write_text(own.HEAD + own.SOURCES + own.entry_text(dose__soft_high="700 mcg/day", bolus__per_24h="2"))
    code, out, _err = library("check", path)
    assert code == 0
    assert "baclofen 2000 mcg/mL dose.soft_high: 1000 mcg/day becomes 700 mcg/day" in out
    assert "it changes 2 figures" in out
    assert one_json(library("check", path, "--json")[1])["changes"][0]["own"] == "700 mcg/day"
    shown = library("--library", path)[1]
    assert "approved (narrowed)" in shown and "Ward 7" in shown
    assert 'from "Ward 7"' in library("show", "baclofen", "2000 mcg/mL", "--library", path)[1]


def test_own_responsibility_is_shown(library: Any, tmp_path: Path) -> None:
    path = tmp_path / "ward.toml"
    path.write_text(own.OWN + own.SOURCES + own.entry_text(dose__soft_high="1500 mcg/day"))
    out = library("check", path)[1]
    assert "OWN RESPONSIBILITY: A. Bench: a study with dyed water" in out
    assert "approved (own)" in library("--library", path)[1]


def test_a_bad_library_is_all_its_problems_and_no_traceback(library: Any, tmp_path: Path) -> None:
    path = tmp_path / "ward.toml"
    path.write_text(own.HEAD + own.SOURCES + own.entry_text(dose__soft_high="1500 mcg/day", bolus__per_24h="9"))
    code, out, err = library("check", path)
    assert (code, out) == (exit_codes.INVALID, "")
    assert err.count("[widened]") == 2 and "at most 1000 mcg/day" in err
    code, out, _err = library("check", path, "--json")
    assert code == exit_codes.INVALID and one_json(out)["ok"] is False
