"""`thecal library`: the drug library, every figure with its source, and a check of a library file. Invariant: it changes nothing
and talks to no board."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import JsonOption, banner, columns_text, emit
from thecal_host.cli.failures import CliError
from thecal_host.cli.lazy import HELP_NAMES, PLAIN

if TYPE_CHECKING:
    from thecal_host.drugs.entries import Entry, Library

app = typer.Typer(
    help="Show the drug library and check a library of your own.",
    invoke_without_command=True,
    context_settings=HELP_NAMES,
    **PLAIN,
)
LibraryOption = Annotated[
    str, typer.Option("--library", metavar="FILE", help="A drug library of your own (.toml) over the shipped one.")
]
HEADS = ("DRUG", "CONCENTRATION", "STATUS", "SOFT DOSE", "HARD DOSE", "SOFT BOLUS", "HARD BOLUS", "ON FAULT", "CRC")


@app.callback()
def library(context: typer.Context, user: LibraryOption = "", as_json: JsonOption = False) -> None:
    """List every entry: a drug at one concentration with its bounds. Soft bounds need a confirmation, hard ones refuse."""
    if context.invoked_subcommand is None:
        _list(_open(user, as_json), as_json)
    else:
        context.obj = (user, as_json)


@app.command()
def show(
    context: typer.Context,
    drug: Annotated[str, typer.Argument(metavar="DRUG", help="Name of the drug.")],
    concentration: Annotated[
        str, typer.Argument(metavar="[CONCENTRATION]", help='Only this concentration, like "2000 mcg/mL".')
    ] = "",
    user: LibraryOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show all figures of a drug with their source and certainty."""
    before_user, before_json = context.obj or ("", False)
    as_json = as_json or before_json
    opened = _open(user or before_user, as_json)
    chosen = _chosen(opened, drug, concentration)
    facts = chosen[0].drug
    data = {"ok": True, **_about(opened), "entries": [entry.as_dict() for entry in chosen]}
    lines = [f"{facts.name}: {facts.status}. {facts.group[0].upper()}{facts.group[1:]}. {facts.note}"]
    for entry in chosen:
        lines += ["", *_figures(entry)]
    lines += ["", "Sources:", *_sources(chosen), *_foot(opened)]
    emit(as_json, data, "\n".join(lines))


@app.command()
def check(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A drug library of your own (.toml).")],
    as_json: JsonOption = False,
) -> None:
    """Check a drug library of your own: is it whole, does it only narrow the shipped one, and what does it change?"""
    as_json = as_json or (context.obj or ("", False))[1]
    opened = _open(file, as_json)
    from thecal_host.drugs.load import shipped

    changes = [change for entry in opened.entries for change in _changes(entry, shipped())]
    lines = [f"{place}: {old} becomes {new}" for place, old, new in changes]
    lines.append(f"{file} is valid; it changes {len(changes)} figure{'' if len(changes) == 1 else 's'} of the shipped library.")
    data = {
        "ok": True,
        **_about(opened),
        "changes": [{"figure": place, "shipped": old, "own": new} for place, old, new in changes],
    }
    emit(as_json, data, "\n".join([*lines, *_foot(opened)]))


def _open(user: str, as_json: bool) -> "Library":
    from thecal_host.drugs.load import open_library

    banner(as_json)
    return open_library(user)


def _chosen(opened: "Library", drug: str, concentration: str) -> "list[Entry]":
    from thecal.core import units
    from thecal_host.drugs.unknown import no_entry

    ng_per_ml = units.whole(units.parse(concentration, (units.CONCENTRATION,))).value if concentration else 0
    found = opened.of_drug(drug)
    chosen = [entry for entry in found if not ng_per_ml or entry.ng_per_ml == ng_per_ml]
    if found and not chosen:
        known = ", ".join(entry.concentration.text for entry in found)
        raise CliError(exit_codes.INVALID, f"{drug} {concentration} is not in the drug library. Known: {known}.")
    if not chosen:
        finding = no_entry(drug, ng_per_ml, opened)[0]
        raise CliError(exit_codes.INVALID, f"{finding.value}: {finding.sentence} Known: {finding.limit}.")
    return chosen


def _list(opened: "Library", as_json: bool) -> None:
    rows = [
        (
            entry.drug.name,
            entry.concentration.text,
            entry.drug.status + (" (own)" if entry.own else " (narrowed)" if entry.base else ""),
            *(_between(entry, section, end) for section in ("dose", "bolus") for end in ("soft", "hard")),
            entry.fault_policy,
            f"{entry.crc:08x}",
        )
        for entry in opened.entries
    ]
    text = "\n".join([columns_text(HEADS, rows), "", *_foot(opened)])
    emit(as_json, {"ok": True, **_about(opened), "entries": [entry.as_dict() for entry in opened.entries]}, text)


def _between(entry: "Entry", section: str, end: str) -> str:
    """Text like "50 to 1000 mcg/day"; both units where they differ."""
    low, high = (entry.figures[f"{section}.{end}_{side}"].text for side in ("low", "high"))
    number, _space, unit = low.partition(" ")
    return f"{number if high.endswith(' ' + unit) else low} to {high}"


def _figures(entry: "Entry") -> list[str]:
    from thecal_host.drugs.figures import FIGURES

    own = f', from "{entry.origin}"' if entry.own or entry.base else ""
    figure = entry.concentration
    rows = [("concentration", figure.text, figure.certainty, figure.source, "")]
    rows += [(key, figure.text, figure.certainty, figure.source, FIGURES[key][2]) for key, figure in entry.figures.items()]
    title = f"{entry.title} (entry {entry.crc:08x}{own})"
    return [title, columns_text(("FIGURE", "VALUE", "CERTAINTY", "SOURCE", "MEANING"), rows)]


def _sources(entries: "list[Entry]") -> list[str]:
    cited = {}
    for entry in entries:
        for figure in (entry.concentration, *entry.figures.values()):
            cited[figure.source] = figure.cited
    return [f"  {name}: {text}" for name, text in sorted(cited.items())]


def _changes(entry: "Entry", below: "Library") -> list[tuple[str, str, str]]:
    """(figure, shipped text, own text) of everything an entry changes."""
    old = below.find(entry.drug.name, entry.ng_per_ml)
    if old is None:
        return [(f"{entry.title} {key}", "nothing", figure.text) for key, figure in entry.figures.items()]
    return [
        (f"{entry.title} {key}", old.figures[key].text, figure.text)
        for key, figure in entry.figures.items()
        if figure.num * old.figures[key].den != old.figures[key].num * figure.den
    ]


def _about(opened: "Library") -> dict[str, Any]:
    return {
        "title": opened.title,
        "notice": opened.notice,
        "sha256": opened.sha256,
        "user_library": str(opened.user_path) if opened.user_path else None,
        "own_responsibility": opened.responsible or None,
    }


def _foot(opened: "Library") -> list[str]:
    lines = ["label: read in the prescribing information; consensus: an expert panel; GK: general knowledge, never rely on it."]
    if opened.responsible:
        lines.append(f"OWN RESPONSIBILITY: {opened.responsible}")
    where = f", {opened.user_path}" if opened.user_path else ""
    return [*lines, f"{opened.title}{where}; sha256 {opened.sha256}", opened.notice]
