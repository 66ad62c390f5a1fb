"""Set-up motions from the command line: confirmed with what becomes of the volume, followed to their end, stopped by Ctrl-C."""

import json
import shlex

import pytest
from fake_board import FakeBoard
from flex_bench import STEP_PL, asked, flex_board

from thecal.core import events, faults, messages, states
from thecal_host import boards
from thecal_host.cli import exit_codes, motion

IN_MOTION = {"st": states.SETUP, "mot": 1}
OVER = {"st": states.OFF, "mot": 0, "motleft": 0}


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Nobody waits; how often there was a pause is counted."""
    taken = []
    monkeypatch.setattr("thecal_host.cli.motion.time", type("Clock", (), {"sleep": staticmethod(taken.append)}))
    return taken


class Bench(FakeBoard):
    """A board whose motions take `polls` looks at its status and then end as `record` says."""

    def __init__(self, polls=3, missing=0, completed=1, still=False, **status):
        super().__init__()
        self.hello_extra = {"port": "virtual"}
        self.status |= {"st": states.OFF, "prog": 0, "seq": 0, **status}
        self.polls, self.missing, self.completed, self.still = polls, missing, completed, still

    def _command(self, request):
        answer = super()._command(request)
        if request["c"] == "move" and answer["r"] == 0 and "a" not in answer:
            self._begin(request)
        if request["c"] == "stop":
            self.motion = []
            self.status |= OVER
        return answer

    def _begin(self, request):
        steps = request["n"]
        ticks = range(100 if self.still else self.polls)
        self.motion = [
            {**IN_MOTION, "motleft": steps - (0 if self.still else steps * tick // self.polls), "t": 1000 if self.still else tick}
            for tick in ticks
        ] + [OVER]
        first = len(self.records)
        rows = [
            (events.MOVE, request["i"], steps, request["ms"], request["k"]),
            (events.MOVE_END, request["i"], steps, self.missing, self.completed),
        ]
        for seq, (code, a, b, c, detail) in enumerate(rows, first):
            self.records.append(events.pack_record(seq, 1, seq * 1000, code, a, b, c, detail))


def move(board):
    (only,) = asked(board, "move")
    return only


@pytest.mark.parametrize(
    ("words", "request_", "question"),
    [
        (
            ("jog", "--steps", "200", "--detached"),
            {"k": 1, "n": 200, "ms": 1000, "rev": 0, "det": 1},
            "Jog: 200 steps = 8.256 uL forward in 1 s. The outlet must be DISCONNECTED now",
        ),
        (
            ("jog", "--steps", "200", "--reverse", "--over", "10 s"),
            {"k": 1, "n": 200, "ms": 10_000, "rev": 1, "det": 0},
            "backwards in 10 s. Drawing back gives nothing back to any limit",
        ),
        (
            ("jog", "--steps", "200"),
            {"k": 1, "n": 200, "ms": 1000, "rev": 0, "det": 0},
            "The outlet is CONNECTED: all of it is delivered and counts in every limit.",
        ),
        (
            ("prime", "0.2 mL", "--over", "5 min", "--detached"),
            {"k": 2, "n": 4845, "ms": 300_000, "rev": 0, "det": 1},
            "Prime: 4845 steps = 0.2 mL forward in 5 min.",
        ),
        (
            ("purge", "--steps", "1000", "--detached"),
            {"k": 3, "n": 1000, "ms": 5000, "rev": 0, "det": 1},
            "Purge: 1000 steps = 41.28 uL forward in 5 s.",
        ),
        (
            ("home", "--steps", "4000"),
            {"k": 4, "n": 4000, "ms": 20_000, "rev": 1, "det": 0},
            "Home: at most 4000 steps backwards in 20 s.",
        ),
    ],
)
def test_motions_are_confirmed_sent_and_followed(thecal, words, request_, question, pauses):
    with Bench() as board:
        code, _out, err = thecal("setup", *words, "--port", board.url)
        assert code == exit_codes.NOT_CONFIRMED
        assert question in err
        assert board.ran == []
        code, out, _err = thecal("setup", *words, "--port", board.url, "--yes", "--json")
        assert code == 0
        assert move(board) == request_
        done = json.loads(out)
    assert (done["ok"], done["completed"], done["made_steps"]) == (True, True, request_["n"])
    assert len(pauses) == 3


def test_the_nearest_number_of_steps_is_taken():
    assert abs(4845 * STEP_PL - 200_000 * 10**9) <= STEP_PL // 2


def test_the_search_for_home_goes_as_far_as_the_board_file_says(thecal):
    stroke = boards.load("virtual").config["mechanics"].get("stroke_steps", 0)
    with Bench() as board:
        code, _out, err = thecal("setup", "home", "--port", board.url, "--yes")
        if stroke:
            assert (code, move(board)["n"]) == (0, stroke)
        else:
            assert (code, "give --steps N" in err) == (exit_codes.USAGE, True)


def test_home_that_is_not_found_says_what_to_look_at(thecal):
    with Bench(missing=0, completed=0) as board:
        code, out, _err = thecal("setup", "home", "--steps", "500", "--port", board.url, "--yes")
    assert code == exit_codes.CHECK_FAILED
    assert "Home: NOT found within 500 steps = 20.64 uL. Look at the home switch" in out


def test_a_motion_that_ends_early_says_where_and_why(thecal):
    with Bench(missing=150, completed=0, alarm=faults.A_ESTOP) as board:
        code, out, _err = thecal("setup", "jog", "--steps", "200", "--port", board.url, "--yes")
    assert code == exit_codes.CHECK_FAILED
    assert "Jog: ended EARLY after 50 steps = 2.064 uL of 200 steps: emergency stop pressed" in out


def test_ctrl_c_stops_the_motor_first(thecal, monkeypatch):
    def interrupt(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("thecal_host.cli.motion.time", type("Clock", (), {"sleep": staticmethod(interrupt)}))
    with Bench(missing=180, completed=0) as board:
        code, out, _err = thecal("setup", "jog", "--steps", "200", "--port", board.url, "--yes")
    assert code == exit_codes.INTERRUPTED
    assert [name for name, _id in board.ran] == ["move", "stop"]
    assert "Jog: stopped after 20 steps = 825 nL of 200 steps." in out


def test_ctrl_c_before_the_answer_stops_the_motor_too(thecal, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("thecal_host.link.client.Client.move", interrupted)
    with Bench() as board:
        code, _out, _err = thecal("setup", "jog", "--steps", "200", "--port", board.url, "--yes")
    assert code == exit_codes.INTERRUPTED
    assert [name for name, _id in board.ran] == ["stop"]


def test_a_board_whose_time_stands_still_is_not_waited_for(thecal, pauses):
    with Bench(still=True) as board:
        code, out, _err = thecal("setup", "jog", "--steps", "200", "--port", board.url, "--yes")
        assert code == 0
        assert "time stands still" in out
        assert "thecal sim advance" in out
        assert len(pauses) == motion.STILL_POLLS
        assert [name for name, _id in board.ran] == ["move"]


def test_a_motion_can_be_begun_without_waiting(thecal, pauses):
    with Bench() as board:
        code, out, _err = thecal("setup", "jog", "--steps", "200", "--no-wait", "--port", board.url, "--yes")
    assert code == 0
    assert out.startswith("Jog: begun, id ")
    assert pauses == []


@pytest.mark.parametrize(
    ("reason", "value", "limit", "words"),
    [
        (messages.NOT_DETACHED, 0, 0, "disconnected outlet alone"),
        (messages.SETUP_VOLUME, 600_000, 500_000, "0.6 mL is more than the board file allows, 0.5 mL"),
        (messages.STATE, states.INFUSING, 0, "not possible while the pump is infusing"),
        (messages.DIRECTION, 0, 0, "thecal setup direction"),
        (messages.ESTOP, 0, 0, "emergency stop is pressed"),
    ],
)
def test_refused_motions_say_why(thecal, reason, value, limit, words):
    with Bench() as board:
        board.refuse["move"] = {"r": 1, "k": reason, "v": value, "l": limit}
        code, out, _err = thecal("setup", "purge", "0.1 mL", "--port", board.url, "--yes")
    assert code == exit_codes.REFUSED
    assert words in out


@pytest.mark.parametrize(
    "words",
    [
        ("jog",),
        ("jog", "--steps", "0"),
        ("jog", "--steps", str(1 << 24)),
        ("jog", "--steps", "5", "--over", "2 h"),
        ("jog", "--steps", "5", "--over", "5"),
        ("prime",),
        ("prime", "0.2"),
        ("prime", "2 mg"),
        ("prime", "1 nL"),
        ("prime", "0.2 mL", "--steps", "5"),
        ("direction", "--steps", "0"),
    ],
)
def test_motions_that_are_not(thecal, words):
    with Bench() as board:
        code, _out, err = thecal("setup", *words, "--port", board.url, "--yes")
    assert code == exit_codes.USAGE
    assert err
    assert board.ran == []


def test_a_board_file_that_is_not_here_is_a_sentence_unless_it_is_not_needed(thecal):
    with Bench() as board:
        board.hello_extra = {"port": "nobody-knows"}
        code, _out, err = thecal("setup", "jog", "--steps", "200", "--port", board.url, "--yes")
        assert code == exit_codes.INVALID
        assert "nobody-knows" in err
        code, out, _err = thecal("setup", "jog", "--steps", "200", "--over", "1 s", "--port", board.url, "--yes")
        assert (code, out) == (0, "Jog: done, 200 steps.\n")


@pytest.mark.parametrize(
    "words", [("jog", "--steps", "7", "--reverse"), ("purge", "--steps", "7", "--detached"), ("home", "--steps", "7")]
)
def test_an_uncertain_motion_is_settled_by_what_it_prints_and_runs_once(thecal, words):
    with Bench() as board:
        board.faults = ["", "", ""] + ["drop"] * 30  # hello, status and the hello for the id are answered
        code, out, _err = thecal("setup", *words, "--over", "1 s", "--port", board.url, "--yes", "--json")
        assert code == exit_codes.UNCERTAIN
        board.faults = []
        code, out, _err = thecal(*shlex.split(json.loads(out)["settle"])[1:], "--yes")
        assert (code, "not run again" in out) == (0, True)
        assert [name for name, _id in board.ran] == ["move"]


# --- direction ------------------------------------------------------------------------------------


def at_a_terminal(monkeypatch, *lines):
    said = iter(lines)
    stdin = type("Terminal", (), {"isatty": lambda _self: True, "readline": lambda _self: next(said)})
    monkeypatch.setattr("sys.stdin", stdin())


@pytest.mark.parametrize(("said", "ok"), [(("yes\n",), 1), (("perhaps\n", "no\n"), 0)])
def test_the_direction_is_looked_at_and_told(thecal, monkeypatch, said, ok):
    at_a_terminal(monkeypatch, "y\n", *said)
    with Bench() as board:
        code, out, err = thecal("setup", "direction", "--port", board.url)
        assert code == 0
        assert move(board) == {"k": 1, "n": 1211, "ms": 6055, "rev": 0, "det": 1}
        assert asked(board, "direction") == [{"ok": ok}]
    assert "DISCONNECTED" in err
    assert ("WRONG" in out) == (not ok)


def test_without_a_clear_answer_the_board_is_told_nothing(thecal, monkeypatch):
    at_a_terminal(monkeypatch, "y\n", "\n", "hm\n", "\n")
    with Bench() as board:
        code, _out, err = thecal("setup", "direction", "--port", board.url)
    assert code == exit_codes.NOT_CONFIRMED
    assert "told nothing" in err
    assert asked(board, "direction") == []


@pytest.mark.parametrize(("word", "ok"), [("--yes-it-did", 1), ("--no", 0)])
def test_scripts_say_what_was_seen_and_nothing_moves(thecal, word, ok):
    with Bench() as board:
        assert thecal("setup", "direction", word, "--port", board.url)[0] == 0
        assert asked(board, "direction") == [{"ok": ok}]
        assert asked(board, "move") == []


def test_nobody_looking_is_no_answer(thecal):
    with Bench() as board:
        code, _out, err = thecal("setup", "direction", "--port", board.url, "--yes")
    assert code == exit_codes.NOT_CONFIRMED
    assert "Somebody has to look" in err
    assert board.ran == []


def test_the_board_refuses_while_therapy_is_on(thecal):
    with flex_board() as board:
        board.refuse["move"] = {"r": 1, "k": messages.STATE, "v": states.INFUSING}
        assert thecal("setup", "jog", "--steps", "5", "--port", board.url, "--yes")[0] == exit_codes.REFUSED
