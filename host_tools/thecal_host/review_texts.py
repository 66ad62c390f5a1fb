"""The review for a person's eyes: old and new side by side, increases marked by a sign, a word and, where the terminal has it, a
colour. Invariant: nothing is told by colour alone, and no line that the review has is left out.
"""

import os
import sys
from dataclasses import dataclass

from thecal.core import units
from thecal_host import plan_texts, texts
from thecal_host.program_diff import Row, rate_text
from thecal_host.program_week import CHANGED, DAYS, LESS, MORE, SAME, DayRow
from thecal_host.review import Review

PLAIN, HEAD, RISE, FALL, NEWS = "", "head", "rise", "fall", "news"
_COLOURS = {HEAD: "1", RISE: "1;31", FALL: "32", NEWS: "33"}
_WORDS = {SAME: "", MORE: "MORE", LESS: "less", CHANGED: "changed"}
_STYLES = {SAME: PLAIN, MORE: RISE, LESS: FALL, CHANGED: NEWS}


@dataclass(frozen=True)
class Line:
    """One line of the review and what it is."""

    text: str
    style: str = PLAIN


def coloured(lines: "list[Line]", wanted: "bool | None" = None) -> str:
    """The lines as one text, with colours where standard output is a terminal that has not refused them (NO_COLOR)."""
    if wanted is None:
        wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if not wanted:
        return "\n".join(line.text for line in lines)
    return "\n".join(f"\x1b[{_COLOURS[line.style]}m{line.text}\x1b[0m" if line.style else line.text for line in lines)


def _table(heads: "tuple[str, ...]", rows: "list[tuple[str, tuple[str, ...]]]") -> list[Line]:
    """(mark, cells) as lines: sign, cells in columns, word."""
    widths = [max(len(cells[place]) for cells in [heads, *(row[1] for row in rows)]) for place in range(len(heads))]

    def line(sign: str, cells: "tuple[str, ...]", word: str) -> str:
        padded = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        return f"{sign or ' '} {padded}  {word}".rstrip()

    return [Line(line("", heads, ""), HEAD)] + [Line(line(mark, cells, _WORDS[mark]), _STYLES[mark]) for mark, cells in rows]


def beside(rows: "list[Row]", heads: "tuple[str, ...]") -> list[Line]:
    """Every field of two programs side by side."""
    return _table(heads, [(row.mark, (row.label, row.old, row.new)) for row in rows])


def week(rows: "list[DayRow]", heads: "tuple[str, ...]", ng_per_ml: "tuple[int, int]") -> list[Line]:
    """The weeks of two programs side by side, each in its own concentration."""
    cells = [
        (
            row.mark,
            (row.days, row.time, "-" if row.old is None else rate_text(row.old, ng_per_ml[0]), rate_text(row.new, ng_per_ml[1])),
        )
        for row in rows
    ]
    return [Line(""), *_table(heads, cells)]


def _doses(review: Review) -> list[Line]:
    """The dose of each day, and the week's change in per cent."""

    def mean(daily: "list[int]") -> str:
        return f"{units.format_mass(sum(daily) // 7)}/day" if daily else "nothing"

    old, new = review.old_daily_ng, review.new_daily_ng
    change = ""
    tenths = review.percent_tenths
    if tenths is not None:
        sign = "-" if tenths < 0 else "+" if tenths else ""
        change = f"  ({sign}{abs(tenths) // 10}.{abs(tenths) % 10} %)"
    style = RISE if sum(new) > sum(old) else FALL if sum(new) < sum(old) else PLAIN
    lines = [Line("Daily dose", HEAD)]
    if len(set(new)) > 1 or len(set(old)) > 1:
        for day, name in enumerate(DAYS):
            was = units.format_mass(old[day]) if old else "nothing"
            mark = MORE if old and new[day] > old[day] else LESS if old and new[day] < old[day] else SAME
            lines.append(
                Line(f"{mark or ' '} {name}  {was} -> {units.format_mass(new[day])}  {_WORDS[mark]}".rstrip(), _STYLES[mark])
            )
    lines.append(Line(f"  mean of a week: {mean(old)} -> {mean(new)}{change}", style))
    return lines


def _titration(review: Review) -> list[Line]:
    lines = []
    for rule in review.titration:
        span = texts.duration(rule.window_ms)
        most, base = units.format_mass(rule.most_ng), units.format_mass(rule.from_ng)
        told = f"  {rule.whose}: at most {most}/day within {span} of a raise, from {base}/day"
        if rule.exceeded:
            told += ": EXCEEDED, the board will refuse it"
        lines.append(Line(told, RISE if rule.exceeded else PLAIN))
    return lines or [Line("  no rule for raises holds here")]


def _next_hours(review: Review) -> list[Line]:
    plan = review.plan
    if plan is None:
        return []
    forecast = plan.forecast
    lines = [Line(""), Line(f"The next {plan.hours} h with it, from {forecast.source}", HEAD)]
    for when, rate, why in plan_texts.rates(plan):
        lines.append(Line(f"  {when}  {rate}  {why}"))
    for name, nl, bands in (
        ("the patient's bolus", forecast.patient_nl, forecast.patient),
        ("the largest bolus", forecast.largest_nl, forecast.largest),
    ):
        if bands is not None:
            told = plan_texts.bands(forecast, bands, plan.concentration_ng_per_ml)
            lines.append(Line(f"  {name} ({units.format_volume(nl)}):"))
            lines += [Line(f"    {when}  {answer}") for when, answer in told]
    figures = dict(plan_texts.figures(plan))
    for what, figure in figures.items():
        if what.startswith(("Days to refill", "Most boluses", "Flash life")):
            lines.append(Line(f"  {what}: {figure}"))
    lines += [Line(f"  WARNING: {text}", RISE) for text in plan_texts.troubles(forecast)]
    return lines


def lines(review: Review) -> list[Line]:
    """The whole review, in the order in which it is read."""
    active = f"active {review.old_crc:08x}" if review.old_crc else "active: none"
    made = beside(review.rows, ("", active, f"uploaded {review.new_crc:08x}"))
    if review.flex:
        concentrations = review.old_ng_per_ml, review.new_ng_per_ml
        made += week(review.days, ("day", "from", "active", "uploaded"), concentrations)
    made += [Line(""), *_doses(review), Line("Titration", HEAD), *_titration(review)]
    made += [Line(f"Drug library entry: {review.library}")]
    made += [Line(f"OVERRIDDEN soft limit: {name}", RISE) for name in review.overrides]
    made += _next_hours(review)
    made.append(Line(""))
    made += [Line(f"MORE than now: {text}", RISE) for text in review.rises] or [
        Line("Nothing in it gives or allows more than now.")
    ]
    if review.must_stop:
        made.append(
            Line("Another drug or concentration: the board takes it only while therapy is off. Run `thecal stop` first.", RISE)
        )
    made += [Line(f"Note: {text}", NEWS) for text in review.warnings]
    return made
