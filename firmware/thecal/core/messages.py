"""Commands, answers and codes of the link: one table each. SPEC.md section 3 is this file in words.

A request is compact JSON of integers (`{"c":"bolus","i":17592186045440,"nl":50000,"ms":600000}`); its keys and ranges are checked
against COMMANDS before anything else looks at it. Sentences for these codes live on the host (`thecal_host/texts.py`).
"""

from thecal.core.codec import U32
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

# --- blob kinds ("k" of stage and read) ----------------------------------------------------------------------------------
BLOB_PROGRAM = const(1)
BLOB_MONITOR = const(2)
BLOB_ACTIVE_PROGRAM = const(3)
BLOB_ACTIVE_MONITOR = const(4)
BLOB_LEDGER = const(5)
BLOB_MAX_BYTES = const(1024)

ID_RANDOM_BITS = const(16)
ID_MAX = (1 << 48) - 1
ID_STEP_MAX = const(1024)
BOLUS_MS_MAX = const(86_400_000)  # a day; it bounds the work of the window rule too
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
    "hold": (_ID,),
    "resume": (_ID,),
    "bolus": (_ID, ("nl", 1, U32), ("ms", 0, BOLUS_MS_MAX)),
    "ack": (_ID,),
    "provision": (_ID, ("nothing", 0, 1)),
    "maintenance": (_ID,),
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
