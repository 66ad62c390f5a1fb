"""`thecal upload`: the first of the two steps of a change. Invariant: nothing that runs changes; what was staged is read back and
compared byte by byte, and the review is made from what was read back; a soft limit of the drug library is crossed only when its
name was confirmed, and the program itself carries which ones were.
"""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.activate import activate
from thecal_host.cli.common import JsonOption, PortOption, banner, client_for, emit
from thecal_host.cli.failures import CliError

if TYPE_CHECKING:
    from thecal_host.link.client import Client
    from thecal_host.prescriptions import Prescription

__all__ = ["activate", "upload"]

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="Prescription file (.toml).")]
BoardOption = Annotated[str, typer.Option("--board", metavar="NAME", help="Board file, when it is not the one the board names.")]
ConfirmOption = Annotated[
    list[str] | None,
    typer.Option("--confirm", metavar="NAME", help="Confirm one soft limit of the drug library by its name; once for each."),
]


def upload(
    file: FileArgument,
    board: BoardOption = "",
    confirm: ConfirmOption = None,
    port: PortOption = "",
    as_json: JsonOption = False,
) -> None:
    """Check a prescription, put it on the board beside the active one, read it back and show both. Nothing that runs changes."""
    from thecal_host import boards, monitor_limits, prescriptions, review_texts
    from thecal_host.cli.board_review import review_of
    from thecal_host.prescription_texts import plain_fields

    banner(as_json)
    with client_for(port) as client:
        hello = client.board or client.hello()
        rx = prescriptions.load(file, boards.load(board or hello.port).part)
        rx = confirmed(rx, tuple(confirm or ()), as_json)
        _stage(client, rx, monitor_limits.encode(rx.fields, rx.crc), as_json)
        review, _staged = review_of(client, board)
    data = {
        "ok": True,
        "board": hello.board_id,
        "program_crc": f"{rx.crc:08x}",
        "monitor_crc": f"{review.monitor_crc:08x}",
        "staged": plain_fields(rx.fields),
        "increases": review.rises,
        "warnings": rx.warnings,
        "conversions": [asdict(item) for item in rx.conversions],
        "review": review.as_dict(),
    }
    text = review_texts.coloured(review_texts.lines(review))
    ending = f"Uploaded and read back as {rx.crc:08x}. Nothing has changed yet: look at it, then run `thecal activate`."
    emit(as_json, data, f"{text}\n{ending}")


def confirmed(rx: "Prescription", names: "tuple[str, ...]", as_json: bool) -> "Prescription":
    """`rx` with every soft limit it crosses confirmed: by `names`, in the file, or one by one at the terminal. CliError
    (NOT_CONFIRMED) while one is not; PrescriptionError for a name that is none of them."""
    if names:
        rx = rx.confirmed(names)
    asked: dict[str, list[str]] = {}
    for item in rx.unconfirmed:
        asked.setdefault(item.name, []).append(item.sentence)
    if not asked:
        return rx
    if as_json or not sys.stdin.isatty():
        listed = "\n".join(f"  {name}: {' '.join(sentences)}" for name, sentences in asked.items())
        options = " ".join(f'--confirm "{name}"' for name in asked)
        raise CliError(
            exit_codes.NOT_CONFIRMED,
            f"This prescription crosses soft limits of the drug library, and nobody has confirmed them:\n{listed}\n"
            f"If that is meant, repeat the command with {options}, or list the names in [overrides] of the file. Nothing was "
            "uploaded.",
        )
    for name, sentences in asked.items():
        print(f"SOFT LIMIT, {name}: {' '.join(sentences)}\nType yes to override it: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() != "yes":
            raise CliError(exit_codes.NOT_CONFIRMED, f'"{name}" was not confirmed. Nothing was uploaded.')
    return rx.confirmed(tuple(asked))


def _stage(client: "Client", rx: "Prescription", limits: bytes, as_json: bool) -> None:
    """Put both blobs into the board's staging place and compare what it reads back, byte by byte."""
    from thecal.core import messages
    from thecal_host.cli.common import Progress

    with Progress("uploading", as_json) as bar:
        client.stage(messages.BLOB_PROGRAM, rx.blob, bar.update)
        client.stage(messages.BLOB_MONITOR, limits)
    for kind, blob, name in ((messages.BLOB_PROGRAM, rx.blob, "program"), (messages.BLOB_MONITOR, limits, "monitor limits")):
        if client.read_blob(kind) != blob:
            raise CliError(
                exit_codes.REFUSED, f"What the board read back as {name} is not what was sent. Upload again; nothing changed."
            )
