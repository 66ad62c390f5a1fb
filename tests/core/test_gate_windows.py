"""The window rule by hand: each term of the sum is seen to matter on its own (SR-02)."""

import pytest
from core.test_gate import HOUR, bolus, reasons, situation

from thecal.core import gate
from thecal.core import messages as m
from thecal.core.windows import RING_1H


@pytest.mark.sr("SR-02")
def test_the_day_ahead_counts_beside_what_was_delivered() -> None:
    """With one constant basal rate this is always at least what full basal assumed for a missing past would add (the past
    leaves the window no earlier than the basal ahead replaces it); the assumption matters once a schedule lowers its rate."""
    young = situation(history_ms=0, now_ms=0, limit_24h_nl=600_000, limit_4h_nl=600_000, limit_1h_nl=600_000)
    young.windows.add(0, 2_000)  # 82.6 uL
    assert m.WINDOW_24H in reasons(young, bolus())
    young.history_ms = 100 * HOUR
    old = reasons(young, bolus())
    assert m.WINDOW_24H in old  # the day ahead of it holds 82.6 + 500 + 40 uL as well
    young.fields["limit_24h_nl"] = 82_565 + 40_000 + 500_000
    assert reasons(young, bolus()) == []


@pytest.mark.sr("SR-02")
def test_what_is_already_promised_counts() -> None:
    without = gate.worst_window_nl(situation(), RING_1H, 0)
    assert gate.worst_window_nl(situation(promised_nl=7_000), RING_1H, 0) == without + 7_000


@pytest.mark.sr("SR-02")
def test_open_intent_counts_in_the_room_for_a_chunk() -> None:
    s = situation(limit_1h_nl=10_000, limit_4h_nl=10_000, limit_24h_nl=10_000)
    assert gate.chunk_room(s, 200) == (0, 0, 0)  # 8.3 uL
    s.unsettled_steps = 100
    reason, value, limit = gate.chunk_room(s, 200)
    assert (reason, value, limit) == (m.WINDOW_1H, s.steps_nl(300), 10_000)


@pytest.mark.sr("SR-02")
def test_window_ends_after_a_long_bolus_are_looked_at() -> None:
    """A flex rate is not needed to see it: what still counts late in the window has to be met by its end, not by the start."""
    s = situation(basal_nl_per_day=0)
    s.windows.add(s.now_ms, 1_000)
    ends: list[int] = []
    still_in = s.windows.still_in

    def spy(ring: int, now_ms: int, ahead_ms: int) -> int:
        ends.append(ahead_ms)
        return still_in(ring, now_ms, ahead_ms)

    s.windows.still_in = spy  # type: ignore[method-assign]
    gate.worst_window_nl(s, RING_1H, 2 * HOUR)
    assert min(ends) == 0
    assert max(ends) == 2 * HOUR + HOUR + 300_000
