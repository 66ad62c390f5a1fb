"""Motion back and the ends of the travel: what goes in comes out again, nothing is below zero, and the ends hold."""

import random
from typing import Any

import pytest

from thecal_twin import chip, faults
from thecal_twin.plant import DEFAULTS, VACUUM_PA

STROKE = 5000
PL = 1_000_000_000  # 1000 pL a step
MECHANICS = {"step_pl_per_million": PL, "reservoir_nl": 5000, "stroke_steps": STROKE}
CONFIG: dict[str, Any] = {"pins": {"home": 12}, "mechanics": MECHANICS}
HOME_AT = -DEFAULTS["home_steps"]
BEHIND = HOME_AT - DEFAULTS["overtravel_steps"]
AHEAD = HOME_AT + STROKE + DEFAULTS["overtravel_steps"]


def made(config: dict[str, Any] = CONFIG) -> chip.World:
    world = chip.make_world(config)
    world.set_pin(4, 0)
    return world


def move(world: chip.World, steps: int, rest_us: int = 0) -> dict[str, Any]:
    """`steps` (negative: back) at 1000 a second, then a rest; the truth after it."""
    world.set_pin(3, 0 if steps > 0 else 1)
    count = abs(steps)
    world.pulser.start(count, world.now + 1, world.now + 1 + (count - 1) * 1000)
    world.go(world.now + count * 1000 + 10 + rest_us)
    return world.truth()


def balance(truth: dict[str, Any]) -> int:
    """What is in the line by the books, pL: out of the syringe and not out of the line."""
    return 5_000_000 - truth["reservoir_nl"] * 1000 - truth["catheter_out_pl"] - truth["leak_out_pl"]


def test_there_and_back_by_hand() -> None:
    world = made()
    there = move(world, 300)
    assert (there["edges"], there["edges_total"], there["screw"], there["dir"]) == (300, 300, 300, 1)
    assert (there["delivered_pl"], there["reservoir_nl"]) == (300_000, 4700)
    back = move(world, -300, 60_000_000)
    assert (back["edges"], back["edges_total"], back["screw"], back["dir"]) == (0, 600, 0, -1)
    assert (back["delivered_pl"], back["reservoir_nl"]) == (0, 5000)
    assert back["catheter_out_pl"] == pytest.approx(0, abs=10)
    assert back["pressure_pa"] == pytest.approx(1000, abs=1)
    assert world.counter == 600


def test_a_retraction_lowers_the_pressure_and_draws_fluid_back_through_the_catheter() -> None:
    world = made()
    at_rest = world.truth()["pressure_pa"]
    drawn = move(world, -200)
    assert drawn["pressure_pa"] < at_rest
    settled = move(world, -1, 60_000_000)
    assert settled["catheter_out_pl"] == pytest.approx(-201_000, abs=1000)
    assert settled["reservoir_nl"] == 5201
    assert settled["pressure_pa"] == pytest.approx(at_rest, abs=1)


def test_behind_a_blocked_catheter_there_is_a_vacuum_and_no_less() -> None:
    world = chip.make_world({"mechanics": {"step_pl_per_million": 41_282_490_964, "reservoir_nl": 20_000_000}})
    world.set_pin(4, 0)
    faults.inject(world, "occlusion")
    deep = move(world, -3500, 60_000_000)
    assert deep["pressure_pa"] == VACUUM_PA
    assert world.plant.read_pressure_pa(world.now, world.now) >= VACUUM_PA - DEFAULTS["pressure_noise_pa"]
    assert deep["catheter_out_pl"] == 0
    back = move(world, 3500)  # the void fills before the pressure rises
    assert back["pressure_pa"] == 1000
    assert back["catheter_out_pl"] == 0


@pytest.mark.parametrize(("steps", "screw"), [(-10_000, BEHIND), (20_000, AHEAD)])
def test_the_ends_of_the_travel_hold_and_count_what_they_lose(steps: int, screw: int) -> None:
    world = made()
    truth = move(world, steps)
    assert truth["screw"] == screw
    assert truth["stalled_edges"] == abs(steps) - abs(screw)
    assert truth["edges"] == steps
    assert truth["reservoir_nl"] >= 0
    truth = move(world, -100 if steps > 0 else 100)
    assert truth["screw"] == screw - (100 if steps > 0 else -100)
    assert truth["stalled_edges"] == abs(steps) - abs(screw)


def test_a_stroke_nobody_knows_has_no_far_end() -> None:
    world = made({"mechanics": {**MECHANICS, "stroke_steps": 0}})
    truth = move(world, 50_000)
    assert (truth["screw"], truth["stalled_edges"], truth["reservoir_nl"]) == (50_000, 0, 0)
    assert move(world, -50_000)["reservoir_nl"] == 5000


def test_an_empty_syringe_gives_nothing_until_the_screw_is_back_where_it_ran_out() -> None:
    world = made()
    empty = move(world, 5600, 60_000_000)
    assert (empty["reservoir_nl"], empty["delivered_pl"]) == (0, 5_600_000)
    still = move(world, -600, 60_000_000)
    assert still["reservoir_nl"] == 0
    assert still["catheter_out_pl"] == empty["catheter_out_pl"]
    assert move(world, -10)["reservoir_nl"] == 10


def test_whatever_is_moved_volume_is_kept_and_nothing_is_below_zero() -> None:
    source = random.Random(11)
    for _ in range(20):
        world = made()
        faults.inject(world, "occlusion", source.choice([0, 50, 100]))
        faults.inject(world, "leak", source.choice([0, 0, 5]))
        if source.random() < 0.3:
            faults.inject(world, "lost_steps", 3)
        for _ in range(25):
            steps = source.choice([-1, 1]) * source.randrange(1, 2500)
            truth = move(world, steps, source.randrange(0, 20_000_000))
            assert BEHIND <= truth["screw"] <= AHEAD
            assert 0 <= truth["reservoir_nl"] <= 5000 - BEHIND
            assert truth["pressure_pa"] >= VACUUM_PA
            assert truth["inputs"]["home"] == (1 if truth["screw"] <= HOME_AT else 0)
            stored_pl = world.dump()["plant"]["v_fl"] // 1000 - 1_000_000
            assert abs(balance(truth) - stored_pl) <= 1000 + 50  # the reservoir is given in whole nL


def test_looking_changes_nothing_on_the_way_back_either() -> None:
    ends = []
    for look in (False, True):
        world = made()
        world.set_pin(3, 1)
        world.pulser.start(1000, 10, 999_010)
        for at in range(0, 2_000_000, 77_777):
            world.go(at)
            if look:
                world.truth()
        world.go(2_000_000)
        ends.append(world.dump()["plant"])
    assert ends[0] == ends[1]


def test_a_reservoir_that_was_moved_keeps_its_size_even_when_the_screw_is_back() -> None:
    world = made()
    move(world, 100)
    move(world, -100)
    boot = world.dump()
    again = chip.make_world({"mechanics": {**MECHANICS, "reservoir_nl": 9000}}, boot=boot)
    assert again.truth()["reservoir_nl"] == 5000
