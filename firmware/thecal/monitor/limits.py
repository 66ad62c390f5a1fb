"""The monitor's own limits file and its own CRC. Invariant: nothing here is shared with delivery: a mistake in core's codec,
CRC or program cannot hide in it. SPEC.md section 8 has the bytes; the host makes the file with its own arithmetic.
"""

BYTES = 74
_HALF = 36


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xFFFF), bit by bit; 0x29B1 for b"123456789"."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _bit in range(8):
            crc = ((crc << 1) ^ 0x1021) & 0xFFFF if crc & 0x8000 else (crc << 1) & 0xFFFF
    return crc


def little(data: bytes, at: int, width: int) -> int:
    """The unsigned little-endian number in data[at : at + width]."""
    value = 0
    for k in range(width - 1, -1, -1):
        value = (value << 8) | data[at + k]
    return value


def decode(blob: bytes) -> "dict[str, int] | None":
    """The limits in steps, or None when a single bit of the file is not as it was made."""
    if len(blob) != BYTES or blob[0] != 0x54 or blob[1] != 0x4D or blob[2] != 1:
        return None
    for k in range(_HALF):
        if blob[k] ^ blob[k + _HALF] != 0xFF:
            return None
    if crc16(blob[: 2 * _HALF]) != little(blob, 2 * _HALF, 2):
        return None
    if blob[3] == 0:
        return None
    return {
        "interval_ms": blob[3] * 60_000,
        "program_crc": little(blob, 4, 4),
        "step_pl": little(blob, 8, 8),
        "max_1h": little(blob, 16, 4),
        "max_4h": little(blob, 20, 4),
        "max_24h": little(blob, 24, 4),
        "basal": little(blob, 28, 4),
        "bolus": little(blob, 32, 4),
    }
