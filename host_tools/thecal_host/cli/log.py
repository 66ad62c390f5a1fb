"""`thecal log`: pull from the board, show and export what is kept. Invariant: only `pull` talks to a board; `show` and `export`
read the store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import JsonOption, PortOption, client_for, emit
from thecal_host.cli.failures import CliError
from thecal_host.cli.lazy import group

if TYPE_CHECKING:
    from thecal_host.logs.store import Store

app = group("Pull the event log from the board, show it, export it.")
BoardIdOption = Annotated[str, typer.Option("--board", metavar="ID", help="Board id (or its beginning), when several are kept.")]
GenerationOption = Annotated[
    int, typer.Option("--generation", min=0, help="An older log of a board whose flash was erased; 0: the newest.")
]


@app.command()
def pull(port: PortOption = "", as_json: JsonOption = False) -> None:
    """Fetch what is new on the board into the store. Doing it again changes nothing."""
    from thecal_host.cli.common import Progress
    from thecal_host.logs import pull as pulling
    from thecal_host.logs.store import Store

    with Store() as store, client_for(port) as client, Progress("pulling", as_json) as bar:
        done = pulling.pull(client, store, bar.update)
        path = str(store.path)
        here = [entry for entry in store.boards() if (entry.board, entry.generation) == (done.board, done.kept.generation)]
        known = sum(entry.records for entry in here) - done.kept.new  # a pull asks for little of what it knows already
    lost = sum(gap.last - gap.first + 1 for gap in done.gaps)
    lines = [f"{done.kept.new} new records of board {done.board} are in {path}; {known} were known already."]
    if done.restarted:
        lines.append(f"This board's log began again (its flash was erased): kept apart as generation {done.kept.generation}.")
    if done.kept.damaged:
        lines.append(f"{done.kept.damaged} records were damaged on the board and are left out.")
    if lost:
        lines.append(
            f"{lost} records are missing in {len(done.gaps)} gaps: "
            + ", ".join(f"{gap.first}-{gap.last}" for gap in done.gaps[:8])
        )
    data = {
        "ok": True,
        "board": done.board,
        "store": path,
        "new": done.kept.new,
        "known": known,
        "damaged": done.kept.damaged,
        "generation": done.kept.generation,
        "restarted": done.restarted,
        "gaps": [[gap.first, gap.last] for gap in done.gaps],
    }
    emit(as_json, data, "\n".join(lines))


@app.command()
def show(
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="How many of the newest records; 0: all.")] = 40,
    board: BoardIdOption = "",
    generation: GenerationOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Show kept records as sentences, oldest first: at wall-clock times where the log tells them, else at board times."""
    from thecal.core.events import FIELDS, unpack_record
    from thecal_host import texts, walls
    from thecal_host.code_names import of_record
    from thecal_host.logs.clock import wall_times
    from thecal_host.logs.store import Store
    from thecal_host.record_texts import record_sentence

    with Store() as store:
        chosen = choose_board(store, board)
        raws = kept_records(store, chosen, generation)
        step_pl = step_volume(store, chosen)
        offset_min = utc_offset(store, chosen)
    records = [unpack_record(raw) for raw in raws]
    times = wall_times(records)
    lines: list[str] = []
    data: list[dict[str, Any]] = []
    begin = max(0, len(records) - last) if last else 0
    for record, unix_ms in zip(records[begin:], times[begin:], strict=True):
        if record is None:
            raise CliError(exit_codes.STORAGE, "The log store holds a damaged record. Move it away and pull again.")
        sentence = record_sentence(record, step_pl)
        when = texts.duration(record.t_ms) if unix_ms is None else walls.local(unix_ms, offset_min)
        lines.append(f"{record.seq:>6}  start {record.boot}  {when:>{25 if any(times[begin:]) else 12}}  {sentence}")
        name = FIELDS[record.code][0] if record.code in FIELDS else ""
        data.append({"seq": record.seq, "boot": record.boot, "t_ms": record.t_ms, "unix_ms": unix_ms, "code": record.code})
        data[-1] |= {
            "event": name,
            "a": record.a,
            "b": record.b,
            "c": record.c,
            "detail": record.detail,
            **of_record(record),
            "sentence": sentence,
        }
    emit(as_json, {"ok": True, "board": chosen, "records": data}, "\n".join(lines))


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV file to write.")],
    board: BoardIdOption = "",
    generation: GenerationOption = 0,
    curves: Annotated[
        bool, typer.Option("--curves", help="Programmed and delivered volume over time instead of records.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a CSV file: every kept record, or the curves made from them. The file is replaced whole or not at all."""
    from thecal_host.logs import export as writing
    from thecal_host.logs import series
    from thecal_host.logs.store import Store

    with Store() as store:
        chosen = choose_board(store, board)
        raws = kept_records(store, chosen, generation)
        step_pl = step_volume(store, chosen)
    if curves:
        if step_pl is None:
            raise CliError(
                exit_codes.CHECK_FAILED,
                "No program of this board is kept, so steps cannot become volumes. Run `thecal log pull`.",
            )
        text = writing.curves_csv(series.build(raws, step_pl))
    else:
        text = writing.records_csv(chosen, raws, step_pl)
    writing.write_atomic(file, text.encode("utf-8"))
    count = text.count("\n") - 1
    emit(as_json, {"ok": True, "board": chosen, "file": str(file), "lines": count}, f"{file}: {count} lines of board {chosen}.")


def choose_board(store: "Store", wanted: str) -> str:
    """The board id meant by `wanted` (a beginning is enough), or the only one kept. CliError otherwise."""
    boards = sorted({entry.board for entry in store.boards()})
    if not boards:
        raise CliError(exit_codes.CHECK_FAILED, f"No log is kept in {store.path} yet. Run `thecal log pull` first.")
    fitting = [board for board in boards if board.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(boards)
    if not fitting:
        raise CliError(exit_codes.USAGE, f"No board with the id {wanted} is kept. Known: {listed}.")
    raise CliError(exit_codes.USAGE, f"Logs of several boards are kept: {listed}. Choose one with --board ID.")


def kept_records(store: "Store", board: str, generation: int) -> list[bytes]:
    """Raw records of `generation` (0: the newest) of `board`. CliError(CHECK_FAILED) when there is no such generation."""
    known = sorted(entry.generation for entry in store.boards() if entry.board == board)
    if generation and generation not in known:
        listed = ", ".join(map(str, known))
        raise CliError(
            exit_codes.CHECK_FAILED, f"There is no generation {generation} of the log of board {board}. Kept: {listed}."
        )
    return store.records(board, generation or None)


def step_volume(store: "Store", board: str) -> "int | None":
    """pL per 1,000,000 microsteps from the programs kept for `board` (all of one board have the same); None when there is
    none."""
    from thecal.core.prescription import ProgramError, unpack

    for blob in store.programs(board).values():
        try:
            return int(unpack(blob)[0]["step_pl_per_million"])
        except ProgramError:
            continue
    return None


def utc_offset(store: "Store", board: str) -> int:
    """Minutes east of UTC of the newest program kept for `board`; 0 when there is none."""
    from thecal.core.prescription import ProgramError, unpack
    from thecal_host.walls import offset_of

    found: list[tuple[int, int]] = []
    for blob in store.programs(board).values():
        try:
            fields, version = unpack(blob)
        except ProgramError:
            continue
        found.append((version, offset_of(fields)))
    return max(found)[1] if found else 0
