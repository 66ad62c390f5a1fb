"""A damaged log, from the real firmware's flash to the store: what is damaged is counted, and hides no other record."""

import pytest
from fake_board import FakeBoard
from harness import Bench

from thecal.core import frames
from thecal.core.events import RECORD_BYTES, SEGMENT_RECORDS, pack_record, unpack_record
from thecal_host.link.client import Client
from thecal_host.link.session import Session
from thecal_host.link.transport import Transport
from thecal_host.logs import pull as pulling
from thecal_host.logs.store import Gap, Store

FF, ZERO = b"\xff" * RECORD_BYTES, bytes(RECORD_BYTES)
FULL_SEGMENTS = 3


class Wire:
    """The bench's serial line as the host's transport; its time passes when nothing is there to read."""

    url = "bench"

    def __init__(self, bench):
        self.bench, self.is_open, self.now, self.out, self.trains = bench, False, 0.0, b"", 0

    def open(self):
        self.is_open = True

    def close(self):
        self.is_open = False

    def write(self, data):
        self.trains += 1
        self.bench.world.serial.feed(data)
        self.bench.settle()
        self.out += self.bench.world.serial.taken()

    def read(self, wait_s):
        if not self.out:
            self.now += max(wait_s, 0.01)
        out, self.out = self.out, b""
        return out

    def sleep(self, wait_s):
        self.now += wait_s
        self.bench.advance(int(wait_s * 1000) + 1)


@pytest.fixture(scope="module")
def bench():
    """A board at rest whose log fills some segments."""
    made = Bench()
    journal = made.pump.journal
    while journal.next_seq < FULL_SEGMENTS * SEGMENT_RECORDS + 20:
        journal.write(made.pump.now_ms(), 200, journal.next_seq)
        made.settle()
    return made


@pytest.fixture
def spoil(bench):
    """Change the records of one segment on the board's flash; afterwards it is as before."""
    before = {}

    def change(segment, how):
        path = "/log/" + bench.pump.journal._segments[segment]
        before.setdefault(path, bench.image.read(path))
        raws = [before[path][at : at + RECORD_BYTES] for at in range(0, len(before[path]), RECORD_BYTES)]
        bench.image.write(path, b"".join(how(raws)))

    yield change
    for path, data in before.items():
        bench.image.write(path, data)


def client_of(bench):
    wire = Wire(bench)
    return Client(wire, session=Session(wire, clock=lambda: wire.now, sleep=wire.sleep))


def sequences(raws):
    return [record.seq for record in map(unpack_record, raws) if record is not None]


def flip(byte, mask):
    return lambda raw: raw[:byte] + bytes([raw[byte] ^ mask]) + raw[byte + 1 :]


@pytest.mark.parametrize("index", [0, 5, 47, 48, SEGMENT_RECORDS - 1])
@pytest.mark.parametrize(
    "damage", [flip(3, 0x40), flip(0, 0x10), flip(10, 1), lambda _: FF, lambda _: ZERO], ids=["high", "low", "body", "ff", "00"]
)
def test_one_damaged_record_costs_one_record(bench, spoil, index, damage):
    spoil(1, lambda raws: [*raws[:index], damage(raws[index]), *raws[index + 1 :]])
    with client_of(bench) as client:
        raws = list(client.pull_log())
    lost = SEGMENT_RECORDS + index
    assert sequences(raws) == [seq for seq in range(bench.pump.journal.next_seq) if seq != lost]
    assert [at for at, raw in enumerate(raws) if unpack_record(raw) is None] == [lost]


@pytest.mark.parametrize("fill", [FF, ZERO], ids=["ff", "00"])
@pytest.mark.parametrize(("begin", "count"), [(0, SEGMENT_RECORDS), (3, 10), (0, 60), (40, 70), (100, 28)])
def test_a_damaged_stretch_hides_at_most_the_record_behind_it(bench, spoil, fill, begin, count):
    spoil(1, lambda raws: [*raws[:begin], *[fill] * count, *raws[begin + count :]])
    with client_of(bench) as client:
        raws = list(client.pull_log())
        trains = client.session.transport.trains
    first, behind = SEGMENT_RECORDS + begin, SEGMENT_RECORDS + begin + count
    found = sequences(raws)
    assert found == sorted(set(found))
    assert set(range(first)) | set(range(behind + 1, bench.pump.journal.next_seq)) <= set(found)
    assert not set(range(first, behind)) & set(found)
    assert min(count, 48) <= len(raws) - len(found) <= count
    assert trains < 60


def test_a_whole_log_of_damage_ends(bench, spoil):
    for segment in range(len(bench.pump.journal._segments)):
        spoil(segment, lambda raws: [FF] * len(raws))
    with client_of(bench) as client:
        raws = list(client.pull_log())
    assert raws
    assert sequences(raws) == []


def test_a_board_that_shows_the_same_damage_for_ever_is_left():
    with FakeBoard() as board, Client(board.url, 6, 6, Session(Transport(board.url))) as client:
        board.records = [pack_record((1 << 32) - 2, 1, 0, 200)]
        board._log = lambda first: [(frames.LOG, first.to_bytes(4, "little") + FF)]
        assert list(client.pull_log()) == [FF]
        assert len(board.requests) < 100


@pytest.mark.parametrize("damage", [FF, ZERO], ids=["ff", "00"])
def test_pull_reports_damage_and_stays_in_its_generation(bench, spoil, tmp_path, damage):
    lost = SEGMENT_RECORDS + 5
    total = bench.pump.journal.next_seq
    with Store(tmp_path / "logs.sqlite3") as store:
        spoil(1, lambda raws: [*raws[:5], damage, *raws[6:]])
        with client_of(bench) as client:
            done = pulling.pull(client, store)
        assert (done.kept.new, done.kept.damaged, done.gaps) == (total - 1, 1, [Gap(lost, lost)])
        spoil(-1, lambda raws: [*raws[:-1], damage])  # the newest record, which says whether the board was erased
        with client_of(bench) as client:
            done = pulling.pull(client, store)
        assert (done.kept.new, done.kept.damaged, done.kept.generation, done.restarted) == (0, 1, 1, False)
