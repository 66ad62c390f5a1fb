"""Shared by the start-up tests: a board that has delivered, and what a latched fault must look like."""

from harness import Bench

from thecal.core import states

HOUR = 3_600_000


def used() -> Bench:
    b = Bench().running()
    b.advance(HOUR)
    assert b.command("stop")["r"] == 0
    b.advance(60_000)
    return b


def refused(b: Bench, fault: int) -> None:
    assert b.pump.state == states.SAFE
    assert b.pump.fault == fault
    assert not b.world.en
    answer = b.command("start")
    assert answer["r"] == 1 and answer["k"] == 16
    edges = b.edges()
    b.advance(HOUR)
    assert b.edges() == edges
