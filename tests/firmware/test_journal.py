"""The log on flash at its edges: more than one write in a turn, a full segment, a damaged tail."""

from harness import Bench

from thecal.core import messages
from thecal.core.events import RECORD_BYTES, SEGMENT_RECORDS, STATE, unpack_record

HOUR = 3_600_000


def test_an_answer_waits_until_its_records_are_durable_across_a_full_segment() -> None:
    b = Bench().running()
    journal = b.pump.journal
    while journal._room != 1:  # one place left: COMMAND and STATE need two segments, hence two writes in two turns
        journal.write(b.pump.now_ms(), STATE)
        b.settle()
    assert b.command("hold")["r"] == 0
    on_flash = [r.seq for r in b.log()]
    assert journal.durable_seq == journal.next_seq == on_flash[-1] + 1
    assert journal._room >= SEGMENT_RECORDS - 2


def test_durable_means_on_flash() -> None:
    b = Bench()
    journal = b.pump.journal
    for _ in range(SEGMENT_RECORDS + 10):
        journal.write(b.pump.now_ms(), STATE)
        if len(journal._buffer) > 40:
            break
    first = journal.next_seq
    journal._room = 5
    b.pump.store.new_turn()
    journal.poll(b.pump.now_ms())
    name = "/log/" + b.image.fs.listdir("/log")[-1]
    newest = unpack_record(b.image.read(name)[-RECORD_BYTES:])
    assert newest is not None
    assert journal.durable_seq == newest.seq + 1 < first


def test_at_most_one_durable_write_in_a_turn() -> None:
    b = Bench().running()
    writes = []
    for _ in range(3000):
        before = b.pump.store.writes
        due_us = b.pump.clock_ms(b.turn()) * 1000
        writes.append(b.pump.store.writes - before)
        if len(writes) % 50 == 0:
            b.command("bolus", nl=1_000, ms=1_000)
        b.world.go(max(b.world.now, due_us))
    assert max(writes) == 1


def test_a_command_in_a_turn_whose_write_is_used_is_asked_to_come_again() -> None:
    b = Bench().running()
    b.pump.store.spent = True
    request = {"c": "hold", "i": (b.pump.ledger.id_floor + 1) << 16 | 3, "ms": 0}
    reply = b.supervisor._link._commands.run(request, b.pump.now_ms())
    assert reply is not None and reply[0] == messages.BUSY
    b.pump.store.spent = False
    reply = b.supervisor._link._commands.run(request, b.pump.now_ms())
    assert reply is not None and reply[0] == messages.OK


def test_a_damaged_tail_is_left_alone_and_a_new_segment_begins_above_it() -> None:
    b = Bench().running()
    b.advance(HOUR)
    b.log()
    b.power_off()
    name = "/log/" + b.image.fs.listdir("/log")[-1]
    data = b.image.read(name)
    b.image.write(name, data[:-RECORD_BYTES] + b"\x55" * RECORD_BYTES)
    b.boot()
    assert b.pump.journal.damaged
    b.advance(HOUR)
    b.pump.journal.flush_soon()
    b.settle()
    assert b.image.read(name)[-RECORD_BYTES:] == b"\x55" * RECORD_BYTES
    newest = "/log/" + b.image.fs.listdir("/log")[-1]
    assert newest != name
    first = unpack_record(b.image.read(newest)[:RECORD_BYTES])
    assert first is not None and first.seq > int(name[5:], 16) + len(data) // RECORD_BYTES - 1
