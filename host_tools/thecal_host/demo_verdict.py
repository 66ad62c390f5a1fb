"""The verdict of the demonstration: claims of the board and the host against the plant's truth, one row each.

Invariant: a row passes only by a comparison that can fail; figures that are only told have no mark. All arithmetic is in whole
steps and nL.
"""

from thecal.core import events, states, units
from thecal.core.events import unpack_record
from thecal_host import day_orders, demo_acts, flash_life, texts
from thecal_host.demo_acts import Row, clock
from thecal_host.flashing import offline
from thecal_host.flashing.run import Flashed
from thecal_host.logs.series import Series
from thecal_host.plan import LEASE_STEPS_MAX
from thecal_host.reference_day import DAY_MS
from thecal_host.scenario import Cut, Played

WALL_S = 60
NL_PER_PL_MILLION = 1_000_000_000


def judge(flashed: Flashed, played: Played, curve: Series, raws: list[bytes], seconds: float) -> list[Row]:
    """All rows, in the order in which they are shown."""
    return [
        _installed(flashed),
        demo_acts.motions(played, raws),
        _programmed(played, curve),
        _delivered(played, curve),
        _edges(played),
        _plant(played),
        demo_acts.rates(played),
        *demo_acts.boluses(played),
        demo_acts.button(played, raws),
        demo_acts.held(played),
        *[_cut(cut, played) for cut in played.cuts],
        demo_acts.clock_lost(played),
        demo_acts.emergency_stop(played),
        _log(raws, played, curve),
        _self_checks(played),
        _writes(played),
        _flash(played),
        Row("Wall time", seconds <= WALL_S, f"{seconds:.1f} s for {texts.duration(DAY_MS)} of pump time (at most {WALL_S} s)"),
    ]


def _installed(flashed: Flashed) -> Row:
    done = flashed.installed
    how = "into its flash image" if offline.NOTICE in flashed.notes else "by mpremote"
    size = f"{len(done.copied)} files ({done.copied_bytes / 1000:.1f} kB)"
    text = f"Thecal {flashed.firmware}, {size} {how}; sha256 of each checked by the board"
    return Row(
        "Firmware installed", flashed.begun.passed and bool(done.copied), text if flashed.begun.passed else flashed.begun.verdict
    )


def _volume(nl: int) -> str:
    return units.format_volume(nl)


def _step_pl(played: Played) -> int:
    return int(played.prescription.fields["step_pl_per_million"])


def _true(played: Played) -> tuple[int, int]:
    """(steps, pL) the plant really made during the day."""
    return (
        int(played.truth["edges"]) - int(played.truth_before["edges"]),
        int(played.truth["delivered_pl"]) - int(played.truth_before["delivered_pl"]),
    )


def ordered_nl(played: Played) -> int:
    """What the day's orders come to (day_orders.py): basal as it should have been, plus granted boluses. nL, rounded down."""
    return int(day_orders.basal_nl(played) + day_orders.bolus_nl(played))


def _programmed(played: Played, curve: Series) -> Row:
    """The host's integral over the log, against the orders: never more, and less by no more than what the log cannot know yet
    (the time between the last durable write and the cut, and since the last record)."""
    ordered = ordered_nl(played)
    off = curve.programmed_nl - ordered
    fastest = int(max(piece.nl_per_day for piece in day_orders.pieces(played)))
    unknown_ms = sum(cut.before.t_ms - cut.after.t_ms for cut in played.cuts) + 1000 * (1 + len(played.estops))
    last_ms = played.status.t_ms - curve.end_ms if played.status else 0
    allowed = fastest * (unknown_ms + last_ms) // DAY_MS + 1
    return Row(
        "Programmed volume",
        -allowed <= off <= 1 + len(played.cuts),
        f"{_volume(curve.programmed_nl)} from the log; {_volume(ordered)} ordered while power was on",
    )


def _delivered(played: Played, curve: Series) -> Row:
    status = played.status
    assert status is not None
    _steps, true_pl = _true(played)
    inside = status.min_nl * 1000 <= true_pl <= status.max_nl * 1000
    chunk = int(played.prescription.fields["chunk_nl"])
    stops = 1 + len(played.cuts) + len(played.estops)
    narrow = status.max_nl - status.min_nl <= stops * (chunk + _step_pl(played) // NL_PER_PL_MILLION + 1)
    close = abs(true_pl - ordered_nl(played) * 1000) <= (chunk + 2 * _step_pl(played) // NL_PER_PL_MILLION) * 1000
    text = (
        f"[{_volume(status.min_nl)}, {_volume(status.max_nl)}], {_volume(status.max_nl - status.min_nl)} wide, the truth inside"
    )
    return Row(
        "Delivered [min, max]", inside and narrow and close, text if inside else f"{text.rpartition(',')[0]}, the truth OUTSIDE"
    )


def _edges(played: Played) -> Row:
    """The second channel counts edges since each boot; the plant knows them all."""
    status = played.status
    assert status is not None
    counted = sum(cut.before.edges for cut in played.cuts) + status.edges
    permitted = sum(cut.before.permitted_steps - cut.batch_left for cut in played.cuts) + status.permitted_steps
    permitted -= int(played.truth["batch_left"])
    true_steps = int(played.truth["edges_total"]) - int(played.truth_zero["edges_total"])
    spare = LEASE_STEPS_MAX * len(played.estops)  # an emergency stop cuts a lease short
    passed = counted == true_steps and 0 <= permitted - true_steps <= spare
    return Row(
        "Edges counted by the board",
        passed,
        f"{counted} by the monitor; permitted and due {permitted}; the motor made {true_steps}",
    )


def _plant(played: Played) -> Row:
    true_steps, true_pl = _true(played)
    out_nl = (int(played.truth["catheter_out_pl"]) - int(played.truth_before["catheter_out_pl"])) // 1000
    same = abs(true_pl - true_steps * _step_pl(played) // 1_000_000) <= 1
    return Row(
        "Plant truth",
        same,
        f"{true_steps} steps = {_volume(true_pl // 1000)} at the screw; {_volume(out_nl)} out of the catheter",
    )


def _cut(cut: Cut, played: Played) -> Row:
    step_pl = _step_pl(played)
    uncertain = ((cut.after.max_nl - cut.after.min_nl) * NL_PER_PL_MILLION + step_pl // 2) // step_pl
    before_nl = (cut.true_edges - int(played.truth_before["edges"])) * step_pl // NL_PER_PL_MILLION
    passed = (
        cut.batch_left > 0
        and cut.after.min_nl <= before_nl + 1
        and before_nl <= cut.after.max_nl
        and cut.after.state == states.INFUSING
    )
    text = (
        f"at {clock(cut.at_ms)}, in motion, {texts.duration(cut.off_ms)} off: {uncertain} steps uncertain "
        f"({_volume(cut.after.max_nl - cut.after.min_nl)}), basal "
        f"{'resumed' if cut.after.state == states.INFUSING else 'NOT resumed'}"
    )
    return Row("Power cut recovered", passed, text)


def _log(raws: list[bytes], played: Played, curve: Series) -> Row:
    whole = all(unpack_record(raw) is not None for raw in raws)
    told = sum(record.c for record in map(unpack_record, raws) if record is not None and record.code == events.GAP)
    passed = whole and raws == played.log and told == curve.lost_records
    lost = f"; {told} lazy dose records lost by the cut, and the log says so" if told else ""
    return Row("Log pulled", passed, f"{len(raws)} records, every CRC right{lost}")


def _self_checks(played: Played) -> Row:
    status = played.status
    assert status is not None
    passed = status.state == states.INFUSING and status.fault == 0
    seen = f"{texts.of(texts.STATES, status.state)}, fault: {texts.of(texts.FAULTS, status.fault)}; second channel never tripped"
    return Row("Pump at the end", passed, seen if passed else seen.rpartition(";")[0])


def _writes(played: Played) -> Row:
    status = played.status
    assert status is not None
    writes = status.durable_writes + sum(cut.before.durable_writes for cut in played.cuts)
    return Row("Durable writes", None, f"{writes} in the day (ledger and log)")


def _flash(played: Played) -> Row:
    """From the erases the twin's flash counted in this day, with the wear model of `thecal plan` (blocks, cycles, margin)."""
    erases = int(played.truth["flash"]["erases"]) - int(played.truth_before["flash"]["erases"])
    tenths = flash_life.BLOCKS * flash_life.CYCLES * 1000 // (flash_life.MARGIN * max(erases, 1) * 365)
    tenths = tenths // 100
    life = f"{tenths // 10}.{tenths % 10} years at {erases} erases a day"
    text = f"{life} (margin {flash_life.MARGIN}; target {flash_life.TARGET_YEARS} years)"
    return Row("Flash life", tenths >= flash_life.TARGET_YEARS * 10, text)
