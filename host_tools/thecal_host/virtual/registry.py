"""Which virtual boards are running: one JSON file a board in the user's state folder.

Invariant: a file whose process has gone is removed when it is looked at; the control token in it is readable by its owner only.
"""

import json
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from thecal_host.virtual.errors import VirtualError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True)
class RunningBoard:
    """What there is to know about a running board from outside."""

    name: str
    pid: int
    engine: str  # "micropython" or "cpython"
    notice: str  # a sentence for the user, e.g. that this is the fallback engine; often empty
    image: str
    pty: str  # "" where the system has none
    tcp_port: int
    control_port: int
    token: str

    @property
    def url(self) -> str:
        """For pyserial and mpremote."""
        return f"socket://127.0.0.1:{self.tcp_port}"

    @property
    def port(self) -> str:
        """The better of the two serial ports."""
        return self.pty or self.url


def state_dir() -> Path:
    """The folder of images and registry files; THECAL_STATE_DIR overrides the system's place for it."""
    base = os.environ.get("THECAL_STATE_DIR")
    if base:
        return Path(base) / "virtual"
    import platformdirs

    return Path(platformdirs.user_state_dir("thecal")) / "virtual"


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise VirtualError(
            f"'{name}' is no name for a board: use up to 40 letters, digits, - and _, starting with a letter or digit."
        )
    return name


def file_of(name: str) -> Path:
    return state_dir() / f"{check_name(name)}.json"


def publish(board: RunningBoard) -> None:
    """Write the registry file in one step, for its owner's eyes only."""
    path = file_of(board.name)
    tmp = path.with_suffix(".json.tmp")
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as f:
        json.dump(asdict(board), f)
    tmp.replace(path)


def withdraw(name: str, pid: int) -> None:
    """Remove the file, if it is (still) that process's."""
    board = _load(file_of(name))
    if board is not None and board.pid == pid:
        file_of(name).unlink(missing_ok=True)


def alive(pid: int) -> bool:
    """Whether a process with this id runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, IndexError):
        return True


def _load(path: Path) -> RunningBoard | None:
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        return RunningBoard(**{f.name: data[f.name] for f in fields(RunningBoard)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find(name: str = "default") -> RunningBoard | None:
    """The running board of that name, or None."""
    path = file_of(name)
    board = _load(path)
    if board is not None and alive(board.pid):
        return board
    path.unlink(missing_ok=True)
    return None


def list_boards() -> list[RunningBoard]:
    """Every running board, by name."""
    boards = []
    for path in sorted(state_dir().glob("*.json")):
        if _NAME.fullmatch(path.stem):
            board = find(path.stem)
            if board is not None:
                boards.append(board)
    return boards
