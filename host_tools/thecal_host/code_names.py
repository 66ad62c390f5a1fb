"""Short names of the board's codes for programs that read --json. Invariant: a name never changes once released, a code without
one is "", and the code itself always stands beside it. Sentences for people are in `texts.py`.
"""

from typing import Any

from thecal.core import events, faults, messages, states

_RESULTS = "OK REFUSED BAD_REQUEST STALE_ID ID_TAKEN BUSY BAD_BLOB BAD_PROGRAM STORE_FULL AUTH ID_AHEAD"
_REASONS = (
    "NONE MAX_RATE MAX_BOLUS WINDOW_1H WINDOW_4H WINDOW_24H LOCKOUT BOLUS_COUNT BOLUS_RUNNING STEP_RATE RESERVOIR BELOW_QUANTUM "
    "STATE NO_PROGRAM NOT_STAGED CRC_MISMATCH LATCHED DURATION BATTERY NOT_THIS_BOARD"
)
_FAULTS = (
    "NO_FAULT LEDGER_MISSING LEDGER_CORRUPT LEDGER_REGRESSED PROGRAM_CORRUPT MONITOR_LIMITS EN_STUCK COUNTER_FAILED "
    "FILES_CHANGED MONITOR_TRIPPED WATCHDOG_THRICE LEDGER_WRITE SERVICE_DIED PERMIT_REFUSED LOG_CORRUPT"
)
_ALARMS = (
    "A_FAULT A_TIME_UNKNOWN A_RESERVOIR_LOW A_RESERVOIR_EMPTY A_BATTERY_LOW A_LIMIT_NARROWED A_BOLUS_DROPPED A_LOG_FULL "
    "A_STEPS_MISSING"
)


def _named(module: Any, names: str) -> dict[int, str]:
    return {getattr(module, name): name.removeprefix("A_").lower() for name in names.split()}


RESULTS = _named(messages, _RESULTS)
REASONS = _named(messages, _REASONS)
FAULTS = {**_named(faults, _FAULTS), faults.NO_FAULT: "none"}
ALARMS = {0: "none", **_named(faults, _ALARMS)}
STATES = dict(zip(states.STATES, states.STATE_NAMES, strict=True))
_TABLES = {"state": STATES, "fault": FAULTS, "alarm": ALARMS, "result": RESULTS, "reason": REASONS}


def named(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with "state_name", "fault_name", "alarm_name", "result_name" and "reason_name" behind each code it has."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        out[key] = value
        # the "reason" of a refused program is the tag of its field, which is no reason
        if key in _TABLES and not (key == "reason" and values.get("result") == messages.BAD_PROGRAM):
            out[key + "_name"] = _TABLES[key].get(value, "")
    return out


def of_record(record: events.Record) -> dict[str, str]:
    """The names in a log record: "alarm_name", "fault_name", "result_name", "state_name" (the new state), "from_state_name"."""
    if record.code == events.STATE:
        return {"from_state_name": STATES.get(record.b, ""), "state_name": STATES.get(record.c, "")}
    kind = {
        events.ALARM: "alarm",
        events.ALARM_CLEARED: "alarm",
        events.FAULT: "fault",
        events.COMMAND: "result",
        events.REFUSAL: "reason",
    }.get(record.code)
    return {kind + "_name": _TABLES[kind].get(record.detail, "")} if kind else {}
