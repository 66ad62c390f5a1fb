"""`chip` is a fresh RP2040 for each test; the rp2 drivers imported in a test belong to it and are forgotten afterwards."""

import sys
from collections.abc import Iterator

import pytest
from drivers.chip import Chip


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chip]:
    yield Chip(monkeypatch)
    for name in [name for name in sys.modules if name.startswith("thecal.drivers.rp2_")]:
        del sys.modules[name]
