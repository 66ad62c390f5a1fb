"""Curves from the log: programmed, delivered as an interval, boluses, stops, restarts."""

import csv

from hypothesis import given
from hypothesis import strategies as st

from thecal.core import events, states
from thecal.core.events import pack_record
from thecal_host.logs import export, series

DAY_MS = 86_400_000
STEP_PL = 50_000_000_000  # 50 nL a microstep


class Teller:
    """Writes the records a board would write, in order."""

    def __init__(self):
        self.raws = []
        self.boot = 1

    def tell(self, t_ms, code, a=0, b=0, c=0, detail=0):
        self.raws.append(pack_record(len(self.raws), self.boot, t_ms, code, a, b, c, detail))


def a_day():
    """48 steps of 50 nL over 2.4 h at 24 uL/day... in small: rate 24,000 nL/day, a bolus of 1000 nL over 1000 s at 3600 s, a
    cut at 2 h."""
    teller = Teller()
    teller.tell(0, events.BOOT, 100, 100)
    teller.tell(0, events.RATE, 100, 24_000)
    teller.tell(0, events.STATE, 100, states.OFF, states.INFUSING, states.E_START)
    teller.tell(1000, events.DOSE, 100, 10)
    teller.tell(1_800_000, events.DOSE, 110, 10)
    teller.tell(3_600_000, events.GRANT, 77, 1000, 1_000_000, 2)
    teller.tell(3_700_000, events.REFUSAL, 78, 500, 0, 8)
    teller.tell(4_600_000, events.BOLUS_END, 77, 1000, 0, 1)
    teller.tell(5_000_000, events.DOSE, 140, 20)
    teller.boot = 2
    teller.tell(7_200_000, events.BOOT, 160, 140)
    teller.tell(7_200_000, events.STATE, 160, states.SELFTEST, states.INFUSING, states.E_PASS_RESUME)
    teller.tell(10_800_000, events.DOSE, 180, 20)
    return teller


def test_curves_of_a_small_day():
    made = series.build(a_day().raws, STEP_PL)
    assert made.programmed_nl == 24_000 * 10_800_000 // DAY_MS + 1000
    assert made.delivered_nl == ((180 - 100 - 20) * 50, (200 - 100) * 50)
    assert made.uncertain_steps == 20
    assert [(bolus.nl, bolus.missing_nl, bolus.end_ms) for bolus in made.boluses] == [(1000, 0, 4_600_000)]
    assert [(cut.t_ms, cut.value) for cut in made.cuts] == [(7_200_000, 20)]
    assert [(mark.detail, mark.value) for mark in made.refusals] == [(8, 500)]
    assert made.programmed_at(3_600_000) == 1000
    assert made.programmed_at(4_100_000) == 1000 + 138 + 500
    assert made.programmed_at(-5) == 0
    assert made.lost_records == 0


def test_the_rate_curve_contains_the_bolus():
    rates = [(point.t_ms, point.rate_nl_per_day) for point in series.build(a_day().raws, STEP_PL).programmed]
    assert (3_600_000, 24_000 + 86_400) in rates
    assert (4_600_000, 24_000) in rates


def test_a_stop_takes_intent_back():
    teller = a_day()
    teller.tell(11_000_000, events.STATE, 185, states.INFUSING, states.OFF, states.E_STOP)
    made = series.build(teller.raws, STEP_PL)
    assert made.delivered_nl[1] == 85 * 50
    assert max(point.max_nl for point in made.delivered) == 85 * 50
    assert made.programmed[-1].rate_nl_per_day == 0


def test_a_bolus_ended_early_is_programmed_only_as_far_as_it_came():
    teller = Teller()
    teller.tell(0, events.STATE, 0, states.OFF, states.INFUSING, states.E_START)
    teller.tell(0, events.GRANT, 5, 1000, 1_000_000, 2)
    teller.tell(400_000, events.BOLUS_END, 5, 1000, 600, 0)
    made = series.build(teller.raws, STEP_PL)
    assert made.programmed_nl == 400
    assert made.boluses[0].missing_nl == 600


def test_no_records_and_damaged_records_make_empty_curves():
    assert series.build([], STEP_PL).delivered_nl == (0, 0)
    assert series.build([bytes(32)], STEP_PL).programmed_nl == 0


CODES = st.sampled_from(sorted(events.FIELDS))


@given(
    st.lists(st.tuples(CODES, st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 9)), max_size=30)
)
def test_any_log_gives_rising_curves_with_min_below_max(rows):
    teller = Teller()
    t_ms = 0
    for code, a, b, c, detail in rows:
        t_ms += a
        teller.tell(t_ms, code, a, b, c, detail)
    made = series.build(teller.raws, STEP_PL)
    for before, after in zip(made.delivered, made.delivered[1:], strict=False):
        assert before.min_nl <= after.min_nl
        assert before.max_nl <= after.max_nl
    assert all(point.min_nl <= point.max_nl for point in made.delivered)
    volumes = [point.volume_nl for point in made.programmed]
    assert volumes == sorted(volumes)
    assert len(list(csv.reader(export.curves_csv(made).splitlines()))) >= 1
