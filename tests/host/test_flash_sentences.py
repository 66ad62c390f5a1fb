"""What can go wrong while flashing, without a board: each case has its sentence, and none changes anything that it should not."""

import dataclasses

import pytest

from thecal_host import boards
from thecal_host.flashing import bundle, install, onboard, tool, way
from thecal_host.flashing.errors import BoardFull, Interrupted, MissingTool, NotReachable, NotVerified, WrongBoard
from thecal_host.flashing.onboard import Present


@pytest.fixture(scope="module")
def virtual() -> bundle.Bundle:
    return bundle.build(boards.load("virtual"))


def present(made: bundle.Bundle, **more: object) -> Present:
    """An empty board that fits."""
    empty = Present("linux", made.mpy_version, 4096, 350)
    return dataclasses.replace(empty, **more)


def test_a_board_that_fits_is_taken(virtual: bundle.Bundle) -> None:
    install.check_board(virtual, present(virtual), "P", False)
    install.check_board(virtual, present(virtual, board="virtual"), "P", False)


def test_a_board_of_another_port_is_refused_even_with_force(virtual: bundle.Bundle) -> None:
    with pytest.raises(WrongBoard, match=r"The board on P is a rp2, and board file virtual is for virtual.*nothing was changed"):
        install.check_board(virtual, present(virtual, platform="rp2"), "P", True)


def test_a_micropython_of_another_generation_is_refused(virtual: bundle.Bundle) -> None:
    with pytest.raises(WrongBoard, match=r"takes \.mpy version 5 and mpy-cross makes version 6.*nothing was changed"):
        install.check_board(virtual, present(virtual, mpy_version=5), "P", False)


def test_a_board_that_was_flashed_as_another_needs_force(virtual: bundle.Bundle) -> None:
    other = present(virtual, board="rpi_pico")
    with pytest.raises(WrongBoard, match=r"flashed as rpi_pico, not as virtual.*--force"):
        install.check_board(virtual, other, "P", False)
    install.check_board(virtual, other, "P", True)


def test_a_full_board_is_refused_before_anything_changes(virtual: bundle.Bundle) -> None:
    with pytest.raises(BoardFull, match=r"has no room: \d+ more blocks of 4096 bytes are needed.*nothing was changed"):
        install.check_board(virtual, present(virtual, free_blocks=5), "P", False)


def test_room_counts_what_the_old_files_give_back(virtual: bundle.Bundle) -> None:
    empty = present(virtual)
    need = install.missing_blocks(virtual, empty) + empty.free_blocks
    assert need >= len(virtual.files) + 1
    same = present(virtual, hashes=dict(virtual.hashes), sizes=dict.fromkeys(virtual.hashes, 1), free_blocks=10)
    assert install.missing_blocks(virtual, same) <= 0
    other = dict.fromkeys(virtual.hashes, "0" * 64)
    old = present(virtual, hashes=other, sizes=dict.fromkeys(other, 9000), free_blocks=10)
    assert install.missing_blocks(virtual, old) <= 0


def test_output_of_the_board_is_read_between_boot_messages() -> None:
    lines = ["boot says hi", "@port rp2 6", "@space 4096 300", "@board rpi_pico", "@file /main.py 3 abc", "noise @file", "@end"]
    found = onboard.parse(lines, "P")
    assert (found.platform, found.mpy_version, found.block_bytes, found.free_blocks) == ("rp2", 6, 4096, 300)
    assert (found.board, found.sizes, found.hashes) == ("rpi_pico", {"/main.py": 3}, {"/main.py": "abc"})


@pytest.mark.parametrize(
    "lines", [[], ["@port rp2 6"], ["@port rp2", "@end"], ["@space a b", "@end"], ["@file /main.py 3", "@end"]]
)
def test_output_that_is_not_whole_is_a_sentence(lines: list[str]) -> None:
    with pytest.raises(NotReachable, match="The board on P answered in an unknown way"):
        onboard.parse(lines, "P")


def test_files_that_differ_after_copying_are_named(virtual: bundle.Bundle) -> None:
    good = present(virtual, hashes={path: digest for path, digest in virtual.hashes.items() if path not in install.LAST})
    install._verify(good, virtual, [], "P")
    bad = dataclasses.replace(good, hashes={**good.hashes, "/thecal/core/gate.mpy": "0"})
    with pytest.raises(NotVerified, match=r"has not what was sent: /thecal/core/gate\.mpy"):
        install._verify(bad, virtual, [], "P")
    left = dataclasses.replace(good, hashes={**good.hashes, "/thecal/old.mpy": "0"})
    with pytest.raises(NotVerified, match=r"/thecal/old\.mpy"):
        install._verify(left, virtual, ["/thecal/old.mpy"], "P")


@pytest.mark.parametrize(
    ("said", "begun", "error", "sentence"),
    [
        ("mpremote: failed to access X (it may be in use by another program)", False, NotReachable, "cannot be opened"),
        ("TransportError: could not enter raw repl", False, NotReachable, "does not give its MicroPython prompt"),
        ("OSError: [Errno 28] ENOSPC", True, BoardFull, "is full. Nothing runs on it"),
        ("serial.serialutil.SerialException: device disconnected", True, Interrupted, "goes on where it stopped"),
        ("something quite new", False, NotReachable, "something quite new"),
        ("", True, Interrupted, "no reason given"),
    ],
)
def test_what_mpremote_says_becomes_a_sentence(said: str, begun: bool, error: type[Exception], sentence: str) -> None:
    caller = tool.Mpremote("P")
    caller.begun = begun
    failure = caller._failure(said)
    assert type(failure) is error
    assert sentence in str(failure)
    assert "Traceback" not in str(failure)


def test_real_mpremote_on_a_port_that_is_not_there() -> None:
    with pytest.raises(NotReachable, match="/dev/thecal-none cannot be opened"):
        install.look(tool.Mpremote("/dev/thecal-none"))


def test_a_call_that_falls_silent_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "mpremote.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(NotReachable, match="nothing came from the board for 0 s"):
        tool.Mpremote("P", idle_s=0.3).call([["reset"]])


def test_without_mpremote_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingTool, match="pip install"):
        tool.Mpremote("P")


def test_the_board_file_follows_from_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert way.board_by_look("rp2", "", "P").name == "rpi_pico"
    assert way.board_by_look("linux", "", "P").name == "virtual"
    assert way.board_by_look("rp2", "rpi_pico", "P").name == "rpi_pico"
    with pytest.raises(WrongBoard, match="is a nrf, and Thecal has no board file"):
        way.board_by_look("nrf", "", "P")
    pico = boards.load("rpi_pico")
    monkeypatch.setattr(way.boards, "names", lambda: ["rpi_pico", "two"])
    monkeypatch.setattr(way.boards, "load", lambda name: dataclasses.replace(pico, name=name))
    with pytest.raises(WrongBoard, match="one of several: rpi_pico, two"):
        way.board_by_look("rp2", "", "P")


def test_a_port_that_does_not_come_back_is_a_sentence() -> None:
    with pytest.raises(NotReachable, match="did not come back on /dev/thecal-none"):
        way.wait_for_port("/dev/thecal-none", 0.0)
