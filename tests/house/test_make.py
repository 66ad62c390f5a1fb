"""The Makefile and the lock files: every target explained, everything pinned by hash, help without any set-up."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = "help setup demo test check bench emulate soak typings lock wheel clean".split()


def run_make(*words: str) -> "subprocess.CompletedProcess[str]":
    env = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "PICO_UF2")}
    return subprocess.run(["make", "--no-print-directory", *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def explained(makefile: str) -> "tuple[set[str], set[str]]":
    """Return (targets a user can name, those with a ## sentence)."""
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    named = set(phony.group(1).split()) if phony else set()
    named -= {name for name in named if name.endswith("-ok")}  # guards, not for users
    return named, set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))


def test_every_target_has_its_sentence() -> None:
    named, with_sentence = explained((ROOT / "Makefile").read_text())
    assert named == with_sentence == set(TARGETS)


def test_a_target_without_a_sentence_would_be_found() -> None:
    named, with_sentence = explained(".PHONY: a b c-ok\na: ## What it does\nb:\n")
    assert (named, with_sentence) == ({"a", "b"}, {"a"})


def test_make_alone_prints_every_target() -> None:
    run = run_make()
    assert run.returncode == 0, run.stderr
    for target in TARGETS:
        assert re.search(rf"^  make {target} +\S", run.stdout, re.MULTILINE), target
    assert "Not a medical device" in run.stdout


def test_an_old_python_gets_a_sentence() -> None:
    run = run_make("python-ok", "PYTHON=no-such-python")
    assert run.returncode == 2
    assert "Thecal needs Python 3.11 or newer" in run.stdout


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-stubs-rp2.lock"])
def test_everything_in_a_lock_is_pinned_by_hash(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==[^ ]+ ", entry), entry
        assert "--hash=sha256:" in entry


def test_the_lock_names_all_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = project["dependencies"] + [one for name in ("plot", "virtual", "emulator", "dev") for one in extras[name]]
    names = {re.split(r"[<>=;\[ ]", one)[0] for one in asked}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert names <= locked
