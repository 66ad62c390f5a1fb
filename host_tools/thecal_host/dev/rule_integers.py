"""No floating point where doses are computed. Invariant: in core and monitor there is no float literal, true division, float(),
round(), negative power or math: on a board floats have 24 bits, and a dose is exact or it is not computed."""

import ast

from thecal_host.dev.source import Finding, Source

ROOMS = ("firmware/thecal/core/", "firmware/thecal/monitor/")
_NAMES = ("float", "round", "complex")
_MODULES = ("math", "cmath", "decimal", "fractions", "statistics", "random")


def _isinstance_types(tree: ast.Module) -> "set[ast.AST]":
    """Return the nodes that name a type inside isinstance(): to turn a float away one has to name it."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
        for arg in node.args[1:]
        for inner in ast.walk(arg)
    }


def _breach(node: ast.AST) -> "str | None":
    """Return what makes this node floating point, or None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (float, complex)):
        return f"float literal {node.value!r}"
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        if isinstance(node.op, ast.Div):
            return "true division: use // and say which way it rounds"
        right = node.right if isinstance(node, ast.BinOp) else node.value
        if isinstance(node.op, ast.Pow) and isinstance(right, ast.UnaryOp) and isinstance(right.op, ast.USub):
            return "negative power"
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return f"{node.id}()"
    if isinstance(node, ast.Attribute) and node.attr == "truediv":
        return "truediv"
    if isinstance(node, ast.Import) and any(alias.name.split(".")[0] in _MODULES for alias in node.names):
        return "a module of inexact numbers"
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _MODULES:
        return "a module of inexact numbers"
    return None


def check(sources: "list[Source]") -> "list[Finding]":
    """Return every float in those of the sources that lie in core or monitor."""
    findings = []
    for source in sources:
        if not source.path.startswith(ROOMS):
            continue
        named = _isinstance_types(source.tree)
        for node in ast.walk(source.tree):
            what = None if node in named and isinstance(node, ast.Name) else _breach(node)
            if what:
                findings.append(Finding(source.path, getattr(node, "lineno", 0), f"no floats in core and monitor: {what}"))
    return findings
