"""The wheel alone gives a working `thecal`: built here, installed into a venv of its own, run from an empty folder with firmware,
boards and examples found inside. Third-party packages are borrowed from the running environment, this project's own are not."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIES_IN_THE_WHEEL = (
    "thecal/core/ledger.py",
    "thecal/drivers/virtual.py",
    "thecal_host/_data/firmware/main.py",
    "thecal_host/_data/boards/virtual.toml",
    "thecal_host/_data/drug_library.toml",
    "thecal_host/_data/drug_library.sha256",
    "thecal_host/twin/rom/thecal_twin/chip.py",
)


def run(command: "list[str]", cwd: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "THECAL", "COVERAGE"))}
    env.update(more)
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    built = run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("thecal-*.whl"))


@pytest.fixture(scope="module")
def place(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with the wheel in it; `empty/` beside it is where commands run."""
    base = tmp_path_factory.mktemp("installed")
    (base / "empty").mkdir()
    made = run([sys.executable, "-m", "venv", "--without-pip", str(base / "venv")], base)
    assert made.returncode == 0, made.stderr
    python = base / "venv/bin/python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    installed = run(install, base)
    assert installed.returncode == 0, installed.stderr
    site = Path(run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], base).stdout.strip())
    # A .pth adds the folder to the path without running the .pth files inside it: the editable install stays out.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return base


def test_the_wheel_carries_firmware_boards_and_examples(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set(LIES_IN_THE_WHEEL) <= names
    for folder, pattern in (("boards", "boards/*.toml"), ("examples", "host_tools/examples/*.toml")):
        there = {name.rsplit("/", 1)[-1] for name in names if name.startswith(f"thecal_host/_data/{folder}/")}
        assert {file.name for file in ROOT.glob(pattern)} <= there
    assert not [name for name in names if "/dev/" in name or "__pycache__" in name or name.startswith("tests/")]


def test_every_module_of_the_firmware_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {file.relative_to(ROOT / "firmware").as_posix() for file in (ROOT / "firmware/thecal").rglob("*.py")} <= names


def test_help_and_doctor_work_from_an_empty_folder(place: Path) -> None:
    thecal = str(place / "venv/bin/thecal")
    state = {"THECAL_STATE_DIR": str(place / "state"), "HOME": str(place / "empty"), "COLUMNS": "120"}
    shown = run([thecal, "--help"], place / "empty", **state)
    assert shown.returncode == 0, shown.stderr
    assert "flash" in shown.stdout
    doctor = run([thecal, "doctor"], place / "empty", **state)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "Traceback" not in doctor.stdout + doctor.stderr


def test_its_folders_are_its_own_and_not_the_checkouts(place: Path) -> None:
    program = (
        "from thecal_host import paths; import thecal\n"
        "print(thecal.__file__)\n"
        "for name in ('firmware', 'firmware_package', 'boards', 'examples', 'rom'): print(getattr(paths, name + '_dir')())"
    )
    shown = run([str(place / "venv/bin/python"), "-c", program], place / "empty")
    assert shown.returncode == 0, shown.stderr
    found = [Path(line).resolve() for line in shown.stdout.split()]
    assert len(found) == 6
    for path in found:
        assert path.is_relative_to(place.resolve()), path


def test_a_wheel_without_its_boards_says_so(place: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(place / "venv/lib", copy)
    site = next(copy.rglob("thecal_host/paths.py")).parent
    shutil.rmtree(site / "_data/boards")
    program = f"import sys; sys.path.insert(0, {str(site.parent)!r}); from thecal_host import paths; paths.boards_dir()"
    shown = run([sys.executable, "-S", "-c", program], tmp_path)
    assert "install thecal again" in shown.stderr
