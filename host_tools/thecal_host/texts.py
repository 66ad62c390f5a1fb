"""Sentences for the codes of the board: results, reasons, states, faults, alarms, trips, causes, events. One table each.

Invariant: every code of `thecal.core` has its own sentence here (a test compares the tables), and a code this host does not
know is shown as "code N (newer firmware?)", never hidden. Rendering of whole log records is in `record_texts.py`.
"""

from thecal.core import basal, events, faults, messages, prescription, program_table, states, units
from thecal_host import amounts
from thecal_host.reason_texts import REASONS, WAY_OUT

NEWER = "code {} (newer firmware?)"

RESULTS = {
    messages.OK: "done",
    messages.REFUSED: "refused",
    messages.BAD_REQUEST: "the request was not understood or a value was out of range; nothing was done",
    messages.STALE_ID: "this id is older than those the board remembers; it was not run now. `thecal log show` tells whether "
    "it ran before",
    messages.ID_AHEAD: "this id is too far ahead of the board's counter; nothing was done. Leave out --id to get a new one",
    messages.ID_TAKEN: "this id was already used for another command; nothing was done. Leave out --id to get a new one",
    messages.BUSY: "the board is busy writing, or was asked too often; nothing was done. Try again in a minute",
    messages.BAD_BLOB: "the file did not arrive whole; nothing was changed. Run `thecal upload` again",
    messages.BAD_PROGRAM: "the program was refused",
    messages.STORE_FULL: "the board could not write to its flash; nothing was changed. Run `thecal check`",
    messages.AUTH: "the command was not signed by a role that may give it; nothing was done",
}

FAULTS = {
    faults.NO_FAULT: "none",
    faults.LEDGER_MISSING: "the dose ledger is missing, so what was delivered is unknown",
    faults.LEDGER_CORRUPT: "the dose ledger is damaged, so what was delivered is unknown",
    faults.LEDGER_REGRESSED: "the dose ledger is older than the log says, so part of what was delivered is unknown",
    faults.PROGRAM_CORRUPT: "the active program is damaged",
    faults.MONITOR_LIMITS: "the monitor's limits are missing, damaged or belong to another program",
    faults.EN_STUCK: "the driver's enable line does not follow: it reads back otherwise than it was set",
    faults.COUNTER_FAILED: "the step counter did not count what was sent in its test",
    faults.FILES_CHANGED: "a firmware file is not the one that was installed",
    faults.MONITOR_TRIPPED: "the monitor counted steps that were not allowed and cut the motor off",
    faults.WATCHDOG_THRICE: "the watchdog restarted the board three times in a row",
    faults.LEDGER_WRITE: "the dose ledger could not be written",
    faults.SERVICE_DIED: "a part of the firmware missed its deadline or failed",
    faults.PERMIT_REFUSED: "the motor driver refused a permit that did not follow from the ledger",
    faults.LOG_CORRUPT: "the event log is damaged",
}

TRIPS = {
    faults.TRIP_INTENT: "more steps than the durable intent covers",
    faults.TRIP_WINDOW: "more steps than a time window allows",
    faults.TRIP_ENVELOPE: "more steps in an interval than the schedule needs",
    faults.TRIP_UNREADABLE: "the ledger or the limits could not be read back",
}

ALARMS = {
    0: "none",
    faults.A_FAULT: "latched fault",
    faults.A_TIME_UNKNOWN: "the board restarted; how long it was without power is unknown",
    faults.A_RESERVOIR_LOW: "reservoir low",
    faults.A_RESERVOIR_EMPTY: "reservoir empty",
    faults.A_BATTERY_LOW: "battery low",
    faults.A_LIMIT_NARROWED: "a limit holds back the basal rate",
    faults.A_BOLUS_DROPPED: "a restart ended a bolus; it does not resume",
    faults.A_LOG_FULL: "the event log cannot be written",
    faults.A_STEPS_MISSING: "fewer steps counted than sent; check the step_sense wire",
    faults.A_CLOCK_UNKNOWN: "wall clock unknown: the declared safe rate runs, not the schedule; set it with `thecal clock set`",
    faults.A_HOLD_REMINDER: "therapy is still held; `thecal resume` ends the hold",
    faults.A_INTERRUPTION: "therapy has been interrupted for longer than the program allows",
    faults.A_ESTOP: "emergency stop pressed; release it and acknowledge",
    faults.A_BUTTON_STUCK: "the patient button is stuck: it stays pressed, and is not obeyed",
    faults.A_RATE_DROPPED: "a restart ended a temporary rate above the schedule",
}

# alarm -> unit of its record's value, "" where the value says nothing
ALARM_UNITS = {
    faults.A_FAULT: "fault",
    faults.A_TIME_UNKNOWN: "",
    faults.A_RESERVOIR_LOW: "nl",
    faults.A_RESERVOIR_EMPTY: "nl",
    faults.A_BATTERY_LOW: "mv",
    faults.A_LIMIT_NARROWED: "nl",
    faults.A_BOLUS_DROPPED: "nl",
    faults.A_LOG_FULL: "",
    faults.A_STEPS_MISSING: "steps",
    faults.A_CLOCK_UNKNOWN: "",
    faults.A_HOLD_REMINDER: "s",
    faults.A_INTERRUPTION: "s",
    faults.A_ESTOP: "",
    faults.A_BUTTON_STUCK: "s",
    faults.A_RATE_DROPPED: "nl_per_day",
}

STATES = {
    states.BOOT: "starting",
    states.SELFTEST: "testing itself",
    states.UNPROVISIONED: "not provisioned",
    states.OFF: "off",
    states.INFUSING: "infusing",
    states.HELD: "held",
    states.SAFE: "safe (stopped by a fault)",
    states.MAINTENANCE: "in maintenance",
    states.SETUP: "in a set-up motion",
}

STATE_EVENTS = {
    states.E_BOOTED: "started",
    states.E_NO_MARKER: "was never provisioned",
    states.E_PASS_OFF: "passed its self-test with therapy off",
    states.E_PASS_RESUME: "passed its self-test and resumes basal, as its program says",
    states.E_PASS_HELD: "passed its self-test with therapy held",
    states.E_FAULT: "a fault",
    states.E_PROVISION: "provisioned",
    states.E_ACTIVATE: "a program was activated",
    states.E_START: "start command",
    states.E_STOP: "stop command",
    states.E_HOLD: "hold command",
    states.E_RESUME: "resume",
    states.E_BOLUS: "bolus",
    states.E_MAINTENANCE: "maintenance command",
    states.E_RECOVER: "authenticated recovery",
    states.E_MOVE: "move command",
    states.E_MOVED: "the motion ended",
    states.E_ESTOP: "emergency stop",
    states.E_RATE: "another rate was asked for",
}

MODES = {0: "none", program_table.MODE_CONTINUOUS: "continuous", program_table.MODE_FLEX: "flex"}

OVERLAYS = {
    basal.NONE: "none",
    basal.TEMP: "temporary rate",
    basal.MINIMUM: "minimum rate",
    basal.CAPPED: "temporary rate, no higher than the schedule since a restart",
}

SOURCES = {
    0: "nobody",
    messages.BY_CLINICIAN: "clinician",
    messages.BY_PATIENT: "patient, by command",
    messages.BY_BUTTON: "patient, by the button",
}

MOTIONS = {0: "none", messages.JOG: "jog", messages.PRIME: "prime", messages.PURGE: "purge", messages.HOME: "search for home"}

DIRECTIONS = {0: "not checked", 1: "checked, right", 2: "WRONG: the plunger was seen to move the other way"}

INPUTS = {events.IN_BUTTON: "patient button", events.IN_ESTOP: "emergency stop", events.IN_HOME: "home switch"}

RESET_CAUSES = {0: "power", 1: "watchdog", 2: "commanded reset", 3: "reset pin", 4: "unknown cause"}


def of(table: "dict[int, str]", code: int) -> str:
    """The sentence of `code`, or "code N (newer firmware?)"."""
    return table.get(code, NEWER.format(code))


def fault(code: int) -> str:
    """The sentence of a latched fault and the way out of it; "none" when there is none."""
    return of(FAULTS, code) + (f". {WAY_OUT}" if code else "")


def amount(value: int, unit: str, ng_per_ml: int = 0) -> str:
    """`value` with its unit for people; `unit` is one of those used in REASONS. A volume is told as mass too when `ng_per_ml` is
    known (not 0)."""
    if unit == "nl":
        return amounts.with_mass(value, ng_per_ml)
    if unit == "nl_per_day":
        return units.format_volume(value) + "/day"
    if unit == "nl_per_s":
        return units.format_volume(value) + "/s"
    if unit == "ms":
        return duration(value)
    if unit == "s":
        return duration(value * 1000)
    if unit == "inputs":
        return ", ".join(name for code, name in INPUTS.items() if value >> (code - 1) & 1) or "none"
    if unit == "mv":
        return f"{value} mV"
    if unit == "steps":
        return f"{value} steps"
    if unit == "state":
        return of(STATES, value)
    if unit == "fault":
        return of(FAULTS, value)
    if unit == "alarm":
        return of(ALARMS, value)
    return str(value)


def duration(ms: int) -> str:
    """A time span for people: the two largest units that say something ("1 h 48 min", "2 d 3 h", "12.5 s")."""
    if ms < 60_000:
        return f"{units.decimal(ms, 3)} s"
    parts: list[str] = []
    rest = ms // 1000
    for name, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)


def overrides(mask: int) -> list[str]:
    """What a person has overridden, one text for each bit of the program's `overrides`."""
    known = dict(program_table.OVERRIDES)
    return [known.get(1 << bit, NEWER.format(1 << bit)) for bit in range(mask.bit_length()) if mask >> bit & 1]


def wait(ms: int) -> str:
    """A waiting time for people, rounded up to what `duration` tells: who waits that long does not come too early."""
    for least, grain in ((86_400_000, 3_600_000), (3_600_000, 60_000), (1, 1000)):
        if ms >= least:
            return duration(-(-ms // grain) * grain)
    return duration(0)


def reason(code: int, value: int, limit: int, ng_per_ml: int = 0, wait_ms: int = 0, at: str = "") -> str:
    """The sentence of a refusal's reason, with its value and limit, in mass too when `ng_per_ml` is known. Where the board said
    how long to wait (`wait_ms` > 0) that is the hint; `at` is the time of day when the waiting ends, " (at 14:05)"."""
    if code not in REASONS:
        return f"reason {NEWER.format(code)}, value {value}, limit {limit}"
    what, unit, hint = REASONS[code]
    if code == messages.RESERVOIR and value == 0 and limit == 0:
        what = "the reservoir is empty"
    if code == messages.DURATION and value > limit:
        what, hint = "its duration is not allowed: {value}, at most {limit}", "Give a shorter one"
    rest = duration(max(limit - value, 0)) if unit == "ms" else ""
    if wait_ms > 0:
        hint = f"It would be granted in {wait(wait_ms)}{at}"
    figures = {"value": amount(value, unit, ng_per_ml), "limit": amount(limit, unit, ng_per_ml), "rest": rest}
    return f"{what}. {hint}".format(**figures) if hint else what.format(**figures)


def program_problem(tag: int, value: int, limit: int) -> str:
    """The sentence for a program the board refused: field, value, limit."""
    key = next((row[1] for row in prescription.FIELDS if row[0] == tag), "")
    what = f"its {key}" if key else "the program as a whole" if tag == 0 else f"its field {NEWER.format(tag)}"
    return (
        f"the program was refused because of {what}: value {value}, limit {limit}. Correct the prescription and upload it again"
    )


def outcome(
    result: int,
    why: int = 0,
    value: int = 0,
    limit: int = 0,
    key: str = "",
    low: int = 0,
    high: int = 0,
    ng_per_ml: int = 0,
    wait_ms: int = 0,
    at: str = "",
) -> str:
    """One sentence for a result with its reason, without a capital and without a full stop; `wait_ms` and `at` as `reason`."""
    if result == messages.REFUSED:
        return reason(why, value, limit, ng_per_ml, wait_ms, at)
    if result == messages.BAD_PROGRAM:
        return program_problem(why, value, limit)
    if result == messages.BAD_REQUEST and key:
        return f"the board refused {key} = {value}: it must be {low} to {high}. Nothing was done"
    return RESULTS.get(result, f"the board answered with {NEWER.format(result)}")


def refusal(answer: "dict[str, object]") -> str:
    """`outcome` of a decoded JSON answer, as a sentence with its full stop."""

    def number(name: str) -> int:
        value = answer.get(name, 0)
        return value if isinstance(value, int) else 0

    key = answer.get("k")
    text = outcome(
        number("r"), number("k"), number("v"), number("l"), key if isinstance(key, str) else "", number("lo"), number("hi")
    )
    return text + "."
