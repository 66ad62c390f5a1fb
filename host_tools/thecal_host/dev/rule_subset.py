"""The common subset of CPython and MicroPython. Invariant: what a board runs uses no module, syntax or method that MicroPython
1.28 lacks. The list is what has bitten, not the whole difference; mpy-cross and the tests on the VM see the rest."""

import ast

from thecal_host.dev.rule_imports import imported
from thecal_host.dev.source import Finding, Source

MISSING_MODULES = frozenset(
    "typing enum dataclasses abc decimal datetime functools itertools contextlib logging fractions __future__".split()
)
MISSING_METHODS = frozenset(
    "bit_length bit_count zfill removeprefix removesuffix cast tobytes frombytes iter_unpack hexdigest monotonic _replace".split()
)
MISSING_NAMES = frozenset("TimeoutError ConnectionError FileNotFoundError FileExistsError PermissionError ascii".split())
MISSING_KEYWORDS = {"zip": "strict", "sum": "start", "print": "flush", "from_bytes": "signed", "to_bytes": "signed"}

# Files that choose by interpreter: their CPython half may use what MicroPython lacks.
TWO_FACED = ("/ports.py", "/seam.py")


def _breach(node: ast.AST) -> "str | None":
    """Return what MicroPython lacks of this node, or None."""
    if isinstance(node, (ast.Match, ast.TryStar)):
        return "match and except* do not exist there"
    if isinstance(node, ast.arguments) and node.posonlyargs:
        return "no positional-only arguments there"
    if isinstance(node, ast.Attribute) and node.attr in MISSING_METHODS:
        return f".{node.attr} does not exist there"
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in MISSING_NAMES:
        return f"{node.id} does not exist there"
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).split(".")[-1]
        if any(keyword.arg == MISSING_KEYWORDS.get(name, "") for keyword in node.keywords):
            return f"{name}({MISSING_KEYWORDS[name]}=) does not exist there"
    return None


def check(sources: "list[Source]") -> "list[Finding]":
    """Return every use of what MicroPython lacks. The sources are those a MicroPython VM runs."""
    findings = []
    for source in sources:
        if source.path.endswith(TWO_FACED):
            continue
        findings += [
            Finding(source.path, line, f"MicroPython has no module {name}")
            for line, name in imported(source)
            if name.split(".")[0] in MISSING_MODULES
        ]
        for node in ast.walk(source.tree):
            what = _breach(node)
            if what:
                findings.append(Finding(source.path, getattr(node, "lineno", 0), f"not on MicroPython: {what}"))
    return findings
