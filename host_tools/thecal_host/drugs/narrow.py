"""A user's drug library over the shipped one.

Invariant: without `own_responsibility = true` (with name and reason) every program this library lets pass, the shipped one lets
pass too: each figure may only become narrower, and the shipped entry goes on being asked (`Entry.base`). With it, every entry the
file states is marked `own`, and so is every finding against it.
"""

from pathlib import Path
from typing import Any

from thecal_host.drugs import problems as names
from thecal_host.drugs.entries import Entry, Library, flaws
from thecal_host.drugs.figures import DOWN, FIGURES, SAME, UP, Figure
from thecal_host.drugs.load import Base, complete, content_hash, refuse_twice
from thecal_host.drugs.problems import LibraryError
from thecal_host.drugs.read import RawEntry, Reader

OWN_HINT = 'or set own_responsibility = true with name and reason in [library], which marks every finding as "own library".'


def lay_over(shipped: Base, path: Path, data: dict[str, Any]) -> Library:
    """The shipped library with the entries of a user's file in `data` laid over it. Raises LibraryError with every problem."""
    reader = Reader(str(path), shipped.sources, shipped.drugs, own_certainty=True).read(data)
    own = bool(reader.header.get("own_responsibility"))
    title = reader.header.get("title", "")
    for drug, facts in reader.drugs.items():
        if not own and facts != shipped.drugs.get(drug):
            hint = f"drugs of your own are your own responsibility; remove it, {OWN_HINT}"
            reader.refuse(names.NEW, f"drug.{drug}", "", "", hint)
    for source, text in shipped.sources.items():
        if reader.sources[source] != text:
            reader.refuse(
                names.DUPLICATE, f"sources.{source}", "", "", "the shipped library has a source of that name; choose another."
            )
    refuse_twice(reader)
    entries = {(entry.drug.name, entry.ng_per_ml): entry for entry in shipped.library.entries}
    for raw in reader.entries:
        below = entries.get((raw.drug, raw.ng_per_ml))
        made = _merge(reader, raw, below, title, own) if below else _new(reader, raw, shipped, title, own)
        if made:
            entries[raw.drug, raw.ng_per_ml] = made
    if reader.problems:
        raise LibraryError(reader.problems)
    library = shipped.library
    return Library(
        library.path,
        title,
        library.notice,
        content_hash([library.sha256, data]),
        tuple(entries.values()),
        f"{reader.header['name']}: {reader.header['reason']}" if own else "",
        path,
    )


def _new(reader: Reader, raw: RawEntry, shipped: Base, title: str, own: bool) -> "Entry | None":
    if not own:
        hint = f"the shipped library has no such entry; remove it, {OWN_HINT}"
        reader.refuse(names.NEW, raw.where, "", "", hint)
        return None
    return complete(reader, raw, shipped.drugs | reader.drugs, title, own=True)


def _merge(reader: Reader, raw: RawEntry, below: Entry, title: str, own: bool) -> "Entry | None":
    """The shipped entry with the figures the file states in place of its own; None, with problems, when that widens it."""
    before = len(reader.problems)
    if not own:
        ruled = below.number("titration.window") > 0
        for key, figure in raw.figures.items():
            if widens(key, figure, below.figures[key]) and (ruled or not key.startswith("titration.")):
                limit = f"{_way(key)}{below.figures[key].text} (the shipped figure)"
                reader.refuse(names.WIDENED, f"{raw.where} {key}", figure.text, limit, f"narrow it, {OWN_HINT}")
    figures = below.figures | raw.figures
    if len(reader.problems) == before:
        for name, key, value, limit, hint in flaws(figures):
            reader.refuse(name, f"{raw.where} {key}", value, limit, hint)
    if len(reader.problems) > before:
        return None
    drug = reader.drugs.get(raw.drug, below.drug)
    return Entry(drug, below.ng_per_ml, below.concentration, figures, title, own, None if own else below)


def widens(key: str, figure: Figure, shipped: Figure) -> bool:
    """True when `figure` allows something that the shipped one does not."""
    way = FIGURES[key][1]
    if way == DOWN:
        return figure.over(shipped)
    if way == UP:
        return shipped.over(figure)
    return way == SAME and figure.num != shipped.num


def _way(key: str) -> str:
    return {DOWN: "at most ", UP: "at least "}.get(FIGURES[key][1], "")
