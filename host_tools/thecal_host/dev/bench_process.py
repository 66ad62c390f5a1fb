"""Times of whole commands, as a user waits for them: new processes, warm caches, the median."""

import statistics
import subprocess
import sys
import time


def median_s(arguments: list[str], runs: int) -> float:
    """Median wall time of `thecal ARGUMENTS`, one run before to warm up."""
    command = [sys.executable, "-m", "thecal_host", *arguments]
    times: list[float] = []
    for _ in range(runs + 1):
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        times.append(time.monotonic() - began)
        if done.returncode:
            raise RuntimeError(f"thecal {' '.join(arguments)} failed: {done.stderr}")
    return statistics.median(times[1:])


def help_time() -> tuple[str, bool]:
    """`thecal --help`."""
    seconds = median_s(["--help"], 7)
    return f"{seconds:.3f} s", seconds <= 0.25
