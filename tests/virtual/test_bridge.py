"""A running virtual board in both engines: time, faults, power, resets, the serial line, and what is kept over a restart."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from virtual_boards import ENGINES, Line, firmware_files, running

from thecal_host.virtual import launch, registry
from thecal_host.virtual.control import ControlClient
from thecal_host.virtual.errors import VirtualError

HOUR = 3_600_000


def _story(client: ControlClient) -> list[object]:
    """A day's events; the same answers must come from every engine."""
    told: list[object] = []

    def look() -> None:
        truth = client.truth()
        truth.pop("live", None)
        told.append(sorted(truth.items(), key=str))

    told.append(client.advance(HOUR))
    look()
    client.inject("occlusion", 90)
    client.inject("lost_steps", 3, after_ms=120_000)
    told.append(client.advance(300_000))
    look()
    client.power_cut(after_ms=500_001)
    told.append(client.advance(HOUR))  # ends in the cut
    told.append(client.status()["phase"])
    look()
    told.append(client.advance(1000))
    told.append(client.inject("clear"))
    told.append(client.power_on(60_000))
    look()
    client.power_cut(flash_op=2, phase="torn", part=300)
    told.append(client.advance(HOUR))
    client.power_on()
    look()
    client.inject("hang", 2, after_ms=5000)
    told.append(client.advance(120_000))  # through two watchdog resets
    look()
    return [sorted(x.items(), key=str) if isinstance(x, dict) else x for x in told]


@pytest.fixture(scope="module")
def stories(tmp_path_factory) -> dict[str, list[object]]:
    told = {}
    for engine in ENGINES:
        with running(tmp_path_factory.mktemp(engine), engine, firmware_files()) as (_, client):
            told[engine] = _story(client)
            told[engine + " boots"] = [client.status()["boots"]]
    return told


def test_both_engines_tell_the_same_story(stories: dict[str, list[object]]) -> None:
    first = stories[ENGINES[0]]
    for engine in ENGINES:
        assert stories[engine] == first
    assert dict(first[4])["cut"] is True  # type: ignore[call-overload]


def test_the_story_is_the_right_one(stories: dict[str, list[object]]) -> None:
    told = [dict(x) if isinstance(x, list) else x for x in stories[ENGINES[0]]]  # type: ignore[call-overload]
    hour, truth, _, occluded, cut, phase, off, later, _, on, again, cut2, after, hung, last = told
    assert hour == {"now_ms": HOUR, "world_ms": HOUR}
    assert truth["edges"] == 3 * (HOUR // 3570)
    assert truth["now_ms"] == HOUR
    assert occluded["pressure_pa"] > truth["pressure_pa"]
    assert occluded["lost_edges"] > 10
    assert cut["now_ms"] == HOUR + 300_000 + 500_001
    assert phase == "off"
    assert off["en"] == 0
    assert later["world_ms"] == cut["now_ms"] + 1000
    assert on == {"phase": "firmware", "world_ms": later["world_ms"] + 60_000}
    assert (again["now_ms"], again["edges"], again["faults"]) == (0, off["edges"], {})
    assert cut2["cut"] is True
    assert after["flash"]["ops"] >= off["flash"]["ops"] + 2
    assert hung["world_ms"] == cut2["world_ms"] + 120_000
    assert last["faults"] == {}
    # planned for 5 s, so held by the wait after it, at 3570 + 2000 ms (fed last then); reset 8 s later; held from the start of
    # the next boot and reset after 8 s again; the third boot is healthy
    assert last["now_ms"] == hung["now_ms"] == 120_000 - (5570 + 8000) - 8000


@pytest.fixture(scope="module", params=ENGINES)
def live(request, tmp_path_factory):
    with running(tmp_path_factory.mktemp("live"), request.param, firmware_files()) as (board, client):
        yield board, client


def test_the_serial_line_is_eight_bit_clean_while_the_firmware_has_it(live) -> None:
    board, client = live
    line = Line(board)
    every = bytes(range(256))
    line.send(every)
    got = b""
    while got.count(b"]") < 2 or not got.endswith(b"]"):  # ']' is also one of the bytes
        got += line.until(b"]")
    assert got.replace(b"][", b"") == b"[" + every + b"]"
    assert client.truth()["now_ms"] == client.truth()["now_ms"]  # time stands


def test_a_reset_by_the_firmware_keeps_its_flag_and_a_power_cycle_does_not(live) -> None:
    board, client = live
    line = Line(board)
    line.send(b"M")
    assert line.until(b"flag 7\n").endswith(b"up 2 flag 7\n")
    line.send(b"M")
    line.until(b"[M]")
    client.settle()
    client.power_cut()
    client.power_on()
    assert line.until(b"up 0 flag 0\n")
    assert client.reset()["phase"] == "firmware"
    assert line.until(b"up 3 flag 0\n")


def test_an_unfed_watchdog_resets_in_the_middle_of_an_advance(live) -> None:
    board, client = live
    line = Line(board)
    client.reset()
    line.until(b"up 3")
    line.send(b"W")
    line.until(b"[W]")
    world = client.truth()["world_ms"]
    answer = client.advance(20_000)
    assert answer == {"now_ms": 12_000, "world_ms": world + 20_000}
    assert line.until(b"flag 0\n").endswith(b"up 1 flag 0\n")


def test_speed_runs_and_pausing_stops(live) -> None:
    _, client = live
    client.reset()
    client.speed(200)
    deadline = time.monotonic() + 5
    while client.truth()["now_ms"] < 2000 and time.monotonic() < deadline:
        time.sleep(0.02)
    client.speed(-1)
    assert client.state()["mode"] == "max"
    client.speed(0)
    stopped = client.truth()["now_ms"]
    assert stopped >= 2000
    time.sleep(0.05)
    assert client.truth()["now_ms"] == stopped


def test_a_long_advance_reports_progress_and_can_be_ended(live) -> None:
    board, client = live
    seen: list[int] = []
    answer: dict[str, int] = {}

    def far() -> None:
        with ControlClient(board) as other:
            answer.update(other.advance(300 * 24 * HOUR, lambda now, world: seen.append(now)))

    thread = threading.Thread(target=far)
    thread.start()
    deadline = time.monotonic() + 10
    while len(seen) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert client.status()["advancing"]
    client.speed(0)
    thread.join(timeout=10)
    assert answer["stopped"] == 1
    assert seen == sorted(seen)
    assert seen[-1] <= answer["now_ms"] < 300 * 24 * HOUR


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (lambda c: c.inject("gremlin"), "unknown fault 'gremlin'"),
        (lambda c: c.inject("occlusion", 101), "0 to 100"),
        (lambda c: c.advance(-1), "advance takes"),
        (lambda c: c.power_on(), "on already"),
        (lambda c: c.power_cut(at_ms=0), "has passed"),
        (lambda c: c.power_cut(flash_op=1, phase="never"), "phase is"),
        (lambda c: c.speed(-7), "Speed is"),
        (lambda c: c.request("dance"), "Unknown request 'dance'"),
        (lambda c: c.request("inject"), "fault"),
        (lambda c: c.read_file("/none"), "no such file"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(live, request_, sentence: str) -> None:
    _, client = live
    client.advance(1000)
    with pytest.raises(VirtualError, match=sentence):
        request_(client)
    assert client.status()["phase"] in ("firmware", "booting")
    assert client.settle()["phase"] == "firmware"


def test_a_program_that_fails_says_why_and_time_stands(live) -> None:
    board, client = live
    client.reset()
    line = Line(board)
    line.send(b"E")
    text = line.until(b"ValueError: asked to fail\r\n")
    assert b"Traceback" in text
    assert client.settle()["phase"] == "repl"
    with pytest.raises(VirtualError, match="No firmware is running"):
        client.advance(1000)
    assert client.truth()["live"] == 0
    assert client.reset()["phase"] == "firmware"


def test_a_control_client_without_the_token_gets_nothing(live) -> None:
    board, client = live
    thief = ControlClient(registry.RunningBoard(**{**board.__dict__, "token": "guess"}))
    with pytest.raises(VirtualError, match="has gone"):
        thief.truth()
    thief.close()
    assert client.status()["phase"] == "firmware"


def test_a_stopped_board_goes_on_where_it_was(tmp_path: Path) -> None:
    engine = ENGINES[-1]
    with running(tmp_path, engine, firmware_files(), name="kept") as (_, client):
        client.advance(HOUR)
        before = client.truth()
    with running(tmp_path, engine, name="kept") as (board, client):
        after = client.truth()
        assert after["world_ms"] == HOUR
        assert (after["edges"], after["flash"]) == (before["edges"], before["flash"])
        assert (after["now_ms"], client.status()["phase"]) == (0, "firmware")
        with pytest.raises(VirtualError, match="running already"):
            launch.start(name="kept", engine=engine)
        with pytest.raises(VirtualError, match="in use"):
            launch.start(name="other", engine=engine, image=board.image)
        assert [b.name for b in registry.list_boards()] == ["kept"]
        os.kill(board.pid, signal.SIGTERM)  # as `kill` or a closing terminal does
        deadline = time.monotonic() + 10
        while registry.find("kept") is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert registry.list_boards() == []
        launch.start(name="kept", engine=engine)


def test_wrong_starts_are_sentences(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("THECAL_STATE_DIR", str(tmp_path))
    bad = tmp_path / "x.img"
    bad.write_bytes(b"no image")
    for options, sentence in (
        ({"name": "a/b"}, "no name"),
        ({"engine": "lua"}, "Engine is"),
        ({"speed": -2}, "Speed is"),
        ({"heap_kib": 1}, "heap"),
        ({"image": bad}, "no flash image"),
    ):
        with pytest.raises(VirtualError, match=sentence):
            launch.start(**options)
    with pytest.raises(VirtualError, match="No virtual board 'default'"):
        launch.stop()
    monkeypatch.setattr(launch, "micropython_here", lambda: False)
    assert launch.choose_engine("auto") == ("cpython", launch.FALLBACK)
    with pytest.raises(VirtualError, match="not installed"):
        launch.choose_engine("micropython")


def test_a_stale_registry_file_is_cleaned(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("THECAL_STATE_DIR", str(tmp_path))
    registry.state_dir().mkdir(parents=True)
    registry.publish(registry.RunningBoard("gone", 2**22 + 5, "cpython", "", "x", "", 1, 2, "t"))
    registry.file_of("torn").write_text("{")
    assert registry.list_boards() == []
    assert list(registry.state_dir().glob("*.json")) == []
