"""The bytes of a program: by hand, every kind of damage, and any bytes at all."""

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import GOOD, PART, ROWS, STEP

from thecal.core import prescription as rx
from thecal.core import program_table as t


def refusal(blob: bytes) -> t.Problem:
    with pytest.raises(t.ProgramError) as caught:
        rx.unpack(blob)
    return caught.value.problem


def sealed(entries: bytes, head: bytes = b"TP\x02\x00\x00\x00\x00") -> bytes:
    body = head + entries
    return body + struct.pack("<I", zlib.crc32(body))


def entries_of(blob: bytes) -> list[bytes]:
    """The entries of a good blob, each as its bytes."""
    body, at, found_entries = blob[:-4], 7, []
    while at < len(body):
        end = at + 2 + body[at + 1]
        found_entries.append(body[at:end])
        at = end
    return found_entries


def test_bytes_by_hand() -> None:
    blob = rx.pack(GOOD, 3)
    assert blob[:7] == b"TP\x02\x03\x00\x00\x00"
    entries = entries_of(blob)
    assert entries[0] == b"\x01\x01\x01"
    assert entries[1] == b"\x02\x08morphine"
    assert entries[3] == b"\x04\x04" + struct.pack("<I", 480_000)
    assert entries[15] == b"\x10\x08" + struct.pack("<Q", STEP)
    assert struct.unpack("<I", blob[-4:])[0] == zlib.crc32(blob[:-4])
    assert rx.program_crc(blob) == zlib.crc32(blob[7:-4])


def test_identity_does_not_change_with_the_version() -> None:
    first, second = rx.pack(GOOD, 0), rx.pack(GOOD, 4_000_000_000)
    assert first != second
    assert rx.program_crc(first) == rx.program_crc(second)
    assert rx.program_crc(rx.pack({**GOOD, "rate_nl_per_day": 480_001})) != rx.program_crc(first)
    assert rx.unpack(second) == (t.with_defaults(GOOD), 4_000_000_000)


def test_pack_refuses_what_the_table_refuses() -> None:
    for changes in ({"rate_nl_per_day": 1 << 32}, {"drug": ""}, {"colour": 1}):
        with pytest.raises(t.ProgramError):
            rx.pack({**GOOD, **changes})
    for version in (-1, 1 << 32):
        with pytest.raises(t.ProgramError) as caught:
            rx.pack(GOOD, version)
        assert caught.value.problem.key == "version"


def test_bad_entries() -> None:
    entries = entries_of(rx.pack(GOOD))
    assert refusal(sealed(b"".join(entries[:3] + entries[4:]))).as_tuple() == (4, "rate_nl_per_day", 0, 0, t.MISSING)
    assert refusal(sealed(b"".join(entries[:4] + entries[3:]))).code == t.ORDER  # twice
    assert refusal(sealed(b"".join([entries[1], entries[0], *entries[2:]]))).code == t.ORDER
    assert refusal(sealed(b"".join(entries) + b"\x25\x01\x00")).code == t.UNKNOWN
    assert refusal(sealed(b"\x00\x01\x00" + b"".join(entries))).code == t.UNKNOWN
    assert refusal(sealed(b"".join(entries) + b"\x24")).code == t.ORDER
    assert refusal(sealed(b"".join(entries[:16]) + b"\x11")).code == t.TRUNCATED
    assert refusal(sealed(b"".join(entries[:16]) + b"\x11\x05abc")).code == t.TRUNCATED
    assert refusal(sealed(b"\x01\x02\x01\x00" + b"".join(entries[1:]))).code == t.WIDTH
    assert refusal(sealed(b"".join(entries[:16]) + b"\x11\x19" + b"x" * 25)).code == t.WIDTH
    assert refusal(sealed(b"".join(entries[:16]) + b"\x11\x01\xff")).code == t.NOT_TEXT
    assert refusal(sealed(b"\x01\x01\x03" + b"".join(entries[1:]))).as_tuple() == (1, "mode", 3, 2, t.HIGH)


def test_absent_defaults_are_filled_in() -> None:
    entries = entries_of(rx.pack(GOOD))
    fields, _version = rx.unpack(sealed(b"".join(entry for entry in entries if entry[0] < 17 and entry[0] not in (13, 15))))
    assert (fields["reservoir_low_nl"], fields["basal_resumes"], fields["name"]) == (2_000_000, 0, "")
    assert (fields["max_hold_ms"], fields["utc_offset_biased_min"], fields["week"], fields["day_7"]) == (
        14_400_000,
        1440,
        b"",
        b"",
    )
    assert len(fields) == len(t.FIELDS)


def test_bad_heads() -> None:
    good = rx.pack(GOOD)
    assert refusal(b"").code == t.TRUNCATED
    assert refusal(good[:-1]).code == t.BAD_CRC
    assert refusal(good + b"\x00").code == t.BAD_CRC
    assert refusal(sealed(b"", b"TQ\x01\x00\x00\x00\x00")).code == t.HEADER
    assert refusal(sealed(b"", b"TP\x01\x00\x00\x00\x00")).code == t.HEADER
    assert refusal(sealed(b"x" * 4096)).code == t.TOO_LONG
    with pytest.raises(t.ProgramError):
        rx.program_crc(good[:-1])


def test_every_flipped_bit_is_seen() -> None:
    good = rx.pack(GOOD)
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        refusal(bytes(bad))


def a_field(row: tuple) -> st.SearchStrategy:
    if row[2] == t.BYTES:
        return st.binary(min_size=row[4], max_size=row[5])
    if row[2] == t.TEXT:
        return st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=row[4], max_size=row[5])
    return st.integers(row[4], row[5])


@given(st.fixed_dictionaries({row[1]: a_field(row) for row in t.FIELDS}), st.integers(0, 2**32 - 1))
def test_round_trip(fields: dict, version: int) -> None:
    blob = rx.pack(fields, version)
    assert rx.unpack(blob) == (fields, version)
    assert len(blob) <= 4096
    for problem in rx.validate(fields, PART):
        assert problem.code in t.CODES and problem.tag == ROWS[problem.key][0]


def survives(blob: bytes) -> None:
    try:
        fields, version = rx.unpack(blob)
    except t.ProgramError as error:
        assert error.problem.code in t.CODES
    else:
        assert t.check_fields(fields) == []
        assert rx.unpack(rx.pack(fields, version)) == (fields, version)
    try:
        rx.program_crc(blob)
    except t.ProgramError as error:
        assert error.problem.tag == 0


@settings(max_examples=300)
@given(st.binary(max_size=2000))
def test_any_bytes(data: bytes) -> None:
    survives(data)


@settings(max_examples=500)
@given(st.binary(max_size=200), st.binary(min_size=4, max_size=4))
def test_any_entries_behind_a_good_head_and_crc(data: bytes, version: bytes) -> None:
    survives(sealed(data, b"TP\x02" + version))


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(0, 280), st.integers(0, 255)), max_size=6), st.integers(0, 280))
def test_a_good_program_damaged_and_sealed_again(changes: list[tuple[int, int]], cut: int) -> None:
    body = bytearray(rx.pack(GOOD)[7:-4])
    for at, value in changes:
        body[at % len(body)] = value
    survives(sealed(bytes(body)))
    survives(sealed(bytes(body[:cut])))
