"""The program of a pump: one field table, one validator, one byte form, used by host and board. SPEC.md section 7 has the bytes.

Invariant: a program that `validate` passes can be delivered by the part it names, and no limit narrows its basal rate (each power
cut may: it adds one chunk that counts as delivered and perhaps was not). `unpack` answers any bytes at all with fields inside the
table or with one ProgramError. Problems are codes with tag, value and limit; their sentences live on the host
(thecal_host/prescription_texts.py).
"""

from thecal.core.codec import U24, U32, crc32, get, put, seal, unseal
from thecal.core.compat import const
from thecal.core.messages import BLOB_MAX_BYTES, NOT_THIS_BOARD

MAGIC = b"TP"
FORMAT = const(1)
HEADER_BYTES = const(7)  # magic 2, format 1, version 4
MODE_CONTINUOUS = const(1)
STEP_PL_MIN = 100_000_000  # 100 pL a microstep
STEP_PL_MAX = 1_000_000_000_000  # 1 uL a microstep
PL_PER_MILLION_IN_NL = 1_000_000_000  # 1 nL = 1000 pL, for 1,000,000 microsteps
DAY_MIN = const(1440)
DAY_S = const(86_400)
CHUNK_SHARE_1H = const(20)  # a chunk is at most 1/20 of the 1 h limit: what a power cut may over-count
CHUNKS_PER_DAY = const(600)  # of basal; the host's choice, flash life hangs on it

# Tag, key, is it text, width in bytes (longest text), low, high (of a text: its length), default or None where required.
FIELDS: "tuple[tuple[int, str, bool, int, int, int, int | str | None], ...]" = (
    (1, "mode", False, 1, MODE_CONTINUOUS, MODE_CONTINUOUS, None),
    (2, "drug", True, 16, 1, 16, None),
    (3, "concentration_ng_per_ml", False, 4, 1, 1_000_000_000, None),
    (4, "rate_nl_per_day", False, 4, 1_000, 200_000_000, None),
    (5, "max_rate_nl_per_day", False, 4, 1_000, 200_000_000, None),
    (6, "max_bolus_nl", False, 4, 0, 50_000_000, None),
    (7, "limit_1h_nl", False, 4, 1, 1_000_000_000, None),
    (8, "limit_4h_nl", False, 4, 1, 1_000_000_000, None),
    (9, "limit_24h_nl", False, 4, 1, 1_000_000_000, None),
    (10, "bolus_lockout_ms", False, 4, 0, 604_800_000, None),
    (11, "boluses_per_24h", False, 1, 0, 48, None),
    (12, "reservoir_nl", False, 4, 1_000, 1_000_000_000, None),
    (13, "reservoir_low_nl", False, 4, 0, 1_000_000_000, 2_000_000),
    (14, "chunk_nl", False, 4, 1, 50_000_000, None),
    (15, "basal_resumes", False, 1, 0, 1, 0),
    (16, "step_pl_per_million", False, 8, STEP_PL_MIN, STEP_PL_MAX, None),
    (17, "name", True, 24, 0, 24, ""),
)
PART_KEYS = ("max_rate_nl_per_day", "max_bolus_nl", "max_steps_per_s", "reservoir_nl", "step_pl_per_million")
# window limit -> the longest span its ring can count, minutes: the window and one bucket (core/windows.py)
WINDOW_SPANS = ((7, "limit_1h_nl", 65), (8, "limit_4h_nl", 255), (9, "limit_24h_nl", 1500))

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
CODES = (NOT_THIS_BOARD,) + tuple(range(LOW, WINDOW_STEPS + 1))


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


def _check_field(row: "tuple[int, str, bool, int, int, int, int | str | None]", value: object) -> "Problem | None":
    """The problem of one value against its row alone, or None."""
    tag, key, is_text, _width, low, high, _default = row
    if is_text:
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


def check_fields(fields: "dict[str, int | str]") -> "list[Problem]":
    """Problems of `fields` against the table alone, in tag order, unknown keys last; a field with a default may be missing."""
    problems: "list[Problem]" = []
    known = 0
    for row in FIELDS:
        if row[1] in fields:
            known += 1
            problem = _check_field(row, fields[row[1]])
            if problem is not None:
                problems.append(problem)
        elif row[6] is None:
            problems.append(Problem(row[0], row[1], 0, 0, MISSING))
    if known != len(fields):
        for key in sorted(fields):
            if not any(row[1] == key for row in FIELDS):
                problems.append(Problem(0, key, 0, 0, UNKNOWN))
    return problems


def with_defaults(fields: "dict[str, int | str]") -> "dict[str, int | str]":
    """A copy of `fields` with the table's default for every missing field that has one."""
    full: "dict[str, int | str]" = {}
    for row in FIELDS:
        if row[1] in fields:
            full[row[1]] = fields[row[1]]
        elif row[6] is not None:
            full[row[1]] = row[6]
    return full


def basal_in_window_nl(rate_nl_per_day: int, minutes: int, chunk_nl: int) -> int:
    """The most a window that can count `minutes` ever holds of basal alone, nL rounded up: what it sees, one chunk that counts
    late (when it is settled) and one that counts early (when it is intended)."""
    return -(-rate_nl_per_day * minutes // DAY_MIN) + 2 * chunk_nl


def chunk_for(rate_nl_per_day: int, step_pl_per_million: int) -> int:
    """The host's chunk, nL: 1/600 of a day's basal rounded up, at least one microstep rounded up."""
    return max(-(-rate_nl_per_day // CHUNKS_PER_DAY), -(-step_pl_per_million // PL_PER_MILLION_IN_NL))


def validate(fields: "dict[str, int | str]", part: "dict[str, int]") -> "list[Problem]":
    """Every problem of `fields`, in tag order: the table, the fields against each other, and against the part (PART_KEYS, all
    ints). A comparison needs both its fields good, so one mistake is not told twice. An empty list means: may be staged."""
    problems = check_fields(fields)
    bad: "dict[str, bool]" = {}
    for problem in problems:
        bad[problem.key] = True
    full = with_defaults(fields)
    good: "dict[str, int]" = {}
    for _tag, key, is_text, _width, _low, _high, _default in FIELDS:
        value = full.get(key)
        if not is_text and key not in bad and isinstance(value, int):
            good[key] = value
    problems.extend(_cross(good))
    problems.extend(_against_part(good, part))
    return sorted(problems, key=_order)


def _order(problem: Problem) -> "tuple[int, int, str]":
    return problem.tag or U32, problem.code, problem.key


def _cross(good: "dict[str, int]") -> "list[Problem]":
    """Problems of the good fields against each other."""
    problems: "list[Problem]" = []

    def need(tag: int, key: str, other: str, code: int, over: bool) -> None:
        """The field must not be over (or under) the other one."""
        if key in good and other in good and (good[key] > good[other] if over else good[key] < good[other]):
            problems.append(Problem(tag, key, good[key], good[other], code))

    need(4, "rate_nl_per_day", "max_rate_nl_per_day", RATE_ABOVE_MAX, True)
    need(6, "max_bolus_nl", "limit_1h_nl", BOLUS_ABOVE_1H, True)
    need(8, "limit_4h_nl", "limit_1h_nl", WINDOW_ORDER, False)
    need(9, "limit_24h_nl", "limit_4h_nl", WINDOW_ORDER, False)
    if "reservoir_nl" in good and "reservoir_low_nl" in good and good["reservoir_low_nl"] >= good["reservoir_nl"]:
        problems.append(Problem(13, "reservoir_low_nl", good["reservoir_low_nl"], good["reservoir_nl"] - 1, LOW_ABOVE_RESERVOIR))
    rate = good.get("rate_nl_per_day")
    chunk = good.get("chunk_nl")
    step = good.get("step_pl_per_million")
    for tag, key, minutes in WINDOW_SPANS:
        if key not in good:
            continue
        if rate is not None and chunk is not None:
            least = basal_in_window_nl(rate, minutes, chunk)
            if good[key] < least:
                problems.append(Problem(tag, key, good[key], least, WINDOW_BELOW_BASAL))
        if step is not None:
            most = U24 * step // PL_PER_MILLION_IN_NL
            if good[key] > most:
                problems.append(Problem(tag, key, good[key], most, WINDOW_STEPS))
    if chunk is not None:
        if step is not None and chunk * PL_PER_MILLION_IN_NL < step:
            problems.append(Problem(14, "chunk_nl", chunk, -(-step // PL_PER_MILLION_IN_NL), CHUNK_BELOW_STEP))
        if "limit_1h_nl" in good and chunk * CHUNK_SHARE_1H > good["limit_1h_nl"]:
            problems.append(Problem(14, "chunk_nl", chunk, good["limit_1h_nl"] // CHUNK_SHARE_1H, CHUNK_ABOVE_SHARE))
    return problems


def _against_part(good: "dict[str, int]", part: "dict[str, int]") -> "list[Problem]":
    """Problems of the good fields against the part."""
    problems: "list[Problem]" = []
    for tag, key in ((5, "max_rate_nl_per_day"), (6, "max_bolus_nl"), (12, "reservoir_nl")):
        if key in good and good[key] > part[key]:
            problems.append(Problem(tag, key, good[key], part[key], ABOVE_PART))
    step = part["step_pl_per_million"]
    most = part["max_steps_per_s"] * DAY_S * step // PL_PER_MILLION_IN_NL
    if "max_rate_nl_per_day" in good and good["max_rate_nl_per_day"] > most:
        problems.append(Problem(5, "max_rate_nl_per_day", good["max_rate_nl_per_day"], most, STEP_RATE))
    if "step_pl_per_million" in good and good["step_pl_per_million"] != step:
        problems.append(Problem(16, "step_pl_per_million", good["step_pl_per_million"], step, NOT_THIS_BOARD))
    return problems


def pack(fields: "dict[str, int | str]", version: int = 0) -> bytes:
    """The program as bytes, every field written (defaults too), sealed. Raises ProgramError with the first problem of the
    table."""
    problems = check_fields(fields)
    if problems:
        raise ProgramError(problems[0])
    if not 0 <= version <= U32:
        raise ProgramError(Problem(0, "version", 0, U32, HIGH))
    full = with_defaults(fields)
    out = bytearray(MAGIC)
    put(out, "format", FORMAT, 1)
    put(out, "version", version, 4)
    for tag, key, _is_text, width, _low, _high, _default in FIELDS:
        value = full[key]
        raw = value.encode() if isinstance(value, str) else value.to_bytes(width, "little")
        put(out, key, tag, 1)
        put(out, key, len(raw), 1)
        out.extend(raw)
    return seal(bytes(out))


def _refuse(value: int, limit: int, code: int) -> ProgramError:
    return ProgramError(Problem(0, "program", value, limit, code))


def _open(blob: bytes) -> bytes:
    """The body of a program (header and entries) once size, CRC, magic and format are right; else ProgramError."""
    if len(blob) > BLOB_MAX_BYTES:
        raise _refuse(len(blob), BLOB_MAX_BYTES, TOO_LONG)
    if len(blob) < HEADER_BYTES + 4:
        raise _refuse(len(blob), HEADER_BYTES + 4, TRUNCATED)
    body = unseal(blob)
    if body is None:
        raise _refuse(crc32(blob[:-4]), get(blob, len(blob) - 4, 4), BAD_CRC)
    if bytes(body[:2]) != MAGIC or body[2] != FORMAT:
        raise _refuse(body[2], FORMAT, HEADER)
    return body


def unpack(blob: bytes) -> "tuple[dict[str, int | str], int]":
    """(fields with all defaults, version) of a program. Raises ProgramError, and nothing else, for any bytes that are not one.
    The values are inside the table; `validate` still has to see them."""
    body = _open(blob)
    fields: "dict[str, int | str]" = {}
    at = HEADER_BYTES
    last = 0
    while at < len(body):
        tag = body[at]
        row = FIELDS[tag - 1] if 1 <= tag <= len(FIELDS) else None
        if row is None:
            raise ProgramError(Problem(tag, "program", tag, len(FIELDS), UNKNOWN))
        key, is_text, width = row[1], row[2], row[3]
        if tag <= last:
            raise ProgramError(Problem(tag, key, tag, last, ORDER))
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            raise ProgramError(Problem(tag, key, len(body), at + 2, TRUNCATED))
        size = body[at + 1]
        if size > width or (size != width and not is_text):
            raise ProgramError(Problem(tag, key, size, width, WIDTH))
        raw = bytes(body[at + 2 : at + 2 + size])
        value: "int | str" = _text(tag, key, raw) if is_text else get(raw, 0, width)
        problem = _check_field(row, value)
        if problem is not None:
            raise ProgramError(problem)
        fields[key] = value
        last = tag
        at += 2 + size
    problems = check_fields(fields)
    if problems:
        raise ProgramError(problems[0])
    return with_defaults(fields), get(body, 3, 4)


def _text(tag: int, key: str, raw: bytes) -> str:
    """`raw` as printable ASCII, or ProgramError."""
    for byte in raw:
        if not 32 <= byte <= 126:
            raise ProgramError(Problem(tag, key, byte, 126, NOT_TEXT))
    return raw.decode()


def program_crc(blob: bytes) -> int:
    """The identity of a program: CRC-32 over its entries alone, so that it does not change with the version.
    Raises ProgramError when `blob` is no sealed program of this format; the entries themselves are not looked at."""
    return crc32(_open(blob)[HEADER_BYTES:])
