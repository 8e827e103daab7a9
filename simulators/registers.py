"""Point data of a profile turned into Modbus registers: the simulators' own encoder.

Written from the register maps, apart from the driver's decoder, so that a mistake in one cannot hide in the other.
Values are `Decimal` or `bool`; a binary float exists only inside the two float encodings.
"""

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Any, Literal

import msgspec

from drivers.profile import Point
from messages.types import Value

WIDE = Context(prec=80)  # uint64 times any exponent of a profile stays exact
_EXACT_IN_FLOAT32 = 2**24
FLOAT32_DIGITS = 9  # no float32 needs more to be read back

Table = Literal["coil", "discrete", "input", "holding"]
TABLES: tuple[Table, ...] = ("coil", "discrete", "input", "holding")
BITS: frozenset[str] = frozenset({"coil", "discrete"})

_INTEGERS: Mapping[str, tuple[int, bool]] = {
    "uint16": (1, False),
    "int16": (1, True),
    "uint32": (2, False),
    "int32": (2, True),
    "uint64": (4, False),
    "int64": (4, True),
    "bits": (1, False),
    "bool": (1, False),
}
_FLOATS: Mapping[str, tuple[int, str]] = {"float32": (2, ">f"), "float64": (4, ">d")}
_BCD: Mapping[str, int] = {"bcd16": 1, "bcd32": 2}
_OPPOSITE = {
    "big": "little",
    "little": "big",
    "big-swapped": "little-swapped",
    "little-swapped": "big-swapped",
}


class MapError(ValueError):
    """A point's address or value that cannot be put into registers; the text names the point."""


class _At(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    table: Table
    address: int | str
    type: str = ""
    order: Literal["big", "little", "big-swapped", "little-swapped"] = "big"
    bit: int | None = None
    mask: int | str | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """Where and how one point lies in a device's registers."""

    id: str
    table: Table
    address: int
    words: int
    type: str
    order: str
    mask: int
    """Which bits of the register belong to the point; -1 for all."""
    exp: int
    is_bool: bool
    counts: bool
    """True for a register that only grows: cut towards zero and wrapped, where a gauge is rounded and clamped."""
    modulus: Decimal | None
    missing: tuple[int, ...] | None

    @property
    def addresses(self) -> range:
        """The registers or bits that the point occupies."""
        return range(self.address, self.address + self.words)

    def grid(self, value: Value) -> Value:
        """Return the nearest value that the register can hold; raise `MapError` for one that is none of its kind."""
        if value is None:
            return None
        if self.is_bool:
            if not isinstance(value, bool):
                raise MapError(f"{self.id}: {value!r} is not true or false")
            return value
        if isinstance(value, bool):
            raise MapError(f"{self.id}: {value!r} is not a number")
        if self.type in _FLOATS:
            return self._float_grid(value)
        with localcontext(WIDE):
            return Decimal(self._count(value)).scaleb(self.exp)

    def encode(self, value: Value, *, wrong_order: bool = False) -> tuple[int, ...]:
        """Return the words of a value that lies on the grid; None becomes the model's missing-value pattern."""
        order = _OPPOSITE[self.order] if wrong_order and self.words > 1 else self.order
        if value is None:
            return _ordered(self._missing_bytes(), order)
        if self.is_bool:
            return ((self.mask & -self.mask if self.mask != -1 else 1) if value else 0,)
        if isinstance(value, bool):
            raise MapError(f"{self.id}: {value!r} is not a number")
        if self.type in _FLOATS:
            form = _FLOATS[self.type][1]
            return _ordered(struct.pack(form, _as_float(value.scaleb(-self.exp, WIDE), form)), order)
        with localcontext(WIDE):
            raw = int(value.scaleb(-self.exp))
        if self.type in _BCD:
            return _ordered(bytes.fromhex(f"{raw:0{self.words * 4}d}"), order)
        if self.mask != -1:
            raw = raw * (self.mask & -self.mask)
        data = raw.to_bytes(self.words * 2, "big", signed=_INTEGERS[self.type][1] and self.mask == -1)
        return _ordered(data, order)

    def decode(self, words: Iterable[int]) -> Value:
        """Read a value out of words that a master wrote; the inverse of `encode`."""
        held = tuple(words)
        if self.table in BITS or (self.is_bool and self.mask == -1):
            return bool(held[0])
        if self.is_bool:
            return bool(held[0] & self.mask)
        data = _unordered(held, self.order)
        if self.type in _FLOATS:
            number = struct.unpack(_FLOATS[self.type][1], data)[0]
            return (
                shortest(number, _FLOATS[self.type][1]).scaleb(self.exp, WIDE)
                if math.isfinite(number)
                else None
            )
        if self.type in _BCD:
            digits = data.hex()
            return Decimal(digits).scaleb(self.exp, WIDE) if digits.isdecimal() else None
        raw = int.from_bytes(data, "big", signed=_INTEGERS[self.type][1] and self.mask == -1)
        if self.mask != -1:
            raw = (raw & self.mask) // (self.mask & -self.mask)
        return Decimal(raw).scaleb(self.exp, WIDE)

    def counted(self, times: int) -> tuple[Value, tuple[int, ...]]:
        """Return value and words of a point that holds how often it was read, starting again where it is full."""
        if self.is_bool:
            value: Value = bool(times & 1)
        elif self.type in _FLOATS:
            value = Decimal(times % _EXACT_IN_FLOAT32).scaleb(self.exp, WIDE)
        else:
            raw = times % (self._limits()[1] + 1)
            value = Decimal(raw).scaleb(self.exp, WIDE) if self.exp else Decimal(raw)
            if self.words == 1 and self.mask == -1 and self.order == "big" and self.type not in _BCD:
                return value, (raw,)
        return value, self.encode(value)

    def _count(self, value: Decimal) -> int:
        """Raw counts within the register's range."""
        with localcontext(WIDE):
            scaled = value.scaleb(-self.exp)
            low, high = self._limits()
            if not self.counts:
                raw = int(scaled.to_integral_value(ROUND_HALF_EVEN))
                return min(max(raw, low), high)
            raw = int(scaled.to_integral_value(ROUND_FLOOR))
            span = int(self.modulus.scaleb(-self.exp)) if self.modulus is not None else high + 1
            return raw % span if raw >= 0 or low >= 0 else max(raw, low)

    def _limits(self) -> tuple[int, int]:
        if self.type in _BCD:
            return 0, int(10 ** (4 * self.words)) - 1
        if self.mask != -1:
            return 0, self.mask // (self.mask & -self.mask)
        bits, signed = self.words * 16, _INTEGERS[self.type][1]
        return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)

    def _float_grid(self, value: Decimal) -> Decimal:
        form = _FLOATS[self.type][1]
        with localcontext(WIDE):
            if self.counts and self.modulus is not None:
                value %= self.modulus
            return shortest(_as_float(value.scaleb(-self.exp), form), form).scaleb(self.exp)

    def _missing_bytes(self) -> bytes:
        if self.missing is not None:
            return struct.pack(f">{len(self.missing)}H", *self.missing)
        if self.type in _FLOATS:
            return struct.pack(_FLOATS[self.type][1], math.nan)
        if self.type in _BCD:
            return b"\xff" * (2 * self.words)
        raise MapError(f"{self.id}: its profile names no pattern for a missing value")


def cell(point_id: str, point: Point) -> Cell:
    """Turn a profile's address of one point into a checked `Cell`; raise `MapError`."""
    try:
        at = msgspec.convert(point.at, _At)
    except msgspec.ValidationError as err:
        raise MapError(f"{point_id}: at: {err}") from None
    address = _number(at.address, point_id)
    in_bits = at.table in BITS
    kind = at.type or ("bool" if in_bits or at.bit is not None else "uint16")
    is_bool = kind == "bool" or at.bit is not None
    words = 1 if in_bits else _words(kind, point_id)
    mask = _mask(at, in_bits=in_bits, is_bool=is_bool, point_id=point_id)
    if not 0 <= address <= 0x10000 - words:
        raise MapError(f"{point_id}: address {address} with {words} registers leaves 0..65535")
    return Cell(
        id=point_id,
        table=at.table,
        address=address,
        words=words,
        type=kind,
        order=at.order,
        mask=mask,
        exp=point.exp,
        is_bool=is_bool,
        counts=point.kind == "register",
        modulus=point.modulus,
        missing=_pattern(point, words, point_id),
    )


def shortest(number: float, form: str) -> Decimal:
    """Return the shortest decimal that reads back to the same binary number."""
    if number == 0:
        return Decimal(0)
    if form == ">d":
        return Decimal(repr(number))
    held = struct.pack(form, number)
    for digits in range(1, FLOAT32_DIGITS):
        text = f"{number:.{digits}g}"
        try:
            if struct.pack(form, float(text)) == held:
                return Decimal(text)
        except OverflowError:  # rounded up past the largest float32
            continue
    return Decimal(f"{number:.{FLOAT32_DIGITS}g}")


def _as_float(value: Decimal, form: str) -> float:
    try:
        return float(struct.unpack(form, struct.pack(form, float(value)))[0])
    except OverflowError:
        raise MapError(f"{value} is larger than the register can hold") from None


def _ordered(data: bytes, order: str) -> tuple[int, ...]:
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if order.startswith("little"):
        words.reverse()
    if order.endswith("swapped"):
        words = [word[::-1] for word in words]
    return tuple(int.from_bytes(word, "big") for word in words)


def _unordered(words: tuple[int, ...], order: str) -> bytes:
    parts = [word.to_bytes(2, "big") for word in words]
    if order.endswith("swapped"):
        parts = [part[::-1] for part in parts]
    if order.startswith("little"):
        parts.reverse()
    return b"".join(parts)


def _number(value: int | str, point_id: str) -> int:
    try:
        return value if isinstance(value, int) else int(value, 0)
    except ValueError:
        raise MapError(f"{point_id}: {value!r} is no number") from None


def _words(kind: str, point_id: str) -> int:
    if kind in _INTEGERS:
        return _INTEGERS[kind][0]
    if kind in _FLOATS:
        return _FLOATS[kind][0]
    if kind in _BCD:
        return _BCD[kind]
    raise MapError(f"{point_id}: type {kind!r} is none of {', '.join([*_INTEGERS, *_FLOATS, *_BCD])}")


def _mask(at: _At, *, in_bits: bool, is_bool: bool, point_id: str) -> int:
    if in_bits:
        return -1
    if at.bit is not None:
        if not 0 <= at.bit <= 15:
            raise MapError(f"{point_id}: bit {at.bit} is not 0..15")
        return 1 << at.bit
    if at.mask is not None:
        mask = _number(at.mask, point_id)
        if not 0 < mask <= 0xFFFF:
            raise MapError(f"{point_id}: mask {at.mask} is not 0x0001..0xFFFF")
        return mask
    return 0xFFFF if is_bool else -1


def _pattern(point: Point, words: int, point_id: str) -> tuple[int, ...] | None:
    for text in point.missing:
        try:
            data = bytes.fromhex(text)
        except ValueError:
            raise MapError(f"{point_id}: missing {text!r} is no hex") from None
        if len(data) == words * 2:
            return struct.unpack(f">{words}H", data)
    return None


def as_hex(words: Iterable[int]) -> str:
    """Write words as the ground truth does: lower-case hex, as on the wire."""
    return b"".join(word.to_bytes(2, "big") for word in words).hex()


def cells_of(points: Mapping[str, Any]) -> dict[str, Cell]:
    """Map every point of a profile; raise `MapError` for the first that cannot be."""
    return {point_id: cell(point_id, point) for point_id, point in points.items()}
