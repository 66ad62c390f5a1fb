"""The window rule by hand: each term of the sum is seen to matter on its own (SR-02)."""

import pytest
from core.test_gate import HOUR, bolus, reasons, situation

from thecal.core import gate
from thecal.core import messages as m
from thecal.core.windows import RING_1H


@pytest.mark.sr("SR-02")
def test_the_day_ahead_counts_beside_what_was_delivered() -> None:
    young = situation(history_ms=0, now_ms=0, limit_24h_nl=600_000, limit_4h_nl=600_000, limit_1h_nl=600_000)
    young.windows.add(0, 2_000)  # 82.6 uL
    assert m.WINDOW_24H in reasons(young, bolus())
    young.history_ms = 100 * HOUR
    assert m.WINDOW_24H in reasons(young, bolus())
    # what was delivered, the bolus, 25 h of basal (the window and one bucket), two chunks
    young.fields["limit_24h_nl"] = 82_565 + 40_000 + 500_000 + 1_600
    assert reasons(young, bolus()) == []
    young.fields["limit_24h_nl"] -= 1
    assert reasons(young, bolus()) == [m.WINDOW_24H]


def worst(s: gate.Situation) -> int:
    """The 1 h window of basal and what is already promised alone."""
    return gate.worst_window_nl(s, RING_1H, s.basal, s.flows(), s.now_ms)


@pytest.mark.sr("SR-02")
def test_what_is_already_promised_counts() -> None:
    without = worst(situation())
    assert worst(situation(running=(7_000, 600_000))) == without + 7_000


@pytest.mark.sr("SR-02")
def test_steps_intended_or_owed_but_not_settled_count() -> None:
    without = worst(situation())
    assert worst(situation(unsettled_steps=3)) == without + 124  # 3 x 41.28 nL, rounded up
    assert worst(situation(owed_steps=3)) == without + 124
    assert worst(situation(owed_steps=2, unsettled_steps=1)) == without + 124


@pytest.mark.sr("SR-02")
def test_two_chunks_of_accounting_count() -> None:
    assert worst(situation()) == 480_000 * 65 // 1440 + 1 + 2 * 800


@pytest.mark.sr("SR-02")
def test_open_intent_counts_in_the_room_for_a_chunk() -> None:
    s = situation(limit_1h_nl=10_000, limit_4h_nl=10_000, limit_24h_nl=10_000)
    assert gate.chunk_room(s, 200) == (0, 0, 0)  # 8.3 uL
    s.unsettled_steps = 100
    reason, value, limit = gate.chunk_room(s, 200)
    assert (reason, value, limit) == (m.WINDOW_1H, s.steps_nl(300), 10_000)


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize("duration_ms", [60_000, 2 * HOUR])
def test_what_waits_in_the_window_when_a_bolus_ends_is_met_by_its_end(duration_ms: int) -> None:
    """By hand: 1000 steps of a moment ago count for 1 h and up to 5 min; a bolus that is over before meets them whole, one of
    2 h only by the part that lies in the same 65 min."""
    s = situation(basal_nl_per_day=0, chunk_nl=0)
    s.windows.add(s.now_ms, 1_000)
    flows = [(s.now_ms, s.now_ms + duration_ms, 60_000)]
    got = gate.worst_window_nl(s, RING_1H, s.basal, flows, s.now_ms)
    together = 60_000 if duration_ms <= HOUR else -(-60_000 * (65 * 60_000 - 1) // duration_ms)
    assert got == 41_283 + together
