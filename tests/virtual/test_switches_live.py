"""Switches over the control channel and the command line, on both engines: the firmware sees them at the same millisecond."""

import json
from collections.abc import Iterator

import pytest
from virtual_boards import ENGINES, Line, firmware_files, running

from thecal_host.cli import exit_codes, run
from thecal_host.virtual.control import ControlClient
from thecal_host.virtual.errors import VirtualError
from thecal_host.virtual.registry import RunningBoard

Live = tuple[RunningBoard, ControlClient, Line]


@pytest.fixture(scope="module", params=ENGINES)
def live(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("switches")
    with running(folder, request.param, firmware_files(), name=f"sw{request.param}", ticks0=(1 << 30) - 1000) as (board, client):
        yield board, client, Line(board)


def sim(capsys: pytest.CaptureFixture[str], board: RunningBoard, *words: str, code: int = 0) -> str:
    """What `thecal sim` prints: on standard output when it succeeds, on standard error otherwise."""
    capsys.readouterr()
    assert run(["sim", *words, "--board", board.name]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def test_planned_switches_wake_the_firmware_at_their_millisecond_over_a_wrap_of_its_timer(live: Live) -> None:
    """The probe waits 1 s at most and steps every 3.57 s; none of these moments is one of its own."""
    board, client, line = live
    client.advance(1)
    line.seen = b""
    now, world = (client.truth()[name] for name in ("now_ms", "world_ms"))
    client.press("button", 321, after_ms=1234)
    client.press("estop", 1, at_ms=world + 1400)
    client.press("estop", 0, after_ms=2222)
    client.advance(3000)
    moments = [(1234, 1), (1400, 3), (1555, 2), (2222, 0)]
    said = b"".join(b"<in %d at %d>" % (mask, now + at_ms) for at_ms, mask in moments)
    assert line.until(said).endswith(said)


def test_a_press_while_time_stands_is_seen_at_once(live: Live) -> None:
    _board, client, line = live
    now = client.truth()["now_ms"]
    client.press("estop", 1)
    assert line.until(b"<in 2 at %d>" % now)
    client.press("estop", 0)
    assert line.until(b"<in 0 at %d>" % now)


def test_the_command_line_moves_and_shows_them(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    board, client, _line = live
    assert sim(capsys, board, "inputs") == "button          released\nemergency stop  released\nhome switch     released\n"
    assert "The emergency stop is pressed.\n" in sim(capsys, board, "estop", "press")
    assert json.loads(sim(capsys, board, "inputs", "--json")) == {"ok": True, "inputs": {"button": 0, "estop": 1, "home": 0}}
    assert "The emergency stop is released in 2 s of virtual time." in sim(capsys, board, "estop", "release", "--after", "2 s")
    client.advance(3000)
    assert client.inputs() == {"button": 0, "estop": 0, "home": 0}
    out = json.loads(sim(capsys, board, "press", "button", "--for", "2 s", "--json"))
    assert out == {"ok": True, "inputs": {"button": 1, "estop": 0, "home": 0}}
    client.advance(1999)
    assert client.inputs()["button"] == 1
    client.advance(1)
    assert client.inputs()["button"] == 0
    later = client.truth()["world_ms"] + 5000
    assert f"at {later} ms of the world's time" in sim(capsys, board, "press", "button", "--at", f"{later} ms")
    client.advance(5000)
    assert client.inputs()["button"] == 1
    assert "The button is let go." in sim(capsys, board, "press", "button", "--for", "0 ms")
    assert client.inputs()["button"] == 0


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["press", "knob"], exit_codes.VIRTUAL, "unknown input 'knob'; known: button, estop"),
        (["press", "home"], exit_codes.VIRTUAL, "nobody presses the home switch"),
        (["press", "estop"], exit_codes.USAGE, "thecal sim estop press"),
        (["press", "button", "--for", "5"], exit_codes.USAGE, "--for:"),
        (["press", "button", "--for", "40 d"], exit_codes.VIRTUAL, "takes 0 to 2678400000, not 3456000000"),
        (["press", "button", "--at", "1 ms"], exit_codes.VIRTUAL, "has passed"),
        (["press", "button", "--at", "1 h", "--after", "1 h"], exit_codes.USAGE, "not both"),
        (["estop", "hit"], exit_codes.USAGE, "neither press nor release"),
    ],
)
def test_what_cannot_be_pressed_is_a_sentence(
    live: Live, capsys: pytest.CaptureFixture[str], words: list[str], code: int, sentence: str
) -> None:
    before = live[1].inputs()
    assert sentence in sim(capsys, live[0], *words, code=code)
    assert live[1].inputs() == before


def test_a_board_that_is_off_is_pressed_all_the_same(live: Live) -> None:
    _board, client, line = live
    client.power_cut()
    assert client.press("estop", 1) == {"button": 0, "estop": 1, "home": 0}
    client.press("button", 60_000)
    with pytest.raises(VirtualError, match="The board is off; a switch can be moved later"):
        client.press("button", 500, after_ms=1)
    with pytest.raises(VirtualError, match="unknown input"):
        client.press("knob")
    client.advance(20_000)
    line.seen = b""
    client.power_on()
    assert line.until(b"<in 3 at 0>")
    client.advance(50_000)
    assert line.until(b"<in 2 at 40000>")
    client.press("estop", 0)
    assert client.inputs() == {"button": 0, "estop": 0, "home": 0}


def test_a_board_without_switches_says_so(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {**firmware_files(), "/board.json": b'{"port": "virtual", "name": "probe", "pins": {"en": 4}}'}
    with running(tmp_path, ENGINES[-1], files, name="bare") as (board, client):
        assert (
            sim(capsys, board, "inputs") == "button          not fitted\nemergency stop  not fitted\nhome switch     not fitted\n"
        )
        assert "this board has no estop: its board file does not name pins.estop" in sim(
            capsys, board, "estop", "press", code=exit_codes.VIRTUAL
        )
        client.power_cut()
        with pytest.raises(VirtualError, match="this board has no button"):
            client.press("button")


def test_a_timer_that_starts_beyond_its_end_is_refused(tmp_path) -> None:
    with pytest.raises(VirtualError, match="from 0 to 1073741823, not 1073741824"), running(tmp_path, "cpython", ticks0=1 << 30):
        raise AssertionError("it started")
