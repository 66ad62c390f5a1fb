"""The monitor's memory over a reset: what the ledger's rings say, counted once, as late as it can lie, and no later."""

import pytest
from harness import Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.core.ledger import Ledger
from thecal.monitor.intent import read_history
from thecal_host import boards
from thecal_host.paths import examples_dir
from thecal_host.prescriptions import load

HOUR = 3_600_000


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("hours", [8, 26])
def test_a_restart_after_hours_of_basal_does_not_trip(hours: int) -> None:
    fields = load(examples_dir() / "morphine_continuous.toml", boards.load("virtual").part).fields
    bench = Bench().running(dict(fields))
    bench.advance(hours * HOUR)
    bench.restart()
    bench.advance(26 * HOUR)
    assert bench.pump.monitor.tripped == 0 and bench.pump.fault == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3 * HOUR), st.integers(0, 5000)), min_size=1, max_size=60))
def test_history_is_what_was_delivered_and_never_earlier(doses: list[tuple[int, int]]) -> None:
    ledger = Ledger(lambda data: None)
    now, given_steps = 0, []
    for wait, steps in doses:
        now += wait
        ledger.windows.add(now, steps)
        given_steps.append((now, steps))
    ledger.commit(now)
    history = read_history(ledger.pack())
    slot_now = now // 300_000
    assert sum(history.values()) >= sum(steps for at, steps in given_steps if now - at < 24 * HOUR)
    for span_ms, slack_ms in ((HOUR, 300_000), (4 * HOUR, 900_000), (24 * HOUR, HOUR)):
        counted = sum(steps for slot, steps in history.items() if slot > slot_now - span_ms // 300_000)
        least = sum(steps for at, steps in given_steps if at // 300_000 > slot_now - span_ms // 300_000)
        most = sum(steps for at, steps in given_steps if at > now - span_ms - slack_ms - 300_000)
        assert least <= counted <= most
