"""Power fails at each flash operation of a temporary rate, a patient's bolus, the end of a timed hold and a set-up motion.

After every one: the board boots without a fault, the truth lies in the ledger's interval, the same id asked again runs once at
most, and what was answered is so.
"""

from collections.abc import Callable
from typing import Any

import pytest
from harness import Bench, program

from thecal.core import basal, states
from thecal.core import messages as m
from thecal_host.virtual.image import Image
from thecal_twin import chip

HOUR = 3_600_000
OPERATIONS = {"temp": 9, "patient": 12, "button": 12, "hold": 9, "move": 19}  # of the flash, counted; a test watches them
PHASES = ("torn", "after")  # "before" one is "after" the one before it
FIELDS: dict[str, Any] = {
    "max_temp_ms": 12 * HOUR,
    "patient_bolus_nl": 40_000,
    "patient_bolus_ms": 600_000,
    "max_bolus_nl": 40_000,
}


@pytest.fixture(scope="module")
def snapshots() -> dict[str, Any]:
    """A board that has run for an hour, one that is held, one that is off: each made once, copied for every cut."""
    made: dict[str, Any] = {}
    for name in ("running", "held", "off"):
        b = Bench().running(program(**FIELDS))
        b.advance(HOUR)
        if name == "held":
            b.command("hold", ms=HOUR)
            b.advance(HOUR // 2)
        elif name == "off":
            b.command("stop")
            b.advance(10_000)
        b.log()
        b.power_off()
        made[name] = (b.image.snapshot(), b.state)
    return made


def again(snapshots: dict[str, Any], name: str) -> Bench:
    data, state = snapshots[name]
    b = Bench(image=Image(data, flash_state=None), born=False)
    b.state = dict(state)
    b.boot()
    return b


def cut(b: Bench, operation: int, phase: str, act: Callable[[], Any]) -> Any:
    """`act` with power gone at that flash operation; its result where it came so far, None where not. The board is up again."""
    b.image.flash.plan_cut(operation, phase)
    answered = None
    try:
        answered = act()
        b.image.flash.plan_cut(0, "before")
    except chip.PowerCut:
        pass
    b.restart()
    assert b.pump.fault == 0
    ledger = b.pump.ledger
    total = b.world.truth()["edges_total"]
    assert ledger.min_steps <= total <= ledger.intent
    return answered


def act_of(b: Bench, name: str) -> Callable[[], Any]:
    """One of the five acts, ready to be done; it returns something when it came to its end."""
    if name == "hold":
        b.advance(b.status()["hold"] - 1_000)
        return lambda: b.advance(3_000) or True
    if name == "button":
        return lambda: b.press() or True
    i = b.next_id()
    if name == "move":
        wish = {"k": m.JOG, "n": 300, "ms": 3_000, "rev": 1, "det": 1}
        return lambda: (b.command("move", i=i, **wish), b.advance(6_000))
    return lambda: b.command(name, i=i, **({"nlday": 100_000, "ms": HOUR} if name == "temp" else {}))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_flash_operation_of_an_act_is_cut_below(snapshots: dict[str, Any], name: str) -> None:
    start = {"hold": "held", "move": "off"}.get(name, "running")
    b = again(snapshots, start)
    assert cut(b, OPERATIONS[name], "after", act_of(b, name)) is None
    b = again(snapshots, start)
    assert cut(b, OPERATIONS[name] + 1, "before", act_of(b, name)) is not None


@pytest.mark.sr("SR-05")
@pytest.mark.parametrize("operation", range(1, OPERATIONS["temp"] + 1))
@pytest.mark.parametrize("phase", PHASES)
def test_a_temporary_rate(snapshots: dict[str, Any], operation: int, phase: str) -> None:
    b = again(snapshots, "running")
    i = b.next_id()
    answered = cut(b, operation, phase, lambda: b.command("temp", i=i, nlday=100_000, ms=2 * HOUR))
    status = b.status()
    if answered is not None:
        assert status["ovl"] == basal.CAPPED
    assert (status["ovl"], status["rate"]) in ((basal.CAPPED, 100_000), (basal.NONE, 480_000))
    repeated = b.command("temp", i=i, nlday=100_000, ms=2 * HOUR)
    assert repeated["r"] == 0
    assert repeated["a"] == (1 if status["ovl"] == basal.CAPPED else 0)
    assert b.status()["rate"] == 100_000
    b.advance(3 * HOUR)
    assert b.status()["rate"] == 480_000


@pytest.mark.sr("SR-03")
@pytest.mark.parametrize("operation", range(1, OPERATIONS["patient"] + 1))
@pytest.mark.parametrize("phase", PHASES)
def test_a_patient_s_bolus(snapshots: dict[str, Any], operation: int, phase: str) -> None:
    b = again(snapshots, "running")
    i = b.next_id()
    answered = cut(b, operation, phase, lambda: b.command("patient", i=i))
    repeated = b.command("patient", i=i)
    assert repeated["r"] == 0
    if answered is not None:
        assert repeated["a"] == 1
    assert b.pump.ledger.windows.boluses_24h() == 1
    assert b.command("patient")["k"] in (m.LOCKOUT, m.BOLUS_RUNNING)
    edges = b.edges()
    b.advance(HOUR)
    bolus = 0 if repeated["a"] else 40_000 / 41.2825  # dropped with the power, or granted only now
    assert abs(b.edges() - edges - 484.5 - bolus) <= 3


@pytest.mark.sr("SR-03")
@pytest.mark.parametrize("operation", range(1, OPERATIONS["button"] + 1))
@pytest.mark.parametrize("phase", PHASES)
def test_a_bolus_by_the_button(snapshots: dict[str, Any], operation: int, phase: str) -> None:
    b = again(snapshots, "running")
    cut(b, operation, phase, lambda: b.press())
    granted = b.pump.ledger.windows.boluses_24h()
    assert granted in (0, 1)
    b.advance(60_000)
    assert b.pump.ledger.windows.boluses_24h() == granted  # the button was let go meanwhile, or its press has had its answer
    b.advance(60_000)
    b.press()
    assert b.pump.ledger.windows.boluses_24h() == 1


@pytest.mark.sr("SR-05")
@pytest.mark.parametrize("operation", range(1, OPERATIONS["hold"] + 1))
@pytest.mark.parametrize("phase", PHASES)
def test_the_end_of_a_timed_hold(snapshots: dict[str, Any], operation: int, phase: str) -> None:
    """The end comes once: before, the board is held and says when; after, it infuses. It is never lost."""
    b = again(snapshots, "held")
    left = b.status()["hold"]
    assert b.pump.state == states.HELD and left > 0
    b.advance(left - 1_000)
    edges = b.edges()
    cut(b, operation, phase, lambda: b.advance(3_000))
    assert b.edges() - edges <= 2
    if b.pump.state == states.HELD:
        assert 0 < b.status()["hold"] <= HOUR
        b.advance(b.status()["hold"] + 1)
    assert (b.pump.state, b.status()["hold"]) == (states.INFUSING, 0)
    edges = b.edges()
    b.advance(HOUR)
    assert abs(b.edges() - edges - 484) <= 2


@pytest.mark.sr("SR-05")
@pytest.mark.parametrize(("rev", "det"), [(0, 0), (1, 1)])
@pytest.mark.parametrize("operation", range(1, OPERATIONS["move"] + 1))
@pytest.mark.parametrize("phase", ["after"])
def test_a_set_up_motion(snapshots: dict[str, Any], operation: int, phase: str, rev: int, det: int) -> None:
    """From its command to its last write, at 100 steps/s."""
    b = again(snapshots, "off")
    before, i = b.edges(), b.next_id()
    wish = {"k": m.JOG, "n": 300, "ms": 3_000, "rev": rev, "det": det}

    def act() -> dict[str, Any]:
        answer = b.command("move", i=i, **wish)
        b.advance(6_000)
        return answer

    answered = cut(b, operation, phase, act)
    assert b.pump.state == states.OFF
    assert b.pump.ledger.motion == 0
    moved = abs(b.edges() - before)
    assert moved <= 300
    b.advance(10_000)
    assert abs(b.edges() - before) == moved  # it does not go on by itself
    repeated = b.command("move", i=i, **wish)
    assert repeated["r"] == 0
    if answered is not None or moved:
        assert repeated["a"] == 1
    b.advance(10_000)
    assert abs(b.edges() - before) == (moved if repeated["a"] else 300)
    assert b.pump.ledger.min_steps <= b.edges() + 300 <= b.pump.ledger.intent + 300
    assert b.pump.fault == 0
