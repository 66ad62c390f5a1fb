"""Commands, answers and codes of the link: one table each. SPEC.md section 3 is this file in words.

A request is compact JSON of integers (`{"c":"bolus","i":17592186045440,"nl":50000,"ms":600000}`); its keys and ranges are checked
against COMMANDS before anything else looks at it. Sentences for these codes live on the host (`thecal_host/texts.py`).
"""

from thecal.core.codec import U24, U32
from thecal.core.compat import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# --- result codes ("r") ------------------------------------------------------------------------------------------------
OK = const(0)
REFUSED = const(1)  # the chain of reasons, or the state table, said no; "k" says which reason
BAD_REQUEST = const(2)  # not JSON, unknown command or key, value out of range
STALE_ID = const(3)  # an id at or below the board's floor that it no longer remembers: never run again
ID_TAKEN = const(4)  # this id belonged to another command
BUSY = const(5)  # a durable write is under way; ask again with the same id
BAD_BLOB = const(6)  # staged bytes are missing, too long or their CRC is wrong
BAD_PROGRAM = const(7)  # the validator refused; "k" is the field's tag, "v" value, "l" limit
STORE_FULL = const(8)  # the board's file system refused the write
AUTH = const(9)  # not signed, or not by a role that may
ID_AHEAD = const(10)  # a counter more than ID_STEP_MAX above the board's: it would use up the ids; take `next` from hello

# --- reasons ("k"): constraints first, then state ------------------------------------------------------------------------
NONE = const(0)
MAX_RATE = const(1)
MAX_BOLUS = const(2)
WINDOW_1H = const(3)
WINDOW_4H = const(4)
WINDOW_24H = const(5)
LOCKOUT = const(6)
BOLUS_COUNT = const(7)
BOLUS_RUNNING = const(8)
STEP_RATE = const(9)  # faster than the motor's max_steps_per_s
RESERVOIR = const(10)
BELOW_QUANTUM = const(11)  # smaller than one microstep
STATE = const(12)  # not in this state; "v" is the state
NO_PROGRAM = const(13)
NOT_STAGED = const(14)
CRC_MISMATCH = const(15)
LATCHED = const(16)  # "v" is the fault code
DURATION = const(17)
BATTERY = const(18)
NOT_THIS_BOARD = const(19)  # monitor limits made for another program or calibration
ALARM = const(20)  # no bolus while an alarm of medium or high priority is active; "v" is the alarm
TITRATION = const(21)  # the daily dose would rise faster than the program's titration rule allows
NOT_OFFERED = const(22)  # the active program does not offer this
HOLD_TOO_LONG = const(23)
CLOCK = const(24)  # the wall clock is not known
ESTOP = const(25)
STROKE = const(26)  # beyond the end of the syringe's stroke
NOT_FITTED = const(27)  # the board has no such input
SETUP_VOLUME = const(28)  # more than one set-up motion may move
DIRECTION = const(29)  # somebody saw the plunger move the wrong way
DRUG_CHANGE = const(30)  # another drug or concentration needs therapy to be off
NOT_DETACHED = const(31)  # only with the outlet disconnected

# --- blob kinds ("k" of stage and read) ----------------------------------------------------------------------------------
BLOB_PROGRAM = const(1)
BLOB_MONITOR = const(2)
BLOB_ACTIVE_PROGRAM = const(3)
BLOB_ACTIVE_MONITOR = const(4)
BLOB_LEDGER = const(5)
BLOB_MAX_BYTES = const(4096)

ID_RANDOM_BITS = const(16)
ID_MAX = (1 << 48) - 1
ID_STEP_MAX = const(1024)
BOLUS_MS_MAX = const(86_400_000)  # a day; it bounds the work of the window rule too
HOLD_MS_MAX = const(259_200_000)
TEMP_MS_MIN = const(60_000)
MOVE_MS_MAX = const(3_600_000)
UNIX_MS_MIN = 1_577_836_800_000  # 2020-01-01
UNIX_MS_MAX = 4_102_444_800_000  # 2100-01-01
BUTTON_ID = const(1)  # of a bolus that the board's own button asked for; a host's ids begin at 1 << ID_RANDOM_BITS
# kinds of a set-up motion ("k" of move)
JOG = const(1)
PRIME = const(2)
PURGE = const(3)
HOME = const(4)
# who asked for a bolus (detail of a GRANT record, "src" of status)
BY_CLINICIAN = const(2)
BY_PATIENT = const(3)
BY_BUTTON = const(4)
LOG_TRAIN_FRAMES = const(16)
LOG_RECORDS_PER_FRAME = const(3)

# name -> fields (key, low, high). Every key is required; "i" is the command id and makes a command durable and idempotent.
_ID = ("i", 1, ID_MAX)
COMMANDS: "dict[str, tuple[tuple[str, int, int], ...]]" = {
    "hello": (),
    "status": (),
    "stage": (("k", BLOB_PROGRAM, BLOB_MONITOR), ("n", 1, BLOB_MAX_BYTES), ("crc", 0, U32)),
    "read": (("k", BLOB_PROGRAM, BLOB_LEDGER), ("o", 0, BLOB_MAX_BYTES)),
    "log": (("s", 0, U32),),
    "activate": (_ID, ("crc", 0, U32), ("mcrc", 0, U32)),
    "start": (_ID,),
    "stop": (_ID,),
    "hold": (_ID, ("ms", 0, HOLD_MS_MAX)),
    "resume": (_ID,),
    "bolus": (_ID, ("nl", 1, U32), ("ms", 0, BOLUS_MS_MAX)),
    "ack": (_ID,),
    "provision": (_ID, ("nothing", 0, 1)),
    "maintenance": (_ID,),
    "patient": (_ID,),
    "temp": (_ID, ("nlday", 0, 200_000_000), ("ms", TEMP_MS_MIN, HOLD_MS_MAX)),
    "minimum": (_ID,),
    "normal": (_ID,),
    "clock": (_ID, ("u", UNIX_MS_MIN, UNIX_MS_MAX)),
    "move": (_ID, ("k", JOG, HOME), ("n", 1, U24), ("ms", 1, MOVE_MS_MAX), ("rev", 0, 1), ("det", 0, 1)),
    "direction": (_ID, ("ok", 0, 1)),
}


class RequestError(ValueError):
    """A request the table refuses: `args` is (key, value, low, high)."""


def check_request(request: "dict[str, Any] | list[object] | str | float | None") -> "dict[str, Any]":
    """Return `request` (decoded JSON) if COMMANDS allows it: known command, exactly its keys, each an int in range.
    Raises RequestError(key, value, low, high) otherwise."""
    if not isinstance(request, dict):
        raise RequestError("c", 0, 0, 0)
    name = request.get("c")
    fields = COMMANDS.get(name) if isinstance(name, str) else None
    if fields is None:
        raise RequestError("c", 0, 0, 0)
    if len(request) != len(fields) + 1:
        raise RequestError("keys", len(request), len(fields) + 1, len(fields) + 1)
    for key, low, high in fields:
        value = request.get(key)
        if not isinstance(value, int) or value is True or value is False or not low <= value <= high:
            raise RequestError(key, value if isinstance(value, int) else 0, low, high)
    return request


def digest(request: "dict[str, Any]") -> int:
    """16 bits over what a command asks (not its id), so that an id used for something else is noticed. Keys in table order."""
    name = str(request["c"])
    total = 0xFFFF
    text = name
    for key, _low, _high in COMMANDS[name]:
        if key != "i":
            text += "," + str(request[key])
    for byte in text.encode():
        total = (total * 31 + byte) & 0xFFFF
    return total


def id_counter(command_id: int) -> int:
    """The counter part of an id; the rest is the host's random nonce that keeps two hosts apart."""
    return command_id >> ID_RANDOM_BITS
