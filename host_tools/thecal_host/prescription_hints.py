"""What would be allowed and what to do, for every code of core/program_table.py. Invariant: every code has a hint, and the hint
is something a person can do."""

from thecal.core import prescription as rx
from thecal.core import program_table as t
from thecal.core.messages import NOT_THIS_BOARD

# The key whose value is the problem's limit, where the limit is another field.
OTHER = {
    t.RATE_ABOVE_MAX: "limits.max_rate",
    t.BOLUS_ABOVE_1H: "limits.per_1h",
    t.PATIENT_ABOVE_MAX: "limits.max_bolus",
    t.MIN_ABOVE_MAX: "limits.max_rate",
}
_AGAIN = "make the program again from its prescription."


def _low_or_high(problem: t.Problem, limit: str) -> tuple[str, str]:
    at = "at least" if problem.code == t.LOW else "at most"
    hint = "raise it." if problem.code == t.LOW else "lower it."
    if problem.key in ("drug", "name"):
        return f"{at} {problem.limit} characters", "give it a name." if problem.code == t.LOW else "shorten it."
    if problem.key == "week" or problem.key.startswith("day_"):
        return f"{at} {problem.limit} bytes", _AGAIN
    if problem.key == "rate_nl_per_day" and problem.code == t.LOW:
        return f"{at} {limit}", "raise it; a continuous program needs a rate, a safe rate may be 0."
    return f"{at} {limit}", hint


def limit_and_hint(problem: t.Problem, limit: str) -> tuple[str, str]:
    """(what would be allowed, what to do) for `problem`; `limit` is its limit as a text with its unit. The first is "" where
    nothing can be compared."""
    if problem.code in (t.LOW, t.HIGH):
        return _low_or_high(problem, limit)
    other = OTHER.get(problem.code, "")
    span = {tag: minutes for tag, _key, minutes in rx.WINDOW_SPANS}.get(problem.tag, 0)
    table: dict[int, tuple[str, str]] = {
        t.MISSING: ("", "it is missing; add it."),
        t.UNKNOWN: ("", "this version of Thecal does not know it; remove it or update."),
        t.NOT_INTEGER: ("a whole number", "write a whole number without quotes."),
        t.NOT_TEXT: ("a text of printable ASCII characters", "use plain letters, digits and signs: the board has no others."),
        t.NOT_BYTES: ("the bytes of a schedule", _AGAIN),
        t.ORDER: ("each entry once, in rising order", f"its entries are out of order or twice there; {_AGAIN}"),
        t.WIDTH: (f"{problem.limit} bytes", f"this entry has the wrong length; {_AGAIN}"),
        t.TRUNCATED: (f"at least {problem.limit} bytes", "the program is cut off; transfer it again."),
        t.HEADER: (f"format {problem.limit}", "this is not a Thecal program of a format this version knows."),
        t.BAD_CRC: ("", "the check sum is wrong, the bytes were damaged; transfer it again."),
        t.TOO_LONG: (f"{problem.limit} bytes", "this is not a Thecal program."),
        t.RATE_ABOVE_MAX: (f"at most {limit} ({other})", "lower the dose, or raise limits.max_rate if that is meant."),
        t.WINDOW_ORDER: (
            f"at least {limit}",
            "a longer window cannot allow less than a shorter one; raise it or lower the shorter one.",
        ),
        t.WINDOW_BELOW_BASAL: (
            f"at least {limit}",
            f"basal alone puts that much into this window at its fullest hour (it sees up to {span} minutes and two chunks); "
            "raise it or lower the dose.",
        ),
        t.BOLUS_ABOVE_1H: (
            f"at most {limit} ({other})",
            "such a bolus could never be granted; lower it or raise limits.per_1h.",
        ),
        t.LOW_ABOVE_RESERVOIR: (
            f"at most {limit}",
            "the alarm must come before the reservoir is empty and after it was full; lower it.",
        ),
        t.CHUNK_BELOW_STEP: (
            f"at least {limit}",
            "one microstep of this board is larger; raise the dose or use a finer mechanism.",
        ),
        t.CHUNK_ABOVE_SHARE: (
            f"at most {limit}",
            "a power cut may over-count by one chunk, so a chunk is at most 1/20 of limits.per_1h; raise that limit "
            "or use a finer mechanism.",
        ),
        t.ABOVE_PART: (f"at most {limit} (the board's part)", "this board cannot do more; lower it or use another board."),
        t.STEP_RATE: (f"at most {limit} (the motor's step rate)", "the motor of this board cannot turn faster; lower it."),
        t.WINDOW_STEPS: (
            f"at most {limit}",
            "the board cannot count more steps in one window; lower it or use a coarser mechanism.",
        ),
        t.PATTERN_BAD: (
            "steps from 00:00 on in rising order, each rate 0 or 1 uL/day to 200 mL/day",
            "correct this step of the day.",
        ),
        t.PATTERN_MISSING: ("a day pattern that is there", f"the week names a day that has no steps; {_AGAIN}"),
        t.PATTERN_UNUSED: ("", f"no weekday uses this pattern; {_AGAIN}"),
        t.MODE_FIELDS: (
            'seven days with basal.mode = "flex", none with "continuous"',
            "give [[basal.day]] for every weekday, or make basal.mode continuous and remove them.",
        ),
        t.PATIENT_ABOVE_MAX: (
            f"at most {limit} ({other})",
            "the patient's bolus cannot be larger than the largest bolus; lower it or raise limits.max_bolus.",
        ),
        t.PATIENT_DURATION: (
            "a duration exactly where there is a dose",
            "give both patient_bolus.dose and patient_bolus.duration, or neither.",
        ),
        t.MIN_ABOVE_MAX: (f"at most {limit} ({other})", "lower the minimum rate."),
        t.RAISE_FIELDS: (
            "a window together with raise or raise_dose",
            "give titration.window with titration.raise or titration.raise_dose above 0, or leave [titration] out.",
        ),
        NOT_THIS_BOARD: (limit, "the program was made for another board or calibration; make it again for this one."),
    }
    return table.get(problem.code, ("", f"code {problem.code} (newer firmware?)"))
