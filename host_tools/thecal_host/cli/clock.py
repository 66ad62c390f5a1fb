"""`thecal clock`: the board's wall clock beside this PC's, and setting it. Invariant: a clock that is known never jumps by more
than 5 minutes unless somebody said so by `thecal clock set`; commands that begin therapy only correct less than that.

The clock decides which step of a flex schedule runs, and nothing else: no limit uses it.
"""

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli.answers import Present, conclude, present
from thecal_host.cli.common import IdOption, JsonOption, PortOption, YesOption, banner, client_for, confirm, emit, rows_text
from thecal_host.cli.lazy import HELP_NAMES, PLAIN

if TYPE_CHECKING:
    from thecal_host.link.client import Client

NEAR_MS = 2_000  # closer than this is left alone
JUMP_MS = 300_000  # further than this is a jump, which somebody has to want

app = typer.Typer(
    help="Show the board's wall clock beside this PC's; `thecal clock set` sets it.",
    invoke_without_command=True,
    context_settings=HELP_NAMES,
    **PLAIN,
)


def pc_unix_ms() -> int:
    """This PC's time, Unix ms."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Reading:
    """Both clocks at one moment, known to half of the time the question took. `off_ms`: the board's less the PC's, None while
    the board's is unknown."""

    now: Present
    pc_ms: int

    @property
    def off_ms(self) -> "int | None":
        wall = self.now.status.wall_unix_ms
        return None if wall is None else wall - self.pc_ms


def read(client: "Client", fields: "dict[str, Any] | None" = None) -> Reading:
    """Ask the board for its clock; `fields` of its program, when they are known already."""
    before = pc_unix_ms()
    status = client.status()
    pc_ms = (before + pc_unix_ms()) // 2
    return Reading(Present(status, fields), pc_ms)


def clock_sync(client: "Client", fields: "dict[str, Any] | None") -> str:
    """Before therapy with the program `fields` begins or changes: give a flex program's board this PC's time when it has none or
    is off by 2 s to 5 min. Says what it did on standard error and returns it ("" for nothing). A greater difference is told and
    left: a schedule never jumps unasked. Any LinkError."""
    from thecal.core.program_table import MODE_FLEX
    from thecal_host.record_texts import answer_sentence

    if fields is None or fields["mode"] != MODE_FLEX:
        return ""
    off_ms = read(client, fields).off_ms
    if off_ms is not None and abs(off_ms) <= NEAR_MS:
        return ""
    if off_ms is not None and abs(off_ms) > JUMP_MS:
        note = f"The board's clock is {_off_text(off_ms)}; it was left as it is. `thecal clock set` sets it."
    else:
        was = "unknown" if off_ms is None else _off_text(off_ms)
        answer = client.set_clock(pc_unix_ms())
        note = f"The board's clock was {was}; it was set." if answer.ok else answer_sentence(answer)
    print(f"thecal: {note}", file=sys.stderr, flush=True)
    return note


def _off_text(off_ms: int) -> str:
    from thecal_host import texts

    return f"{texts.duration(abs(off_ms))} {'ahead of' if off_ms > 0 else 'behind'} this PC's"


@app.callback()
def show(context: typer.Context, port: PortOption = "", as_json: JsonOption = False) -> None:
    """Show the board's wall clock beside this PC's; `thecal clock set` sets it. A flex schedule follows it, no limit does."""
    if context.invoked_subcommand is not None:
        return
    from thecal_host import walls

    banner(as_json)
    with client_for(port) as client:
        fields = present(client).fields
        seen = read(client, fields)
    off_ms = seen.off_ms
    rows = [
        ("Board", seen.now.time.text()),
        ("This PC", walls.local(seen.pc_ms, seen.now.time.offset_min)),
        (
            "Board's clock is",
            "unknown: `thecal clock set` sets it" if off_ms is None else "right" if not off_ms else _off_text(off_ms),
        ),
        ("Schedule", "follows it (flex program)" if seen.now.flex else "does not need it"),
    ]
    data = {"ok": True, "board_unix_ms": seen.now.status.wall_unix_ms, "pc_unix_ms": seen.pc_ms, "off_ms": off_ms}
    emit(as_json, {**data, "utc_offset_min": seen.now.time.offset_min, "flex": seen.now.flex}, rows_text(rows))


@app.command("set")
def set_clock(
    to: Annotated[
        str, typer.Option("--to", metavar="TIME", help='"2026-11-21T04:32:41+01:00" or Unix seconds. Default: this PC\'s time.')
    ] = "",
    port: PortOption = "",
    yes: YesOption = False,
    command_id: IdOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Set the board's wall clock. While a flex program runs a jump of more than 5 minutes asks first: another step of its
    schedule may hold then."""
    from thecal.core import states
    from thecal_host import walls

    wanted = walls.parse(to) if to else 0
    banner(as_json)
    with client_for(port) as client:
        seen = read(client, present(client).fields)
        # what the board's clock would show now if nobody touched it, against what it shall show
        jump_ms = None if seen.off_ms is None else (wanted or seen.pc_ms) - seen.pc_ms - seen.off_ms
        runs = seen.now.flex and seen.now.status.state in (states.INFUSING, states.HELD)
        if runs and jump_ms is not None and abs(jump_ms) > JUMP_MS:
            confirm(_question(jump_ms, wanted or seen.pc_ms, seen.now), yes)
        unix_ms = wanted or pc_unix_ms()
        done = f"Clock: set to {walls.local(unix_ms, seen.now.time.offset_min)}."
        conclude(client, client.set_clock(unix_ms, command_id or None), as_json, done, unix_ms=unix_ms, jump_ms=jump_ms)


def _question(jump_ms: int, unix_ms: int, now: Present) -> str:
    """The jump, and the rate that would hold after it."""
    from thecal_host import texts

    basal = now.basal()
    basal.wall_ms = unix_ms - now.status.t_ms
    way = "forward" if jump_ms > 0 else "back"
    rates = f"by its schedule the rate is then {now.both(basal.scheduled(now.status.t_ms))}"
    return f"The clock jumps {texts.duration(abs(jump_ms))} {way} while a flex program is on: {rates}."
