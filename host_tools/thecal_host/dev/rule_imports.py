"""The direction of imports, as one table. Invariant: a module imports only what its row allows; core and monitor know neither
hardware nor clock nor files, the two channels do not know each other, and the host knows core alone."""

import ast
from dataclasses import dataclass

from thecal_host.dev.source import Finding, Source

PURE = frozenset({"struct", "binascii", "hashlib", "array"})


@dataclass(frozen=True)
class Room:
    """One row: modules whose name starts with `prefix` may import names starting with one of `may` (None: any outsider)."""

    prefix: str
    may: "tuple[str, ...]"
    outside: "frozenset[str] | None"


# The first row whose prefix fits is the module's. `outside` is what it may import from beyond this project.
ROOMS = (
    Room("thecal.core", ("thecal.core",), PURE),
    Room("thecal.monitor", ("thecal.monitor",), PURE),
    Room("thecal.drivers.virtual", ("thecal.core", "thecal.drivers", "thecal_twin"), None),
    Room("thecal.drivers", ("thecal.core", "thecal.drivers"), None),
    Room("thecal.services.supervisor", ("thecal.core", "thecal.drivers", "thecal.services", "thecal.monitor"), None),
    Room("thecal.services.app", ("thecal.core", "thecal.drivers", "thecal.services", "thecal.monitor"), None),
    Room("thecal.services", ("thecal.core", "thecal.drivers", "thecal.services"), None),
    Room("thecal", ("thecal",), None),
    Room("main", ("thecal",), None),
    Room("boot", ("thecal",), None),
    Room("thecal_twin", ("thecal_twin",), None),
    Room("thecal_host.virtual", ("thecal_host", "thecal", "thecal_twin"), None),
    Room("thecal_host.dev", ("thecal_host", "thecal", "thecal_twin"), None),
    Room("thecal_host", ("thecal_host", "thecal.core"), None),
)
OURS = ("thecal", "thecal_host", "thecal_twin", "main", "boot")


def _starts(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def _typing_only(tree: ast.Module) -> "set[ast.AST]":
    """Return the imports no board ever runs: under `if TYPE_CHECKING`, or `typing` in a try with `except ImportError`."""
    quiet: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}:
            quiet.update(inner for statement in node.body for inner in ast.walk(statement))
        if isinstance(node, ast.Try) and any("ImportError" in ast.unparse(h.type) for h in node.handlers if h.type):
            quiet.update(s for s in node.body if isinstance(s, ast.ImportFrom) and s.module == "typing")
    return quiet


def imported(source: Source) -> "list[tuple[int, str]]":
    """Return (line, dotted name) of everything the module imports at run time, relative imports made absolute."""
    found = []
    quiet = _typing_only(source.tree)
    for node in ast.walk(source.tree):
        if node in quiet:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = source.module.split(".")
                up = up[: len(up) - node.level + source.is_package]
                base = ".".join([*up, base] if base else up)
            if base in OURS:  # `from thecal import core` is an import of thecal.core
                found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, base))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module", "import_module"):
            first = node.args[0] if node.args else None
            known = isinstance(first, ast.Constant) and isinstance(first.value, str)
            found.append((node.lineno, str(first.value) if known and isinstance(first, ast.Constant) else "?"))
    return found


def check(sources: "list[Source]") -> "list[Finding]":
    """Return every import that goes against the table."""
    findings = []
    for source in sources:
        if source.path.endswith("/seam.py"):
            continue  # typed Protocols, never imported on a board
        room = next((row for row in ROOMS if _starts(source.module, row.prefix)), None)
        if room is None:
            findings.append(Finding(source.path, 0, f"module {source.module} is in no room of the import table"))
            continue
        for line, name in imported(source):
            ours = any(_starts(name, own) for own in OURS)
            if ours:
                fine = any(_starts(name, prefix) for prefix in room.may)
            else:
                fine = room.outside is None or name in room.outside
            if name == "?" and source.path.startswith("firmware/"):
                fine = False
            if not room.prefix.startswith("thecal_host.dev") and _starts(name, "thecal_host.dev"):
                fine = False
            if not fine:
                allowed = ", ".join([*room.may, *sorted(room.outside or ())])
                findings.append(Finding(source.path, line, f"{source.module} may not import {name} (its room: {allowed})"))
    return findings
