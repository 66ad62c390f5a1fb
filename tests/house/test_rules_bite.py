"""Every house rule finds a small sample that breaks it, and lets a small sample that keeps it pass."""

from pathlib import Path

import pytest

from thecal_host.dev import mpy, rule_imports, rule_integers, rule_permits, rule_subset, rule_text
from thecal_host.dev.source import parse


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("firmware/thecal/core/gate.py", "import machine"),
        ("firmware/thecal/core/gate.py", "import os"),
        ("firmware/thecal/core/gate.py", "from time import ticks_ms"),
        ("firmware/thecal/core/gate.py", "from thecal.drivers import motor"),
        ("firmware/thecal/core/gate.py", "from ..drivers import motor"),
        ("firmware/thecal/core/gate.py", "from thecal import services"),
        ("firmware/thecal/core/gate.py", "def f():\n    import json"),
        ("firmware/thecal/core/gate.py", "try:\n    import os\nexcept ImportError:\n    os = None"),
        ("firmware/thecal/monitor/judge.py", "from thecal.core.accumulator import Accumulator"),
        ("firmware/thecal/monitor/judge.py", "from thecal.core import codec"),
        ("firmware/thecal/monitor/judge.py", "import thecal.services.delivery"),
        ("firmware/thecal/drivers/motor.py", "from thecal.services import delivery"),
        ("firmware/thecal/drivers/motor.py", "import thecal_twin.chip"),
        ("firmware/thecal/services/delivery.py", "from thecal.monitor import judge"),
        ("firmware/thecal/services/delivery.py", "import thecal_host.cli"),
        ("firmware/thecal/services/delivery.py", "m = __import__(name)"),
        ("firmware/main.py", "import thecal_host"),
        ("host_tools/thecal_host/cli/run.py", "from thecal.services import delivery"),
        ("host_tools/thecal_host/cli/run.py", "from thecal_host.dev import rules"),
        ("host_tools/thecal_host/cli/run.py", "import thecal_twin"),
        ("host_tools/thecal_host/twin/rom/thecal_twin/plant.py", "import thecal.core.units"),
        ("host_tools/thecal_host/twin/rom/thecal_twin/plant.py", "from thecal_host import paths"),
        ("host_tools/stray.py", "import struct"),
    ],
)
def test_a_wrong_import_is_found(path: str, line: str) -> None:
    findings = rule_imports.check([parse(path, line)])
    assert len(findings) == 1
    assert findings[0].path == path


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("firmware/thecal/core/gate.py", "import struct\nfrom thecal.core.units import NL\nfrom .limits import check"),
        ("firmware/thecal/core/__init__.py", "from .limits import check"),
        (
            "firmware/thecal/core/gate.py",
            "try:\n    from typing import TYPE_CHECKING\nexcept ImportError:\n    X = 0",
        ),
        ("firmware/thecal/core/gate.py", "if TYPE_CHECKING:\n    from thecal.drivers.seam import Board"),
        ("firmware/thecal/monitor/judge.py", "import binascii\nfrom thecal.monitor import limits"),
        ("firmware/thecal/drivers/virtual.py", "from thecal_twin.chip import world"),
        ("firmware/thecal/drivers/rp2_step.py", "import machine\nimport rp2\nfrom thecal.core.permit import Permit"),
        ("firmware/thecal/services/supervisor.py", "from thecal.monitor import judge"),
        ("firmware/main.py", "from thecal.services import app"),
        ("host_tools/thecal_host/cli/run.py", "import typer\nfrom thecal.core import units"),
        ("host_tools/thecal_host/virtual/engine.py", "import thecal.services.app\nimport thecal_twin"),
    ],
)
def test_a_right_import_passes(path: str, line: str) -> None:
    assert rule_imports.check([parse(path, line)]) == []


@pytest.mark.parametrize(
    "line",
    [
        "x = 0.5",
        "x = 1e9",
        "x = 2j",
        "x = a / b",
        "x /= 2",
        "x = float(a)",
        "x = round(a)",
        "f = float",
        "x = 10 ** -3",
        "import math",
        "from random import randrange",
        "from math import floor",
    ],
)
@pytest.mark.parametrize("room", ["core", "monitor"])
def test_a_float_is_found(room: str, line: str) -> None:
    assert len(rule_integers.check([parse(f"firmware/thecal/{room}/x.py", line)])) == 1


def test_integers_and_turning_a_float_away_pass() -> None:
    text = "x = (a // b) % c * 10**9\nif isinstance(x, float) or isinstance(x, (bool, float)):\n    raise ValueError('1.5 / 2')"
    assert rule_integers.check([parse("firmware/thecal/core/x.py", text)]) == []
    assert rule_integers.check([parse("firmware/thecal/drivers/adc.py", "x = 1.5 / 2")]) == [], "only core and monitor"


LEDGER = (rule_permits.MAKER, "def cut(self):\n    return Permit(1, 2, 3)")
MOTOR = (rule_permits.SPENDER, "class Motor:\n    def spend(self, permit):\n        self._pulser.start(1, 2, 3)")
DELIVERY = (rule_permits.CALLER, "def poll(self):\n    self.motor.spend(permit)")


def permits(*files: "tuple[str, str]") -> "list[str]":
    return [str(finding) for finding in rule_permits.check([parse(*file) for file in files])]


def test_one_maker_and_one_spender_pass() -> None:
    assert permits(LEDGER, MOTOR, DELIVERY) == []


@pytest.mark.parametrize(
    "text",
    [
        "p = Permit(1, 2, 3)",
        "p = ledger.Permit(1, 2, 3)",
        "P = Permit",
        "P = ledger.Permit",
        "from thecal.core.permit import Permit as P",
        "class Mine(Permit):\n    pass",
        "p = object.__new__(kind)",
        "def spend(self, permit):\n    pass",
        "motor.spend(permit)",
        "board.pulser.start(1, 2, 3)",
    ],
)
def test_a_second_maker_or_spender_is_found(text: str) -> None:
    assert len(permits(LEDGER, MOTOR, DELIVERY, ("firmware/thecal/services/jog.py", text))) == 1


def test_the_self_test_may_start_the_pulser_in_one_function_only() -> None:
    start = "    board.pulser.start(1, 2, 3)\n"
    assert permits(LEDGER, MOTOR, DELIVERY, (rule_permits.SELFTEST, "def loop_test(board):\n" + start)) == []
    assert len(permits(LEDGER, MOTOR, DELIVERY, (rule_permits.SELFTEST, "def loop_test(board):\n" + start + start))) == 1
    assert len(permits(LEDGER, MOTOR, DELIVERY, (rule_permits.SELFTEST, "def prime(board):\n" + start))) == 1
    assert len(permits(LEDGER, MOTOR, DELIVERY, ("firmware/thecal/services/jog.py", "def loop_test(board):\n" + start))) == 1


def test_two_makers_in_the_right_file_are_found() -> None:
    twice = (LEDGER[0], LEDGER[1] + "\n\ndef again(self):\n    return Permit(1, 2, 3)")
    assert len(permits(twice, MOTOR, DELIVERY)) == 1


def test_no_maker_and_no_spender_are_found() -> None:
    assert len(permits()) == 4


@pytest.mark.parametrize(
    "text",
    [
        "import enum",
        "from dataclasses import dataclass",
        "from typing import Any",
        "match x:\n    case 1:\n        pass",
        "def f(a, /):\n    pass",
        "n = x.bit_length()",
        "s = '5'.zfill(3)",
        "for a, b in zip(x, y, strict=True):\n    pass",
        "n = int.from_bytes(b, 'little', signed=True)",
        "try:\n    pass\nexcept FileNotFoundError:\n    pass",
    ],
)
def test_what_micropython_lacks_is_found(text: str) -> None:
    assert len(rule_subset.check([parse("firmware/thecal/core/x.py", text)])) == 1


def test_the_common_subset_passes() -> None:
    text = "import struct\nfor a, b in zip(x, y):\n    n = int.from_bytes(b, 'little')\n"
    assert rule_subset.check([parse("firmware/thecal/core/x.py", text)]) == []


def test_mpy_cross_refuses_what_micropython_cannot_parse(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.py", tmp_path / "good.py"
    bad.write_text("with (open('a') as f, open('b') as g):\n    pass\n")
    good.write_text("x = 1\n")
    refused = mpy.compile_file(bad, "bad.py", tmp_path)
    assert refused is not None
    assert "SyntaxError" in refused.text
    assert mpy.compile_file(good, "good.py", tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        "index = https://" + "py" + "pi.org/simple",
        "see https://files.python" + "hosted.org/x.whl",
        "cd /wo" + "rk/main",
        "open('/ho" + "me/me/pump.toml')",
        "# TO" + "DO later",
        "Measured: @" + "@NUMBERS@" + "@",
        "try:\n    f()\nexcept Exception:\n    pass\n",
    ],
)
def test_a_text_that_says_what_it_must_not_is_found(text: str) -> None:
    assert len(rule_text.check_text("notes.md", text)) == 1


def test_a_long_file_is_found_and_ordinary_text_passes() -> None:
    assert len(rule_text.check_text("x.py", "x = 1\n" * 400)) == 1
    assert rule_text.check_text("x.md", "Install it with pip; see ./work/notes and $HOME/thecal.\n" * 400) == []
