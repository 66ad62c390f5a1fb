"""CSV files from the log. Invariant: a file is written beside its place and renamed, so a reader sees the old one or the new
one whole; the first line names every column with its unit, and no value of a record is left out.
"""

import csv
import io
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from thecal.core.events import FIELDS, unpack_record
from thecal_host import record_texts, walls
from thecal_host.logs.clock import wall_times
from thecal_host.logs.errors import StorageError, os_sentence
from thecal_host.logs.series import Series

RECORD_COLUMNS = (
    "board",
    "sequence",
    "boot",
    "board_time_ms",
    "wall_time_utc",
    "event_code",
    "event",
    "a_is",
    "a",
    "b_is",
    "b",
    "c_is",
    "c",
    "detail_is",
    "detail",
    "sentence",
)
CURVE_COLUMNS = ("board_time_ms", "programmed_nl_per_day", "programmed_nl", "delivered_min_nl", "delivered_max_nl")
_UNKNOWN = ("", "a", "b", "c", "detail")


def write_atomic(path: Path, data: bytes) -> None:
    """Put `data` into `path`, whole or not at all. StorageError with a sentence when that fails."""
    tmp = ""
    try:
        handle, tmp = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(tmp, 0o644)
        os.replace(tmp, path)
    except OSError as error:
        if tmp:
            Path(tmp).unlink(missing_ok=True)
        raise StorageError(os_sentence(f"{path} could not be written", error)) from error


def records_csv(board: str, raws: Iterable[bytes], step_pl_per_million: "int | None" = None) -> str:
    """All records as CSV text, with the wall-clock time where the log tells it; damaged ones appear as a line that says so, with
    their bytes in hex."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(RECORD_COLUMNS)
    kept = list(raws)
    records = [unpack_record(raw) for raw in kept]
    for raw, record, unix_ms in zip(kept, records, wall_times(records), strict=True):
        if record is None:
            writer.writerow((board, "", "", "", "", "", "damaged", *([""] * 8), raw.hex()))
            continue
        name, a_is, b_is, c_is, detail_is = FIELDS.get(record.code, _UNKNOWN)
        when = "" if unix_ms is None else walls.utc(unix_ms)
        row = [board, record.seq, record.boot, record.t_ms, when, record.code, name]
        row += [a_is, record.a, b_is, record.b, c_is, record.c]
        writer.writerow([*row, detail_is, record.detail, record_texts.record_sentence(record, step_pl_per_million)])
    return out.getvalue()


def curves_csv(series: Series) -> str:
    """Programmed and delivered volume over board time: a line for every moment at which one of them has a point."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CURVE_COLUMNS)
    moments = sorted({point.t_ms for point in series.programmed} | {point.t_ms for point in series.delivered})
    delivered = {point.t_ms: point for point in series.delivered}
    rates = {point.t_ms: point.rate_nl_per_day for point in series.programmed}
    rate = low = high = 0
    for t_ms in moments:
        rate = rates.get(t_ms, rate)
        if t_ms in delivered:
            low, high = delivered[t_ms].min_nl, delivered[t_ms].max_nl
        writer.writerow((t_ms, rate, series.programmed_at(t_ms), low, high))
    return out.getvalue()
