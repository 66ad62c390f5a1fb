"""The monitor's limits: against fractions, against the firmware's own decoder, and every damaged bit refused by both."""

import struct
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.monitor import limits as firmware
from thecal_host import monitor_limits
from thecal_host.monitor_limits import MonitorLimitsError, crc16, decode, encode, from_fields, lease_steps

FIELDS: dict[str, int | str] = {
    "rate_nl_per_day": 480_000,
    "max_rate_nl_per_day": 1_000_000,
    "max_bolus_nl": 60_000,
    "limit_1h_nl": 88_000,
    "limit_4h_nl": 200_000,
    "limit_24h_nl": 800_000,
    "bolus_lockout_ms": 7_200_000,
    "boluses_per_24h": 4,
    "step_pl_per_million": 41_282_490_964,
}
A_PROGRAM = st.fixed_dictionaries(
    {
        "rate_nl_per_day": st.integers(1_000, 200_000_000),
        "max_rate_nl_per_day": st.integers(1_000, 200_000_000),
        "max_bolus_nl": st.integers(0, 50_000_000),
        "limit_1h_nl": st.integers(1, 400_000_000),
        "limit_4h_nl": st.integers(1, 400_000_000),
        "limit_24h_nl": st.integers(1, 400_000_000),
        "bolus_lockout_ms": st.one_of(st.integers(0, 604_800_000), st.integers(0, 900_001)),
        "boluses_per_24h": st.integers(0, 48),
        "step_pl_per_million": st.integers(100_000_000, 10**12),
    }
)


def steps(volume_nl: int | Fraction, step_pl: int) -> int:
    return ceil(Fraction(volume_nl) * 10**9 / step_pl)


def test_crc_check_value() -> None:
    assert crc16(b"123456789") == 0x29B1
    assert crc16(b"") == 0xFFFF


def test_one_nl_a_step_by_hand() -> None:
    limits = from_fields({**FIELDS, "step_pl_per_million": 10**9}, 0x12345678)
    spare = 16 + 2
    assert (limits.steps_1h, limits.steps_4h, limits.steps_24h) == (88_000 + spare, 200_000 + spare, 800_000 + spare)
    assert limits.basal_steps == 5_000 + spare  # 480,000 / 96
    assert limits.bolus_steps == 60_000 + 7_500 + spare  # one whole, and 15 min of one that lasted 2 h
    assert limits.envelope_min == 15


def test_layout_by_hand() -> None:
    blob = encode(FIELDS, 0xDEADBEEF)
    limits = from_fields(FIELDS, 0xDEADBEEF)
    assert len(blob) == 74
    assert blob[:4] == b"TM\x01\x0f"
    assert struct.unpack("<IQ", blob[4:16]) == (0xDEADBEEF, 41_282_490_964)
    windows = (limits.steps_1h, limits.steps_4h, limits.steps_24h, limits.basal_steps, limits.bolus_steps)
    assert struct.unpack("<5I", blob[16:36]) == windows
    assert bytes(byte ^ 0xFF for byte in blob[:36]) == blob[36:72]
    assert int.from_bytes(blob[72:], "little") == crc16(blob[:72])


@pytest.mark.sr("SR-08")
@given(A_PROGRAM)
def test_budgets_cover_the_program_and_little_more(fields: dict) -> None:
    limits = from_fields(fields, 1)
    step = fields["step_pl_per_million"]
    lease = min(256, max(16, steps(Fraction(fields["max_rate_nl_per_day"] * 1_100, 86_400_000), step)))
    assert lease == lease_steps(fields["max_rate_nl_per_day"], step)
    for window in ("1h", "4h", "24h"):
        assert getattr(limits, f"steps_{window}") == steps(fields[f"limit_{window}_nl"], step) + lease + 2
    assert limits.basal_steps == steps(Fraction(fields["rate_nl_per_day"], 96), step) + lease + 2
    allowed = steps(fields["limit_1h_nl"], step) + lease + 2
    one = min(allowed, steps(fields["max_bolus_nl"], step) + lease + 2)
    if fields["boluses_per_24h"]:
        assert one <= limits.bolus_steps <= allowed
    else:
        assert limits.bolus_steps == lease + 2


@given(st.integers(20_000, 3_600_000), st.integers(0, 10_000_000), st.integers(1, 20_000_000))
def test_no_run_of_boluses_exceeds_the_envelope(lockout: int, start: int, long_ms: int) -> None:
    """The worst case as it happens: a bolus of any length reaching into the interval, then as many as the lockout lets begin."""
    volume, interval = 60_000, 900_000
    fields = {**FIELDS, "bolus_lockout_ms": lockout, "boluses_per_24h": 48, "limit_1h_nl": 10**9, "step_pl_per_million": 10**9}
    budget = from_fields(fields, 1).bolus_steps
    begun = -start
    end = begun + long_ms
    inside = Fraction(volume * max(0, min(end, interval) - max(begun, 0)), long_ms)
    following = max(begun + lockout, end)
    while following <= interval:
        if following >= 0:
            inside += volume
        following += lockout
    assert inside <= budget


def test_the_firmware_reads_what_the_host_wrote() -> None:
    blob = encode(FIELDS, 7)
    host, board = decode(blob), firmware.decode(blob)
    assert host == from_fields(FIELDS, 7)
    assert board == {
        "interval_ms": 900_000,
        "program_crc": 7,
        "step_pl": host.step_pl_per_million,
        "max_1h": host.steps_1h,
        "max_4h": host.steps_4h,
        "max_24h": host.steps_24h,
        "basal": host.basal_steps,
        "bolus": host.bolus_steps,
    }


def test_every_flipped_bit_and_every_length_is_refused_by_both() -> None:
    good = encode(FIELDS, 7)
    bad = [good[:length] for length in range(len(good))] + [good + b"\x00"]
    for bit in range(8 * len(good)):
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        bad.append(bytes(changed))
    for blob in bad:
        assert firmware.decode(blob) is None
        with pytest.raises(MonitorLimitsError) as caught:
            decode(blob)
        assert str(caught.value).startswith("monitor limits: ")


def test_another_format_is_refused() -> None:
    body = bytearray(encode(FIELDS, 7)[:36])
    body[2] = 2
    both = bytes(body) + bytes(byte ^ 0xFF for byte in body)
    with pytest.raises(MonitorLimitsError, match="format 2"):
        decode(both + crc16(both).to_bytes(2, "little"))


def test_a_budget_too_large_for_its_field() -> None:
    with pytest.raises(MonitorLimitsError, match="steps_24h"):
        encode({**FIELDS, "limit_24h_nl": 10**9, "step_pl_per_million": 100_000}, 7)


@given(st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(MonitorLimitsError):
        decode(data)
    assert monitor_limits.BLOB_BYTES == 74
