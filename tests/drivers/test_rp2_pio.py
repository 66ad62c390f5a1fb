"""The step generator of the RP2040, cycle by cycle: exactly N pulses, on the grid, ending low; nothing from half a
command or a dead clock."""

import importlib
import itertools
from typing import Any

import pytest
from drivers.chip import PER_US, Chip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

STEP = 2


def make(chip: Chip) -> tuple[Any, Any]:
    """(pulser, clock) on a fresh chip."""
    clock = importlib.import_module("thecal.drivers.rp2_clock").Clock(None, None)
    return importlib.import_module("thecal.drivers.rp2_pio").Pulser(STEP, clock), clock


def finish(chip: Chip, pulser: Any, most_us: int = 3_000_000) -> None:
    end = chip.us + most_us
    while pulser.busy():
        assert chip.us < end, "the lease does not end"
        chip.passes(1000)


def rises(chip: Chip) -> list[int]:
    return chip.pins.rises[STEP]


def test_one_pulse_by_hand(chip: Chip) -> None:
    pulser, clock = make(chip)
    zero_us = chip.us - clock.now_us()
    at_us = clock.now_us() + 5000
    pulser.start(1, at_us, at_us)
    assert pulser.busy()
    finish(chip, pulser)
    assert len(rises(chip)) == 1
    assert abs(rises(chip)[0] - (zero_us + at_us) * PER_US) <= 30 * PER_US  # 30 us: what start-up knows of the metronome's phase
    assert chip.pins.falls[STEP] == [rises(chip)[0] + 3 * PER_US]
    assert chip.pins.level[STEP] == 0


@pytest.mark.parametrize(
    ("count", "span_us"),
    [(2, 1_000_000), (8, 3500), (256, 255_000), (100, 99_000), (256, 256_001), (3, 1_099_999), (28, 963_045)],
)
def test_exactly_n_pulses_evenly_and_low_at_the_end(chip: Chip, count: int, span_us: int) -> None:
    pulser, clock = make(chip)
    at_us = clock.now_us() + 2500
    pulser.start(count, at_us, at_us + span_us)
    finish(chip, pulser)
    chip.passes(2_500_000)
    edges = rises(chip)
    assert len(edges) == count == len(chip.pins.falls[STEP])
    periods = {b - a for a, b in itertools.pairwise(edges)}
    assert len(periods) == 1
    exact = span_us * PER_US
    assert abs(edges[-1] - edges[0] - exact) * 2 <= count - 1  # half a cycle per period: 1 us at worst
    assert {b - a for a, b in zip(edges, chip.pins.falls[STEP], strict=True)} == {3 * PER_US}
    assert chip.pins.level[STEP] == 0


def test_leases_stay_on_the_grid_for_ever(chip: Chip) -> None:
    """100 leases of 25 steps at 50 steps/s, back to back, with pauses of the CPU between: no edge is ever 1 us off."""
    pulser, clock = make(chip)
    first_us = clock.now_us() + 20_000
    chip.pauses_us = [11, 4000, 0, 130, 977, 2500, 23, 1] * 25
    for lease in range(100):
        begin = first_us + lease * 500_000
        pulser.start(25, begin, begin + 480_000)
        finish(chip, pulser)
    edges = rises(chip)
    assert len(edges) == 2500
    for index, edge in enumerate(edges):
        assert abs(edge - edges[0] - index * 20_000 * PER_US) <= PER_US
    assert edges[2475] - edges[0] == 49_500_000 * PER_US  # first edges of leases: not one cycle


def test_a_pause_between_the_look_at_the_clock_and_the_load_costs_nothing(chip: Chip) -> None:
    pulser, clock = make(chip)
    zero = (chip.us - clock.now_us()) * PER_US
    offsets = set()
    for pause in (0, 40, 333, 690, 941, 5000):
        at_us = clock.now_us() + 20_000
        chip.pauses_us = [0, pause, pause]
        pulser.start(1, at_us, at_us)
        finish(chip, pulser)
        offsets.add(rises(chip)[-1] - zero - at_us * PER_US)
    assert len(offsets) == 1


@pytest.mark.parametrize("given_words", [0, 1, 2, 3])
def test_half_a_command_gives_no_pulse(chip: Chip, given_words: int) -> None:
    pulser, _clock = make(chip)
    for word in (1000, 1000, 5, 300)[:given_words]:
        pulser._sm.put(word)
    chip.passes(3_000_000)
    assert rises(chip) == []


def test_a_dead_metronome_gives_no_pulse(chip: Chip) -> None:
    pulser, clock = make(chip)
    pulser._metronome.active(0)
    pulser.start(5, clock.now_us() + 2000, clock.now_us() + 8000)
    chip.passes(3_000_000)
    assert rises(chip) == []
    assert pulser.busy()
    pulser.abort()
    assert not pulser.busy()


def test_the_metronome_beats_every_millisecond_and_leaves_no_old_tick(chip: Chip) -> None:
    pulser, _clock = make(chip)
    chip.passes(3)
    beats = []
    flags = chip.machines.blocks[0].flags
    for _look in range(3 * 1000 * PER_US // 5):
        before = flags[4]
        chip.machines.run_to(chip.machines.now + 5)  # the flag is up for 8 cycles
        if flags[4] and not before:
            beats.append(chip.machines.now)
    assert [b - a for a, b in itertools.pairwise(beats)] == [1000 * PER_US] * (len(beats) - 1)
    assert len(beats) >= 2
    assert not flags[4]
    assert not pulser.busy()


def test_a_first_edge_in_the_past_means_now(chip: Chip) -> None:
    pulser, clock = make(chip)
    now = chip.us
    at_us = clock.now_us() - 700_000
    pulser.start(4, at_us, at_us + 3000)
    finish(chip, pulser)
    edges = rises(chip)
    assert len(edges) == 4
    assert 0 <= edges[0] // PER_US - now <= 1400
    assert edges[-1] - edges[0] == 3000 * PER_US


@pytest.mark.parametrize("after_us", [0, 1, 2999, 3001, 3002, 3004, 30_500])
def test_abort_stops_at_once_and_the_next_lease_is_whole(chip: Chip, after_us: int) -> None:
    pulser, clock = make(chip)
    at_us = clock.now_us() + 3000
    pulser.start(50, at_us, at_us + 49_000)
    chip.passes(after_us)
    pulser.abort()
    stopped = len(rises(chip))
    assert chip.pins.level[STEP] == 0
    assert not pulser.busy()
    chip.passes(200_000)
    assert len(rises(chip)) == stopped < 50
    pulser.start(7, clock.now_us() + 2000, clock.now_us() + 8000)
    finish(chip, pulser)
    assert len(rises(chip)) == stopped + 7


def test_abort_between_two_words_forgets_the_words(chip: Chip) -> None:
    pulser, clock = make(chip)
    pulser._sm.put(1000)
    pulser._sm.put(1000)
    pulser.abort()
    pulser.start(3, clock.now_us() + 2000, clock.now_us() + 4000)
    finish(chip, pulser)
    assert len(rises(chip)) == 3


def test_busy_refuses_a_second_lease(chip: Chip) -> None:
    pulser, clock = make(chip)
    at_us = clock.now_us() + 2000
    pulser.start(3, at_us, at_us + 2000)
    with pytest.raises(RuntimeError):
        pulser.start(3, at_us, at_us + 2000)
    finish(chip, pulser)
    assert len(rises(chip)) == 3


def test_busy_ends_just_after_the_last_pulse_however_slow_the_lease(chip: Chip) -> None:
    pulser, clock = make(chip)
    at_us = clock.now_us() + 2000
    pulser.start(2, at_us, at_us + 300_000)
    while pulser.busy():
        chip.passes(10)
    assert chip.machines.now - rises(chip)[-1] <= 60 * PER_US


@pytest.mark.parametrize(("count", "span_us"), [(0, 0), (-1, 10), (5, -1), (2, 5), (256, 0)])
def test_what_cannot_be_pulsed_is_refused(chip: Chip, count: int, span_us: int) -> None:
    pulser, clock = make(chip)
    at_us = clock.now_us() + 2000
    with pytest.raises(ValueError, match="pulser batch"):
        pulser.start(count, at_us, at_us + span_us)
    assert not pulser.busy()
    chip.passes(2_000_000)
    assert rises(chip) == []


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    count=st.integers(1, 256),
    span_us=st.integers(0, 1_100_000),
    delay_us=st.integers(0, 2_000_000),
    per_us=st.sampled_from([125, 150, 200]),
)
def test_words_fit_and_add_up(chip: Chip, count: int, span_us: int, delay_us: int, per_us: int) -> None:
    rp2_pio = importlib.import_module("thecal.drivers.rp2_pio")
    try:
        delay, low, more, high = rp2_pio.words(count, span_us, delay_us, per_us)
    except ValueError:
        assert count > 1 and span_us * per_us < (6 * per_us + 1) * (count - 1)
        return
    assert all(0 <= word < 1 << 32 for word in (delay, low, more, high))
    assert more == count - 1
    assert more == 0 or abs((low + high + 7) * more - span_us * per_us) * 2 <= more


def test_a_clock_that_is_no_whole_number_of_megahertz_is_refused(chip: Chip) -> None:
    machine = importlib.import_module("machine")
    machine.freq = lambda: 125_500_001
    with pytest.raises(ValueError, match="clock"):
        make(chip)
