"""Source files as the house rules see them: path, dotted module name, syntax tree. Invariant: a file that does not parse is an
error of its own, never silently skipped; every answer is in a fixed order, so that two runs print the same."""

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# Folders that stand on the import path; the first that fits gives a file its module name.
_PATH = ("host_tools/thecal_host/twin/rom/", "host_tools/", "firmware/")


@dataclass(frozen=True)
class Source:
    """One Python file: `path` relative to the root with /, `module` dotted, `tree` parsed."""

    path: str
    module: str
    tree: ast.Module
    is_package: bool = False


@dataclass(frozen=True)
class Finding:
    """One breach of a rule: where and a sentence. Line 0 is the whole file."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def parse(path: str, text: str) -> Source:
    """Return the Source of `text` as if it stood at `path` (relative to the root). Raises SyntaxError."""
    below = next((path[len(folder) :] for folder in _PATH if path.startswith(folder)), path)
    parts = below.removesuffix(".py").split("/")
    is_package = parts[-1] == "__init__"
    if is_package:
        parts = parts[:-1]
    return Source(path, ".".join(parts), ast.parse(text, path), is_package)


def load(*folders: str, root: Path = ROOT) -> "list[Source]":
    """Return every Python file below the folders (relative to the root), sorted. Raises FileNotFoundError."""
    sources = []
    for folder in folders:
        base = root / folder
        if not base.is_dir():
            raise FileNotFoundError(base)
        for file in sorted(base.rglob("*.py")):
            path = file.relative_to(root).as_posix()
            sources.append(parse(path, file.read_text(encoding="utf-8")))
    return sources


def firmware(root: Path = ROOT) -> "list[Source]":
    """Return what runs on a board: everything below firmware/."""
    return load("firmware", root=root)


def on_micropython(root: Path = ROOT) -> "list[Source]":
    """Return what a MicroPython VM runs: the firmware and the plant of the virtual board."""
    return [*load("firmware", root=root), *load("host_tools/thecal_host/twin/rom", root=root)]


def everything(root: Path = ROOT) -> "list[Source]":
    """Return firmware, host tools and plant, each file once."""
    return load("firmware", "host_tools", root=root)
