"""The plant and its switches compute the same on both interpreters, in either direction, to the last digit."""

import subprocess
import sys
from pathlib import Path

import pytest
from virtual_boards import ENGINES

from thecal_host.virtual import rom
from thecal_host.virtual.child import MICROPYTHON

SCRIPT = Path(__file__).with_name("motions.py")
VM = "import sys, micropython_unix as m; sys.exit(m.run_main(['micropython', *sys.argv[1:]]))"


def test_both_engines_make_the_same_motions() -> None:
    if MICROPYTHON not in ENGINES:
        pytest.fail("The MicroPython VM is not installed here; `make setup` installs it where there is one.")
    out = []
    for command, variable in (
        ([sys.executable, str(SCRIPT)], "PYTHONPATH"),
        ([sys.executable, "-c", VM, str(SCRIPT)], "MICROPYPATH"),
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={variable: f"{rom.ROM}"})
        assert done.returncode == 0, done.stderr
        out.append(done.stdout.splitlines())
    assert len(out[0]) > 500
    for here, there in zip(*out, strict=True):
        assert here == there
    told = [line.split("] ")[0] for line in out[0] if line.startswith("[")]
    assert any(", -" in line for line in told), "no motion went behind its start"
