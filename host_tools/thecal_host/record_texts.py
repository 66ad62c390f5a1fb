"""Event log records and answers as sentences for people. Invariant: any record renders, also one of a code this host does not
know, and no value of it is left out (volumes of steps are rounded, and an alarm's or fault's zero is not told).
"""

from thecal.core import events, faults, gate, messages, states, units
from thecal.core.events import Record
from thecal_host import amounts, texts
from thecal_host.link.types import Answer

_COMMAND_NAMES = {code: name for name, code in events.COMMAND_CODES.items()}


def answer_sentence(answer: Answer, ng_per_ml: int = 0) -> str:
    """What became of a command, as one sentence; volumes of a bolus in mass too when the concentration `ng_per_ml` is known."""
    again = " (answered from memory; it was not run again)" if answer.replayed else ""
    if answer.ok:
        if answer.command == "bolus" and answer.replayed:
            return (
                f"Bolus id {answer.command_id} was granted before: {amounts.with_mass(answer.value, ng_per_ml)}{again}. Whether "
                "it came to its end is in the log: `thecal log pull`, then `thecal log show`."
            )
        if answer.command == "bolus":
            return f"Bolus granted: {amounts.with_mass(answer.value, ng_per_ml)}, id {answer.command_id}{again}."
        return f"{answer.command.capitalize()}: done{again}."
    if answer.command == "provision" and answer.result == messages.REFUSED and _provisioned_before(answer):
        return f"Provision refused{again}: this board is provisioned already. Nothing was done."
    key, low, high = answer.key, answer.low, answer.high
    text = texts.outcome(answer.result, answer.reason, answer.value, answer.limit, key, low, high, ng_per_ml)
    return f"{answer.command.capitalize()} refused{again}: {text}."


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
    low, high = _span(r.b, r.a, pl)
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


def _grant(r: Record, _pl: "int | None") -> str:
    source = {gate.BOLUS: "clinician"}.get(r.detail, "source " + texts.NEWER.format(r.detail))
    return f"{source} bolus granted: {units.format_volume(r.b)} over {texts.duration(r.c)}, id {r.a}"


def _refusal(r: Record, _pl: "int | None") -> str:
    known = r.detail in texts.REASONS
    # a refused program logs the field's tag in the place of the reason; those commands are told apart by their COMMAND record
    return f"refused, id {r.a}: " + (texts.reason(r.detail, r.b, r.c) if known else texts.program_problem(r.detail, r.b, r.c))


def _bolus_end(r: Record, _pl: "int | None") -> str:
    if r.detail:
        return f"bolus completed: {units.format_volume(r.b)}, id {r.a}"
    return f"bolus ended early: {units.format_volume(r.c)} of {units.format_volume(r.b)} were not delivered, id {r.a}"


def _dose(r: Record, pl: "int | None") -> str:
    low, high = _span(r.a, r.a + r.b, pl)
    return f"delivered {low} in all; intended up to {high} (ledger {r.c})"


def _rate(r: Record, pl: "int | None") -> str:
    why = f", because {texts.reason(r.detail, r.b, r.c)}" if r.detail else ""
    return f"rate {units.format_volume(r.b)}/day from {volume(r.a, pl)} on{why}"


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
}
