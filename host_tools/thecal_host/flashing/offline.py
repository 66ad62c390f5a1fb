"""Installing on a virtual board that runs under CPython: no prompt there, so mpremote cannot reach it; the files go into its
flash image.

Invariant: the same files as by mpremote, with the board stopped while they change (its control channel does that), and its
self-test verifies them all the same.
"""

import json
import time

from thecal_host.flashing.bundle import MANIFEST, PACKAGE, Bundle, sha256
from thecal_host.flashing.errors import WrongBoard
from thecal_host.flashing.install import Installed, Progress
from thecal_host.virtual.board import BOOTING
from thecal_host.virtual.control import ControlClient
from thecal_host.virtual.errors import VirtualError
from thecal_host.virtual.registry import RunningBoard

UP_S = 15.0
NOTICE = (
    "This virtual board runs under CPython and has no MicroPython prompt: the files were put into its flash image directly, "
    "not by mpremote."
)


def install(bundle: Bundle, board: RunningBoard, progress: "Progress | None" = None, force: bool = False) -> Installed:
    """Write what differs and start the board again. VirtualError, WrongBoard."""
    if bundle.board.config["port"] != "virtual":
        raise WrongBoard(
            f"{board.name} is a virtual board, and board file {bundle.board.name} is for {bundle.board.config['port']}."
        )
    done = Installed()
    wanted = bundle.hashes
    contents = {**bundle.files, MANIFEST: bundle.manifest}
    with ControlClient(board) as control:
        sizes = control.list_files()
        manifest = control.read_file(MANIFEST) if MANIFEST in sizes and not force else b""
        known = {**_listed(manifest), MANIFEST: sha256(manifest)}
        for path in sorted(wanted):
            same = sizes.get(path) == len(contents[path]) and known.get(path) == wanted[path]
            (done.unchanged if same else done.copied).append(path)
        done.removed = sorted(path for path in sizes if path not in wanted and path.startswith(PACKAGE + "/"))
        done.copied_bytes = sum(len(contents[path]) for path in done.copied)
        if progress:
            progress(0, done.copied_bytes, "flash image")
        if done.copied or done.removed:
            control.put_files({path: contents[path] for path in done.copied}, done.removed)
        wait_until_up(control)
    if progress:
        progress(done.copied_bytes, done.copied_bytes, "")
    return done


def wait_until_up(control: ControlClient) -> None:
    """Until the board has booted, however often it was reset on the way. VirtualError when it takes too long."""
    until = time.monotonic() + UP_S
    while control.status()["phase"] == BOOTING:
        if time.monotonic() > until:
            raise VirtualError(f"The virtual board '{control.board.name}' does not start. Stop it and start it again.")
        time.sleep(0.02)


def _listed(manifest: bytes) -> dict[str, str]:
    """{path: sha256} of a manifest; {} when it is damaged."""
    try:
        listed = json.loads(manifest)["files"]
        return {str(path): str(digest) for path, digest in listed.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
