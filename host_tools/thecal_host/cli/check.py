"""`thecal check`: is this prescription good, is this board good? Invariant: it changes nothing; every check says what it saw;
exit 1 when one fails.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import JsonOption, PortOption, banner, client_for, columns_text, emit

if TYPE_CHECKING:
    from thecal_host.link.client import Client
    from thecal_host.link.types import Hello, Status

BoardOption = Annotated[str, typer.Option("--board", metavar="NAME", help="Board file: a name, or the path of a .toml file.")]


@dataclass(frozen=True)
class Check:
    """One check: what was looked at, whether it passed, what was seen."""

    what: str
    passed: bool
    seen: str


def check(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="Prescription file (.toml); without it the board is checked.")
    ] = "",
    board: BoardOption = "",
    port: PortOption = "",
    as_json: JsonOption = False,
) -> None:
    """With FILE: check that prescription for a board. Without: ask the connected board for its state, self-test, program and
    limits."""
    banner(as_json)
    if file:
        _check_file(file, board or "virtual", as_json)
        return
    with client_for(port) as client:
        now, checks = _check_board(client, board)
    from thecal_host.code_names import named

    passed = all(item.passed for item in checks)
    rows = [("ok" if item.passed else "FAILED", item.what, item.seen) for item in checks]
    verdict = "All checks passed." if passed else "At least one check FAILED."
    emit(
        as_json,
        {"ok": passed, "checks": [asdict(item) for item in checks], "status": named(asdict(now))},
        columns_text(("", "", ""), rows).lstrip("\n") + "\n" + verdict,
    )
    if not passed:
        raise typer.Exit(exit_codes.CHECK_FAILED)


def _check_file(file: str, board: str, as_json: bool) -> None:
    from thecal_host import boards, prescription_report, prescriptions

    rx = prescriptions.load(file, boards.load(board).part)
    waiting = sorted({item.name for item in rx.unconfirmed})
    lines = prescription_report.lines(rx)
    if waiting:
        names = ", ".join(f'"{name}"' for name in waiting)
        lines.append(
            f"NOT READY for the board {board}: it crosses soft limits of the drug library that nobody has confirmed: "
            f"{names}. Change "
            'the figures, or confirm them with a reason: section [overrides], confirm = [...], reason = "...".'
        )
    else:
        lines.append(f"{file} is valid for the board {board}; program {rx.crc:08x}.")
    emit(as_json, {"ok": not waiting, "unconfirmed": waiting, **prescription_report.as_dict(rx)}, "\n".join(lines))
    if waiting:
        raise typer.Exit(exit_codes.CHECK_FAILED)


def _check_board(client: "Client", board: str) -> "tuple[Status, list[Check]]":
    """What the board says of itself, and every check of it."""
    from thecal.core import states
    from thecal_host import __version__, amounts, texts

    hello = client.board or client.hello()
    now = client.status()
    good = now.state not in (states.SAFE, states.BOOT, states.SELFTEST, states.UNPROVISIONED)
    hint = ": run `thecal provision` once" if now.state == states.UNPROVISIONED else ""
    checks = [
        Check("link", True, f"board {hello.board_id} ({hello.port}), link version {hello.proto}"),
        Check("firmware", hello.version == __version__, f"{hello.version}, this program is {__version__}"),
        Check("state", good, texts.of(texts.STATES, now.state) + hint),
        Check("fault", now.fault == 0, texts.fault(now.fault)),
        Check("alarm", now.alarm == 0, texts.of(texts.ALARMS, now.alarm)),
        _edges(now),
        Check(
            "delivered",
            now.min_nl <= now.max_nl,
            amounts.between(now.min_nl, now.max_nl),
        ),
        _log(client, hello),
    ]
    return now, checks + _program(client, hello, now, board)


def _edges(now: "Status") -> Check:
    """Edges counted never exceed steps permitted, and lag by one lease at most."""
    text = f"{now.permitted_steps} steps permitted, {now.edges} counted"
    return Check("second channel", 0 <= now.permitted_steps - now.edges <= 256, text)


def _log(client: "Client", hello: "Hello") -> Check:
    from thecal.core.events import SELFTEST, unpack_record

    last = None
    for raw in client.pull_log(max(0, hello.log_seq - 200)):
        record = unpack_record(raw)
        if record is None:
            return Check("self-test and log", False, "the log holds a damaged record")
        if record.code == SELFTEST:
            last = record
    if last is None:
        return Check("self-test and log", True, f"{hello.log_seq} records; the last self-test is further back")
    from thecal_host.record_texts import record_sentence

    return Check("self-test and log", last.a == 0, record_sentence(last))


def _program(client: "Client", hello: "Hello", now: "Status", board: str) -> list[Check]:
    """The active program: whole, good for this board, and with monitor limits that belong to it."""
    from thecal.core import messages, prescription
    from thecal_host import boards, monitor_limits
    from thecal_host.prescription_texts import explain

    if not now.program_crc:
        return [Check("program", True, "none is active")]
    blob = client.read_blob(messages.BLOB_ACTIVE_PROGRAM) or b""
    try:
        fields, version = prescription.unpack(blob)
        crc = prescription.program_crc(blob)
    except prescription.ProgramError:
        return [Check("program", False, "the active program read back is damaged")]
    problems = prescription.validate(fields, boards.load(board or hello.port).part)
    seen = explain(problems[0]).sentence if problems else f"{crc:08x}, version {version}, {fields['name'] or fields['drug']}"
    checks = [Check("program", crc == now.program_crc and not problems, seen), _library(fields), _overridden(fields)]
    try:
        limits = monitor_limits.decode(client.read_blob(messages.BLOB_ACTIVE_MONITOR) or b"")
    except monitor_limits.MonitorLimitsError as error:
        return [*checks, Check("monitor limits", False, str(error))]
    fits = limits == monitor_limits.from_fields(fields, crc)
    return [
        *checks,
        Check(
            "monitor limits",
            fits,
            f"{limits.steps_1h} steps in 1 h, {limits.steps_24h} in 24 h, for program {limits.program_crc:08x}",
        ),
    ]


def _library(fields: "dict[str, Any]") -> Check:
    """The program names the entry that this computer's drug library has: else its bounds were others."""
    from thecal_host.drugs import load
    from thecal_host.drugs.problems import LibraryError

    what = "drug library"
    try:
        entry = load.open_library().find(fields["drug"], fields["concentration_ng_per_ml"])
    except LibraryError as error:
        return Check(what, False, error.problems[0].sentence)
    known = entry.crc if entry else 0
    if known == fields["library_crc"]:
        return Check(what, True, f"{entry.title}, entry {known:08x}" if entry else "no entry")
    here = f"here it is {known:08x}" if entry else "here there is none"
    return Check(
        what, False, f"the program was reviewed with entry {fields['library_crc']:08x}, {here}; upload the prescription again"
    )


def _overridden(fields: "dict[str, Any]") -> Check:
    """Soft limits that the program overrides: listed for as long as they are. A bit without a name fails."""
    from thecal_host.prescription_texts import amount, override_names

    known = len(override_names(fields["overrides"])) == bin(fields["overrides"]).count("1")
    return Check("soft limits overridden", known, amount("overrides", fields["overrides"]))
