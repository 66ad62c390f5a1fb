"""From parsed TOML to raw entries: names, kinds, amounts, sources. Invariant: nothing unknown is skipped silently, and all
problems of a file are found at once. Which figures must be there, and what they may say, is for `load` and `narrow`."""

import difflib
from dataclasses import dataclass, field
from typing import Any

from thecal.core import units
from thecal_host.drugs import problems as names
from thecal_host.drugs.entries import STATUSES, Drug
from thecal_host.drugs.figures import CERTAINTIES, FIGURES, OWN_CERTAINTIES, SECTIONS, Figure, FigureError, parse
from thecal_host.drugs.problems import LibraryProblem, shown

FORMAT = 1
TEXT_MAX = 400
DRUG_MAX = 16  # what a program can hold
NG_PER_ML_MAX = 1_000_000_000
ENTRIES_MAX = 200
HEADER = ("format", "title", "notice", "own_responsibility", "name", "reason")
PARTS = ("library", "sources", "drug", "entry")
ENTRY_KEYS = ("drug", "concentration", *SECTIONS)


@dataclass(frozen=True)
class RawEntry:
    """An entry as far as a file states it; `where` names it in sentences."""

    where: str
    drug: str
    ng_per_ml: int
    concentration: Figure
    figures: dict[str, Figure]


@dataclass
class Reader:
    """One file being read. `known_sources` and `known_drugs` come from the library below it (none for the shipped one)."""

    file: str
    known_sources: dict[str, str] = field(default_factory=dict)
    known_drugs: dict[str, Drug] = field(default_factory=dict)
    own_certainty: bool = False
    problems: list[LibraryProblem] = field(default_factory=list)
    header: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    drugs: dict[str, Drug] = field(default_factory=dict)
    entries: list[RawEntry] = field(default_factory=list)

    def refuse(self, name: str, key: str, value: str, limit: str, hint: str) -> None:
        """Keep one problem."""
        self.problems.append(LibraryProblem(name, self.file, key, value, limit, hint))

    def read(self, data: dict[str, Any]) -> "Reader":
        """Read everything in `data`; the problems stand in `problems`."""
        self._only(data, "", PARTS)
        self._read_header(self._table(data, "library", True))
        self.sources.update(self.known_sources)
        for key, text in self._table(data, "sources", False).items():
            if self._text(text, f"sources.{_quoted(key)}", TEXT_MAX):
                self.sources[key] = text
        for key in self._table(data, "drug", False):
            self._read_drug(key, data["drug"][key])
        entries = data.get("entry", [])
        if not isinstance(entries, list):
            self.refuse(names.KIND, "entry", shown(entries), "a list of [[entry]] tables", "write [[entry]] before each entry.")
            return self
        if len(entries) > ENTRIES_MAX:
            self.refuse(names.RANGE, "entry", f"{len(entries)} entries", f"at most {ENTRIES_MAX}", "this is no drug library.")
            return self
        for index, entry in enumerate(entries):
            self._read_entry(f"entry {index + 1}", entry)
        return self

    def _table(self, data: dict[str, Any], key: str, required: bool) -> dict[str, Any]:
        found = data.get(key)
        if isinstance(found, dict):
            return found
        if found is not None:
            self.refuse(names.KIND, key, shown(found), "a table", f"write [{key}] on a line of its own.")
        elif required:
            self.refuse(names.MISSING, key, "", "", f"it is missing; add [{key}].")
        return {}

    def _only(self, data: dict[str, Any], where: str, known: tuple[str, ...]) -> None:
        for key in data:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1, 0.6)
                hint = f'did you mean "{near[0]}"? ' if near else ""
                self.refuse(names.UNKNOWN, where + _quoted(key), "", "", f"unknown; {hint}Known: {', '.join(known)}.")

    def _text(self, value: Any, key: str, longest: int) -> bool:
        if not isinstance(value, str):
            self.refuse(names.KIND, key, shown(value), "a text", "put it in quotes.")
        elif not value.strip() or len(value) > longest or not (value.isascii() and value.isprintable()):
            limit = f"1 to {longest} printable ASCII characters"
            self.refuse(names.TEXT, key, shown(value), limit, "write a short plain text on one line.")
        else:
            return True
        return False

    def _read_header(self, header: dict[str, Any]) -> None:
        self._only(header, "library.", HEADER)
        for key in ("format", "title"):
            if header and key not in header:
                self.refuse(names.MISSING, f"library.{key}", "", "", f"it is missing; add {key} to [library].")
        value = header.get("format", FORMAT)
        if value is True or value != FORMAT or not isinstance(value, int):
            hint = "this version of Thecal does not know that format; update Thecal or the library."
            self.refuse(names.FORMAT, "library.format", shown(value), str(FORMAT), hint)
        for key in ("title", "notice", "name", "reason"):
            if key in header and self._text(header[key], f"library.{key}", TEXT_MAX):
                self.header[key] = header[key]
        own = header.get("own_responsibility", False)
        if not isinstance(own, bool):
            self.refuse(names.KIND, "library.own_responsibility", shown(own), "true or false", "write it without quotes.")
        elif own:
            self.header["own_responsibility"] = True
            for key in ("name", "reason"):
                if key not in header:
                    hint = f"own responsibility needs a {key}; add it to [library]."
                    self.refuse(names.MISSING, f"library.{key}", "", "", hint)

    def _read_drug(self, key: str, table: Any) -> None:
        where = f"drug.{_quoted(key)}"
        if not isinstance(table, dict):
            self.refuse(names.KIND, where, shown(table), "a table", f"write [{where}] on a line of its own.")
            return
        self._only(table, where + ".", ("status", "group", "note"))
        good = self._drug_name(key, where)
        for part in ("status", "group", "note"):
            if part not in table:
                self.refuse(names.MISSING, f"{where}.{part}", "", "", "it is missing; add it.")
                good = False
            else:
                good = self._text(table[part], f"{where}.{part}", TEXT_MAX) and good
        if good and table["status"] not in STATUSES:
            limit = ", ".join(f'"{status}"' for status in STATUSES)
            self.refuse(names.CHOICE, f"{where}.status", shown(table["status"]), limit, "write one of these words.")
        elif good:
            self.drugs[key] = Drug(key, table["status"], table["group"], table["note"])

    def _drug_name(self, name: Any, key: str) -> bool:
        if not self._text(name, key, DRUG_MAX):
            return False
        if name != name.strip().lower():
            self.refuse(names.TEXT, key, shown(name), "lower case, no spaces around it", "write it in lower case.")
            return False
        return True

    def _read_entry(self, where: str, entry: Any) -> None:
        if not isinstance(entry, dict):
            self.refuse(names.KIND, where, shown(entry), "a table", "write [[entry]] on a line of its own.")
            return
        drug = entry.get("drug")
        figure = entry.get("concentration")
        told = figure.get("value") if isinstance(figure, dict) else None
        if isinstance(drug, str) and isinstance(told, str):
            where = f"{_quoted(drug)} {shown(told)[1:-1]}"
        self._only(entry, where + " ", ENTRY_KEYS)
        good = self._present(entry, "drug", where) and self._drug_name(drug, where + " drug")
        if good and drug not in self.drugs and drug not in self.known_drugs:
            known = ", ".join([*self.known_drugs, *self.drugs])
            self.refuse(names.UNKNOWN, where + " drug", shown(drug), known, f"add [drug.{drug}] with status, group and note.")
            good = False
        concentration = None
        if self._present(entry, "concentration", where):
            concentration = self._figure(where, "concentration", (units.CONCENTRATION,), figure)
        if concentration and not (concentration.num % concentration.den == 0 and 1 <= concentration.whole <= NG_PER_ML_MAX):
            limit = "whole ng/mL, at most 1 g/mL"
            self.refuse(names.RANGE, where + " concentration", concentration.text, limit, "give another concentration.")
            concentration = None
        figures = self._figures(where, entry)
        if good and concentration:
            assert isinstance(drug, str)
            self.entries.append(RawEntry(where, drug, concentration.whole, concentration, figures))

    def _present(self, entry: dict[str, Any], key: str, where: str) -> bool:
        if key not in entry:
            self.refuse(names.MISSING, f"{where} {key}", "", "", "it is missing; add it to the [[entry]].")
        return key in entry

    def _figures(self, where: str, entry: dict[str, Any]) -> dict[str, Figure]:
        figures: dict[str, Figure] = {}
        for section in SECTIONS:
            table = entry.get(section, {})
            if not isinstance(table, dict):
                self.refuse(
                    names.KIND, f"{where} {section}", shown(table), "a table", f"write [entry.{section}] on its own line."
                )
                continue
            self._only(table, f"{where} {section}.", tuple(key.split(".")[1] for key in FIGURES if key.startswith(section + ".")))
            for name, value in table.items():
                key = f"{section}.{name}"
                figure = self._figure(where, key, FIGURES[key][0], value) if key in FIGURES else None
                if figure:
                    figures[key] = figure
        return figures

    def _figure(self, where: str, key: str, kind: Any, table: Any) -> "Figure | None":
        place = f"{where} {key}"
        parts = ("value", "source", "certainty")
        if not isinstance(table, dict):
            hint = 'every figure says where it is from: { value = "1 mg", source = "bench", certainty = "GK" }.'
            self.refuse(names.KIND, place, shown(table), "value, source and certainty", hint)
            return None
        before = len(self.problems)
        self._only(table, place + ".", parts)
        for part in parts:
            if part not in table:
                self.refuse(
                    names.MISSING, f"{place}.{part}", "", "", "it is missing; every figure has value, source and certainty."
                )
            else:
                self._text(table[part], f"{place}.{part}", TEXT_MAX)
        if len(self.problems) > before:
            return None
        value, source, certainty = (table[part] for part in parts)
        certainties = OWN_CERTAINTIES if self.own_certainty else CERTAINTIES
        if source not in self.sources:
            self.refuse(names.UNKNOWN, f"{place}.source", shown(source), ", ".join(self.sources), "add it to [sources].")
        if certainty not in certainties:
            limit = ", ".join(f'"{word}"' for word in certainties)
            self.refuse(names.CHOICE, f"{place}.certainty", shown(certainty), limit, "write one of these words.")
        try:
            num, den = parse(kind, value)
        except FigureError as error:
            self.refuse(names.AMOUNT, place, shown(value), error.limit, error.hint)
            return None
        return None if len(self.problems) > before else Figure(key, value, num, den, source, self.sources[source], certainty)


def _quoted(key: str) -> str:
    """A key that came from a file, safe to show on one line."""
    return key if key.isascii() and key.isprintable() and 0 < len(key) <= 40 else shown(key)
