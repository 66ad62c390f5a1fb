"""`make bench`: the numbers to hold, each with its target, today's figure
and met or missed. Nothing here is a test and nothing is timed in CI.

Invariant: every figure is measured in this run by the function its row names; a row that cannot be measured here says why and
counts as neither met nor missed. Exit 1 when one is missed. Not a medical device.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests"))

from thecal_host.dev import bench_board, bench_pico, bench_process, bench_pump

NOT_HERE = "not measured: needs a Pico, real or emulated"


@dataclass(frozen=True)
class Row:
    """One number: what, its target in words, and the function that measures it: (figure in words, met)."""

    what: str
    target: str
    measure: "Callable[[], tuple[str, bool]] | None"


def rows() -> list[Row]:
    """The table of firmware/DESIGN.md, `Numbers to hold`, in its order."""
    board = bench_board.BoardBench()
    pico = bool(bench_pico.port())
    return [
        Row("cumulative volume error, any rate, any time", "< 1 microstep", bench_pump.volume_error),
        Row("mean step rate under flash writes, GC, traffic", "<= 1 ppm, 0 lost, 0 extra", None),
        Row("step period deviation under the same loads", "<= 6 us peak to peak", None),
        Row("steps after a CPU hang", "<= 1 lease", bench_pump.steps_after_hang),
        Row("steps after Ctrl-C", "0 (Ctrl-C is data)", board.steps_after_ctrl_c),
        Row("steps missed by a change of schedule", "0", bench_pump.steps_missed_by_activation),
        Row("log pull, emulated Pico (USB full speed)", ">= 200 kB/s", bench_pico.log_pull if pico else None),
        Row("log pull of 10,000 records, MicroPython VM", "<= 3 s", board.log_pull),
        Row("24 h at 1 mL/day with boluses, CPython", "<= 4 s", lambda: board.day("cpython", 4.0)),
        Row("24 h at 1 mL/day with boluses, MicroPython VM", "<= 8 s", lambda: board.day("micropython", 8.0)),
        Row("over-count / under-count after a power cut, worst of 60", "<= 1 chunk / 0", bench_pump.power_cuts),
        Row("flash life at the shipped examples", ">= 10 years", bench_pump.flash_life),
        Row("heap the firmware needs in the VM, plant not counted", "<= 192 KiB", board.heap),
        Row("free heap on a Pico after start-up", ">= 100 kB", bench_pico.free_heap if pico else None),
        Row("start to self-test verdict on an emulated Pico", "<= 3 s", None),
        Row("thecal --help, warm median of 7", "<= 0.25 s", bench_process.help_time),
        Row("thecal status over the virtual board, median of 5", "<= 0.5 s", board.status_time),
    ]


def main() -> int:
    """Measure and print; 0 when nothing was missed."""
    console = Console()
    table = Table(title="Numbers to hold", caption="Measured by `make bench` in this run. Not a medical device.")
    for column in ("what", "target", "today", ""):
        table.add_column(column, overflow="fold")
    missed = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="thecal-bench-") as folder:
        os.environ["THECAL_STATE_DIR"] = folder
        for row in rows():
            if row.measure is None:
                table.add_row(row.what, row.target, NOT_HERE, "-")
                continue
            with console.status(f"measuring: {row.what}"):
                figure, met = row.measure()
            missed += not met
            table.add_row(row.what, row.target, figure, "met" if met else "MISSED")
    console.print(table)
    console.print(
        "A Pico is measured with THECAL_PICO=PORT make bench; its steps, periods and start by make emulate PICO_UF2=..."
    )
    console.print(f"{missed} missed; {time.monotonic() - began:.0f} s.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
