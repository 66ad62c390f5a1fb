"""What can be broken: the table of injectable faults and the code that breaks it.

Invariant: a fault is a name and an int, so it can be dumped, restored over a reset, and scheduled for a later moment.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal_twin.chip import World

FAULTS = {
    # name: (lowest, highest, what `True` or no value means)
    "occlusion": (0, 100, 100),  # percent of the catheter blocked
    "leak": (0, 5000, 5),  # nL/s for each kPa in the line: 5 is a pinhole (18 uL/h at rest), 5000 a torn line
    "double_steps": (0, 1, 1),  # the driver sees every STEP edge twice
    "lost_steps": (0, 1_000_000, 2),  # every n-th edge does not move the screw
    "en_stuck_on": (0, 1, 1),  # EN reads and acts as enabled whatever the chip says
    "counter_stuck": (0, 1, 1),  # step_sense is cut off
    "battery_mv": (0, 10_000, 3000),  # the battery rests at this voltage
    "dir_swapped": (0, 1, 1),  # a motor coil is the wrong way round: the screw turns against DIR
    "home_open": (0, 1, 1),  # the home switch never closes
    "hang": (0, 1000, 1),  # the CPU never comes back to the loop, for this many boots; hardware runs on
}


def check(name: str, value: "int | None") -> int:
    """The value `inject` would use. Raises ValueError with a sentence."""
    if name == "clear":
        return 0
    if name not in FAULTS:
        raise ValueError("unknown fault '%s'; known: %s, clear" % (name, ", ".join(sorted(FAULTS))))
    low, high, default = FAULTS[name]
    value = default if value is None else int(value)
    if not low <= value <= high:
        raise ValueError("fault '%s' takes %d to %d, not %d" % (name, low, high, value))
    return value


def inject(world: "World", name: str, value: "int | None" = None) -> None:
    """Break `name` (0 repairs it), or "clear": repair everything. Raises ValueError with a sentence."""
    value = check(name, value)
    if name == "clear":
        for known in FAULTS:
            if world.faults.get(known):
                inject(world, known, 0)
        return
    world.settle_now()  # what happened so far happened to the unbroken plant
    world.faults[name] = value
    apply(world, name, value)


def apply(world: "World", name: str, value: int) -> None:
    """Make the world behave as `faults[name]` says (also after a restore)."""
    plant = world.plant
    if name == "occlusion":
        plant.occlusion = value
    elif name == "leak":
        plant.leak = value
    elif name == "lost_steps":
        plant.lost_every = value
        plant.lost_acc = 0
    elif name == "battery_mv":
        plant.battery_mv = value
    elif name == "double_steps":
        world.double = bool(value)
    elif name == "dir_swapped":
        world.swapped = bool(value)
    elif name == "home_open":
        world.home_open = bool(value)
    elif name == "counter_stuck":
        world.counter_stuck = bool(value)
    elif name == "hang":
        world.hang = bool(value)
    elif name == "en_stuck_on":
        world.en_stuck = bool(value)
        world.update_en()
    world.watch_home()
