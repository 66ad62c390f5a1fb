"""The wall clock from the command line: shown, set, given to a flex program's board before therapy begins; no silent jump."""

import json
import shlex

import pytest
from flex_bench import H_MS, MONDAY_0800_MS, asked, board_with, flex_board, flex_fields

from thecal.core import states
from thecal_host import walls
from thecal_host.cli import exit_codes

NOW_MS = MONDAY_0800_MS


@pytest.fixture(autouse=True)
def pc(monkeypatch):
    """This PC's clock stands at Monday 09:00 local time of the program."""
    monkeypatch.setattr("thecal_host.cli.clock.pc_unix_ms", lambda: NOW_MS)


# --- texts and times ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "unix_ms"),
    [
        ("2026-11-30T09:00:00+01:00", NOW_MS),
        ("2026-11-30 08:00:00Z", NOW_MS),
        ("2026-11-30T08:00:00.250Z", NOW_MS + 250),
        ("1796025600", NOW_MS),
        (" 1796025600.25 ", NOW_MS + 250),
        ("2020-01-01T00:00Z", 1_577_836_800_000),
    ],
)
def test_times_are_read(text, unix_ms):
    assert walls.parse(text) == unix_ms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-30T09:00:00", "lacks its offset"),
        ("noon", "is not a time"),
        ("", "is not a time"),
        ("2026", "is not a time"),
        ("1796025600.1234", "is not a time"),
        ("2019-12-31T23:59:59Z", "cannot be"),
        ("2100-01-01T00:00:01Z", "cannot be"),
        ("99999999999", "cannot be"),
        ("9999-12-31T23:59:59-12:00", "cannot be"),
    ],
)
def test_times_that_are_not(thecal, text, words):
    with flex_board() as board:
        code, _out, err = thecal("clock", "set", "--to", text, "--port", board.url, "--yes") if text else (2, "", "is not a time")
        if text:
            with pytest.raises(walls.WallError, match=words):
                walls.parse(text)
        assert (code, words in err) == (exit_codes.USAGE, True)
        assert board.ran == []


def test_a_time_of_day_is_rounded_up_and_names_another_day():
    time = walls.BoardTime(NOW_MS, 60)
    assert time.after(1) == "09:01"
    assert time.after(15 * H_MS) == "Tue 00:00"
    assert time.after(8 * 24 * H_MS) == "2026-12-08 09:00"
    assert time.at(H_MS, "until") == " (until 10:00)"
    assert walls.BoardTime(None).at(1) == ""


# --- show -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wall", "words"),
    [
        (NOW_MS, "right"),
        (NOW_MS + 5 * H_MS, "5 h ahead of this PC's"),
        (NOW_MS - 1500, "1.5 s behind this PC's"),
        (None, "unknown: `thecal clock set` sets it"),
    ],
)
def test_both_clocks_are_shown(thecal, wall, words):
    with flex_board(wall=wall) as board:
        code, out, _err = thecal("clock", "--port", board.url)
        assert code == 0
        assert words in out
        assert "2026-11-30 09:00:00+01:00" in out
        data = json.loads(thecal("clock", "--port", board.url, "--json")[1])
    assert data["off_ms"] == (None if wall is None else wall - NOW_MS)
    assert (data["utc_offset_min"], data["flex"]) == (60, True)


# --- set ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "unix_ms"), [((), NOW_MS), (("--to", "2026-11-30T07:59:00.250Z"), NOW_MS - 59_750)])
def test_the_clock_is_set(thecal, words, unix_ms):
    with flex_board(wall=None) as board:
        code, out, _err = thecal("clock", "set", *words, "--port", board.url)
    assert code == 0
    assert asked(board, "clock") == [{"u": unix_ms}]
    assert out == f"Clock: set to {walls.local(unix_ms, 60)}.\n"


@pytest.mark.parametrize(
    ("status", "fields", "asks"),
    [
        ({"wall": NOW_MS - 300_001}, {}, True),
        ({"wall": NOW_MS + 300_001}, {}, True),
        ({"wall": NOW_MS - 300_000}, {}, False),
        ({"wall": NOW_MS - 24 * H_MS, "st": states.OFF}, {}, False),
        ({"wall": NOW_MS - 24 * H_MS, "st": states.HELD}, {}, True),
        ({"wall": None}, {}, False),
        ({"wall": NOW_MS - 24 * H_MS}, {"mode": 1, "week": b"", "day_1": b""}, False),
    ],
)
def test_a_jump_while_a_flex_program_is_on_asks_first(thecal, status, fields, asks):
    with board_with(flex_fields(**fields), **status) as board:
        code, _out, err = thecal("clock", "set", "--port", board.url)
        assert code == (exit_codes.NOT_CONFIRMED if asks else 0)
        assert asked(board, "clock") == ([] if asks else [{"u": NOW_MS}])
        assert ("The clock jumps" in err) == asks
        assert thecal("clock", "set", "--port", board.url, "--yes")[0] == 0


def test_the_question_tells_the_rate_after_the_jump(thecal):
    with flex_board(wall=NOW_MS + 14 * H_MS) as board:  # 23:00 there
        err = thecal("clock", "set", "--port", board.url)[2]
    assert (
        "The clock jumps 14 h back while a flex program is on: by its schedule the rate is then 0.1 mL/day = 200 mcg/day" in err
    )


def test_an_uncertain_setting_is_settled_by_what_it_prints(thecal):
    with flex_board() as board:
        board.faults = [""] * 5 + ["drop"] * 30
        code, out, _err = thecal("clock", "set", "--to", "2026-11-30T07:59:00.250Z", "--port", board.url, "--json")
        assert code == exit_codes.UNCERTAIN
        board.faults = []
        code, out, _err = thecal(*shlex.split(json.loads(out)["settle"])[1:])
        assert (code, "not run again" in out) == (0, True)
        assert len(board.ran) == 1


# --- before therapy begins ------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["start", "resume"])
@pytest.mark.parametrize(
    ("wall", "set_it", "words"),
    [
        (None, True, "The board's clock was unknown; it was set."),
        (NOW_MS - 3_000, True, "was 3 s behind this PC's; it was set"),
        (NOW_MS + 300_000, True, "was 5 min ahead of this PC's; it was set"),
        (NOW_MS + 2_000, False, ""),
        (NOW_MS - 10 * H_MS, False, "10 h behind this PC's; it was left as it is. `thecal clock set` sets it."),
    ],
)
@pytest.mark.sr("SR-24")
def test_a_flex_programs_board_gets_the_time_before_it_runs_and_never_jumps(thecal, command, wall, set_it, words):
    with flex_board(wall=wall) as board:
        code, out, err = thecal(command, "--port", board.url, "--yes", "--json")
        assert code == 0
        assert [name for name, _id in board.ran] == (["clock"] if set_it else []) + [command]
        assert asked(board, "clock") == ([{"u": NOW_MS}] if set_it else [])
        assert words in err
        assert words in json.loads(out)["clock"]


def test_a_program_that_needs_no_clock_gets_none(thecal):
    with board_with(flex_fields(mode=1, week=b"", day_1=b""), wall=None) as board:
        assert thecal("start", "--port", board.url, "--yes")[0] == 0
    assert [name for name, _id in board.ran] == ["start"]


def test_nothing_is_set_before_it_is_confirmed(thecal):
    with flex_board(wall=None) as board:
        code, _out, err = thecal("start", "--port", board.url)
    assert code == exit_codes.NOT_CONFIRMED
    assert "by the time of day, at most 0.133334 mL/day" in err
    assert board.ran == []
