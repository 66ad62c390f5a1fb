"""The long form of test_limits_chain.py: THECAL_HISTORIES histories (a million unless told) from a plain seeded generator, on all
cores. Invariant: history n of block b is always the same bytes, so a failure is repeated by its hex alone:
`THECAL_HISTORY=<hex> pytest -m slow tests/limits/test_limits_soak.py`.
"""

import multiprocessing
import os
import random
from collections import Counter

import pytest
from checks import play
from histories import EVENT_BYTES, MOST_BYTES, PROGRAM_BYTES, make
from test_limits_chain import LEAST

HISTORIES = int(os.environ.get("THECAL_HISTORIES", "1000000"))
BLOCK = 500
FAILURES_TOLD = 10


def play_block(block: int) -> "tuple[Counter[str], list[str]]":
    """(what happened, failures as "hex: sentence") of one block of histories."""
    dice = random.Random(block)
    tally: Counter[str] = Counter()
    failures: list[str] = []
    for _ in range(BLOCK):
        data = dice.randbytes(dice.randint(PROGRAM_BYTES + 4 * EVENT_BYTES, MOST_BYTES))
        try:
            play(make(data), tally)
        except Exception as error:  # of any kind: it is told, with what repeats it
            failures.append(f"{data.hex()}: {error!r}")
    return tally, failures


@pytest.mark.slow
@pytest.mark.sr("SR-02")
@pytest.mark.timeout(24 * 3600)
def test_core_and_oracle_agree_over_a_million_histories() -> None:
    single = os.environ.get("THECAL_HISTORY")
    if single:
        play(make(bytes.fromhex(single)), Counter())
        return
    tally: Counter[str] = Counter()
    failures: list[str] = []
    blocks = -(-HISTORIES // BLOCK)
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done, (found, failed) in enumerate(pool.imap_unordered(play_block, range(blocks)), 1):
            tally += found
            failures += failed
            if done % 20 == 0 or done == blocks:
                print(f"{tally['histories']} histories, {tally['wishes']} wishes, {len(failures)} failures", flush=True)
            if len(failures) >= FAILURES_TOLD:
                break
    print(dict(sorted(tally.items())))
    assert not failures, "\n".join(failures[:FAILURES_TOLD])
    assert tally["histories"] >= HISTORIES
    too_few = {key: tally[key] for key, least in LEAST.items() if tally[key] * 1000 < least * tally["histories"]}
    assert not too_few, f"of {tally['histories']} histories too few met {too_few}"
