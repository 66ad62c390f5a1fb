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
from thecal_host.prescriptions import load

HOUR = 3_600_000
DAY = 24 * HOUR
MONDAY_MS = 1_767_571_200_000  # 2026-01-05 00:00 UTC, a Monday
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
@pytest.mark.parametrize("name", ["morphine_continuous", "baclofen_flex_night", "bench_toy_28byj_water"])
def test_every_window_lets_all_patient_boluses_through(name: str) -> None:
    """Asked for as soon as the lockout allows, every allotted bolus of a day is granted, beside basal at its fullest."""
    fields = fields_of(name)
    bench = Bench().running(fields)
    if fields["week"]:
        assert bench.command("clock", u=MONDAY_MS + 21 * HOUR)["r"] == messages.OK  # the night rate begins in an hour
        bench.command("ack")
    bench.advance(2 * HOUR)
    for _ in range(fields["boluses_per_24h"]):
        answer = bench.command("patient")
        assert (answer["r"], answer.get("v")) == (messages.OK, fields["patient_bolus_nl"]), answer
        bench.advance(fields["bolus_lockout_ms"] + 60_000)
    if fields["bolus_lockout_ms"] * fields["boluses_per_24h"] < 20 * HOUR:
        refused = bench.command("patient")
        assert (refused["r"], refused["k"]) == (messages.REFUSED, messages.BOLUS_COUNT)
    step_nl = Fraction(fields["step_pl_per_million"], 10**9)
    least = (fields["boluses_per_24h"] - 1) * fields["patient_bolus_nl"] / step_nl
    assert bench.edges() > least


def test_ziconotide_has_no_bolus_and_steps_once_in_74_seconds() -> None:
    """1.2 mcg/day of 25 mcg/mL is 48 uL/day, of 41.28 nL microsteps."""
    fields = fields_of("ziconotide_start")
    bench = Bench().running(fields)
    assert bench.command("patient")["k"] == messages.NOT_OFFERED
    bench.advance(HOUR)
    before = bench.edges()
    bench.advance(24 * HOUR)
    assert abs(bench.edges() - before - 48_000 / Fraction(fields["step_pl_per_million"], 10**9)) <= 2
    quiet(bench)


@pytest.mark.sr("SR-24")
def test_the_night_example_follows_its_week_and_its_safe_rate() -> None:
    """Friday 21:00 to Saturday 21:00 in local time is 22:00 to 06:00 at night as on a weekday, but until 08:00; before the
    clock is set, and after a restart, the safe rate."""
    fields = fields_of("baclofen_flex_night")
    step_nl = Fraction(fields["step_pl_per_million"], 10**9)
    bench = Bench().running(fields)
    before = bench.edges()
    bench.advance(4 * HOUR)
    assert abs((bench.edges() - before) * step_nl - Fraction(150_000 * 4, 24)) < 3 * step_nl
    assert bench.command("clock", u=MONDAY_MS + 4 * DAY + 20 * HOUR)["r"] == messages.OK  # 20:00 UTC is 21:00 there
    before = bench.edges()
    bench.advance(24 * HOUR)
    local = Fraction(1 * 150_000 + 10 * 225_000 + 13 * 150_000, 24)
    assert abs((bench.edges() - before) * step_nl - local) < 3 * step_nl
    assert bench.pump.fault == 0 and bench.pump.monitor.tripped == 0


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize("rate", [2_000, 480_000, 24_000_000])
def test_the_tightest_admitted_windows_never_narrow_basal(rate: int) -> None:
    """Limits at the very least the validator admits, and no alarm in longer than the longest window can see."""
    fields = fields_of("morphine_continuous")
    chunk = rx.chunk_for(rate, fields["step_pl_per_million"])
    fields.update(rate_nl_per_day=rate, max_rate_nl_per_day=rate, chunk_nl=chunk, max_bolus_nl=0, boluses_per_24h=0)
    fields.update(patient_bolus_nl=0, patient_bolus_ms=0, min_rate_nl_per_day=0)
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
