"""`thecal_host.paths`: every folder is found in the checkout, and what is missing gets a sentence, not a traceback."""

from pathlib import Path

import pytest

from thecal_host import paths

ROOT = Path(__file__).resolve().parents[2]


def test_folders_of_the_checkout() -> None:
    assert not paths.installed()
    assert paths.firmware_dir() == ROOT / "firmware"
    assert paths.firmware_package_dir() == ROOT / "firmware/thecal"
    assert paths.boards_dir() == ROOT / "boards"
    assert paths.examples_dir() == ROOT / "host_tools/examples"
    assert paths.rom_dir() == ROOT / "host_tools/thecal_host/twin/rom"


def test_they_hold_what_they_are_for() -> None:
    assert (paths.firmware_dir() / "main.py").is_file()
    assert (paths.firmware_package_dir() / "core").is_dir()
    assert (paths.boards_dir() / "virtual.toml").is_file()
    assert list(paths.examples_dir().glob("*.toml"))
    assert (paths.rom_dir() / "thecal_twin").is_dir()


def test_a_missing_folder_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_HERE", tmp_path / "host_tools/thecal_host")
    with pytest.raises(paths.DataMissing, match=r"board files not found at .*/boards: .*restore it\.$"):
        paths.boards_dir()


def test_the_data_of_a_wheel_are_used_when_they_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "site/thecal_host"
    for folder in ("_data/firmware", "_data/boards", "_data/examples", "twin/rom", "../thecal/core"):
        (here / folder).mkdir(parents=True)
    monkeypatch.setattr(paths, "_HERE", here)
    monkeypatch.setattr(paths, "_DATA", here / "_data")
    assert paths.installed()
    assert paths.firmware_dir() == here / "_data/firmware"
    assert paths.firmware_package_dir() == tmp_path / "site/thecal"
    assert paths.boards_dir() == here / "_data/boards"
    assert paths.examples_dir() == here / "_data/examples"
    assert paths.rom_dir() == here / "twin/rom"
