"""Constants folded into the modules that use them: what is replaced, what is left alone, and that lines stay where they were."""

import ast

import pytest

from thecal_host import paths
from thecal_host.flashing.bundle import dotted
from thecal_host.flashing.fold import FoldError, fold

CODES = """TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OFF = const(3)
MORE = const(OFF + (1 << 4))
_OWN = const(7)
NOT_ONE = 5
TWICE = const(1)
TWICE = const(2)
NAMES = {OFF: "off"}  # for the host


def own(x: "Any") -> int:
    return OFF + _OWN + x
"""


def _fold(user: str, codes: str = CODES) -> str:
    return fold({"p.codes": codes, "p.user": user})["p.user"]


def _run(source: str, **names: object) -> dict[str, object]:
    space: dict[str, object] = {"const": lambda value: value, **names}
    exec(compile(source, "folded", "exec"), space)
    return space


def test_a_constant_of_another_module_becomes_its_number() -> None:
    assert "return 3 + 19" in _fold("from p import codes\n\n\ndef f():\n    return codes.OFF + codes.MORE\n")
    assert "return 3" in _fold("from p.codes import OFF\n\n\ndef f():\n    return OFF\n")
    assert "return 3" in _fold("from p.codes import OFF as O\n\n\ndef f():\n    return O\n")


def test_what_is_not_one_constant_is_left_alone() -> None:
    for name in ("NOT_ONE", "TWICE", "own"):
        assert f"codes.{name}" in _fold(f"from p import codes\n\n\ndef f():\n    return codes.{name}\n")
    shadowed = _fold("from p.codes import OFF\n\n\ndef f(OFF):\n    return OFF\n")
    assert "return OFF" in shadowed
    assigned = _fold("from p import codes\n\n\ndef f(other):\n    codes = other\n    return codes.OFF\n")
    assert "codes.OFF" in assigned


def test_definitions_and_type_blocks_go_and_lines_stay() -> None:
    folded = fold({"p.codes": CODES})["p.codes"]
    assert len(folded.splitlines()) == len(CODES.splitlines())
    assert "TYPE_CHECKING" not in folded
    assert "NAMES" not in folded
    assert folded.splitlines().index("    return 3 + _OWN + x") == CODES.splitlines().index("    return OFF + _OWN + x")
    space = _run(folded)
    assert "OFF" not in space
    assert "TWICE" in space


def test_a_constant_passed_on_by_a_module_is_found_behind_it() -> None:
    sources = {
        "p.codes": CODES,
        "p.middle": "from p.codes import OFF\n",
        "p.user": "from p import middle\nfrom p.middle import OFF as B\n\n\ndef f():\n    return middle.OFF + B\n",
    }
    assert "return 3 + 3" in fold(sources)["p.user"]


def test_what_is_for_the_host_may_not_be_used_on_a_board() -> None:
    for user in ("from p.codes import NAMES\n", "from p import codes\n\n\ndef f():\n    return codes.NAMES\n"):
        with pytest.raises(FoldError, match="for the host"):
            _fold(user)
    with pytest.raises(FoldError, match="for the host"):
        fold({"p.codes": CODES + "\n\ndef g():\n    return NAMES\n"})


def test_a_constant_imported_inside_a_function_is_refused() -> None:
    with pytest.raises(FoldError, match="inside f"):
        _fold("def f():\n    from p.codes import OFF\n\n    return OFF\n")


def test_the_whole_firmware_folds_and_no_folded_name_is_left() -> None:
    package = paths.firmware_package_dir()
    sources = {dotted(path, package): path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))}
    folded = fold(sources)
    gone = 0
    for name, source in folded.items():
        tree = ast.parse(source)
        assert len(source.splitlines()) == max(1, len(sources[name].splitlines()))
        kept = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        gone += len({node.id for node in ast.walk(ast.parse(sources[name])) if isinstance(node, ast.Name)} - kept)
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module in folded:
                there = {n.id for n in ast.walk(ast.parse(folded[node.module])) if isinstance(n, ast.Name)}
                there |= {n.name for n in ast.parse(folded[node.module]).body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
                for alias in node.names:
                    assert alias.name in there or f"{node.module}.{alias.name}" in folded or node.module.endswith("compat"), (
                        name,
                        alias.name,
                    )
    assert gone > 300
