"""The monitor's limits: against fractions, against the firmware's own decoder, and every damaged bit refused by both."""

import struct
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.monitor import limits as firmware
from thecal_host.monitor_budgets import late_steps
from thecal_host.monitor_limits import MonitorLimitsError, crc16, decode, encode, from_fields

FIELDS: dict[str, int | str | bytes] = {
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
RATE = st.integers(0, 200_000_000)
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
        "step_pl_per_million": st.integers(200_000_000, 10**12),
    },
    optional={
        "min_rate_nl_per_day": RATE,
        "max_temp_ms": st.sampled_from([0, 1, 259_200_000]),
        "utc_offset_biased_min": st.integers(600, 2280),
    },
)
PATTERN = st.dictionaries(st.integers(1, 1439), RATE, max_size=47).flatmap(
    lambda steps: RATE.map(lambda first: sorted({**steps, 0: first}.items()))
)


def steps(volume_nl: int | Fraction, step_pl: int) -> int:
    return ceil(Fraction(volume_nl) * 10**9 / step_pl)


def pattern(entries: list[tuple[int, int]]) -> bytes:
    return b"".join((minute << 29 | rate).to_bytes(5, "little") for minute, rate in entries)


def flex(days: dict[int, list[tuple[int, int]]], week: list[int], **changes: int) -> dict[str, int | str | bytes]:
    return {**FIELDS, **changes, "week": bytes(week), **{f"day_{n}": pattern(entries) for n, entries in days.items()}}


def test_crc_check_value() -> None:
    for check in (crc16, firmware.crc16):
        assert check(b"123456789") == 0x29B1
        assert check(b"") == 0xFFFF


@given(st.binary(max_size=60))
def test_both_crcs_are_the_same_function(data: bytes) -> None:
    assert crc16(data) == firmware.crc16(data)


def test_one_nl_a_step_by_hand() -> None:
    limits = from_fields({**FIELDS, "step_pl_per_million": 10**9, "max_rate_nl_per_day": 2_160_000}, 0x12345678)
    spare = 100 + 2  # 25 nL/s for 4 s, and two
    assert (limits.steps_1h, limits.steps_4h, limits.steps_24h) == (88_000 + spare, 200_000 + spare, 800_000 + spare)
    assert limits.safe_steps == 5_000 + spare  # 480,000 / 96
    assert limits.bolus_steps == 60_000 + 7_500 + spare  # one whole, and 15 min of one that lasted 2 h
    assert (limits.temp_steps, limits.minimum_steps, limits.utc_offset_biased_min, limits.week) == (0, 0, 1440, ())
    assert limits.envelope_min == 15


def test_a_week_by_hand() -> None:
    fields = flex(
        {1: [(0, 96_000), (480, 960_000)], 2: [(0, 960_000), (1439, 0)]},
        [1, 1, 1, 1, 1, 2, 2],
        step_pl_per_million=10**9,
        max_temp_ms=60_000,
        min_rate_nl_per_day=48_000,
        utc_offset_biased_min=1440 - 210,
    )
    limits = from_fields(fields, 1)
    spare = 47 + 2  # 1,000,000 nL/day for 4 s
    low, high = 1_000 + spare, 10_000 + spare
    monday_to_friday = [(1440 * d + minute, budget) for d in range(5) for minute, budget in ((0, low), (480, high))]
    # Friday ends as Saturday begins: one entry; one minute without a rate at the end of each day of the weekend
    weekend = [(6 * 1440 - 1, spare), (6 * 1440, high), (7 * 1440 - 1, spare)]
    assert list(limits.week) == monday_to_friday + weekend
    assert limits.temp_steps == steps(Fraction(1_000_000, 96), 10**9) + spare
    assert limits.minimum_steps == 500 + spare
    assert limits.utc_offset_biased_min == 1230


def test_layout_by_hand() -> None:
    fields = flex({3: [(0, 0), (258, 480_000)]}, [3] * 7, max_temp_ms=1, min_rate_nl_per_day=1)
    blob = encode(fields, 0xDEADBEEF)
    limits = from_fields(fields, 0xDEADBEEF)
    half = 48 + 5 * 14
    assert len(blob) == 2 * half + 2
    assert blob[:4] == b"TM\x02\x0f"
    assert struct.unpack("<IQ", blob[4:16]) == (0xDEADBEEF, 41_282_490_964)
    words = (limits.steps_1h, limits.steps_4h, limits.steps_24h, limits.bolus_steps)
    words += (limits.temp_steps, limits.safe_steps, limits.minimum_steps)
    assert struct.unpack("<7I", blob[16:44]) == words
    assert struct.unpack("<HH", blob[44:48]) == (1440, 14)
    assert blob[48:50] == b"\x00\x00" and blob[53:55] == b"\x02\x01"  # minutes 0 and 258
    assert int.from_bytes(blob[55:58], "little") == limits.week[1][1]
    assert bytes(byte ^ 0xFF for byte in blob[:half]) == blob[half : 2 * half]
    assert int.from_bytes(blob[-2:], "little") == crc16(blob[:-2])


@pytest.mark.sr("SR-08")
@given(A_PROGRAM)
def test_budgets_cover_the_program_and_little_more(fields: dict) -> None:
    limits = from_fields(fields, 1)
    step = fields["step_pl_per_million"]
    late = max(16, steps(Fraction(fields["max_rate_nl_per_day"] * 4_000, 86_400_000), step))
    assert late == late_steps(fields["max_rate_nl_per_day"], step)
    for window in ("1h", "4h", "24h"):
        assert getattr(limits, f"steps_{window}") == steps(fields[f"limit_{window}_nl"], step) + late + 2
    assert limits.safe_steps == steps(Fraction(fields["rate_nl_per_day"], 96), step) + late + 2
    temp, lowest = fields.get("max_temp_ms", 0), fields.get("min_rate_nl_per_day", 0)
    assert limits.temp_steps == (steps(Fraction(fields["max_rate_nl_per_day"], 96), step) + late + 2 if temp else 0)
    assert limits.minimum_steps == (steps(Fraction(lowest, 96), step) + late + 2 if lowest else 0)
    allowed = steps(fields["limit_1h_nl"], step) + late + 2
    one = min(allowed, steps(fields["max_bolus_nl"], step) + late + 2)
    if fields["boluses_per_24h"]:
        assert one <= limits.bolus_steps <= allowed
    else:
        assert limits.bolus_steps == late + 2


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
    for changes in ({}, {"max_temp_ms": 5, "min_rate_nl_per_day": 9_000, "utc_offset_biased_min": 600}):
        blob = encode({**FIELDS, **changes}, 7)
        host, board = decode(blob), firmware.decode(blob)
        assert host == from_fields({**FIELDS, **changes}, 7)
        assert board == {
            "interval_ms": 900_000,
            "program_crc": 7,
            "step_pl": host.step_pl_per_million,
            "max_1h": host.steps_1h,
            "max_4h": host.steps_4h,
            "max_24h": host.steps_24h,
            "bolus": host.bolus_steps,
            "temp": host.temp_steps,
            "safe": host.safe_steps,
            "minimum": host.minimum_steps,
            "offset_min": host.utc_offset_biased_min - 1440,
            "entries": 0,
        }


@settings(max_examples=40, deadline=None)
@given(st.lists(PATTERN, min_size=1, max_size=7), st.lists(st.integers(0, 6), min_size=7, max_size=7), st.data())
def test_the_board_finds_every_minute_of_the_week(days: list, week: list[int], data: st.DataObject) -> None:
    """Against looking the minute up in the day pattern; and the time to the next entry is never past a change of rate."""
    fields = flex({n + 1: entries for n, entries in enumerate(days)}, [1 + n % len(days) for n in week])
    blob = encode(fields, 7)
    board = firmware.decode(blob)
    assert board is not None and decode(blob) == from_fields(fields, 7)

    def budget(minute: int) -> int:
        entries = days[week[minute // 1440] % len(days)]
        rate = [rate for at, rate in entries if at <= minute % 1440][-1]
        return steps(Fraction(rate, 96), int(FIELDS["step_pl_per_million"])) + late_steps(1_000_000, 41_282_490_964) + 2

    for minute in data.draw(st.lists(st.integers(0, 10_079), min_size=40, max_size=40)):
        found, left = firmware.entry(blob, board["entries"], minute)
        assert found == budget(minute)
        assert 0 < left <= 10_080 - minute
        assert budget(minute + left - 1) == found
        if minute + left < 10_080:
            assert firmware.entry(blob, board["entries"], minute + left)[0] == budget(minute + left)


def test_the_longest_week_fits_a_blob() -> None:
    entries = [(30 * k, 1_000 + k) for k in range(48)]
    fields = flex({n: [(minute, rate + n) for minute, rate in entries] for n in range(1, 8)}, list(range(1, 8)))
    blob = encode(fields, 7)
    board = firmware.decode(blob)
    assert board is not None and board["entries"] == 336 == len(decode(blob).week)
    assert len(blob) == 3458 <= 4096


def test_every_flipped_bit_and_every_length_is_refused_by_both() -> None:
    good = encode(flex({1: [(0, 1_000), (600, 480_000)]}, [1] * 7), 7)
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


def sealed(body: bytes) -> bytes:
    both = body + bytes(byte ^ 0xFF for byte in body)
    return both + crc16(both).to_bytes(2, "little")


def test_a_complement_that_is_none_is_refused_by_both_whatever_the_crc() -> None:
    body = encode(FIELDS, 7)[:48]
    for at in (0, 47):
        both = bytearray(body + bytes(byte ^ 0xFF for byte in body))
        both[48 + at] ^= 1
        blob = bytes(both) + crc16(bytes(both)).to_bytes(2, "little")
        assert firmware.decode(blob) is None
        with pytest.raises(MonitorLimitsError, match="two copies"):
            decode(blob)


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        (2, b"\x01", "format 1"),
        (2, b"\x03", "format 3"),
        (0, b"X", "format 2"),
        (3, b"\x00", "entries"),
        (46, b"\x02", "3 entries where 2"),
        (46, b"\x04", "3 entries where 4"),
        (48, b"\x01", "out of order"),
        (53, b"\x00\x00", "out of order"),
        (58, b"\x60\x27", "out of order"),
    ],
)
def test_a_sealed_file_that_makes_no_sense_is_refused_by_both(at: int, value: bytes, says: str) -> None:
    body = bytearray(encode(flex({1: [(0, 1_000)], 2: [(0, 480_000), (9, 2_000)]}, [1, 1, 1, 1, 1, 1, 2]), 7)[:63])
    assert firmware.decode(sealed(bytes(body))) is not None
    body[at : at + len(value)] = value
    assert firmware.decode(sealed(bytes(body))) is None
    with pytest.raises(MonitorLimitsError, match=says):
        decode(sealed(bytes(body)))


def test_more_entries_than_a_week_has_steps_are_refused_by_both() -> None:
    head = bytearray(encode(FIELDS, 7)[:48])
    for count, good in ((336, True), (337, False)):
        head[46:48] = count.to_bytes(2, "little")
        blob = sealed(bytes(head) + b"".join(k.to_bytes(2, "little") + b"\x01\x00\x00" for k in range(count)))
        assert (firmware.decode(blob) is not None) is good
        if not good:
            with pytest.raises(MonitorLimitsError, match="337 entries"):
                decode(blob)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"limit_24h_nl": 10**9, "step_pl_per_million": 100_000}, "steps_24h"),
        ({"step_pl_per_million": 0}, "step_pl_per_million is 0"),
        ({"step_pl_per_million": 1 << 64}, "outside its field"),
        ({"utc_offset_biased_min": 1 << 16}, "utc_offset_biased_min"),
        ({"max_bolus_nl": "1"}, "max_bolus_nl is missing or no integer"),
        ({"week": "1111111"}, "week is not bytes"),
        ({"week": bytes([2] * 7)}, "day_2 has 0 bytes"),
        ({"week": bytes([1] * 7), "day_1": pattern([(0, 1)])[:4]}, "day_1 has 4 bytes"),
        ({"week": bytes([1] * 7), "day_1": pattern([(1, 1)])}, "day_1 are out of order at minute 1"),
        ({"week": bytes([1] * 7), "day_1": pattern([(0, 1), (9, 2), (9, 3)])}, "at minute 9"),
        ({"week": bytes([1] * 7), "day_1": pattern([(0, 1), (1440, 2)])}, "at minute 1440"),
        (
            {"week": bytes([1] * 7), "day_1": pattern([(0, 200_000_000)]), "step_pl_per_million": 100_000_000},
            "the budget at minute 0 of the week",
        ),
    ],
)
def test_what_does_not_fit_is_named(changes: dict, says: str) -> None:
    with pytest.raises(MonitorLimitsError, match=says):
        encode({**FIELDS, **changes}, 7)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    assert firmware.decode(data) is None
    with pytest.raises(MonitorLimitsError):
        decode(data)
