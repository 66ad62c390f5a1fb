"""Where firmware, boards, examples and the twin are: in a checkout (or editable install) and inside an installed wheel.

Invariant: a path given out exists; the two layouts are told apart by the wheel's own `_data` folder and nothing else, so that an
installed `thecal` never reads a checkout it happens to be started in.
"""

from pathlib import Path

_HERE = Path(__file__).resolve().parent
_DATA = _HERE / "_data"


class DataMissing(Exception):
    """A folder that belongs to Thecal is not there. The text is a sentence for people, with what to do."""


def installed() -> bool:
    """Return True inside an installed wheel, False in a checkout."""
    return _DATA.is_dir()


def _existing(path: Path, what: str) -> Path:
    if path.is_dir():
        return path
    cure = "install thecal again" if installed() else "the checkout is incomplete: run `git status`, restore it"
    raise DataMissing(f"{what} not found at {path}: {cure}.")


def _root() -> Path:
    return _DATA if installed() else _HERE.parent.parent


def firmware_dir() -> Path:
    """Return the folder of the board's `main.py` and `boot.py`. Raises DataMissing."""
    return _existing(_root() / "firmware", "The firmware")


def firmware_package_dir() -> Path:
    """Return the folder of the firmware package `thecal` (core, monitor, drivers, services). Raises DataMissing."""
    parent = _HERE.parent if installed() else _root() / "firmware"
    return _existing(parent / "thecal", "The firmware package")


def boards_dir() -> Path:
    """Return the folder of the board files (`NAME.toml`). Raises DataMissing."""
    return _existing(_root() / "boards", "The board files")


def examples_dir() -> Path:
    """Return the folder of the example prescriptions (`NAME.toml`). Raises DataMissing."""
    parent = _DATA if installed() else _HERE.parent
    return _existing(parent / "examples", "The examples")


def drug_library_file() -> Path:
    """Return the shipped drug library; its hash lies beside it as `drug_library.sha256`. Raises DataMissing."""
    parent = _DATA if installed() else _HERE.parent
    return _existing(parent, "The data of Thecal") / "drug_library.toml"


def rom_dir() -> Path:
    """Return the folder mounted as /rom in the virtual board: the parent of `thecal_twin`. Raises DataMissing."""
    return _existing(_HERE / "twin" / "rom", "The plant of the virtual board")
