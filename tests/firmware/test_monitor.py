"""The second channel on the running pump: what it sees, how fast, and that its trip is for good."""

import pytest
from harness import Bench, program

from thecal.core import events, faults, states
from thecal.core.prescription import pack, program_crc
from thecal_host import monitor_limits
from thecal_twin import faults as twin_faults

HOUR = 3_600_000


def running() -> Bench:
    b = Bench().running()
    b.advance(HOUR)
    return b


@pytest.mark.sr("SR-08")
def test_a_doubled_step_stream_is_stopped_within_one_chunk() -> None:
    b = running()
    before = b.edges()
    chunk = b.pump.ledger.intent - b.pump.ledger.settled
    twin_faults.inject(b.world, "double_steps", 1)
    b.advance(HOUR)
    assert b.pump.state == states.SAFE
    assert b.pump.fault == faults.MONITOR_TRIPPED
    assert b.pump.monitor.tripped == faults.TRIP_INTENT
    assert not b.world.en
    assert b.edges() - before <= 2 * chunk  # against 969 that two hours' worth would be
    stopped = b.edges()
    b.advance(HOUR)
    assert b.edges() == stopped


@pytest.mark.sr("SR-08")
def test_without_the_monitor_nothing_stops_the_doubled_stream() -> None:
    """The test above can fail: with the monitor deaf the pump delivers twice the dose."""
    b = running()
    before = b.edges()
    b.pump.monitor._counter = type("Deaf", (), {"read": staticmethod(lambda: 0)})()
    b.pump.monitor._zero = 0
    twin_faults.inject(b.world, "double_steps", 1)
    b.advance(HOUR)
    assert b.pump.state == states.INFUSING
    assert b.edges() - before > 900


@pytest.mark.sr("SR-08")
def test_the_trip_survives_resets() -> None:
    b = running()
    twin_faults.inject(b.world, "double_steps", 1)
    b.advance(HOUR)
    b.restart()
    assert b.pump.state == states.SAFE
    assert b.pump.fault == faults.MONITOR_TRIPPED
    answer = b.command("start")
    assert (answer["r"], answer["k"], answer["v"]) == (1, 16, faults.MONITOR_TRIPPED)
    assert [r.detail for r in b.log() if r.code == events.FAULT] == [faults.MONITOR_TRIPPED, faults.MONITOR_TRIPPED]


@pytest.mark.sr("SR-08")
def test_delivery_gone_mad_with_valid_intents_meets_the_envelope() -> None:
    """Delivery believes in ten times the rate and writes honest intents for it; the monitor's own file knows better."""
    b = running()
    b.pump.delivery._acc.set_rate(4_800_000)
    before = b.edges()
    b.advance(HOUR)
    assert b.pump.monitor.tripped == faults.TRIP_ENVELOPE
    assert b.pump.state == states.SAFE
    limits = b.pump.monitor.decode(b.pump.monitor.blob())
    assert b.edges() - before <= limits["safe"] + 5  # no bolus was promised; and a look of 2 s at 1.3 steps a second


@pytest.mark.sr("SR-08")
def test_a_bolus_that_is_not_in_the_ledger_meets_the_envelope() -> None:
    """Delivery runs one of 40 uL that nobody granted, with honest intents; the same one granted trips nothing (below)."""
    b = running()
    b.pump.delivery._acc.start_bolus(40_000, 600_000)
    before = b.edges()
    b.advance(HOUR)
    assert b.pump.monitor.tripped == faults.TRIP_ENVELOPE
    limits = b.pump.monitor.decode(b.pump.monitor.blob())
    assert b.edges() - before <= limits["safe"] + 5


@pytest.mark.sr("SR-08")
def test_windows_of_the_monitor_hold_without_those_of_the_gate() -> None:
    """A limits file with a small 1 h window of its own: the envelope alone would let this pass."""
    b = Bench()
    fields = program()
    small = monitor_limits.encode({**fields, "limit_1h_nl": 8_256}, program_crc(pack(fields)))
    limits = b.pump.monitor.decode(small)
    assert limits["max_1h"] < 250 < limits["safe"] * 4
    b.activate(fields, small)
    b.command("start")
    b.advance(HOUR)
    assert b.pump.monitor.tripped == faults.TRIP_WINDOW
    assert limits["max_1h"] < b.edges() <= limits["max_1h"] + 2


@pytest.mark.sr("SR-08")
def test_an_unreadable_ledger_trips() -> None:
    b = running()
    b.image.fs.remove("/ledger")
    b.pump.store.replace = lambda path, data: None  # delivery believes its writes
    b.advance(HOUR)
    assert b.pump.monitor.tripped == faults.TRIP_UNREADABLE
    assert not b.world.en


def test_a_day_with_boluses_trips_nothing() -> None:
    b = running()
    for _ in range(4):
        assert b.command("bolus", nl=40_000, ms=600_000)["r"] == 0
        b.advance(5 * HOUR)
    assert b.pump.monitor.tripped == 0
    assert b.pump.fault == 0


@pytest.mark.parametrize("minute", [1, 5, 10, 14])
@pytest.mark.parametrize("rate", [48_000, 240_000, 384_000])
def test_lowering_the_rate_trips_nothing(rate: int, minute: int) -> None:
    b = running()
    b.advance(minute * 60_000)
    assert b.activate(program(rate_nl_per_day=rate))["r"] == 0
    b.advance(2 * HOUR)
    assert (b.pump.monitor.tripped, b.pump.fault) == (0, 0)


def test_limits_below_what_the_windows_hold_are_refused_while_infusing() -> None:
    b = running()
    assert b.command("bolus", nl=80_000, ms=600_000)["r"] == 0
    b.advance(700_000)
    answer = b.activate(program(limit_1h_nl=60_000, max_bolus_nl=20_000))
    assert (answer["r"], answer["k"]) == (1, 3)
    assert answer["v"] > answer["l"] == 60_000
    b.advance(2 * HOUR)
    assert b.activate(program(limit_1h_nl=60_000, max_bolus_nl=20_000))["r"] == 0
    b.advance(3 * HOUR)
    assert b.pump.fault == 0


@pytest.mark.parametrize("chunk_nl", [2_000, 6_000])
@pytest.mark.parametrize("after_boundary_ms", [-500, -100, 0, 500, 3_000])
def test_the_tail_of_a_bolus_may_cross_an_interval(chunk_nl: int, after_boundary_ms: int) -> None:
    b = Bench().running(program(rate_nl_per_day=480_000, chunk_nl=chunk_nl, limit_1h_nl=130_000))
    wait_ms = 2 * 900_000 - b.pump.now_ms() - 60_000 + after_boundary_ms
    b.advance(wait_ms)
    assert b.command("bolus", nl=80_000, ms=60_000)["r"] == 0
    b.advance(HOUR)
    assert (b.pump.monitor.tripped, b.pump.fault) == (0, 0)


def test_one_unreadable_moment_of_the_ledger_is_read_again() -> None:
    b = running()
    real = b.pump.monitor._read
    failures = [1]

    def once(path: str) -> "bytes | None":
        return None if failures and failures.pop() else real(path)

    b.pump.monitor._read = once
    b.advance(HOUR)
    assert not failures
    assert b.pump.monitor.tripped == 0
