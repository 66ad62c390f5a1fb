"""The monitor's limits in steps, as bytes: made and read back on the host (firmware/SPEC.md section 8 has every byte).

Invariant: each budget covers what the program allows, rounded up, plus what may come late and two steps, and nothing more; and
this is arithmetic of its own: it takes the checked fields and shares no formula with the delivery path, so that one slip cannot
widen both channels alike. The budgets themselves are made in monitor_budgets.py.
"""

import struct
from collections.abc import Mapping
from itertools import pairwise

from thecal_host.monitor_budgets import ENVELOPE_MIN, MonitorLimits, MonitorLimitsError, from_fields

__all__ = ["ENVELOPE_MIN", "MonitorLimits", "MonitorLimitsError", "crc16", "decode", "encode", "from_fields"]

MAGIC = b"TM"
FORMAT = 2
HEAD_BYTES = 48
ENTRY_BYTES = 5
MOST_ENTRIES = 336  # 7 days of 48 steps
# CPython raises struct.error where a value does not fit; ranges are checked before all the same
_HEAD = struct.Struct("<2sBBIQIIIIIIIHH")


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected, no final xor; "123456789" gives 0x29B1."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def encode(fields: Mapping[str, object], program_crc: int) -> bytes:
    """The bytes to stage as blob kind 2, 98 of them and 10 for every entry of the week. Raises MonitorLimitsError."""
    limits = from_fields(fields, program_crc)
    body = _HEAD.pack(
        MAGIC,
        FORMAT,
        limits.envelope_min,
        limits.program_crc,
        limits.step_pl_per_million,
        limits.steps_1h,
        limits.steps_4h,
        limits.steps_24h,
        limits.bolus_steps,
        limits.temp_steps,
        limits.safe_steps,
        limits.minimum_steps,
        limits.utc_offset_biased_min,
        len(limits.week),
    )
    for minute, steps in limits.week:
        body += minute.to_bytes(2, "little") + steps.to_bytes(3, "little")
    both = body + bytes(byte ^ 0xFF for byte in body)
    return both + crc16(both).to_bytes(2, "little")


def decode(blob: bytes) -> MonitorLimits:
    """Read limits back. Raises MonitorLimitsError when the length, the complement, the CRC, the mark, the format or the table is
    wrong."""
    half = (len(blob) - 2) // 2
    if half < HEAD_BYTES or len(blob) % 2 or (half - HEAD_BYTES) % ENTRY_BYTES:
        raise MonitorLimitsError(
            f"monitor limits: {len(blob)} bytes where 98 and 10 for every entry belong; upload the prescription again."
        )
    body, complement = blob[:half], blob[half : 2 * half]
    if any(a ^ b != 0xFF for a, b in zip(body, complement, strict=True)):
        raise MonitorLimitsError("monitor limits: the two copies of the numbers disagree; upload the prescription again.")
    if crc16(blob[:-2]) != int.from_bytes(blob[-2:], "little"):
        raise MonitorLimitsError("monitor limits: the check sum is wrong; upload the prescription again.")
    magic, form, interval, crc, step, s1, s4, s24, bolus, temp, safe, low, offset, count = _HEAD.unpack_from(body)
    if magic != MAGIC or form != FORMAT:
        raise MonitorLimitsError(
            f"monitor limits: format {form} where {FORMAT} belongs; this file is from another version of Thecal."
        )
    week = tuple(
        (int.from_bytes(body[at : at + 2], "little"), int.from_bytes(body[at + 2 : at + 5], "little"))
        for at in range(HEAD_BYTES, half, ENTRY_BYTES)
    )
    minutes = [minute for minute, _steps in week]
    if count != len(week) or count > MOST_ENTRIES or not interval:
        raise MonitorLimitsError(f"monitor limits: {len(week)} entries where {count} belong; upload the prescription again.")
    if minutes and (minutes[0] or minutes[-1] >= 10_080 or any(b <= a for a, b in pairwise(minutes))):
        raise MonitorLimitsError("monitor limits: the table of the week is out of order; upload the prescription again.")
    return MonitorLimits(crc, step, s1, s4, s24, safe, bolus, temp, low, offset, week, interval)
