"""`thecal activate`: the second of the two steps of a change. Invariant: what was reviewed is what is activated, because the CRC
of the review goes to the board, and a script has to give it back; every activation is written down, with its reason, before it is
sent.
"""

import random
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import IdOption, JsonOption, PortOption, YesOption, banner, client_for, confirm, finish
from thecal_host.cli.failures import CliError

if TYPE_CHECKING:
    from thecal_host.link.client import Client
    from thecal_host.link.types import Answer
    from thecal_host.review import Review

WORD = "activate"
FileArgument = Annotated[
    str, typer.Argument(metavar="[FILE]", help="Refuse when what is uploaded is not this prescription.", show_default=False)
]
BoardOption = Annotated[str, typer.Option("--board", metavar="NAME", help="Board file, when it is not the one the board names.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in `thecal history`.")]
CrcOption = Annotated[
    str, typer.Option("--crc", metavar="HEX", help="With --yes: the CRC of the program that was reviewed (shown by the review).")
]
ProgramOption = Annotated[
    str, typer.Option("--program-crc", metavar="HEX", help="Ask again for an uncertain activation: its program.")
]
MonitorOption = Annotated[str, typer.Option("--monitor-crc", metavar="HEX", help="And its monitor limits.")]


def activate(
    file: FileArgument = "",
    port: PortOption = "",
    board: BoardOption = "",
    yes: YesOption = False,
    crc: CrcOption = "",
    reason: ReasonOption = "",
    command_id: IdOption = 0,
    program_crc: ProgramOption = "",
    monitor_crc: MonitorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what is uploaded beside what runs, as the board reads both back, and make it the active program once confirmed."""
    from thecal_host import review_texts
    from thecal_host.cli.board_review import review_of
    from thecal_host.cli.clock import clock_sync

    banner(as_json)
    reason = _one_line(reason)
    with client_for(port) as client:
        if program_crc and monitor_crc:  # the line that an uncertain activation printed: both CRCs are given back
            crcs = (_hex(program_crc, "--program-crc"), _hex(monitor_crc, "--monitor-crc"))
            confirm(f"Activate program {crcs[0]:08x} with monitor limits {crcs[1]:08x}.", yes)
            finish(_send(client, crcs, None, command_id, reason), as_json, **_crcs(*crcs))
            return
        review, staged = review_of(client, board)
        if not as_json:
            typer.echo(review_texts.coloured(review_texts.lines(review)), color=True)
        if file:
            _compare(client, file, board, staged.fields)
        reason = _confirmed(review, yes, crc, reason)
        clock_sync(client, staged.fields)
        answer = _send(client, (review.new_crc, review.monitor_crc), staged.blob, command_id, reason)
        finish(answer, as_json, **_crcs(review.new_crc, review.monitor_crc), given_reason=reason, review=review.as_dict())


def _crcs(program_crc: int, monitor_crc: int) -> "dict[str, Any]":
    return {"program_crc": f"{program_crc:08x}", "monitor_crc": f"{monitor_crc:08x}"}


def _compare(client: "Client", file: str, board: str, staged: "dict[str, Any]") -> None:
    """CliError(REFUSED) when the staged program is not the one in `file`; soft limits confirmed at upload may differ."""
    from thecal_host import boards, prescriptions
    from thecal_host.program_diff import changes

    hello = client.board or client.hello()
    rx = prescriptions.load(file, boards.load(board or hello.port).part)
    fields = {**rx.fields, "overrides": staged["overrides"]}
    if fields != staged:
        found = "; ".join(changes(staged, fields)[:3])
        raise CliError(
            exit_codes.REFUSED,
            f"What is uploaded is not what {file} says ({found}). Run `thecal upload {file}` and look at it again; nothing was "
            "activated.",
        )


def _confirmed(review: "Review", yes: bool, crc: str, reason: str) -> str:
    """The reason, once it is confirmed. CliError(NOT_CONFIRMED), or (REFUSED) where the CRC given back is another one."""
    shown = f"{review.new_crc:08x}"
    if crc and _hex(crc, "--crc") != review.new_crc:
        raise CliError(
            exit_codes.REFUSED,
            f"What is uploaded is {shown}, and {crc} was reviewed. Look at it again with `thecal upload`; nothing was activated.",
        )
    if yes and crc:
        return reason
    more = f" ({'; '.join(review.rises)})." if review.rises else "; nothing in it is higher than now."
    question = f"Activate program {shown}{more}"
    if yes or not sys.stdin.isatty():
        raise CliError(
            exit_codes.NOT_CONFIRMED,
            f"{question} This needs to be confirmed: repeat the command with --yes --crc {shown}, so that what was reviewed is "
            "what is activated. Nothing was done.",
        )
    if review.rises and not reason:
        reason = _one_line(_answer("It gives or allows more than now. Why? "))
        if not reason:
            raise CliError(exit_codes.NOT_CONFIRMED, "An increase needs a reason. Nothing was done.")
    if _answer(f'Type the word "{WORD}" to activate program {shown}: ').lower() != WORD:
        raise CliError(exit_codes.NOT_CONFIRMED, "Not confirmed. Nothing was done.")
    return reason


def _answer(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _one_line(reason: str) -> str:
    """The reason as it is kept. CliError(USAGE) for one that is no single line of at most 200 characters."""
    reason = reason.strip()
    if len(reason) > 200 or not reason.isprintable():
        raise CliError(exit_codes.USAGE, "--reason is one line of at most 200 printable characters.")
    return reason


def _send(client: "Client", crcs: "tuple[int, int]", blob: "bytes | None", command_id: int, reason: str) -> "Answer":
    """Write it down, send it, write down what became of it. An uncertain one stays in the history until the log settles it."""
    from thecal.core import messages
    from thecal_host.history import History
    from thecal_host.logs.store import Store

    board = (client.board or client.hello()).board_id
    if not command_id:
        counter = client.hello().next_counter
        command_id = (counter << messages.ID_RANDOM_BITS) | random.getrandbits(messages.ID_RANDOM_BITS)
    with Store() as store:
        generation = store.generation(board)
    with History() as history:
        history.ask(board, command_id, blob, crcs, reason, generation)
        answer = client.activate(*crcs, command_id)
        if answer.ok:
            history.done(board, command_id, answer.value)
        else:
            history.refused(board, command_id)
    return answer


def _hex(text: str, option: str) -> int:
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise CliError(
            exit_codes.USAGE, f'{option} "{text}" is not a CRC: give up to 8 hexadecimal digits, as `thecal upload` shows them.'
        )
    return value
