"""The ledger's part in overlays, titration and set-up motions: bytes by hand, no dose taken from or added to by a motion."""

from typing import Any

import pytest
from core.test_ledger import Flash, fresh
from hypothesis import given
from hypothesis import strategies as st

from thecal.core.codec import CodecError
from thecal.core.ledger import (
    F_DIRECTION_OK,
    F_DIRECTION_WRONG,
    F_HOMED,
    HEAD,
    HOME_BIAS,
    LEDGER_BYTES,
    M_DETACHED,
    M_REVERSE,
    Grant,
    Ledger,
)
from thecal.core.messages import BUTTON_ID, BY_BUTTON, HOME, JOG, PRIME

# name, offset, width: SPEC.md section 5, written down here once more
NEW_FIELDS = (
    ("overlay", 60, 1),
    ("overlay_rate", 61, 4),
    ("overlay_until", 65, 6),
    ("hold_until", 71, 6),
    ("ref_nl_per_day", 77, 4),
    ("ref_ms", 81, 6),
    ("setup", 87, 6),
    ("reverse", 93, 6),
    ("home", 99, 6),
    ("motion", 105, 1),
    ("flags", 106, 1),
)


def read_back(flash: Flash) -> Ledger:
    after = Ledger(flash.write)
    assert after.load(flash.data)
    return after


def test_the_new_fields_lie_where_the_table_says() -> None:
    ledger, flash = fresh()
    for number, (name, _at, width) in enumerate(NEW_FIELDS):
        setattr(ledger, name, int.from_bytes(bytes([number + 1] * width), "little"))
    ledger.promise(7, Grant(BUTTON_ID, 7, 40_000, 600_000, BY_BUTTON))
    ledger.commit(7)
    for number, (name, at, width) in enumerate(NEW_FIELDS):
        assert flash.data[at : at + width] == bytes([number + 1] * width), name
    assert flash.data[297:318] == (
        b"\x01\x00\x00\x00\x00\x00"
        + b"\x07\x00\x00\x00\x00\x00"
        + (40_000).to_bytes(4, "little")
        + (600_000).to_bytes(4, "little")
        + b"\x04"
    )
    assert len(flash.data) == LEDGER_BYTES == 394
    assert flash.data[:3] == b"TL\x02"


@given(st.fixed_dictionaries({name: st.integers(0, (1 << 8 * width) - 1) for name, _at, width in NEW_FIELDS}))
def test_the_new_fields_round_trip(values: dict[str, int]) -> None:
    ledger, flash = fresh()
    for name, value in values.items():
        setattr(ledger, name, value)
    ledger.commit(0)
    after = read_back(flash)
    assert {name: getattr(after, name) for name in values} == values


@pytest.mark.parametrize(("name", "width"), HEAD)
def test_a_value_too_big_is_refused_and_changes_nothing(name: str, width: int) -> None:
    if name in ("seq", "t_ms"):
        return  # set by commit itself
    ledger, flash = fresh()
    before = flash.data
    setattr(ledger, name, 1 << 8 * width)
    with pytest.raises(CodecError):
        ledger.commit(0)
    assert flash.data == before
    assert getattr(ledger, name) == getattr(read_back(flash), name)


def test_a_button_bolus_is_a_promise_though_its_id_is_the_least() -> None:
    ledger, flash = fresh()
    ledger.promise(7, Grant(BUTTON_ID, 7, 40_000, 600_000, BY_BUTTON))
    ledger.commit(7)
    grant = read_back(flash).grant
    assert grant is not None
    assert (grant.command_id, grant.start_ms, grant.volume_nl, grant.duration_ms, grant.source) == (1, 7, 40_000, 600_000, 4)


# --- motions ----------------------------------------------------------------------------------------------------------------
def counts(ledger: Ledger) -> tuple[int, int, list[int]]:
    return ledger.min_steps, ledger.max_steps, ledger.windows.sums


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize("motion", [JOG | M_REVERSE, PRIME | M_DETACHED, HOME | M_REVERSE | M_DETACHED])
def test_motions_that_are_no_dose_never_enter_a_window_and_never_give_credit(motion: int) -> None:
    ledger, _flash = fresh()
    ledger.open_chunk(1000, 0, 100, 0)
    ledger.close(2000, 100)
    assert counts(ledger) == (100, 100, [100] * 3)
    ledger.motion = motion
    ledger.open_chunk(3000, 100, 1000, 0)
    ledger.open_chunk(4000, 900, 200, 0)
    assert counts(ledger)[2] == [100] * 3
    ledger.close(5000, 1050)
    ledger.motion = 0
    assert counts(ledger) == (100, 100, [100] * 3)
    assert ledger.setup == 950
    assert ledger.reverse == (950 if motion & M_REVERSE else 0)
    assert ledger.forward == (100 if motion & M_REVERSE else 1050)  # drawing back puts nothing back into the reservoir
    ledger.open_chunk(6000, 1050, 10, 0)
    ledger.close(7000, 1060)
    assert counts(ledger) == (110, 110, [110] * 3)


@pytest.mark.sr("SR-02")
@pytest.mark.parametrize("kind", [JOG, PRIME])
def test_forward_with_the_outlet_connected_is_a_dose(kind: int) -> None:
    ledger, _flash = fresh()
    ledger.motion = kind
    ledger.open_chunk(1000, 0, 100, 0)
    assert ledger.max_steps == 100
    ledger.close(2000, 70)
    assert counts(ledger) == (70, 70, [70] * 3)
    assert ledger.setup == 0


def test_only_a_permit_of_a_reverse_motion_is_reverse() -> None:
    ledger, _flash = fresh()
    for motion in (0, JOG, JOG | M_DETACHED, JOG | M_REVERSE, HOME | M_REVERSE | M_DETACHED):
        ledger.motion = motion
        ledger.open_chunk(1000, ledger.intent, 10, 0)
        assert ledger.permit(ledger.settled, 10).reverse == bool(motion & M_REVERSE)


@pytest.mark.sr("SR-05")
@pytest.mark.parametrize("motion", [JOG, PRIME | M_DETACHED, JOG | M_REVERSE, HOME | M_REVERSE | M_DETACHED])
@pytest.mark.parametrize("steps", [0, 60])
def test_power_goes_away_in_a_motion(motion: int, steps: int) -> None:
    """What was open counts as a dose for the limits and as none for the under-dose side; where the plunger stands is not known
    any more, unless nothing was open."""
    ledger, flash = fresh()
    ledger.flags = F_HOMED | F_DIRECTION_OK
    ledger.motion = motion
    ledger.open_chunk(1000, 0, 40, 0)
    ledger.open_chunk(2000, 40, steps, 0)
    moved = 0 if motion & (M_REVERSE | M_DETACHED) else 40
    after = read_back(flash)
    assert after.recover(2000) == (40, steps, 0)
    assert after.motion == 0
    assert counts(after) == (moved, moved + steps, [moved + steps] * 3)
    assert after.reverse == (40 + steps if motion & M_REVERSE else 0)
    assert after.flags == (F_DIRECTION_OK if steps else F_HOMED | F_DIRECTION_OK)


def test_a_chunk_of_basal_that_was_open_does_not_lose_home() -> None:
    ledger, flash = fresh()
    ledger.flags = F_HOMED | F_DIRECTION_WRONG
    ledger.open_chunk(1000, 0, 40, 0)
    after = read_back(flash)
    after.recover(1000)
    assert after.flags == F_HOMED | F_DIRECTION_WRONG


MOVES = st.lists(st.tuples(st.sampled_from([0, JOG, PRIME | M_DETACHED, JOG | M_REVERSE]), st.integers(0, 500)), max_size=12)


@given(MOVES, MOVES)
def test_the_screw_and_the_reservoir_are_counted_from_every_motion(before: list[Any], after: list[Any]) -> None:
    """Against a plunger on a ruler: home is where it stands after `before`."""
    ledger, flash = fresh()
    ruler = left = dose = 0
    home = 0
    for part in (before, after):
        for motion, steps in part:
            ledger.motion = motion
            ledger.open_chunk(0, ledger.intent, steps, 0)
            ledger.close(0, ledger.intent)
            ledger.motion = 0
            ruler += -steps if motion & M_REVERSE else steps
            left += 0 if motion & M_REVERSE else steps
            dose += 0 if motion & (M_REVERSE | M_DETACHED) else steps
        if part is before:
            home = ruler
            ledger.home = HOME_BIAS + ledger.intent - 2 * ledger.reverse
    ledger.commit(0)
    for one in (ledger, read_back(flash)):
        assert (one.screw, one.forward, one.max_steps, one.min_steps) == (ruler - home, left, dose, dose)
