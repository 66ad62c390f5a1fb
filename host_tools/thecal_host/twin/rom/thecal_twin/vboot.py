"""Start-up of the virtual board inside the MicroPython VM, as a Pico starts: flash, boot.py, main.py, REPL.

Invariant: every host file is open before the flash image becomes `/`; after that the VM sees nothing of the host's file system but
the read-only /rom. The first line on the control descriptor is the boot record (see thecal_host/virtual/child.py).
"""

import gc
import json
import os
import sys

import vfs

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


def mount_flash(device: "object") -> bool:
    """The image becomes `/`. As stock rp2 does, a file system that cannot be mounted is made anew; returns True then."""
    fresh = False
    try:
        fs = vfs.VfsLfs2(device, progsize=blockdev.PROG)
    except OSError:
        fresh = True
        vfs.VfsLfs2.mkfs(device, progsize=blockdev.PROG)
        fs = vfs.VfsLfs2(device, progsize=blockdev.PROG)
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
        sys.print_exception(e)
        return False


def start(fd: int, scope: "dict", heap_before: int) -> None:
    """Boot. `scope` is the globals of `__main__`; `heap_before` is what was allocated before the twin was imported."""
    ports = MicroPythonPorts(fd)
    boot = ports.receive()
    flash = Flash(blockdev.BLOCKS, boot.get("flash"))
    device = blockdev.BlockDevice(boot["image"], flash)
    world = chip.make_world({}, boot["seed"], Files, ports, boot, boot.get("params"))
    world.flash = flash
    device.on_cut = world.power_cut
    if mount_flash(device):
        ports.send({"ev": "formatted"})
    config = read_config()
    if config:
        world = chip.make_world(config, boot["seed"], Files, ports, boot, boot.get("params"))
        world.flash = flash
        device.on_cut = world.power_cut
    sys.modules["machine"] = fakes.Machine()
    sys.path[:] = ["", ".frozen", "/lib", "/rom"]
    raw = boot.get("raw")
    keep = boot.get("probe")
    boot = config = device = flash = None
    gc.collect()
    ports.plant_heap = gc.mem_alloc() - heap_before
    if keep:
        ports.send({"ev": "probe", "plant_heap": ports.plant_heap})
        return
    sys.atexit(lambda: ports.send({"ev": "exit", "dump": world.dump(), "truth": world.truth()}))
    ports.sync({"ev": "boot"})
    try:
        if run_file("/boot.py", scope) and not raw:
            run_file("/main.py", scope)
    except KeyboardInterrupt:
        print()  # between two files; the REPL is next anyway
    world.serial.free_repl()
    ports.send({"ev": "main_end", "dump": world.dump(), "truth": world.truth()})
