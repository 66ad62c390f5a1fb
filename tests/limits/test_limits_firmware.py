"""The whole firmware on the virtual chip plays histories of the limits chain beside the small world of world.py. Invariant: the
small world, in which millions of histories are played, answers and moves as the firmware does.
"""

import os
import random
from collections import Counter

import pytest
from histories import EVENT_BYTES, PROGRAM_BYTES, make
from whole_firmware import play_on_firmware

QUICK = range(12)
LONG = int(os.environ.get("THECAL_FIRMWARE_HISTORIES", "300"))
MOST_EVENTS = 8


def data_of(number: int) -> bytes:
    """The bytes of history `number`, always the same."""
    return random.Random(number).randbytes(PROGRAM_BYTES + EVENT_BYTES * MOST_EVENTS)


def play_all(numbers: range) -> "Counter[str]":
    """Play them; a failure names the history's number."""
    tally: Counter[str] = Counter()
    for number in numbers:
        try:
            play_on_firmware(make(data_of(number)), tally)
        except AssertionError as error:
            raise AssertionError(f"history {number}: {error}") from error
    print(dict(sorted(tally.items())))
    return tally


@pytest.mark.sr("SR-02")
@pytest.mark.timeout(600)
def test_the_small_world_answers_and_moves_as_the_firmware() -> None:
    tally = play_all(QUICK)
    assert tally["asked"] >= 40
    assert tally["granted"] >= 8 and tally["refused"] >= 8 and tally["resets"] >= 3 and tally["steps"] >= 1000
    assert tally["same answer"] >= (tally["asked"] - tally["alarm"]) * 95 // 100


@pytest.mark.slow
@pytest.mark.sr("SR-02")
@pytest.mark.timeout(4 * 3600)
def test_the_small_world_answers_and_moves_as_the_firmware_for_long() -> None:
    tally = play_all(range(1000, 1000 + LONG))
    assert tally["same answer"] >= (tally["asked"] - tally["alarm"]) * 95 // 100
