"""Range-checked little-endian packing. Invariant: no value ever reaches flash or wire truncated, on either interpreter.

MicroPython's struct.pack, bytearray and int.to_bytes drop high bits silently; CPython raises. So every integer passes
`check` before it becomes bytes, and tables name each field with its own range.
"""

from binascii import crc32 as _crc32

from thecal.core.compat import const

U8 = const(0xFF)
U16 = const(0xFFFF)
U24 = const(0xFFFFFF)
U32 = const(0xFFFFFFFF)
U64 = 0xFFFFFFFFFFFFFFFF


class CodecError(ValueError):
    """A value outside its field: `args` is (field name, value, low, high)."""


def crc32(data: bytes, crc: int = 0) -> int:
    """CRC-32 (IEEE 802.3, as zlib) of `data`, continuing from `crc`; 0..2**32-1."""
    return _crc32(data, crc) & U32


def check(name: str, value: int, low: int, high: int) -> int:
    """Return `value` if it is an int (not a bool) in [low, high]; else raise CodecError(name, value, low, high)."""
    if not isinstance(value, int) or value is True or value is False or value < low or value > high:
        raise CodecError(name, value, low, high)
    return value


def put(out: bytearray, name: str, value: int, width: int) -> None:
    """Append `value` as an unsigned `width`-byte field; CodecError if it does not fit."""
    check(name, value, 0, (1 << (8 * width)) - 1)
    out.extend(value.to_bytes(width, "little"))


def get(data: bytes, offset: int, width: int) -> int:
    """The unsigned `width`-byte field at `offset`; CodecError if `data` ends before it."""
    end = offset + width
    if offset < 0 or end > len(data):
        raise CodecError("length", len(data), end, U32)
    return int.from_bytes(data[offset:end], "little")


def pack(table: "tuple[tuple[str, int], ...]", values: "dict[str, int]") -> bytearray:
    """Pack `values` by `table` of (name, width in bytes), in table order. CodecError names the first field that does not fit."""
    out = bytearray()
    for name, width in table:
        put(out, name, values[name], width)
    return out


def unpack(table: "tuple[tuple[str, int], ...]", data: bytes, offset: int = 0) -> "dict[str, int]":
    """The inverse of `pack`, from `offset`. CodecError if `data` is too short."""
    values: "dict[str, int]" = {}
    for name, width in table:
        values[name] = get(data, offset, width)
        offset += width
    return values


def size(table: "tuple[tuple[str, int], ...]") -> int:
    """Bytes that `pack(table, ...)` makes."""
    total = 0
    for _name, width in table:
        total += width
    return total


def seal(body: bytes) -> bytes:
    """`body` followed by its CRC-32."""
    return bytes(body) + crc32(body).to_bytes(4, "little")


def unseal(data: "bytes | None") -> "bytes | None":
    """The body of a sealed blob, or None when it is missing, short or its CRC is wrong."""
    if data is None or len(data) < 5:
        return None
    body = data[:-4]
    if crc32(body) != get(data, len(data) - 4, 4):
        return None
    return body
