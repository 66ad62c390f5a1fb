"""Folds the firmware's named constants into the modules that use them, before they are compiled for a board.

MicroPython folds `const()` inside one module only; every public name costs heap on the board three times over: as an interned
string, in its module, and in each module that imports it. With the tables for people they were 22 of the 163 kB that all
modules took on the 64-bit VM. This does for the whole package what the compiler does for a file: `states.OFF` becomes `3`.
Blocks under `if TYPE_CHECKING:` go the same way, and tables marked `# for the host` (names of codes, for people) stay behind.

Invariant: line numbers stay as they are in the source, so tracebacks name the true line; nothing but a literal integer takes the
place of a name; a name that is anything else than one constant (assigned twice, shadowed, a parameter) is left alone.
"""

import ast
from dataclasses import dataclass, field

HOST_MARK = "# for the host"


@dataclass
class Module:
    """One source file: `name` is dotted, `constants` its public ones, `host_only` the names that stay on the host."""

    name: str
    source: str
    tree: ast.Module
    constants: dict[str, int] = field(default_factory=dict)
    host_only: set[str] = field(default_factory=set)


class FoldError(ValueError):
    """A board's module uses what was marked for the host; the text says which and where."""


def fold(sources: dict[str, str]) -> dict[str, str]:
    """{dotted module name: source} with the constants folded in. FoldError."""
    modules = {name: _read(name, source) for name, source in sources.items()}
    return {name: _Folding(module, modules).text() for name, module in modules.items()}


def _read(name: str, source: str) -> Module:
    module = Module(name, source, ast.parse(source))
    lines = source.splitlines()
    seen: set[str] = set()
    for node in module.tree.body:
        target = _target(node)
        if target is None or not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        if HOST_MARK in lines[node.lineno - 1]:
            module.host_only.add(target)
        value = _const(node.value, module.constants)
        if value is not None and target not in seen and not target.startswith("_"):
            module.constants[target] = value
        elif target in module.constants:
            del module.constants[target]
        seen.add(target)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            for changed in node.names:
                module.constants.pop(changed, None)
    return module


def _target(node: ast.stmt) -> "str | None":
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id
    return None


def _const(value: "ast.expr | None", known: dict[str, int]) -> "int | None":
    """The integer of `const(...)`, whose argument may be made of integers and constants before it."""
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "const" and value.args):
        return None
    return _number(value.args[0], known)


def _number(node: ast.expr, known: dict[str, int]) -> "int | None":
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.BinOp):
        left, right = _number(node.left, known), _number(node.right, known)
        if left is None or right is None:
            return None
        operators = {ast.Add: left.__add__, ast.Sub: left.__sub__, ast.Mult: left.__mul__, ast.LShift: left.__lshift__}
        operator = operators.get(type(node.op))
        return None if operator is None else operator(right)
    return None


class _Folding:
    """One module being rewritten: a list of (line, first byte, last byte, new text)."""

    def __init__(self, module: Module, modules: dict[str, Module]) -> None:
        self._module = module
        self._modules = modules
        self._edits: list[tuple[int, int, int, str]] = []
        self._lines = [line.encode() for line in module.source.splitlines()]
        self._aliases: dict[str, Module] = {}  # name of an imported module here -> it
        self._names: dict[str, int] = dict(module.constants)  # name here -> its value

    def text(self) -> str:
        for node in self._module.tree.body:
            if isinstance(node, ast.ImportFrom):
                self._see(node)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                self._refuse_inner_imports(node)
        stored = {
            node.id for node in ast.walk(self._module.tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        }
        stored |= {node.arg for node in ast.walk(self._module.tree) if isinstance(node, ast.arg)}
        for name in stored - set(self._module.constants):
            self._names.pop(name, None)
            self._aliases.pop(name, None)
        for name in self._stored_inside():
            self._names.pop(name, None)
        for node in self._module.tree.body:
            self._statement(node)
        return self._applied()

    def _stored_inside(self) -> set[str]:
        """Constants of this module whose name is used for something else in a function."""
        found: set[str] = set()
        for outer in self._module.tree.body:
            if not isinstance(outer, ast.FunctionDef | ast.ClassDef):
                continue
            for node in ast.walk(outer):
                if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                    found.add(node.id)
                elif isinstance(node, ast.arg):
                    found.add(node.arg)
        return found

    def _see(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            here = alias.asname or alias.name
            inner = self._modules.get(f"{node.module}.{alias.name}")
            outer = self._modules.get(node.module or "")
            if inner is not None:
                self._aliases[here] = inner
            elif outer is not None and self._resolved(outer, alias.name) is not None:
                self._names[here] = self._resolved(outer, alias.name) or 0
            elif outer is not None and alias.name in outer.host_only:
                raise FoldError(f"{self._module.name} imports {alias.name}, which {outer.name} marks as for the host.")

    def _refuse_inner_imports(self, outer: ast.stmt) -> None:
        """A constant imported inside a function would be looked for where it was folded away."""
        for node in ast.walk(outer):
            if isinstance(node, ast.ImportFrom) and node.module in self._modules:
                for alias in node.names:
                    if self._resolved(self._modules[node.module], alias.name) is not None:
                        raise FoldError(
                            f"{self._module.name} imports the constant {alias.name} inside {getattr(outer, 'name', '')}."
                        )

    def _statement(self, node: ast.stmt) -> None:
        target = _target(node)
        if target is not None and isinstance(node, ast.Assign | ast.AnnAssign):
            folded = target in self._module.constants and target in self._names
            if folded or target in self._module.host_only or target == "TYPE_CHECKING":
                self._blank(node)
                return
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING" and not node.orelse:
            self._blank(node)
            return
        if isinstance(node, ast.ImportFrom) and node.module in self._modules:
            self._import(node)
            return
        self._uses(node)

    def _import(self, node: ast.ImportFrom) -> None:
        """Drop the names that were folded away; a module whose uses were all folded is still imported."""
        kept = [alias for alias in node.names if (alias.asname or alias.name) not in self._names]
        if len(kept) == len(node.names):
            return
        self._blank(node)
        if kept:
            names = ", ".join(alias.name + (f" as {alias.asname}" if alias.asname else "") for alias in kept)
            self._edits.append((node.lineno, 0, 0, f"from {node.module} import {names}"))

    def _uses(self, node: ast.stmt) -> None:
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if _target(inner) == "__slots__":  # saves nothing on MicroPython
                    self._blank(inner)
        skip = {id(inner) for outer in ast.walk(node) for inner in _unevaluated(outer)}
        for inner in ast.walk(node):
            if id(inner) in skip or not isinstance(inner, ast.Attribute | ast.Name) or not isinstance(inner.ctx, ast.Load):
                continue
            value = self._value(inner)
            if value is not None and inner.lineno == inner.end_lineno and inner.end_col_offset is not None:
                text = str(value) if value >= 0 else f"({value})"
                self._edits.append((inner.lineno, inner.col_offset, inner.end_col_offset, text))

    def _value(self, node: "ast.Attribute | ast.Name") -> "int | None":
        if isinstance(node, ast.Name):
            if node.id in self._module.host_only:
                raise FoldError(f"{self._module.name} uses {node.id}, which it marks as for the host.")
            return self._names.get(node.id)
        if isinstance(node.value, ast.Name) and node.value.id in self._aliases:
            owner = self._aliases[node.value.id]
            if node.attr in owner.host_only:
                raise FoldError(f"{self._module.name} uses {owner.name}.{node.attr}, which is marked as for the host.")
            return self._resolved(owner, node.attr)
        return None

    def _resolved(self, module: Module, name: str) -> "int | None":
        """The constant `name` of a module, also where it has it from another one."""
        if name in module.constants:
            return module.constants[name]
        for node in module.tree.body:
            if isinstance(node, ast.ImportFrom) and node.module in self._modules:
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return self._resolved(self._modules[node.module], alias.name)
        return None

    def _blank(self, node: ast.stmt) -> None:
        assert node.end_lineno is not None
        for line in range(node.lineno, node.end_lineno + 1):
            self._edits.append((line, 0, len(self._lines[line - 1]), ""))

    def _applied(self) -> str:
        for line, first, last, text in sorted(self._edits, reverse=True):
            old = self._lines[line - 1]
            self._lines[line - 1] = old[:first] + text.encode() + old[last:]
        return b"\n".join(self._lines).decode() + "\n"


def _unevaluated(node: ast.AST) -> "list[ast.AST]":
    """Annotations: never evaluated on a board."""
    found: list[ast.AST] = []
    if isinstance(node, ast.AnnAssign) or (isinstance(node, ast.arg) and node.annotation is not None):
        assert node.annotation is not None
        found.extend(ast.walk(node.annotation))
    elif isinstance(node, ast.FunctionDef) and node.returns is not None:
        found.extend(ast.walk(node.returns))
    return found
