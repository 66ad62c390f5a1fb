"""Latched faults and alarms: their codes and priorities. Sentences live on the host (`thecal_host/texts.py`).

A fault ends in SAFE with EN off and survives every reset. An alarm is latched until it is acknowledged *and* its cause is gone.
"""

from thecal.core.compat import const

# --- latched faults -----------------------------------------------------------------------------------------------------
NO_FAULT = const(0)
LEDGER_MISSING = const(1)
LEDGER_CORRUPT = const(2)
LEDGER_REGRESSED = const(3)  # older than the newest log record says
PROGRAM_CORRUPT = const(4)
MONITOR_LIMITS = const(5)  # missing, corrupt or made for another program or calibration
EN_STUCK = const(6)  # EN read back as on while it was set off, or off while set on
COUNTER_FAILED = const(7)  # the loop test did not count what was sent
FILES_CHANGED = const(8)  # a firmware file does not match the manifest
MONITOR_TRIPPED = const(9)
WATCHDOG_THRICE = const(10)
LEDGER_WRITE = const(11)
SERVICE_DIED = const(12)
PERMIT_REFUSED = const(13)
LOG_CORRUPT = const(14)
FAULTS = (
    LEDGER_MISSING,
    LEDGER_CORRUPT,
    LEDGER_REGRESSED,
    PROGRAM_CORRUPT,
    MONITOR_LIMITS,
    EN_STUCK,
    COUNTER_FAILED,
    FILES_CHANGED,
    MONITOR_TRIPPED,
    WATCHDOG_THRICE,
    LEDGER_WRITE,
    SERVICE_DIED,
    PERMIT_REFUSED,
    LOG_CORRUPT,
)

# --- monitor trips (detail of MONITOR_TRIP) --------------------------------------------------------------------------------
TRIP_INTENT = const(1)  # more edges than the durable intent covers
TRIP_WINDOW = const(2)  # more edges than a window allows
TRIP_ENVELOPE = const(3)  # more edges in an interval than the schedule needs
TRIP_UNREADABLE = const(4)  # ledger or limits could not be read back
TRIPS = (  # for the host
    TRIP_INTENT,
    TRIP_WINDOW,
    TRIP_ENVELOPE,
    TRIP_UNREADABLE,
)

# --- alarms ----------------------------------------------------------------------------------------------------------------
LOW = const(1)
MEDIUM = const(2)
HIGH = const(3)
A_FAULT = const(1)
A_TIME_UNKNOWN = const(2)  # power was lost for an unknown time
A_RESERVOIR_LOW = const(3)
A_RESERVOIR_EMPTY = const(4)
A_BATTERY_LOW = const(5)
A_LIMIT_NARROWED = const(6)  # a window limit held back basal: never silent
A_BOLUS_DROPPED = const(7)  # a reset ended a bolus; it does not resume
A_LOG_FULL = const(8)  # the log could not be written
A_STEPS_MISSING = const(9)  # fewer edges counted than steps sent: a counter or a wire; value: how many
A_CLOCK_UNKNOWN = const(10)  # a flex program without a clock: its safe rate runs
A_HOLD_REMINDER = const(11)  # therapy is on hold
A_INTERRUPTION = const(12)  # on hold for longer than the program allows
A_ESTOP = const(13)  # value: steps of the lease that was cut short, which may or may not have been made
A_BUTTON_STUCK = const(14)
A_RATE_DROPPED = const(15)  # a reset ended a temporary rate that was higher than the schedule
PRIORITY: "dict[int, int]" = {
    A_FAULT: HIGH,
    A_TIME_UNKNOWN: MEDIUM,
    A_RESERVOIR_LOW: LOW,
    A_RESERVOIR_EMPTY: HIGH,
    A_BATTERY_LOW: LOW,
    A_LIMIT_NARROWED: MEDIUM,
    A_BOLUS_DROPPED: MEDIUM,
    A_LOG_FULL: HIGH,
    A_STEPS_MISSING: HIGH,
    A_CLOCK_UNKNOWN: MEDIUM,
    A_HOLD_REMINDER: LOW,
    A_INTERRUPTION: HIGH,
    A_ESTOP: HIGH,
    A_BUTTON_STUCK: LOW,
    A_RATE_DROPPED: MEDIUM,
}


class Alarms:
    """Which alarms are raised. Each holds (active, acknowledged); it
    leaves only when acknowledged and no longer active (SR-30)."""

    def __init__(self) -> None:
        self._held: "dict[int, list[bool]]" = {}

    def raise_(self, alarm: int) -> bool:
        """The cause of `alarm` is present. True when this is news (so it is logged once)."""
        entry = self._held.get(alarm)
        if entry is None:
            self._held[alarm] = [True, False]
            return True
        news = not entry[0]
        entry[0] = True
        if news:
            entry[1] = False
        return news

    def lower(self, alarm: int) -> bool:
        """The cause of `alarm` is gone. True when that cleared it (it had been acknowledged)."""
        entry = self._held.get(alarm)
        if entry is None:
            return False
        entry[0] = False
        if entry[1]:
            del self._held[alarm]
            return True
        return False

    def acknowledge(self) -> "list[int]":
        """Acknowledge all; returns those that are cleared by it, in rising order. A present cause stays held."""
        cleared: "list[int]" = []
        for alarm in sorted(self._held):
            entry = self._held[alarm]
            entry[1] = True
            if not entry[0]:
                cleared.append(alarm)
        for alarm in cleared:
            del self._held[alarm]
        return cleared

    def highest(self) -> int:
        """The alarm of highest priority (the lowest code among equals), 0 when none."""
        best = 0
        for alarm in sorted(self._held):
            if best == 0 or PRIORITY[alarm] > PRIORITY[best]:
                best = alarm
        return best

    def active(self, least: int) -> int:
        """The alarm of highest priority >= `least` whose cause is present, 0 when none."""
        best = 0
        for alarm in sorted(self._held):
            if self._held[alarm][0] and PRIORITY[alarm] >= least and (best == 0 or PRIORITY[alarm] > PRIORITY[best]):
                best = alarm
        return best

    def held(self) -> "list[int]":
        """All held alarms in rising order."""
        return sorted(self._held)
