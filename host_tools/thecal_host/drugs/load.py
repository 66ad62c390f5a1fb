"""Opening the drug library: the shipped one against its hash, then a user's own over it.

Invariant: a Library handed out is whole: every entry has every figure, bounds in order, and the shipped data say exactly what
drug_library.sha256 was made of. Anything else is a LibraryError with a named problem.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from thecal_host import paths
from thecal_host.drugs import problems as names
from thecal_host.drugs.entries import Drug, Entry, Library, canonical, flaws
from thecal_host.drugs.figures import FIGURES
from thecal_host.drugs.problems import LibraryError, LibraryProblem, shown
from thecal_host.drugs.read import RawEntry, Reader
from thecal_host.toml_file import TomlFileError, read_toml

USER_FILE = "drug_library.toml"
HASH_SUFFIX = ".sha256"


@dataclass(frozen=True)
class Base:
    """The shipped library with what a user's own builds on."""

    library: Library
    sources: dict[str, str]
    drugs: dict[str, Drug]


def config_dir() -> Path:
    """Where a user's drug_library.toml is looked for: THECAL_CONFIG_DIR, else the user's configuration folder."""
    given = os.environ.get("THECAL_CONFIG_DIR")
    if given:
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_config_dir("thecal", appauthor=False))


def open_library(user: "str | Path | None" = None) -> Library:
    """The shipped library, under the user's own where there is one: the file `user`, else drug_library.toml in `config_dir()`.
    Raises LibraryError."""
    base = open_base(paths.drug_library_file())
    path = Path(user) if user else config_dir() / USER_FILE
    if not user and not path.exists():
        return base.library
    from thecal_host.drugs.narrow import lay_over

    return lay_over(base, path, read_data(path))


def shipped() -> Library:
    """The library that comes with Thecal, whatever the user has. Raises LibraryError."""
    return open_base(paths.drug_library_file()).library


@lru_cache(maxsize=4)
def open_base(path: Path) -> Base:
    """The complete library in `path` (read once), checked against the .sha256 file beside it. Raises LibraryError."""
    data = read_data(path, True)
    reader = Reader(str(path)).read(data)
    if not reader.problems and not reader.entries:
        reader.refuse(names.MISSING, "entry", "", "", "there is no [[entry]] at all; restore the file.")
    if reader.header.get("own_responsibility"):
        reader.refuse(names.RULE, "library.own_responsibility", "true", "false", "only a user's library can be that.")
    title = reader.header.get("title", "")
    entries = [entry for raw in reader.entries if (entry := complete(reader, raw, reader.drugs, title))]
    refuse_twice(reader)
    if reader.problems:
        raise LibraryError(reader.problems)
    library = Library(path, title, reader.header.get("notice", ""), content_hash(data), tuple(entries))
    return Base(library, reader.sources, reader.drugs)


def read_data(path: Path, hash_needed: bool = False) -> dict[str, Any]:
    """The TOML in `path`, checked against the hash file beside it, which may be absent unless `hash_needed`. Raises
    LibraryError."""
    try:
        data = read_toml(path, "drug library")
    except TomlFileError as error:
        raise _error(names.FILE, path, "", "", "", str(error).removeprefix(f"{path} ")) from None
    side = path.with_name(path.stem + HASH_SUFFIX)
    try:
        found = content_hash(data)
    except RecursionError:
        raise _error(names.FILE, path, "", "", "", "its tables are nested too deep.") from None
    try:
        with side.open("rb") as file:
            wanted = file.read(200).decode("ascii", "replace").strip()
    except FileNotFoundError:
        if hash_needed:
            raise _error(names.HASH, path, "sha256", "", f"the hash in {side}", "that file is missing; restore it.") from None
        return data
    except OSError as error:
        raise _error(names.HASH, path, "sha256", "", f"the hash in {side}", f"it cannot be read: {error.strerror}.") from None
    if wanted != found:
        hint = "the library was changed or damaged; restore it. After a change that is meant, write the new hash there."
        raise _error(names.HASH, path, "sha256", found, f"{shown(wanted)} ({side})", hint)
    return data


def content_hash(data: Any) -> str:
    """The SHA-256 of what a library says, as 64 hex digits; spaces, comments and the order of keys do not count."""
    return hashlib.sha256(canonical(data)).hexdigest()


def complete(reader: Reader, raw: RawEntry, drugs: dict[str, Drug], title: str, own: bool = False) -> "Entry | None":
    """The entry of `raw` when every figure is there and in order; None, with problems kept in `reader`, otherwise."""
    missing = [key for key in FIGURES if key not in raw.figures]
    before = len(reader.problems)
    for key in missing:
        if not any(problem.key.startswith(f"{raw.where} {key}") for problem in reader.problems):
            reader.refuse(names.MISSING, f"{raw.where} {key}", "", "", f"it is missing ({FIGURES[key][2]}); add it.")
    if missing:
        return None
    for name, key, value, limit, hint in flaws(raw.figures):
        reader.refuse(name, f"{raw.where} {key}", value, limit, hint)
    if len(reader.problems) > before:
        return None
    figures = {key: raw.figures[key] for key in FIGURES}
    return Entry(drugs[raw.drug], raw.ng_per_ml, raw.concentration, figures, title, own)


def refuse_twice(reader: Reader) -> None:
    """Every drug and concentration that is stated more than once is a problem."""
    seen: set[tuple[str, int]] = set()
    for raw in reader.entries:
        if (raw.drug, raw.ng_per_ml) in seen:
            reader.refuse(names.DUPLICATE, raw.where, "", "", "this drug and concentration is there twice; remove one.")
        seen.add((raw.drug, raw.ng_per_ml))


def _error(name: str, path: Path, key: str, value: str, limit: str, hint: str) -> LibraryError:
    return LibraryError([LibraryProblem(name, str(path), key, value, limit, hint)])
