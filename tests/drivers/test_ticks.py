"""The extension of a 30-bit timer to a clock: counted by hand around the wrap, and against a sum of its own."""

from hypothesis import given
from hypothesis import strategies as st

from thecal.drivers.ticks import TickClock

TOP = 1 << 30


class Timer:
    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at % TOP


def test_the_wrap_by_hand() -> None:
    timer = Timer(TOP - 1500)
    clock = TickClock(timer)
    assert (clock.now_ms(), clock.now_us(), clock.raw) == (0, 0, TOP - 1500)
    timer.at += 1499
    assert clock.now_us() == 1499
    timer.at += 1
    assert (clock.now_ms(), clock.raw, clock.now_us()) == (1, 0, 1500)
    timer.at += TOP - 1
    assert clock.now_us() == 1500 + TOP - 1
    assert clock.now_us() == 1500 + TOP - 1


def test_a_clock_may_begin_anywhere() -> None:
    timer = Timer(5)
    clock = TickClock(timer, 1_234_567)
    assert (clock.now_ms(), clock.now_us()) == (1234, 1_234_567)
    timer.at += 433
    assert clock.now_us() == 1_235_000


@given(st.integers(0, TOP - 1), st.lists(st.tuples(st.booleans(), st.integers(0, TOP - 1)), max_size=60))
def test_it_is_the_sum_of_the_pauses(start: int, pauses: "list[tuple[bool, int]]") -> None:
    timer = Timer(start)
    clock = TickClock(timer)
    total = 0
    for in_us, pause in pauses:
        timer.at += pause
        total += pause
        if in_us:
            assert clock.now_us() == total
        assert clock.now_ms() == total // 1000
    assert clock.now_us() == total
