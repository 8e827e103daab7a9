"""The shortest decimal that reads back to the same binary float: of several the nearest, of two as near the even one.

A float32 register of 233.1 must become 233.1, not 233.10000610351562.
"""

import functools
import math
import struct
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Final

_SURE_DIGITS: Final = 6  # every decimal of so many digits survives a normal float32
_ENOUGH_DIGITS: Final = 9  # so many digits always tell two float32 apart
_MANTISSA: Final = 0x7FFFFF
_EXPONENT: Final = 0x7F800000
_WIDE: Final = Context(prec=200)


@functools.lru_cache(maxsize=8192)
def shortest32(bits: int) -> Decimal | None:
    """Return the decimal for the bits of a float32; None for NaN and the infinities."""
    exponent, mantissa = bits & _EXPONENT, bits & _MANTISSA
    if exponent == _EXPONENT:
        return None
    if not exponent and not mantissa:
        return Decimal(0)
    value = _float(bits)
    if not exponent or not mantissa:
        # Subnormal numbers have fewer digits, and below a power of two the gap is half as wide as above.
        return _searched(value, bits)
    for digits in range(_SURE_DIGITS, _ENOUGH_DIGITS):
        text = f"{value:.{digits}g}"
        if _bits(float(text)) == bits:
            return Decimal(text)
    return Decimal(f"{value:.{_ENOUGH_DIGITS}g}")


def shortest64(value: float) -> Decimal | None:
    """Return the decimal for a float64; None for NaN and the infinities."""
    if not math.isfinite(value):
        return None
    return Decimal(repr(value)) if value else Decimal(0)


def _searched(value: float, bits: int) -> Decimal:
    exact = Decimal(value)
    for digits in range(1, _ENOUGH_DIGITS + 1):
        near = {Context(prec=digits, rounding=rule).plus(exact) for rule in (ROUND_FLOOR, ROUND_CEILING)}
        fits = [text for text in near if _bits(float(text)) == bits]
        if fits:
            return min(
                fits, key=lambda text: (abs(_WIDE.subtract(text, exact)), text.as_tuple().digits[-1] & 1)
            )
    return Decimal(f"{value:.{_ENOUGH_DIGITS}g}")


def _float(bits: int) -> float:
    value: float = struct.unpack(">f", bits.to_bytes(4, "big"))[0]
    return value


def _bits(value: float) -> int:
    try:
        return int.from_bytes(struct.pack(">f", value), "big")
    except OverflowError:  # a decimal just above the largest float32
        return -1
