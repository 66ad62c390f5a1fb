"""The flash image: MicroPython's file meanings, the same counts in both engines, and a power cut at every single operation."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from thecal_host.virtual import rom
from thecal_host.virtual.child import micropython_here
from thecal_host.virtual.errors import VirtualError
from thecal_host.virtual.image import SIZE, Image, create
from thecal_twin import chip


def test_files_behave_as_on_the_board() -> None:
    fs = Image().fs
    fs.mkdir("/log")
    with fs.open("/log/b", "ab") as f:  # "a" makes the file, as in MicroPython
        assert f.write(b"12") == 2
    with fs.open("/log/b", "ab") as f:
        f.write(b"34")
    with fs.open("/log/a", "w") as f:
        f.write("text\n")
    assert fs.listdir("/log") == ["a", "b"]
    assert fs.stat("/log/b")[6] == 4
    assert fs.stat("/log")[0] == 0x4000
    with fs.open("/log/b", "rb") as f:
        assert f.read(3) == b"123"
        assert f.seek(1) == 1
        buf = bytearray(2)
        assert f.readinto(buf) == 2
        assert bytes(buf) == b"23"
    with fs.open("/log/a") as f:
        assert list(f) == ["text\n"]
    fs.rename("/log/b", "/log/a")
    assert fs.listdir("/log") == ["a"]
    fs.remove("/log/a")
    fs.rmdir("/log")
    assert fs.listdir() == []


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (lambda fs: fs.open("/none", "rb"), errno.ENOENT),
        (lambda fs: fs.rename("/none", "/x"), errno.ENOENT),
        (lambda fs: fs.remove("/none"), errno.ENOENT),
        (lambda fs: fs.stat("/none"), errno.ENOENT),
        (lambda fs: fs.listdir("/none"), errno.ENOENT),
        (lambda fs: fs.mkdir("/there"), errno.EEXIST),
        (lambda fs: fs.open("/there", "rb"), errno.EISDIR),
    ],
)
def test_errors_are_the_boards_numbers(work, code: int) -> None:
    fs = Image().fs
    fs.mkdir("/there")
    with pytest.raises(OSError) as error:
        work(fs)
    assert error.value.errno == code


def _replace(image: Image, data: bytes) -> None:
    f = image.fs.open("/ledger.tmp", "wb")
    f.write(data)
    f.close()
    image.fs.rename("/ledger.tmp", "/ledger")


@pytest.mark.parametrize("phase", ["before", "torn", "after"])
@pytest.mark.parametrize("part", [1, 300, 999])
def test_a_cut_at_every_operation_leaves_the_old_or_the_new_file(phase: str, part: int) -> None:
    start = Image()
    for n in range(30):  # somewhere in the life of the file system
        _replace(start, b"old" * 90 + bytes([n]))
    base = start.snapshot()
    old = start.read("/ledger")
    outcomes = set()
    for operation in range(1, 12):
        image = Image(data=base)
        world = chip.make_world({}, fs=image.fs)
        world.flash = image.flash
        image.fs.on_cut = world.power_cut
        image.flash.plan_cut(operation, phase, part)
        try:
            _replace(image, b"new" * 100)
            outcomes.add("done")
        except chip.PowerCut:
            with pytest.raises(chip.PowerCut):
                image.fs.listdir()  # nothing works without power
        found = Image(data=image.snapshot()).read("/ledger")
        assert found in (old, b"new" * 100), operation
        outcomes.add(found == old)
    assert outcomes == {"done", True, False}


def test_a_cut_image_without_a_world_says_so() -> None:
    image = Image()
    image.flash.plan_cut(1, "before")
    with pytest.raises(VirtualError, match="cut"):
        image.write("/a", b"x")


def test_wrong_plans_are_refused() -> None:
    flash = Image().flash
    with pytest.raises(ValueError, match="phase"):
        flash.plan_cut(1, "during")
    with pytest.raises(ValueError, match="from 1"):
        flash.plan_cut(-1, "torn")


def test_counts_survive_in_the_dump() -> None:
    image = Image()
    image.write("/a/b/c", b"x" * 5000)
    again = Image(data=image.snapshot(), flash_state=image.flash.dump())
    assert again.flash.truth() == image.flash.truth()
    assert again.walk() == ["/a/b/c"]
    again.write("/a/b/d", b"y")
    assert again.flash.truth()["ops"] > image.flash.truth()["ops"]


def test_files_of_a_wrong_size_are_no_images(tmp_path: Path) -> None:
    bad = tmp_path / "bad.img"
    bad.write_bytes(b"hello")
    with pytest.raises(VirtualError, match="5 bytes"):
        create(bad)
    with pytest.raises(VirtualError, match="bytes"):
        Image(data=b"hello")
    with pytest.raises(VirtualError, match="cannot be used"):
        create(bad / "below" / "a.img")


_VM = """
import sys, vfs
sys.path.insert(0, %r)
from thecal_twin.blockdev import BlockDevice
from thecal_twin.flash import Flash
flash = Flash(352, {"erases": [0] * 352})
device = BlockDevice(%r, flash)
fs = vfs.VfsLfs2(device, progsize=256, mtime=False)
for n in range(150):
    f = fs.open("/led.tmp", "wb"); f.write(bytes(60 + 2 * n)); f.close(); fs.rename("/led.tmp", "/led")
    f = fs.open("/log", "ab"); f.write(bytes(32)); f.close()
print(sorted(flash.truth().items()))
"""


def _same_work(image: Image) -> None:
    for n in range(150):
        with image.fs.open("/led.tmp", "wb") as f:
            f.write(bytes(60 + 2 * n))
        image.fs.rename("/led.tmp", "/led")
        with image.fs.open("/log", "ab") as f:
            f.write(bytes(32))


def test_both_engines_make_the_same_flash_operations(tmp_path: Path) -> None:
    """Where there is no MicroPython VM, the image in memory is compared with the image in a file instead."""
    path = tmp_path / "a.img"
    made = Image(path=path)
    made.close()
    memory = Image(data=path.read_bytes())
    _same_work(memory)
    expected = memory.flash.truth()
    assert expected["ops"] > 600
    if micropython_here():
        command = [sys.executable, "-m", "micropython_unix", "-c", _VM % (str(rom.ROM), str(path))]
        out = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        assert out.strip() == str(sorted(expected.items()))
    else:
        on_disk = Image(path=path)
        _same_work(on_disk)
        assert on_disk.flash.truth() == expected
        on_disk.close()
    assert path.read_bytes() == memory.snapshot()
    assert len(memory.snapshot()) == SIZE
