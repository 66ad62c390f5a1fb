"""Motions there and back with switches and faults, as numbers on standard output: run on both interpreters, compared by lines.

Common subset of CPython and MicroPython; a pseudo-random walk from a fixed seed, so that every run is the same walk.
"""

from thecal_twin import chip, faults

CONFIG = {
    "pins": {"en": 4, "dir": 3, "button": 10, "estop": 11, "home": 12},
    "mechanics": {"step_pl_per_million": 41_282_490_964, "reservoir_nl": 200_000, "stroke_steps": 6000},
}
SHOWN = ("edges_total", "screw", "stalled_edges", "lost_edges", "delivered_pl", "catheter_out_pl", "leak_out_pl", "reservoir_nl")
BREAK = (
    ("occlusion", 100),
    ("leak", 5),
    ("lost_steps", 3),
    ("double_steps", 1),
    ("home_open", 1),
    ("dir_swapped", 1),
    ("clear", 0),
)

seed = 12345
boot = {"ticks0": (1 << 30) - 5_000_000}
for part in range(6):
    world = chip.make_world(CONFIG, boot=boot)
    world.set_pin(4, 0)
    for turn in range(30):
        seed = (seed * 1103515245 + 12345) % (1 << 31)
        world.set_pin(3, seed >> 20 & 1)
        count = 1 + (seed >> 8) % 1500
        world.pulser.start(count, world.now + 5, world.now + 5 + (count - 1) * 900)
        world.plan(world.base + world.now + seed % 1_000_000, "button", 1 + seed % 700)
        if turn % 5 == part % 5:
            faults.inject(world, *BREAK[(turn + part) % len(BREAK)])
        if turn % 7 == 3:
            world.inputs.press("estop", seed >> 9 & 1)
        end_us = world.now + 1_400_000 + seed % 3_000_000
        while world.now < end_us:
            world.clock.wait(end_us // 1000 + 1)
            print(world.now, world.ticks_us(), world.inputs.read(), world.inputs.changed())
        truth = world.truth()
        print(
            [truth[name] for name in SHOWN], truth["pressure_pa"], truth["dir"], [truth["inputs"][k] for k in ("button", "home")]
        )
    boot = world.dump()
    boot["cause"] = chip.CAUSE_COMMANDED
