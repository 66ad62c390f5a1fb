"""Ctrl-C's two faces, newlines, and the lines of the control channel: the parts of the bridge that need no process."""

import socket

import pytest

from thecal_host.virtual.lines import LineClosed, LineSocket
from thecal_host.virtual.repl import Newlines, ReplTracker


def test_a_prompt_is_idle_and_a_line_sent_is_not() -> None:
    repl = ReplTracker()
    assert not repl.idle
    repl.output(b'MicroPython\r\nType "help()"\r\n>>')
    assert not repl.idle
    repl.output(b"> ")
    assert repl.idle
    repl.input(b"print(1)")
    assert repl.idle
    repl.input(b"\r")
    assert not repl.idle
    repl.output(b"print(1)\r\n1\r\n>>> ")
    assert repl.idle


def test_the_raw_repl_starts_code_with_ctrl_d_only() -> None:
    repl = ReplTracker()
    repl.output(b"\r\n>>> ")
    repl.input(b"\x01")
    repl.output(b"raw REPL; CTRL-B to exit\r\n>")
    assert repl.raw
    assert repl.idle
    repl.input(b"x = 1\r\ny = 2\n")
    assert repl.idle
    repl.input(b"\x04")
    assert not repl.idle
    repl.output(b"OKhello > 1\n")
    assert not repl.idle
    repl.output(b"\x04\x04>")
    assert repl.idle
    repl.input(b"\x02")
    repl.output(b"\r\nMicroPython\r\n>>> ")
    assert not repl.raw


@pytest.mark.parametrize("cuts", [(), (1,), (2, 3), (1, 2, 3, 4, 5, 6, 7)])
def test_newlines_become_cr_lf_wherever_the_pieces_break(cuts: tuple[int, ...]) -> None:
    data = b"a\nb\r\n\nc\r"
    newlines = Newlines()
    pieces = [data[a:b] for a, b in zip((0, *cuts), (*cuts, len(data)), strict=True)]
    assert b"".join(newlines.translate(p) for p in pieces) == b"a\r\nb\r\n\r\nc\r"


def test_lines_are_whole_or_the_connection_ends() -> None:
    a, b = socket.socketpair()
    line = LineSocket(b)
    a.sendall(b'{"x": 1}\n{"y"')
    assert line.receive() == [{"x": 1}]
    a.sendall(b": 2}\n")
    assert line.receive() == [{"y": 2}]
    assert line.receive() == []
    line.send({"z": 3})
    assert a.recv(100) == b'{"z": 3}\n'
    a.sendall(b"not json\n")
    with pytest.raises(LineClosed):
        line.receive()
    a.close()
    with pytest.raises(LineClosed):
        line.receive()
    line.close()
