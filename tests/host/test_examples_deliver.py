"""The shipped prescriptions through the real firmware in this process: what prescriptions.py, monitor_limits.py and plan.py
promise of a program is what the board then does."""

from fractions import Fraction
from typing import Any

import pytest
from harness import Bench

from thecal.core import events, messages
from thecal.core import prescription as rx
from thecal_host import boards
from thecal_host.paths import examples_dir
from thecal_host.plan import make_plan
from thecal_host.prescriptions import load

HOUR = 3_600_000
BOARD = boards.load("virtual")


def fields_of(name: str) -> dict[str, Any]:
    return dict(load(examples_dir() / f"{name}.toml", BOARD.part).fields)


def quiet(bench: Bench) -> None:
    """Nothing narrowed, nothing tripped."""
    codes = {record.code for record in bench.log()}
    assert not codes & {events.ALARM, events.FAULT, events.MONITOR_TRIP}
    assert bench.pump.fault == 0 and bench.pump.monitor.tripped == 0


@pytest.mark.sr("SR-02")
def test_morphine_grants_one_bolus_and_refuses_the_next() -> None:
    bench = Bench().running(fields_of("morphine_continuous"))
    bench.advance(2 * HOUR)
    granted = bench.command("bolus", nl=40_000, ms=600_000)
    assert (granted["r"], granted["v"]) == (messages.OK, 40_000)
    bench.advance(20 * 60_000)
    refused = bench.command("bolus", nl=40_000, ms=600_000)
    assert (refused["r"], refused["k"]) == (messages.REFUSED, messages.LOCKOUT)
    bench.advance(2 * HOUR)
    assert bench.command("bolus", nl=60_000, ms=600_000)["r"] == messages.OK
    bench.advance(2 * HOUR)
    quiet(bench)


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize("rate", [2_000, 480_000, 24_000_000])
def test_the_tightest_admitted_windows_never_narrow_basal(rate: int) -> None:
    """Limits at the very least the validator admits, and no alarm in longer than the longest window can see."""
    fields = fields_of("morphine_continuous")
    chunk = rx.chunk_for(rate, fields["step_pl_per_million"])
    fields.update(rate_nl_per_day=rate, max_rate_nl_per_day=rate, chunk_nl=chunk, max_bolus_nl=0, boluses_per_24h=0)
    for _tag, key, minutes in rx.WINDOW_SPANS:
        fields[key] = rx.basal_in_window_nl(rate, minutes, chunk)
    fields["limit_1h_nl"] = max(fields["limit_1h_nl"], 20 * chunk)
    fields["limit_4h_nl"] = max(fields["limit_4h_nl"], 20 * chunk)
    assert rx.validate(fields, BOARD.part) == []
    bench = Bench().running(fields)
    hours = 29 if rate < 1_000_000 else 6
    bench.advance(hours * HOUR)
    step_nl = Fraction(fields["step_pl_per_million"], 10**9)
    exact = Fraction(rate * hours, 24) / step_nl
    assert abs(bench.edges() - exact) < 3 + exact / 3600 / hours  # a bound, a lease in flight, the moments before the start
    quiet(bench)


@pytest.mark.parametrize("name", ["morphine_continuous", "baclofen_continuous"])
def test_the_plan_s_figures_are_the_board_s(name: str) -> None:
    """Durable writes, steps and flash erases of a day without boluses."""
    fields = fields_of(name) | {"boluses_per_24h": 0, "max_bolus_nl": 0}
    plan = make_plan(fields, BOARD.config["limits"])
    bench = Bench().running(fields)
    bench.advance(HOUR)
    writes, edges, erases = bench.pump.ledger.writes, bench.edges(), bench.world.truth()["flash"]["erases"]
    bench.advance(24 * HOUR)
    assert abs(bench.edges() - edges - plan.points[-1].steps) <= 1
    assert abs(bench.pump.ledger.writes - writes - plan.flash.ledger_writes_per_day) <= 3
    measured = bench.world.truth()["flash"]["erases"] - erases
    assert measured * 1000 <= plan.flash.erases_per_day_milli <= measured * 1000 * 115 // 100
