"""Set-up motions before the monitor: what the ledger on flash says of them decides in which counts their edges are; the durable
intent holds for all of them. 1 nL is one step."""

import pytest
from monitor_fakes import DAY, INFUSING, OFF, Pump, fields, flex

from thecal.monitor import watch


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("motion", [1, 1 | 16, 1 | 32, 4 | 16 | 32])
def test_set_up_motions(motion: int) -> None:
    """40 uL in a minute. Detached or backwards it is in no window; forwards into the catheter it is, but the schedule is not
    asked. Intent holds for all, and without the byte on flash it is a runaway."""
    no_dose = bool(motion & 48)
    for told in (True, False):
        pump = Pump(fields(limit_1h_nl=30_000))
        pump.ledger.update(state=OFF)
        pump.advance(5000, tick=2000)
        if told:
            pump.ledger.update(state=8, motion=motion, settled=pump.edges)
        pump.poll()
        before = pump.edges
        for _ in range(30):
            pump.temp = (57_600_000, DAY)
            pump.advance(2000, tick=2000)
        expected = watch.TRIP_ENVELOPE if not told else 0 if no_dose else watch.TRIP_WINDOW
        assert pump.monitor.tripped == expected
        if told and no_dose:
            moved = pump.edges - before
            pump.ledger.update(state=OFF, motion=0, settled=pump.edges, setup=moved)
            assert sum(pump.monitor._slots) == before


@pytest.mark.sr("SR-08")
def test_a_motion_into_the_catheter_may_be_over_at_the_next_look() -> None:
    """The loop asks as soon as the motion is durable, and then knows what the edges of half a second are."""
    for woken in (True, False):
        pump = Pump(flex((0, 0), rate_nl_per_day=0))
        pump.ledger.update(state=OFF)
        pump.advance(10_000, tick=2000)
        pump.ledger.update(state=8, motion=1)
        if woken:
            pump.poll()
        pump.edges += 300
        pump.ledger.update(state=OFF, motion=0)
        pump.advance(2000, tick=2000)
        assert pump.monitor.tripped == (0 if woken else watch.TRIP_ENVELOPE)
        assert pump.monitor._sums == [300, 300, 300]


@pytest.mark.sr("SR-08")
def test_a_motion_shorter_than_a_look_is_counted_by_the_ledgers_sum() -> None:
    pump = Pump(fields(limit_1h_nl=30_000))
    pump.ledger.update(state=OFF)
    pump.temp = (0, DAY)
    pump.advance(10_000, tick=2000)
    pump.edges += 500  # 100 of them into the catheter
    pump.ledger.update(setup=400, settled=500)
    pump.advance(2000)
    assert sum(pump.monitor._slots) == 100 == pump.monitor._sums[0]
    pump.edges += 7
    pump.advance(2000)
    assert pump.monitor._sums == [107, 107, 107]


@pytest.mark.sr("SR-08")
@pytest.mark.parametrize("motion", [0, 1, 1 | 16 | 32])
def test_intent_holds_for_every_motion(motion: int) -> None:
    pump = Pump()
    pump.ledger.update(state=8, motion=motion, intent=100)
    pump.edges = 100
    pump.poll()
    assert pump.monitor.tripped == 0
    pump.edges = 101
    pump.poll()
    assert pump.monitor.tripped == watch.TRIP_INTENT


@pytest.mark.sr("SR-08")
def test_a_purge_inside_an_intent_already_read_is_still_no_dose() -> None:
    """While the pump is not infusing the ledger is asked for every edge, not only for those beyond the intent."""
    pump = Pump()
    pump.ledger.update(state=8, motion=3 | 32, intent=1_000)
    pump.poll()
    for _ in range(5):
        pump.now += 2000
        pump.edges += 40
        pump.poll()
        assert pump.monitor._sums == [0, 0, 0]
    pump.ledger.update(state=OFF, motion=0, setup=200, settled=200)
    pump.now += 2000
    pump.edges += 3
    pump.poll()
    assert pump.monitor._sums == [3, 3, 3]


@pytest.mark.sr("SR-08")
def test_a_purge_that_nobody_spoke_of_is_asked_for_before_it_trips() -> None:
    """From infusing to a motion between two looks, inside an intent already read, without a word from the loop."""
    for key in ("limit_1h_nl", "limit_4h_nl", "limit_24h_nl"):
        pump = Pump(fields(**{key: 1_000}, rate_nl_per_day=960_000), chunk=10**6)
        pump.advance(4000, tick=2000)
        pump.ledger.update(state=8, motion=3 | 32, settled=pump.edges)
        pump.now += 2000
        pump.edges += 5_000
        pump.poll()
        assert pump.monitor.tripped == 0 and pump.monitor._sums[2] < 50


@pytest.mark.sr("SR-08")
def test_windows_that_are_over_forbid_doses_not_motions() -> None:
    """A program may be activated, while nothing moves, whose limits the past alone is over."""
    pump = Pump(fields(limit_1h_nl=1_000))
    pump.ledger.update(state=OFF, bucket_steps=9_000)
    assert pump.monitor.begin(0)
    pump.ledger.update(state=8, motion=3 | 32)
    pump.poll()
    pump.now += 2000
    pump.edges += 500
    pump.poll()
    assert pump.monitor.tripped == 0
    pump.ledger.update(state=INFUSING, motion=0, setup=500, settled=500)
    pump.now += 2000
    pump.edges += 1
    pump.poll()
    assert pump.monitor.tripped == watch.TRIP_WINDOW


@pytest.mark.sr("SR-08")
def test_positions_are_those_of_a_lifetime() -> None:
    """After a boot the ledger counts on where it was, the monitor from 0: a purge of 300, of which 100 are settled."""
    pump = Pump()
    pump.ledger.update(state=OFF, settled=70_000, intent=70_000, setup=9_000)
    assert pump.monitor.begin(0)
    pump.ledger.update(state=8, motion=3 | 32, intent=70_100)
    pump.poll()
    pump.edges += 100
    pump.now += 2000
    pump.poll()
    pump.ledger.update(settled=70_100, setup=9_100, intent=70_300)
    pump.edges += 200
    pump.now += 2000
    pump.poll()
    assert pump.monitor._sums == [0, 0, 0] and pump.monitor.tripped == 0
    pump.ledger.update(state=INFUSING, motion=0, settled=70_300, setup=9_300, intent=70_350)
    pump.edges += 50
    pump.now += 2000
    pump.poll()
    pump.edges += 1
    assert pump.monitor._sums == [50, 50, 50] and pump.monitor.budget() == 350
    pump.now += 2000
    pump.poll()
    assert pump.monitor.tripped == watch.TRIP_INTENT
