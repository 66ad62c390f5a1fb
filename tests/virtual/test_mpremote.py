"""Stock mpremote on a virtual board, over the pseudo-terminal and over TCP, as on a Pico.

These need the MicroPython VM and are not there without it; what the other engine does instead is tested at the end.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from virtual_boards import ENGINES, PROBE, Line, firmware_files, running

from thecal_host.virtual.child import micropython_here


def mpremote(port: str, *words: str, timeout_s: float = 30) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *words],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    with running(tmp_path_factory.mktemp("mp"), ENGINES[0]) as (board, client):
        yield board, client


if micropython_here():

    @pytest.mark.parametrize("way", ["pty", "url"])
    def test_the_usual_commands(blank, tmp_path: Path, way: str) -> None:
        board, client = blank
        port = getattr(board, way)
        data = tmp_path / "data.bin"
        data.write_bytes(bytes(range(256)) * 4)
        back = tmp_path / "back.bin"
        code, out = mpremote(port, "fs", "cp", str(data), ":data.bin", "+", "fs", "ls", "+", "fs", "cp", ":data.bin", str(back))
        assert code == 0, out
        assert "1024 data.bin" in out
        assert "rom" not in out
        assert back.read_bytes() == data.read_bytes()
        code, out = mpremote(port, "exec", "import os\nprint(os.listdir())\nprint(1/0)")
        assert code == 1
        assert "['data.bin']" in out
        assert "ZeroDivisionError" in out
        code, out = mpremote(port, "exec", "--no-follow", "while True: pass")
        assert code == 0, out
        code, out = mpremote(port, "fs", "rm", ":data.bin", "+", "eval", "2+3")  # Ctrl-C has stopped the loop
        assert (code, out.split()[-1]) == (0, "5")
        boots = client.status()["boots"]
        assert mpremote(port, "reset")[0] == 0
        deadline = time.monotonic() + 5
        while client.status()["boots"] == boots and time.monotonic() < deadline:
            time.sleep(0.02)
        assert client.settle()["phase"] == "repl"
        assert client.list_files() == {}

    def test_an_interactive_repl_on_the_terminal(blank) -> None:
        board, client = blank
        line = Line(board)
        line.send(b"\r\n")
        line.until(b">>> ")
        line.send(b"x = 6 * 7\r\nprint('is', x)\r\n")
        line.until(b"is 42\r\n")
        line.send(b"nonsen\x03")  # at the prompt: a new line, nothing dies
        line.until(b">>> ")
        line.send(b"while True:\r\n    pass\r\n\r\n\r\n")
        time.sleep(0.1)
        line.send(b"\x03")
        line.until(b"KeyboardInterrupt")
        line.until(b">>> ")
        line.send(b"print(x)\r\n")  # the same interpreter: nothing was restarted
        line.until(b"42\r\n")
        line.send(b"\x04")
        line.until(b"MPY: soft reboot\r\n")
        line.until(b">>> ")
        line.send(b"x\r\n")
        line.until(b"NameError")
        assert client.settle()["phase"] == "repl"

    def test_boot_py_drives_en_and_soft_reset_keeps_the_pin(blank) -> None:
        board, client = blank
        line = Line(board)
        line.send(b"\r\n")
        line.until(b">>> ")
        line.send(b"import machine; p = machine.Pin(4, machine.Pin.OUT, value=0); p()\r\n")
        line.until(b"\r\n0\r\n")
        line.send(b"\x04")
        line.until(b"soft reboot")
        line.until(b">>> ")
        client.settle()
        assert client.truth()["en"] == 1
        client.put_files({"/boot.py": firmware_files()["/boot.py"]})
        client.settle()
        assert client.truth()["en"] == 0
        client.put_files({}, remove=["/boot.py"])

    def test_install_as_to_a_pico_and_the_pump_keeps_its_line(blank, tmp_path: Path) -> None:
        board, client = blank
        folder = tmp_path / "fw"
        for path, data in firmware_files().items():
            target = folder / path[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        names = sorted(str(p) for p in folder.iterdir())
        code, out = mpremote(board.pty, "fs", "cp", "-r", *names, ":", "+", "reset")
        assert code == 0, out
        line = Line(board)
        deadline = time.monotonic() + 5
        while client.settle()["phase"] != "firmware" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert client.advance(10_000)["now_ms"] == 10_000
        state = client.state()
        assert state["heap_free"] + state["heap_used"] > 192 * 1024 * 0.95 + state["plant_heap"]
        assert 20_000 < state["plant_heap"] < 80_000
        line.send(b"\x03\x03\x01\x04")  # Ctrl-C is data to a running pump
        line.until(b"[\x03\x03\x01\x04]")
        line.send(b"X")
        line.until(b"ended\r\n")
        line.until(b">>> ")
        assert client.settle()["phase"] == "repl"
        assert client.list_files()["/main.py"] == len(PROBE)


def test_the_pseudo_terminal_is_outside_dev_pts_and_raw(blank) -> None:
    board, _ = blank
    assert board.pty.endswith("/virtual/default.tty")
    fd = os.open(board.pty, os.O_RDWR | os.O_NOCTTY)
    try:
        import termios

        attributes = termios.tcgetattr(fd)
        assert not attributes[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
    finally:
        os.close(fd)


def test_the_engine_without_a_repl_says_so(tmp_path: Path) -> None:
    with running(tmp_path, "cpython") as (board, client):
        line = Line(board)
        line.send(b"\x03")
        assert client.settle()["phase"] == "repl"
        line.send(b"\x04")
        assert b"no REPL" in line.until(b"starts it again.\r\n")
        client.put_files({"/main.py": b"print('hello from', 'flash')\n"})
        line.until(b"hello from flash\r\n")
