"""The `thecal` command: its table of commands and its own options. Invariant: this file imports Typer and nothing that is slow
to load."""

from typing import Annotated

import typer

from thecal_host.cli.lazy import HELP_NAMES, LazyGroup

NOT_MEDICAL = "NOT A MEDICAL DEVICE: never for use on people or animals."
HERE = "thecal_host.cli."

# name -> (module, function or Typer app, one line of help), in the order of the help
COMMANDS = {
    "devices": (HERE + "devices", "devices", "List boards: real ports and running virtual boards."),
    "flash": (HERE + "flash", "flash", "Install or update the firmware of a board."),
    "status": (HERE + "status", "status", "Show what the pump does now and what it delivered, as an interval."),
    "start": (HERE + "therapy", "start", "Start therapy with the active program."),
    "stop": (HERE + "therapy", "stop", "Stop therapy or a set-up motion; a running bolus ends."),
    "off": (HERE + "therapy", "off", "Therapy off: the same as stop."),
    "hold": (HERE + "therapy", "hold", 'Hold therapy until `resume`, or for a time: thecal hold --for "30 min".'),
    "resume": (HERE + "therapy", "resume", "End a hold."),
    "bolus": (HERE + "bolus", "bolus", 'Ask for a bolus: thecal bolus "0.5 mg" --over "10 min".'),
    "patient": (HERE + "patient", "patient", "Ask for the program's patient bolus, as its button does."),
    "temp": (HERE + "rate", "temp", 'Give another rate for a while: thecal temp "20 mcg/h" --for "2 h".'),
    "minimum": (HERE + "rate", "minimum", "Give the program's minimum rate until `normal`."),
    "normal": (HERE + "rate", "normal", "End a temporary or minimum rate."),
    "clock": (HERE + "clock", "app", "Show the board's wall clock; `clock set` sets it."),
    "setup": (HERE + "setup", "app", "Motions while therapy is off: jog, prime, purge, home, direction."),
    "ack": (HERE + "therapy", "ack", "Acknowledge alarms (this does not clear their cause)."),
    "check": (HERE + "check", "check", "Check a prescription file, or the connected board."),
    "library": (HERE + "library", "app", "Show and check the drug library."),
    "plan": (HERE + "plan", "plan", "Show what a prescription will do: rates, steps, refill, flash life."),
    "upload": (HERE + "upload", "upload", "Put a prescription on the board beside the active one; changes nothing yet."),
    "activate": (HERE + "activate", "activate", "Make the uploaded prescription the active one."),
    "history": (HERE + "history", "history", "List every program with its diff, time and reason."),
    "log": (HERE + "log", "app", "Pull, show and export the event log."),
    "plot": (HERE + "plot", "plot", "Draw delivered against programmed volume (SVG or PNG)."),
    "provision": (HERE + "therapy", "provision", "Make a new board ready for use, once."),
    "maintenance": (HERE + "therapy", "maintenance", "Stop the firmware and free the MicroPython prompt."),
    "virtual": (HERE + "virtual", "app", "Start, stop and list virtual boards (no hardware needed)."),
    "sim": (HERE + "sim", "app", "Move time, cut power, break things and see the truth on a virtual board."),
    "doctor": (HERE + "doctor", "doctor", "Say what is installed here and what is missing, with the command that repairs it."),
    "demo": (HERE + "demo", "demo", "Show the product work without hardware: 24 h of pump time, a power cut, plots."),
}


class Commands(LazyGroup):
    """The commands of `thecal`."""

    table = COMMANDS


app = typer.Typer(
    cls=Commands,
    help=f"Thecal: bench platform for programmable micro-dose pumps. {NOT_MEDICAL}",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=HELP_NAMES,
)


def _version(wanted: bool) -> None:
    if wanted:
        from thecal_host import __version__

        typer.echo(f"thecal {__version__}")
        raise typer.Exit()


@app.callback()
def thecal(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The whole command; `version` is handled by its callback."""
