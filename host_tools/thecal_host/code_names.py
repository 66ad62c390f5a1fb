"""Short names of the board's codes for programs that read --json. Invariant: a name never changes once released, a code without
one is "", and the code itself always stands beside it. Sentences for people are in `texts.py`.
"""

from typing import Any

from thecal.core import basal, events, faults, messages, program_table, states

_RESULTS = "OK REFUSED BAD_REQUEST STALE_ID ID_TAKEN BUSY BAD_BLOB BAD_PROGRAM STORE_FULL AUTH ID_AHEAD"
_REASONS = (
    "NONE MAX_RATE MAX_BOLUS WINDOW_1H WINDOW_4H WINDOW_24H LOCKOUT BOLUS_COUNT BOLUS_RUNNING STEP_RATE RESERVOIR BELOW_QUANTUM "
    "STATE NO_PROGRAM NOT_STAGED CRC_MISMATCH LATCHED DURATION BATTERY NOT_THIS_BOARD ALARM TITRATION NOT_OFFERED HOLD_TOO_LONG "
    "CLOCK ESTOP STROKE NOT_FITTED SETUP_VOLUME DIRECTION DRUG_CHANGE NOT_DETACHED"
)
_FAULTS = (
    "NO_FAULT LEDGER_MISSING LEDGER_CORRUPT LEDGER_REGRESSED PROGRAM_CORRUPT MONITOR_LIMITS EN_STUCK COUNTER_FAILED "
    "FILES_CHANGED MONITOR_TRIPPED WATCHDOG_THRICE LEDGER_WRITE SERVICE_DIED PERMIT_REFUSED LOG_CORRUPT"
)
_ALARMS = (
    "A_FAULT A_TIME_UNKNOWN A_RESERVOIR_LOW A_RESERVOIR_EMPTY A_BATTERY_LOW A_LIMIT_NARROWED A_BOLUS_DROPPED A_LOG_FULL "
    "A_STEPS_MISSING A_CLOCK_UNKNOWN A_HOLD_REMINDER A_INTERRUPTION A_ESTOP A_BUTTON_STUCK A_RATE_DROPPED"
)


def _named(module: Any, names: str) -> dict[int, str]:
    prefixes = ("A_", "WHY_", "CLOCK_")
    out: dict[int, str] = {}
    for name in names.split():
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        out[getattr(module, name)] = name.removeprefix(prefix).lower()
    return out


RESULTS = _named(messages, _RESULTS)
REASONS = _named(messages, _REASONS)
FAULTS = {**_named(faults, _FAULTS), faults.NO_FAULT: "none"}
ALARMS = {0: "none", **_named(faults, _ALARMS)}
STATES = dict(zip(states.STATES, states.STATE_NAMES, strict=True))
MODES = {0: "none", program_table.MODE_CONTINUOUS: "continuous", program_table.MODE_FLEX: "flex"}
OVERLAYS = {basal.NONE: "none", basal.TEMP: "temp", basal.MINIMUM: "minimum", basal.CAPPED: "capped"}
SOURCES = {0: "none", messages.BY_CLINICIAN: "clinician", messages.BY_PATIENT: "patient", messages.BY_BUTTON: "button"}
MOTIONS = {0: "none", **_named(messages, "JOG PRIME PURGE HOME")}
DIRECTIONS = {0: "unknown", 1: "ok", 2: "wrong"}
INPUTS = {events.IN_BUTTON: "button", events.IN_ESTOP: "estop", events.IN_HOME: "home"}
RATE_REASONS = _named(basal, "WHY_PROGRAM WHY_SCHEDULE WHY_TEMP WHY_MINIMUM WHY_NO_CLOCK WHY_NORMAL WHY_CLOCK")
CLOCK_WAYS = _named(events, "CLOCK_FIRST CLOCK_FORWARD CLOCK_BACK")
_TABLES = {
    "state": STATES,
    "fault": FAULTS,
    "alarm": ALARMS,
    "result": RESULTS,
    "reason": REASONS,
    "mode": MODES,
    "overlay": OVERLAYS,
    "source": SOURCES,
    "motion": MOTIONS,
    "direction": DIRECTIONS,
    "input": INPUTS,
    "why": RATE_REASONS,
    "way": CLOCK_WAYS,
}


def named(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with "state_name", "alarm_name", "result_name", "reason_name", ... behind each code it has, "held_names" behind
    the held alarms and "override_names" behind the overridden limits."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        out[key] = value
        # the "reason" of a refused program is the tag of its field, which is no reason
        if key in _TABLES and not (key == "reason" and values.get("result") == messages.BAD_PROGRAM):
            out[key + "_name"] = _TABLES[key].get(value, "")
        elif key == "held":
            out["held_names"] = [ALARMS.get(code, "") for code in value]
        elif key == "overrides":
            out["override_names"] = override_names(value)
    return out


def override_names(mask: int) -> list[str]:
    """Short names of the limits overridden in `mask` ("rate_above_soft_high"); "" for a bit without a name."""
    known = dict(program_table.OVERRIDES)
    return [known.get(1 << bit, "").replace(" ", "_") for bit in range(mask.bit_length()) if mask >> bit & 1]


# log code -> what its detail is a code of
_IN_DETAIL = {
    events.ALARM: "alarm",
    events.ALARM_CLEARED: "alarm",
    events.FAULT: "fault",
    events.COMMAND: "result",
    events.REFUSAL: "reason",
    events.GRANT: "source",
    events.RATE: "why",
    events.CLOCK: "way",
    events.OVERLAY: "overlay",
    events.UNMET: "reason",
    events.INPUT: "input",
}


def of_record(record: events.Record) -> dict[str, Any]:
    """The names in a log record: "alarm_name", "fault_name", "result_name", "state_name" (the new state), "from_state_name",
    "motion_name", "override_names", ..."""
    if record.code == events.STATE:
        return {"from_state_name": STATES.get(record.b, ""), "state_name": STATES.get(record.c, "")}
    if record.code in (events.MOVE, events.DOSE):
        return {"motion_name": MOTIONS.get(record.detail & 15, "")}
    if record.code == events.OVERRIDES:
        return {"override_names": override_names(record.b)}
    kind = _IN_DETAIL.get(record.code)
    return {kind + "_name": _TABLES[kind].get(record.detail, "")} if kind else {}
