"""The log store keeps every record once and for ever, CSV files are whole, and the curves always enclose the truth."""

import csv
import os
import sqlite3
import stat

import pytest
from fake_board import FakeBoard

from thecal.core import events
from thecal.core.events import pack_record
from thecal_host.link.client import Client
from thecal_host.logs import export
from thecal_host.logs import pull as pulling
from thecal_host.logs.errors import StorageError
from thecal_host.logs.store import Gap, Store

DAY_MS = 86_400_000
STEP_PL = 50_000_000_000  # 50 nL a microstep


def records(count, first=0, boot=1, a=0):
    return [pack_record(seq, boot, seq * 1000, events.DOSE, a + seq * 10, 20, seq, 0) for seq in range(first, first + count)]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "logs.sqlite3") as opened:
        yield opened


def test_a_record_is_kept_once(store):
    assert store.add("b", records(1200)).new == 1200
    again = store.add("b", records(1200))
    assert (again.new, again.known, again.generation) == (0, 1200, 1)
    assert store.records("b") == records(1200)
    assert store.boards()[0].records == 1200


def test_boards_are_kept_apart(store):
    store.add("b1", records(5))
    store.add("b2", records(5, a=7))
    assert store.records("b1") == records(5)
    assert store.records("b2") == records(5, a=7)


def test_other_bytes_under_the_same_key_begin_a_new_generation(store):
    store.add("b", records(10))
    kept = store.add("b", records(3, a=1))
    assert (kept.new, kept.generation) == (3, 2)
    assert store.records("b", 1) == records(10)
    assert store.records("b") == records(3, a=1)


def test_gaps_are_reported(store):
    store.add("b", records(3) + records(2, first=10) + records(1, first=20, boot=2))
    assert store.gaps("b") == [Gap(3, 9), Gap(12, 19)]
    store.add("b", records(7, first=3))
    assert store.gaps("b") == [Gap(12, 19)]


def test_damaged_records_are_counted_and_left_out(store):
    bad = bytearray(records(1)[0])
    bad[9] ^= 1
    kept = store.add("b", [bytes(bad), *records(2, first=1)])
    assert (kept.new, kept.damaged) == (2, 1)


def test_an_interrupted_pull_keeps_what_came(store):
    def broken():
        yield from records(700)
        raise RuntimeError("unplugged")

    with pytest.raises(RuntimeError):
        store.add("b", broken())
    assert len(store.records("b")) == 500
    assert store.add("b", records(700)).new == 200


def test_what_was_stored_is_there_after_reopening(tmp_path):
    with Store(tmp_path / "x" / "y.sqlite3") as store:
        store.add("b", records(3))
        store.add_program("b", 7, b"blob")
        store.add_program("b", 7, b"blob")
    with Store(tmp_path / "x" / "y.sqlite3") as store:
        assert store.records("b") == records(3)
        assert store.programs("b") == {7: b"blob"}


def test_disk_full_is_a_sentence_and_nothing_is_lost(tmp_path):
    with Store(tmp_path / "logs.sqlite3") as store:
        store.add("b", records(100))
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError, match="disk is full"):
            store.add("b", records(5000, first=100))
    with Store(tmp_path / "logs.sqlite3") as store:
        assert store.records("b") == records(100)


def test_a_locked_store_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("thecal_host.logs.store.LOCK_WAIT_S", 0.1)
    with Store(tmp_path / "logs.sqlite3") as store:
        other = sqlite3.connect(tmp_path / "logs.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="in use"):
            store.add("b", records(1))
        other.execute("ROLLBACK")
        other.close()
        assert store.add("b", records(1)).new == 1


@pytest.mark.parametrize("content", [b"this is no database at all, only some text" * 50, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_damaged_store_is_a_sentence(tmp_path, content):
    path = tmp_path / "logs.sqlite3"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"damaged|could not be used"):
        Store(path)
    assert path.read_bytes() == content


def test_a_store_of_a_newer_program_is_left_alone(tmp_path):
    path = tmp_path / "logs.sqlite3"
    with Store(path) as store:
        store._db.execute("PRAGMA user_version = 9")
    with pytest.raises(StorageError, match="format 9"):
        Store(path)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="could not be made"):
        Store(tmp_path / "file" / "logs.sqlite3")


# --- pull ----------------------------------------------------------------------------------------------------------------


def test_pull_is_idempotent_and_goes_on_where_it_ended(store):
    with FakeBoard() as board, Client(board.url) as client:
        board.add_records(300)
        assert pulling.pull(client, store).kept.new == 300
        assert pulling.pull(client, store).kept.new == 0
        board.add_records(50, first=300)
        assert pulling.pull(client, store).kept.new == 50
        assert store.records(board.board_id) == board.records


def test_an_erased_board_is_noticed(store):
    with FakeBoard() as board, Client(board.url) as client:
        board.add_records(300)
        pulling.pull(client, store)
        old, board.records = board.records, []
        board.add_records(20, code=events.RATE)
        done = pulling.pull(client, store)
        assert done.restarted
        assert done.kept.generation == 2
        assert store.records(board.board_id, 1) == old
        assert store.records(board.board_id) == board.records
        assert not pulling.pull(client, store).restarted


def test_an_erased_board_is_noticed_when_its_new_log_is_longer_and_begins_later(store):
    with FakeBoard() as board, Client(board.url) as client:
        board.add_records(50, first=400)
        pulling.pull(client, store)
        board.records = []
        board.add_records(900, code=events.RATE)
        assert pulling.pull(client, store).kept.generation == 2
        assert store.records(board.board_id) == board.records


def test_a_ring_that_moved_on_is_a_gap_not_an_erased_board(store):
    with FakeBoard() as board, Client(board.url) as client:
        board.add_records(10)
        pulling.pull(client, store)
        board.records = []
        board.add_records(10, first=5000)
        done = pulling.pull(client, store)
        assert not done.restarted
        assert done.gaps == [Gap(10, 4999)]


# --- files ----------------------------------------------------------------------------------------------------------------


def test_csv_holds_every_value(tmp_path):
    raws = [*records(3), pack_record(3, 1, 5, 200, 1, 2, 3, 4)]
    rows = list(csv.DictReader(export.records_csv("b", raws, STEP_PL).splitlines()))
    assert [row["sequence"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[1]["a_is"] == "settled_steps"
    assert rows[1]["a"] == "10"
    assert rows[3]["event_code"] == "200"
    assert "newer firmware" in rows[3]["sentence"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "out.csv"
    export.write_atomic(path, b"old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        export.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "words"), [("no/such/folder.csv", "no such folder"), (".", "could not be written")])
def test_places_that_cannot_be_written(tmp_path, name, words):
    with pytest.raises(StorageError, match=words):
        export.write_atomic(tmp_path / name, b"x")


# --- curves ---------------------------------------------------------------------------------------------------------------


def test_text_or_numbers_where_bytes_belong_are_a_damaged_store(store):
    store.add("b", records(3))
    store.add_program("b", 1, b"blob")
    store._db.execute("UPDATE records SET raw = ? WHERE seq = 2", ("x" * 32,))
    store._db.execute("UPDATE programs SET blob = 99")
    for use in (
        lambda: store.records("b"),
        lambda: store.gaps("b"),
        lambda: store.newest("b"),
        lambda: store.has("b", records(3)[2]),
        lambda: store.add("b", records(4)),
        lambda: store.programs("b"),
    ):
        with pytest.raises(StorageError, match="damaged"):
            use()
        assert not store._db.in_transaction
    assert store.add("b", records(2)).known == 2
