"""The ledger: bytes, permits, settling, answers, recovery. Pure; crash points over a real file system are in tests/firmware."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.core.codec import CodecError
from thecal.core.ledger import ANSWERS_KEPT, LEDGER_BYTES, Answer, Grant, Ledger
from thecal.monitor.intent import read_history, read_intent


class Flash:
    """Keeps what was written; `broken` makes the next write fail."""

    def __init__(self) -> None:
        self.data = b""
        self.broken = False

    def write(self, data: bytes) -> None:
        if self.broken:
            raise OSError(28)
        self.data = data


def fresh() -> tuple[Ledger, Flash]:
    flash = Flash()
    ledger = Ledger(flash.write)
    ledger.commit(0)
    return ledger, flash


def test_one_chunk_by_hand() -> None:
    ledger, flash = fresh()
    ledger.open_chunk(1000, 0, 20, 7)
    assert (ledger.min_steps, ledger.max_steps, ledger.unsettled) == (0, 20, 20)
    permit = ledger.permit(0, 5)
    assert (permit.first, permit.last, permit.seq) == (0, 5, 2)
    ledger.open_chunk(2000, 18, 20, 8)
    assert (ledger.min_steps, ledger.max_steps) == (18, 38)
    assert ledger.windows.sums == [18, 18, 18]
    assert len(flash.data) == LEDGER_BYTES <= 400


@pytest.mark.sr("SR-05")
def test_recovery_counts_open_intent_for_limits_and_not_for_underdose() -> None:
    ledger, flash = fresh()
    ledger.open_chunk(1000, 0, 20, 1)
    ledger.open_chunk(2000, 20, 20, 1)
    after = Ledger(flash.write)
    assert after.load(flash.data)
    assert after.recover(2000) == (20, 20, 0)
    assert (after.min_steps, after.max_steps, after.unsettled) == (20, 40, 0)
    assert after.windows.sums[0] == 40


@pytest.mark.sr("SR-07")
def test_recovery_drops_promised_boluses() -> None:
    ledger, flash = fresh()
    ledger.promise(10, Grant(5 << 16, 10, 40_000, 600_000))
    ledger.commit(10)
    after = Ledger(flash.write)
    assert after.load(flash.data)
    assert after.recover(10) == (0, 0, 40_000)
    assert after.grant is None
    assert after.last_bolus_ms == 10  # the lockout goes on
    assert after.windows.boluses_24h() == 1


@pytest.mark.sr("SR-03")
def test_answers_survive_and_the_floor_rises() -> None:
    ledger, flash = fresh()
    for k in range(1, ANSWERS_KEPT + 3):
        ledger.remember(Answer(k << 16 | 9, k, 1, 2, k, k + 1))
    ledger.commit(0)
    after = Ledger(flash.write)
    assert after.load(flash.data)
    assert after.known(1 << 16 | 9) is None
    newest = after.known((ANSWERS_KEPT + 2) << 16 | 9)
    assert newest is not None and (newest.code, newest.reason, newest.value) == (1, 2, ANSWERS_KEPT + 2)
    assert after.id_floor == ANSWERS_KEPT + 2


def test_a_refused_write_changes_nothing() -> None:
    ledger, flash = fresh()
    ledger.open_chunk(1000, 0, 20, 1)
    before = ledger.pack()
    flash.broken = True
    with pytest.raises(OSError):
        ledger.open_chunk(2000, 20, 20, 2)
    assert ledger.pack() == before
    assert ledger.durable_intent == 20


def test_a_value_too_big_for_its_field_changes_nothing() -> None:
    ledger, _flash = fresh()
    before = ledger.pack()
    ledger.promise(0, Grant(1, 0, 1 << 32, 1))
    with pytest.raises(CodecError):
        ledger.commit(0)
    assert ledger.pack() == before
    assert ledger.grant is None


@pytest.mark.parametrize(("first", "count"), [(0, 21), (20, 1), (0, 0), (0, -1), (-1, 2)])
@pytest.mark.sr("SR-05")
def test_no_permit_outside_durable_intent(first: int, count: int) -> None:
    ledger, _flash = fresh()
    ledger.open_chunk(1000, 0, 20, 1)
    with pytest.raises(ValueError):
        ledger.permit(first, count)


@pytest.mark.parametrize(("settled", "chunk"), [(-1, 50), (21, 50), (5, 10)])
def test_a_chunk_cannot_go_back_or_forget(settled: int, chunk: int) -> None:
    ledger, _flash = fresh()
    ledger.open_chunk(1000, 0, 20, 1)
    with pytest.raises(ValueError):
        ledger.open_chunk(2000, settled, chunk, 1)


@given(st.integers(0, LEDGER_BYTES * 8 - 1))
def test_any_flipped_bit_is_seen_by_both_decoders(bit: int) -> None:
    ledger, flash = fresh()
    ledger.open_chunk(1000, 0, 20, 1)
    data = bytearray(flash.data)
    data[bit // 8] ^= 1 << bit % 8
    assert not Ledger(flash.write).load(bytes(data))
    assert read_intent(bytes(data)) is None


@given(st.binary(max_size=LEDGER_BYTES + 5))
def test_any_bytes_are_refused_without_an_exception(data: bytes) -> None:
    assert not Ledger(lambda _data: None).load(data)
    assert read_intent(data) is None


@pytest.mark.sr("SR-08")
@given(
    st.integers(0, 1 << 40),
    st.integers(1, 1 << 20),
    st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 1 << 20)), max_size=8),
    st.booleans(),
)
def test_the_monitors_decoder_reads_the_same_ledger(settled: int, chunk: int, more: list[tuple[int, int]], bolus: bool) -> None:
    ledger, flash = fresh()
    ledger.settled = ledger.intent = settled
    now = 0
    for gap, steps in more:
        now += gap
        ledger.windows.add(now, min(steps, 1 << 20))
    if bolus:
        ledger.promise(now, Grant(77 << 16, now, 1000, 1000))
    ledger.open_chunk(now, settled, chunk, 3)
    assert read_intent(flash.data) == (ledger.settled, ledger.intent, bolus, ledger.last_bolus_ms)
    assert sum(read_history(flash.data).values()) == ledger.windows.sums[2]
