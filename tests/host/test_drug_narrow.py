"""A user's drug library over the shipped one: it may narrow; it widens only where somebody takes the responsibility by name."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from drug_programs import usual
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core import units
from thecal_host import paths
from thecal_host.drugs import findings, load, narrow, problems
from thecal_host.drugs.check import review
from thecal_host.drugs.entries import Entry, Library
from thecal_host.drugs.figures import DOWN, FIGURES, FREE, SAME, UP
from thecal_host.drugs.load import LibraryError

SHIPPED = load.shipped()
BASE = load.open_base(paths.drug_library_file())
HEAD = '[library]\nformat = 1\ntitle = "Ward 7"\n'
OWN = HEAD + 'own_responsibility = true\nname = "A. Bench"\nreason = "a study with dyed water"\n'
SOURCES = '[sources]\nward = "agreed on ward 7, 2025-03"\n'
ENTRY = '[[entry]]\ndrug = "baclofen"\nconcentration = { value = "2 mg/mL", source = "ward", certainty = "own" }\n'


def figure(text: str) -> str:
    return f'{{ value = "{text}", source = "ward", certainty = "own" }}'


def entry_text(**figures: str) -> str:
    """An entry of baclofen 2000 mcg/mL that states these figures (dose__soft_high="900 mcg/day")."""
    lines = [ENTRY]
    for section in ("dose", "peak", "bolus", "titration", "policy"):
        own = {key.split("__")[1]: text for key, text in figures.items() if key.startswith(section + "__")}
        if own:
            lines += [f"[entry.{section}]", *(f"{key} = {figure(text)}" for key, text in own.items())]
    return "\n".join(lines) + "\n"


def opened(tmp_path: Path, text: str) -> Library:
    path = tmp_path / "ward.toml"
    path.write_text(text, encoding="utf-8")
    return load.open_library(path)


def refused(tmp_path: Path, text: str) -> "list[problems.LibraryProblem]":
    with pytest.raises(LibraryError) as caught:
        opened(tmp_path, text)
    for problem in caught.value.problems:
        assert problem.name in problems.NAMES and problem.sentence.isprintable()
        assert problem.file == str(tmp_path / "ward.toml")
    return caught.value.problems


def baclofen(library: Library) -> Entry:
    entry = library.find("baclofen", 2_000_000)
    assert entry is not None
    return entry


def test_narrower_bounds_count_and_the_rest_stays(tmp_path: Path) -> None:
    library = opened(tmp_path, HEAD + SOURCES + entry_text(dose__soft_high="0.7 mg/day", dose__hard_high="900 mcg/day"))
    entry = baclofen(library)
    assert (entry.dose.soft_high, entry.dose.hard_high, entry.bolus) == (350_000, 450_000, baclofen(SHIPPED).bolus)
    assert (entry.origin, entry.own, entry.base) == ("Ward 7", False, baclofen(SHIPPED))
    assert entry.crc != baclofen(SHIPPED).crc
    assert library.hash != SHIPPED.hash and len(library.entries) == len(SHIPPED.entries)
    assert (library.user_path, library.responsible) == (tmp_path / "ward.toml", "")
    found = review(usual(entry, rate_nl_per_day=400_000), library)
    assert [(item.bit, item.limit) for item in found.soft] == [(findings.RATE_HIGH, "at most 0.7 mg/day")]
    (hard,) = review(usual(entry, rate_nl_per_day=480_000), library).hard
    assert hard.limit == "at most 900 mcg/day" and "source ward" in hard.sentence


def test_a_copy_of_the_shipped_library_changes_nothing(tmp_path: Path) -> None:
    """A user may begin with the whole file and make it narrower from there."""
    text = paths.drug_library_file().read_text(encoding="utf-8")
    library = opened(tmp_path, text)
    for entry, shipped in zip(library.entries, SHIPPED.entries, strict=True):
        assert (entry.crc, entry.base, entry.own) == (shipped.crc, shipped, False)
    assert opened(tmp_path, text.replace('value = "20 mg/day"', 'value = "15 mg/day"', 1)).hash != library.hash
    found = refused(tmp_path, text.replace("GABA-B agonist", "antibiotic"))
    assert [problem.name for problem in found] == [problems.NEW]


def test_a_hash_beside_a_users_library_must_fit_too(tmp_path: Path) -> None:
    text = HEAD + SOURCES + entry_text(dose__soft_high="700 mcg/day")
    (tmp_path / "ward.sha256").write_text(load.content_hash(tomllib.loads(text)))
    assert opened(tmp_path, text).title == "Ward 7"
    assert [problem.name for problem in refused(tmp_path, text.replace("700", "800"))] == [problems.HASH]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("dose__soft_low", "49 mcg/day"),
        ("dose__soft_high", "1001 mcg/day"),
        ("dose__hard_low", "19 mcg/day"),
        ("dose__hard_high", "2001 mcg/day"),
        ("peak__soft_high", "2001 mcg/day"),
        ("peak__hard_high", "4001 mcg/day"),
        ("bolus__soft_low", "9 mcg"),
        ("bolus__soft_high", "76 mcg"),
        ("bolus__hard_low", "4 mcg"),
        ("bolus__hard_high", "101 mcg"),
        ("bolus__lockout", "3 h"),
        ("bolus__per_24h", "5"),
        ("titration__raise_share", "31 %"),
        ("titration__raise_by", "1 ng/day"),
        ("titration__window", "23 h"),
        ("policy__max_interruption", "5 h"),
        ("policy__first_fill", "91 days"),
        ("policy__stability", "91 days"),
        ("policy__fault", "stop"),
        ("policy__basal_resumes", "no"),
    ],
)
def test_every_widened_figure_is_refused_and_named(tmp_path: Path, key: str, text: str) -> None:
    found = refused(tmp_path, HEAD + SOURCES + entry_text(**{key: text}))
    assert [problem.name for problem in found] == [problems.WIDENED]
    assert found[0].key.endswith(key.replace("__", ".")) and found[0].value == text
    assert "(the shipped figure)" in found[0].limit and "own_responsibility = true" in found[0].hint
    more = {"policy__stability": text} if key == "policy__first_fill" else {}  # a first fill keeps no longer than later ones
    library = opened(tmp_path, OWN + SOURCES + entry_text(**{key: text}, **more))
    assert baclofen(library).own


def test_each_way_of_narrowing_is_tried_above() -> None:
    assert {row[1] for row in FIGURES.values()} == {DOWN, UP, FREE, SAME}
    assert [key for key, row in FIGURES.items() if row[1] == FREE] == ["dose.typical", "peak.typical", "bolus.typical"]


def test_own_responsibility_marks_every_program(tmp_path: Path) -> None:
    library = opened(tmp_path, OWN + SOURCES + entry_text(dose__soft_high="1500 mcg/day"))
    assert library.responsible == "A. Bench: a study with dyed water"
    found = review(usual(baclofen(SHIPPED), rate_nl_per_day=700_000), library)
    assert found.hard == [] and found.overrides == findings.OWN
    assert "A. Bench: a study with dyed water" in found.soft[0].sentence
    both = review(usual(baclofen(SHIPPED), rate_nl_per_day=800_000), library)
    assert both.overrides == findings.OWN | findings.RATE_HIGH
    morphine = SHIPPED.find("morphine", 25_000_000)
    assert morphine and review(usual(morphine), library).overrides == 0  # not stated in that file


def test_own_drugs_and_concentrations(tmp_path: Path) -> None:
    drug = '[drug.saline]\nstatus = "bench"\ngroup = "no drug"\nnote = "0.9 %"\n'
    whole = paths.drug_library_file().read_text().rsplit("[[entry]]", 1)[1].replace('"water"', '"ward"')
    saline = "[[entry]]" + whole.replace('drug = "ward"', 'drug = "saline"')
    names = [problem.name for problem in refused(tmp_path, HEAD + SOURCES + drug + saline)]
    assert names == [problems.NEW, problems.NEW]
    library = opened(tmp_path, OWN + SOURCES + drug + saline)
    entry = library.find("saline", 1_000_000_000)
    assert entry and entry.own and review(usual(entry), library).overrides == findings.OWN
    other = ENTRY.replace("2 mg/mL", "3 mg/mL")
    assert [problem.name for problem in refused(tmp_path, HEAD + SOURCES + other)] == [problems.NEW]
    assert {problem.name for problem in refused(tmp_path, OWN + SOURCES + other)} == {problems.MISSING}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", problems.MISSING),
        (HEAD + "own_responsibility = true\n", problems.MISSING),
        (HEAD + 'own_responsibility = true\nname = "A"\nreason = ""\n', problems.TEXT),
        (HEAD + SOURCES + ENTRY + ENTRY, problems.DUPLICATE),
        (HEAD + '[sources]\nbench = "something else"\n', problems.DUPLICATE),
        (HEAD + ENTRY, problems.UNKNOWN),
        (HEAD + SOURCES + entry_text(dose__soft_high="300 mcg/day"), problems.CROSSING),
        (HEAD + SOURCES + entry_text(dose__typical="90 mcg/day"), problems.SLIP_BLIND),
        (HEAD + SOURCES + entry_text(titration__raise_share="0 %"), problems.RULE),
        (OWN + SOURCES + entry_text(dose__hard_low="60 mcg/day"), problems.CROSSING),
        (HEAD + 'title = "twice"\n', problems.FILE),
    ],
)
def test_other_mistakes(tmp_path: Path, text: str, name: str) -> None:
    assert name in [problem.name for problem in refused(tmp_path, text)]


def test_a_library_in_the_configuration_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THECAL_CONFIG_DIR", str(tmp_path))
    assert load.open_library() is SHIPPED
    (tmp_path / "drug_library.toml").write_text(HEAD + SOURCES + entry_text(dose__soft_high="700 mcg/day"))
    assert load.open_library().title == "Ward 7"
    assert load.shipped() is SHIPPED
    monkeypatch.delenv("THECAL_CONFIG_DIR")
    assert load.config_dir().name == "thecal"


KEYS = [key for key in FIGURES if not key.startswith("policy.f") and key != "policy.basal_resumes"]


SCALED = """rate_nl_per_day max_rate_nl_per_day min_rate_nl_per_day limit_24h_nl max_bolus_nl patient_bolus_nl bolus_lockout_ms
boluses_per_24h max_hold_ms raise_per_mille raise_nl_per_day raise_window_ms""".split()


def text_for(key: str, num: int, den: int) -> "str | None":
    """Figure `key` as a text that says num / den as nearly as a text can."""
    kind = FIGURES[key][0]
    if kind == (units.MASS_RATE,):
        return units.format_mass(num // den) + "/day"
    if kind == (units.MASS,):
        return units.format_mass(num // den)
    if kind == (units.TIME,):
        return units.format_ms(num // den)
    return units.decimal(num // den, 1) + " %" if key == "titration.raise_share" else str(num // den)


@settings(max_examples=250, deadline=None)
@given(
    entry=st.sampled_from(SHIPPED.entries),
    scales=st.dictionaries(st.sampled_from(KEYS), st.integers(300, 3000), min_size=1, max_size=6),
    programs=st.lists(
        st.dictionaries(
            st.sampled_from(SCALED),
            st.integers(1, 30_000),
            max_size=5,
        ),
        min_size=8,
        max_size=8,
    ),
)
def test_narrowing_never_widens(entry: Entry, scales: "dict[str, int]", programs: "list[dict[str, int]]") -> None:
    """Any figures scaled by 0.3 to 3: the file is refused, or whatever the shipped library says against a program this one says
    too, refusal for refusal and bit for bit."""
    stated: dict[str, Any] = {"drug": entry.drug.name, "concentration": {"value": entry.concentration.text}}
    stated["concentration"] |= {"source": "ward", "certainty": "own"}
    for key, scale in scales.items():
        shipped = entry.figures[key]
        section, name = key.split(".")
        text = text_for(key, shipped.num * scale, shipped.den * 1000)
        stated.setdefault(section, {})[name] = {"value": text, "source": "ward", "certainty": "own"}
    data = {"library": {"format": 1, "title": "w"}, "sources": {"ward": "somewhere else"}, "entry": [stated]}
    try:
        library = narrow.lay_over(BASE, Path("w"), data)
    except LibraryError as error:
        assert {problem.name for problem in error.problems} <= set(problems.NAMES)
        return
    for program in programs:
        fields = usual(entry)
        for key, scale in program.items():
            fields[key] = (fields.get(key, 0) or entry.dose.typical) * scale // 1000
        wide, tight = review(fields, SHIPPED), review(fields, library)
        assert {(item.key, item.value) for item in wide.hard} <= {(item.key, item.value) for item in tight.hard}
        assert {item.key for item in wide.slips} <= {item.key for item in tight.hard}
        refused_keys = {item.key for item in tight.hard}
        assert {(item.key, item.bit) for item in wide.soft if item.key not in refused_keys} <= {
            (item.key, item.bit) for item in tight.soft
        }
