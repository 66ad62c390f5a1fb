"""Event log records: 32 bytes each, sealed by a CRC. SPEC.md section 6 has the layout, this file the codes.

Invariant: a record holds no text, heap, float, path or file-system fact, so one scenario gives the same bytes on every runtime.
"""

from thecal.core.codec import crc32, get, put
from thecal.core.compat import const

RECORD_BYTES = const(32)
SEGMENT_RECORDS = const(128)

# code -> (name, meaning of a (48 bits), b (32 bits), c (32 bits), detail (8 bits)). The host's sentences use the same names.
BOOT = const(1)
SELFTEST = const(2)
RECOVERED = const(3)
STATE = const(4)
COMMAND = const(5)
GRANT = const(6)
REFUSAL = const(7)
BOLUS_END = const(8)
DOSE = const(9)
RATE = const(10)
ACTIVATED = const(11)
ALARM = const(12)
ALARM_CLEARED = const(13)
FAULT = const(14)
MONITOR_TRIP = const(15)
PROVISIONED = const(16)
BAD_FRAMES = const(17)
SENSORS = const(18)
GAP = const(19)
CLOCK = const(20)
OVERLAY = const(21)
HOLD = const(22)
MOVE = const(23)
MOVE_END = const(24)
UNMET = const(25)
INPUT = const(26)
OVERRIDES = const(27)
DIRECTION = const(28)

FIELDS: "dict[int, tuple[str, str, str, str, str]]" = {  # for the host
    BOOT: ("boot", "pos_steps", "min_steps", "setup_steps", "reset_cause"),
    SELFTEST: ("self-test", "failed_mask", "zero", "zero", "class_a_failed"),
    RECOVERED: ("recovered", "intent_first_step", "uncertain_steps", "bolus_dropped_nl", "zero"),
    STATE: ("state", "pos_steps", "from_state", "to_state", "event"),
    COMMAND: ("command", "command_id", "command_code", "zero", "result"),
    GRANT: ("bolus granted", "command_id", "volume_nl", "duration_ms", "source"),
    REFUSAL: ("refused", "command_id", "value", "limit", "reason"),
    BOLUS_END: ("bolus ended", "command_id", "planned_nl", "missing_nl", "completed"),
    DOSE: ("dose", "settled_steps", "chunk_steps", "ledger_seq", "motion"),
    RATE: ("rate", "pos_steps", "rate_nl_per_day", "ahead_ms", "reason"),
    ACTIVATED: ("activated", "command_id", "program_crc", "monitor_crc", "zero"),
    ALARM: ("alarm", "pos_steps", "value", "zero", "alarm"),
    ALARM_CLEARED: ("alarm cleared", "pos_steps", "value", "zero", "alarm"),
    FAULT: ("fault", "pos_steps", "value", "zero", "fault"),
    MONITOR_TRIP: ("monitor trip", "edges", "budget_steps", "zero", "trip"),
    PROVISIONED: ("provisioned", "command_id", "nothing_delivered", "zero", "zero"),
    BAD_FRAMES: ("bad frames", "zero", "count", "zero", "zero"),
    SENSORS: ("sensors", "pos_steps", "battery_mv", "pressure_pa", "fitted_mask"),
    GAP: ("records lost", "zero", "first_seq", "count", "zero"),
    CLOCK: ("clock", "unix_ms", "jump_s", "zero", "way"),
    OVERLAY: ("overlay", "command_id", "rate_nl_per_day", "duration_ms", "kind"),
    HOLD: ("hold", "command_id", "duration_ms", "zero", "zero"),
    MOVE: ("motion", "command_id", "steps", "duration_ms", "motion"),
    MOVE_END: ("motion ended", "command_id", "steps", "steps_missing", "completed"),
    UNMET: ("unmet demand", "command_id", "wait_s", "count", "reason"),
    INPUT: ("input", "pos_steps", "value", "zero", "input"),
    OVERRIDES: ("overrides", "command_id", "mask", "library_crc", "zero"),
    DIRECTION: ("direction", "command_id", "zero", "zero", "ok"),
}

# codes whose `a` is a step position of the pump
STEP_CODES = (BOOT, STATE, DOSE, RATE, ALARM, ALARM_CLEARED, FAULT, SENSORS, INPUT)

# command names in a COMMAND record
COMMAND_CODES: "dict[str, int]" = {
    "activate": 1,
    "start": 2,
    "stop": 3,
    "hold": 4,
    "resume": 5,
    "bolus": 6,
    "ack": 7,
    "provision": 8,
    "maintenance": 9,
    "patient": 10,
    "temp": 11,
    "minimum": 12,
    "normal": 13,
    "clock": 14,
    "move": 15,
    "direction": 16,
}


# `way` of a CLOCK record
CLOCK_FIRST = const(0)
CLOCK_FORWARD = const(1)
CLOCK_BACK = const(2)
# `input` of an INPUT record
IN_BUTTON = const(1)
IN_ESTOP = const(2)
IN_HOME = const(3)


def pack_record(seq: int, boot: int, t_ms: int, code: int, a: int = 0, b: int = 0, c: int = 0, detail: int = 0) -> bytes:
    """32 bytes: seq 4, boot 2, code 1, detail 1, t_ms 6, a 6, b 4, c 4, CRC-32 4. CodecError when a field does not fit."""
    out = bytearray()
    put(out, "seq", seq, 4)
    put(out, "boot", boot, 2)
    put(out, "code", code, 1)
    put(out, "detail", detail, 1)
    put(out, "t_ms", t_ms, 6)
    put(out, "a", a, 6)
    put(out, "b", b, 4)
    put(out, "c", c, 4)
    return bytes(out) + crc32(out).to_bytes(4, "little")


class Record:
    """One decoded record: seq, boot, code, detail, t_ms (board time), a, b, c; FIELDS says what they mean for each code."""

    __slots__ = ("a", "b", "boot", "c", "code", "detail", "seq", "t_ms")

    def __init__(self, raw: bytes) -> None:
        self.seq = get(raw, 0, 4)
        self.boot = get(raw, 4, 2)
        self.code = raw[6]
        self.detail = raw[7]
        self.t_ms = get(raw, 8, 6)
        self.a = get(raw, 14, 6)
        self.b = get(raw, 20, 4)
        self.c = get(raw, 24, 4)


def unpack_record(raw: bytes) -> "Record | None":
    """A Record, or None when the length or the CRC is wrong."""
    if len(raw) != RECORD_BYTES or crc32(raw[:28]) != get(raw, 28, 4):
        return None
    return Record(raw)
