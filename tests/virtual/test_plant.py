"""The plant's arithmetic against independent oracles: floating point for the physics, brute force for the edges."""

import math
import random

import pytest

from thecal_host.virtual import rom
from thecal_twin import chip, faults
from thecal_twin.hydraulics import ONE, decay, relax
from thecal_twin.plant import DEFAULTS, Plant
from thecal_twin.pulser import Pulser
from thecal_twin.rng import noise


def test_decay_is_the_exponential() -> None:
    for dt_us in (0, 1, 1000, 50_000, 410_000, 1_000_000, 3_570_000, 6_900_000, 10**12):
        assert decay(2439, 1000, dt_us) / ONE == pytest.approx(math.exp(-2.439e-6 * dt_us), abs=1e-5)


def test_relax_conserves_volume_and_finds_the_steady_state() -> None:
    rnd = random.Random(5)
    for _ in range(500):
        v, inflow, dt = rnd.randrange(10**10), rnd.randrange(10**9), rnd.randrange(1, 10**8)
        catheter, leak = rnd.choice((0, 24, 2439)), rnd.choice((0, 5000))
        after, out, lost = relax(v, dt, inflow, 1000, catheter, leak, 1000)
        assert after + out + lost == v + inflow
    # 1 mL/day through 4.1e11 Pa s/m3 is 4.75 Pa above the static pressure
    after, out, _ = relax(0, 3600 * 10**6, 1_000_000 * 10**6 // 24, 1000, 2439, 0, 1000)
    assert after // 1_000_000 == pytest.approx(1004.75, abs=1)


def test_relax_in_pieces_is_relax_at_once() -> None:
    whole = relax(5 * 10**9, 800_000, 8 * 10**7, 1000, 2439, 0, 1000)[0]
    v = 5 * 10**9
    for _ in range(80):
        v = relax(v, 10_000, 10**6, 1000, 2439, 0, 1000)[0]
    assert v == pytest.approx(whole, rel=1e-4)


def test_occlusion_builds_pressure_and_a_leak_loses_it() -> None:
    world = chip.make_world({})
    world.set_pin(4, 0)
    faults.inject(world, "occlusion")
    world.pulser.start(1000, 1_000_000, 5_000_000)
    world.go(6_000_000)
    truth = world.truth()
    assert truth["catheter_out_pl"] == 0
    assert truth["pressure_pa"] == 1000 + truth["delivered_pl"] // 1000  # 1 Pa for each 1000 pL held back
    faults.inject(world, "leak", 5000)
    world.go(10_000_000)
    truth = world.truth()
    assert truth["pressure_pa"] < 5
    assert truth["leak_out_pl"] + truth["catheter_out_pl"] == pytest.approx(truth["delivered_pl"] + 1_000_000, abs=5000)


def test_delivered_volume_is_exact_and_lost_steps_do_not_deliver() -> None:
    plant = Plant(DEFAULTS, 41_282_490_964, 20_000_000, 1)
    for _ in range(10):
        plant.step(100_003)
    assert plant.delivered_pl() == 1_000_030 * 41_282_490_964 // 1_000_000
    plant.lost_every = 4
    plant.step(1000)
    assert (plant.edges, plant.screw, plant.lost) == (1_001_030, 1_000_780, 250)


def test_an_empty_reservoir_gives_no_more() -> None:
    world = chip.make_world({"mechanics": {"step_pl_per_million": 10**9, "reservoir_nl": 5000}})
    world.set_pin(4, 0)
    world.pulser.start(10_000, 0, 10_000_000)
    world.go(60_000_000)
    truth = world.truth()
    assert truth["reservoir_nl"] == 0
    assert truth["delivered_nl"] == 10_000  # what the screw did
    assert truth["catheter_out_pl"] == pytest.approx(5_000_000, abs=2000)


def test_battery_falls_with_time_and_motion_and_sags_under_load() -> None:
    world = chip.make_world({})
    full = world.plant.rest_battery_mv(0)
    day = world.plant.rest_battery_mv(86_400 * 10**6)
    assert full == 4150
    assert day < full
    world.plant.step(10_000_000)
    assert world.plant.rest_battery_mv(86_400 * 10**6) < day
    world.set_pin(4, 0)
    noise_mv = DEFAULTS["battery_noise_mv"]
    assert world.plant.read_battery_mv(0, True) <= world.plant.read_battery_mv(0, False) - 60 + 2 * noise_mv
    faults.inject(world, "battery_mv", 3200)
    assert world.plant.rest_battery_mv(0) == 3200
    assert world.plant.rest_battery_mv(10**18) == 3200
    faults.inject(world, "battery_mv", 0)
    assert world.plant.rest_battery_mv(10**18) == DEFAULTS["battery_empty_mv"]


def test_noise_is_bounded_centred_and_a_pure_function() -> None:
    values = [noise(1, 2, t, 15) for t in range(4000)]
    assert min(values) >= -15
    assert max(values) <= 15
    assert len(set(values)) > 20
    assert abs(sum(values)) < 4000
    assert values == [noise(1, 2, t, 15) for t in range(4000)]
    assert values != [noise(2, 2, t, 15) for t in range(4000)]
    assert noise(1, 2, 3, 0) == 0


class _Ear:
    """Stands for the world of a pulser; notes when each edge came."""

    def __init__(self) -> None:
        self.now = 0
        self.turned = -1
        self.edges: list[int] = []
        self.ended: tuple[int, int] | None = None

    def check_alive(self) -> None:
        assert self.now >= 0

    def watch_home(self) -> None:
        assert self.ended is None, "a new batch before the end of the last"

    def emit(self, count: int) -> None:
        self.edges += [self.now] * count

    def end_of_batch(self, first: int, last: int) -> None:
        self.ended = (first, last)


def test_every_edge_comes_at_its_own_microsecond() -> None:
    rnd = random.Random(3)
    for _ in range(200):
        ear = _Ear()
        pulser = Pulser(ear)  # type: ignore[arg-type]
        count, first = rnd.randrange(1, 40), rnd.randrange(1, 50)
        last = first + (rnd.randrange(0, 200) if count > 1 else 0)
        pulser.start(count, first, last)
        for now in range(last + 2):
            ear.now = now
            pulser.play(now) if pulser.busy() else None
        assert ear.edges == [first + (last - first) * i // max(count - 1, 1) for i in range(count)]
        assert ear.ended == (first, last)
        assert not pulser.busy()


def test_a_pulser_refuses_what_hardware_cannot_do_and_stops_at_once() -> None:
    world = chip.make_world({})
    world.pulser.start(100, 1_000_000, 2_000_000)
    with pytest.raises(RuntimeError):
        world.pulser.start(1, 5, 5)
    world.go(1_500_000)
    counted = world.counter
    world.pulser.abort()
    world.go(9_000_000)
    assert world.counter == counted
    for bad in ((0, 1, 2), (2, 5, 4)):
        with pytest.raises(ValueError, match="batch"):
            world.pulser.start(*bad)
    world.pulser.start(2, 0, 1_000_000)  # late: all of it moves to now
    assert world.counter == counted + 1
    world.go(9_999_999)
    assert world.counter == counted + 1
    world.go(10_000_000 - 1_000_000 + 1_000_000)
    assert world.counter == counted + 2


def test_a_batch_that_waits_for_its_time_does_not_age_the_line() -> None:
    worlds = []
    for faulty in (False, True):
        world = chip.make_world({})
        world.set_pin(4, 0)
        world.pulser.start(500, 0, 499_000)
        world.go(500_000)
        world.pulser.start(10, 3_000_000, 3_900_000)
        if faulty:  # each settles the line, and none of them takes time
            for _ in range(50):
                faults.inject(world, "double_steps", 0)
        world.go(2_000_000)
        worlds.append(world.truth())
    assert worlds[0]["catheter_out_pl"] == pytest.approx(worlds[1]["catheter_out_pl"], abs=2)  # one more interval, rounded
    assert worlds[0]["pressure_pa"] == worlds[1]["pressure_pa"] > 1000


def test_the_data_file_is_what_the_plant_uses_by_default_and_every_figure_has_a_source() -> None:
    assert rom.plant_params() == DEFAULTS


def test_a_figure_without_a_source_is_refused(tmp_path) -> None:
    for text in ("[back_pa]\nvalue = 1000\n", '[back_pa]\nvalue = 1.5\nsource = "x"\n'):
        path = tmp_path / "plant.toml"
        path.write_text(text)
        with pytest.raises(ValueError, match="back_pa"):
            rom.plant_params(path)
