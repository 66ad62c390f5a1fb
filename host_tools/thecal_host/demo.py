"""The demonstration: a fresh virtual board is flashed by real mpremote, plays the reference day, hands its log back, and the
pictures are drawn.

Invariant: everything is done through the same doors a user has (flash, link, log store, plots), in a temporary folder that is
removed; what is claimed at the end is compared with the plant's truth, which no part of the firmware can see.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thecal_host import boards, paths, plotting, scenario
from thecal_host.demo_acts import Row
from thecal_host.demo_verdict import judge
from thecal_host.flashing.run import Flashed, flash
from thecal_host.link.client import Client
from thecal_host.logs import export, pull, series
from thecal_host.logs.errors import StorageError, os_sentence
from thecal_host.logs.store import Store
from thecal_host.reference_day import EXAMPLE
from thecal_host.scenario import Played
from thecal_host.virtual import launch
from thecal_host.virtual.registry import RunningBoard

NAME = "demo"
RECORDS, CURVES, PICTURE = "log.csv", "curves.csv", "delivery"

Progress = Callable[[str, int, int], None]  # what is going on, done, total (0: no end known)


@dataclass
class Demo:
    """What the demonstration did: the installation, the day, the series from the pulled log, the verdict, and the files it
    wrote."""

    engine: str
    notice: str
    flashed: Flashed
    played: Played
    series: series.Series
    rows: list[Row] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """No check failed."""
        return all(row.passed is not False for row in self.rows)


@contextmanager
def a_board(engine: str, folder: Path) -> Iterator[RunningBoard]:
    """A fresh virtual board whose registry and image are in `folder`; stopped at the end whatever happens."""
    before = os.environ.get("THECAL_STATE_DIR")
    os.environ["THECAL_STATE_DIR"] = str(folder)
    try:
        board = launch.start(NAME, engine=engine)
        try:
            yield board
        finally:
            launch.stop(NAME)
    finally:
        if before is None:
            del os.environ["THECAL_STATE_DIR"]
        else:
            os.environ["THECAL_STATE_DIR"] = before


def run(out: Path, engine: str = "auto", progress: "Progress | None" = None) -> Demo:
    """Play it all and write CSV and pictures into `out`. FlashError, LinkError, VirtualError, StorageError, ScenarioError."""
    began = time.monotonic()
    tell = progress or (lambda _what, _done, _total: None)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(os_sentence(f"The folder {out} could not be made", error)) from error
    with tempfile.TemporaryDirectory(prefix="thecal-demo-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        tell("Starting a virtual board", 0, 0)
        with a_board(engine, folder) as board:
            flashed = flash(board.port, progress=tell, provision=False)
            played = scenario.play(
                board,
                str(paths.examples_dir() / EXAMPLE),
                progress=lambda now, end, what: tell(f"Playing the day: {what}", now, end),
            )
            tell("Pulling the log", 0, 0)
            with Client(board.port) as client, Store(folder / "logs.sqlite3") as store:
                pulled = pull.pull(client, store, lambda done, total: tell("Pulling the log", done, total))
                raws = store.records(pulled.board)
    step_pl = int(boards.load("virtual").config["mechanics"]["step_pl_per_million"])
    demo = Demo(board.engine, board.notice, flashed, played, series.build(raws, step_pl))
    _write(demo, out, pulled.board, raws, step_pl, tell)
    demo.seconds = time.monotonic() - began
    demo.rows = judge(flashed, demo.played, demo.series, raws, demo.seconds)
    return demo


def _write(demo: Demo, out: Path, board: str, raws: list[bytes], step_pl: int, tell: Progress) -> None:
    """The CSV files, and the pictures where matplotlib is installed."""
    for name, text in ((RECORDS, export.records_csv(board, raws, step_pl)), (CURVES, export.curves_csv(demo.series))):
        export.write_atomic(out / name, text.encode())
        demo.files.append(out / name)
    title = f"{demo.played.prescription.fields['name']}: the reference day on a virtual board"
    for ending in ("svg", "png"):
        tell("Drawing", 0, 0)
        path = out / f"{PICTURE}.{ending}"
        try:
            plotting.save(demo.series, path, title)
        except plotting.PlotUnavailable as error:
            demo.notice = f"{demo.notice} {error}".strip()
            return
        demo.files.append(path)


def as_data(demo: Demo) -> dict[str, Any]:
    """For --json."""
    truth, before = demo.played.truth, demo.played.truth_before
    low, high = demo.series.delivered_nl
    return {
        "ok": demo.passed,
        "engine": demo.engine,
        "notice": demo.notice,
        "firmware": demo.flashed.firmware,
        "checks": [{"what": row.what, "passed": row.passed, "seen": row.seen} for row in demo.rows],
        "programmed_nl": demo.series.programmed_nl,
        "delivered_nl": [low, high],
        "true_nl": truth["delivered_nl"] - before["delivered_nl"],
        "true_steps": truth["edges"] - before["edges"],
        "files": [str(path) for path in demo.files],
        "seconds": round(demo.seconds, 2),
    }
