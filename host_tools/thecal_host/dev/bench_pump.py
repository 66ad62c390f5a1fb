"""Figures of the firmware in this process (tests/harness.py): volume error, hang, activation, power cuts, flash life."""

import random
from fractions import Fraction

from harness import Bench, program

from thecal.core.accumulator import Accumulator
from thecal_host import boards, paths, plan, prescriptions
from thecal_twin import chip

HOUR_MS = 3_600_000
STEP_PL = 41_282_490_964


def volume_error() -> tuple[str, bool]:
    """Largest |steps x step volume - integral of the rate| over 300 random histories of rates, boluses, cancels and holds."""
    source = random.Random(20260101)
    worst = Fraction(0)
    instants = 0
    for _ in range(300):
        step = source.choice([100_000_000, STEP_PL, 1_000_000_000_000, source.randrange(10**8, 10**12)])
        acc = Accumulator(step)
        volume = Fraction(0)
        rate = 0
        bolus: list[int] = []
        steps = 0
        for _ in range(60):
            act = source.randrange(5)
            if act == 0:
                rate = source.randrange(1000, 200_000_001)
                acc.set_rate(rate)
            elif act == 1 and not bolus:
                bolus = [source.randrange(1, 2_000_000), source.randrange(1, 7_200_000), 0]
                acc.start_bolus(bolus[0], bolus[1])
            elif act == 2 and bolus:
                acc.cancel_bolus()
                bolus = []
            else:
                dt = source.choice([1, 7, 1000, source.randrange(1, 600_000)])
                steps += acc.advance(dt)
                volume += Fraction(rate * dt, 86_400_000)
                if bolus:
                    part = min(dt, bolus[1] - bolus[2])
                    volume += Fraction(bolus[0] * part, bolus[1])
                    bolus[2] += part
                    if bolus[2] == bolus[1]:
                        bolus = []
                worst = max(worst, abs(steps - volume * 1_000_000_000 / step))
                instants += 1
    return f"{float(worst):.6f} microsteps at worst of {instants} instants", worst < 1


def steps_after_hang() -> tuple[str, bool]:
    """The loop never runs again in the middle of a bolus; edges until the watchdog resets, against the lease in flight."""
    bench = Bench().running()
    bench.command("bolus", nl=80_000, ms=60_000)
    bench.advance(5_000)
    edges = bench.edges()
    lease = bench.pump.motor.position - bench.pump.motor.lease_first
    try:
        bench.world.go(bench.world.now + 60_000_000)
        return "the watchdog did not bite", False
    except chip.ChipReset:
        after = bench.edges() - edges
        return f"{after} steps (lease of {lease})", after <= lease


def steps_missed_by_activation() -> tuple[str, bool]:
    """Change the rate from 480 to 700 uL/day while running; edges against the exact integral of both rates."""
    bench = Bench().running()
    bench.advance(HOUR_MS)
    if bench.activate(program(rate_nl_per_day=700_000))["r"]:
        return "the new program was refused", False
    bench.advance(HOUR_MS)
    exact = Fraction((480_000 + 700_000) * HOUR_MS, 86_400_000) * 1_000_000_000 / STEP_PL
    missed = max(0, int(exact) - bench.edges())
    return f"{missed} of {bench.edges()}", missed == 0


def power_cuts() -> tuple[str, bool]:
    """60 power cuts at random moments of a run with boluses: the ledger's interval against the plant's edges."""
    source = random.Random(7)
    bench = Bench().running()
    chunk = bench.pump.delivery._chunk_steps
    before = worst = 0
    least = chunk
    for _ in range(60):
        bench.command("bolus", nl=40_000, ms=600_000)
        bench.advance(source.randrange(1, 3 * HOUR_MS))
        bench.restart()
        over = bench.pump.ledger.max_steps - bench.edges()
        if bench.pump.ledger.min_steps > bench.edges():
            return "the truth is below the interval", False
        worst = max(worst, over - before)
        least = min(least, over - before)
        before = over
    return f"{worst} of a chunk of {chunk} steps / {max(0, -least)}", worst <= chunk and least >= 0


def flash_life() -> tuple[str, bool]:
    """The model of thecal_host/flash_life.py (its factors were measured on the virtual board) for every shipped example."""
    figures: list[str] = []
    met = True
    board = boards.load("virtual")
    for path in sorted(paths.examples_dir().glob("*.toml")):
        life = plan.make_plan(prescriptions.load(path, board.part).fields, board.config["limits"]).flash
        met = met and life.long_enough
        figures.append(f"{path.stem}: {life.years_text}")
    return "; ".join(figures), met
