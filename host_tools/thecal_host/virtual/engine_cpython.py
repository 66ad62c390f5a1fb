"""The fallback engine: the firmware under CPython behind the same descriptors, the same world and the same image as the MicroPython VM.

Invariant: only the interpreter differs. There is no REPL here, so stock mpremote cannot talk to it; when the program ends, the serial line
says so, and Ctrl-D starts it again. The firmware's *source* of this installation runs (CPython cannot run .mpy); /main.py must be there.
"""

import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from thecal_host.virtual import rom

rom.make_importable()

from thecal_twin import chip, fakes  # noqa: E402
from thecal_twin.ports import CPythonPorts  # noqa: E402

from thecal_host.virtual.image import Image  # noqa: E402


def say(text: str) -> None:
    os.write(1, (text + "\r\n").encode())


def read_config(image: Image) -> dict[str, Any]:
    import json

    try:
        config = json.loads(image.read("/board.json"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def run_boot(image: Image) -> None:
    """boot.py from the flash: the line that takes EN off is the board's own."""
    try:
        source = image.read("/boot.py")
    except OSError:
        return
    exec(compile(source, "boot.py", "exec"), {"__name__": "__main__"})


def run_main(image: Image) -> None:
    """main.py of this installation, if the flash has one; a main.py on the flash that is no firmware of ours runs as it is."""
    try:
        source = image.read("/main.py")
    except OSError:
        say("This board is blank: there is no /main.py on its flash.")
        return
    firmware = rom.firmware_dir()
    if (firmware / "thecal").is_dir():
        sys.path.insert(0, str(firmware))
    ours = firmware / "main.py"
    if b"thecal" in source and ours.is_file():
        runpy.run_path(str(ours), run_name="__main__")
    else:
        exec(compile(source, "main.py", "exec"), {"__name__": "__main__"})


def main(fd: int) -> int:
    ports = CPythonPorts(fd)
    boot = ports.receive()
    if boot is None:
        return 1
    image = Image(path=Path(boot["image"]), flash_state=boot.get("flash"))
    world = chip.make_world(read_config(image), boot["seed"], image.fs, ports, boot, boot.get("params"))
    world.flash = image.flash
    image.fs.on_cut = world.power_cut
    if image.fresh:
        ports.send({"ev": "formatted"})
    sys.modules["machine"] = fakes.Machine()  # type: ignore[assignment]
    ports.sync({"ev": "boot"})
    try:
        run_boot(image)
        run_main(image)
        say("The program has ended.")
    except KeyboardInterrupt:
        say("The program was interrupted.")
    except SystemExit:
        say("The program has ended.")
    except Exception:  # as a board does, tell the serial line and stay there
        say(traceback.format_exc().replace("\n", "\r\n"))
    world.serial.free_repl()
    ports.send({"ev": "main_end", "dump": world.dump(), "truth": world.truth()})
    say("This board runs under CPython: there is no REPL. Ctrl-D starts it again.")
    while True:
        try:
            data = os.read(0, 512)
        except KeyboardInterrupt:
            continue
        if not data or b"\x04" in data:
            ports.send({"ev": "exit", "dump": world.dump(), "truth": world.truth()})
            return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
