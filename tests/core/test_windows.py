"""Windows against a list of every delivery: never less than what really fell into the window, never more than window + bucket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.core.codec import CodecError
from thecal.core.windows import PACKED_BYTES, RINGS, Windows

HISTORY = st.lists(st.tuples(st.integers(0, 20_000_000), st.integers(0, 5000)), max_size=60)


def test_by_hand() -> None:
    w = Windows()
    w.add(0, 10)
    assert w.sums == [10, 10, 10]
    w.add(3_600_000, 5)  # bucket 0 of the 1 h ring reaches to 299,999 ms: it counts until 3,899,999
    assert w.sums == [15, 15, 15]
    w.roll(3_900_000)
    assert w.sums == [5, 15, 15]
    w.roll(90_000_000)
    assert w.sums == [0, 0, 5]


@pytest.mark.sr("SR-02")
@given(HISTORY, st.integers(0, 90_000_000))
def test_against_every_delivery(history: list[tuple[int, int]], ahead: int) -> None:
    w = Windows()
    now = 0
    events: list[tuple[int, int]] = []
    for gap, steps in history:
        now += gap
        w.add(now, steps)
        events.append((now, steps))
    for k, (length, count) in enumerate(RINGS):
        for end, seen in ((now, w.sums[k]), (now + ahead, w.still_in(k, now, ahead))):
            really = sum(steps for t, steps in events if t > end - length * count)
            at_most = sum(steps for t, steps in events if t > end - length * (count + 1))
            assert really <= seen <= at_most


@given(HISTORY, st.integers(0, 100_000_000))
def test_packing_keeps_everything(history: list[tuple[int, int]], later: int) -> None:
    w = Windows()
    now = 0
    for gap, steps in history:
        now += gap
        w.add(now, steps)
        w.count_bolus(now)
    out = bytearray()
    w.pack(out)
    assert len(out) == PACKED_BYTES
    again = Windows()
    again.load(bytes(out), 0, now)
    for x in (w, again):
        x.roll(now + later)
    assert again.sums == w.sums
    assert again.bolus_counts == w.bolus_counts


def test_a_bucket_that_would_overflow_is_refused() -> None:
    w = Windows()
    w.add(0, 0xFFFFFF)
    with pytest.raises(CodecError):
        w.add(0, 1)


def test_boluses_are_counted_for_24_h() -> None:
    w = Windows()
    w.count_bolus(0)
    w.count_bolus(3_600_000)
    assert w.boluses_24h() == 2
    w.roll(25 * 3_600_000)
    assert w.boluses_24h() == 1
    w.roll(26 * 3_600_000)
    assert w.boluses_24h() == 0
