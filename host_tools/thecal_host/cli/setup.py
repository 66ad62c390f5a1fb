"""`thecal setup`: motions before and after therapy: jog, prime, purge, home, direction. Invariant: only while therapy is off,
each is confirmed with what becomes of its volume, and every step goes through the board's gate and ledger like any other.
"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.core import messages
from thecal_host.cli import exit_codes
from thecal_host.cli.answers import conclude
from thecal_host.cli.common import IdOption, JsonOption, PortOption, YesOption, banner, client_for, span_ms
from thecal_host.cli.failures import CliError
from thecal_host.cli.lazy import group
from thecal_host.cli.motion import Motion, board_file, default_ms, move

if TYPE_CHECKING:
    from thecal_host.boards import BoardFile
    from thecal_host.link.client import Client

VISIBLE_NL = 50_000  # 0.3 mm in a 10 mL syringe: the least that is well seen
STEPS_MAX = (1 << 24) - 1

app = group(
    "Motions before and after therapy: jog, prime, purge, search for home, check the direction. Only while therapy is off."
)
StepsOption = Annotated[int, typer.Option("--steps", min=1, max=STEPS_MAX, metavar="N", help="How far, in microsteps.")]
MaybeSteps = Annotated[
    int | None, typer.Option("--steps", min=1, max=STEPS_MAX, metavar="N", help="In the place of a volume: microsteps.")
]
OverOption = Annotated[str, typer.Option("--over", metavar="TIME", help='How long it takes, e.g. "5 min" (at most 1 h).')]
DetachedOption = Annotated[
    bool, typer.Option("--detached", help="The outlet is disconnected: what moves is no dose and is counted apart.")
]
BoardOption = Annotated[str, typer.Option("--board", metavar="NAME", help="Board file, when it is not the one the board names.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the motion to its end, or only begin it.")]


def _over_ms(text: str, steps: int, client: "Client", board: str) -> int:
    """Duration from --over, or the usual speed."""
    if not text:
        return default_ms(steps, board_file(client, board))
    ms = span_ms(text, "--over:")
    if not 1 <= ms <= messages.MOVE_MS_MAX:
        raise CliError(exit_codes.USAGE, f'--over: "{text}" is no duration of a set-up motion: 1 ms to 1 h are possible.')
    return ms


def _known_board(client: "Client", board: str) -> "BoardFile | None":
    """The board file for telling volumes; None where the board names one that is not here and none was asked for."""
    from thecal_host.boards import BoardError

    try:
        return board_file(client, board)
    except BoardError:
        if board:
            raise
        return None


def _how_far(amount: str, steps: "int | None", client: "Client", board: str) -> int:
    """Microsteps of a volume (nearest) or as given. CliError(USAGE) unless there is exactly one of both."""
    from thecal.core import units
    from thecal_host import unit_texts

    if bool(amount) == (steps is not None):
        raise CliError(exit_codes.USAGE, 'Give either a volume ("0.2 mL") or --steps N.')
    if steps is not None:
        return steps
    try:
        nl = units.whole(units.parse(amount, (units.VOLUME,))).value
    except units.UnitError as error:
        raise CliError(exit_codes.USAGE, f"VOLUME {unit_texts.sentence(error, (units.VOLUME,))}") from None
    step_pl = board_file(client, board).part["step_pl_per_million"]
    found = (2 * nl * 1_000_000_000 + step_pl) // (2 * step_pl)
    if not 1 <= found <= STEPS_MAX:
        raise CliError(exit_codes.USAGE, f'VOLUME "{amount}" is {found} microsteps of this board: 1 to {STEPS_MAX} are possible.')
    return found


@app.command()
def jog(
    steps: StepsOption,
    over: OverOption = "",
    reverse: Annotated[bool, typer.Option("--reverse", help="Backwards, away from the outlet.")] = False,
    detached: DetachedOption = False,
    board: BoardOption = "",
    wait: WaitOption = True,
    port: PortOption = "",
    yes: YesOption = False,
    command_id: IdOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Move the plunger by steps. With the outlet connected, forward steps are a dose and pass every limit."""
    banner(as_json)
    with client_for(port) as client:
        motion = Motion(messages.JOG, "jog", steps, _over_ms(over, steps, client, board), reverse, detached)
        move(client, motion, _known_board(client, board), yes, command_id, as_json, wait)


@app.command()
def prime(
    volume: Annotated[str, typer.Argument(metavar="[VOLUME]", help='"0.2 mL"')] = "",
    steps: MaybeSteps = None,
    over: OverOption = "",
    detached: DetachedOption = False,
    board: BoardOption = "",
    wait: WaitOption = True,
    port: PortOption = "",
    yes: YesOption = False,
    command_id: IdOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Fill pump and catheter. With the outlet connected it passes every limit, like a bolus."""
    _fill(messages.PRIME, "prime", volume, steps, over, detached, board, wait, port, yes, command_id, as_json)


@app.command()
def purge(
    volume: Annotated[str, typer.Argument(metavar="[VOLUME]", help='"1 mL"')] = "",
    steps: MaybeSteps = None,
    over: OverOption = "",
    detached: DetachedOption = False,
    board: BoardOption = "",
    wait: WaitOption = True,
    port: PortOption = "",
    yes: YesOption = False,
    command_id: IdOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Empty the pump through its outlet. Only with the outlet disconnected (--detached)."""
    _fill(messages.PURGE, "purge", volume, steps, over, detached, board, wait, port, yes, command_id, as_json)


def _fill(
    kind: int,
    name: str,
    volume: str,
    steps: "int | None",
    over: str,
    detached: bool,
    board: str,
    wait: bool,
    port: str,
    yes: bool,
    command_id: int,
    as_json: bool,
) -> None:
    banner(as_json)
    with client_for(port) as client:
        how_far = _how_far(volume, steps, client, board)
        motion = Motion(kind, name, how_far, _over_ms(over, how_far, client, board), False, detached)
        move(client, motion, _known_board(client, board), yes, command_id, as_json, wait)


@app.command()
def home(
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", min=1, max=STEPS_MAX, metavar="N", help="Most steps to search; default: the board file's stroke."
        ),
    ] = None,
    over: OverOption = "",
    detached: DetachedOption = False,
    board: BoardOption = "",
    wait: WaitOption = True,
    port: PortOption = "",
    yes: YesOption = False,
    command_id: IdOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Move backwards until the home switch closes. From then on positions are known and the stroke is limited."""
    banner(as_json)
    with client_for(port) as client:
        most = steps or int(board_file(client, board).config["mechanics"].get("stroke_steps", 0))
        if not most:
            text = "How far to search? The board file has no mechanics.stroke_steps: give --steps N."
            raise CliError(exit_codes.USAGE, text)
        motion = Motion(messages.HOME, "home", most, _over_ms(over, most, client, board), True, detached)
        move(client, motion, _known_board(client, board), yes, command_id, as_json, wait)


@app.command()
def direction(
    seen: Annotated[
        bool | None,
        typer.Option(
            "--yes-it-did/--no", help="What was seen before: the plunger moved towards the outlet, or not. Moves nothing."
        ),
    ] = None,
    steps: MaybeSteps = None,
    board: BoardOption = "",
    port: PortOption = "",
    yes: YesOption = False,
    command_id: IdOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Check that forward is forward. Moves a visible amount with the outlet disconnected, asks what was seen and tells the board:
    after a no it refuses to start until a yes."""
    banner(as_json)
    with client_for(port) as client:
        if seen is None:
            if as_json or not sys.stdin.isatty():
                text = (
                    "Somebody has to look. Move it with `thecal setup jog --steps N --detached`, then say what was seen: "
                    "`thecal setup direction --yes-it-did` or `--no`. Nothing was done."
                )
                raise CliError(exit_codes.NOT_CONFIRMED, text)
            part = board_file(client, board)
            far = steps or max(1, VISIBLE_NL * 1_000_000_000 // part.part["step_pl_per_million"])
            motion = Motion(messages.JOG, "jog", far, default_ms(far, part), False, True)
            if move(client, motion, part, yes, 0, as_json).completed is None:
                return
            seen = _ask()
        done = f"Direction: {'right' if seen else 'WRONG'}, noted by the board."
        if not seen:
            done += " It refuses to start until the wires or mechanics.dir_invert are put right and this check says yes."
        conclude(client, client.direction(seen, command_id or None), as_json, done)


def _ask() -> bool:
    """What the person saw; only a clear yes is one, only a clear no is the other."""
    for _try in range(3):
        print("Did the plunger move towards the outlet? [yes/no] ", end="", file=sys.stderr, flush=True)
        word = sys.stdin.readline().strip().lower()
        if word in ("y", "yes"):
            return True
        if word in ("n", "no"):
            return False
    raise CliError(exit_codes.NOT_CONFIRMED, "No clear answer; the board was told nothing.")
