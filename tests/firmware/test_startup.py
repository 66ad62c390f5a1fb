"""Self-test, watchdog and latched faults: what class A failures do, and that evidence is never written over."""

import hashlib
import json

import pytest
from harness import Bench
from startup_bench import refused, used

from thecal.core import events, faults, messages, states
from thecal_twin import faults as twin_faults

HOUR = 3_600_000


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
    answer = b.command("bolus", nl=40_000, ms=600_000)
    assert (answer["r"], answer["k"], answer["v"]) == (1, messages.ALARM, faults.A_LIMIT_NARROWED)
    assert b.command("stop")["r"] == 0
    b.restart()  # the alarm is gone, the full windows are not
    assert b.command("start")["r"] == 0
    assert b.command("bolus", nl=40_000, ms=600_000)["k"] in (messages.WINDOW_1H, messages.WINDOW_4H, messages.WINDOW_24H)


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


@pytest.mark.parametrize(
    "manifest", [b"null", b"5", b'{"files":5}', b'["/born"]', b"[" * 3000, b"\xff\xfe", b'{"files":{"/born":5}}']
)
def test_an_odd_manifest_is_a_changed_firmware(manifest: bytes) -> None:
    b = used()
    b.image.write("/manifest.json", manifest)
    b.restart()
    refused(b, faults.FILES_CHANGED)


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
