"""Supervisor and watchdog: a hung loop, a starved or raising service, three resets in a row."""

import pytest
from harness import Bench, board_config
from startup_bench import refused

from thecal.core import events, faults, states
from thecal_twin import chip

HOUR = 3_600_000


@pytest.mark.sr("SR-22")
def test_a_hung_loop_ends_its_lease_and_the_watchdog_resets_it() -> None:
    b = Bench().running()
    b.advance(HOUR)
    assert b.command("bolus", nl=80_000, ms=60_000)["r"] == 0
    b.advance(5_000)
    edges = b.edges()
    in_flight = b.pump.motor.position - edges
    limit_us = b.world.now + board_config()["limits"]["watchdog_ms"] * 1000
    with pytest.raises(chip.ChipReset) as reset:
        b.world.go(b.world.now + 60_000_000)  # the loop does not run
    assert reset.value.args[0] == chip.CAUSE_WATCHDOG
    assert b.world.now <= limit_us
    assert b.edges() - edges == in_flight  # the lease that was loaded, and nothing more


@pytest.mark.sr("SR-22")
def test_a_service_that_is_never_served_starves_the_watchdog() -> None:
    b = Bench().running()
    b.advance(60_000)
    services = b.supervisor._services
    index = next(k for k, service in enumerate(services) if service[0] == "sensing")

    class Stuck:
        def poll(self, now_ms: int) -> int:
            return b.pump.now_ms() - 60_000  # due long ago, for ever

    b.supervisor._services = (*services[:index], ("sensing", Stuck(), 10_000))
    with pytest.raises(chip.ChipReset):
        for _ in range(100):
            b.world.go(b.world.now + 1_000_000)
            b.turn()


@pytest.mark.sr("SR-23")
def test_three_watchdog_resets_in_a_row_are_safe_mode() -> None:
    b = Bench().running()
    for count in range(1, 4):
        b.advance(10_000)
        b.power_off()
        b.boot(chip.CAUSE_WATCHDOG)
        assert b.pump.ledger.watchdog_resets == count
        assert (b.pump.state == states.SAFE) == (count == 3)
    refused(b, faults.WATCHDOG_THRICE)
    b.restart()
    refused(b, faults.WATCHDOG_THRICE)


def test_a_service_that_raises_stops_the_pump_and_is_named() -> None:
    b = Bench().running()
    b.advance(HOUR)

    def broken(_now_ms: int) -> int:
        raise ValueError("broken")

    names = [name for name, _service, _late in b.supervisor._services]
    b.pump.delivery.poll = broken
    b.advance(10_000)
    fault = [r for r in b.log() if r.code == events.FAULT]
    assert [(r.detail, r.b) for r in fault] == [(faults.SERVICE_DIED, names.index("delivery"))]
    assert b.pump.state == states.SAFE and not b.world.en


def test_a_flash_that_refuses_writes_stops_the_pump() -> None:
    b = Bench().running()
    b.advance(HOUR)

    def full(path: str, data: bytes) -> None:
        raise OSError(28)

    b.pump.store.replace = full
    b.advance(HOUR)
    assert b.pump.fault == faults.LEDGER_WRITE
    assert not b.world.en
    assert b.edges() <= b.pump.ledger.intent


@pytest.mark.sr("SR-23")
def test_watchdog_resets_far_apart_are_not_in_a_row() -> None:
    b = Bench().running()
    for _ in range(4):
        b.advance(11 * 60_000)
        b.power_off()
        b.boot(chip.CAUSE_WATCHDOG)
        assert b.pump.state == states.INFUSING
    assert b.pump.ledger.watchdog_resets == 1


@pytest.mark.sr("SR-23")
def test_a_power_cut_between_watchdog_resets_ends_the_row() -> None:
    b = Bench().running()
    for cause, count in ((chip.CAUSE_WATCHDOG, 1), (chip.CAUSE_WATCHDOG, 2), (chip.CAUSE_POWER, 0), (chip.CAUSE_WATCHDOG, 1)):
        b.advance(10_000)
        b.power_off()
        b.boot(cause)
        assert b.pump.ledger.watchdog_resets == count
    assert b.pump.fault == 0
