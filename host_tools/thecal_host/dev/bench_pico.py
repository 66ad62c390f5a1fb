"""Figures of a Pico, real or emulated, that runs our firmware: THECAL_PICO=PORT names its port. Nothing is made to move.

Invariant: what cannot be asked over the link is not guessed.
"""

import os
import time

from thecal_host.link.client import Client


def port() -> str:
    """The port of the Pico to measure, "" when none is given."""
    return os.environ.get("THECAL_PICO", "")


def free_heap() -> tuple[str, bool]:
    """As the board reports it after a collection."""
    with Client(port()) as client:
        free = client.status().heap_free_bytes
    return f"{free / 1000:.0f} kB", free >= 100_000


def log_pull() -> tuple[str, bool]:
    """All records there are, at once."""
    with Client(port()) as client:
        began = time.monotonic()
        count = sum(1 for _record in client.pull_log(0))
        seconds = max(time.monotonic() - began, 1e-9)
    rate = 32 * count / 1000 / seconds
    return f"{rate:.1f} kB/s ({count} records)", rate >= 200
