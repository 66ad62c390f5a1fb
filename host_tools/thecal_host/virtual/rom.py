"""Where the twin is and what it is started with: the /rom package, the plant's data file, the firmware of a checkout or a wheel.

Invariant: every figure the plant uses comes as an integer from twin/data/plant.toml, which names a source for each.
"""

import sys
import tomllib
from pathlib import Path

TWIN = Path(__file__).resolve().parent.parent / "twin"
ROM = TWIN / "rom"


def make_importable() -> None:
    """Put `thecal_twin` on this interpreter's path (at its end: it shadows nothing)."""
    if str(ROM) not in sys.path:
        sys.path.append(str(ROM))


def firmware_dir() -> Path:
    """The folder with main.py and the package `thecal` (or main.py alone, when `thecal` is installed in site-packages)."""
    from thecal_host import paths

    return paths.firmware_dir()


def plant_params(path: Path | None = None) -> dict[str, int]:
    """The plant's parameters: `value` of every table in the data file. Raises ValueError for one that is no integer or has no
    source."""
    with (path or TWIN / "data" / "plant.toml").open("rb") as f:
        data = tomllib.load(f)
    params = {}
    for name, row in data.items():
        if type(row.get("value")) is not int or not row.get("source"):
            raise ValueError(f"plant.toml: {name} needs an integer value and a source")
        params[name] = row["value"]
    return params
