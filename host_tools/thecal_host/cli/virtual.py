"""`thecal virtual`: boards without hardware. Invariant: these are thin over `thecal_host.virtual`; nothing about a board is
decided here."""

from dataclasses import asdict
from typing import Annotated

import typer

from thecal_host.cli.common import JsonOption, columns_text, emit
from thecal_host.cli.lazy import group

app = group("Start, stop and list virtual boards: the real firmware in a MicroPython VM, with a model of pump and catheter.")
NameArgument = Annotated[str, typer.Argument(metavar="[NAME]", help="Name of the board.")]


@app.command()
def start(
    name: NameArgument = "default",
    engine: Annotated[str, typer.Option("--engine", help="auto, micropython or cpython.")] = "auto",
    image: Annotated[
        str, typer.Option("--image", metavar="FILE", help="Flash image; default: one per name in the state folder.")
    ] = "",
    speed: Annotated[int, typer.Option("--speed", help="0: paused; N: N times real time; -1: as fast as it goes.")] = 0,
    heap_kib: Annotated[
        int, typer.Option("--heap", metavar="KIB", help="Heap of the firmware; the model's own comes on top.")
    ] = 256,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the model's noise.")] = 1,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay here until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a virtual board. Its time stands still until `thecal sim advance` or a --speed moves it."""
    from thecal_host.virtual import launch
    from thecal_host.virtual.registry import RunningBoard

    def told(board: RunningBoard) -> None:
        text = f"Virtual board '{board.name}' ({board.engine}) on {board.port} and {board.url}. Flash: {board.image}."
        hint = f"To install or update its firmware: thecal flash --port {board.name}"
        data = {key: value for key, value in asdict(board).items() if key != "token"}
        emit(
            as_json,
            {"ok": True, **data, "url": board.url, "port": board.port},
            "\n".join(filter(None, (board.notice, text, hint))),
        )

    board = launch.start(name, engine, image or None, speed, heap_kib, seed, foreground, told if foreground else None)
    if not foreground:
        told(board)


@app.command()
def stop(
    name: NameArgument = "",
    every: Annotated[bool, typer.Option("--all", help="Stop all of them.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Stop a virtual board (the only one, when none is named); its flash, plant and time are kept."""
    from thecal_host.cli.common import virtual_board
    from thecal_host.virtual import launch, registry

    names = [board.name for board in registry.list_boards()] if every else [name or virtual_board("").name]
    for one in names:
        launch.stop(one)
    emit(as_json, {"ok": True, "stopped": names}, "Stopped: " + (", ".join(names) or "none was running") + ".")


@app.command(name="list")
def list_boards(as_json: JsonOption = False) -> None:
    """List running virtual boards."""
    from thecal_host.virtual import registry

    boards = registry.list_boards()
    rows: list[tuple[str, ...]] = [(board.name, board.engine, board.pty or "-", board.url, board.image) for board in boards]
    data = [{key: value for key, value in asdict(board).items() if key != "token"} for board in boards]
    text = columns_text(("Name", "Engine", "PTY", "TCP", "Flash image"), rows) if rows else "No virtual board is running."
    emit(as_json, {"ok": True, "boards": data}, text)
