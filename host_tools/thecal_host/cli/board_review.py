"""Reading a review from a board: for `thecal upload` and `thecal activate`. Invariant: both programs are the board's own bytes;
what cannot be read is an error with a sentence, and where a forecast begins is said."""

from typing import TYPE_CHECKING

from thecal.core import messages, prescription, states
from thecal.core.codec import crc32
from thecal_host.cli import exit_codes
from thecal_host.cli.failures import CliError

if TYPE_CHECKING:
    from thecal_host.link.client import Client
    from thecal_host.plan import Plan
    from thecal_host.player import Start
    from thecal_host.program_week import Fields
    from thecal_host.review import Program, Review


def staged_on(client: "Client") -> "tuple[Program, int]":
    """(the staged program, the CRC of the staged monitor limits). CliError(REFUSED) when nothing, or something damaged, is
    staged."""
    from thecal_host.review import Program

    blob = client.read_blob(messages.BLOB_PROGRAM)
    limits = client.read_blob(messages.BLOB_MONITOR)
    if blob is None or limits is None:
        raise CliError(exit_codes.REFUSED, "Nothing is uploaded. Run `thecal upload FILE` first.")
    try:
        fields, version = prescription.unpack(blob)
        return Program(dict(fields), version, prescription.program_crc(blob), blob), crc32(limits)
    except prescription.ProgramError:
        raise CliError(exit_codes.REFUSED, "The upload is not whole. Run `thecal upload FILE` again.") from None


def active_on(client: "Client") -> "Program | None":
    """The program that runs; None when there is none. CliError(REFUSED) when there is one and it cannot be read back."""
    from thecal_host.review import Program

    if not client.status().program_crc:
        return None
    blob = client.read_blob(messages.BLOB_ACTIVE_PROGRAM)
    try:
        if blob is not None:
            fields, version = prescription.unpack(blob)
            return Program(dict(fields), version, prescription.program_crc(blob), blob)
    except prescription.ProgramError:
        blob = None
    raise CliError(
        exit_codes.REFUSED,
        "The board runs a program that cannot be read back, so nothing can be compared with it. Run `thecal check`.",
    )


def review_of(client: "Client", board: str) -> "tuple[Review, Program]":
    """(the review of what is staged on the board, the staged program); `board` names its board file, "" for the one the board
    names."""
    from thecal_host.cli.plan import present
    from thecal_host.player import LedgerError, load_ledger
    from thecal_host.review import make_review

    staged, monitor_crc = staged_on(client)
    active = active_on(client)
    name = board or (client.board or client.hello()).port
    start = present(client, name)
    ledger = None
    try:
        ledger = load_ledger(start.ledger) if start and start.ledger else None
    except LedgerError:
        start = None
    plan = _forecast(name, staged.fields, staged.crc, start)
    off = client.status().state not in (states.INFUSING, states.HELD)
    return make_review(active, staged, monitor_crc, plan, ledger, start.now_ms if start else 0, off), staged


def _forecast(board: str, fields: "Fields", crc: int, start: "Start | None") -> "Plan":
    """The next 24 h of `fields`, from `start` or from an empty ledger; by this PC's time where the board has none, because an
    activation sets it."""
    import time
    from dataclasses import replace

    from thecal_host import boards
    from thecal_host import plan as planning
    from thecal_host.library_of import stability_days

    limits = boards.load(board).config["limits"]
    start = replace(start, program_crc=crc) if start else planning.empty_start(None)
    if start.unix_ms is None:
        start = replace(start, unix_ms=int(time.time()) * 1000)
    return planning.make_plan(fields, limits, 24, start, stability_days(fields))
