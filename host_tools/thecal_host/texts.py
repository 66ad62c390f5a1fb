"""Sentences for the codes of the board: results, reasons, states, faults, alarms, trips, causes, events. One table each.

Invariant: every code of `thecal.core` has its own sentence here (a test compares the tables), and a code this host does not
know is shown as "code N (newer firmware?)", never hidden. Rendering of whole log records is in `record_texts.py`.
"""

from thecal.core import faults, messages, prescription, states, units
from thecal_host import amounts

NEWER = "code {} (newer firmware?)"
WAY_OUT = "This version has no recovery command: see 'Out of a latched fault' in firmware/SAFETY.md"

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

# reason -> (sentence with {value} and {limit}, unit of both)
REASONS = {
    messages.NONE: ("no reason was given", ""),
    messages.MAX_RATE: (
        "the rate {value} is above the program's highest rate {limit}. Lower the dose, or raise limits.max_rate",
        "nl_per_day",
    ),
    messages.MAX_BOLUS: (
        "the bolus {value} is larger than the program's largest bolus {limit}. Ask for less, or raise limits.max_bolus",
        "nl",
    ),
    messages.WINDOW_1H: ("some 1 h window would hold {value}, more than the limit {limit}. Wait, or ask for less", "nl"),
    messages.WINDOW_4H: ("some 4 h window would hold {value}, more than the limit {limit}. Wait, or ask for less", "nl"),
    messages.WINDOW_24H: ("some 24 h window would hold {value}, more than the limit {limit}. Wait, or ask for less", "nl"),
    messages.LOCKOUT: ("only {value} of the lockout of {limit} since the last bolus have passed. Wait {rest} more", "ms"),
    messages.BOLUS_COUNT: ("{value} boluses were given in the last 24 h and the limit is {limit}. Wait", ""),
    messages.BOLUS_RUNNING: ("a bolus is still running, {value} of it to come. Wait until it has ended, or stop it", "nl"),
    messages.STEP_RATE: ("it needs {value} and the motor does at most {limit}. Take longer for it (--over)", "nl_per_s"),
    messages.RESERVOIR: ("it needs {value} and the reservoir holds {limit}. Refill first", "nl"),
    messages.BELOW_QUANTUM: ("{value} is less than one motor step, {limit}. Ask for more", "nl"),
    messages.STATE: ("not possible while the pump is {value}. `thecal status` shows what is", "state"),
    messages.NO_PROGRAM: ("no program is active. Run `thecal upload` and `thecal activate` first", ""),
    messages.NOT_STAGED: ("nothing is staged. Run `thecal upload` first", ""),
    messages.CRC_MISMATCH: (
        "what is staged is not what was to be activated. Run `thecal upload` again and look at what it shows",
        "",
    ),
    messages.LATCHED: ("the pump is stopped by a latched fault: {value}. " + WAY_OUT, "fault"),
    messages.DURATION: ("its duration is not allowed: {value}, at least {limit}. Give a longer one with --over", "ms"),
    messages.BATTERY: ("the battery has {value}, and {limit} are needed. Charge or replace it", "mv"),
    messages.NOT_THIS_BOARD: (
        "the monitor limits belong to another program or another board. Run `thecal upload` for this board",
        "",
    ),
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
}

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
    if unit == "mv":
        return f"{value} mV"
    if unit == "steps":
        return f"{value} steps"
    if unit == "state":
        return of(STATES, value)
    if unit == "fault":
        return of(FAULTS, value)
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


def reason(code: int, value: int, limit: int, ng_per_ml: int = 0) -> str:
    """The sentence of a refusal's reason, with its value and limit, in mass too when `ng_per_ml` is known."""
    if code not in REASONS:
        return f"reason {NEWER.format(code)}, value {value}, limit {limit}"
    sentence, unit = REASONS[code]
    if code == messages.RESERVOIR and value == 0 and limit == 0:
        return "the reservoir is empty. Refill first"
    rest = duration(max(limit - value, 0)) if unit == "ms" else ""
    return sentence.format(value=amount(value, unit, ng_per_ml), limit=amount(limit, unit, ng_per_ml), rest=rest)


def program_problem(tag: int, value: int, limit: int) -> str:
    """The sentence for a program the board refused: field, value, limit."""
    key = next((row[1] for row in prescription.FIELDS if row[0] == tag), "")
    what = f"its {key}" if key else "the program as a whole" if tag == 0 else f"its field {NEWER.format(tag)}"
    return (
        f"the program was refused because of {what}: value {value}, limit {limit}. Correct the prescription and upload it again"
    )


def outcome(
    result: int, why: int = 0, value: int = 0, limit: int = 0, key: str = "", low: int = 0, high: int = 0, ng_per_ml: int = 0
) -> str:
    """One sentence for a result with its reason, without a capital and without a full stop."""
    if result == messages.REFUSED:
        return reason(why, value, limit, ng_per_ml)
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
