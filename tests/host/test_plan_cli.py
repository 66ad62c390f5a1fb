"""`thecal plan` as a user meets it: where it begins is said, the picture is a picture, and every mistake is one sentence."""

import json
from pathlib import Path

import pytest
from cli_bench import MORPHINE, board_with_program

from thecal.core import messages
from thecal.core.ledger import Ledger
from thecal_host import boards, plan, plan_picture, plotting, prescriptions
from thecal_host.cli import exit_codes
from thecal_host.paths import examples_dir

BACLOFEN = str(examples_dir() / "baclofen_flex_night.toml")
PART = boards.load("virtual").part
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


def ledger(**values: int) -> bytes:
    made = Ledger(lambda _data: None)
    for name, value in values.items():
        setattr(made, name, value)
    return made.pack()


def test_without_a_board_it_says_that_it_begins_with_nothing(thecal) -> None:
    code, out, err = thecal("plan", BACLOFEN, "--from", "05:30", "--for", "4h")
    assert code == 0
    assert "Begins with an empty ledger: nothing delivered before (" in out and "05:30)" in out
    assert "06:00  300 mcg/day" in out or "08:00  300 mcg/day" in out  # a weekday, or the weekend
    assert "NOT A MEDICAL DEVICE" in err


def test_a_saved_ledger_goes_on(thecal, tmp_path) -> None:
    path = tmp_path / "ledger"
    path.write_bytes(ledger(t_ms=30 * DAY_MS, last_bolus_ms=30 * DAY_MS - HOUR_MS))
    code, out, _err = thecal("plan", MORPHINE, "--ledger", path, "--from", "00:00", "--for", "3h")
    assert code == 0
    assert f"the ledger in {path}" in out
    assert "00:00 to " in out and "refused: lockout of 2 h" in out
    bands = json.loads(thecal("plan", MORPHINE, "--ledger", path, "--for", "3h", "--json")[1])["plan"]["forecast"]["patient"]
    assert [(band["reason"], band["end_ms"]) for band in bands] == [(messages.LOCKOUT, HOUR_MS), (0, 3 * HOUR_MS)]


def test_a_board_s_ledger_and_clock(thecal) -> None:
    with board_with_program() as board:
        code, _out, err = thecal("plan", MORPHINE, "--port", board.url)
        assert (code, "not provisioned" in err) == (exit_codes.REFUSED, True)
        board.blobs[messages.BLOB_LEDGER] = ledger(t_ms=30 * DAY_MS, last_bolus_ms=30 * DAY_MS - HOUR_MS)
        board.status |= {"t": 30 * DAY_MS + HOUR_MS // 2, "wall": plan.midnight_of({"utc_offset_biased_min": 1440}, 2)}
        code, out, _err = thecal("plan", MORPHINE, "--port", board.url, "--for", "2h")
        assert code == 0
        assert f"the present ledger of board {board.board_id} (Wed 00:00)" in out
        assert "Wed 00:00 to Wed 00:30  refused: lockout of 2 h" in out
        assert board.ran == []


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--for", "24"), exit_codes.USAGE, "--for:"),
        (("--for", "15 days"), exit_codes.USAGE, "1 to 336"),
        (("--from", "24:00"), exit_codes.USAGE, "00:00 to 23:59"),
        (("--from", "7:5"), exit_codes.USAGE, "00:00 to 23:59"),
        (("--ledger", "/nowhere/ledger"), exit_codes.STORAGE, "could not be read"),
        (("--ledger", MORPHINE), exit_codes.USAGE, "no ledger of this firmware"),
        (("-o", "plan.txt"), exit_codes.USAGE, ".svg, .png, .pdf"),
        (("-o", "/nowhere/plan.svg"), exit_codes.STORAGE, "no such folder"),
        (("--port", "/dev/no-such-port"), exit_codes.NO_BOARD, "There is no port"),
    ],
)
def test_mistakes_are_one_sentence(thecal, options, code, words) -> None:
    got, out, err = thecal("plan", MORPHINE, *options)
    assert (got, out) == (code, "")
    assert words in err


def test_the_picture_is_the_same_for_the_same_plan(thecal, tmp_path) -> None:
    fields = prescriptions.load(BACLOFEN, PART).fields
    made = plan.make_plan(fields, hours=24)
    first, again = plan_picture.draw(made, "svg"), plan_picture.draw(made, "svg")
    assert first == again
    assert first.startswith(b"<?xml")
    path = tmp_path / "plan.png"
    code, out, _err = thecal("plan", MORPHINE, "--for", "3h", "-o", path)
    assert (code, f"Drawn in {path}." in out) == (0, True)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("case", ["unknown clock", "no bolus", "refused all day", "long"])
def test_every_kind_of_plan_can_be_drawn(case: str) -> None:
    fields = prescriptions.load(BACLOFEN, PART).fields
    hours, start = 24, plan.empty_start(None)
    if case == "no bolus":
        fields = {**fields, "max_bolus_nl": 0, "patient_bolus_nl": 0, "patient_bolus_ms": 0, "boluses_per_24h": 0}
    elif case == "refused all day":
        fields = {**fields, "boluses_per_24h": 0}
    elif case == "long":
        hours, start = 72, plan.empty_start(plan.midnight_of(fields, 0))
    assert b"</svg>" in plan_picture.draw(plan.make_plan(fields, hours=hours, start=start), "svg")


def test_without_matplotlib_it_says_how_to_get_it(thecal, tmp_path: Path, monkeypatch) -> None:
    def none():
        raise plotting.PlotUnavailable("Drawing needs matplotlib, which is not installed.")

    monkeypatch.setattr(plotting, "_matplotlib", none)
    code, _out, err = thecal("plan", MORPHINE, "-o", tmp_path / "plan.svg")
    assert (code, "needs matplotlib" in err) == (exit_codes.MISSING, True)
    assert thecal("plan", MORPHINE, "--for", "1h")[0] == 0
