"""Random days of the whole firmware, fast and impatient: the second channel never trips on what the first one grants."""

import random
from typing import Any

import pytest
from harness import Bench, program

from thecal.core import messages, states
from thecal.core.schedule import pack_day

MINUTE = 60_000
HOUR = 3_600_000
MONDAY = 1_767_571_200_000  # 2026-01-05 00:00 UTC
ACTS = (
    "bolus",
    "bolus",
    "patient",
    "temp",
    "minimum",
    "normal",
    "clock",
    "hold",
    "resume",
    "stop",
    "move",
    "activate",
    "restart",
)


def a_program(r: random.Random) -> dict[str, Any]:
    top = r.choice([960_000, 5_000_000, 50_000_000])
    rates = [0, 1_000, 48_000, top // 4, top // 2, top]
    minutes = sorted({0, *(r.randrange(1440) for _ in range(r.randrange(1, 47)))})
    return program(
        mode=2,
        week=bytes([1] * 7),
        day_1=pack_day([(minute, r.choice(rates)) for minute in minutes]),
        rate_nl_per_day=r.choice([0, 48_000, top // 2]),
        max_rate_nl_per_day=top,
        min_rate_nl_per_day=r.choice([0, 48_000, top]),
        max_temp_ms=24 * HOUR,
        max_bolus_nl=800_000,
        limit_1h_nl=6_000_000,
        limit_4h_nl=20_000_000,
        limit_24h_nl=100_000_000,
        bolus_lockout_ms=r.choice([0, 5 * MINUTE, 30 * MINUTE]),
        boluses_per_24h=40,
        chunk_nl=max(100, top // 600),
        utc_offset_biased_min=r.randrange(600, 2281),
        patient_bolus_nl=100_000,
        patient_bolus_ms=MINUTE,
    )


def act(b: Bench, r: random.Random, what: str) -> bool:
    """One act; True where it was granted."""
    if what == "restart":
        b.restart()
        return True
    if what == "activate":
        return b.activate(a_program(r))["r"] == 0
    request: dict[str, int] = {}
    if what == "bolus":
        request = {"nl": r.randrange(1_000, 800_000), "ms": r.choice([1_000, 30_000, MINUTE, 20 * MINUTE, 3 * HOUR])}
    elif what == "temp":
        request = {"nlday": r.randrange(50_000_000), "ms": r.randrange(MINUTE, 2 * HOUR)}
    elif what == "clock":
        request = {"u": MONDAY + r.randrange(7 * 24 * HOUR)}
    elif what == "hold":
        request = {"ms": r.choice([0, MINUTE])}
    elif what == "move":
        b.command("stop")
        b.advance(r.choice([1, 1_500, 4_000]))
        kind = r.choice([messages.JOG, messages.PRIME, messages.PURGE])
        request = {
            "k": kind,
            "n": r.randrange(1, 2_000),
            "ms": r.randrange(10, 5_000),
            "rev": r.randrange(2),
            "det": r.randrange(2),
        }
    return b.command(what, **request)["r"] == 0


def history(seed: int) -> tuple[Bench, int]:
    """A board after 14 acts, many of them just before a new interval; and how many were granted."""
    r = random.Random(seed)
    b = Bench()
    if r.random() < 0.8:
        b.command("clock", u=MONDAY + r.randrange(7 * 24 * HOUR))
    b.running(a_program(r))
    granted = 0
    for _ in range(14):
        to_the_quarter = 15 * MINUTE - b.pump.now_ms() % (15 * MINUTE)
        b.advance(max(1, r.choice([r.randrange(2_000), r.randrange(20 * MINUTE), to_the_quarter - r.randrange(3_000)])))
        granted += act(b, r, r.choice(ACTS))
        if b.pump.state != states.INFUSING and r.random() < 0.6:
            b.advance(r.randrange(8_000))
            b.command("start" if b.pump.state == states.OFF else "resume")
    b.advance(20 * MINUTE)
    return b, granted


def run(seeds: range) -> None:
    granted = edges = 0
    for seed in seeds:
        b, some = history(seed)
        assert (b.pump.monitor.tripped, b.pump.fault) == (0, 0), seed
        granted += some
        edges += b.pump.monitor.edges()
    assert granted > 4 * len(seeds) and edges > 3_000 * len(seeds)


@pytest.mark.sr("SR-08")
def test_a_few_histories() -> None:
    run(range(10))


@pytest.mark.sr("SR-08")
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_histories() -> None:
    run(range(100, 700))
