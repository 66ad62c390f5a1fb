"""`thecal sim`: time, power, faults, switches and the truth of a virtual board. Invariant: everything here goes over the control
channel, never over the link the firmware sees.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import JsonOption, emit, rows_text, span_ms, virtual_board
from thecal_host.cli.failures import CliError
from thecal_host.cli.lazy import group

FAULTS_HELP = """Break something in the virtual world, now or later; the faults, what VALUE means, and VALUE when none is given:

\b
occlusion      percent of the catheter blocked, 0 to 100 (100)
leak           nL/s lost for each kPa in the line, 0 to 5000 (5: about 18 uL/h at rest; 5000: a torn line)
double_steps   1: the driver sees every STEP edge twice (1)
lost_steps     every VALUE-th edge does not move the screw, 1: none does (2)
en_stuck_on    1: the driver stays enabled whatever the chip says (1)
counter_stuck  1: the step counter sees nothing (1)
battery_mv     mV at which the battery rests, 1 to 10000 (3000)
dir_swapped    1: the screw turns against the DIR output, as with a motor coil the wrong way round (1)
home_open      1: the home switch never closes (1)
hang           number of boots for which the firmware's loop hangs, 1 to 1000 (1)
clear          repair everything; takes no VALUE
"""
ORDER = (
    *("phase", "live", "engine", "mode", "speed", "advancing", "now_ms", "world_ms", "en", "edges", "edges_total", "counter"),
    *(
        "lost_edges",
        "stalled_edges",
        "batch_left",
        "screw",
        "dir",
        "inputs",
        "delivered_nl",
        "delivered_pl",
        "catheter_out_pl",
        "leak_out_pl",
        "reservoir_nl",
    ),
    *("pressure_pa", "battery_mv", "watchdog_ms", "boots", "seed", "heap_bytes", "heap_used", "heap_free", "plant_heap"),
    *("faults", "flash"),
)

if TYPE_CHECKING:
    from thecal_host.virtual.registry import RunningBoard

INPUT_NAMES = {"button": "button", "estop": "emergency stop", "home": "home switch"}

app = group("Move time, cut power, press buttons, break things and see the truth on a virtual board.")
BoardOption = Annotated[
    str, typer.Option("--board", "-b", metavar="NAME", help="Virtual board; default: the only one that runs.")
]
AfterOption = Annotated[str, typer.Option("--after", metavar="TIME", help='Not now, but after this much virtual time ("2 h").')]
AtOption = Annotated[
    str,
    typer.Option("--at", metavar="TIME", help='Not now, but at this time of the world ("26h": world_ms of `thecal sim truth`).'),
]


def _after_ms(text: str) -> "int | None":
    return span_ms(text, "--after:") if text else None


def _when(after: str) -> str:
    return f" in {after} of virtual time" if after else ""


@app.command()
def advance(
    time: Annotated[str, typer.Argument(metavar="TIME", help='How much virtual time: "24h", "10 min".')],
    board: BoardOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let virtual time pass, as fast as the machine allows; then it goes on at the speed set before (0 unless you set one).
    Ctrl-C ends it, and time stands still.
    """
    from thecal_host import texts
    from thecal_host.cli.common import Progress
    from thecal_host.virtual.control import ControlClient

    ms = span_ms(time, "TIME")
    running = virtual_board(board)
    interrupted = False
    with ControlClient(running) as control, Progress("advancing", as_json) as bar:
        begin = control.status().get("world_ms", 0)
        try:
            done = control.advance(ms, lambda _now_ms, world_ms: bar.update(world_ms - begin, ms))
        except KeyboardInterrupt:
            interrupted = True
            done = _stopped(running)
    text = f"The board's clock is at {texts.duration(done['now_ms'])}, the world's at {texts.duration(done['world_ms'])}."
    if done.get("cut"):
        text += " The power was cut on the way; `thecal sim on` switches it on again."
    if interrupted:
        text = f"Stopped; virtual time stands still now. {text}"
    elif done.get("stopped"):
        text = f"Ended early by another command. {text}"
    emit(as_json, {"ok": not interrupted, **done}, text)
    if interrupted:
        raise typer.Exit(130)


def _stopped(running: "RunningBoard") -> "dict[str, Any]":
    """End the advance that Ctrl-C left behind, over a connection that is not in the middle of an answer."""
    from thecal_host.virtual.control import ControlClient

    with ControlClient(running) as control:
        control.speed(0)
        true = control.truth()
    return {"stopped": 1, "now_ms": true.get("now_ms", 0), "world_ms": true.get("world_ms", 0)}


@app.command()
def speed(
    times: Annotated[int, typer.Argument(metavar="N", help="0: stand still; N: N times real time; -1: as fast as it goes.")],
    board: BoardOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let virtual time run by itself, N times real time. Put `--` before a negative number.

    It ends an advance under way. An advance started later jumps first, then time goes on at this speed.
    """
    from thecal_host.virtual.control import ControlClient

    with ControlClient(virtual_board(board)) as control:
        control.speed(times)
    what = "stands still" if times == 0 else "runs as fast as it goes" if times < 0 else f"runs at {times} times real time"
    emit(as_json, {"ok": True, "speed": times}, f"Virtual time {what}.")


@app.command(help=FAULTS_HELP)
def inject(
    fault: Annotated[str, typer.Argument(help='What to break: see above; "clear" repairs all.')],
    value: Annotated[str, typer.Argument(metavar="[VALUE]", help="How much, in the unit above; 0 repairs it.")] = "",
    after: AfterOption = "",
    board: BoardOption = "",
    as_json: JsonOption = False,
) -> None:
    from thecal_host.virtual.control import ControlClient

    try:
        number = int(value) if value else None
    except ValueError:
        raise CliError(exit_codes.USAGE, f'VALUE "{value}" is not a whole number.') from None
    with ControlClient(virtual_board(board)) as control:
        faults = control.inject(fault, number, after_ms=_after_ms(after))
    emit(as_json, {"ok": True, "faults": faults}, f"{fault}{_when(after)}. Faults now: {_listed(faults)}.")


@app.command()
def press(
    name: Annotated[str, typer.Argument(metavar="INPUT", help='What to press: "button" (the one for the patient).')],
    hold: Annotated[str, typer.Option("--for", metavar="TIME", help='For how long ("500ms", "2min"); 0ms lets go.')] = "500ms",
    after: AfterOption = "",
    at: AtOption = "",
    board: BoardOption = "",
    as_json: JsonOption = False,
) -> None:
    """Press the button of the virtual board for some time, now or later."""
    if name == "estop":
        raise CliError(
            exit_codes.USAGE, "The emergency stop stays as it is put: thecal sim estop press, thecal sim estop release."
        )
    held_ms = span_ms(hold, "--for:")
    _move(name, held_ms, f"The button is pressed for {hold}" if held_ms else "The button is let go", (after, at), board, as_json)


@app.command()
def estop(
    what: Annotated[str, typer.Argument(metavar="press|release", help='"press" or "release".')],
    after: AfterOption = "",
    at: AtOption = "",
    board: BoardOption = "",
    as_json: JsonOption = False,
) -> None:
    """Press or release the emergency stop of the virtual board, now or later. It stays so over resets and power cuts."""
    if what not in ("press", "release"):
        raise CliError(
            exit_codes.USAGE, f'"{what}" is neither press nor release: thecal sim estop press, thecal sim estop release.'
        )
    value = 1 if what == "press" else 0
    _move("estop", value, f"The emergency stop is {what}{'ed' if value else 'd'}", (after, at), board, as_json)


def _move(name: str, value: int, said: str, when: "tuple[str, str]", board: str, as_json: bool) -> None:
    """Move the switch `name`; `when` is (--after, --at)."""
    from thecal_host.virtual.control import ControlClient

    after, at = when
    if after and at:
        raise CliError(exit_codes.USAGE, "Give --after or --at, not both.")
    at_ms = span_ms(at, "--at:") if at else None
    with ControlClient(virtual_board(board)) as control:
        now = control.press(name, value, at_ms=at_ms, after_ms=_after_ms(after))
    later = f" at {at} of the world's time" if at else _when(after)
    emit(as_json, {"ok": True, "inputs": now}, f"{said}{later}.\n{_switches(now)}")


@app.command()
def inputs(board: BoardOption = "", as_json: JsonOption = False) -> None:
    """Show the switches of the virtual board: button, emergency stop, home switch of the carriage."""
    from thecal_host.virtual.control import ControlClient

    with ControlClient(virtual_board(board)) as control:
        now = control.inputs()
    emit(as_json, {"ok": True, "inputs": now}, _switches(now))


def _switches(now: "dict[str, int | None]") -> str:
    words = {None: "not fitted", 0: "released", 1: "pressed"}
    return rows_text([(INPUT_NAMES.get(name, name), words[now[name]]) for name in sorted(now)])


@app.command()
def truth(board: BoardOption = "", as_json: JsonOption = False) -> None:
    """Show what really happened: edges at the motor, volume moved, pressure, flash wear. The firmware cannot see this."""
    from thecal_host.virtual.control import ControlClient

    with ControlClient(virtual_board(board)) as control:
        true = control.truth()
    emit(as_json, {"ok": True, "truth": true}, rows_text(_flat(true)))


@app.command()
def cut(
    after: AfterOption = "",
    flash_op: Annotated[int, typer.Option("--flash-op", min=0, help="Cut at the N-th flash operation from now; 0: by time.")] = 0,
    phase: Annotated[str, typer.Option("--phase", help="With --flash-op: before, torn or after it.")] = "torn",
    board: BoardOption = "",
    as_json: JsonOption = False,
) -> None:
    """Cut the power: now, after some virtual time, or in the middle of a flash operation."""
    from thecal_host.virtual.control import ControlClient

    with ControlClient(virtual_board(board)) as control:
        done = control.power_cut(after_ms=_after_ms(after), flash_op=flash_op or None, phase=phase)
    when = f" {phase} flash operation {flash_op} from now" if flash_op else _when(after)
    emit(as_json, {"ok": True, **done}, f"Power cut{when}.")


@app.command(name="on")
def power_on(after: AfterOption = "", board: BoardOption = "", as_json: JsonOption = False) -> None:
    """Switch the power on again, after some time without it."""
    from thecal_host.virtual.control import ControlClient

    with ControlClient(virtual_board(board)) as control:
        done = control.power_on(_after_ms(after) or 0)
    emit(as_json, {"ok": True, **done}, "The power is on" + (f" after {after} without it." if after else "."))


@app.command()
def reset(board: BoardOption = "", as_json: JsonOption = False) -> None:
    """Pull the reset pin."""
    from thecal_host.virtual.control import ControlClient

    with ControlClient(virtual_board(board)) as control:
        done = control.reset()
    emit(as_json, {"ok": True, **done}, "The board was reset by its pin.")


@app.command()
def state(board: BoardOption = "", as_json: JsonOption = False) -> None:
    """Show clock, mode, heap and engine of the virtual board."""
    from thecal_host.virtual.control import ControlClient

    with ControlClient(virtual_board(board)) as control:
        now = control.state()
    emit(as_json, {"ok": True, "state": now}, rows_text(_flat(now)))


def _listed(faults: "dict[str, Any]") -> str:
    return ", ".join(f"{name} {value}" for name, value in faults.items() if value) or "none"


def _flat(data: "dict[str, Any]", prefix: str = "") -> "list[tuple[str, str]]":
    rows: list[tuple[str, str]] = []
    for key, value in sorted(data.items(), key=lambda row: (ORDER.index(row[0]) if row[0] in ORDER else len(ORDER), row[0])):
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((prefix + key, str(value)))
    return rows
