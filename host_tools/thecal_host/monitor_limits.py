"""The monitor's limits in steps: made and read back on the host (firmware/SPEC.md section 8 has every byte).

Invariant: each budget covers what the program allows, rounded up, plus one lease and two steps, and nothing more; and this is
arithmetic of its own: it takes the checked fields and shares no formula with the delivery path, so that one slip cannot widen
both channels alike.
"""

import struct
from dataclasses import dataclass

MAGIC = b"TM"
FORMAT = 1
ENVELOPE_MIN = 15
BODY_BYTES = 36
BLOB_BYTES = 2 * BODY_BYTES + 2
LEASE_STEPS_MIN = 16  # one lease may be in flight when the count is taken; a lease is at most LEASE_MS of motion at the program's
LEASE_STEPS_MAX = 256  # highest basal rate and never more than LEASE_STEPS_MAX (firmware/thecal/drivers/motor.py)
LEASE_MS = 1_100
SPARE_STEPS = 2  # one for the fraction of a step carried on, one for an edge at either end of an interval
_LAYOUT = struct.Struct(
    "<2sBBIQIIIII"
)  # CPython raises struct.error where a value does not fit; ranges are checked before all the same


class MonitorLimitsError(ValueError):
    """Monitor limits that cannot be made or read; the text is a sentence."""


@dataclass(frozen=True)
class MonitorLimits:
    """What the monitor allows, in edges counted: per rolling window and per envelope interval of `envelope_min` minutes."""

    program_crc: int
    step_pl_per_million: int
    steps_1h: int
    steps_4h: int
    steps_24h: int
    basal_steps: int
    bolus_steps: int
    envelope_min: int = ENVELOPE_MIN


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected, no final xor; "123456789" gives 0x29B1."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def _steps(volume_pl: int, divisor: int, step_pl_per_million: int) -> int:
    """Whole steps in `volume_pl / divisor` pL, rounded up."""
    whole, rest = divmod(volume_pl * 1_000_000, divisor * step_pl_per_million)
    return whole + (1 if rest else 0)


def lease_steps(max_rate_nl_per_day: int, step_pl_per_million: int) -> int:
    """The steps of one lease that the budgets leave room for."""
    steps = _steps(max_rate_nl_per_day * 1000 * LEASE_MS, 24 * 3_600_000, step_pl_per_million)
    return min(max(steps, LEASE_STEPS_MIN), LEASE_STEPS_MAX)


def _bolus_nl(fields: dict[str, int | str]) -> int:
    """The most boluses can put into one envelope interval, nL rounded up.

    They never overlap and begin at least one lockout apart. So floor(interval / lockout) + 1 of them can begin in an interval,
    and the one that ended in it, begun before, can have left at most interval / lockout of itself there. The 1 h limit bounds
    them all.
    """
    most, count = int(fields["max_bolus_nl"]), int(fields["boluses_per_24h"])
    if not count:
        return 0
    interval_ms = ENVELOPE_MIN * 60_000
    apart_ms = int(fields["bolus_lockout_ms"])
    if count == 1:
        apart_ms = max(apart_ms, 24 * 3_600_000)
    if not apart_ms:
        return int(fields["limit_1h_nl"])
    begun = most * (1 + interval_ms // apart_ms)
    before = -(-most * min(interval_ms, apart_ms) // apart_ms)
    return min(begun + before, int(fields["limit_1h_nl"]))


def from_fields(fields: dict[str, int | str], program_crc: int) -> MonitorLimits:
    """The limits that belong to a program whose fields passed `thecal.core.prescription.validate`.
    `program_crc` is the CRC of its entries. Raises MonitorLimitsError when a budget does not fit 32 bits."""
    step = int(fields["step_pl_per_million"])
    spare = lease_steps(int(fields["max_rate_nl_per_day"]), step) + SPARE_STEPS
    limits = MonitorLimits(
        program_crc=program_crc,
        step_pl_per_million=step,
        steps_1h=_steps(int(fields["limit_1h_nl"]) * 1000, 1, step) + spare,
        steps_4h=_steps(int(fields["limit_4h_nl"]) * 1000, 1, step) + spare,
        steps_24h=_steps(int(fields["limit_24h_nl"]) * 1000, 1, step) + spare,
        basal_steps=_steps(int(fields["rate_nl_per_day"]) * 1000 * ENVELOPE_MIN, 24 * 60, step) + spare,
        bolus_steps=_steps(_bolus_nl(fields) * 1000, 1, step) + spare,
    )
    for key in ("program_crc", "steps_1h", "steps_4h", "steps_24h", "basal_steps", "bolus_steps"):
        value = getattr(limits, key)
        if not 0 <= value < 1 << 32:
            raise MonitorLimitsError(
                f"monitor limits: {key} is {value}, more than the 4294967295 its field can hold; use a larger step volume."
            )
    if not 0 < step < 1 << 64:
        raise MonitorLimitsError(f"monitor limits: step_pl_per_million is {step}, outside its field.")
    return limits


def encode(fields: dict[str, int | str], program_crc: int) -> bytes:
    """The 74 bytes to stage as blob kind 2. Raises MonitorLimitsError."""
    limits = from_fields(fields, program_crc)
    body = _LAYOUT.pack(
        MAGIC,
        FORMAT,
        limits.envelope_min,
        limits.program_crc,
        limits.step_pl_per_million,
        limits.steps_1h,
        limits.steps_4h,
        limits.steps_24h,
        limits.basal_steps,
        limits.bolus_steps,
    )
    both = body + bytes(byte ^ 0xFF for byte in body)
    return both + crc16(both).to_bytes(2, "little")


def decode(blob: bytes) -> MonitorLimits:
    """Read limits back. Raises MonitorLimitsError when the length, the complement, the CRC, the mark or the format is wrong."""
    if len(blob) != BLOB_BYTES:
        raise MonitorLimitsError(f"monitor limits: {len(blob)} bytes where {BLOB_BYTES} belong; upload the prescription again.")
    body, complement = blob[:BODY_BYTES], blob[BODY_BYTES : 2 * BODY_BYTES]
    if any(a ^ b != 0xFF for a, b in zip(body, complement, strict=True)):
        raise MonitorLimitsError("monitor limits: the two copies of the numbers disagree; upload the prescription again.")
    if crc16(blob[:-2]) != int.from_bytes(blob[-2:], "little"):
        raise MonitorLimitsError("monitor limits: the check sum is wrong; upload the prescription again.")
    magic, form, envelope_min, crc, step, s1, s4, s24, basal, bolus = _LAYOUT.unpack(body)
    if magic != MAGIC or form != FORMAT:
        raise MonitorLimitsError(
            f"monitor limits: format {form} where {FORMAT} belongs; this file is from another version of Thecal."
        )
    return MonitorLimits(crc, step, s1, s4, s24, basal, bolus, envelope_min)
