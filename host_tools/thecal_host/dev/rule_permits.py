"""One maker and one spender of permits. Invariant: in all firmware `Permit(...)` stands once, in core/ledger.py, where the intent
is durable before it; `spend` is defined once, in drivers/motor.py, called once, in services/delivery.py, and the pulser is
started by that driver and, with EN off and no motor moving, by the self-test's `loop_test`."""

import ast

from thecal_host.dev.source import Finding, Source

MAKER = "firmware/thecal/core/ledger.py"
SPENDER = "firmware/thecal/drivers/motor.py"
CALLER = "firmware/thecal/services/delivery.py"
SELFTEST = "firmware/thecal/services/startup.py"


def _last_name(node: ast.expr) -> str:
    """Return `c` of `a.b.c` and of `c`, "" of anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _made(tree: ast.Module) -> "list[int]":
    """Return the lines where a Permit is made: `Permit(...)`, `module.Permit(...)`."""
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and _last_name(node.func) == "Permit"]


def _smuggled(tree: ast.Module) -> "list[int]":
    """Return the lines where Permit is used under another name, made by a subclass, or made without its constructor."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            lines += [node.lineno for alias in node.names if alias.name == "Permit" and alias.asname]
        if isinstance(node, ast.ClassDef) and any("Permit" in ast.unparse(base) for base in node.bases):
            lines.append(node.lineno)
        if isinstance(node, ast.Assign) and _last_name(node.value) == "Permit":
            lines.append(node.lineno)
        if isinstance(node, ast.Attribute) and node.attr == "__new__":
            lines.append(node.lineno)
    return lines


def _spenders(tree: ast.Module) -> "list[int]":
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "spend"]


def _spent(tree: ast.Module) -> "list[int]":
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and _last_name(node.func) == "spend"]


def _pulser_starts(tree: ast.Module) -> "list[int]":
    """Return the lines that call `start` on something called pulser (`self._pulser.start(...)`, `board.pulser.start(...)`)."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "start"
        and _last_name(node.func.value).lstrip("_") == "pulser"
    ]


def _in_loop_test(tree: ast.Module) -> "list[int]":
    """Return the lines in the function `loop_test` that start the pulser."""
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "loop_test"]
    return [line for test in tests for line in _pulser_starts(ast.Module([test], []))]


def _only(name: str, where: str, lines: "dict[str, list[int]]") -> "list[Finding]":
    """Exactly one, and there: anything else is a finding."""
    findings = [Finding(path, line, f"{name} only in {where}") for path in lines for line in lines[path] if path != where]
    count = len(lines.get(where, []))
    if count != 1:
        findings.append(Finding(where, 0, f"{name}: {count} times here, must be exactly once"))
    return findings


def check(sources: "list[Source]") -> "list[Finding]":
    """Return every breach in the firmware among the sources; a missing maker, spender or caller is one."""
    firmware = [source for source in sources if source.path.startswith("firmware/")]
    findings = _only("Permit(...)", MAKER, {s.path: _made(s.tree) for s in firmware})
    findings += _only("def spend", SPENDER, {s.path: _spenders(s.tree) for s in firmware})
    findings += _only(".spend(...)", CALLER, {s.path: _spent(s.tree) for s in firmware})
    starts = {s.path: _pulser_starts(s.tree) for s in firmware}
    allowed = [line for s in firmware if s.path == SELFTEST for line in _in_loop_test(s.tree)][:1]
    starts[SELFTEST] = [line for line in starts.get(SELFTEST, []) if line not in allowed]
    findings += _only("pulser.start(...)", SPENDER, starts)
    findings += [Finding(s.path, line, "a permit by a back door") for s in firmware for line in _smuggled(s.tree)]
    return findings
