"""Shared by the tests of set-up motions: a board that is off, a motion, and what must hold after every one."""

from typing import Any

from harness import Bench, program

from thecal.core import messages as m
from thecal.core import states


def off(**changes: Any) -> Bench:
    """A program, off, nothing delivered."""
    b = Bench()
    assert b.activate(program(**changes))["r"] == 0
    return b


def move(b: Bench, kind: int = m.JOG, n: int = 100, ms: int = 10_000, rev: int = 0, det: int = 1) -> dict[str, Any]:
    return b.command("move", k=kind, n=n, ms=ms, rev=rev, det=det)


def done(b: Bench, ms: int = 10_000) -> Bench:
    """Let a motion end, and check what must hold after every one."""
    b.advance(ms + 3_000)
    status = b.status()
    assert (status["st"], status["mot"], status["motleft"]) == (states.OFF, 0, 0)
    assert not b.world.en
    assert b.pump.fault == 0
    assert (b.pump.ledger.unsettled, b.pump.ledger.motion) == (0, 0)
    assert b.pump.ledger.intent == b.world.truth()["edges_total"]
    return b


def doses(b: Bench) -> tuple[int, int, int]:
    status = b.status()
    return status["min"], status["max"], status["w24"]
