"""The fallback engine: the firmware under CPython behind the same descriptors, the same world and the same image as the
MicroPython VM.

Invariant: only the interpreter differs. There is no REPL here, so stock mpremote cannot talk to it; when the program ends, the
serial line says so, and Ctrl-D starts it again. /main.py runs from the flash, `thecal` from this installation (CPython cannot
run .mpy).
"""

import contextlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from thecal_host.virtual import rom

rom.make_importable()

from thecal_host.virtual.image import Image  # noqa: E402
from thecal_twin import chip, fakes  # noqa: E402
from thecal_twin.ports import CPythonPorts  # noqa: E402


def say(text: str) -> None:
    os.write(1, (text + "\r\n").encode())


def read_config(image: Image) -> dict[str, Any]:
    import json

    try:
        config = json.loads(image.read("/board.json"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def report(error: Exception) -> str:
    """The traceback of a program, without the frames of this file."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename == __file__:
        tb = tb.tb_next
    return "".join(traceback.format_exception(type(error), error, tb)).rstrip().replace("\n", "\r\n")


def run_file(image: Image, path: str) -> bool:
    """Run one file of the flash; False if it is not there."""
    try:
        source = image.read(path)
    except OSError:
        return False
    exec(compile(source, path, "exec"), {"__name__": "__main__"})
    return True


def run_program(image: Image) -> None:
    """boot.py and main.py from the flash, as a board does; what they import of `thecal` is this installation's source."""
    firmware = rom.firmware_dir()
    if (firmware / "thecal").is_dir():
        sys.path.insert(0, str(firmware))
    import thecal.drivers

    thecal.drivers.file_system = image.fs
    run_file(image, "/boot.py")
    say("The program has ended." if run_file(image, "/main.py") else "This board is blank: there is no /main.py on its flash.")


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
        run_program(image)
    except KeyboardInterrupt:
        say("The program was interrupted.")
    except SystemExit:
        say("The program has ended.")
    except Exception as e:  # as a board does, tell the serial line and stay there
        world.serial.free_repl()
        say(report(e))
    world.serial.free_repl()
    ports.send({"ev": "main_end", "dump": world.dump(), "truth": world.truth()})
    say("This board runs under CPython: there is no REPL. Ctrl-D starts it again.")
    while True:
        try:
            data = os.read(0, 512)
        except KeyboardInterrupt:
            continue
        if not data or b"\x04" in data:
            with contextlib.suppress(OSError):  # the bridge may have gone first
                ports.send({"ev": "exit", "dump": world.dump(), "truth": world.truth()})
            return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
