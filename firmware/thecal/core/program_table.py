"""The table of a program's fields: tag, key, kind, width, range, default; the codes of what can be wrong with them.

Invariant: the table is in tag order without gaps, and host and board read the same one. What fields mean to each other is
core/prescription.py; the bytes are SPEC.md section 7; sentences live on the host (thecal_host/prescription_texts.py).
"""

from thecal.core.compat import const
from thecal.core.messages import NOT_THIS_BOARD
from thecal.core.schedule import STEP_BYTES, STEPS_PER_DAY

TYPE_CHECKING = False
if TYPE_CHECKING:
    Value = int | str | bytes
    Row = tuple[int, str, int, int, int, int, "Value | None"]

MODE_CONTINUOUS = const(1)
MODE_FLEX = const(2)
INT = const(0)
TEXT = const(1)  # printable ASCII
BYTES = const(2)
RATE_MIN = const(1_000)  # nL/day; below it a rate is 0 or a mistake
RATE_MAX = const(200_000_000)
STEP_PL_MIN = 100_000_000  # 100 pL a microstep
STEP_PL_MAX = 1_000_000_000_000  # 1 uL a microstep
_3_DAYS_MS = const(259_200_000)
_DAY = STEP_BYTES * STEPS_PER_DAY

# Tag, key, kind, width in bytes (the longest of a text or bytes), low, high (of texts and bytes: their length), default or None
# where the field is required.
FIELDS: "tuple[Row, ...]" = (
    (1, "mode", INT, 1, MODE_CONTINUOUS, MODE_FLEX, None),
    (2, "drug", TEXT, 16, 1, 16, None),
    (3, "concentration_ng_per_ml", INT, 4, 1, 1_000_000_000, None),
    (4, "rate_nl_per_day", INT, 4, 0, RATE_MAX, None),  # flex: the declared safe rate, while the wall clock is unknown
    (5, "max_rate_nl_per_day", INT, 4, RATE_MIN, RATE_MAX, None),
    (6, "max_bolus_nl", INT, 4, 0, 50_000_000, None),
    (7, "limit_1h_nl", INT, 4, 1, 1_000_000_000, None),
    (8, "limit_4h_nl", INT, 4, 1, 1_000_000_000, None),
    (9, "limit_24h_nl", INT, 4, 1, 1_000_000_000, None),
    (10, "bolus_lockout_ms", INT, 4, 0, 604_800_000, None),
    (11, "boluses_per_24h", INT, 1, 0, 48, None),
    (12, "reservoir_nl", INT, 4, 1_000, 1_000_000_000, None),
    (13, "reservoir_low_nl", INT, 4, 0, 1_000_000_000, 2_000_000),
    (14, "chunk_nl", INT, 4, 1, 50_000_000, None),
    (15, "basal_resumes", INT, 1, 0, 1, 0),
    (16, "step_pl_per_million", INT, 8, STEP_PL_MIN, STEP_PL_MAX, None),
    (17, "name", TEXT, 24, 0, 24, ""),
    (18, "min_rate_nl_per_day", INT, 4, 0, RATE_MAX, 0),  # 0: minimum rate is not offered
    (19, "patient_bolus_nl", INT, 4, 0, 50_000_000, 0),  # 0: the patient has none
    (20, "patient_bolus_ms", INT, 4, 0, 86_400_000, 0),
    (21, "max_temp_ms", INT, 4, 0, _3_DAYS_MS, 0),  # 0: no temporary rate
    (22, "max_hold_ms", INT, 4, 60_000, _3_DAYS_MS, 14_400_000),
    (23, "raise_per_mille", INT, 2, 0, 10_000, 0),
    (24, "raise_nl_per_day", INT, 4, 0, RATE_MAX, 0),
    (25, "raise_window_ms", INT, 4, 0, 2_678_400_000, 0),  # 0: no titration limit
    (26, "utc_offset_biased_min", INT, 2, 600, 2280, 1440),  # minutes east of UTC + 1440
    (27, "library_crc", INT, 4, 0, 0xFFFFFFFF, 0),
    (28, "overrides", INT, 4, 0, 0xFFFFFFFF, 0),
    (29, "week", BYTES, 7, 0, 7, b""),  # Monday to Sunday, each the number of a day pattern
    (30, "day_1", BYTES, _DAY, 0, _DAY, b""),
    (31, "day_2", BYTES, _DAY, 0, _DAY, b""),
    (32, "day_3", BYTES, _DAY, 0, _DAY, b""),
    (33, "day_4", BYTES, _DAY, 0, _DAY, b""),
    (34, "day_5", BYTES, _DAY, 0, _DAY, b""),
    (35, "day_6", BYTES, _DAY, 0, _DAY, b""),
    (36, "day_7", BYTES, _DAY, 0, _DAY, b""),
)
DAY_TAG = const(30)  # of day_1

# soft limits of the drug library that a person has overridden: (bit of `overrides`, what)
OVERRIDES = (  # for the host
    (1, "rate below soft low"),
    (2, "rate above soft high"),
    (4, "bolus below soft low"),
    (8, "bolus above soft high"),
    (16, "lockout below soft low"),
    (32, "hold longer than max interruption"),
    (64, "titration above rule"),
    (128, "own library"),
)

# Codes of a problem. NOT_THIS_BOARD (19) is shared with the link's reasons.
LOW = const(32)
HIGH = const(33)
MISSING = const(34)
UNKNOWN = const(35)
NOT_INTEGER = const(36)
NOT_TEXT = const(37)  # not a text of printable ASCII; value: the first other character
ORDER = const(38)  # entry out of rising tag order, or twice
WIDTH = const(39)  # entry of the wrong length
TRUNCATED = const(40)
HEADER = const(41)  # not a program, or of another format
BAD_CRC = const(42)
TOO_LONG = const(43)
RATE_ABOVE_MAX = const(44)
WINDOW_ORDER = const(45)  # a longer window with a smaller limit
WINDOW_BELOW_BASAL = const(46)  # limit: the least that lets basal through
BOLUS_ABOVE_1H = const(47)
LOW_ABOVE_RESERVOIR = const(48)
CHUNK_BELOW_STEP = const(49)
CHUNK_ABOVE_SHARE = const(50)
ABOVE_PART = const(51)
STEP_RATE = const(52)  # max_rate needs more steps per second than the part can do
WINDOW_STEPS = const(53)  # more microsteps than a window bucket can count
PATTERN_BAD = const(54)  # a day pattern whose steps are not in order or not in range; value: the number of the step from 1
PATTERN_MISSING = const(55)  # the week names a day pattern that is not there; value: its number
MODE_FIELDS = const(56)  # flex without a schedule, or a schedule in continuous mode
PATIENT_ABOVE_MAX = const(57)
PATIENT_DURATION = const(58)  # a patient bolus without a duration, or a duration without a bolus
MIN_ABOVE_MAX = const(59)
PATTERN_UNUSED = const(60)
RAISE_FIELDS = const(61)  # a titration raise without a window, or a window without a raise
NOT_BYTES = const(62)
CODES = (NOT_THIS_BOARD,) + tuple(range(LOW, NOT_BYTES + 1))  # for the host


class Problem:
    """One thing wrong: `tag` and `key` of the field (0 and "program" for the bytes as a whole), `value` found, `limit`,
    `code`."""

    __slots__ = ("code", "key", "limit", "tag", "value")

    def __init__(self, tag: int, key: str, value: int, limit: int, code: int) -> None:
        self.tag = tag
        self.key = key
        self.value = value
        self.limit = limit
        self.code = code

    def as_tuple(self) -> "tuple[int, str, int, int, int]":
        return self.tag, self.key, self.value, self.limit, self.code


class ProgramError(ValueError):
    """A program that cannot be packed or unpacked; `args[0]` and `problem` are the Problem."""

    @property
    def problem(self) -> Problem:
        return self.args[0]


def check_field(row: "Row", value: object) -> "Problem | None":
    """The problem of one value against its row alone, or None."""
    tag, key, kind, _width, low, high, _default = row
    if kind == BYTES:
        if not isinstance(value, bytes):
            return Problem(tag, key, 0, 0, NOT_BYTES)
        size = len(value)
    elif kind == TEXT:
        if not isinstance(value, str):
            return Problem(tag, key, 0, 0, NOT_TEXT)
        for char in value:
            if not 32 <= ord(char) <= 126:
                return Problem(tag, key, ord(char), 126, NOT_TEXT)
        size = len(value)
    elif isinstance(value, int) and value is not True and value is not False:
        size = value
    else:
        return Problem(tag, key, 0, 0, NOT_INTEGER)
    if size < low:
        return Problem(tag, key, size, low, LOW)
    if size > high:
        return Problem(tag, key, size, high, HIGH)
    return None


def check_fields(fields: "dict[str, Value]") -> "list[Problem]":
    """Problems of `fields` against the table alone, in tag order, unknown keys last; a field with a default may be missing."""
    problems: "list[Problem]" = []
    known = 0
    for row in FIELDS:
        if row[1] in fields:
            known += 1
            problem = check_field(row, fields[row[1]])
            if problem is not None:
                problems.append(problem)
        elif row[6] is None:
            problems.append(Problem(row[0], row[1], 0, 0, MISSING))
    if known != len(fields):
        for key in sorted(fields):
            if not any(row[1] == key for row in FIELDS):
                problems.append(Problem(0, key, 0, 0, UNKNOWN))
    return problems


def with_defaults(fields: "dict[str, Value]") -> "dict[str, Value]":
    """A copy of `fields` with the table's default for every missing field that has one."""
    full: "dict[str, Value]" = {}
    for row in FIELDS:
        if row[1] in fields:
            full[row[1]] = fields[row[1]]
        elif row[6] is not None:
            full[row[1]] = row[6]
    return full
