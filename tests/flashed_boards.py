"""What tests with virtual boards share: a flashed image, and where boards of a test live. The fixtures are in conftest.py.

Invariant: nothing here runs a board; names only.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from thecal_host.flashing.run import Flashed
from thecal_host.virtual.registry import RunningBoard

STATE_DIR = "THECAL_STATE_DIR"
NEEDS_VM = 'This test needs the MicroPython VM: pip install "thecal[virtual]" (it is in requirements.lock).'


@dataclass(frozen=True)
class FlashedImage:
    """A flash image with the firmware, never provisioned, and what flashing it said."""

    path: Path
    flashed: Flashed


StartBoard = Callable[..., RunningBoard]


@contextlib.contextmanager
def state_in(folder: Path) -> Iterator[None]:
    """Registry and images of virtual boards in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_DIR, str(folder))
        yield
