"""What an activation would change: the program that runs and the one that is staged, as the board itself reads them back.

Invariant: both programs come from the board's bytes, never from a file; every field is in it, and what gives or allows more than
now is listed apart, so that it cannot be overlooked. Nothing is opened here; texts are made in review_texts.py.
"""

from dataclasses import asdict, dataclass
from typing import Any

from thecal.core import units
from thecal.core.ledger import Ledger
from thecal_host import library_of
from thecal_host.plan import Plan
from thecal_host.prescription_warnings import warnings_for
from thecal_host.program_diff import Row, increases, overrides_text, rows
from thecal_host.program_week import DayRow, Fields, daily_nl, day_rows


@dataclass(frozen=True)
class Program:
    """A program as the board reads it back: its fields, its version on the board, its CRC, and the very bytes."""

    fields: Fields
    version: int
    crc: int
    blob: bytes


@dataclass(frozen=True)
class Titration:
    """One program's rule for raises: within `window_ms` after a raise the daily dose may be `most_ng`, counted from `from_ng`."""

    whose: str
    from_ng: int
    most_ng: int
    window_ms: int
    exceeded: bool


@dataclass(frozen=True)
class Review:
    """All that is looked at before a confirmation. Daily doses in ng, Monday to Sunday; `old_crc` 0: no program is active.
    `rises`: sentences for everything that gives or allows more; `must_stop`: therapy has to be off for this change."""

    old_crc: int
    old_version: int
    new_crc: int
    monitor_crc: int
    flex: bool
    rows: "list[Row]"
    days: "list[DayRow]"
    rises: "list[str]"
    old_daily_ng: "list[int]"
    new_daily_ng: "list[int]"
    titration: "list[Titration]"
    overrides: "list[str]"
    overrides_new: "list[str]"
    library: str
    must_stop: bool
    warnings: "list[str]"
    old_ng_per_ml: int
    new_ng_per_ml: int
    plan: "Plan | None"

    @property
    def percent_tenths(self) -> "int | None":
        """Change of a week's dose in tenths of a per cent, rounded away from 0; None where there is nothing to compare with."""
        old, new = sum(self.old_daily_ng), sum(self.new_daily_ng)
        if not old:
            return None
        return -(-(new - old) * 1000 // old) if new > old else -((old - new) * 1000 // old)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for --json; CRCs in hex."""
        found = asdict(self) | {"percent_tenths": self.percent_tenths}
        return found | {key: f"{found[key]:08x}" for key in ("old_crc", "new_crc", "monitor_crc")}


def _daily_ng(fields: Fields) -> list[int]:
    return [nl * fields["concentration_ng_per_ml"] // units.ML_NL for nl in daily_nl(fields)]


def greatest_ng(fields: Fields) -> int:
    """The greatest daily dose of a program as the titration rules count it (its safe rate too), ng."""
    most = max(*daily_nl(fields), fields["rate_nl_per_day"])
    return most * fields["concentration_ng_per_ml"] // units.ML_NL


def titration_of(old: "Fields | None", new: Fields, ledger: "Ledger | None", now_ms: int) -> list[Titration]:
    """What the rules of both programs allow the daily dose to become, as the board counts it: from the dose before the newest
    raise while that is fresh, else from the present one. Nothing for another drug, or where nothing runs."""
    if old is None or old["drug"] != new["drug"]:
        return []
    found = []
    present = greatest_ng(old)
    for whose, fields in (("active", old), ("uploaded", new)):
        window_ms, ng_per_ml = fields["raise_window_ms"], fields["concentration_ng_per_ml"]
        if not window_ms:
            continue
        fresh = ledger is not None and ledger.ref_ms > 0 and now_ms - ledger.ref_ms < window_ms
        base = ledger.ref_nl_per_day * old["concentration_ng_per_ml"] // units.ML_NL if fresh and ledger else present
        most = base + base * fields["raise_per_mille"] // 1000 + fields["raise_nl_per_day"] * ng_per_ml // units.ML_NL
        found.append(Titration(whose, base, most, window_ms, greatest_ng(new) > most))
    return found


def _ends(ledger: "Ledger | None") -> list[str]:
    """What an activation ends beside the program."""
    if ledger is None or not ledger.overlay:
        return []
    return ["the temporary or minimum rate that runs now ends with the activation."]


def make_review(
    old: "Program | None",
    new: Program,
    monitor_crc: int,
    plan: "Plan | None",
    ledger: "Ledger | None" = None,
    now_ms: int = 0,
    therapy_off: bool = True,
) -> Review:
    """The review of the staged `new` beside the active `old`. `plan` is the forecast of the new one from the board's ledger,
    where one could be made; `therapy_off` says that the board gives nothing now."""
    before = old.fields if old else None
    fields = new.fields
    other_drug = before is not None and any(before[key] != fields[key] for key in ("drug", "concentration_ng_per_ml"))
    there = before["overrides"] if before else 0
    return Review(
        old_crc=old.crc if old else 0,
        old_version=old.version if old else 0,
        new_crc=new.crc,
        monitor_crc=monitor_crc,
        flex=len(fields["week"]) == 7 or (before is not None and len(before["week"]) == 7),
        rows=rows(before, fields),
        days=day_rows(before, fields),
        rises=increases(before, fields),
        old_daily_ng=_daily_ng(before) if before else [],
        new_daily_ng=_daily_ng(fields),
        titration=titration_of(before, fields, ledger, now_ms),
        overrides=overrides_text(fields["overrides"]),
        overrides_new=overrides_text(fields["overrides"] & ~there),
        library=library_of.entry_text(fields),
        must_stop=other_drug and not therapy_off,
        warnings=[*warnings_for(fields), *_ends(ledger)],
        old_ng_per_ml=before["concentration_ng_per_ml"] if before else 0,
        new_ng_per_ml=fields["concentration_ng_per_ml"],
        plan=plan,
    )
