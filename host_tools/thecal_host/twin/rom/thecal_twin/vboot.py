"""Start-up of the virtual board inside the MicroPython VM, as a Pico starts: flash, boot.py, main.py, REPL.

Invariant: every host file is open before the flash image becomes `/`; after that the VM sees nothing of the host's file system,
and /rom, from which the twin was loaded, is gone too. The first line on the control descriptor is the boot record (see
thecal_host/virtual/child.py).
"""

import gc
import json
import os
import sys

import vfs  # pyright: ignore[reportMissingImports]

from thecal_twin import blockdev, chip, fakes
from thecal_twin.flash import Flash
from thecal_twin.ports import MicroPythonPorts


class Files:
    """Seam `fs` over the VM's own file system. Names come sorted, so that the order is the same on every engine."""

    open = staticmethod(open)
    rename = staticmethod(os.rename)
    remove = staticmethod(os.remove)
    stat = staticmethod(os.stat)
    mkdir = staticmethod(os.mkdir)

    @staticmethod
    def listdir(path: str = "/") -> "list[str]":
        return sorted(os.listdir(path))


def mount_flash(device: "blockdev.BlockDevice") -> bool:
    """The image becomes `/`. As stock rp2 does, a file system that cannot be mounted is made anew; returns True then.

    Without time stamps (stock has them): then flash operations come in the same order as from the CPython engine, one for one.
    """
    fresh = False
    try:
        fs = vfs.VfsLfs2(device, progsize=blockdev.PROG, mtime=False)
    except OSError:
        fresh = True
        vfs.VfsLfs2.mkfs(device, progsize=blockdev.PROG)
        fs = vfs.VfsLfs2(device, progsize=blockdev.PROG, mtime=False)
    vfs.umount("/")
    vfs.mount(fs, "/")
    os.chdir("/")
    return fresh


def read_config() -> "dict":
    """The board's own config; a blank or broken one gives the defaults of the chip (EN on pin 4, active low)."""
    try:
        with open("/board.json") as f:
            config = json.load(f)
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def run_file(name: str, scope: "dict") -> bool:
    """Run one file of the flash if it is there. As on a Pico, an error is printed and the REPL is next; returns False then."""
    try:
        with open(name) as f:
            source = f.read()
    except OSError:
        return True
    try:
        exec(compile(source, name[1:], "exec"), scope)
        return True
    except SystemExit:
        return False
    except BaseException as e:  # the REPL must come up whatever the program did
        chip.world.serial.free_repl()
        sys.print_exception(e)
        return False


def make(ports: MicroPythonPorts) -> "tuple[int, int]":
    """The world from the boot record, with the flash mounted. Returns (raw, probe) of the record; all else of it may be
    collected."""
    boot = ports.receive()
    flash = Flash(blockdev.BLOCKS, boot.get("flash"))
    device = blockdev.BlockDevice(boot["image"], flash)
    device.on_cut = lambda: chip.world.power_cut()
    world = chip.make_world({}, boot["seed"], Files, ports, boot, boot["params"])
    world.flash = flash
    if mount_flash(device):
        ports.send({"ev": "formatted"})
    config = read_config()
    if config:
        world = chip.make_world(config, boot["seed"], Files, ports, boot, boot["params"])
        world.flash = flash
    return boot.get("raw", 0), boot.get("probe", 0)


def start(fd: int, scope: "dict", heap_before: int) -> None:
    """Boot. `scope` is the globals of `__main__`; `heap_before` is what was allocated before the twin was imported."""
    ports = MicroPythonPorts(fd)
    raw, probe = make(ports)
    sys.modules["machine"] = fakes.Machine()
    sys.path[:] = ["", ".frozen", "/lib"]
    vfs.umount("/rom")  # all of the twin is loaded: the board's root shows its flash and nothing else
    gc.collect()
    ports.plant_heap = gc.mem_alloc() - heap_before
    if probe:
        ports.send({"ev": "probe", "plant_heap": ports.plant_heap})
        return
    world = chip.world
    sys.atexit(lambda: ports.send({"ev": "exit", "dump": world.dump(), "truth": world.truth()}))
    ports.sync({"ev": "boot"})
    try:
        if run_file("/boot.py", scope) and not raw:
            run_file("/main.py", scope)
    except KeyboardInterrupt:
        print()  # between two files; the REPL is next anyway
    world.serial.free_repl()
    ports.send({"ev": "main_end", "dump": world.dump(), "truth": world.truth()})
