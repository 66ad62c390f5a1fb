"""The plan in words: the table of figures, the rates to come, when a bolus is granted and why not.

Invariant: every volume of drug has its mass beside it, every time is local time where the clock is known and time from the
beginning where it is not, and nothing here is computed but texts.
"""

from thecal.core import messages, units
from thecal_host import amounts, flash_life, texts
from thecal_host.forecast import Band, Fill, Forecast, Run
from thecal_host.plan import Plan, Refill
from thecal_host.program_diff import rate_text
from thecal_host.program_week import DAYS

EPOCH_DAY = 3  # 1970-01-01 was a Thursday, the third day after a Monday
DAY_MS = 86_400_000
BOLUSES_TOLD = 30
FLICKER_MS = 3_600_000  # answers that change more often than that are told as one stretch
WINDOW_NAMES = {"limit_1h_nl": "1 h", "limit_4h_nl": "4 h", "limit_24h_nl": "24 h"}
REASON_NAMES = {
    messages.MAX_BOLUS: "larger than the largest bolus",
    messages.STEP_RATE: "faster than the motor",
    messages.ALARM: "an alarm is active",
    messages.BOLUS_RUNNING: "a bolus is running",
    messages.LOCKOUT: "lockout",
    messages.BOLUS_COUNT: "boluses of 24 h used up",
    messages.WINDOW_1H: "1 h limit",
    messages.WINDOW_4H: "4 h limit",
    messages.WINDOW_24H: "24 h limit",
    messages.RESERVOIR: "reservoir",
    messages.BELOW_QUANTUM: "smaller than one step",
}


def clock_text(forecast: Forecast, t_ms: int) -> str:
    """The moment `t_ms` after the beginning: "Mon 06:30" in the program's local time, or "+6:30" where the clock is unknown."""
    minutes = t_ms // 60_000
    if forecast.begin_unix_ms is None:
        return f"+{minutes // 60}:{minutes % 60:02d}"
    local_ms = forecast.begin_unix_ms + t_ms + forecast.offset_min * 60_000
    minutes = local_ms % DAY_MS // 60_000
    return f"{DAYS[(local_ms // DAY_MS + EPOCH_DAY) % 7]} {minutes // 60:02d}:{minutes % 60:02d}"


def _span(forecast: Forecast, begin_ms: int, end_ms: int) -> str:
    return f"{clock_text(forecast, begin_ms)} to {clock_text(forecast, end_ms)}"


def _days(refill: Refill, stability_days: "int | None") -> str:
    """Both figures; where the drug keeps less long than the reservoir lasts, that is said."""

    def text(tenths: "int | None") -> str:
        if tenths is None:
            return "never"
        bound = " (stability)" if stability_days is not None and tenths == 10 * stability_days else ""
        return f"{tenths // 10}.{tenths % 10}{bound}"

    return f"{text(refill.tenths)} nominal, {text(refill.tenths_fast)} at +14.5 %"


def _ms(ms: int) -> str:
    """Time between steps: "7.4 s", "2 min 24 s"."""
    if ms < 60_000:
        return f"{ms // 1000}.{ms % 1000 // 100} s"
    return texts.duration(ms)


def _mass_of_step(plan: Plan) -> str:
    if plan.step_pg >= 1_000_000:
        return f"{units.decimal(plan.step_pg // 1000, 3)} mcg"
    return f"{units.decimal(plan.step_pg, 3)} ng"


def _steps(count: int) -> str:
    return f"{count} step{'s' * (count != 1)}"


def figures(plan: Plan) -> "list[tuple[str, str]]":
    """The table of `thecal plan`: (what, figure)."""
    volume, concentration = units.format_volume, plan.concentration_ng_per_ml
    basal = f"{volume(plan.rate_nl_per_day)}/day = {units.format_mass(plan.dose_ng_per_day)}/day"
    pace = f"one every {_ms(plan.ms_per_step_highest)}"
    if plan.flex:
        basal = (
            f"{rate_text(plan.lowest_nl_per_day, concentration)} to {rate_text(plan.highest_nl_per_day, concentration)}; "
            f"a week's mean day is {units.format_mass(plan.dose_ng_per_day)}"
        )
    if plan.lowest_nl_per_day != plan.highest_nl_per_day:
        pace = (
            f"one every {_ms(plan.ms_per_step_lowest)} at the lowest rate, every {_ms(plan.ms_per_step_highest)} at the highest"
        )
    wear = f"{plan.flash.ledger_writes_per_day} ledger writes and {plan.flash.log_flushes_per_day} log flushes a day"
    flash = f"{plan.flash.years_text} ({wear})"
    if not plan.flash.long_enough:
        flash += f": SHORTER than the {flash_life.TARGET_YEARS} years aimed at"
    boluses = f"{plan.boluses_per_day} a day, {amounts.with_mass(plan.bolus_nl_per_day, concentration)}"
    last = plan.points[-1]
    rows = [
        ("Program", plan.name or "(no name)"),
        ("Drug", f"{plan.drug} {units.format_concentration(concentration)}"),
        ("Basal", basal),
        ("Microsteps", f"{plan.steps_per_day} a day, {pace}"),
        ("Quantum (one microstep)", f"{units.decimal(plan.step_pl, 3)} nL = {_mass_of_step(plan)} of {plan.drug}"),
        (
            "Chunk (made durable at once)",
            f"{volume(plan.chunk_nl)}, {_steps(plan.chunk_steps)}, every {units.format_ms(plan.chunk_s * 1000)}",
        ),
        (
            "Lease (longest in hardware)",
            f"1 s of motion: {_steps(plan.lease_steps)} at the highest rate",
        ),
        ("Most boluses the limits grant", boluses if plan.boluses_per_day else "none"),
        ("Durable writes", f"{plan.flash.ledger_writes_per_day} a day with all those boluses"),
        ("Flash life", flash),
        (f"Days to refill ({amounts.volume(plan.usable_nl)}), basal alone", _days(plan.refill, plan.stability_days)),
        ("Days to refill, all boluses used", _days(plan.refill_boluses, plan.stability_days)),
    ]
    if plan.stability_days is not None:
        rows.append(("Stability in the reservoir", f"{plan.stability_days} days at most, by the drug library"))
    given = f"{last.steps} steps, {volume(last.delivered_pl // 1000)} (programmed {volume(last.programmed_pl // 1000)})"
    rows.append((f"After {plan.hours} h without a bolus", given))
    return rows


# --- the hours to come -------------------------------------------------------------------------------------------------------
def rates(plan: Plan) -> "list[tuple[str, ...]]":
    """Each rate with its time: (from, mass and volume a day, why)."""
    forecast = plan.forecast
    return [
        (clock_text(forecast, step.t_ms), rate_text(step.rate_nl_per_day, plan.concentration_ng_per_ml), step.why)
        for step in forecast.nominal.rates
    ]


def _fill(fill: Fill, forecast: Forecast, ng_per_ml: int) -> str:
    percent = f"{fill.per_mille // 10}.{fill.per_mille % 10} %"
    if not fill.highest_nl:
        return percent
    much = f"{amounts.volume(fill.highest_nl)} ({amounts.mass(fill.highest_nl, ng_per_ml)})"
    return f"{percent}, {much}, {clock_text(forecast, fill.at_ms)}"


def fills(plan: Plan) -> "list[tuple[str, ...]]":
    """The highest fill of each window: (window, limit, without a bolus, with all boluses)."""
    forecast, concentration = plan.forecast, plan.concentration_ng_per_ml
    return [
        (
            WINDOW_NAMES[quiet.key],
            amounts.with_mass(quiet.limit_nl, concentration),
            _fill(quiet, forecast, concentration),
            _fill(full, forecast, concentration),
        )
        for quiet, full in zip(forecast.nominal.fills, forecast.worst.fills, strict=True)
    ]


def _why(band: Band, ng_per_ml: int) -> str:
    name = REASON_NAMES.get(band.reason, texts.reason(band.reason, band.value, band.limit, ng_per_ml))
    if band.reason in (messages.WINDOW_1H, messages.WINDOW_4H, messages.WINDOW_24H):
        return f"{name}: {amounts.volume(band.value)} of {amounts.volume(band.limit)}"
    if band.reason == messages.LOCKOUT:
        return f"{name} of {texts.duration(band.limit)}"
    if band.reason == messages.ALARM:
        return f"{name} ({texts.of(texts.ALARMS, band.value)})"
    return name


def _calm(bands: "list[Band]") -> "list[list[Band]]":
    """Bands in groups: each alone, but those that change by turns within an hour together."""
    groups: list[list[Band]] = []
    for band in bands:
        short = band.end_ms - band.begin_ms < FLICKER_MS
        if groups and short and len(groups[-1]) >= 1 and groups[-1][-1].end_ms - groups[-1][-1].begin_ms < FLICKER_MS:
            groups[-1].append(band)
        else:
            groups.append([band])
    return [part for group in groups for part in ([group] if len(group) > 4 else [[band] for band in group])]


def bands(forecast: Forecast, made: "list[Band]", ng_per_ml: int) -> "list[tuple[str, str]]":
    """When a bolus would be granted: (from and to, granted or refused and why). What changes by turns within the
    hour is one row."""
    rows = []
    for group in _calm(made):
        when = _span(forecast, group[0].begin_ms, group[-1].end_ms)
        refusals = [band for band in group if not band.granted]
        if len(group) > 1:
            names = "; ".join(dict.fromkeys(_why(band, ng_per_ml) for band in refusals[:1]))
            tell = f"granted or refused by turns ({names})" if len(refusals) < len(group) else f"refused: {names} and others"
        else:
            tell = "granted" if group[0].granted else f"refused: {_why(group[0], ng_per_ml)}"
        rows.append((when, tell))
    return rows


def boluses(plan: Plan) -> "list[tuple[str, str]]":
    """The boluses of the run with all of them: (when, how much); the first BOLUSES_TOLD and how many more."""
    forecast = plan.forecast
    given = forecast.worst.boluses
    rows = [
        (clock_text(forecast, bolus.t_ms), amounts.with_mass(bolus.volume_nl, plan.concentration_ng_per_ml))
        for bolus in given[:BOLUSES_TOLD]
    ]
    return [*rows, ("and", f"{len(given) - BOLUSES_TOLD} more")] if len(given) > BOLUSES_TOLD else rows


def troubles(forecast: Forecast) -> list[str]:
    """Sentences on what goes wrong in the hours to come: basal held back, reservoir empty, clock unknown."""
    found = []
    for run, when in ((forecast.nominal, "even without a bolus"), (forecast.worst, "when all boluses are used")):
        found += _of_run(forecast, run, when)
    if any("unknown" in step.why for step in forecast.nominal.rates):
        found.append(
            "The board does not know the time, so the schedule waits at the safe rate and every bolus is refused. "
            "`thecal clock set` gives it the time."
        )
    return found


def _of_run(forecast: Forecast, run: Run, when: str) -> list[str]:
    found = []
    if run.held_ms is not None:
        found.append(
            f"A window limit holds basal back from {clock_text(forecast, run.held_ms)} on, {when}: basal is not caught up."
        )
    if run.empty_ms is not None:
        found.append(f"The reservoir is empty at {clock_text(forecast, run.empty_ms)}, {when}.")
    return found
