"""The virtual chip: order of events, EN and counter, watchdog, resets, power, and that looking changes nothing."""

import json

import pytest

from thecal.drivers.virtual import VirtualBoard
from thecal_twin import chip, clock, faults

CONFIG = {"pins": {"en": 4, "en_active_low": True}, "sensors": {"battery": True, "pressure": True}}


def test_en_is_off_without_a_driver_and_follows_the_pin() -> None:
    world = chip.make_world(CONFIG)
    assert not world.en
    world.set_pin(4, 0)
    assert world.en
    board = VirtualBoard(CONFIG)
    board.enable.set(False)
    assert not board.en_sense.read()
    board.enable.set(True)
    board.enable.cut()
    board.enable.set(True)
    assert not board.en_sense.read()


def test_active_high_boards_are_the_other_way_round() -> None:
    world = chip.make_world({"pins": {"en": 7, "en_active_low": False}})
    world.set_pin(7, 1)
    assert world.en
    world.set_pin(7, 0)
    assert not world.en


def test_the_counter_sees_edges_that_the_motor_does_not() -> None:
    world = chip.make_world(CONFIG)
    world.pulser.start(10, 0, 900_000)
    world.go(1_000_000)
    assert (world.counter, world.truth()["edges"]) == (10, 0)
    world.set_pin(4, 0)
    world.pulser.start(10, 1_000_000, 1_900_000)
    world.go(1_450_000)
    world.set_pin(4, 1)
    world.go(3_000_000)
    assert (world.counter, world.truth()["edges"]) == (20, 5)


def test_faults_of_the_pins() -> None:
    world = chip.make_world(CONFIG)
    faults.inject(world, "en_stuck_on")
    board = VirtualBoard(CONFIG)
    board.enable.set(False)
    assert board.en_sense.read()
    faults.inject(world, "double_steps")
    world.pulser.start(5, 0, 0)
    assert world.truth()["edges"] == board.counter.read() == 10
    faults.inject(world, "counter_stuck")
    world.pulser.start(5, 0, 0)
    assert world.truth()["edges"] == 20
    assert board.counter.read() == 10
    faults.inject(world, "clear")
    assert world.broken() == {}
    assert not board.en_sense.read()


@pytest.mark.parametrize(("name", "value"), [("nonsense", 1), ("double_steps", 2), ("occlusion", -1), ("lost_steps", 10**9)])
def test_a_wrong_fault_is_refused_with_its_limits(name: str, value: int) -> None:
    world = chip.make_world(CONFIG)
    with pytest.raises(ValueError, match=name):
        faults.inject(world, name, value)
    assert world.broken() == {}


def test_the_watchdog_fires_exactly_when_due_and_the_lease_ends_with_it() -> None:
    world = chip.make_world(CONFIG)
    world.set_pin(4, 0)
    world.arm_watchdog(8000)
    world.go(5_000_000)
    world.feed_watchdog()
    world.pulser.start(100, 12_000_000, 21_900_000)
    with pytest.raises(chip.ChipReset) as reset:
        world.clock.wait(60_000)
    assert reset.value.args == (chip.CAUSE_WATCHDOG,)
    assert world.now == 13_000_000
    assert world.truth()["edges"] == 11
    with pytest.raises(chip.Halt):
        world.pulser.start(1, 0, 0)


def test_a_hang_ends_with_the_watchdog_and_only_one_boot_of_it() -> None:
    world = chip.make_world(CONFIG)
    world.arm_watchdog(8000)
    world.plan(3_000_000, "hang", None)
    world.clock.wait(1000)
    world.feed_watchdog()
    world.clock.wait(4000)
    with pytest.raises(chip.ChipReset):
        world.clock.wait(5000)
    assert world.now == 9_000_000
    assert world.dump()["faults"] == {}


def test_a_planned_cut_comes_at_its_microsecond_and_the_world_goes_on() -> None:
    world = chip.make_world(CONFIG)
    world.set_pin(4, 0)
    world.cut_us = 1_234_567
    world.schedule()
    world.pulser.start(1000, 0, 2_000_000)
    with pytest.raises(chip.PowerCut):
        world.clock.wait(5000)
    assert world.now == 1_234_567
    boot = json.loads(json.dumps(world.dump()))
    boot["world_us"] += 3600 * 10**6
    again = chip.make_world(CONFIG, boot=boot)
    assert (again.now, again.cause) == (0, chip.CAUSE_POWER)
    assert again.truth()["edges"] == world.truth()["edges"] == 1_234_567 // 2002 + 1
    assert again.truth()["world_ms"] == 3_601_234
    assert again.truth()["battery_mv"] == world.truth()["battery_mv"]  # nothing draws current without power
    assert not again.en
    assert chip.make_world(CONFIG, boot={**boot, "cause": chip.CAUSE_COMMANDED, "soft": 1}).en  # pads keep their level


def test_scratch_survives_a_reset() -> None:
    world = chip.make_world(CONFIG)
    board = VirtualBoard(CONFIG)
    board.chip.set_flag(7)
    with pytest.raises(chip.ChipReset):
        board.chip.reset()
    world = chip.make_world(CONFIG, boot={**world.dump(), "cause": chip.CAUSE_COMMANDED})
    board = VirtualBoard(CONFIG)
    assert board.chip.reset_cause() == 2
    assert board.chip.flag() == 7
    assert board.chip.flag() == 0


def test_unique_ids_differ_by_seed_and_are_eight_bytes() -> None:
    ids = {chip.make_world(CONFIG, seed=s).unique_id() for s in range(50)}
    assert len(ids) == 50
    assert {len(i) for i in ids} == {8}


def _run(targets_us: list[int], look: bool) -> tuple[list[int], dict]:
    """The same motion, with time cut into other pieces, and with or without somebody looking."""
    world = chip.make_world(CONFIG, seed=9)
    board = VirtualBoard(CONFIG)
    board.enable.set(True)
    seen = []
    for k in range(1, 40):
        board.pulser.start(7, k * 1_000_000, k * 1_000_000 + 700_000)
        for target in [t for t in targets_us if (k - 1) * 1_000_000 < t <= k * 1_000_000]:
            world.go(target)
            if look:
                world.truth()
                board.pressure_pa.read()
        world.go(k * 1_000_000 + 900_000)
        seen.append(board.pressure_pa.read())
        seen.append(board.battery_mv.read())
    return seen, world.dump()["plant"]


def test_neither_looking_nor_the_pieces_of_time_change_the_world() -> None:
    plain = _run([], False)
    assert _run(list(range(0, 40_000_000, 123_457)), True) == plain


def test_sensors_not_fitted_read_none() -> None:
    chip.make_world(CONFIG)
    board = VirtualBoard(CONFIG)
    assert board.temperature_mc.read() is None
    assert board.pressure_pa.read() is not None


def test_in_process_serial_wakes_wait_and_free_time_jumps() -> None:
    world = chip.make_world(CONFIG)
    world.clock.wait(5000)
    assert world.clock.now_ms() == 5000
    world.serial.feed(b"\x00\x03\xff")
    world.clock.wait(9000)
    assert world.clock.now_ms() == 5000
    assert world.serial.read() == b"\x00\x03\xff"
    world.serial.write(b"ok")
    assert world.serial.taken() == b"ok"
    assert world.serial.taken() == b""


def test_an_advance_stops_at_its_target_before_anybody_acts() -> None:
    world = chip.make_world(CONFIG)
    moments = []

    def pause(w: chip.World) -> None:
        moments.append(w.clock.now_ms())
        if len(moments) == 1:
            w.advance(2_500_000)
        elif len(moments) == 2:
            w.serial.feed(b"x")

    world.mode = clock.PAUSED
    world.on_pause = pause
    world.clock.wait(1000)  # paused at 0: the script lets time run
    world.serial.feed(b"early")
    for due in (1000, 2000, 3000):
        world.clock.wait(due)
        assert not world.serial.any()  # time is jumping: the line is not looked at
    assert world.clock.now_ms() == 2500
    world.clock.wait(3000)
    assert world.serial.read() == b"early"
    world.clock.wait(3000)
    assert moments == [0, 2500]
    assert world.serial.read() == b"x"
    with pytest.raises(chip.EndOfRun):
        world.clock.wait(3000)


def test_a_loop_that_asks_for_the_past_still_burns_time() -> None:
    world = chip.make_world(CONFIG)
    world.arm_watchdog(100)
    with pytest.raises(chip.ChipReset):
        for _ in range(clock.SPINS + 200):
            world.clock.wait(0)


def test_other_mechanics_count_from_where_they_begin() -> None:
    world = chip.make_world({"mechanics": {"step_pl_per_million": 10**9, "reservoir_nl": 1000}})
    world.set_pin(4, 0)
    world.pulser.start(100, 0, 1000)
    world.go(2000)
    again = chip.make_world({"mechanics": {"step_pl_per_million": 2 * 10**9, "reservoir_nl": 9000}}, boot=world.dump())
    assert again.truth()["delivered_pl"] == 100_000
    again.set_pin(4, 0)
    again.pulser.start(100, 0, 1000)
    again.go(2000)
    assert again.truth()["delivered_pl"] == 300_000
    assert again.truth()["reservoir_nl"] == 700
