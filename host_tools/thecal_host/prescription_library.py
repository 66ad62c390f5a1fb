"""A prescription against the drug library: what refuses it, what must be confirmed, and what has been.

Invariant: nothing outside a hard bound and nothing that looks like a slip of unit or point gets through; a soft bound is crossed
only with its name confirmed, which sets its bit in the program's `overrides`; and nothing can be confirmed that is not crossed,
so that a later slip is not confirmed in advance. Every liquid needs an entry: water for the bench has one, and whoever uses
another one needs a library of their own responsibility.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thecal.core import program_table as table
from thecal_host.prescription_texts import TOML_KEYS, RxProblem, shown
from thecal_host.prescription_values import Reading

if TYPE_CHECKING:
    from thecal_host.drugs.entries import Library
    from thecal_host.drugs.findings import Finding

OVERRIDE_BITS = {name: bit for bit, name in table.OVERRIDES}
REASON_MAX = 200


@dataclass(frozen=True)
class SoftFinding:
    """A soft bound of the library that the program crosses. `name` is what confirms it and `bit` its bit in `overrides`; several
    findings can share them. `sentence` is all of it in one line: key, value, bound, source."""

    name: str
    bit: int
    key: str
    value: str
    limit: str
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"name": self.name, "key": self.key, "value": self.value, "limit": self.limit, "sentence": self.sentence}


@dataclass(frozen=True)
class Verdict:
    """What the library says: the entry's name, status and CRC, the library's SHA-256, every soft finding, and notes that ask for
    nothing."""

    entry: str
    status: str
    entry_crc: int
    library_hash: str
    soft: list[SoftFinding]
    notes: list[str]


def judge(reading: Reading, fields: dict[str, Any], library: "Library | None") -> "Verdict | None":
    """The verdict on `fields` (with defaults); hard findings become problems of `reading`, and there is none without an entry.
    `library` None is the shipped one, under the user's own where there is one."""
    from thecal_host.drugs import check, load

    review = check.review(fields, library or load.open_library())
    reading.problems = _merged(reading, review.hard, {_key(item.key, reading) for item in review.slips})
    entry = review.entry
    if entry is None:
        return None
    soft = [SoftFinding(item.name, item.bit, item.key, item.value, item.limit, item.text) for item in review.soft]
    notes = [f"{TOML_KEYS.get(item.key, item.key)} ({item.value}): {item.sentence}" for item in review.notes]
    return Verdict(entry.title, entry.drug.status, entry.crc, review.library_hash, soft, notes)


def _merged(reading: Reading, hard: "list[Finding]", slips: set[str]) -> list[RxProblem]:
    """The library's findings, then what the validator said that is no echo of them: of a figure (or a step of a day) that is a
    slip, of the chunk that follows from it, and of any amount where the concentration itself is wrong."""
    told: list[RxProblem] = []
    for item in hard:
        key = _key(item.key, reading)
        if item.key != "drug" or all(problem.key != key for problem in reading.problems):
            told.append(RxProblem(key, item.value, item.limit, item.sentence))
    if any(item.key == "concentration_ng_per_ml" for item in hard):
        return told
    rest = [problem for problem in reading.problems if problem.key not in slips and (problem.key != "chunk" or not slips)]
    return told + [problem for problem in rest if not any(problem.key.startswith(f"{slip}.") for slip in slips)]


def _key(field_key: str, reading: Reading) -> str:
    """Where a field stands in this file."""
    return reading.where.get(field_key) or TOML_KEYS.get(field_key) or field_key


def confirmed_mask(reading: Reading, verdict: Verdict, names: "tuple[str, ...]") -> int:
    """The bits of `overrides` that [overrides] and `names` (a person's answers) confirm. Notes a problem for each name that is
    none, or that nothing calls for, and for a reason that says nothing."""
    there = {item.name for item in verdict.soft}
    mask = 0
    for name in [*reading.extras.get(".confirm", []), *names]:
        if name not in OVERRIDE_BITS:
            hint = "write the name as `thecal check` shows it."
            reading.refuse("overrides.confirm", shown(name), ", ".join(OVERRIDE_BITS), hint)
        elif name not in there:
            limit = ", ".join(sorted(there)) or "nothing to confirm here"
            hint = "no figure crosses this soft bound; remove it, so that a later slip is not confirmed in advance."
            reading.refuse("overrides.confirm", shown(name), limit, hint)
        else:
            mask |= OVERRIDE_BITS[name]
    reason = reading.extras.get(".reason", "")
    if ".reason" in reading.extras and not (reason.strip() and len(reason) <= REASON_MAX and reason.isprintable()):
        hint = "say in one line why this soft bound is crossed."
        reading.refuse("overrides.reason", shown(reason), f"1 to {REASON_MAX} printable characters", hint)
    return mask
