"""The motor's direction: it turns only between leases, counts up both ways, and refuses what it cannot do."""

from typing import Any

import pytest

from thecal.core.permit import Permit
from thecal.drivers.motor import Motor, PermitRefused


class Driver:
    """EN, of which nothing is said here."""

    def set(self, on: bool) -> None:
        self.on = on

    def cut(self) -> None:
        self.on = False


class Hardware:
    """Pulser and DIR at once; `said` is what was done, in order."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.moving = False

    def start(self, count: int, t_first_us: int, t_last_us: int) -> None:
        self.said.append((count, t_first_us, t_last_us))
        self.moving = True

    def busy(self) -> bool:
        return self.moving

    def abort(self) -> None:
        self.moving = False

    def set(self, reverse: bool) -> None:
        self.said.append(reverse)


def motor(hardware: Hardware, fitted: bool = True) -> Motor:
    made = Motor(hardware, Driver(), lambda: 1000, hardware if fitted else None)
    made.begin_at(100)
    return made


def test_it_begins_forward() -> None:
    hardware = Hardware()
    assert not motor(hardware).reverse
    assert hardware.said == [False]


def test_dir_is_set_before_the_pulses_and_only_when_it_differs() -> None:
    hardware = Hardware()
    made = motor(hardware)
    for first, reverse in ((100, False), (110, True), (120, True), (130, False)):
        made.spend(Permit(1, first, first + 10, reverse), 5, 900)
        hardware.moving = False
    batch = (10, 5, 900)
    assert hardware.said == [False, batch, True, batch, batch, False, batch]
    assert made.position == 140  # a lifetime count of edges, whichever way they went
    assert made.permitted == 40


def test_no_change_of_direction_while_a_lease_is_in_flight() -> None:
    hardware = Hardware()
    made = motor(hardware)
    made.spend(Permit(1, 100, 110), 5, 900)
    said = list(hardware.said)
    turned = Permit(1, 110, 120, True)
    with pytest.raises(PermitRefused) as refused:
        made.spend(turned, 1000, 2000)
    assert refused.value.args[0] == "direction"
    straight = Permit(1, 110, 120)
    with pytest.raises(PermitRefused) as refused:
        made.spend(straight, 1000, 2000)
    assert refused.value.args[0] == "busy"
    assert hardware.said == said
    assert not turned.spent and not straight.spent and not made.reverse
    hardware.moving = False
    made.spend(turned, 1000, 2000)
    assert made.reverse


def test_a_refused_permit_does_not_turn_the_motor() -> None:
    hardware = Hardware()
    made = motor(hardware)
    for bad in (Permit(1, 99, 109, True), Permit(1, 100, 1001, True), Permit(1, 100, 100, True)):
        with pytest.raises(PermitRefused):
            made.spend(bad, 5, 900)
    assert hardware.said == [False]
    assert (made.reverse, made.position) == (False, 100)


def test_without_a_dir_output_there_is_no_way_back() -> None:
    hardware = Hardware()
    made = motor(hardware, fitted=False)
    with pytest.raises(PermitRefused, match="direction"):
        made.spend(Permit(1, 100, 110, True), 5, 900)
    assert hardware.said == []
    made.spend(Permit(1, 100, 110), 5, 900)
    assert hardware.said == [(10, 5, 900)]
