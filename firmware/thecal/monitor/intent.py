"""The monitor's own reading of the ledger file. Invariant: it decodes the bytes on flash by offsets of its own and believes
nothing delivery holds in RAM. The layout is SPEC.md section 5; a test holds both decoders against each other.
"""

from thecal.monitor.limits import little

LEDGER_BYTES = 394
SETUP_REVERSE = 16
SETUP_DETACHED = 32
_TABLE = [0] * 16


def _crc32(data: memoryview) -> int:
    """CRC-32 (IEEE) by nibbles with a table of its own."""
    if not _TABLE[1]:
        for k in range(16):
            value = k
            for _bit in range(4):
                value = (value >> 1) ^ 0xEDB88320 if value & 1 else value >> 1
            _TABLE[k] = value
    table = _TABLE
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 4) ^ table[(crc ^ byte) & 15]
        crc = (crc >> 4) ^ table[(crc ^ (byte >> 4)) & 15]
    return crc ^ 0xFFFFFFFF


def read_intent(data: "bytes | None") -> "tuple[int, int, bool, int] | None":
    """(settled step, end of the durable intent, is a bolus promised, when the newest bolus began in board ms) or None when the
    bytes are not a true ledger. A promise is a grant with a volume: the id of a bolus from the button says nothing."""
    if data is None or len(data) != LEDGER_BYTES or data[:3] != b"TL\x02":
        return None
    if _crc32(memoryview(data)[:-4]) != little(data, LEDGER_BYTES - 4, 4):
        return None
    return little(data, 22, 6), little(data, 28, 6), little(data, 309, 4) != 0, little(data, 48, 6)


def read_mode(data: bytes) -> "tuple[int, int, int, int]":
    """(state, overlay kind, motion byte, steps ever moved by set-up motions that are no dose) of a ledger that `read_intent`
    accepted. Motion byte: 0 none, else kind in bits 0-3, SETUP_REVERSE, SETUP_DETACHED."""
    return data[3], data[60], data[105], little(data, 87, 6)


def read_history(data: bytes) -> "dict[int, int]":
    """5-min slot (of board time) -> steps, from the three rings of a ledger that `read_intent` accepted. Each ring
    says what the finer ones do not hold; that is placed in the last slot where it can lie, so that it counts as
    long as it can, and once."""
    t_ms = little(data, 8, 6)
    history: "dict[int, int]" = {}
    at = 107
    known_from = t_ms // 300_000 + 1
    for slots, size in ((1, 13), (3, 17), (12, 25)):
        newest = t_ms // (slots * 300_000)
        oldest = newest - size + 1
        for bucket in range(newest, oldest - 1, -1):
            steps = little(data, at + 3 * (bucket % size), 3)
            first = bucket * slots
            for slot in range(first, first + slots):
                steps -= history.get(slot, 0)
            if steps > 0:
                slot = min(first + slots, known_from) - 1
                history[slot] = history.get(slot, 0) + steps
        known_from = oldest * slots
        at += 3 * size
    return history
