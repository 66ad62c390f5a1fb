"""What changes the rate for a while, and the wall clock it may depend on: temporary rate, minimum rate, timed hold, clock.

Invariant: each of them is durable before it works, ends by itself at its time, and is said: a hold reminds, an interruption
longer than the program allows alarms, a flex program without a clock runs its safe rate with an alarm.
"""

from thecal.core import basal, events, faults, gate, states
from thecal.core import messages as m
from thecal.core.basal import WHY_CLOCK, WHY_MINIMUM, WHY_NORMAL, WHY_TEMP
from thecal.core.compat import const
from thecal.core.ledger import F_DIRECTION_WRONG
from thecal.services.activation import refuse_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal.services.activation import Request, Result
    from thecal.services.pump import Pump

IDLE_MS = const(60_000)
REMIND_MS = const(900_000)  # a hold without an end reminds so often
REMIND_BEFORE_MS = const(300_000)
YES = (m.OK, m.NONE, 0, 0)


class Rates:
    """The service of everything that lies over the schedule."""

    def __init__(self, pump: "Pump") -> None:
        self._pump = pump
        pump.rates = self
        self._held_ms = 0
        self._remind_ms = 0  # when to say next that therapy is on hold
        self._budget_known = True

    # --- commands: each returns its result; `after` makes it work once it is durable --------------------------------------------
    def temp(self, request: "Request", now_ms: int) -> "Result":
        """A temporary rate, granted whole or refused."""
        pump = self._pump
        if not pump.allows(states.E_RATE):
            return refuse_state(pump)
        rate = request["nlday"]
        verdict = gate.judge(pump.situation(now_ms), gate.Wish(gate.RATE, rate_nl_per_day=rate, duration_ms=request["ms"]))
        if verdict.reasons:
            reason, value, limit = verdict.first()
            return m.REFUSED, reason, min(value, 0xFFFFFFFF), min(limit, 0xFFFFFFFF)
        self._lay(now_ms, request["i"], basal.TEMP, rate, request["ms"])
        return m.OK, m.NONE, rate, 0

    def minimum(self, request: "Request", now_ms: int) -> "Result":
        """The program's minimum rate until `normal`."""
        pump = self._pump
        if not pump.allows(states.E_RATE):
            return refuse_state(pump)
        rate = pump.program()["min_rate_nl_per_day"]
        if not rate:
            return m.REFUSED, m.NOT_OFFERED, 0, 0
        self._lay(now_ms, request["i"], basal.MINIMUM, rate, 0)
        return m.OK, m.NONE, rate, 0

    def normal(self, request: "Request", now_ms: int) -> "Result":
        """Back to the schedule."""
        pump = self._pump
        if not pump.allows(states.E_RATE):
            return refuse_state(pump)
        self._lay(now_ms, request["i"], basal.NONE, 0, 0)
        return YES

    def clock(self, request: "Request", now_ms: int) -> "Result":
        """Set the wall clock; the answer has the jump in s (the limit is 1 for one backwards). Never durable: after a reset
        nobody knows how long it was."""
        pump = self._pump
        old = pump.basal.wall_ms
        jump_ms = request["u"] - now_ms - old if old is not None else 0
        way = events.CLOCK_FIRST if old is None else events.CLOCK_BACK if jump_ms < 0 else events.CLOCK_FORWARD
        pump.basal.wall_ms = request["u"] - now_ms
        pump.journal.write(now_ms, events.CLOCK, request["u"], min(abs(jump_ms) // 1000, 0xFFFFFFFF), 0, way)
        return m.OK, m.NONE, min(abs(jump_ms) // 1000, 0xFFFFFFFF), 1 if jump_ms < 0 else 0

    def hold(self, request: "Request", now_ms: int) -> "Result | None":
        """The checks of a hold beside the state table; None: it may be."""
        pump = self._pump
        most = pump.program()["max_hold_ms"] if pump.fields is not None else m.HOLD_MS_MAX
        if request["ms"] > most:
            return m.REFUSED, m.HOLD_TOO_LONG, request["ms"], most
        pump.ledger.hold_until = now_ms + request["ms"] if request["ms"] else 0
        pump.journal.write(now_ms, events.HOLD, request["i"], request["ms"])
        return None

    def _lay(self, now_ms: int, command_id: int, kind: int, rate: int, duration_ms: int) -> None:
        """In the ledger, not yet in force: `after` does that."""
        ledger = self._pump.ledger
        ledger.overlay = kind
        ledger.overlay_rate = rate
        ledger.overlay_until = now_ms + duration_ms if duration_ms else 0
        self._pump.journal.write(now_ms, events.OVERLAY, command_id, rate, duration_ms, kind)

    def after(self, name: str, now_ms: int) -> None:
        """The command is durable: let it work."""
        pump = self._pump
        if name == "clock":
            pump.delivery.change_rate(now_ms, WHY_CLOCK)
        else:
            ledger = pump.ledger
            pump.basal.lay(ledger.overlay, ledger.overlay_rate, ledger.overlay_until)
            pump.delivery.change_rate(now_ms, WHY_TEMP if name == "temp" else WHY_MINIMUM if name == "minimum" else WHY_NORMAL)
        self._watch_clock(now_ms)
        pump.journal.wake = True

    # --- states ----------------------------------------------------------------------------------------------------------------
    def entered(self, now_ms: int, before: int, after: int) -> None:
        """The state changed; the caller commits."""
        pump = self._pump
        if after == states.HELD:
            self._held_ms = now_ms
            until = pump.ledger.hold_until
            self._remind_ms = max(until - REMIND_BEFORE_MS, (now_ms + until) // 2) if until else now_ms + REMIND_MS
            self._budget_known = before == states.INFUSING
        elif before == states.HELD:
            pump.ledger.hold_until = 0
            pump.lower_alarm(now_ms, faults.A_HOLD_REMINDER)
            pump.lower_alarm(now_ms, faults.A_INTERRUPTION)
        if after == states.OFF:
            self.drop(now_ms)

    def drop(self, now_ms: int) -> None:
        """End what lies over the schedule; the caller commits."""
        pump = self._pump
        if pump.ledger.overlay:
            self._lay(now_ms, 0, basal.NONE, 0, 0)
        pump.basal.lay(basal.NONE, 0, 0)

    def recovered(self, now_ms: int) -> None:
        """After a boot, before the program is taken: a temporary rate goes on only where it lowers (core/basal.py). A hold ends
        by itself only where basal may resume by itself."""
        pump = self._pump
        if pump.ledger.overlay == basal.TEMP:
            pump.ledger.overlay = basal.CAPPED
            pump.raise_alarm(now_ms, faults.A_RATE_DROPPED, pump.ledger.overlay_rate)
            pump.lower_alarm(now_ms, faults.A_RATE_DROPPED)  # it has happened: held until acknowledged

    # --- the service -----------------------------------------------------------------------------------------------------------
    def poll(self, now_ms: int) -> int:
        """End what is over, remind, watch the clock. At most one durable write."""
        pump = self._pump
        ledger = pump.ledger
        if not pump.ledger_ok or pump.fault != faults.NO_FAULT:
            return now_ms + IDLE_MS
        self._watch_clock(now_ms)
        due = now_ms + IDLE_MS
        if ledger.overlay == basal.TEMP or ledger.overlay == basal.CAPPED:
            if now_ms >= ledger.overlay_until:
                if pump.store.spent:
                    return now_ms
                self._lay(now_ms, 0, basal.NONE, 0, 0)
                pump.basal.lay(basal.NONE, 0, 0)
                pump.delivery.change_rate(now_ms, WHY_NORMAL)
                pump.commit(now_ms)
            else:
                due = min(due, ledger.overlay_until)
        if pump.state == states.HELD:
            due = min(due, self._held(now_ms))
        return due

    def _held(self, now_ms: int) -> int:
        """A hold under way: remind, alarm, end it."""
        pump = self._pump
        until = pump.ledger.hold_until
        fields = pump.fields
        if until and now_ms >= until:
            if pump.store.spent:
                return now_ms
            if fields is None or refusal(pump) is not None:
                pump.ledger.hold_until = 0  # it cannot end by itself: it is a hold without an end now, and says so
                self._budget_known = False
            else:
                pump.enter(now_ms, states.E_RESUME)
            pump.commit(now_ms)
            return now_ms
        if now_ms >= self._remind_ms:
            self._remind_ms = now_ms + REMIND_MS
            pump.lower_alarm(now_ms, faults.A_HOLD_REMINDER)
            pump.raise_alarm(now_ms, faults.A_HOLD_REMINDER, (now_ms - self._held_ms) // 1000)
        budget = self._held_ms + (fields["max_hold_ms"] if fields is not None else m.HOLD_MS_MAX)
        if now_ms >= budget or not self._budget_known:
            pump.raise_alarm(now_ms, faults.A_INTERRUPTION, (now_ms - self._held_ms) // 1000)
            budget = now_ms + IDLE_MS
        return min(self._remind_ms, budget, until) if until else min(self._remind_ms, budget)

    def _watch_clock(self, now_ms: int) -> None:
        """A flex program wants a clock while it runs or is about to."""
        pump = self._pump
        if pump.fields is not None and not pump.basal.clock_known() and pump.state in (states.INFUSING, states.HELD):
            pump.raise_alarm(now_ms, faults.A_CLOCK_UNKNOWN)
        else:
            pump.lower_alarm(now_ms, faults.A_CLOCK_UNKNOWN)


def refusal(pump: "Pump") -> "Result | None":
    """Why therapy may not run now whatever the state table says, or None."""
    if pump.fields is None:
        return m.REFUSED, m.NO_PROGRAM, 0, 0
    if pump.inputs.pressed():
        return m.REFUSED, m.ESTOP, 0, 0
    if pump.ledger.flags & F_DIRECTION_WRONG:
        return m.REFUSED, m.DIRECTION, 0, 0
    if pump.reservoir_left_nl() == 0:
        return m.REFUSED, m.RESERVOIR, 0, 0
    if pump.ledger.motion:  # the last lease of a set-up motion: what moves now is no dose, perhaps backwards
        return m.BUSY, m.NONE, 0, 0
    return None
