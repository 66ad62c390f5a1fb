"""`thecal demo` from end to end, and that its verdict can fail: every claim is spoilt once."""

import copy
import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from thecal.core import messages, states
from thecal.core.events import unpack_record
from thecal_host import cli, demo, plotting
from thecal_host.demo import Demo
from thecal_host.demo_verdict import judge
from thecal_host.virtual import registry


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, Path, list[str]]:
    """One demonstration, its folder, and what it said on the way."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    said: list[str] = []
    return demo.run(out, progress=lambda what, _done, _total: said.append(what)), out, said


def test_every_check_passes(shown: tuple[Demo, Path, list[str]]) -> None:
    done, _out, said = shown
    assert [row.what for row in done.rows if row.passed is False] == []
    assert sum(row.passed is True for row in done.rows) >= 11
    assert done.passed
    assert any(what.startswith("Copying /thecal/") for what in said)
    assert any(what.startswith("Playing the day") for what in said)


def test_the_files_are_whole(shown: tuple[Demo, Path, list[str]]) -> None:
    done, out, _said = shown
    assert (
        {path.name for path in done.files}
        == {"log.csv", "curves.csv", "delivery.svg", "delivery.png"}
        == {p.name for p in out.iterdir()}
    )
    with (out / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["sequence"]) for row in rows] == [record.seq for record in map(unpack_record, done.played.log) if record]
    with (out / "curves.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert int(last["delivered_min_nl"]) > 180_000
    assert (out / "delivery.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    picture = (out / "delivery.svg").read_text()
    assert picture.rstrip().endswith("</svg>")


def test_nothing_is_left_running(shown: tuple[Demo, Path, list[str]]) -> None:
    assert all(board.name != demo.NAME for board in registry.list_boards())


def _judged(done: Demo, **spoil: Any) -> dict[str, "bool | None"]:
    played = copy.copy(done.played)
    curve, raws, seconds, flashed = done.series, done.played.log, done.seconds, done.flashed
    for name, value in spoil.items():
        if name == "curve":
            curve = value
        elif name == "raws":
            raws = value
        elif name == "seconds":
            seconds = value
        elif name == "flashed":
            flashed = value
        else:
            setattr(played, name, value)
    return {row.what: row.passed for row in judge(flashed, played, curve, raws, seconds)}


def test_the_verdict_fails_for_each_claim_that_is_not_true(shown: tuple[Demo, Path, list[str]]) -> None:
    done = shown[0]
    played = done.played
    assert played.status is not None
    truth, status, cut = played.truth, played.status, played.cuts[0]
    assert all(passed is not False for passed in _judged(done).values())

    more = {**truth, "delivered_pl": truth["delivered_pl"] + 2_000_000}
    assert _judged(done, truth=more)["Delivered [min, max]"] is False
    assert _judged(done, truth=more)["Plant truth"] is False
    assert _judged(done, truth={**truth, "edges_total": truth["edges_total"] + 1})["Edges counted by the board"] is False
    assert _judged(done, status=replace(status, edges=status.edges + 1))["Edges counted by the board"] is False
    assert _judged(done, status=replace(status, max_nl=status.max_nl + 3000))["Delivered [min, max]"] is False
    assert (
        _judged(done, status=replace(status, min_nl=status.max_nl + 1, max_nl=status.max_nl + 1))["Delivered [min, max]"] is False
    )
    assert _judged(done, status=replace(status, fault=9))["Pump at the end"] is False
    assert _judged(done, status=replace(status, state=6))["Pump at the end"] is False
    for spoilt in (
        replace(cut, batch_left=0),
        replace(cut, true_edges=cut.true_edges + 40),
        replace(cut, after=replace(cut.after, state=3)),
    ):
        assert _judged(done, cuts=[spoilt])["Power cut recovered"] is False
    assert _judged(done, raws=played.log[:-1])["Log pulled"] is False
    assert _judged(done, raws=[played.log[0][:-1] + b"x", *played.log[1:]])["Log pulled"] is False
    flash = {**truth["flash"], "erases": truth["flash"]["erases"] + 2000}
    assert _judged(done, truth={**truth, "flash": flash})["Flash life"] is False
    assert _judged(done, seconds=61.0)["Wall time"] is False
    curve = copy.copy(done.series)
    curve.programmed = [replace(point, volume_nl=point.volume_nl + 1000) for point in curve.programmed]
    assert _judged(done, curve=curve)["Programmed volume"] is False
    begun = replace(done.flashed.begun, status=replace(status, state=6, fault=8))
    assert _judged(done, flashed=replace(done.flashed, begun=begun))["Firmware installed"] is False


def test_the_acts_of_the_day_can_fail(shown: tuple[Demo, Path, list[str]]) -> None:
    done = shown[0]
    played = done.played
    assert played.status is not None

    def answered(what: str, refused: bool, **changes: Any) -> list[Any]:
        return [
            (action, replace(answer, **changes) if action.what == what and action.refused == refused else answer)
            for action, answer in played.answers
        ]

    assert _judged(done, answers=answered("patient", False, result=1))["Patient bolus granted"] is False
    assert _judged(done, answers=answered("patient", True, result=0, reason=0))["Patient bolus refused"] is False
    assert _judged(done, answers=answered("patient", True, wait_ms=0))["Patient bolus refused"] is False
    assert _judged(done, answers=answered("patient", True, reason=messages.MAX_BOLUS))["Patient bolus refused"] is False
    assert _judged(done, answers=answered("start", True, reason=0))["Emergency stop"] is False
    assert _judged(done, presses=[])["Button"] is False
    assert _judged(done, presses=[*played.presses, 1])["Button"] is False
    assert _judged(done, status=replace(played.status, unmet=7))["Unmet demand counted"] is False
    assert _judged(done, status=replace(played.status, setup_nl=0))["Set-up motions"] is False
    assert _judged(done, status=replace(played.status, position_steps=None))["Set-up motions"] is False
    seen = [(at, replace(status, rate_nl_per_day=status.rate_nl_per_day + 1)) for at, status in played.seen]
    assert _judged(done, seen=seen)["Rates as ordered"] is False
    asleep = [(at, replace(status, state=states.HELD)) for at, status in played.seen]
    assert _judged(done, seen=asleep)["Timed hold"] is False
    cut = played.cuts[0]
    assert _judged(done, cuts=[replace(cut, after=replace(cut.after, held=()))])["Clock lost and set"] is False


def test_the_command_shows_the_verdict_and_its_exit_code(
    shown: tuple[Demo, Path, list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = shown[0]
    monkeypatch.setattr(demo, "run", lambda *_arguments: done)
    assert cli.run(["demo"]) == 0
    out, err = capsys.readouterr()
    assert "NOT A MEDICAL DEVICE" in err
    assert "Delivered [min, max]" in out
    assert "All checks passed." in out
    assert cli.run(["demo", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["ok"]
    assert data["delivered_nl"][0] <= data["true_nl"] <= data["delivered_nl"][1]
    bad = copy.copy(done)
    bad.rows = [replace(row, passed=False) if row.what == "Flash life" else row for row in done.rows]
    monkeypatch.setattr(demo, "run", lambda *_arguments: bad)
    assert cli.run(["demo"]) == 1
    assert "FAILED: Flash life." in capsys.readouterr().out


def test_without_matplotlib_the_rest_is_still_done(
    shown: tuple[Demo, Path, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none() -> None:
        raise plotting.PlotUnavailable("Drawing needs matplotlib")

    monkeypatch.setattr(plotting, "_matplotlib", none)
    done = copy.copy(shown[0])
    done.files, done.notice = [], ""
    demo._write(done, tmp_path, "board", done.played.log, 41_282_490_964, lambda *_args: None)
    assert {path.name for path in tmp_path.iterdir()} == {"log.csv", "curves.csv"}
    assert "matplotlib" in done.notice


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert cli.run(["demo", "--out", str(tmp_path / "file" / "demo")]) == 7
    assert "could not be made" in capsys.readouterr().err
    assert cli.run(["demo", "--engine", "java", "--out", str(tmp_path)]) == 9
    assert "not 'java'" in capsys.readouterr().err
