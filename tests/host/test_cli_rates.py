"""Patient bolus, temporary, minimum and normal rate, timed hold and status from the command line."""

import json
import shlex

import pytest
from flex_bench import H_MS, asked, board_with, flex_board, flex_fields

from thecal.core import basal, faults, messages, states
from thecal_host.cli import exit_codes

# --- the patient's bolus --------------------------------------------------------------------------


def test_a_patient_bolus_is_the_programs_and_is_confirmed(thecal):
    with flex_board() as board:
        code, _out, err = thecal("patient", "--port", board.url)
        assert code == exit_codes.NOT_CONFIRMED
        assert "Patient bolus of 10 uL = 20 mcg of baclofen 2 mg/mL over 10 min." in err
        assert board.ran == []
        assert thecal("patient", "--port", board.url, "--yes")[0] == 0
        assert asked(board, "patient") == [{}]


def test_a_refused_patient_bolus_says_when_it_would_be_granted(thecal):
    with flex_board() as board:
        board.refuse["patient"] = {"r": 1, "k": messages.LOCKOUT, "v": 2_100_000, "l": 2 * H_MS, "w": 5_100_000}
        code, out, _err = thecal("patient", "--port", board.url, "--yes")
        assert code == exit_codes.REFUSED
        assert out == (
            "The patient bolus was refused: lockout, 35 min of 2 h have passed since the last bolus. "
            "It would be granted in 1 h 25 min (at 10:25).\n"
        )
        board.status["wall"] = None
        out = thecal("patient", "--port", board.url, "--yes")[1]
        assert out.endswith("It would be granted in 1 h 25 min.\n")
        answer = json.loads(thecal("patient", "--port", board.url, "--yes", "--json")[1])
    assert (answer["wait_ms"], answer["reason_name"]) == (5_100_000, "lockout")


def test_a_refusal_is_told_even_when_the_board_is_gone_a_moment_later(thecal):
    with flex_board() as board:
        board.refuse["patient"] = {"r": 1, "k": messages.LOCKOUT, "v": 1, "l": 2, "w": 60_000}
        board.faults = ["", "", "", "", ""] + ["drop"] * 50  # hello, status, program, hello, the answer
        code, out, _err = thecal("patient", "--port", board.url, "--yes")
    assert code == exit_codes.REFUSED
    assert "granted in 1 min" in out


# --- temporary rate -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "nl_per_day"),
    [
        (("20 mcg/h",), 240_000),
        (("0.3 mL/day",), 300_000),
        (("--percent", "150"), 150_000),
        (("--percent", "0"), 0),
    ],
)
def test_a_temporary_rate_as_mass_volume_and_percent(thecal, words, nl_per_day):
    with flex_board() as board:
        code, out, _err = thecal("temp", *words, "--for", "2 h", "--port", board.url, "--yes")
        assert code == 0
        assert asked(board, "temp") == [{"nlday": nl_per_day, "ms": 2 * H_MS}]
        assert "for 2 h (until 11:00)." in out


def test_more_than_now_is_confirmed_and_less_never_asks(thecal):
    with flex_board() as board:
        code, _out, err = thecal("temp", "0.15 mL/day", "--for", "2 h", "--port", board.url)
        assert code == exit_codes.NOT_CONFIRMED
        assert "0.15 mL/day = 300 mcg/day" in err
        assert "150 % of it" in err
        assert board.ran == []
        assert thecal("temp", "0.1 mL/day", "--for", "2 h", "--port", board.url)[0] == 0
        board.status["rate"] = 50_000  # below the program's own: going back up is more
        assert thecal("temp", "0.1 mL/day", "--for", "2 h", "--port", board.url)[0] == exit_codes.NOT_CONFIRMED


def test_a_temporary_rate_across_a_step_is_measured_against_every_rate_it_replaces(thecal):
    with flex_board(wall=1_796_068_800_000, rate=100_000) as board:  # 22:00 local is an hour away
        code, _out, err = thecal("temp", "0.12 mL/day", "--for", "3 h", "--port", board.url)
    assert code == exit_codes.NOT_CONFIRMED
    assert "the program's own is 0.1 mL/day = 200 mcg/day to 0.2 mL/day = 400 mcg/day" in err


def test_a_percentage_without_a_clock_is_of_the_safe_rate(thecal):
    with flex_board(wall=None, rate=80_000) as board:
        assert thecal("temp", "--percent", "50", "--for", "1 h", "--port", board.url)[0] == 0
        assert asked(board, "temp") == [{"nlday": 40_000, "ms": H_MS}]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("20 mcg/h",),
        ("20 mcg/h", "--percent", "50", "--for", "1 h"),
        ("20 mcg", "--for", "1 h"),
        ("20", "--for", "1 h"),
        ("20 mcg/h", "--for", "59 s"),
        ("20 mcg/h", "--for", "73 h"),
        ("--percent", "2000", "--for", "1 h"),
        ("--percent", "1.5", "--for", "1 h"),
    ],
)
def test_temporary_rates_that_are_not(thecal, words):
    with flex_board() as board:
        code, _out, err = thecal("temp", *words, "--port", board.url, "--yes")
    assert code == exit_codes.USAGE
    assert err
    assert board.ran == []


def test_a_mass_rate_without_a_program_is_refused_here(thecal):
    with flex_board(prog=0) as board:
        for words in (("20 mcg/h",), ("--percent", "50")):
            code, _out, err = thecal("temp", *words, "--for", "1 h", "--port", board.url, "--yes")
            assert code == exit_codes.INVALID
            assert "program" in err
        assert board.ran == []


def test_an_uncertain_temporary_rate_is_settled_by_what_it_prints(thecal):
    with flex_board() as board:
        board.faults = [""] * 4 + ["drop"] * 30
        code, out, _err = thecal("temp", "20 mcg/h", "--for", "2 h", "--port", board.url, "--yes", "--json")
        assert code == exit_codes.UNCERTAIN
        board.faults = []
        code, out, _err = thecal(*shlex.split(json.loads(out)["settle"])[1:], "--yes")
        assert code == 0
        assert "not run again" in out
        assert len(board.ran) == 1


# --- minimum, normal, hold ------------------------------------------------------------------------


def test_minimum_and_normal_ask_only_where_they_are_more(thecal):
    with flex_board() as board:
        code, out, _err = thecal("minimum", "--port", board.url)
        assert (code, out) == (0, "Minimum rate: 50 uL/day = 100 mcg/day until `thecal normal`.\n")
        board.status |= {"rate": 50_000, "ovl": basal.MINIMUM}
        code, _out, err = thecal("normal", "--port", board.url)
        assert code == exit_codes.NOT_CONFIRMED
        assert "0.1 mL/day = 200 mcg/day; now it is 50 uL/day = 100 mcg/day" in err
        assert thecal("normal", "--port", board.url, "--yes")[0] == 0
        board.status["rate"] = 0
        assert thecal("minimum", "--port", board.url)[0] == exit_codes.NOT_CONFIRMED
        board.refuse["minimum"] = {"r": 1, "k": messages.NOT_OFFERED}
        assert "does not offer this" in thecal("minimum", "--port", board.url, "--yes")[1]


@pytest.mark.parametrize(("words", "ms"), [((), 0), (("--for", "30 min"), 1_800_000)])
def test_a_hold_with_and_without_an_end(thecal, words, ms):
    with flex_board() as board:
        code, out, _err = thecal("hold", *words, "--port", board.url)
        assert code == 0
        assert asked(board, "hold") == [{"ms": ms}]
        assert ("by itself in 30 min" in out) == bool(ms)


def test_a_hold_that_is_too_long_says_the_longest(thecal):
    with flex_board() as board:
        board.refuse["hold"] = {"r": 1, "k": messages.HOLD_TOO_LONG, "v": 8 * H_MS, "l": 4 * H_MS}
        code, out, _err = thecal("hold", "--for", "8 h", "--port", board.url)
    assert code == exit_codes.REFUSED
    assert "the hold of 8 h is longer than the program's longest, 4 h" in out


def test_off_is_stop(thecal):
    with flex_board() as board:
        assert thecal("off", "--port", board.url)[:2] == (0, "Off: therapy is stopped.\n")
        assert [name for name, _id in board.ran] == ["stop"]


# --- status ---------------------------------------------------------------------------------------


def row(out, name):
    return next(line for line in out.splitlines() if line.startswith(name))[len(name) :].strip()


@pytest.mark.parametrize(
    ("status", "name", "words"),
    [
        ({}, "Rate now", "0.1 mL (200 mcg) per day, by the schedule"),
        ({"wall": None, "rate": 80_000}, "Rate now", "the safe rate, because the wall clock is unknown"),
        ({"ovl": basal.TEMP, "ovlms": 4_800_000}, "Rate now", "temporary rate, 1 h 20 min left (until 10:20)"),
        ({"ovl": basal.MINIMUM}, "Rate now", "minimum rate until `thecal normal`"),
        ({"ovl": basal.CAPPED, "ovlms": 60_000}, "Rate now", "no higher than the schedule since a restart, 1 min left"),
        ({"chg": 46_800_000, "chgrate": 200_000}, "Next change", "0.2 mL (400 mcg) per day in 13 h (at 22:00)"),
        ({"chg": 60_000, "chgrate": 0, "wall": None}, "Next change", "0 nL (0 ng) per day in 1 min"),
        ({}, "Clock", "2026-11-30 09:00:00+01:00"),
        ({"wall": None}, "Clock", "unknown"),
        (
            {"nbol": 3, "lock": 5_100_000, "unmet": 2},
            "Boluses",
            "3 of 4 in the last 24 h; lockout for 1 h 25 min more (until 10:25)",
        ),
        ({"unmet": 2}, "Boluses", "unmet demand: 2 refused since start"),
        ({"bol": 4_000, "src": messages.BY_BUTTON}, "Bolus to come", "4 uL (8 mcg), patient, by the button"),
        ({"st": states.HELD, "hold": 1_800_000}, "State", "held; goes on by itself in 30 min (at 09:30)"),
        ({"st": states.HELD}, "State", "held until resumed"),
        ({"st": states.SETUP, "mot": 2, "motleft": 17}, "State", "in a set-up motion: prime, 17 steps to go"),
        (
            {"setup": 200_000, "dir": 2, "pos": -3},
            "Set-up",
            "0.2 mL moved with the outlet disconnected or backwards; direction WRONG",
        ),
        ({"pos": 1500, "dir": 1}, "Set-up", "direction checked, right; 1500 steps from home"),
        ({"btn": 1, "stop": 0}, "Inputs", "button PRESSED, emergency stop released, home switch not fitted"),
        ({"lib": 0xABC}, "Program", "baclofen 2 mg/mL, flex, library entry 00000abc"),
        ({"ovr": 2}, "OVERRIDDEN LIMIT", "rate above soft high"),
        (
            {"alarm": faults.A_RESERVOIR_EMPTY, "held": [3, 4]},
            "Alarm",
            "reservoir empty; reservoir low",
        ),
    ],
)
def test_status_says(thecal, status, name, words):
    with flex_board(**status) as board:
        code, out, _err = thecal("status", "--port", board.url)
    assert code == 0
    assert words in row(out, name)


def test_status_without_overrides_has_no_row_for_them_and_continuous_needs_no_reason(thecal):
    plain = board_with(flex_fields(mode=1, week=b"", day_1=b""), wall=None)
    with plain as board:
        out = thecal("status", "--port", board.url)[1]
    assert "OVERRIDDEN" not in out
    assert row(out, "Rate now") == "0.1 mL (200 mcg) per day"


def test_status_as_json_has_names_for_every_code(thecal):
    with flex_board(ovl=1, ovr=130, held=[4, 3], mot=2 | 32, src=3, dir=1) as board:
        now = json.loads(thecal("status", "--port", board.url, "--json")[1])["status"]
    assert (now["mode_name"], now["overlay_name"], now["source_name"]) == ("flex", "temp", "patient")
    assert (now["motion"], now["motion_name"], now["direction_name"]) == (2, "prime", "ok")
    assert now["held_names"] == ["reservoir_empty", "reservoir_low"]
    assert now["override_names"] == ["rate_above_soft_high", "own_library"]
    assert now["wall_unix_ms"] == 1_796_025_600_000
