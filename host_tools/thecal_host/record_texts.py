"""Event log records and answers as sentences for people. Invariant: any record renders, also one of a code this host does not
know, and no value of it is left out (volumes of steps are rounded, and an alarm's or fault's zero is not told).
"""

from thecal.core import basal, events, faults, ledger, messages, states, units
from thecal.core.events import Record
from thecal_host import amounts, code_names, texts, walls
from thecal_host.link.types import Answer

_COMMAND_NAMES = {code: name for name, code in events.COMMAND_CODES.items()}
BOLUSES = ("bolus", "patient")


# what a command asks for, as the subject of a sentence
WISHES = {
    "patient": "patient bolus",
    "temp": "temporary rate",
    "minimum": "minimum rate",
    "normal": "return to the program's rate",
    "clock": "clock",
    "move": "set-up motion",
    "direction": "direction check",
}


def answer_sentence(answer: Answer, ng_per_ml: int = 0, at: str = "") -> str:
    """What became of a command, as one sentence; volumes of a bolus in mass too when the concentration `ng_per_ml` is known.
    `at` is the time of day at which a refusal's waiting ends, " (at 14:05)", where a clock is known."""
    again = " (answered from memory; it was not run again)" if answer.replayed else ""
    wish = WISHES.get(answer.command, answer.command)
    name = wish[0].upper() + wish[1:]
    if answer.ok:
        amount = amounts.with_mass(answer.value, ng_per_ml)
        if answer.command in BOLUSES and answer.replayed:
            return (
                f"{name} id {answer.command_id} was granted before: {amount}{again}. Whether "
                "it came to its end is in the log: `thecal log pull`, then `thecal log show`."
            )
        if answer.command in BOLUSES:
            return f"{name} granted: {amount}, id {answer.command_id}{again}."
        return f"{name}: done{again}."
    if answer.command == "provision" and answer.result == messages.REFUSED and _provisioned_before(answer):
        return f"Provision refused{again}: this board is provisioned already. Nothing was done."
    text = texts.outcome(
        answer.result,
        answer.reason,
        answer.value,
        answer.limit,
        answer.key,
        answer.low,
        answer.high,
        ng_per_ml,
        answer.wait_ms,
        at,
    )
    return f"The {wish} was refused{again}: {text}."


def _provisioned_before(answer: Answer) -> bool:
    """Was provisioning refused only because it was done before? The board says so by a latched fault that is none."""
    therapy = (states.OFF, states.INFUSING, states.HELD)
    return (answer.reason == messages.LATCHED and answer.value == faults.NO_FAULT) or (
        answer.reason == messages.STATE and answer.value in therapy
    )


def volume(steps: int, step_pl: "int | None") -> str:
    """`steps` as volume when the step volume (pL per 1,000,000 microsteps) is known, else as steps."""
    if step_pl is None:
        return f"step {steps}"
    return amounts.volume(steps * step_pl // 1_000_000_000)


def _span(low: int, high: int, step_pl: "int | None") -> tuple[str, str]:
    """Two step positions as texts that still enclose what was between them."""
    if step_pl is None:
        return f"step {low}", f"step {high}"
    ends = amounts.interval(low * step_pl // 1_000_000_000, -(-high * step_pl // 1_000_000_000))
    return units.format_volume(ends[0]), units.format_volume(ends[1])


def record_sentence(record: Record, step_pl: "int | None" = None) -> str:
    """What one record says. `step_pl`: pL per 1,000,000 microsteps, when known."""
    renderer = _RENDERERS.get(record.code)
    if renderer is None:
        return f"event {texts.NEWER.format(record.code)}: detail {record.detail}, a {record.a}, b {record.b}, c {record.c}"
    return renderer(record, step_pl)


def _boot(r: Record, pl: "int | None") -> str:
    low, high = _span(r.b, max(r.a - r.c, r.b), pl)  # c: what set-up motions moved apart from any dose
    return f"start no. {r.boot} after {texts.of(texts.RESET_CAUSES, r.detail)}; delivered between {low} and {high}"


def _selftest(r: Record, _pl: "int | None") -> str:
    if r.a == 0:
        return "self-test passed"
    grade = "class A, no therapy" if r.detail else "class B"
    return f"self-test FAILED ({grade}), mask {r.a:#x}"


def _recovered(r: Record, pl: "int | None") -> str:
    text = f"ledger recovered: {volume(r.b, pl)} intended before the restart may or may not have been delivered"
    if pl is None:
        text = f"ledger recovered: {r.b} steps intended before the restart may or may not have been delivered"
    text += f" (from step {r.a})"
    return text + (f"; a bolus ended, {units.format_volume(r.c)} were promised" if r.c else "")


def _state(r: Record, pl: "int | None") -> str:
    return (
        f"{texts.of(texts.STATES, r.b)} -> {texts.of(texts.STATES, r.c)}: {texts.of(texts.STATE_EVENTS, r.detail)} (at "
        f"{volume(r.a, pl)})"
    )


def _command(r: Record, _pl: "int | None") -> str:
    name = _COMMAND_NAMES.get(r.b, texts.NEWER.format(r.b))
    return f"command {name}, id {r.a}: {'done' if r.detail == messages.OK else texts.of(texts.RESULTS, r.detail)}"


def _id(number: int) -> str:
    return "by the button" if number == messages.BUTTON_ID else f"id {number}"


def _grant(r: Record, _pl: "int | None") -> str:
    source = {messages.BY_CLINICIAN: "clinician", messages.BY_PATIENT: "patient", messages.BY_BUTTON: "patient"}.get(
        r.detail, "source " + texts.NEWER.format(r.detail)
    )
    return f"{source} bolus granted: {units.format_volume(r.b)} over {texts.duration(r.c)}, {_id(r.a)}"


def _refusal(r: Record, _pl: "int | None") -> str:
    known = r.detail in texts.REASONS
    # a refused program logs the field's tag in the place of the reason; those commands are told apart by their COMMAND record
    return f"refused, {_id(r.a)}: " + (texts.reason(r.detail, r.b, r.c) if known else texts.program_problem(r.detail, r.b, r.c))


def _bolus_end(r: Record, _pl: "int | None") -> str:
    if r.detail:
        return f"bolus completed: {units.format_volume(r.b)}, {_id(r.a)}"
    return f"bolus ended early: {units.format_volume(r.c)} of {units.format_volume(r.b)} were not delivered, {_id(r.a)}"


def _motion(code: int) -> str:
    """The motion byte in words: "purge, outlet disconnected"."""
    name = texts.of(texts.MOTIONS, code & 15)
    back = ", backwards" if code & ledger.M_REVERSE else ""
    rest = code & ~(15 | ledger.M_REVERSE | ledger.M_DETACHED)
    loose = ", outlet disconnected" if code & ledger.M_DETACHED else ""
    return name + back + loose + (f", {texts.NEWER.format(rest)}" if rest else "")


def _dose(r: Record, pl: "int | None") -> str:
    low, high = _span(r.a, r.a + r.b, pl)
    if r.detail:
        return f"set-up motion ({_motion(r.detail)}): moved to {low}; intended up to {high} (ledger {r.c})"
    return f"pumped {low} in all; intended up to {high} (ledger {r.c})"


_RATE_WHY = {
    basal.WHY_PROGRAM: "",
    basal.WHY_SCHEDULE: ", the schedule's next step",
    basal.WHY_TEMP: ", temporary",
    basal.WHY_MINIMUM: ", the program's minimum",
    basal.WHY_NO_CLOCK: ", the program's safe rate, because the wall clock is unknown",
    basal.WHY_NORMAL: "",
    basal.WHY_CLOCK: ", because the wall clock was set",
}


def _rate(r: Record, pl: "int | None") -> str:
    why = _RATE_WHY.get(r.detail, f", reason {texts.NEWER.format(r.detail)}")
    ahead = f" in {texts.duration(r.c)}" if r.c else ""
    return f"rate {units.format_volume(r.b)}/day{ahead} from {volume(r.a, pl)} on{why}"


def _activated(r: Record, _pl: "int | None") -> str:
    return f"program {r.b:08x} with monitor limits {r.c:08x} activated, id {r.a}"


def _alarm(r: Record, pl: "int | None") -> str:
    unit = texts.ALARM_UNITS.get(r.detail)
    if unit is None or (unit == "" and r.b):
        value = f"value {r.b}, "
    else:
        value = f"{texts.amount(r.b, unit)}, " if r.b else ""
    return f"ALARM: {texts.of(texts.ALARMS, r.detail)} ({value}at {volume(r.a, pl)})"


def _alarm_cleared(r: Record, pl: "int | None") -> str:
    return f"alarm cleared: {texts.of(texts.ALARMS, r.detail)} (at {volume(r.a, pl)})"


def _fault(r: Record, pl: "int | None") -> str:
    value = f"value {r.b}, " if r.b else ""
    return f"FAULT: {texts.of(texts.FAULTS, r.detail)} ({value}at {volume(r.a, pl)}). {texts.WAY_OUT}"


def _trip(r: Record, _pl: "int | None") -> str:
    return f"MONITOR TRIPPED: {texts.of(texts.TRIPS, r.detail)} ({r.a} edges counted, {r.b} allowed)"


def _provisioned(r: Record, _pl: "int | None") -> str:
    return f"provisioned, id {r.a}: " + ("nothing was delivered before" if r.b else "windows start full")


def _bad_frames(r: Record, _pl: "int | None") -> str:
    return f"{r.b} damaged frames on the line"


def _sensors(r: Record, pl: "int | None") -> str:
    battery = f"{r.b} mV" if r.detail & 1 else "not fitted"
    pressure = f"{r.c} Pa" if r.detail & 2 else "not fitted"
    return f"battery {battery}, pressure {pressure} (at {volume(r.a, pl)})"


def _gap(r: Record, _pl: "int | None") -> str:
    return f"{r.c} records were lost, from sequence {r.b} on"


def _clock(r: Record, _pl: "int | None") -> str:
    ways = {
        events.CLOCK_FIRST: "set",
        events.CLOCK_FORWARD: f"set {texts.duration(r.b * 1000)} forward",
        events.CLOCK_BACK: f"set {texts.duration(r.b * 1000)} back",
    }
    return f"wall clock {texts.of(ways, r.detail)}: {walls.utc(r.a)}"


def _overlay(r: Record, _pl: "int | None") -> str:
    if r.detail == basal.NONE:
        return f"temporary or minimum rate ended, id {r.a}" if r.a else "temporary or minimum rate ended"
    span = f" for {texts.duration(r.c)}" if r.c else ""
    return f"{texts.of(texts.OVERLAYS, r.detail)}: {units.format_volume(r.b)}/day{span}, id {r.a}"


def _hold(r: Record, _pl: "int | None") -> str:
    return f"held for {texts.duration(r.b)}, id {r.a}" if r.b else f"held until resumed, id {r.a}"


def _steps(steps: int, pl: "int | None") -> str:
    return f"{steps} steps" + (f" = {amounts.volume(steps * pl // 1_000_000_000)}" if pl is not None else "")


def _move(r: Record, pl: "int | None") -> str:
    return f"set-up motion ({_motion(r.detail)}) of {_steps(r.b, pl)} over {texts.duration(r.c)}, id {r.a}"


def _move_end(r: Record, pl: "int | None") -> str:
    if r.detail:
        return f"set-up motion completed: {_steps(r.b - min(r.b, r.c), pl)}, id {r.a}"
    missing = f" ({amounts.volume(r.c * pl // 1_000_000_000)})" if pl is not None else ""
    return f"set-up motion ended early: {r.c} of {r.b} steps{missing} were not made, id {r.a}"


def _unmet(r: Record, _pl: "int | None") -> str:
    why = code_names.REASONS.get(r.detail, texts.NEWER.format(r.detail)).replace("_", " ")
    later = f"; it would have been granted in {texts.wait(r.b * 1000)}" if r.b else ""
    return f"UNMET DEMAND: a patient bolus was refused ({why}){later}; {r.c} refused so far, {_id(r.a)}"


def _input(r: Record, pl: "int | None") -> str:
    return f"{texts.of(texts.INPUTS, r.detail)} {'on' if r.b else 'off'} (at {volume(r.a, pl)})"


def _overrides(r: Record, _pl: "int | None") -> str:
    library = f"; library entry {r.c:08x}" if r.c else ""
    return f"limits overridden: {', '.join(texts.overrides(r.b)) or 'none'}{library}, id {r.a}"


def _direction(r: Record, _pl: "int | None") -> str:
    seen = "the plunger moves towards the outlet" if r.detail else "the plunger moves the WRONG WAY"
    return f"direction check: {seen}, id {r.a}"


_RENDERERS = {
    events.BOOT: _boot,
    events.SELFTEST: _selftest,
    events.RECOVERED: _recovered,
    events.STATE: _state,
    events.COMMAND: _command,
    events.GRANT: _grant,
    events.REFUSAL: _refusal,
    events.BOLUS_END: _bolus_end,
    events.DOSE: _dose,
    events.RATE: _rate,
    events.ACTIVATED: _activated,
    events.ALARM: _alarm,
    events.ALARM_CLEARED: _alarm_cleared,
    events.FAULT: _fault,
    events.MONITOR_TRIP: _trip,
    events.PROVISIONED: _provisioned,
    events.BAD_FRAMES: _bad_frames,
    events.SENSORS: _sensors,
    events.GAP: _gap,
    events.CLOCK: _clock,
    events.OVERLAY: _overlay,
    events.HOLD: _hold,
    events.MOVE: _move,
    events.MOVE_END: _move_end,
    events.UNMET: _unmet,
    events.INPUT: _input,
    events.OVERRIDES: _overrides,
    events.DIRECTION: _direction,
}
