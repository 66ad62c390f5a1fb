"""`thecal plot`: delivered against programmed, from the kept log. Invariant: the picture is made from the store alone and says
what it is not."""

from pathlib import Path
from typing import Annotated

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import JsonOption, emit, span_ms
from thecal_host.cli.failures import CliError
from thecal_host.cli.log import BoardIdOption, GenerationOption, choose_board, kept_records, step_volume


def plot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Picture to write: .svg, .png or .pdf.")],
    board: BoardIdOption = "",
    generation: GenerationOption = 0,
    last: Annotated[str, typer.Option("--last", metavar="TIME", help='Only the newest part, e.g. "24 h".')] = "",
    as_json: JsonOption = False,
) -> None:
    """Draw rate and cumulative volume: programmed against the delivered interval, with boluses, refusals and power cuts."""
    from thecal_host import amounts, plotting
    from thecal_host.logs import series
    from thecal_host.logs.store import Store

    newest_ms = span_ms(last, "--last:") if last else 0
    plotting.check_format(file)
    if not file.parent.is_dir():
        raise CliError(
            exit_codes.STORAGE, f"{file} could not be written: there is no such folder. Create it, or choose another place."
        )
    with Store() as store:
        chosen = choose_board(store, board)
        raws = kept_records(store, chosen, generation)
        step_pl = step_volume(store, chosen)
    if step_pl is None:
        raise CliError(
            exit_codes.CHECK_FAILED, "No program of this board is kept, so steps cannot become volumes. Run `thecal log pull`."
        )
    drawn = series.build(raws, step_pl)
    plotting.save(drawn, file, title=f"Board {chosen}", newest_ms=newest_ms)
    low, high = drawn.delivered_nl
    data = {"ok": True, "board": chosen, "file": str(file), "programmed_nl": drawn.programmed_nl, "delivered_nl": [low, high]}
    programmed = amounts.volume(drawn.programmed_nl)
    emit(as_json, data, f"{file}: board {chosen}, programmed {programmed}, delivered {amounts.between(low, high)}.")
