"""The loop and its supervisor. Invariant: the watchdog is fed from this one place, and only while every service met its own
deadline; at most one durable write happens per turn; anything a service raises ends in a latched fault, not in silence.
"""

from thecal.core import faults
from thecal.core.compat import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from thecal.services.link import Link
    from thecal.services.pump import Pump

    class Service(Protocol):
        """What the loop asks in turn."""

        def poll(self, now_ms: int) -> int:
            """Do what is due; returns the board time in ms at which to ask again."""
            ...


FEED_MS = const(2500)
HEALTHY_MS = const(600_000)


class Supervisor:
    """Services in order of polling: (name, service, lateness in ms it may have)."""

    def __init__(self, pump: "Pump", link: "Link", services: "tuple[tuple[str, Service, int], ...]") -> None:
        self._pump = pump
        self._link = link
        self._services = services
        self._due = [0] * len(services)
        self._sick_until_ms = [0] * len(services)  # a service that raised is asked again, but not in every turn
        self._fed_ms = -FEED_MS
        self._began_ms = 0
        self.turns = 0

    def late(self, now_ms: int) -> int:
        """Index of the first service that missed its deadline, -1 when all are well."""
        for index in range(len(self._services)):
            if now_ms - self._due[index] > self._services[index][2]:
                return index
        return -1

    def begin(self, now_ms: int) -> None:
        """All services are due now."""
        self._due = [now_ms] * len(self._services)
        self._began_ms = now_ms
        self._fed_ms = now_ms - FEED_MS

    def turn(self) -> int:
        """One turn of the loop; returns the board time at which the next is due."""
        pump = self._pump
        pump.store.spent = False
        now_ms = pump.now_ms()
        due = self._due
        if now_ms - self._fed_ms >= FEED_MS and self.late(now_ms) < 0:
            self._fed_ms = now_ms
            pump.board.watchdog.feed()
            if pump.ledger.watchdog_resets and now_ms - self._began_ms > HEALTHY_MS:
                pump.ledger.watchdog_resets = 0
                pump.commit(now_ms)
        if self._link.waiting():
            due[0] = min(due[0], now_ms)
        if pump.inputs.waiting():
            due[1] = min(due[1], now_ms)
        next_ms = now_ms + FEED_MS
        index = 0
        for _name, service, _late in self._services:
            if due[index] <= now_ms and now_ms >= self._sick_until_ms[index]:
                try:
                    due[index] = service.poll(now_ms)
                except Exception as error:
                    due[index] = self._sick_until_ms[index] = now_ms + FEED_MS
                    self._died(now_ms, index, error)
            when = max(due[index], self._sick_until_ms[index])  # input that is waiting for a sick service keeps nobody awake
            if when < next_ms:
                next_ms = when
            index += 1
        if pump.monitor.tripped and pump.fault == faults.NO_FAULT:  # in the same turn: the lease in flight is uncertain
            pump.fail(now_ms, faults.MONITOR_TRIPPED, pump.monitor.tripped)
        if pump.journal.failed:
            pump.raise_alarm(now_ms, faults.A_LOG_FULL)
        elif faults.A_LOG_FULL in pump.alarms.held():
            pump.lower_alarm(now_ms, faults.A_LOG_FULL)
        self.turns += 1
        if pump.journal.wake:
            pump.journal.wake = False
            for index in range(len(due)):
                due[index] = max(now_ms, self._sick_until_ms[index])
            return now_ms
        return next_ms

    def _died(self, now_ms: int, index: int, error: Exception) -> None:
        if self._pump.last_error is None:
            self._pump.last_error = error
            self._pump.fail(now_ms, faults.SERVICE_DIED, index)

    def run(self) -> None:
        """The loop, for ever."""
        pump = self._pump
        wait = pump.board.clock.wait
        while True:
            due_ms = self.turn()
            if due_ms > pump.now_ms():
                wait(pump.clock_ms(due_ms))
