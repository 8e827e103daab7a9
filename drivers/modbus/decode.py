"""Registers to values: exact, `Decimal` or bool; what is no value becomes None with a quality."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

from drivers.api import Reading
from drivers.modbus.address import BIT_TABLES, PointAt
from drivers.profile import Point
from drivers.shortest import shortest32, shortest64
from messages.types import Quality, Value

# Wide enough for every register and every exponent: a result that would be rounded is a bug, and says so.
_EXACT: Final = Context(prec=400, traps=[Inexact, InvalidOperation])
# Beyond this a positive exponent stays: a float64 of 1E+300 is no number to write out.
_PLAIN_DIGITS: Final = 40


@dataclass(frozen=True, slots=True)
class PointCodec:
    """One point, ready to decode: how many registers, and what to do with their bytes."""

    at: PointAt
    decode: Callable[[bytes], Reading]


def codec(point: Point, at: PointAt) -> PointCodec:
    """Return the decoder of a point whose address has been checked."""
    if at.table in BIT_TABLES:
        return PointCodec(at, _bit_value)
    value = _value_of(at, point.exp)
    # Written in the profile as manuals do: the number, whatever the word order. Put back as the wire has it
    # (every order is its own inverse), it is found without touching what is not missing.
    missing = frozenset(_arrange(at)(bytes.fromhex(pattern)) for pattern in point.missing)
    good, new = Quality.GOOD, Reading

    def decode(raw: bytes) -> Reading:
        if raw in missing:
            return new(None, Quality.DEVICE, raw)
        found = value(raw)
        return new(found, good, raw) if found is not None else new(None, Quality.RANGE, raw)

    return PointCodec(at, decode)


def scaled(number: Decimal, exp: int) -> Decimal:
    """Return `number` × 10^`exp`, exactly, written without an exponent."""
    result = number.scaleb(exp, _EXACT) if exp else number
    exponent = result.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0 and result.adjusted() < _PLAIN_DIGITS:
        return result.quantize(Decimal(1), context=_EXACT)
    return result


def bit_at(data: bytes, place: int) -> bytes:
    """Return bit `place` of a reply to a read of coils or discrete inputs, as one byte."""
    return b"\x01" if data[place >> 3] >> (place & 7) & 1 else b"\0"


def _bit_value(raw: bytes) -> Reading:
    return Reading(raw != b"\0", Quality.GOOD, raw)


def _arrange(at: PointAt) -> Callable[[bytes], bytes]:
    """Return what puts the bytes of the wire into the order ABCD…"""
    words = at.words
    forward = list(range(2 * words))
    if at.order in {"little", "little-swapped"}:
        forward = [2 * (words - 1 - place // 2) + place % 2 for place in forward]
    if at.order in {"big-swapped", "little-swapped"}:
        forward = [place ^ 1 for place in forward]
    if forward == sorted(forward):
        return bytes  # bytes(x) of bytes is x itself
    return lambda raw: bytes([raw[place] for place in forward])


def _value_of(at: PointAt, exp: int) -> Callable[[bytes], Value]:
    """Return what turns the bytes of the wire into the point's value, or None."""
    number, arrange = _number_of(at, exp), _arrange(at)
    return number if arrange is bytes else lambda raw: number(arrange(raw))


def _number_of(at: PointAt, exp: int) -> Callable[[bytes], Value]:
    from_bytes = int.from_bytes
    if at.bit is not None:
        single = 1 << at.bit
        return lambda raw: bool(from_bytes(raw, "big") & single)
    if at.mask is not None:
        mask = int(at.mask, 16)
        shift = (mask & -mask).bit_length() - 1
        return lambda raw: scaled(Decimal((from_bytes(raw, "big") & mask) >> shift), exp)
    kind = at.kind
    if kind.startswith("float"):
        number = _float32 if kind == "float32" else _float64
        return lambda raw: _scaled_or_none(number(raw), exp)
    if kind.startswith("bcd"):
        return lambda raw: _scaled_or_none(_bcd(raw), exp)
    signed = kind.startswith("int")
    if exp == 0:
        return lambda raw: Decimal(from_bytes(raw, "big", signed=signed))
    if exp < 0:  # a whole number that moves to the right never has an exponent to write out
        return lambda raw: Decimal(from_bytes(raw, "big", signed=signed)).scaleb(exp, _EXACT)
    return lambda raw: scaled(Decimal(from_bytes(raw, "big", signed=signed)), exp)


def _scaled_or_none(number: Decimal | None, exp: int) -> Decimal | None:
    return None if number is None else scaled(number, exp)


def _float32(raw: bytes) -> Decimal | None:
    return shortest32(int.from_bytes(raw, "big"))


def _float64(raw: bytes) -> Decimal | None:
    return shortest64(struct.unpack(">d", raw)[0])


def _bcd(raw: bytes) -> Decimal | None:
    digits = raw.hex()
    return Decimal(int(digits)) if digits.isdecimal() else None
