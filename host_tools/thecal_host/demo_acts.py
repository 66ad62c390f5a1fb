"""What was done to the pump in the demonstration, act by act, each against the orders and the plant's truth.

Invariant: a row passes only by a comparison that can fail. The figures it compares come from the board on one side and from the
scenario or the plant on the other.
"""

from dataclasses import dataclass

from thecal.core import events, faults, messages, states, units
from thecal.core.events import Record, unpack_record
from thecal_host import day_orders, texts
from thecal_host.link.types import Answer
from thecal_host.reference_day import Action
from thecal_host.scenario import Played

NL_PER_PL_MILLION = 1_000_000_000


@dataclass(frozen=True)
class Row:
    """One line: `passed` True, False, or None for a figure that is only told."""

    what: str
    passed: "bool | None"
    seen: str


def clock(ms: int) -> str:
    """Time since the scenario began, as hours:minutes."""
    seconds = ms // 1000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}" + (f":{seconds % 60:02d}" if seconds % 60 else "")


def _records(raws: list[bytes], code: int) -> list[Record]:
    return [record for record in map(unpack_record, raws) if record is not None and record.code == code]


def _acts(played: Played, what: str) -> list[tuple[Action, Answer]]:
    return [(action, answer) for action, answer in played.answers if action.what == what]


def motions(played: Played, raws: list[bytes]) -> Row:
    """Home found, every motion complete, and their steps counted apart from any dose."""
    asked = _acts(played, "move")
    ended = _records(raws, events.MOVE_END)
    moved = int(played.truth_before["edges_total"]) - int(played.truth_zero["edges_total"])
    step_pl = int(played.prescription.fields["step_pl_per_million"])
    status = played.status
    assert status is not None
    same = status.setup_nl == moved * step_pl // NL_PER_PL_MILLION
    home = status.position_steps is not None
    passed = len(ended) == len(asked) and all(record.detail == 1 for record in ended) and same and home
    text = f"home, prime, purge, jog: {moved} steps ({units.format_volume(status.setup_nl)}) with the outlet off, in no dose"
    return Row("Set-up motions", passed, text)


def rates(played: Played) -> Row:
    """Wherever the scenario looked, the board's rate was the one ordered for that moment."""
    wrong = 0
    looked = 0
    kinds: set[str] = set()
    for at_ms, status in played.seen:
        for piece in day_orders.pieces(played):
            if piece.from_ms <= at_ms - 1 < piece.to_ms and piece.from_ms < at_ms:
                looked += 1
                kinds.add(piece.why)
                wrong += status.rate_nl_per_day != int(piece.nl_per_day)
    assert played.status is not None
    night = [piece for piece in day_orders.pieces(played) if piece.why == "schedule"]
    steps = len({piece.nl_per_day for piece in night})
    text = f"{looked} looks, {wrong} wrong; {steps} rates of the schedule, {', '.join(sorted(kinds - {'schedule'}))}"
    return Row("Rates as ordered", not wrong and looked > 10 and steps > 1 and len(kinds) >= 5, text)


def boluses(played: Played) -> list[Row]:
    """Granted or refused as the scenario expects, a refusal with the time to wait."""
    rows: list[Row] = []
    fields = played.prescription.fields
    volume = int(fields["patient_bolus_nl"])
    dose = f"{units.mass_text(volume, int(fields['concentration_ng_per_ml']))} ({units.format_volume(volume)})"
    for action, answer in _acts(played, "patient"):
        if not action.refused:
            over = texts.duration(int(fields["patient_bolus_ms"]))
            rows.append(Row("Patient bolus granted", answer.ok, f"{dose} at {clock(action.at_ms)} over {over}"))
            continue
        waits = answer.reason in (messages.LOCKOUT, messages.BOLUS_COUNT) and answer.wait_ms > 0
        why = texts.outcome(answer.result, answer.reason, answer.value, answer.limit, wait_ms=answer.wait_ms)
        text = f"at {clock(action.at_ms)}: {why}"
        rows.append(Row("Patient bolus refused", waits and not answer.ok, text))
    status = played.status
    assert status is not None
    refused = sum(action.refused for action, _answer in _acts(played, "patient"))
    unmet = sum(cut.before.unmet for cut in played.cuts) + status.unmet
    rows.append(Row("Unmet demand counted", unmet == refused, f"{unmet} of {refused}, in the log with reason and wait"))
    return rows


def button(played: Played, raws: list[bytes]) -> Row:
    """Each press of the button gave one bolus that no host asked for."""
    grants = [record for record in _records(raws, events.GRANT) if record.detail == messages.BY_BUTTON]
    passed = len(grants) == len(played.presses) > 0
    text = f"{len(played.presses)} press at {clock(played.presses[0]) if played.presses else '-'}, {len(grants)} bolus by it"
    return Row("Button", passed, text)


def held(played: Played) -> Row:
    """The timed hold stopped infusion, and ended by itself."""
    action = _acts(played, "hold")[0][0]
    over = [(at, status) for at, status in played.seen if at > action.at_ms + action.values["ms"]]
    back = bool(over) and over[0][1].state == states.INFUSING
    text = f"{texts.duration(action.values['ms'])} at {clock(action.at_ms)}; infusing again by itself: {'yes' if back else 'NO'}"
    return Row("Timed hold", back, text)


def clock_lost(played: Played) -> Row:
    """After the power cut the board knew no time: safe rate and alarm until somebody told it."""
    after = played.cuts[0].after
    told = [status for at, status in played.seen if at > played.cuts[0].at_ms and status.wall_unix_ms is not None]
    passed = after.wall_unix_ms is None and faults.A_CLOCK_UNKNOWN in after.held and bool(told)
    passed = passed and faults.A_CLOCK_UNKNOWN not in (played.status.held if played.status else (faults.A_CLOCK_UNKNOWN,))
    return Row(
        "Clock lost and set", passed, "no wall time after the cut: the declared safe rate, with an alarm, until it was set"
    )


def emergency_stop(played: Played) -> Row:
    """Off at once, no start while pressed, and therapy again afterwards."""
    refused = [answer for action, answer in _acts(played, "start") if action.refused]
    passed = bool(played.estops) and bool(refused) and all(answer.reason == messages.ESTOP for answer in refused)
    text = f"at {clock(played.estops[0]) if played.estops else '-'}: off at once; start refused while it was pressed"
    return Row("Emergency stop", passed, text)
