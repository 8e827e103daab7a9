"""Registers seen from every side: which order, type and scale shows what the display shows?"""

from collections.abc import Iterator, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, get_args

from drivers.modbus.address import Order, PointAt
from drivers.modbus.decode import PointCodec, codec, scaled
from drivers.profile import Point
from drivers.workshop import Guess

SHIFTS: Final = tuple(range(-6, 7))
_TYPES: Final = {
    2: ("uint16", "int16", "bcd16"),
    4: ("uint32", "int32", "float32", "bcd32"),
    8: ("uint64", "int64", "float64"),
}
_ORDERS: Final[tuple[str, ...]] = get_args(Order)
_WIDEST: Final = 15
"""Numbers of more digits before or behind the point than this are not what a meter shows."""


def guesses(raw: bytes, exp: int) -> list[Guess]:
    """Return the bytes read in every order and type that fits them; what is absurd or no number has no value."""
    return [
        Guess(order, kind, exp, _sane(made.decode(raw[: 2 * made.at.words]).value))
        for order, kind, made in _codecs(len(raw), exp)
    ]


def matches(raw: bytes, display: Decimal) -> list[Guess]:
    """Return each reading that shows `display` to its last digit, the one with the smallest shift first."""
    if display == 0:
        return []  # a zero says nothing about order or scale
    found: dict[tuple[str, str, int], Guess] = {}
    for size in (8, 4, 2):
        if len(raw) < size:
            continue
        for order, kind, made in _codecs(size, 0):
            value = _sane(made.decode(raw[:size]).value)
            if value is None or value == 0:
                continue
            for exp in SHIFTS:
                if _shows(scaled(value, exp), display):
                    found[order, kind, exp] = Guess(order, kind, exp, scaled(value, exp))
    return sorted(found.values(), key=lambda one: (abs(one.exp), _ORDERS.index(one.order), one.type))


def _codecs(size: int, exp: int) -> Sequence[tuple[str, str, PointCodec]]:
    return _made(size if size in _TYPES else max((w for w in _TYPES if w <= size), default=2), exp)


@lru_cache(maxsize=256)
def _made(size: int, exp: int) -> tuple[tuple[str, str, PointCodec], ...]:
    return tuple(_each(size, exp))


def _each(size: int, exp: int) -> Iterator[tuple[str, str, PointCodec]]:
    # One register has no words to swap: two orders only.
    orders = ("big", "big-swapped") if size == 2 else _ORDERS
    point = Point(label="?", at={}, exp=exp)
    for order in orders:
        for kind in _TYPES[size]:
            at = PointAt(table="holding", address=0, type=kind, order=order)  # type: ignore[arg-type]
            yield order, kind, codec(point, at)


def _sane(value: object) -> Decimal | None:
    if not isinstance(value, Decimal):
        return None
    exponent = value.as_tuple().exponent
    small = isinstance(exponent, int) and exponent >= -_WIDEST
    return value if small and value.adjusted() < 20 else None


def _shows(value: Decimal, display: Decimal) -> bool:
    """Say whether a display of so many digits would show this number, rounded or cut."""
    exponent = display.as_tuple().exponent
    assert isinstance(exponent, int)
    step = Decimal(1).scaleb(min(exponent, 0))
    try:
        return any(
            value.quantize(step, way) == display for way in (ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_DOWN)
        )
    except InvalidOperation:
        return False
