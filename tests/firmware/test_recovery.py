"""Old, lost or full: the ledger, marker and log that a board may find, and the documented way out of a latched fault."""

import pytest
from harness import Bench, program
from startup_bench import refused, used

from thecal.core import faults, states
from thecal_twin import faults as twin_faults

HOUR = 3_600_000


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


@pytest.mark.sr("SR-40")
def test_a_fault_between_the_writes_of_an_activation_leaves_the_old_program() -> None:
    b = Bench().running()
    b.advance(HOUR)
    replace = b.pump.store.replace
    old = b.image.read("/program.a")

    def then_fail(path: str, data: bytes) -> None:
        replace(path, data)
        if path == "/program.b":
            b.pump.fail(b.pump.now_ms(), faults.SERVICE_DIED)

    b.pump.store.replace = then_fail
    answer = b.activate(program(rate_nl_per_day=240_000))
    assert (answer["r"], answer["k"], answer["v"]) == (1, 16, faults.SERVICE_DIED)
    assert b.image.read("/program.a") == old
    del b.pump.store.replace
    b.restart()
    assert b.pump.fields is not None and b.pump.fields["rate_nl_per_day"] == 480_000
