"""The few lines of MicroPython that run on a board while it is flashed, and how what they print is read.

Invariant: what is asked for is printed in lines that begin with `@`, one fact a line, so boot messages and warnings between
them do no harm.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from thecal_host.flashing.bundle import BOARD, BOOT, MAIN, MANIFEST, PACKAGE
from thecal_host.flashing.errors import NotReachable

TOP = (BOOT, MAIN, BOARD, MANIFEST)
NEW = ".new"

_LOOK = """
import sys,os,hashlib
def show(p):
    h=hashlib.sha256()
    n=0
    try:
        f=open(p,'rb')
    except OSError:
        return
    while True:
        d=f.read(512)
        if not d:
            break
        n+=len(d)
        h.update(d)
    f.close()
    print('@file',p,n,''.join('%%02x'%%b for b in h.digest()))
def walk(d):
    try:
        names=os.listdir(d)
    except OSError:
        return
    for e in sorted(names):
        p=d+'/'+e
        if os.stat(p)[0]&0x4000:
            walk(p)
        else:
            show(p)
print('@port',sys.platform,getattr(sys.implementation,'_mpy',0)&0xff)
s=os.statvfs('/')
print('@space',s[0],s[3])
try:
    import json
    print('@board',json.load(open('/board.json'))['name'])
except (OSError, ValueError, KeyError, TypeError):
    print('@board')
for p in %r:
    show(p)
walk(%r)
print('@end')
"""


@dataclass
class Present:
    """What a board has: port and .mpy version of its MicroPython, free space, the name in its board file, and sha256 by path."""

    platform: str = ""
    mpy_version: int = 0
    block_bytes: int = 0
    free_blocks: int = 0
    board: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)


def look_script() -> str:
    """Print everything `Present` holds."""
    return _LOOK % (TOP, PACKAGE)


def parse(lines: Iterable[str], port: str) -> Present:
    """Read the output of `look_script`. NotReachable when it is not whole."""
    present = Present()
    whole = False
    for line in lines:
        words = line.split()
        try:
            if not words or not words[0].startswith("@"):
                continue
            if words[0] == "@port":
                present.platform, present.mpy_version = words[1], int(words[2])
            elif words[0] == "@space":
                present.block_bytes, present.free_blocks = int(words[1]), int(words[2])
            elif words[0] == "@board":
                present.board = " ".join(words[1:])
            elif words[0] == "@file":
                present.sizes[words[1]] = int(words[2])
                present.hashes[words[1]] = words[3]
            elif words[0] == "@end":
                whole = True
        except (IndexError, ValueError):
            whole = False
            break
    if not whole:
        raise NotReachable(
            f"The board on {port} answered in an unknown way when it was asked for its files. Reset it and try again."
        )
    return present


def _remove(paths: Iterable[str]) -> str:
    listed = sorted(paths)
    return f"for p in {listed!r}:\n    try:\n        os.remove(p)\n    except OSError:\n        pass\n" if listed else ""


def prepare_script(en_off: str, folders: Iterable[str], stale: Iterable[str]) -> str:
    """EN off; main.py away, so that nothing of a mixture ever runs; then folders made and files of other versions removed."""
    made = sorted(folders)
    return (
        "import os\ntry:\n    "
        + en_off
        + "\nexcept ImportError:\n    pass\n"
        + _remove([MAIN])
        + f"for p in {made!r}:\n    try:\n        os.mkdir(p)\n    except OSError:\n        pass\n"
        + _remove(stale)
    )


def rename_script(paths: Iterable[str]) -> str:
    """Put `path + NEW` in the place of each path, in the order given: old or new, never half."""
    return f"import os\nfor p in {list(paths)!r}:\n    os.rename(p+{NEW!r},p)\n"
