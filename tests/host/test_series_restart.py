"""Board time may go back at a restart, since the ledger is not written while therapy is off: no programmed volume is lost by
it."""

from thecal.core import events, states
from thecal.core.events import pack_record
from thecal_host.logs import series

STEP_PL = 50_000_000_000
H_MS = 3_600_000


def log(*rows):
    return [pack_record(seq, *row) for seq, row in enumerate(rows)]


def two_starts():
    """Two hours off, a cut, and three hours of 480 uL/day on a clock that began at zero again."""
    return log(
        (1, 0, events.BOOT),
        (1, 2 * H_MS, events.COMMAND, 5, 7),
        (2, 0, events.BOOT, 0, 0, 0, 0),
        (2, 1000, events.RATE, 0, 480_000),
        (2, 1000, events.STATE, 0, states.OFF, states.INFUSING, states.E_START),
        (2, 1000 + 3 * H_MS, events.DOSE, 1190, 10),
    )


def test_a_clock_that_went_back_costs_no_programmed_volume():
    made = series.build(two_starts(), STEP_PL)
    assert made.programmed_nl == 60_000
    assert made.delivered_nl == (1190 * 50, 1200 * 50)
    assert (made.begin_ms, made.end_ms) == (0, 5 * H_MS + 1000)
    assert made.cuts[0].t_ms == 2 * H_MS


def test_times_of_the_curves_never_fall():
    made = series.build(two_starts(), STEP_PL)
    for points in (made.programmed, made.delivered):
        times = [point.t_ms for point in points]
        assert times == sorted(times)
    assert made.programmed_at(2 * H_MS) == 0
    assert made.programmed_at(3 * H_MS + 1000) == 20_000


def test_a_clock_that_only_goes_on_is_left_alone():
    raws = log((1, 0, events.BOOT), (1, 1000, events.COMMAND, 5, 7), (2, 5000, events.BOOT))
    assert series.build(raws, STEP_PL).end_ms == 5000
