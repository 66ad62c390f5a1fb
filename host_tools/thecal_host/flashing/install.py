"""One installation by mpremote, step by step, the same for a Pico and for the virtual board.

    1 look       what is there (sha256 of each file), the right port, room enough           nothing changed yet
    2 prepare    EN off, main.py away, old files away                                       from here to 6 the board runs nothing
    3 copy       what differs; boot.py beside the old one, then renamed
    4 verify     sha256 of every file, computed by the board
    5 manifest   beside the old one, then renamed
    6 main.py    likewise, last: the board is whole from here on
    7 reset

Invariant: an interruption before 6 leaves a board that starts into its prompt with EN off (boot.py is always whole), and the
next run copies only what is still missing.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from thecal_host.flashing import onboard
from thecal_host.flashing.bundle import BOOT, MAIN, MANIFEST, PACKAGE, Bundle
from thecal_host.flashing.errors import BoardFull, NotVerified, WrongBoard
from thecal_host.flashing.onboard import NEW, Present
from thecal_host.flashing.tool import Mpremote

PLATFORMS = {"virtual": ("linux", "darwin"), "rp2": ("rp2",), "esp32": ("esp32",)}
LAST = (MANIFEST, MAIN)
FORGET_FLAG = {"rp2": "from thecal.drivers.rp2_system import Chip; Chip().flag(); "}

Progress = Callable[[int, int, str], None]  # bytes done, bytes in all, what now


@dataclass
class Installed:
    """What an installation did: paths copied, unchanged and removed, and the bytes copied."""

    copied: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    copied_bytes: int = 0


def look(tool: Mpremote) -> Present:
    """Step 1, with a soft reset: whatever ran has ended. NotReachable."""
    return onboard.parse(tool.call([["exec", onboard.look_script()]], fresh=True), tool.port)


def check_board(bundle: Bundle, present: Present, port: str, force: bool) -> None:
    """Refuse what cannot work (WrongBoard, BoardFull) and, unless `force`, another board than the one this flash was made for."""
    config = bundle.board.config
    if present.platform not in PLATFORMS[config["port"]]:
        raise WrongBoard(
            f"The board on {port} is a {present.platform}, and board file {bundle.board.name} is for {config['port']}. "
            "Choose the board file with --board; nothing was changed."
        )
    if present.mpy_version != bundle.mpy_version:
        raise WrongBoard(
            f"The MicroPython on {port} takes .mpy version {present.mpy_version} and mpy-cross makes version "
            f"{bundle.mpy_version}. Put a "
            "MicroPython of the same generation on the board (1.23 to 1.29 were made for version 6); nothing was changed."
        )
    if present.board and present.board != bundle.board.name and not force:
        raise WrongBoard(
            f"The board on {port} was flashed as {present.board}, not as {bundle.board.name}: pins and calibration may differ. "
            f"Use --board {present.board}, or --force if the wiring was changed; nothing was changed."
        )
    short = missing_blocks(bundle, present)
    if short > 0:
        raise BoardFull(
            f"The board on {port} has no room: {short} more blocks of {present.block_bytes} bytes are needed. Remove files "
            "that are not Thecal's "
            f"(`python -m mpremote connect {port} fs ls`); nothing was changed."
        )


def missing_blocks(bundle: Bundle, present: Present) -> int:
    """Blocks of the file system that are needed beyond what is free and what the old files give back; at most 0 when it fits."""
    size = max(present.block_bytes, 1)
    wanted = bundle.hashes

    def blocks(total: int) -> int:
        return -(-total // size)

    sizes = {path: len(data) for path, data in bundle.files.items()}
    sizes[MANIFEST] = len(bundle.manifest)
    need = sum(blocks(total) for path, total in sizes.items() if present.hashes.get(path) != wanted[path])
    back = sum(blocks(total) for path, total in present.sizes.items() if present.hashes[path] != wanted.get(path))
    beside = blocks(len(bundle.manifest)) + 2  # what is written beside its old self, and littlefs's own
    return need + beside - back - present.free_blocks


def install(
    bundle: Bundle, tool: Mpremote, present: Present, progress: "Progress | None" = None, force: bool = False
) -> Installed:
    """Steps 2 to 6. With `force` every file is copied. Interrupted, BoardFull, NotVerified."""
    wanted = bundle.hashes
    done = Installed()
    for path in sorted(wanted):
        if present.hashes.get(path) == wanted[path] and not force:
            done.unchanged.append(path)
        else:
            done.copied.append(path)
    done.removed = sorted(path for path in present.hashes if path not in wanted and path.startswith(PACKAGE + "/"))
    if not done.copied and not done.removed:
        return done
    contents = {**bundle.files, MANIFEST: bundle.manifest}
    done.copied = [path for path in done.copied if path not in LAST] + list(LAST)
    done.unchanged = [path for path in done.unchanged if path not in LAST]
    total = done.copied_bytes = sum(len(contents[path]) for path in done.copied)
    begun_bytes = 0

    def follow(line: str) -> None:
        """mpremote says `cp HERE :THERE` when it begins with a file."""
        nonlocal begun_bytes
        words = line.split(" :")
        path = words[-1].removesuffix(NEW)
        if progress and line.startswith("cp ") and path in contents:
            progress(begun_bytes, total, path)
            begun_bytes += len(contents[path])

    with tempfile.TemporaryDirectory() as folder:
        for path, data in contents.items():
            _local(folder, path).parent.mkdir(parents=True, exist_ok=True)
            _local(folder, path).write_bytes(data)
        tool.begun = True
        tool.call([["exec", onboard.prepare_script(_en_off(bundle), _folders(bundle), done.removed)]])
        copies = [_copy(folder, path, beside=path == BOOT) for path in done.copied if path not in LAST]
        if copies:
            tool.call([*copies, *([["exec", onboard.rename_script([BOOT])]] if BOOT in done.copied else [])], on_line=follow)
        _verify(onboard.parse(tool.call([["exec", onboard.look_script()]]), tool.port), bundle, done.removed, tool.port)
        tool.call([*(_copy(folder, path, beside=True) for path in LAST), ["exec", onboard.rename_script(LAST)]], on_line=follow)
    if progress:
        progress(total, total, "")
    return done


def reset(tool: Mpremote, port: str) -> None:
    """Step 7: a hard reset, at once: `mpremote reset` waits on the board first, and what comes meanwhile would stop it. A
    maintenance flag that mpremote's Ctrl-C kept the firmware from reading is taken away before."""
    tool.call([["exec", "--no-follow", FORGET_FLAG.get(port, "") + "import machine; machine.reset()"]])


def _local(folder: str, path: str) -> Path:
    return Path(folder) / path.lstrip("/")


def _copy(folder: str, path: str, beside: bool) -> list[str]:
    return ["cp", "-f", str(_local(folder, path)), ":" + path + (NEW if beside else "")]


def _en_off(bundle: Bundle) -> str:
    return bundle.files[BOOT].decode().partition("#")[0].strip()


def _folders(bundle: Bundle) -> list[str]:
    return sorted({path.rpartition("/")[0] for path in bundle.files} - {""})


def _verify(present: Present, bundle: Bundle, removed: list[str], port: str) -> None:
    """Everything but what comes last is on the board as it was sent, and nothing of another version is left."""
    wrong = sorted(path for path, digest in bundle.hashes.items() if path not in LAST and present.hashes.get(path) != digest)
    wrong += [path for path in removed if path in present.hashes]
    if wrong:
        raise NotVerified(
            f"The board on {port} has not what was sent: {', '.join(wrong[:3])}{' and more' if len(wrong) > 3 else ''}. Its "
            "flash may be worn or "
            "the line bad. It runs nothing now; run `thecal flash` again."
        )
