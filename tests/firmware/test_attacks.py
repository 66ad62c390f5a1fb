"""What an attack on the full day found, each kept as the sequence that showed it."""

import json

from harness import MONDAY_MS, Bench, flex_program, monitor_limits, pack, program, program_crc

from thecal.core import frames, messages, states
from thecal.core.codec import crc32

HOUR = 3_600_000


def test_a_change_of_rate_that_passes_while_basal_is_held_back_does_not_stop_time() -> None:
    bench = Bench()
    bench.set_clock(MONDAY_MS + HOUR * 7 + HOUR * 59 // 60)  # 07:59; the schedule changes at 08:00
    fields = flex_program(
        (((0, 48_000_000), (8 * 60, 24_000_000)),),
        rate_nl_per_day=24_000_000,
        max_rate_nl_per_day=48_000_000,
        limit_1h_nl=5_000_000,
        limit_4h_nl=15_000_000,
        limit_24h_nl=70_000_000,
        chunk_nl=8_000,
        reservoir_nl=25_000,
        reservoir_low_nl=1_000,
    )
    bench.running(fields)
    bench.advance(57_000)  # empty, held back since
    for _ in range(12):
        bench.advance(1_000)
    assert bench.command("stop")["r"] == messages.OK
    assert bench.pump.state == states.OFF


def test_bytes_that_are_no_program_are_refused_and_therapy_goes_on() -> None:
    bench = Bench().running()
    bench.advance(60_000)
    limits = monitor_limits.encode(program(name="x"), program_crc(pack(program(name="x"))))
    for junk in (b"TP\x01 not a program", b"T", bytes(40)):
        bench.stage(messages.BLOB_PROGRAM, junk)
        bench.stage(messages.BLOB_MONITOR, limits)
        answer = bench.command("activate", crc=crc32(junk), mcrc=crc32(limits))
        assert answer["r"] == messages.BAD_PROGRAM
        assert bench.pump.state == states.INFUSING
        assert not bench.pump.fault
        assert bench.pump.last_error is None


def test_an_answer_that_changed_nothing_does_not_wait_for_dose_records() -> None:
    bench = Bench().running()
    bench.advance(600_000)
    assert bench.pump.journal.next_seq > bench.pump.journal.durable_seq  # lazy records wait
    began = bench.world.now
    stop = bench.next_id()
    for seq, request in ((77, {"c": "ack", "i": 1 << 16 | 9}), (78, {"c": "stop", "i": stop})):
        bench.world.serial.feed(frames.encode(frames.REQUEST, seq, json.dumps(request).encode()))
    bench.settle()
    assert bench.pump.state == states.OFF
    assert bench.world.now - began < 2_000_000


def test_an_emergency_stop_in_a_motion_forgets_where_the_plunger_stands() -> None:
    bench = Bench()
    assert bench.command("move", k=messages.HOME, n=5_000, ms=100_000, rev=1, det=1)["r"] == messages.OK
    bench.advance(110_000)
    assert bench.status()["pos"] == 0
    assert bench.command("move", k=messages.JOG, n=3_000, ms=6_000, rev=0, det=1)["r"] == messages.OK
    bench.advance(1_000)
    bench.estop(True)
    bench.advance(5_000)
    assert bench.status()["pos"] is None
    assert bench.status()["min"] >= 0  # what it cut was no dose
