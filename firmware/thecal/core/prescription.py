"""The program of a pump: one validator and one byte form, used by host and board. SPEC.md section 7 has the bytes,
core/program_table.py the fields.

Invariant: a program that `validate` passes can be delivered by the part it names, and no limit narrows its basal rate, whatever
the hour and the weekday (each power cut may: it adds one chunk that counts as delivered and perhaps was not). `unpack` answers
any bytes at all with fields inside the table or with one ProgramError.
"""

from thecal.core import program_table as t
from thecal.core.codec import U24, U32, crc32, get, put, seal, unseal
from thecal.core.compat import const
from thecal.core.messages import BLOB_MAX_BYTES
from thecal.core.program_table import (
    BYTES,
    DAY_TAG,
    FIELDS,
    INT,
    MODE_CONTINUOUS,
    MODE_FLEX,
    RATE_MAX,
    RATE_MIN,
    TEXT,
    Problem,
    ProgramError,
    check_field,
    check_fields,
    with_defaults,
)
from thecal.core.schedule import DAY_KEYS, DAY_MIN, STEP_BYTES, Schedule, day_steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal.core.program_table import Value

MAGIC = b"TP"
FORMAT = const(2)
HEADER_BYTES = const(7)  # magic 2, format 1, version 4
PL_PER_MILLION_IN_NL = 1_000_000_000  # 1 nL = 1000 pL, for 1,000,000 microsteps
DAY_S = const(86_400)
CHUNK_SHARE_1H = const(20)  # a chunk is at most 1/20 of the 1 h limit: what a power cut may over-count
CHUNKS_PER_DAY = const(600)  # of basal; the host's choice, flash life hangs on it
PART_KEYS = ("max_rate_nl_per_day", "max_bolus_nl", "max_steps_per_s", "reservoir_nl", "step_pl_per_million")
# window limit -> the longest span its ring can count, minutes: the window and one bucket (core/windows.py)
WINDOW_SPANS = ((7, "limit_1h_nl", 65), (8, "limit_4h_nl", 255), (9, "limit_24h_nl", 1500))


def basal_in_window_nl(rate_nl_per_day: int, minutes: int, chunk_nl: int) -> int:
    """The most a window that can count `minutes` ever holds of basal alone, nL rounded up: what it sees, one chunk that counts
    late (when it is settled) and one that counts early (when it is intended)."""
    return -(-rate_nl_per_day * minutes // DAY_MIN) + 2 * chunk_nl


def daily_max_nl(fields: "dict[str, Any]") -> int:
    """The greatest dose of one day of checked fields, nL: of a flex program the fullest weekday, or its safe rate."""
    return max(Schedule(fields).daily_max_nl(), fields["rate_nl_per_day"])


def chunk_for(rate_nl_per_day: int, step_pl_per_million: int) -> int:
    """The host's chunk, nL: 1/600 of a day's basal rounded up, at least one microstep rounded up."""
    return max(-(-rate_nl_per_day // CHUNKS_PER_DAY), -(-step_pl_per_million // PL_PER_MILLION_IN_NL))


def validate(fields: "dict[str, Value]", part: "dict[str, int]") -> "list[Problem]":
    """Every problem of `fields`, in tag order: the table, the fields against each other, and against the part (PART_KEYS, all
    ints). A comparison needs both its fields good, so one mistake is not told twice. An empty list means: may be staged."""
    problems = check_fields(fields)
    bad: "dict[str, bool]" = {}
    for problem in problems:
        bad[problem.key] = True
    full = with_defaults(fields)
    good: "dict[str, Any]" = {}
    for _tag, key, kind, _width, _low, _high, _default in FIELDS:
        value = full.get(key)
        if key not in bad and value is not None and kind != TEXT:
            good[key] = value
    week = _week(good)
    problems.extend(week)
    problems.extend(_cross(good))
    if not week:
        problems.extend(_windows(good))
    problems.extend(_against_part(good, part))
    return sorted(problems, key=_order)


def _order(problem: Problem) -> "tuple[int, int, str]":
    return problem.tag or U32, problem.code, problem.key


def _day(tag: int, key: str, raw: bytes, max_rate: int) -> "Problem | None":
    """The first problem of one day pattern."""
    if len(raw) % STEP_BYTES:
        return Problem(tag, key, len(raw) // STEP_BYTES + 1, 0, t.PATTERN_BAD)
    last = -1
    number = 0
    for minute, rate in day_steps(raw):
        number += 1
        if minute >= DAY_MIN or minute <= last or (last < 0 and minute) or rate > RATE_MAX or 0 < rate < RATE_MIN:
            return Problem(tag, key, number, 0, t.PATTERN_BAD)
        if rate > max_rate:
            return Problem(tag, key, rate, max_rate, t.RATE_ABOVE_MAX)
        last = minute
    return None


def _week(good: "dict[str, Any]") -> "list[Problem]":
    """Problems of mode, week and day patterns; [] where one of them was bad already."""
    for key in ("mode", "rate_nl_per_day", "max_rate_nl_per_day", "week") + DAY_KEYS:
        if key not in good:
            return []
    week = good["week"]
    if good["mode"] == MODE_CONTINUOUS:
        if week or any(good[key] for key in DAY_KEYS):
            return [Problem(29, "week", len(week), 0, t.MODE_FIELDS)]
        if good["rate_nl_per_day"] < RATE_MIN:
            return [Problem(4, "rate_nl_per_day", good["rate_nl_per_day"], RATE_MIN, t.LOW)]
        return []
    if len(week) != 7:
        return [Problem(29, "week", len(week), 7, t.MODE_FIELDS)]
    problems: "list[Problem]" = []
    if 0 < good["rate_nl_per_day"] < RATE_MIN:
        problems.append(Problem(4, "rate_nl_per_day", good["rate_nl_per_day"], RATE_MIN, t.LOW))
    used = [False] * 8
    for number in week:
        if not 1 <= number <= 7 or not good[DAY_KEYS[number - 1]]:
            return [Problem(29, "week", number, 7, t.PATTERN_MISSING)]
        used[number] = True
    for at in range(7):
        raw = good[DAY_KEYS[at]]
        if raw and not used[at + 1]:
            problems.append(Problem(DAY_TAG + at, DAY_KEYS[at], at + 1, 0, t.PATTERN_UNUSED))
            continue
        problem = _day(DAY_TAG + at, DAY_KEYS[at], raw, good["max_rate_nl_per_day"])
        if problem is not None:
            problems.append(problem)
    return problems


def _windows(good: "dict[str, Any]") -> "list[Problem]":
    """Does every window let basal through at its worst hour of the week?"""
    problems: "list[Problem]" = []
    if "chunk_nl" not in good or "rate_nl_per_day" not in good or "mode" not in good or "week" not in good:
        return problems
    schedule = None
    if good["mode"] == MODE_FLEX:
        for key in ("max_rate_nl_per_day",) + DAY_KEYS:  # without them the week was not looked at
            if key not in good:
                return problems
        schedule = Schedule(good)
    for tag, key, minutes in WINDOW_SPANS:
        if key in good:
            steady = max(good["rate_nl_per_day"], good.get("min_rate_nl_per_day", 0))  # each may hold for a day and longer
            least = basal_in_window_nl(steady, minutes, good["chunk_nl"])
            if schedule is not None:
                least = max(least, schedule.worst_window_nl(minutes) + 2 * good["chunk_nl"])
            if good[key] < least:
                problems.append(Problem(tag, key, good[key], least, t.WINDOW_BELOW_BASAL))
    return problems


def _cross(good: "dict[str, Any]") -> "list[Problem]":
    """Problems of the good fields against each other."""
    problems: "list[Problem]" = []

    def need(tag: int, key: str, other: str, code: int, over: bool) -> None:
        """The field must not be over (or under) the other one."""
        if key in good and other in good and (good[key] > good[other] if over else good[key] < good[other]):
            problems.append(Problem(tag, key, good[key], good[other], code))

    need(4, "rate_nl_per_day", "max_rate_nl_per_day", t.RATE_ABOVE_MAX, True)
    need(6, "max_bolus_nl", "limit_1h_nl", t.BOLUS_ABOVE_1H, True)
    need(8, "limit_4h_nl", "limit_1h_nl", t.WINDOW_ORDER, False)
    need(9, "limit_24h_nl", "limit_4h_nl", t.WINDOW_ORDER, False)
    need(18, "min_rate_nl_per_day", "max_rate_nl_per_day", t.MIN_ABOVE_MAX, True)
    need(19, "patient_bolus_nl", "max_bolus_nl", t.PATIENT_ABOVE_MAX, True)
    dose, time_ms = good.get("patient_bolus_nl"), good.get("patient_bolus_ms")
    if dose is not None and time_ms is not None and (dose > 0) != (time_ms > 0):
        problems.append(Problem(20, "patient_bolus_ms", good["patient_bolus_ms"], 0, t.PATIENT_DURATION))
    window, share, plus = good.get("raise_window_ms"), good.get("raise_per_mille"), good.get("raise_nl_per_day")
    if window is not None and share is not None and plus is not None and (window > 0) != (share > 0 or plus > 0):
        problems.append(Problem(25, "raise_window_ms", good["raise_window_ms"], 0, t.RAISE_FIELDS))
    if "min_rate_nl_per_day" in good and 0 < good["min_rate_nl_per_day"] < RATE_MIN:
        problems.append(Problem(18, "min_rate_nl_per_day", good["min_rate_nl_per_day"], RATE_MIN, t.LOW))
    if "reservoir_nl" in good and "reservoir_low_nl" in good and good["reservoir_low_nl"] >= good["reservoir_nl"]:
        problems.append(
            Problem(13, "reservoir_low_nl", good["reservoir_low_nl"], good["reservoir_nl"] - 1, t.LOW_ABOVE_RESERVOIR)
        )
    chunk = good.get("chunk_nl")
    step = good.get("step_pl_per_million")
    if step is not None:
        most = U24 * step // PL_PER_MILLION_IN_NL
        for tag, key, _minutes in WINDOW_SPANS:
            if key in good and good[key] > most:
                problems.append(Problem(tag, key, good[key], most, t.WINDOW_STEPS))
    if chunk is not None:
        if step is not None and chunk * PL_PER_MILLION_IN_NL < step:
            problems.append(Problem(14, "chunk_nl", chunk, -(-step // PL_PER_MILLION_IN_NL), t.CHUNK_BELOW_STEP))
        if "limit_1h_nl" in good and chunk * CHUNK_SHARE_1H > good["limit_1h_nl"]:
            problems.append(Problem(14, "chunk_nl", chunk, good["limit_1h_nl"] // CHUNK_SHARE_1H, t.CHUNK_ABOVE_SHARE))
    return problems


def _against_part(good: "dict[str, int]", part: "dict[str, int]") -> "list[Problem]":
    """Problems of the good fields against the part."""
    problems: "list[Problem]" = []
    for tag, key in ((5, "max_rate_nl_per_day"), (6, "max_bolus_nl"), (12, "reservoir_nl")):
        if key in good and good[key] > part[key]:
            problems.append(Problem(tag, key, good[key], part[key], t.ABOVE_PART))
    step = part["step_pl_per_million"]
    most = part["max_steps_per_s"] * DAY_S * step // PL_PER_MILLION_IN_NL
    if "max_rate_nl_per_day" in good and good["max_rate_nl_per_day"] > most:
        problems.append(Problem(5, "max_rate_nl_per_day", good["max_rate_nl_per_day"], most, t.STEP_RATE))
    if "step_pl_per_million" in good and good["step_pl_per_million"] != step:
        problems.append(Problem(16, "step_pl_per_million", good["step_pl_per_million"], step, t.NOT_THIS_BOARD))
    return problems


def pack(fields: "dict[str, Value]", version: int = 0) -> bytes:
    """The program as bytes, every field written (defaults too), sealed. Raises ProgramError with the first problem of the
    table."""
    problems = check_fields(fields)
    if problems:
        raise ProgramError(problems[0])
    if not 0 <= version <= U32:
        raise ProgramError(Problem(0, "version", 0, U32, t.HIGH))
    full = with_defaults(fields)
    out = bytearray(MAGIC)
    put(out, "format", FORMAT, 1)
    put(out, "version", version, 4)
    for tag, key, _kind, width, _low, _high, _default in FIELDS:
        value = full[key]
        if isinstance(value, int):
            raw = value.to_bytes(width, "little")
        else:
            raw = value.encode() if isinstance(value, str) else value
        put(out, key, tag, 1)
        put(out, key, len(raw), 1)
        out.extend(raw)
    return seal(bytes(out))


def _refuse(value: int, limit: int, code: int) -> ProgramError:
    return ProgramError(Problem(0, "program", value, limit, code))


def _open(blob: bytes) -> bytes:
    """The body of a program (header and entries) once size, CRC, magic and format are right; else ProgramError."""
    if len(blob) > BLOB_MAX_BYTES:
        raise _refuse(len(blob), BLOB_MAX_BYTES, t.TOO_LONG)
    if len(blob) < HEADER_BYTES + 4:
        raise _refuse(len(blob), HEADER_BYTES + 4, t.TRUNCATED)
    body = unseal(blob)
    if body is None:
        raise _refuse(crc32(blob[:-4]), get(blob, len(blob) - 4, 4), t.BAD_CRC)
    if bytes(body[:2]) != MAGIC or body[2] != FORMAT:
        raise _refuse(body[2], FORMAT, t.HEADER)
    return body


def unpack(blob: bytes) -> "tuple[dict[str, Value], int]":
    """(fields with all defaults, version) of a program. Raises ProgramError, and nothing else, for any bytes that are not one.
    The values are inside the table; `validate` still has to see them."""
    body = _open(blob)
    fields: "dict[str, Value]" = {}
    at = HEADER_BYTES
    last = 0
    while at < len(body):
        tag = body[at]
        row = FIELDS[tag - 1] if 1 <= tag <= len(FIELDS) else None
        if row is None:
            raise ProgramError(Problem(tag, "program", tag, len(FIELDS), t.UNKNOWN))
        key, kind, width = row[1], row[2], row[3]
        if tag <= last:
            raise ProgramError(Problem(tag, key, tag, last, t.ORDER))
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            raise ProgramError(Problem(tag, key, len(body), at + 2, t.TRUNCATED))
        size = body[at + 1]
        if size > width or (size != width and kind == INT):
            raise ProgramError(Problem(tag, key, size, width, t.WIDTH))
        raw = bytes(body[at + 2 : at + 2 + size])
        value: "Value" = raw if kind == BYTES else _text(tag, key, raw) if kind == TEXT else get(raw, 0, width)
        problem = check_field(row, value)
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
            raise ProgramError(Problem(tag, key, byte, 126, t.NOT_TEXT))
    return raw.decode()


def program_crc(blob: bytes) -> int:
    """The identity of a program: CRC-32 over its entries alone, so that it does not change with the version.
    Raises ProgramError when `blob` is no sealed program of this format; the entries themselves are not looked at."""
    return crc32(_open(blob)[HEADER_BYTES:])
