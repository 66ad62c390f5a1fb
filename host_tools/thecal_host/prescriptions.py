"""Prescription files: TOML with amounts as people write them, made into the checked program of one board.

Invariant: a Prescription handed out has passed the same validator the board uses, against that board's part, and the drug
library, which refuses what is outside its hard bounds; every figure in it is exact, or its rounding (never more than 0.1 %)
stands in `conversions`. A soft bound it crosses stands in `soft`, and its bit in `overrides` only once it was confirmed: who
uploads refuses while `unconfirmed` is not empty. All problems of a file are found at once. Bench use only: not a medical
device.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal.core import prescription as rx
from thecal.core import program_table as table
from thecal.core import units
from thecal.core.schedule import Schedule
from thecal_host import prescription_library as libraries
from thecal_host.prescription_library import SoftFinding, Verdict
from thecal_host.prescription_schema import SCHEMA, check_names, read_sections
from thecal_host.prescription_texts import RxProblem, explain
from thecal_host.prescription_values import Conversion, Reading
from thecal_host.prescription_warnings import warnings_for
from thecal_host.toml_file import TomlFileError, read_toml

if TYPE_CHECKING:
    from thecal_host.drugs.entries import Library

__all__ = ["SCHEMA", "Conversion", "Prescription", "PrescriptionError", "SoftFinding", "from_data", "load", "warnings_for"]

Fields = dict[str, Any]


class PrescriptionError(ValueError):
    """A prescription that cannot be used; `problems` are all of them, the text is their sentences, one a line."""

    def __init__(self, problems: list[RxProblem]) -> None:
        super().__init__("\n".join(problem.sentence for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Prescription:
    """A checked program: the fields (with defaults), its bytes (version 0), the CRC that names it, what people should see of its
    making, and what the drug library said. `reason` is why its soft bounds are crossed, as the file has it."""

    path: Path
    fields: Fields
    blob: bytes
    crc: int
    conversions: list[Conversion]
    warnings: list[str]
    library: Verdict
    reason: str

    @property
    def soft(self) -> list[SoftFinding]:
        """Every soft bound of the library that this program crosses, confirmed or not."""
        return self.library.soft

    @property
    def overrides(self) -> int:
        """The bits of the soft bounds that were confirmed."""
        return int(self.fields["overrides"])

    @property
    def unconfirmed(self) -> list[SoftFinding]:
        """The soft bounds that nobody has confirmed yet. A program with any of them is not for upload."""
        return [item for item in self.soft if not item.bit & self.overrides]

    def confirmed(self, names: "tuple[str, ...]") -> "Prescription":
        """This prescription with the soft bounds called `names` confirmed too: other overrides, other bytes, other CRC.
        PrescriptionError where a name is none of `soft`."""
        mask = libraries.confirmed_mask(reading := Reading(), self.library, names)
        if reading.problems:
            raise PrescriptionError(reading.problems)
        fields = {**self.fields, "overrides": self.overrides | mask}
        blob = rx.pack(fields)
        return replace(self, fields=fields, blob=blob, crc=rx.program_crc(blob))


def load(
    path: str | Path, part: dict[str, int], library: "Library | None" = None, confirmed: "tuple[str, ...]" = ()
) -> Prescription:
    """The prescription in the file `path` for the board's `part` (boards.BoardFile.part), reviewed by `library` (None: the
    shipped one, under the user's own where there is one). `confirmed` are names of soft bounds confirmed elsewhere than in the
    file. Raises PrescriptionError; a library that is damaged raises its own LibraryError."""
    try:
        data = read_toml(Path(path), "prescription file")
    except TomlFileError as error:
        raise PrescriptionError([RxProblem("file", "not usable", "a TOML file of at most 64 KiB", str(error))]) from None
    return from_data(data, part, Path(path), library, confirmed)


def from_data(
    data: dict[str, Any],
    part: dict[str, int],
    path: Path,
    library: "Library | None" = None,
    confirmed: "tuple[str, ...]" = (),
) -> Prescription:
    """The prescription in parsed TOML. Raises PrescriptionError with every problem, in the order of the schema."""
    reading = Reading()
    check_names(data, reading)
    read_sections(data, reading)
    fields = reading.fields
    fields["step_pl_per_million"] = part["step_pl_per_million"]
    _choose_chunk(reading, part)
    readable = not reading.problems
    for problem in rx.validate(fields, part):
        if not _known(problem, reading):
            reading.problems.append(explain(problem, reading.written, reading.where))
    _check_speed(reading, part)
    full = rx.with_defaults(fields)
    verdict = libraries.judge(reading, full, library) if readable else None
    if verdict is not None:
        full["library_crc"] = verdict.entry_crc
        full["overrides"] = libraries.confirmed_mask(reading, verdict, confirmed)
    if reading.problems or verdict is None:
        raise PrescriptionError(reading.problems)
    blob = rx.pack(full)
    reason = str(reading.extras.get(".reason", ""))
    warnings = warnings_for(full) + verdict.notes
    return Prescription(path, full, blob, rx.program_crc(blob), reading.conversions, warnings, verdict, reason)


def _known(problem: table.Problem, reading: Reading) -> bool:
    """Is this problem of the validator only the echo of one that has been told already?"""
    partners = {
        table.PATIENT_DURATION: {"patient_bolus_nl", "patient_bolus_ms"},
        table.RAISE_FIELDS: {"raise_per_mille", "raise_nl_per_day", "raise_window_ms"},
    }.get(problem.code, set())
    if problem.key == "week" or problem.key.startswith("day_"):
        partners = {"week", "mode"}
    return bool(({problem.key} | partners) & reading.failed)


def _choose_chunk(reading: Reading, part: dict[str, int]) -> None:
    """The chunk follows from the fullest day (of a flex program), which is what flash life hangs on."""
    fields = reading.fields
    rate = fields.get("rate_nl_per_day")
    if "week" in fields:
        rate = max(Schedule(fields).daily_max_nl(), reading.number("rate_nl_per_day"))
    if isinstance(rate, int) and fields.get("mode") in (table.MODE_CONTINUOUS, table.MODE_FLEX) and not _no_week(reading):
        fields["chunk_nl"] = rx.chunk_for(rate, part["step_pl_per_million"])
    else:
        reading.failed.add("chunk_nl")


def _no_week(reading: Reading) -> bool:
    """A flex program whose days could not be read."""
    return reading.fields.get("mode") == table.MODE_FLEX and "week" not in reading.fields


def _check_speed(reading: Reading, part: dict[str, int]) -> None:
    """Can the motor give the patient's bolus in its time, beside the fastest basal? The board would refuse it every time."""
    volume, time_ms = reading.number("patient_bolus_nl"), reading.number("patient_bolus_ms")
    if not volume or not time_ms or {"patient_bolus_nl", "patient_bolus_ms"} & reading.failed:
        return
    most_per_s = part["max_steps_per_s"] * part["step_pl_per_million"] // rx.PL_PER_MILLION_IN_NL
    room = most_per_s - -(-reading.number("max_rate_nl_per_day") // rx.DAY_S)
    if -(-volume * 1000 // time_ms) > room:
        least = units.format_ms(-(-volume // max(room, 1)) * 1000)
        hint = f"{units.format_volume(volume)} in this time is faster than the motor of this board beside basal; give it longer."
        value = f'"{reading.written["patient_bolus_ms"]}"'
        reading.refuse("patient_bolus.duration", value, f"at least {least}", hint, "patient_bolus_ms")
