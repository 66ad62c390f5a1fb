"""The picture of a plan: rates, volume, how full the limits get, and when a bolus would be granted. Invariant: it shows what the
forecast says and nothing smoothed; granted and refused differ by pattern as well as by colour; the footer says what this is not.
"""

import io
from pathlib import Path
from typing import Any

from thecal.core import units
from thecal_host import amounts, plan_texts, texts
from thecal_host.forecast import Band, Forecast, Run
from thecal_host.logs.export import write_atomic
from thecal_host.plan import Plan
from thecal_host.plotting import BLUE, FOOTER, GREEN, GREY, ORANGE, RED, check_format, matplotlib_figure

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
PURPLE = "#CC79A7"
LABEL_SHARE = 0.055  # of the width: a band narrower than that has no text in it


def check(path: Path) -> str:
    """The format by the file's ending; PlotFormat for none that can be drawn, PlotUnavailable without matplotlib, StorageError
    when its folder is not there."""
    from thecal_host.logs.errors import StorageError

    kind = check_format(path)
    matplotlib_figure()
    if not path.parent.is_dir():
        raise StorageError(f"{path} could not be written: there is no such folder. Create it, or choose another place.")
    return kind


def save(plan: Plan, path: Path) -> None:
    """Draw `plan` into `path`. PlotUnavailable, PlotFormat or StorageError."""
    write_atomic(path, draw(plan, check_format(path)))


def draw(plan: Plan, kind: str) -> bytes:
    """The picture as bytes of `kind` (svg, png or pdf), the same for the same plan."""
    figure_class = matplotlib_figure()
    from matplotlib import rc_context

    forecast = plan.forecast
    with rc_context({"svg.hashsalt": "thecal", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = figure_class(figsize=(10.5, 8.4), layout="constrained")
        rows = [made for made in (forecast.patient, forecast.largest, forecast.used) if made is not None]
        heights = (2.2, 2.6, 2.6, 0.45 + 0.55 * max(1, len(rows)))
        rate, volume, fill, bands = figure.subplots(4, 1, sharex=True, height_ratios=heights)
        _draw_rates(rate, plan)
        _draw_volume(volume, plan)
        _draw_fills(fill, forecast)
        _draw_bands(bands, forecast)
        bands.set_xlim(0, plan.hours)
        _time_axis(bands, forecast)
        _title(figure, plan)
        figure.supxlabel(FOOTER, fontsize=8, color=GREY)
        out = io.BytesIO()
        metadata = {"png": {"Software": "thecal"}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        figure.savefig(out, format=kind, dpi=140, metadata=metadata)
    return out.getvalue()


def _title(figure: Any, plan: Plan) -> None:
    drug = f"{plan.drug} {units.format_concentration(plan.concentration_ng_per_ml)}"
    figure.suptitle(f"{plan.name or 'Program'}: {drug}, {plan.hours} h from {plan.forecast.source}", fontsize=11)


def _mass_unit(ng: int) -> "tuple[float, str]":
    """The unit in which `ng` is a readable number: (ng in it, its name)."""
    return next((size, name) for size, name in ((1e6, "mg"), (1e3, "mcg"), (1, "ng")) if ng >= size or size == 1)


def _second_scale(axes: Any, label: str, factor: float) -> None:
    """The same axis in volume, on the right; `factor` is volume per mass unit of the left one."""
    right = axes.secondary_yaxis("right", functions=(lambda value: value * factor, lambda value: value / factor))
    right.set_ylabel(label, color=GREY)
    right.tick_params(axis="y", colors=GREY)


def _draw_rates(axes: Any, plan: Plan) -> None:
    """The basal rate: mass on the left, volume on the right."""
    steps = plan.forecast.nominal.rates
    concentration = plan.concentration_ng_per_ml
    most = max(step.rate_nl_per_day for step in steps)
    size, name = _mass_unit(most * concentration // units.ML_NL)
    times = [step.t_ms / HOUR_MS for step in steps] + [plan.hours]
    values = [step.rate_nl_per_day * concentration / units.ML_NL / size for step in steps]
    axes.step(times, [*values, values[-1]], where="post", color=BLUE, linewidth=1.6)
    axes.fill_between(times, [*values, values[-1]], step="post", color=BLUE, alpha=0.12, linewidth=0)
    axes.set_ylabel(f"basal rate\n({name}/day)")
    axes.set_ylim(0, max([*values, 1e-9]) * 1.3)
    axes.grid(alpha=0.25)
    _second_scale(axes, "mL/day", size * units.ML_NL / concentration / 1e6)
    for place in range(len(steps)):
        end = steps[place + 1].t_ms / HOUR_MS if place + 1 < len(steps) else plan.hours
        if end - times[place] >= 1.4 * LABEL_SHARE * plan.hours:
            middle = (times[place] + end) / 2
            axes.annotate(
                f"{values[place]:.4g}", (middle, values[place]), (0, 3), textcoords="offset points", ha="center", fontsize=8
            )


def _draw_volume(axes: Any, plan: Plan) -> None:
    """What is delivered: without a bolus, and with every bolus the limits grant."""
    step_nl, concentration = plan.step_pl / 1000, plan.concentration_ng_per_ml
    runs = ((plan.forecast.nominal, BLUE, "-", "no bolus"), (plan.forecast.worst, ORANGE, "--", "all boluses the limits grant"))
    most_nl = max(run.moments[-1].steps for run, *_rest in runs) * step_nl
    size, name = _mass_unit(int(most_nl * concentration / units.ML_NL))
    to_mass = step_nl * concentration / units.ML_NL / size
    for run, colour, style, label in runs:
        times = [moment.t_ms / HOUR_MS for moment in run.moments]
        axes.plot(
            times, [moment.steps * to_mass for moment in run.moments], color=colour, linestyle=style, linewidth=1.6, label=label
        )
    given = plan.forecast.worst.boluses
    if given:
        level = {moment.t_ms: moment.steps * to_mass for moment in plan.forecast.worst.moments}
        at = [bolus.t_ms for bolus in given]
        values = [level[t_ms] for t_ms in at]
        axes.plot([t_ms / HOUR_MS for t_ms in at], values, "^", color=GREEN, markersize=6, label="bolus begins", clip_on=False)
    axes.set_ylabel(f"delivered\n({name})")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    _second_scale(axes, "mL", size * units.ML_NL / concentration / 1e6)
    axes.legend(loc="upper left", frameon=False, fontsize=8)


def _draw_fills(axes: Any, forecast: Forecast) -> None:
    """How full each window is, in per cent of its limit: solid without a bolus, dashed with all of them."""
    colours = (BLUE, GREEN, PURPLE)
    for place, quiet in enumerate(forecast.nominal.fills):
        name = plan_texts.WINDOW_NAMES[quiet.key]
        for run, style, width in ((forecast.nominal, "-", 1.6), (forecast.worst, "--", 1.2)):
            values = [moment.window_nl[place] * 100 / quiet.limit_nl for moment in run.moments]
            times = [moment.t_ms / HOUR_MS for moment in run.moments]
            axes.plot(times, values, style, color=colours[place], linewidth=width, label=name if style == "-" else None)
    axes.axhline(100, color=RED, linewidth=1.2)
    axes.annotate(
        "limit", (1, 100), (-3, 3), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right", color=RED
    )
    axes.plot([], [], "--", color=GREY, linewidth=1.2, label="with all boluses")
    axes.set_ylabel("windows\n(% of their limit)")
    axes.set_ylim(0, max(130, _top(forecast.nominal), _top(forecast.worst)))
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize=8)


def _top(run: Run) -> float:
    return max(fill.per_mille for fill in run.fills) / 10 * 1.1


def _draw_bands(axes: Any, forecast: Forecast) -> None:
    """When a bolus would be granted: the patient's and the largest while none is given, and another one while all are."""
    lines = []
    for name, nl, made in (
        ("patient's bolus", forecast.patient_nl, forecast.patient),
        ("largest bolus", forecast.largest_nl, forecast.largest),
        ("another, when\nall are given", 0, forecast.used),
    ):
        if made is not None:
            lines.append(f"{name}\n{amounts.volume(nl)}" if nl else name)
            for band in made:
                _draw_band(axes, band, -len(lines), forecast.hours)
    axes.set_yticks([-place - 1 for place in range(len(lines))], lines)
    axes.set_ylim(-len(lines) - 0.5, -0.35)
    axes.tick_params(axis="y", length=0)
    if not lines:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "this program has no bolus", transform=axes.transAxes, ha="center", va="center", color=GREY)
    from matplotlib.patches import Patch

    legend = [
        Patch(facecolor=GREEN, alpha=0.55, label="granted"),
        Patch(facecolor="white", edgecolor=RED, hatch="////", label="refused"),
    ]
    axes.legend(handles=legend, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, frameon=False, fontsize=8)


def _draw_band(axes: Any, band: Band, y: int, hours: int) -> None:
    begin, width = band.begin_ms / HOUR_MS, (band.end_ms - band.begin_ms) / HOUR_MS
    if band.granted:
        axes.barh(y, width, left=begin, height=0.72, color=GREEN, alpha=0.55, linewidth=0)
        return
    axes.barh(y, width, left=begin, height=0.72, facecolor="white", edgecolor=RED, hatch="////", linewidth=0.6)
    if width >= 2 * LABEL_SHARE * hours:
        text = plan_texts.REASON_NAMES.get(band.reason, "refused")
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        axes.text(begin + width / 2, y, text, ha="center", va="center", fontsize=8, color=RED, bbox=box)


def _time_axis(axes: Any, forecast: Forecast) -> None:
    """Local time at whole hours where the clock is known; hours from the beginning where it is not."""
    hours = forecast.hours
    every = next(step for step in (1, 2, 3, 6, 12, 24, 48) if hours / step <= 13 or step == 48)
    if forecast.begin_unix_ms is None:
        axes.set_xticks(range(0, hours + 1, every))
        axes.set_xlabel("hours from the beginning (the board's clock is unknown)")
        return
    local_ms = forecast.begin_unix_ms + forecast.offset_min * 60_000
    first = -(-local_ms // (every * HOUR_MS)) * every * HOUR_MS  # the day begins at a multiple of every step up to 24 h
    ticks = range(first, local_ms + hours * HOUR_MS + 1, every * HOUR_MS)
    named = [plan_texts.clock_text(forecast, tick - local_ms) for tick in ticks]
    short = [text if place == 0 or text.endswith("00:00") or every >= 24 else text[4:] for place, text in enumerate(named)]
    axes.set_xticks([(tick - local_ms) / HOUR_MS for tick in ticks], short)
    hours_east = texts.duration(abs(forecast.offset_min) * 60_000) if forecast.offset_min else "0 h"
    axes.set_xlabel(f"local time of the program (UTC {'-' if forecast.offset_min < 0 else '+'} {hours_east})")
