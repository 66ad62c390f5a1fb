"""Self-test, watchdog and latched faults: what class A failures do, and that evidence is never written over."""

import hashlib
import json

import pytest
from harness import Bench, board_config

from thecal.core import events, faults, states
from thecal_twin import chip
from thecal_twin import faults as twin_faults

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


@pytest.mark.sr("SR-21")
def test_a_healthy_board_passes_and_says_so() -> None:
    b = used()
    b.restart()
    assert b.pump.state == states.OFF
    assert [(r.a, r.detail) for r in b.log() if r.code == events.SELFTEST][-1] == (0, 0)


@pytest.mark.sr("SR-01")
@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda b: b.image.fs.remove("/ledger"), faults.LEDGER_MISSING),
        (lambda b: b.image.write("/ledger", b""), faults.LEDGER_CORRUPT),
        (lambda b: b.image.write("/ledger", b"\xff" * 384), faults.LEDGER_CORRUPT),
        (lambda b: (b.image.fs.remove("/program.a"), b.image.fs.remove("/program.b")), faults.PROGRAM_CORRUPT),
        (lambda b: (b.image.write("/program.a", b"x"), b.image.write("/program.b", b"x")), faults.PROGRAM_CORRUPT),
        (lambda b: b.image.fs.remove("/monitor.a"), faults.MONITOR_LIMITS),
        (lambda b: b.image.write("/manifest.json", b"not json"), faults.FILES_CHANGED),
        (lambda b: b.image.fs.remove("/manifest.json"), faults.FILES_CHANGED),
    ],
)
def test_what_is_missing_or_damaged_on_flash_is_a_latched_fault(damage, fault: int) -> None:
    b = used()
    damage(b)
    b.restart()
    refused(b, fault)


@pytest.mark.sr("SR-01")
def test_a_damaged_ledger_is_left_as_it_was_found() -> None:
    b = used()
    b.image.write("/ledger", b"evidence")
    b.restart()
    b.advance(HOUR)
    assert b.image.read("/ledger") == b"evidence"


@pytest.mark.sr("SR-01")
def test_yesterdays_ledger_is_noticed() -> None:
    b = used()
    old = b.image.read("/ledger")
    b.command("start")
    b.advance(3 * HOUR)
    b.log()
    b.restart()
    b.image.write("/ledger", old)
    b.restart()
    refused(b, faults.LEDGER_REGRESSED)


def test_one_copy_of_the_program_is_repaired_from_the_other() -> None:
    for path in ("/program.a", "/program.b"):
        b = used()
        good = b.image.read(path)
        b.image.write(path, b"damage")
        b.restart()
        assert b.pump.fault == 0
        assert b.image.read(path) == good


@pytest.mark.sr("SR-21")
def test_a_changed_firmware_file_refuses_therapy() -> None:
    b = used()
    content = b"print('firmware')"
    b.image.write("/thecal/part.mpy", content)
    b.image.write("/manifest.json", json.dumps({"files": {"/thecal/part.mpy": hashlib.sha256(content).hexdigest()}}).encode())
    b.restart()
    assert b.pump.fault == 0
    b.image.write("/thecal/part.mpy", content + b" ")
    b.restart()
    refused(b, faults.FILES_CHANGED)


@pytest.mark.sr("SR-21")
def test_en_stuck_on_is_found_before_anything_moves() -> None:
    b = used()
    edges = b.edges()
    twin_faults.inject(b.world, "en_stuck_on", 1)
    b.restart()
    assert b.edges() == edges
    assert b.pump.fault == faults.EN_STUCK
    assert b.pump.state == states.SAFE


@pytest.mark.sr("SR-21")
def test_a_dead_edge_counter_is_found_and_the_loop_test_moves_nothing() -> None:
    b = used()
    edges = b.edges()
    b.restart()
    assert b.edges() == edges
    assert b.world.counter == 8
    twin_faults.inject(b.world, "counter_stuck", 1)
    b.restart()
    refused(b, faults.COUNTER_FAILED)


@pytest.mark.sr("SR-01")
def test_a_board_without_its_marker_is_unprovisioned() -> None:
    b = used()
    b.image.fs.remove("/born")
    b.restart()
    assert b.pump.state == states.UNPROVISIONED
    assert b.command("start")["r"] == 1


@pytest.mark.sr("SR-02")
def test_provisioning_with_unknown_history_starts_with_full_windows() -> None:
    b = Bench(born=False)
    b.boot()
    assert b.command("provision", nothing=0)["r"] == 0
    b.running()
    b.advance(HOUR // 2)
    assert b.edges() == 0
    assert faults.A_LIMIT_NARROWED in b.pump.alarms.held()
    assert b.command("bolus", nl=40_000, ms=600_000)["k"] in (3, 4, 5)


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

    b.pump.delivery.poll = broken
    b.advance(10_000)
    fault = [r for r in b.log() if r.code == events.FAULT]
    assert [(r.detail, r.b) for r in fault] == [(faults.SERVICE_DIED, 1)]
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


def test_the_log_ring_drops_its_oldest_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    from thecal.services import journal

    monkeypatch.setattr(journal, "RING_SEGMENTS", 4)
    b = Bench().running()
    b.advance(30 * HOUR)
    records = b.log()
    assert 3 * journal.SEGMENT_RECORDS < len(records) <= 4 * journal.SEGMENT_RECORDS
    assert records[-1].seq - records[0].seq == len(records) - 1
    assert records[0].seq > 0
    b.restart()
    assert b.log()[-1].seq > records[-1].seq


@pytest.mark.sr("SR-30")
def test_what_a_reset_alarmed_about_is_held_until_acknowledged() -> None:
    b = Bench().running()
    assert b.command("bolus", nl=40_000, ms=600_000)["r"] == 0
    b.advance(60_000)
    b.restart()
    assert b.pump.alarms.held() == [faults.A_TIME_UNKNOWN, faults.A_BOLUS_DROPPED]
    b.advance(HOUR)
    assert b.pump.alarms.held() == [faults.A_TIME_UNKNOWN, faults.A_BOLUS_DROPPED]
    assert b.command("ack")["v"] == 2
    assert b.pump.alarms.held() == []


@pytest.mark.sr("SR-01")
def test_an_old_ledger_under_a_log_without_a_newer_dose_record_is_noticed_too() -> None:
    b = Bench().running()
    b.advance(HOUR)
    old = b.image.read("/ledger")
    b.advance(3 * HOUR)
    b.command("hold")
    b.command("resume")
    b.log()
    b.power_off()
    b.image.write("/ledger", old)
    b.boot()
    refused(b, faults.LEDGER_REGRESSED)


@pytest.mark.parametrize(
    "manifest", [b"null", b"5", b'{"files":5}', b'["/born"]', b"[" * 3000, b"\xff\xfe", b'{"files":{"/born":5}}']
)
def test_an_odd_manifest_is_a_changed_firmware(manifest: bytes) -> None:
    b = used()
    b.image.write("/manifest.json", manifest)
    b.restart()
    refused(b, faults.FILES_CHANGED)


def test_a_used_board_that_lost_its_marker_can_be_provisioned_again_and_counts_what_was_open() -> None:
    b = Bench().running()
    b.advance(HOUR)
    b.image.fs.remove("/born")
    b.restart()
    assert b.pump.state == states.UNPROVISIONED
    assert b.command("provision", nothing=1)["r"] == 0
    assert b.pump.ledger.min_steps <= b.edges() <= b.pump.ledger.max_steps
    b.running()
    b.advance(HOUR)
    assert b.pump.fault == 0
    assert b.pump.ledger.min_steps <= b.edges() <= b.pump.ledger.max_steps


def test_a_latched_fault_is_not_cleared_by_deleting_the_marker() -> None:
    b = Bench().running()
    b.pump.fail(b.pump.now_ms(), faults.SERVICE_DIED)
    b.settle()
    b.image.fs.remove("/born")
    b.restart()
    assert b.command("provision", nothing=1)["k"] == 16


@pytest.mark.sr("SR-32")
def test_a_log_that_cannot_be_written_alarms() -> None:
    b = Bench().running()
    b.advance(HOUR)

    def full(path: str, data: bytes) -> None:
        raise OSError(28)

    b.pump.store.append = full
    b.advance(HOUR)
    assert faults.A_LOG_FULL in b.pump.alarms.held()
    del b.pump.store.append
    b.advance(HOUR)
    assert b.command("ack")["r"] == 0
    assert faults.A_LOG_FULL not in b.pump.alarms.held()


@pytest.mark.sr("SR-23")
def test_watchdog_resets_far_apart_are_not_in_a_row() -> None:
    b = Bench().running()
    for _ in range(4):
        b.advance(11 * 60_000)
        b.power_off()
        b.boot(chip.CAUSE_WATCHDOG)
        assert b.pump.state == states.INFUSING
    assert b.pump.ledger.watchdog_resets == 1


@pytest.mark.sr("SR-10")
def test_a_counter_that_dies_while_infusing_alarms() -> None:
    b = Bench().running()
    b.advance(HOUR)
    assert faults.A_STEPS_MISSING not in b.pump.alarms.held()
    twin_faults.inject(b.world, "counter_stuck", 1)
    b.advance(120_000)
    assert faults.A_STEPS_MISSING in b.pump.alarms.held()


@pytest.mark.sr("SR-06")
def test_board_time_goes_on_from_the_newest_durable_moment_the_log_included() -> None:
    b = Bench()
    b.advance(5 * HOUR)  # off: only the hourly sensor records are written
    b.restart()
    assert b.pump.now_ms() >= 5 * HOUR - 60_000


def test_the_documented_way_out_of_a_latched_fault_works() -> None:
    """firmware/SAFETY.md, `Out of a latched fault`."""
    b = Bench().running()
    twin_faults.inject(b.world, "double_steps", 1)
    b.advance(HOUR)
    assert b.pump.fault == faults.MONITOR_TRIPPED
    twin_faults.inject(b.world, "double_steps", 0)
    for path in ("/latch", "/ledger", "/born"):
        b.image.fs.remove(path)
    b.restart()
    assert b.pump.state == states.UNPROVISIONED
    assert b.command("provision", nothing=0)["r"] == 0
    b.running()
    b.restart()
    b.advance(27 * HOUR)
    b.restart()
    assert b.pump.fault == 0
    assert b.pump.state == states.INFUSING
    assert b.edges() > 0
