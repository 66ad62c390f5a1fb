"""Files from hostile hands: more than 500 spoiled prescriptions and drug libraries, made from the shipped ones by a seed.

Each one either means exactly what an independent reader (rx_oracle.py) says it means and passes the validator, or ends in the
named error whose every problem has key, value or limit, and hint. A sample goes the whole way through `thecal upload`: one exit
code, no traceback, nothing staged, the board as it was.
"""

import hashlib
import json
import random
import tomllib
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import mutations
import pytest
import rx_oracle
from cli_bench import board_with_program

from thecal.core import prescription as rx
from thecal.core.schedule import day_steps
from thecal_host import boards, paths
from thecal_host.cli import exit_codes
from thecal_host.drugs import load as drug_load
from thecal_host.drugs.problems import FILE, NAMES, LibraryError
from thecal_host.prescriptions import Prescription, PrescriptionError, load

PART = boards.load("virtual").part
EXAMPLES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(paths.examples_dir().glob("*.toml"))}
SHIPPED = paths.drug_library_file()
SHIPPED_TEXT = SHIPPED.read_text(encoding="utf-8")
SEED = 3
LEAST_CASES = 500  # of prescriptions alone
LEAST_REFUSED_PERCENT = 85

Case = tuple[str, bytes]


def spoiled(text: str, seed: str, line_count: int, step_count: int, damage_count: int) -> list[Case]:
    """Distinct cases from one file; each label begins with `seed`."""
    rng = random.Random(f"{SEED} {seed}")
    cases = [(label, new.encode()) for label, new in islice(mutations.lines(text, rng), line_count)]
    cases += [(label, new.encode()) for label, new in islice(mutations.steps(text, rng), step_count)]
    cases += list(islice(mutations.damaged(text, rng), damage_count))
    cases += list(mutations.whole(text))
    distinct = {raw: f"{seed}: {label}" for label, raw in cases if raw != text.encode()}
    return [(label, raw) for raw, label in distinct.items()]


PRESCRIPTIONS = [case for name, text in EXAMPLES.items() for case in spoiled(text, name, 100, 40, 20)]
LIBRARIES = [case for case in spoiled(SHIPPED_TEXT, "library", 70, 0, 20) if not case[0].endswith("deep table")]


def check_meaning(prescription: Prescription, raw: bytes, label: str) -> None:
    """The program is good and holds what the independent reader finds in the file; nothing in the file was passed over."""
    fields = prescription.fields
    assert rx.validate(fields, PART) == [] and rx.unpack(prescription.blob) == (fields, 0), label
    assert fields["overrides"] == 0 and fields["library_crc"] == prescription.library.entry_crc != 0
    said, week = rx_oracle.said(tomllib.loads(raw.decode("utf-8-sig")))
    for key, exact in {**rx_oracle.DEFAULTS, **said}.items():
        assert close(fields[key], exact), (label, key, fields[key], exact)
    known = {*said, *rx_oracle.DEFAULTS, "library_crc", "overrides", "chunk_nl", "step_pl_per_million", "week"}
    for key, value in fields.items():
        assert key in known or key.startswith("day_") or not value, (label, key)
    assert bool(week) == (fields["mode"] == 2)
    for day, steps in enumerate(week):
        kept = day_steps(fields[f"day_{fields['week'][day]}"])
        assert [minute for minute, _rate in kept] == [minute for minute, _rate in steps], label
        assert all(close(rate, exact) for (_minute, rate), (_same, exact) in zip(kept, steps, strict=True)), label


def close(value: Any, exact: Any) -> bool:
    """The same, or a whole number next to the exact one and within 0.1 % of it."""
    if isinstance(exact, Fraction):
        off = abs(value - exact)
        return off * 2 <= 1 and off * 1000 <= exact
    return value == exact


def check_refusal(error: PrescriptionError, label: str) -> None:
    """Every problem has key, value or limit, and hint, in one readable line."""
    assert error.problems, label
    for problem in error.problems:
        assert problem.key and (problem.value or problem.limit) and problem.hint, (label, problem)
        assert problem.sentence.isprintable() and len(problem.sentence) < 1500, (label, problem.sentence)


def check_library_refusal(error: LibraryError, label: str) -> None:
    """Every problem has one of the known names, the file and a hint, and says where unless it is no library at all."""
    assert error.problems, label
    for problem in error.problems:
        assert problem.name in NAMES and problem.file and problem.hint, (label, problem)
        assert problem.name == FILE or problem.key, (label, problem)
        assert problem.sentence.isprintable() and len(problem.sentence) < 1500, (label, problem.sentence)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.sr("SR-42")
def test_a_spoiled_prescription_is_refused_or_means_what_it_says(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rx.toml"
    refused = 0
    cases = [case for case in PRESCRIPTIONS if case[0].startswith(f"{name}: ")]
    for label, raw in cases:
        path.write_bytes(raw)
        try:
            prescription = load(path, PART)
        except PrescriptionError as error:
            check_refusal(error, label)
            refused += 1
        else:
            check_meaning(prescription, raw, label)
    assert refused * 100 >= LEAST_REFUSED_PERCENT * len(cases), (refused, len(cases))


def write_library(folder: Path, raw: bytes, own_hash: bool) -> Path:
    """A library with the shipped hash beside it, or with the one of its own content (as far as it has any)."""
    folder.mkdir()
    path = folder / "drug_library.toml"
    path.write_bytes(raw)
    wanted = SHIPPED.with_suffix(".sha256").read_text()
    if own_hash:
        try:
            wanted = drug_load.content_hash(tomllib.loads(raw.decode("utf-8-sig")))
        except (ValueError, RecursionError):
            wanted = hashlib.sha256(raw).hexdigest()
    path.with_suffix(".sha256").write_text(wanted)
    return path


@pytest.mark.sr("SR-42")
def test_a_spoiled_library_is_refused_or_says_the_same(tmp_path: Path) -> None:
    """With the shipped hash beside it nothing but comments and spaces may differ."""
    shipped = drug_load.shipped()
    refused = 0
    for number, (label, raw) in enumerate(LIBRARIES):
        try:
            library = drug_load.open_base(write_library(tmp_path / str(number), raw, False)).library
        except LibraryError as error:
            check_library_refusal(error, label)
            refused += 1
        else:
            assert (library.sha256, library.entries) == (shipped.sha256, shipped.entries), label
    assert refused * 100 >= LEAST_REFUSED_PERCENT * len(LIBRARIES)


@pytest.mark.sr("SR-42")
def test_a_spoiled_library_with_a_hash_of_its_own_is_whole_or_refused(tmp_path: Path) -> None:
    """Who can write the hash too can change figures, but not break the order of the bounds or take a figure away."""
    refused = 0
    cases = LIBRARIES[::3]  # each costs a whole library
    for number, (label, raw) in enumerate(cases):
        try:
            library = drug_load.open_base(write_library(tmp_path / str(number), raw, True)).library
        except LibraryError as error:
            check_library_refusal(error, label)
            refused += 1
            continue
        for entry in library.entries:
            for bounds in (entry.dose, entry.bolus):
                ends = [bounds.hard_low, bounds.soft_low, bounds.typical, bounds.soft_high, bounds.hard_high]
                assert ends == sorted(ends) and ends[0] > 0, label
            assert {figure.source for figure in entry.figures.values()} <= set(tomllib.loads(raw.decode("utf-8-sig"))["sources"])
    assert refused * 2 >= len(cases)


USERS = """
[library]
format = 1
title = "Ours"
[[entry]]
drug = "baclofen"
concentration = { value = "2000 mcg/mL", source = "lioresal", certainty = "label" }
[entry.dose]
soft_high = { value = "800 mcg/day", source = "bench", certainty = "own" }
hard_high = { value = "900 mcg/day", source = "bench", certainty = "own" }
[entry.bolus]
hard_high = { value = "80 mcg", source = "bench", certainty = "own" }
lockout = { value = "6 h", source = "bench", certainty = "own" }
[entry.policy]
max_interruption = { value = "2 h", source = "bench", certainty = "own" }
"""


@pytest.mark.sr("SR-42")
def test_a_spoiled_library_of_a_user_never_allows_more_than_the_shipped_one(tmp_path: Path) -> None:
    shipped = drug_load.shipped()
    before = shipped.find("baclofen", 2_000_000)
    assert before is not None
    path = tmp_path / "own.toml"
    path.write_text(USERS)
    good = drug_load.open_library(path).find("baclofen", 2_000_000)
    assert good is not None and good.dose.hard_high == 450_000 and good.number("bolus.lockout") == 6 * 3_600_000
    cases = [case for case in spoiled(USERS, "own", 120, 0, 30) if not case[0].endswith("deep table")]
    refused = 0
    for label, raw in cases:
        path.write_bytes(raw)
        try:
            library = drug_load.open_library(path)
        except LibraryError as error:
            check_library_refusal(error, label)
            refused += 1
            continue
        assert len(library.entries) == len(shipped.entries), label
        for entry, old in zip(library.entries, shipped.entries, strict=True):
            for new_bounds, old_bounds in ((entry.dose, old.dose), (entry.bolus, old.bolus), (entry.peak, old.peak)):
                assert new_bounds.hard_high <= old_bounds.hard_high and new_bounds.soft_high <= old_bounds.soft_high, label
                assert new_bounds.hard_low >= old_bounds.hard_low and new_bounds.soft_low >= old_bounds.soft_low, label
            assert entry.number("bolus.lockout") >= old.number("bolus.lockout"), label
            assert entry.number("policy.max_interruption") <= old.number("policy.max_interruption"), label
    assert refused * 100 >= 75 * len(cases), (refused, len(cases))


# --- the whole way through the command line ------------------------------------------------------------------------------------
def sample() -> list[Case]:
    """30 prescriptions that are refused, some of every file and every kind of damage."""
    rng = random.Random(SEED)
    picked: list[Case] = []
    for label, raw in rng.sample(PRESCRIPTIONS, len(PRESCRIPTIONS)):
        if len(picked) < 30 and not accepted(raw):
            picked.append((label, raw))
    return picked


def accepted(raw: bytes) -> bool:
    """Does the independent reader find nothing wrong with the text itself? (Limits it does not know.)"""
    try:
        rx_oracle.said(tomllib.loads(raw.decode("utf-8-sig")))
    except (rx_oracle.Unreadable, ValueError, KeyError, TypeError, AttributeError, RecursionError, ZeroDivisionError):
        return False
    return True


def upload(thecal: Any, path: Path, library: "Path | None" = None) -> tuple[int, str, str]:
    """`thecal upload` to a board with a program, with a user's `library`; fails when anything on the board is not as before."""
    with board_with_program() as board, pytest.MonkeyPatch.context() as patch:
        if library:
            patch.setenv("THECAL_CONFIG_DIR", str(library.parent))
        before = (dict(board.blobs), dict(board.status), board.floor)
        code, out, err = thecal("upload", path, "--port", board.url)
        assert (dict(board.blobs), dict(board.status), board.floor) == before
        assert board.ran == [] and board.staging is None
        assert not any(request["c"] in ("stage", "activate") for request in board.requests)
    return code, out, err


@pytest.mark.sr("SR-42")
@pytest.mark.parametrize(("label", "raw"), sample(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_bad_file_changes_nothing_on_the_board(thecal: Any, tmp_path: Path, label: str, raw: bytes) -> None:
    path = tmp_path / "rx.toml"
    path.write_bytes(raw)
    code, out, err = upload(thecal, path)
    assert code == exit_codes.INVALID and out == "", label
    lines = [line for line in err.splitlines() if line and "NOT A MEDICAL DEVICE" not in line]
    assert lines[0].startswith("thecal: ") and all(": " in line and len(line) < 1500 for line in lines), err
    code, out, _err = thecal("check", path, "--json")
    assert code == exit_codes.INVALID and json.loads(out)["ok"] is False


@pytest.mark.sr("SR-42")
@pytest.mark.parametrize("text", ["", "[library]\nformat = 9\n", USERS.replace("80 mcg", "8 mg"), USERS[:-20], "\x00"])
def test_a_bad_library_of_a_user_stops_every_upload(thecal: Any, tmp_path: Path, text: str) -> None:
    """Rather no upload than one without the limits somebody meant to have."""
    path = tmp_path / "drug_library.toml"
    path.write_text(text)
    code, out, err = upload(thecal, paths.examples_dir() / "baclofen_flex_night.toml", path)
    assert code == exit_codes.INVALID and out == "" and str(path) in err


def test_there_are_enough_cases() -> None:
    """The tests above go through every one of them; each says how many it must see refused."""
    assert len(PRESCRIPTIONS) >= LEAST_CASES and len(LIBRARIES) >= 100
    assert len({raw for _label, raw in PRESCRIPTIONS + LIBRARIES}) >= LEAST_CASES + 100
