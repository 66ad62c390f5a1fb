"""`thecal flash`: install or update the firmware of a board. Invariant: therapy that runs is stopped only after it was
confirmed; the end is a sentence with the self-test's verdict, and exit 1 when that failed.
"""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import JsonOption, PortOption, YesOption, banner, confirm, emit, find_port

if TYPE_CHECKING:
    from thecal_host.flashing.run import Flashed


def flash(
    board: Annotated[
        str, typer.Option("--board", "-b", metavar="NAME", help="Board file: a name, or the path of a .toml file.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Copy every file, and accept a board that was flashed as another one.")
    ] = False,
    nothing: Annotated[
        bool,
        typer.Option(
            "--nothing-delivered", help="A new board delivered nothing before: its dose windows start empty instead of full."
        ),
    ] = False,
    port: PortOption = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Install or update the firmware by mpremote: only what changed is copied, every file is verified by its sha256, and an
    interrupted flash goes on where it stopped. Then the board restarts and its self-test is read."""
    from thecal_host.flashing.run import flash as run

    banner(as_json)
    url = find_port(port)
    with Bar(as_json) as bar:

        def ask(question: str) -> None:
            bar.stop()
            confirm(question, yes)

        done = run(url, board, force, nothing, ask, bar.update)
    emit(as_json, as_data(done), as_text(done))
    if not done.begun.passed:
        raise typer.Exit(exit_codes.CHECK_FAILED)


def as_data(done: "Flashed") -> "dict[str, Any]":
    """For --json."""
    hello = done.begun.hello
    return {
        "ok": done.begun.passed,
        "port": done.port,
        "board": done.board,
        "board_id": hello.board_id,
        "firmware": done.firmware,
        "firmware_before": done.before,
        "copied": done.installed.copied,
        "unchanged": len(done.installed.unchanged),
        "removed": done.installed.removed,
        "copied_bytes": done.installed.copied_bytes,
        "state": done.begun.status.state,
        "fault": done.begun.status.fault,
        "verdict": done.begun.verdict,
        "notes": done.notes,
        "seconds": round(done.seconds, 2),
    }


def as_text(done: "Flashed") -> str:
    """For people."""
    installed = done.installed
    if installed.copied or installed.removed:
        removed = f", {len(installed.removed)} old removed" if installed.removed else ""
        kilobytes = f"{installed.copied_bytes / 1000:.1f} kB"
        files = (
            f"{len(installed.copied)} files copied ({kilobytes}), {len(installed.unchanged)} unchanged{removed}; sha256 of "
            "all verified."
        )
    else:
        files = f"Up to date: all {len(installed.unchanged)} files are on the board already; sha256 of all verified."
    before = f" (before: {done.before})" if done.before and done.before != done.firmware else ""
    lines = [
        f"Thecal {done.firmware}{before} on board {done.board} {done.begun.hello.board_id}, {done.port}, in "
        f"{done.seconds:.1f} s.",
        files,
    ]
    return "\n".join([*lines, *done.notes, done.begun.verdict])


class Bar:
    """A bar by bytes where a person looks at one, else silence; `update(what, done, total)`, total 0: no end known."""

    def __init__(self, as_json: bool) -> None:
        self._wanted = not as_json and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_unused: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar away (it comes back with the next update)."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def update(self, what: str, done: int, total: int) -> None:
        """Show `what`, and `done` of `total`."""
        if not self._wanted:
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

            columns = (
                SpinnerColumn(),
                TextColumn("{task.description:<38.38}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(what, total=None)
        self._bar.update(self._task, description=what, completed=done, total=total or None)
