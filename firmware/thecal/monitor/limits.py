"""The monitor's own limits file and its own CRC. Invariant: nothing here is shared with delivery: a mistake in core's codec,
CRC or program cannot hide in it. SPEC.md section 8 has the bytes; the host makes the file with its own arithmetic.

The table of the week stays in the bytes it came in: as a list of integers it would take several times the heap.
"""

FORMAT = 2
HEAD_BYTES = 48
ENTRY_BYTES = 5
MOST_ENTRIES = 336  # 7 days of 48 steps
WEEK_MIN = 10_080
_TABLE = [0] * 16


def crc16(data: "bytes | memoryview") -> int:
    """CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xFFFF) by nibbles; 0x29B1 for b"123456789"."""
    table = _TABLE
    if not table[1]:
        for k in range(16):
            value = k << 12
            for _bit in range(4):
                value = (value << 1) ^ 0x1021 if value & 0x8000 else value << 1
            table[k] = value & 0xFFFF
    crc = 0xFFFF
    for byte in data:
        crc = ((crc << 4) & 0xFFFF) ^ table[(crc >> 12) ^ (byte >> 4)]
        crc = ((crc << 4) & 0xFFFF) ^ table[(crc >> 12) ^ (byte & 15)]
    return crc


def little(data: "bytes | memoryview", at: int, width: int) -> int:
    """The unsigned little-endian number in data[at : at + width]."""
    value = 0
    for k in range(width - 1, -1, -1):
        value = (value << 8) | data[at + k]
    return value


def decode(blob: bytes) -> "dict[str, int] | None":
    """The limits in steps, or None when a single bit of the file is not as it was made. `entries` of the week's
    table are read where they stand, with `entry`."""
    half = (len(blob) - 2) // 2
    if half < HEAD_BYTES or len(blob) & 1 or blob[0] != 0x54 or blob[1] != 0x4D or blob[2] != FORMAT:
        return None
    for k in range(half):
        if blob[k] ^ blob[k + half] != 0xFF:
            return None
    if crc16(memoryview(blob)[: 2 * half]) != little(blob, 2 * half, 2):
        return None
    count = little(blob, 46, 2)
    if count > MOST_ENTRIES or half != HEAD_BYTES + ENTRY_BYTES * count or blob[3] == 0:
        return None
    last = -1
    for k in range(count):
        minute = little(blob, HEAD_BYTES + ENTRY_BYTES * k, 2)
        if minute <= last or minute >= WEEK_MIN or (k == 0 and minute):
            return None
        last = minute
    return {
        "interval_ms": blob[3] * 60_000,
        "program_crc": little(blob, 4, 4),
        "step_pl": little(blob, 8, 8),
        "max_1h": little(blob, 16, 4),
        "max_4h": little(blob, 20, 4),
        "max_24h": little(blob, 24, 4),
        "bolus": little(blob, 28, 4),
        "temp": little(blob, 32, 4),
        "safe": little(blob, 36, 4),
        "minimum": little(blob, 40, 4),
        "offset_min": little(blob, 44, 2) - 1440,
        "entries": count,
    }


def entry(blob: bytes, count: int, minute: int) -> "tuple[int, int]":
    """(steps per interval, minutes until another entry begins) at `minute` of the week (0..10079), in a file that
    `decode` accepted with `count` >= 1 entries."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if little(blob, HEAD_BYTES + ENTRY_BYTES * middle, 2) <= minute:
            low = middle
        else:
            high = middle
    end = little(blob, HEAD_BYTES + ENTRY_BYTES * high, 2) if high < count else WEEK_MIN
    return little(blob, HEAD_BYTES + ENTRY_BYTES * low + 2, 3), end - minute
