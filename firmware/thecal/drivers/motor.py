"""The motor: spends permits as leases. Invariant: it keeps its own position and moves only on an unspent permit
that begins exactly there and ends within the durable intent; anything else is refused and nothing moves. The
hardware part (`Pulser`) holds one finite batch, and DIR never changes while it does.
"""

from thecal.core.compat import const
from thecal.core.permit import LEASE_MAX_STEPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.core.permit import Permit
    from thecal.drivers.seam import Direction, Enable, Pulser

LEASE_MAX_US = const(1_100_000)


class PermitRefused(Exception):
    """A permit that must not be spent: `args` is (what, value, expected)."""


class Motor:
    """Position is a lifetime count of steps in either direction, the same numbers as in the
    ledger. `durable_intent()` gives the end of the durable intent. Without a `direction` there is only forward."""

    def __init__(
        self,
        pulser: "Pulser",
        enable: "Enable",
        durable_intent: "Callable[[], int]",
        direction: "Direction | None" = None,
    ) -> None:
        self._pulser = pulser
        self._enable = enable
        self._durable_intent = durable_intent
        self._direction = direction
        self.reverse = False
        if direction is not None:
            direction.set(False)
        self.position = 0
        self.lease_first = 0
        self.permitted = 0

    def begin_at(self, position: int) -> None:
        """Set the position after a boot; only while nothing moves."""
        self.position = self.lease_first = position

    def busy(self) -> bool:
        """True while a lease is in flight."""
        return self._pulser.busy()

    def settled(self) -> int:
        """Steps certainly delivered: all but the lease in flight."""
        return self.lease_first if self._pulser.busy() else self.position

    def spend(self, permit: "Permit", t_first_us: int, t_last_us: int) -> None:
        """Move steps [permit.first, permit.last), first edge at `t_first_us`, last at `t_last_us`, backwards if the permit
        says so; the position counts up all the same. PermitRefused when it must not be."""
        count = permit.last - permit.first
        if permit.spent:
            raise PermitRefused("spent", permit.first, self.position)
        if permit.first != self.position:
            raise PermitRefused("first", permit.first, self.position)
        if permit.last > self._durable_intent():
            raise PermitRefused("intent", permit.last, self._durable_intent())
        if not 0 < count <= LEASE_MAX_STEPS:
            raise PermitRefused("count", count, LEASE_MAX_STEPS)
        if not 0 <= t_last_us - t_first_us <= LEASE_MAX_US:
            raise PermitRefused("span", t_last_us - t_first_us, LEASE_MAX_US)
        turn = permit.reverse != self.reverse
        busy = self._pulser.busy()
        if turn and (busy or self._direction is None):
            raise PermitRefused("direction", permit.first, self.position)
        if busy:
            raise PermitRefused("busy", permit.first, self.position)
        permit.spent = True
        if turn and self._direction is not None:
            self._direction.set(permit.reverse)
            self.reverse = permit.reverse
        self.lease_first = permit.first
        self.position = permit.last
        self.permitted += count
        self._pulser.start(count, t_first_us, t_last_us)

    def enable(self, on: bool) -> None:
        """EN on or off."""
        self._enable.set(on)

    def fault_stop(self) -> int:
        """Stop at once (SR-04); returns how many steps of the lease in flight are uncertain."""
        busy = self._pulser.busy()
        self._pulser.abort()
        self._enable.set(False)
        return self.position - self.lease_first if busy else 0
