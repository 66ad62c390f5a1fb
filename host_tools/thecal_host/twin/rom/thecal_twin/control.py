"""The host's requests to a running world: one dict in, one answer out over the control descriptor.

Invariant: served only while time stands still for the firmware (inside `Clock.wait`); a wrong request is answered with a
sentence and changes nothing. Requests: advance, speed, truth, state, dump, inject, press, cut, reset (see
thecal_host/virtual/requests.py for the host's side).
"""

import gc

from thecal_twin import clock as ck
from thecal_twin import faults, inputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal_twin.chip import World

MAX_ADVANCE_MS = 400 * 86_400_000


def serve(world: "World", message: "dict | None") -> None:
    """Answer one request; None (the line is closed) ends this process through the ports."""
    if message is None:
        world.ports.orphaned()
        return
    number = message.get("id")
    try:
        answer = _serve(world, message)
    except (ValueError, TypeError, KeyError) as e:
        answer = {"ok": 0, "error": str(e.args[0]) if e.args else "bad request"}
    if answer is not None:
        answer["re"] = number
        answer.setdefault("ok", 1)
        world.ports.send(answer)


def _serve(world: "World", message: "dict") -> "dict | None":
    what = message.get("cmd")
    if what == "advance":
        us = int(message["us"]) if "us" in message else int(message["ms"]) * 1000
        if not 0 <= us <= MAX_ADVANCE_MS * 1000:
            raise ValueError("advance takes 0 to %d ms, not %d" % (MAX_ADVANCE_MS, us // 1000))
        world.request = message.get("id")
        world.advance(us)
        return None
    if what == "speed":
        return _speed(world, int(message["value"]))
    if what == "truth":
        return {"truth": world.truth()}
    if what == "state":
        return {"state": _state(world)}
    if what == "dump":
        return {"dump": world.dump(), "truth": world.truth()}
    if what == "inject":
        return _inject(world, message)
    if what == "press":
        return _press(world, message)
    if what == "cut":
        return _cut(world, message)
    if what == "reset":
        world.reset(3)
    raise ValueError("unknown request '%s'" % what)


def _speed(world: "World", value: int) -> "dict":
    """0: paused; N: N times real time; -1: as fast as the machine allows."""
    if not -1 <= value <= 1_000_000:
        raise ValueError("speed takes 0 (paused), 1 to 1000000, or -1 (max), not %d" % value)
    if world.request is not None:  # an advance under way ends here
        now = {
            "re": world.request,
            "ok": 1,
            "stopped": 1,
            "now_ms": world.now // 1000,
            "world_ms": (world.base + world.now) // 1000,
        }
        world.ports.send(now)
        world.request = None
    world.mode = ck.PAUSED if value == 0 else ck.FREE if value < 0 else ck.SPEED
    if value > 0:
        world.speed = value
        world.clock.rebase()
    return {"now_ms": world.now // 1000}


def _state(world: "World") -> "dict":
    state = {"mode": ("paused", "speed", "advance", "max")[world.mode], "now_ms": world.now // 1000}
    state["world_ms"] = (world.base + world.now) // 1000
    state["watchdog_ms"] = world.wd_ms
    heap: "Any" = gc
    if hasattr(heap, "mem_alloc"):  # CPython has no heap of a fixed size
        heap.collect()
        state["heap_used"] = heap.mem_alloc()
        state["heap_free"] = heap.mem_free()
        state["plant_heap"] = world.ports.plant_heap
    return state


def _when(world: "World", message: "dict") -> "int | None":
    """World time in us from `at_ms` (absolute) or `after_ms` (from now); None: now."""
    if message.get("at_ms") is not None:
        at = int(message["at_ms"]) * 1000
    elif message.get("after_ms") is not None:
        at = world.base + world.now + int(message["after_ms"]) * 1000
    else:
        return None
    if at < world.base + world.now:
        raise ValueError("that moment (%d ms) has passed; it is %d ms" % (at // 1000, (world.base + world.now) // 1000))
    return at


def _inject(world: "World", message: "dict") -> "dict":
    name = message["fault"]
    value = message.get("value")
    faults.check(name, value)
    at = _when(world, message)
    if at is None:
        faults.inject(world, name, value)
    else:
        world.plan(at, name, value)
    return {"faults": world.broken()}


def _press(world: "World", message: "dict") -> "dict":
    name = message["input"]
    value = inputs.check(name, message.get("value"), world.inputs.fitted)
    at = _when(world, message)
    if at is None:
        world.inputs.press(name, value)
    else:
        world.plan(at, name, value)
    return {"inputs": world.inputs.truth()}


def _cut(world: "World", message: "dict") -> "dict":
    operation = message.get("flash_op")
    if operation is not None:
        if world.flash is None:
            raise ValueError("this world has no flash to cut")
        world.flash.plan_cut(int(operation), message.get("phase", "torn"), int(message.get("part", 500)))
        return {"armed": 1}
    at = _when(world, message)
    if at is None:
        world.power_cut()
    else:
        world.cut_us = at - world.base
        world.schedule()
    return {"armed": 1}
