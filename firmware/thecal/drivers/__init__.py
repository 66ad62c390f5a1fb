"""Drivers: the only code that knows hardware. `open_board` picks the port the board file names.

`file_system` is None on a board, where the interpreter's own `open` reads its flash; a host that runs this firmware over a
flash image puts that image's file system here before main.py begins.
"""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal.drivers.seam import Board

file_system: "Any" = None


def load_config(path: str = "/board.json") -> "dict[str, Any]":
    """The board file as `thecal flash` wrote it. Raises OSError when it is missing, ValueError when it is not JSON."""
    f = (file_system.open if file_system is not None else open)(path, "rb")
    try:
        return json.loads(f.read())
    finally:
        f.close()


def open_board(config: "dict[str, Any]") -> "Board":
    """Return the Board for `config["port"]`: "virtual" or "rp2". Raises ValueError for a port this firmware has no driver for."""
    port = config["port"]
    if port == "virtual":
        from thecal.drivers.virtual import VirtualBoard

        return VirtualBoard(config)
    if port == "rp2":
        from thecal.drivers.rp2_board import Rp2Board

        return Rp2Board(config)
    raise ValueError("port")
