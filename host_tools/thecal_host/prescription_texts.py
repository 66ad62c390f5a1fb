"""Sentences for the problems of `thecal.core.prescription`. Invariant: every code has one, and each names key, value, limit and
what to do.

Amounts are shown as people wrote them where they did (the host knows the text), else in units, never as bare numbers.
"""

from dataclasses import dataclass

from thecal.core import prescription as rx
from thecal.core import units
from thecal.core.messages import NOT_THIS_BOARD

# field key -> where it stands in a prescription file
TOML_KEYS = {
    "mode": "basal.mode",
    "drug": "drug.name",
    "concentration_ng_per_ml": "drug.concentration",
    "rate_nl_per_day": "basal.dose",
    "max_rate_nl_per_day": "limits.max_rate",
    "max_bolus_nl": "limits.max_bolus",
    "limit_1h_nl": "limits.per_1h",
    "limit_4h_nl": "limits.per_4h",
    "limit_24h_nl": "limits.per_24h",
    "bolus_lockout_ms": "limits.bolus_lockout",
    "boluses_per_24h": "limits.boluses_per_24h",
    "reservoir_nl": "reservoir.volume",
    "reservoir_low_nl": "reservoir.low",
    "chunk_nl": "chunk",
    "basal_resumes": "power_loss.basal_resumes",
    "step_pl_per_million": "step volume",
    "name": "prescription.name",
}
# The key whose value is the problem's limit, where the limit is another field.
OTHER = {
    rx.RATE_ABOVE_MAX: "limits.max_rate",
    rx.BOLUS_ABOVE_1H: "limits.per_1h",
    rx.LOW_ABOVE_RESERVOIR: "reservoir.volume",
}


@dataclass(frozen=True)
class RxProblem:
    """One thing wrong with a prescription: `key` as in the file, `value` found, `limit` allowed, `hint` what to do; "" where
    there is none."""

    key: str
    value: str
    limit: str
    hint: str

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        value = f" is {self.value}" if self.value else ""
        limit = f", allowed: {self.limit}" if self.limit else ""
        return f"{self.key}{value}{limit}: {self.hint}"

    def as_dict(self) -> dict[str, str]:
        """For --json."""
        return {"key": self.key, "value": self.value, "limit": self.limit, "hint": self.hint}


def amount(key: str, value: int) -> str:
    """`value` of field `key` for people, with its unit."""
    if key.endswith("_nl_per_day"):
        return units.format_volume(value) + "/day"
    if key.endswith("_ng_per_ml"):
        return units.format_concentration(value)
    if key.endswith("_nl"):
        return units.format_volume(value)
    if key.endswith("_ms"):
        return units.format_ms(value)
    if key == "mode" and value == rx.MODE_CONTINUOUS:
        return "continuous"
    if key == "basal_resumes" and value in (0, 1):
        return "yes" if value else "no"
    if key == "step_pl_per_million":
        return units.decimal(value, 9) + " nL a microstep"
    return str(value)


def _limit_and_hint(problem: rx.Problem) -> tuple[str, str]:
    limit = amount(problem.key, problem.limit)
    other = OTHER.get(problem.code, "")
    span = {tag: minutes for tag, _key, minutes in rx.WINDOW_SPANS}.get(problem.tag, 0)
    text_field = problem.key in ("drug", "name")
    table: dict[int, tuple[str, str]] = {
        rx.LOW: (f"at least {problem.limit} characters" if text_field else f"at least {limit}", "raise it."),
        rx.HIGH: (
            f"at most {problem.limit} characters" if text_field else f"at most {limit}",
            "shorten it." if text_field else "lower it.",
        ),
        rx.MISSING: ("", "it is missing; add it."),
        rx.UNKNOWN: ("", "this version of Thecal does not know it; remove it or update."),
        rx.NOT_INTEGER: ("a whole number", "write a whole number without quotes."),
        rx.NOT_TEXT: ("a text of printable ASCII characters", "use plain letters, digits and signs: the board has no others."),
        rx.ORDER: ("", "its entries are out of order or twice there; make the program again from its prescription."),
        rx.WIDTH: ("", "this entry has the wrong length; make the program again from its prescription."),
        rx.TRUNCATED: ("", "the program is cut off; transfer it again."),
        rx.HEADER: ("", "this is not a Thecal program of a format this version knows."),
        rx.BAD_CRC: ("", "the check sum is wrong, the bytes were damaged; transfer it again."),
        rx.TOO_LONG: (f"{problem.limit} bytes", "this is not a Thecal program."),
        rx.RATE_ABOVE_MAX: (f"at most {limit} ({other})", "lower the dose, or raise limits.max_rate if that is meant."),
        rx.WINDOW_ORDER: (
            f"at least {limit}",
            "a longer window cannot allow less than a shorter one; raise it or lower the shorter one.",
        ),
        rx.WINDOW_BELOW_BASAL: (
            f"at least {limit}",
            f"basal alone puts that much into this window (it sees up to {span} minutes and two chunks); "
            "raise it or lower the dose.",
        ),
        rx.BOLUS_ABOVE_1H: (
            f"at most {limit} ({other})",
            "such a bolus could never be granted; lower it or raise limits.per_1h.",
        ),
        rx.LOW_ABOVE_RESERVOIR: (
            f"at most {limit}",
            "the alarm must come before the reservoir is empty and after it was full; lower it.",
        ),
        rx.CHUNK_BELOW_STEP: (
            f"at least {limit}",
            "one microstep of this board is larger; raise the dose or use a finer mechanism.",
        ),
        rx.CHUNK_ABOVE_SHARE: (
            f"at most {limit}",
            "a power cut may over-count by one chunk, so a chunk is at most 1/20 of limits.per_1h; raise that limit "
            "or use a finer mechanism.",
        ),
        rx.ABOVE_PART: (f"at most {limit} (the board's part)", "this board cannot do more; lower it or use another board."),
        rx.STEP_RATE: (f"at most {limit} (the motor's step rate)", "the motor of this board cannot turn faster; lower it."),
        rx.WINDOW_STEPS: (
            f"at most {limit}",
            "the board cannot count more steps in one window; lower it or use a coarser mechanism.",
        ),
        NOT_THIS_BOARD: (limit, "the program was made for another board or calibration; make it again for this one."),
    }
    return table.get(problem.code, ("", f"code {problem.code} (newer firmware?)"))


def explain(problem: rx.Problem, written: dict[str, str] | None = None) -> RxProblem:
    """The problem in words. `written` maps field keys to what the file says, which is shown instead of our own number."""
    key = TOML_KEYS.get(problem.key, problem.key)
    limit, hint = _limit_and_hint(problem)
    value = amount(problem.key, problem.value)
    if problem.key in ("drug", "name") and problem.code in (rx.LOW, rx.HIGH):
        value = f"{problem.value} characters long"
    elif problem.code in (rx.MISSING, rx.UNKNOWN, rx.NOT_TEXT, rx.NOT_INTEGER) or problem.key == "program":
        value = ""
    text = (written or {}).get(problem.key)
    if text is not None:
        value = f'"{text}"' if value in ("", f'"{text}"', text) else f'"{text}" ({value})'
    return RxProblem(key, value, limit, hint)
