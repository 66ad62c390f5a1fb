"""`thecal devices`: which boards there are. Invariant: ports are opened only with --probe, and then they are asked nothing but
who they are."""

from typing import Annotated, Any

import typer

from thecal_host.cli.common import JsonOption, columns_text, emit


def devices(
    probe: Annotated[bool, typer.Option("--probe", help="Open each port and ask the board who it is.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List real ports and running virtual boards. With --probe every port is opened and asked who it is."""
    from thecal_host.cli.ports import found

    rows: list[tuple[str, ...]] = []
    data: list[dict[str, Any]] = []
    for board in found():
        who = _probe(board.port) if probe else None
        data.append({"port": board.port, "kind": board.kind, "name": board.name, "detail": board.detail, "answer": who})
        row = (board.port, board.kind, board.name, board.detail)
        rows.append((*row, who["text"]) if who else row)
    if not rows:
        emit(as_json, {"ok": True, "devices": []}, "No board was found. `thecal virtual start` starts one without hardware.")
        return
    heads = ("Port", "Kind", "Name", "Detail", "Answer") if probe else ("Port", "Kind", "Name", "Detail")
    emit(as_json, {"ok": True, "devices": data}, columns_text(heads, rows))


def _probe(port: str) -> "dict[str, Any]":
    from thecal_host import texts
    from thecal_host.link.client import Client
    from thecal_host.link.errors import LinkError

    try:
        with Client(port, query_deadline_s=2.0) as client:
            hello = client.board or client.hello()
    except LinkError as error:
        return {"ok": False, "text": str(error)}
    text = f"board {hello.board_id} ({hello.port}), firmware {hello.version}, {texts.of(texts.STATES, hello.state)}"
    return {"ok": True, "board": hello.board_id, "firmware": hello.version, "state": hello.state, "text": text}
