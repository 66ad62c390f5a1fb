"""Pictures of a delivery: rate, and cumulative volume programmed against the delivered interval. Invariant: matplotlib is
imported only here and only when a picture is wanted; every picture carries the line that this is not a medical device, and
shows delivered volume as a band.
"""

import io
from pathlib import Path
from typing import Any

from thecal_host import texts
from thecal_host.logs.export import write_atomic
from thecal_host.logs.series import DAY_MS, Series

FOOTER = "Thecal bench platform. Not a medical device. Never for use on people or animals."
FORMATS = ("svg", "png", "pdf")
HOUR_MS = 3_600_000
# Okabe and Ito's palette: told apart with any colour vision, and in print by lightness too.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"


class PlotUnavailable(Exception):
    """matplotlib is not installed; the text says how to get it."""

    exit_code = 8


class PlotFormat(ValueError):
    """The file name asks for a format that cannot be written."""

    exit_code = 2


def check_format(path: Path) -> str:
    """The format by the file's ending. PlotFormat when it is none of FORMATS."""
    ending = path.suffix.lower().lstrip(".")
    if ending not in FORMATS:
        raise PlotFormat(
            f"{path} does not end in {', '.join('.' + name for name in FORMATS)}: the ending chooses the kind of picture."
        )
    return ending


def matplotlib_figure() -> Any:
    """The class of a picture, drawn without a screen. PlotUnavailable when matplotlib is not installed."""
    return _matplotlib()


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise PlotUnavailable(
            "Drawing needs matplotlib, which is not installed. Install it with: pip install 'thecal[plot]'"
        ) from error
    matplotlib.use("Agg")
    from matplotlib import figure

    return figure.Figure


def save(series: Series, path: Path, title: str = "", newest_ms: int = 0) -> None:
    """Draw `series` (its newest `newest_ms`, 0: all) into `path`. PlotUnavailable, PlotFormat or StorageError."""
    write_atomic(path, draw(series, check_format(path), title, newest_ms))


def draw(series: Series, kind: str, title: str = "", newest_ms: int = 0) -> bytes:
    """The picture as bytes of `kind` (one of FORMATS), the same for the same series."""
    figure_class = _matplotlib()
    from matplotlib import rc_context

    begin_ms = max(series.begin_ms, series.end_ms - newest_ms) if newest_ms else series.begin_ms
    with rc_context({"svg.hashsalt": "thecal", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = figure_class(figsize=(9.6, 6.8), layout="constrained")
        rate, volume, off = figure.subplots(3, 1, sharex=True, height_ratios=(2, 4, 2))
        unit_ms, unit = (DAY_MS, "days") if series.end_ms - begin_ms > 4 * DAY_MS else (HOUR_MS, "h")

        def x(t_ms: int) -> float:
            return (t_ms - begin_ms) / unit_ms

        _draw_rate(rate, series, x)
        _draw_volume(volume, series, x)
        _draw_difference(off, series, x)
        _draw_marks((rate, volume, off), series, begin_ms, x)
        figure.suptitle(title, fontsize=10)
        off.set_xlabel(
            f"board time since {'the beginning' if begin_ms == series.begin_ms else 'the beginning of this part'} ({unit})"
        )
        volume.set_xlim(0, max(x(series.end_ms), 1e-6))
        if unit == "h":
            from matplotlib.ticker import MaxNLocator

            off.xaxis.set_major_locator(
                MaxNLocator(nbins=12, steps=[1, 2, 3, 6, 10], integer=series.end_ms - begin_ms > 8 * HOUR_MS)
            )
        volume.legend(loc="lower right", framealpha=0.9, edgecolor="none")
        figure.supxlabel(FOOTER, fontsize=8, color=GREY)
        out = io.BytesIO()
        # no date inside, so that one series gives one file
        figure.savefig(
            out,
            format=kind,
            dpi=140,
            metadata={"png": {"Software": "thecal"}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind],
        )
    return out.getvalue()


def _draw_rate(axes: Any, series: Series, x: Any) -> None:
    """The programmed rate; where a bolus is many times basal the axis is logarithmic, so that basal and its steps stay
    visible."""
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    times = [x(point.t_ms) for point in series.programmed]
    rates = [point.rate_nl_per_day / 1e6 for point in series.programmed]
    axes.step(times, rates, where="post", color=BLUE, linewidth=1.2)
    axes.set_ylabel("programmed\nrate (mL/day)")
    lowest = min((rate for rate in rates if rate > 0), default=0.0)
    steps = {rate for rate in rates if 0 < rate <= 4 * lowest}  # of the schedule; what is far above them are boluses
    if lowest and max(rates) > (6 if len(steps) > 1 else 30) * lowest:
        axes.set_yscale("symlog", linthresh=lowest / 2, linscale=0.5)
        apart = [max(steps)] if max(steps) > 1.6 * lowest else []  # labels that would touch are left out
        axes.set_yticks([0, lowest, *apart, max(rates)])
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, max(rates) * 1.6)
    else:
        axes.set_ylim(0, max([*rates, 1e-6]) * 1.2)
    axes.grid(alpha=0.25)


def _draw_volume(axes: Any, series: Series, x: Any) -> None:
    begin_nl = _value_at(series, x)
    points = [(x(point.t_ms), point.min_nl, point.max_nl) for point in series.delivered]
    times = [point[0] for point in points]
    low = [(point[1] - begin_nl[1]) / 1000 for point in points]
    high = [(point[2] - begin_nl[1]) / 1000 for point in points]
    axes.fill_between(times, low, high, step="post", color=ORANGE, alpha=0.55, linewidth=0, label="delivered [min, max]")
    axes.step(times, low, where="post", color=ORANGE, linewidth=0.8)
    axes.plot(
        [x(point.t_ms) for point in series.programmed],
        [(point.volume_nl - begin_nl[0]) / 1000 for point in series.programmed],
        color=BLUE,
        linewidth=1.2,
        label="programmed",
    )
    axes.set_ylabel("volume (uL)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)


def _draw_difference(axes: Any, series: Series, x: Any) -> None:
    """Delivered less programmed at the moments the log bounds: the band always contains the truth, so zero should lie in it."""
    begin = _value_at(series, x)
    base = begin[1] - begin[0]
    times = [x(point.t_ms) for point in series.delivered]
    low = [(point.min_nl - series.programmed_at(point.t_ms) - base) / 1000 for point in series.delivered]
    high = [(point.max_nl - series.programmed_at(point.t_ms) - base) / 1000 for point in series.delivered]
    axes.fill_between(times, low, high, color=ORANGE, alpha=0.55, linewidth=0)
    axes.axhline(0, color=BLUE, linewidth=1)
    axes.set_ylabel("delivered less\nprogrammed (uL)")
    axes.grid(alpha=0.25)


def _value_at(series: Series, x: Any) -> tuple[int, int]:
    """(programmed, delivered min) at the left edge, so that a part of a log begins at zero."""
    before = [point for point in series.delivered if x(point.t_ms) <= 0]
    if not before:
        return 0, 0
    return series.programmed_at(before[-1].t_ms), before[-1].min_nl  # both at one moment; programmed has few points of its own


def _draw_marks(panels: tuple[Any, Any, Any], series: Series, begin_ms: int, x: Any) -> None:
    """Boluses as spans, refusals as crosses, restarts and faults as lines over all panels, each kind once in the legend."""
    rate, volume, _off = panels
    named: set[str] = set()

    def once(name: str) -> str:
        fresh = name not in named
        named.add(name)
        return name if fresh else "_" + name

    for bolus in series.boluses:
        end_ms = bolus.end_ms if bolus.end_ms >= 0 else bolus.t_ms + bolus.duration_ms
        if end_ms < begin_ms:
            continue
        for axes in panels:
            axes.axvspan(x(bolus.t_ms), x(max(end_ms, bolus.t_ms + 1)), color=GREEN, alpha=0.3, linewidth=0)
        volume.plot([x(bolus.t_ms)], [0.03], "^", transform=volume.get_xaxis_transform(), color=GREEN, label=once("bolus"))
        missing = f" ({bolus.missing_nl / 1000:g} uL not given)" if bolus.missing_nl else ""
        place = {"xycoords": rate.get_xaxis_transform(), "fontsize": 7, "color": GREEN, "va": "bottom"}
        rate.annotate(f"{bolus.nl / 1000:g} uL{missing}", (x(bolus.t_ms), 1), **place)
    for mark in series.refusals:
        if mark.t_ms >= begin_ms:
            volume.plot([x(mark.t_ms)], [0.03], "x", transform=volume.get_xaxis_transform(), color=RED, label=once("refused"))
    lines = [(mark, GREY, "--", "restart: " + texts.of(texts.RESET_CAUSES, mark.detail)) for mark in series.cuts]
    lines += [(mark, RED, "-", "fault or monitor trip") for mark in series.faults]
    for mark, colour, style, name in lines:
        if mark.t_ms >= begin_ms:
            for axes in panels:
                axes.axvline(x(mark.t_ms), color=colour, linestyle=style, linewidth=1)
            volume.plot([], [], color=colour, linestyle=style, linewidth=1, label=once(name))
