"""Sensing: reads battery and pressure on its own beat and raises
what they say. A sensor that is not fitted stays None, never "ok".

Thresholds in mV are the board file's (`limits.battery_low_mv`, 0: none). One SENSORS record an hour.
"""

from thecal.core import events, faults
from thecal.core.compat import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal.services.pump import Pump

PERIOD_MS = const(60_000)
RECORD_MS = const(3_600_000)
HYSTERESIS_MV = const(50)
STEPS_MISSING_MAX = const(4)  # a real counter may miss an edge of noise-filtered glitches; a dead one misses all


class Sensing:
    """The sensing service."""

    def __init__(self, pump: "Pump") -> None:
        self._pump = pump
        self._next_record_ms = 0
        self._low_mv = pump.config["limits"].get("battery_low_mv", 0)

    def poll(self, now_ms: int) -> int:
        """Read once; alarms follow their cause, with hysteresis."""
        pump = self._pump
        battery = pump.board.battery_mv.read()
        pressure = pump.board.pressure_pa.read()
        if battery is not None and self._low_mv:
            if battery < self._low_mv:
                pump.raise_alarm(now_ms, faults.A_BATTERY_LOW, battery)
            elif battery > self._low_mv + HYSTERESIS_MV:
                pump.lower_alarm(now_ms, faults.A_BATTERY_LOW)
        missing = pump.motor.permitted - pump.aborted - pump.monitor.edges()
        if not pump.motor.busy() and missing >= STEPS_MISSING_MAX:
            pump.raise_alarm(now_ms, faults.A_STEPS_MISSING, missing)
        if now_ms >= self._next_record_ms:
            self._next_record_ms = now_ms - now_ms % RECORD_MS + RECORD_MS
            fitted = (1 if battery is not None else 0) | (2 if pressure is not None else 0)
            pump.journal.write(now_ms, events.SENSORS, pump.motor.position, max(battery or 0, 0), max(pressure or 0, 0), fitted)
        return now_ms + PERIOD_MS
