"""The history: every activation with its reason, settled by the board's own log; nothing kept is lost, nothing is made up."""

import json
import os
import sqlite3
from pathlib import Path

import pytest
from cli_bench import MORPHINE, board_with_program
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core import events, messages
from thecal.core.events import pack_record
from thecal.core.prescription import pack, program_crc
from thecal_host import boards, prescriptions
from thecal_host.cli import exit_codes
from thecal_host.history import ASKED, DONE, ELSEWHERE, History
from thecal_host.logs.errors import StorageError
from thecal_host.logs.store import Store

BOARD = "ab12cd34ef567890"
FIELDS = prescriptions.load(MORPHINE, boards.load("virtual").part).fields
FIRST = pack(FIELDS, 1)
SECOND = pack({**FIELDS, "rate_nl_per_day": 520_000}, 2)
CRCS = {1: (program_crc(FIRST), 11), 2: (program_crc(SECOND), 22)}
IDS = {1: 1 << 16 | 5, 2: 2 << 16 | 6}


def activated(seq: int, command_id: int, crcs: tuple[int, int], t_ms: int = 5_000) -> bytes:
    return pack_record(seq, 1, t_ms, events.ACTIVATED, command_id, *crcs)


@pytest.fixture
def history(tmp_path):
    with History(tmp_path / "history.sqlite3") as opened:
        yield opened


def test_asked_then_done(history) -> None:
    history.ask(BOARD, IDS[1], FIRST, CRCS[1], "first", now_s=1_790_000_000)
    assert [entry.state for entry in history.entries(BOARD)] == [ASKED]
    history.done(BOARD, IDS[1], 1)
    history.refused(BOARD, IDS[1])  # what took effect stays, whatever comes later
    (entry,) = history.entries(BOARD)
    assert (entry.state, entry.version, entry.reason, entry.at_s, entry.blob) == (DONE, 1, "first", 1_790_000_000, FIRST)
    assert entry.who and entry.host is not None
    assert (entry.program_crc, entry.monitor_crc) == CRCS[1]


def test_an_uncertain_one_is_settled_by_the_log(history) -> None:
    history.ask(BOARD, IDS[1], FIRST, CRCS[1], "no answer came")
    assert history.reconcile(BOARD, [activated(7, IDS[1], CRCS[1])]) == (1, 0)
    (entry,) = history.entries(BOARD)
    assert (entry.state, entry.board_ms, entry.boot, entry.seq) == (DONE, 5_000, 1, 7)
    assert history.reconcile(BOARD, [activated(7, IDS[1], CRCS[1])]) == (0, 0)
    assert history.entries(BOARD) == [entry]


def test_asking_again_under_the_same_id_changes_nothing(history) -> None:
    history.ask(BOARD, IDS[1], FIRST, CRCS[1], "as it was", now_s=5)
    history.ask(BOARD, IDS[1], None, CRCS[1], "again", now_s=6)
    (entry,) = history.entries(BOARD)
    assert (entry.reason, entry.at_s, entry.blob) == ("as it was", 5, FIRST)


def test_another_pc_s_activation_is_told_by_its_crc_until_its_bytes_are_read(history) -> None:
    assert history.reconcile(BOARD, [activated(3, IDS[1], CRCS[1])]) == (0, 1)
    (entry,) = history.entries(BOARD)
    assert (entry.state, entry.program_crc, entry.blob, entry.at_s, entry.reason) == (ELSEWHERE, CRCS[1][0], None, None, "")
    assert history.reconcile(BOARD, [activated(3, IDS[1], CRCS[1])], {CRCS[1][0]: FIRST}) == (0, 0)
    (entry,) = history.entries(BOARD)
    assert (entry.state, entry.blob) == (ELSEWHERE, FIRST)


def test_boards_and_generations_are_kept_apart_and_in_order(history) -> None:
    history.ask("other", IDS[1], FIRST, CRCS[1], "")
    history.reconcile(BOARD, [activated(1, IDS[2], CRCS[2])], generation=1)
    history.reconcile(BOARD, [activated(1, IDS[1], CRCS[1])], generation=2)  # erased: ids begin again
    assert [entry.program_crc for entry in history.entries(BOARD)] == [CRCS[2][0], CRCS[1][0]]
    assert history.boards() == [BOARD, "other"]


def test_other_and_damaged_records_are_nothing_to_it(history) -> None:
    raws = [bytes(32), b"short", pack_record(1, 1, 1, events.COMMAND, IDS[1], 1, 0, 0)]
    assert history.reconcile(BOARD, raws) == (0, 0)
    assert history.entries(BOARD) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ask", "done", "refused", "log"]), st.integers(1, 4)), max_size=14))
def test_what_took_effect_is_never_lost(tmp_path_factory, acts) -> None:
    """Any order of requests, answers and pulls: an id that was done or logged stays, exactly once."""
    effective: set[int] = set()
    with History(tmp_path_factory.mktemp("any") / "h.sqlite3") as kept:
        for act, number in acts:
            command_id = number << 16
            known = {entry.command_id: entry.state for entry in kept.entries(BOARD)}
            if act == "ask":
                kept.ask(BOARD, command_id, FIRST, CRCS[1], "why")
            elif act == "done":
                kept.done(BOARD, command_id, number)
                effective |= {command_id} & set(known)
            elif act == "refused":
                kept.refused(BOARD, command_id)
            else:
                kept.reconcile(BOARD, [activated(number, command_id, CRCS[1])])
                effective.add(command_id)
        entries = kept.entries(BOARD)
    assert len({entry.command_id for entry in entries}) == len(entries)
    assert effective == {entry.command_id for entry in entries if entry.state != ASKED}


# --- trouble -----------------------------------------------------------------------------------------------------------------
def test_a_file_that_is_no_database(tmp_path) -> None:
    path = tmp_path / "history.sqlite3"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="damaged"):
        History(path)


def test_a_newer_format(tmp_path) -> None:
    path = tmp_path / "history.sqlite3"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match="format 99"):
        History(path)


def test_a_folder_that_cannot_be_made(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not be made"):
        History(tmp_path / "file" / "history.sqlite3")


def test_in_use_by_another_program(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("thecal_host.history.LOCK_WAIT_S", 0.05)
    path = tmp_path / "history.sqlite3"
    with History(path) as kept:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="in use"):
            kept.ask(BOARD, IDS[1], FIRST, CRCS[1], "")
        other.execute("ROLLBACK")
        other.close()
        kept.ask(BOARD, IDS[1], FIRST, CRCS[1], "")
        assert len(kept.entries(BOARD)) == 1


# --- the command -------------------------------------------------------------------------------------------------------------
def two_kept() -> None:
    """A first program from this PC, a second one from elsewhere, its bytes known by a pull."""
    with History() as kept, Store() as store:
        kept.ask(BOARD, IDS[1], FIRST, CRCS[1], "to begin with", now_s=1_790_000_000)
        kept.done(BOARD, IDS[1], 1)
        store.add(BOARD, [activated(1, IDS[1], CRCS[1]), activated(2, IDS[2], CRCS[2], 7_200_000)])
        store.add_program(BOARD, CRCS[2][0], SECOND)


def test_the_list_tells_reasons_and_differences(thecal) -> None:
    two_kept()
    code, out, _err = thecal("history")
    assert code == 0
    assert f"program {CRCS[1][0]:08x}" in out and out.count(BOARD) == 1
    assert ": to begin with" in out and "activated elsewhere" in out
    assert "+ Basal rate: 12 mg/day (0.48 mL/day) -> 13 mg/day (0.52 mL/day)" in out
    code, out, _err = thecal("history", "--json")
    first, second = json.loads(out)["activations"]
    assert (first["state"], first["version"], first["reason"], first["seq"]) == ("done", 1, "to begin with", 1)
    assert (second["state"], second["board_ms"], second["at_s"]) == ("elsewhere", 7_200_000, None)


def test_one_program_whole(thecal) -> None:
    two_kept()
    code, out, _err = thecal("history", "show", "2", "--board", BOARD[:4])
    assert code == 0
    assert "+ Basal rate" in out and "no. 1" in out and "MORE" in out
    assert json.loads(thecal("history", "show", "1", "--json")[1])["activation"]["fields"]["rate_nl_per_day"] == 480_000
    code, _out, err = thecal("history", "show", "3")
    assert (code, "2 activations" in err) == (exit_codes.CHECK_FAILED, True)
    assert thecal("history", "show", "0")[0] == exit_codes.USAGE


def test_a_program_known_by_its_crc_alone(thecal) -> None:
    with Store() as store:
        store.add(BOARD, [activated(1, IDS[1], CRCS[1]), activated(2, IDS[2], CRCS[2])])
    out = thecal("history")[1]
    assert out.count("its fields are not known here") == 2
    assert "CRC is all that is known" in thecal("history", "show", "1")[1]


def test_nothing_kept_and_unknown_boards(thecal) -> None:
    code, _out, err = thecal("history")
    assert (code, "Nothing was activated" in err) == (exit_codes.CHECK_FAILED, True)
    two_kept()
    code, _out, err = thecal("history", "--board", "zz")
    assert (code, BOARD in err) == (exit_codes.USAGE, True)
    with History() as kept:
        kept.ask("b-other", 1 << 16, FIRST, CRCS[1], "")
    assert "Choose one" in thecal("history")[2]


def test_a_board_is_pulled_first_when_it_is_named(thecal) -> None:
    with board_with_program() as board:
        board.records.append(activated(0, IDS[1], (board.status["prog"], 77)))
        code, out, _err = thecal("history", "--port", board.url, "--json")
    (entry,) = json.loads(out)["activations"]
    assert (code, entry["state"], entry["differences"]) == (0, "elsewhere", ["the first program known"])


def test_an_activation_whose_answer_never_came(thecal, tmp_path) -> None:
    """The line it prints settles it; the history knows it before and after, once."""
    higher = tmp_path / "higher.toml"
    higher.write_text(Path(MORPHINE).read_text().replace('dose = "12 mg/day"', 'dose = "13 mg/day"'))
    with board_with_program() as board:
        crc = json.loads(thecal("upload", higher, "--port", board.url, "--json")[1])["program_crc"]
        answer = board._answer

        def silent(line, frame):  # answers everything but the activation
            if b'"activate"' in frame.payload:
                board.faults = ["drop"]
            return answer(line, frame)

        board._answer = silent
        options = ("--yes", "--crc", crc, "--reason", "worse", "--port", board.url, "--json")
        code, out, _err = thecal("activate", *options)
        assert code == exit_codes.UNCERTAIN
        with History() as kept:
            assert [entry.state for entry in kept.entries(board.board_id)] == [ASKED]
        board._answer = answer
        words = json.loads(out)["settle"].split()
        assert thecal(*words[1:], "--yes")[0] == 0
        with History() as kept:
            (entry,) = kept.entries(board.board_id)
        assert (entry.state, entry.reason, entry.blob) == (DONE, "worse", board.blobs[messages.BLOB_PROGRAM])
        assert len(board.ran) == 1


def test_it_lies_beside_the_log_store(thecal) -> None:
    two_kept()
    assert {"history.sqlite3", "logs.sqlite3"} <= set(os.listdir(os.environ["THECAL_DATA_DIR"]))
