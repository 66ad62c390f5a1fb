"""Pull: from a board's log into the store. Invariant: pulling again, or after an interruption, neither loses nor doubles a
record."""

from collections.abc import Callable
from dataclasses import dataclass

from thecal.core import messages
from thecal.core.events import unpack_record
from thecal.core.prescription import ProgramError, program_crc
from thecal_host.link.client import Client
from thecal_host.link.types import Hello
from thecal_host.logs.store import Gap, Kept, Store

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pulled:
    """Result of one pull. `restarted`: the board's log began again (erased flash), so a new generation was begun."""

    board: str
    kept: Kept
    gaps: "list[Gap]"
    restarted: bool


def pull(client: Client, store: Store, progress: "Progress | None" = None) -> Pulled:
    """Pull what is new on the board. Any LinkError or StorageError; what came before it is kept."""
    board = client.board or client.hello()
    before = store.generation(board.board_id)
    first, generation = _where(client, store, board, before)
    kept = store.add(board.board_id, client.pull_log(first, progress), generation)
    blob = client.read_blob(messages.BLOB_ACTIVE_PROGRAM)
    if blob is not None:
        try:
            store.add_program(board.board_id, program_crc(blob), blob)
        except ProgramError:
            blob = None  # a damaged program is the board's own latched fault; the log is what was asked for
    return Pulled(board.board_id, kept, store.gaps(board.board_id, kept.generation), kept.generation != before and kept.new > 0)


def _where(client: Client, store: Store, board: Hello, generation: int) -> "tuple[int, int]":
    """(first sequence to ask for, generation to keep it in). The newest record kept is compared with the board's own: other
    bytes, a log that ends before it, or a boot count that fell mean that the board was erased. A log that begins after it means
    a gap, and so does a damaged record in its place."""
    newest = store.newest(board.board_id)
    if newest is None:
        return 0, generation
    raw = again = None
    for raw in client.pull_log(newest.seq):
        again = unpack_record(raw)
        if again is not None:
            break
    if raw is not None and again is None:
        return newest.seq, generation  # nothing but damaged records there: they say nothing about an erased board
    if (
        raw is None
        or again is None
        or again.boot < newest.boot
        or (again.seq == newest.seq and not store.has(board.board_id, raw))
    ):
        return 0, generation + 1
    return newest.seq, generation
