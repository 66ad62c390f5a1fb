"""Every act of a host, a patient and a power supply in any order: no fault, no service dies, nothing moves that the durable
intent did not cover, and nothing at all while the emergency stop is pressed.
"""

import random

import pytest
from harness import MONDAY_MS, Bench, flex_program, program

from thecal.core import states
from thecal_twin import chip

HOUR = 3_600_000
PLAIN = ("resume", "stop", "start", "minimum", "normal", "patient", "ack")
ACTS = (*PLAIN, "hold", "temp", "clock", "bolus", "press", "estop", "release", "move", "move", "start again", "direction")
POWER = ("power", "pin", "activate", "wait", "wait")


def act(b: Bench, r: random.Random, what: str) -> None:
    if what in PLAIN:
        b.command(what)
    elif what == "hold":
        b.command("hold", ms=r.choice([0, r.randrange(HOUR)]))
    elif what == "temp":
        b.command("temp", nlday=r.choice([0, 1_000, 500_000, 1_000_000]), ms=r.randrange(60_000, 5 * HOUR))
    elif what == "clock":
        b.command("clock", u=MONDAY_MS + r.randrange(10 * 24 * HOUR))
    elif what == "bolus":
        b.command("bolus", nl=r.randrange(1, 60_000), ms=r.randrange(1, 900_000))
    elif what == "press":
        b.press(r.randrange(1, 3_000))
    elif what in ("estop", "release"):
        b.estop(what == "estop")
    elif what == "move":
        if r.random() < 0.6:
            b.command("stop")
            b.advance(3_000)
        wish = {"k": r.randrange(1, 5), "n": r.randrange(1, 3_000), "ms": r.randrange(1, 20_000)}
        b.command("move", rev=r.randrange(2), det=r.randrange(2), **wish)
    elif what == "start again":
        b.command("stop")
        b.advance(r.randrange(900))
        b.command("start")
    elif what == "direction":
        b.command("direction", ok=r.choice([0, 1, 1, 1]))
    elif what in ("power", "pin"):
        b.power_off()
        b.boot(chip.CAUSE_POWER if what == "power" else chip.CAUSE_PIN)
    elif what == "activate":
        name = str(r.randrange(1000))
        b.activate(flex_program(name=name) if r.random() < 0.5 else program(name=name))
    b.advance(r.choice([0, 1, 50, 700, 5_000, 60_000, 600_000, 2 * HOUR if r.random() < 0.2 else 1_000]))


@pytest.mark.sr("SR-05")
@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_order(seed: int) -> None:
    r = random.Random(seed)
    b = Bench().running(flex_program(raise_window_ms=6 * HOUR, raise_per_mille=300))
    done: list[str] = []
    for _ in range(60):
        done.append(r.choice(ACTS + POWER))
        act(b, r, done[-1])
        ledger = b.pump.ledger
        total = b.world.truth()["edges_total"]
        assert (b.pump.fault, b.pump.last_error) == (0, None), done
        assert ledger.settled - ledger.uncertain <= total <= ledger.intent, done
        if not states.may_move(b.pump.state) and not b.pump.motor.busy():
            assert not b.world.en, done
        if b.world.inputs.read() & 2:
            assert not b.world.en and not b.pump.motor.busy(), done
        status = b.status()
        assert status["min"] <= status["max"] + 42, done  # one step: the lease in flight is rounded down
