"""Commands over real frames: idempotent ids, staging, activation at every crash point, refusals that change nothing."""

import pytest
from harness import Bench, program
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core import messages as m
from thecal.core import states
from thecal.core.codec import crc32
from thecal.core.prescription import pack, program_crc
from thecal_host import monitor_limits
from thecal_twin import chip

HOUR = 3_600_000


@pytest.mark.sr("SR-03")
def test_a_repeated_id_is_answered_again_and_never_run_again() -> None:
    b = Bench().running()
    b.advance(HOUR)
    i = b.next_id()
    first = b.command("bolus", i=i, nl=40_000, ms=600_000)
    again = b.command("bolus", i=i, nl=40_000, ms=600_000)
    assert first["a"] == 0 and again["a"] == 1
    assert {k: v for k, v in first.items() if k != "a"} == {k: v for k, v in again.items() if k != "a"}
    assert b.pump.ledger.grant is not None and b.pump.ledger.grant.command_id == i
    assert b.pump.ledger.windows.boluses_24h() == 1


@pytest.mark.sr("SR-03")
def test_also_across_a_reset() -> None:
    b = Bench().running()
    b.advance(HOUR)
    i = b.next_id()
    assert b.command("bolus", i=i, nl=40_000, ms=600_000)["r"] == m.OK
    b.restart()
    again = b.command("bolus", i=i, nl=40_000, ms=600_000)
    assert (again["r"], again["v"], again["a"]) == (m.OK, 40_000, 1)
    steps = b.edges()
    b.advance(HOUR)
    assert abs(b.edges() - steps - 484) <= 2  # basal only


@pytest.mark.sr("SR-03")
@pytest.mark.parametrize("operation", range(1, 8))
@pytest.mark.parametrize("phase", ["before", "torn", "after"])
def test_power_fails_while_a_bolus_is_granted(operation: int, phase: str) -> None:
    """Whatever the instant: asking again with the same id gives one bolus at most, and an answer that is true."""
    b = Bench().running()
    b.advance(HOUR)
    i = b.next_id()
    b.image.flash.plan_cut(operation, phase)
    answered = None
    try:
        answered = b.command("bolus", i=i, nl=40_000, ms=600_000)
        b.image.flash.plan_cut(0, "before")
    except chip.PowerCut:
        pass
    b.restart()
    again = b.command("bolus", i=i, nl=40_000, ms=600_000)
    assert again["r"] == m.OK
    if answered is not None:
        assert again["a"] == 1
    assert b.pump.ledger.windows.boluses_24h() == 1


def test_an_id_for_something_else_is_refused() -> None:
    b = Bench().running()
    i = b.next_id()
    assert b.command("bolus", i=i, nl=40_000, ms=600_000)["r"] == m.OK
    assert b.command("bolus", i=i, nl=40_001, ms=600_000)["r"] == m.ID_TAKEN
    assert b.command("stop", i=i)["r"] == m.ID_TAKEN
    assert b.pump.state == states.INFUSING


def test_a_forgotten_id_is_stale_and_never_runs() -> None:
    b = Bench().running()
    i = b.next_id()
    assert b.command("hold", i=i)["r"] == m.OK
    for _ in range(6):
        b.command("ack")
    assert b.command("resume")["r"] == m.OK
    assert b.command("hold", i=i)["r"] == m.STALE_ID
    assert b.pump.state == states.INFUSING


@pytest.mark.sr("SR-40")
def test_staging_changes_nothing_and_needs_activation() -> None:
    b = Bench().running()
    b.advance(HOUR)
    before = b.pump.fields
    fields = program(rate_nl_per_day=960_000)
    b.stage(m.BLOB_PROGRAM, pack(fields))
    b.advance(HOUR)
    assert b.pump.fields is before
    answer = b.command("activate", crc=program_crc(pack(fields)), mcrc=0)
    assert (answer["r"], answer["k"]) == (m.REFUSED, m.NOT_STAGED)


@pytest.mark.sr("SR-40")
def test_what_is_read_back_is_what_was_staged() -> None:
    b = Bench()
    blob = pack(program())
    b.stage(m.BLOB_PROGRAM, blob)
    got = bytearray()
    for frame in b.send(b'{"c":"read","k":1,"o":0}'):
        assert int.from_bytes(frame.payload[:4], "little") == len(got)
        assert int.from_bytes(frame.payload[4:8], "little") == len(blob)
        got += frame.payload[8:]
    assert bytes(got) == blob


@pytest.mark.sr("SR-42")
@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"rate_nl_per_day": 2_000_000}, m.BAD_PROGRAM),
        ({"limit_24h_nl": 400_000}, m.BAD_PROGRAM),
        ({"step_pl_per_million": 41_282_490_965}, m.BAD_PROGRAM),
    ],
)
def test_a_bad_program_is_refused_whole(change: dict[str, int], result: int) -> None:
    b = Bench().running()
    before = (b.pump.program_crc, b.image.read("/program.a"), b.image.read("/monitor.a"))
    assert b.activate(program(**change))["r"] == result
    assert (b.pump.program_crc, b.image.read("/program.a"), b.image.read("/monitor.a")) == before
    assert b.pump.state == states.INFUSING


def test_monitor_limits_of_another_program_are_refused() -> None:
    b = Bench()
    fields = program()
    other = monitor_limits.encode(fields, 12345)
    answer = b.activate(fields, other)
    assert (answer["r"], answer["k"]) == (m.REFUSED, m.NOT_THIS_BOARD)
    assert b.pump.fields is None


@pytest.mark.sr("SR-40")
@pytest.mark.parametrize("phase", ["before", "torn", "after"])
@pytest.mark.parametrize("operation", range(1, 17))
def test_power_fails_while_a_program_is_activated(operation: int, phase: str) -> None:
    """Old or new, never mixed: rate, program copies and monitor limits belong together after every cut."""
    b = Bench().running()
    b.advance(HOUR)
    new = program(rate_nl_per_day=240_000)
    b.stage(m.BLOB_PROGRAM, pack(new))
    crc = program_crc(pack(new))
    limits = monitor_limits.encode(new, crc)
    b.stage(m.BLOB_MONITOR, limits)
    i = b.next_id()
    b.image.flash.plan_cut(operation, phase)
    answered = None
    try:
        answered = b.command("activate", i=i, crc=crc, mcrc=crc32(limits))
        b.image.flash.plan_cut(0, "before")
    except chip.PowerCut:
        pass
    b.restart()
    assert b.pump.fault == 0
    assert b.pump.state == states.INFUSING
    rate = b.pump.fields["rate_nl_per_day"]
    assert rate in (480_000, 240_000)
    if answered is not None:
        assert rate == 240_000
    assert b.image.read("/program.a") == b.image.read("/program.b")
    assert b.pump.monitor.decode(b.pump.monitor.blob())["program_crc"] == b.pump.program_crc
    assert b.pump.program_crc == program_crc(b.image.read("/program.a"))
    b.advance(HOUR)
    assert b.pump.fault == 0


@pytest.mark.sr("SR-42")
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b'"x"',
        b"null",
        b"\xff\xfe",
        b'{"c":1}',
        b'{"c":"nosuch"}',
        b'{"c":"bolus"}',
        b'{"c":"hello","x":1}',
        b'{"c":"bolus","i":1,"nl":-1,"ms":1}',
        b'{"c":"bolus","i":1,"nl":1.5,"ms":1}',
        b'{"c":"bolus","i":true,"nl":1,"ms":1}',
        b'{"c":"bolus","i":0,"nl":1,"ms":1}',
        b'{"c":"stage","k":9,"n":1,"crc":1}',
        b"[" * 94,
        b'{"c":"log","s":99999999999}',
    ],
)
def test_a_bad_request_is_answered_and_changes_nothing(payload: bytes) -> None:
    b = Bench().running()
    ledger = b.pump.ledger.pack()
    frames = b.send(payload)
    assert len(frames) == 1 and b'"r": 2' in frames[0].payload
    assert b.pump.ledger.pack() == ledger
    assert b.pump.state == states.INFUSING


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=6))
def test_noise_on_the_line_never_hurts(noise: list[bytes]) -> None:
    b = _RUNNING[0] if _RUNNING else _RUNNING.append(Bench().running()) or _RUNNING[0]
    for piece in noise:
        b.world.serial.feed(piece)
        b.settle()
    b.world.serial.feed(b"\x00")
    b.settle()
    b.decoder.feed(b.world.serial.taken() + b"\x00")
    assert b.ask(c="hello")["r"] == 0
    assert b.pump.fault == 0


_RUNNING: list[Bench] = []


def test_log_is_pulled_whole_and_in_order_in_trains() -> None:
    b = Bench().running()
    b.advance(30 * HOUR)
    got: list[int] = []
    while True:
        frames = b.send(b'{"c":"log","s":%d}' % (got[-1] + 1 if got else 0))
        if frames[0].kind == 2:
            continue  # BUSY: the newest are being made durable
        assert 1 <= len(frames) <= m.LOG_TRAIN_FRAMES
        assert [frame.more for frame in frames] == [True] * (len(frames) - 1) + [False]
        for frame in frames:
            for at in range(4, len(frame.payload), 32):
                got.append(int.from_bytes(frame.payload[at : at + 4], "little"))
        if len(frames[-1].payload) == 4:
            break
    assert got == list(range(len(got)))
    assert len(got) == b.pump.journal.next_seq > 700


def test_an_id_from_far_ahead_cannot_use_up_the_counter() -> None:
    b = Bench().running()
    answer = b.command("hold", i=((1 << 32) - 1) << 16 | 5)
    assert answer["r"] == m.ID_AHEAD
    assert b.pump.state == states.INFUSING
    assert b.command("hold")["r"] == m.OK


def test_a_flood_of_refused_commands_does_not_wear_the_flash_but_stop_always_works() -> None:
    b = Bench().running()
    writes = b.pump.store.writes
    answers = [b.command("bolus", nl=1_000_000, ms=600_000)["r"] for _ in range(100)]
    assert answers[:30] == [m.REFUSED] * 30
    assert answers[30:] == [m.BUSY] * 70
    assert b.pump.store.writes - writes <= 2 * 30 + 2
    assert b.command("stop")["r"] == m.OK
    b.advance(120_000)
    assert b.command("bolus", nl=1_000_000, ms=600_000)["r"] == m.REFUSED


def test_a_bolus_longer_than_a_day_is_refused_before_anything_looks_at_it() -> None:
    b = Bench().running()
    answer = b.command("bolus", nl=40_000, ms=86_400_001)
    assert (answer["r"], answer["k"], answer["hi"]) == (m.BAD_REQUEST, "ms", 86_400_000)


@pytest.mark.sr("SR-40")
def test_a_flash_that_refuses_the_commit_of_an_activation_leaves_the_old_program_whole() -> None:
    b = Bench().running()
    b.advance(HOUR)
    replace = b.pump.store.replace

    def full(path: str, data: bytes) -> None:
        if path == "/ledger":
            raise OSError(28)
        replace(path, data)

    old = b.image.read("/program.a")
    b.pump.store.replace = full
    assert b.activate(program(rate_nl_per_day=240_000))["r"] == m.STORE_FULL
    assert b.image.read("/program.a") == old
    del b.pump.store.replace
    b.restart()
    assert b.pump.fault == 0
    assert b.pump.fields["rate_nl_per_day"] == 480_000


def test_a_fault_at_a_commit_is_in_the_log_and_the_refused_command_is_not() -> None:
    b = Bench().running()
    b.advance(HOUR)
    replace = b.pump.store.replace

    def full(path: str, data: bytes) -> None:
        if path == "/ledger":
            raise OSError(28)
        replace(path, data)

    b.pump.store.replace = full
    assert b.command("bolus", nl=40_000, ms=600_000)["r"] == m.STORE_FULL
    log = b.log()
    assert [r.detail for r in log if r.code == 14] == [11]
    assert not [r for r in log if r.code == 6]
    assert len({r.seq for r in log}) == len(log)


def test_a_damaged_record_in_the_log_does_not_stop_the_pump() -> None:
    b = Bench().running()
    b.advance(HOUR)
    b.log()
    name = "/log/" + b.image.fs.listdir("/log")[0]
    data = bytearray(b.image.read(name))
    data[32 * 5 : 32 * 6] = b"\xff" * 32
    b.image.write(name, bytes(data))
    assert b.send(b'{"c":"log","s":0}')
    assert b.pump.fault == 0 and b.pump.state == states.INFUSING
