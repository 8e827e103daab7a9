"""Bytes of CJ/T 188 as values: BCD digits low byte first, unit codes, times; what is no value is None."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from drivers.exact import scaled

UNITS: Final = {
    0x02: ("Wh", 0),
    0x05: ("kWh", 0),
    0x08: ("MWh", 0),
    0x0A: ("MWh", 2),
    0x01: ("J", 0),
    0x0B: ("kJ", 0),
    0x0E: ("MJ", 0),
    0x11: ("GJ", 0),
    0x13: ("GJ", 2),
    0x14: ("W", 0),
    0x17: ("kW", 0),
    0x1A: ("MW", 0),
    0x29: ("L", 0),
    0x2C: ("m³", 0),
    0x32: ("L/h", 0),
    0x35: ("m³/h", 0),
}
"""Code to unit and the power of ten of it that one count is (CJ/T 188-2004, table of units)."""

KINDS: Final = {
    0x10: "cold water meter",
    0x11: "hot water meter",
    0x12: "drinking water meter",
    0x13: "reclaimed water meter",
    0x20: "heat meter",
    0x21: "heat meter for cooling",
    0x30: "gas meter",
    0x40: "electricity meter",
}
_CLASSES: Final = {1: "water meter", 2: "heat meter", 3: "gas meter", 4: "other meter"}
VALVES: Final = {0: "open", 1: "closed", 3: "faulty"}
VALVE_MASK: Final = 0x03
BATTERY_LOW: Final = 0x04


def kind_of(meter_type: int) -> str:
    """Name a meter type."""
    if meter_type == 0xAA:
        return "any meter"
    return KINDS.get(meter_type) or _CLASSES.get(meter_type >> 4, "unknown kind of meter")


def digits(raw: bytes) -> int | None:
    """Read BCD digits, low byte first; None where one is above nine."""
    text = raw[::-1].hex()
    return int(text) if text.isdecimal() else None


def instant(raw: bytes) -> datetime | None:
    """Read seven bytes ss mm hh DD MM YYYY of the meter's own clock, which names no zone; None for no time."""
    text = raw[::-1].hex()
    if len(text) != 14 or not text.isdecimal():
        return None
    year, month, day, hour, minute, second = (
        int(text[end - 2 if end > 4 else 0 : end]) for end in range(4, 16, 2)
    )
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 -- the meter's own wall clock
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Quantity:
    """Four BCD bytes and a unit code: `count` None where digits are none, `unit` empty for an unknown code."""

    digits: str
    count: int | None
    code: int

    @property
    def unit(self) -> str:
        """The unit, without its power of ten."""
        return UNITS.get(self.code, ("", 0))[0]

    def value(self, exp: int) -> Decimal | None:
        """Return the number in `unit`, `exp` being the power of ten of its last digit."""
        if self.count is None:
            return None
        return scaled(Decimal(self.count), exp + UNITS.get(self.code, ("", 0))[1])


def quantity(raw: bytes) -> Quantity:
    """Read five bytes, the unit code last, or first as one vendor has it."""
    number, code = raw[:4], raw[4]
    if code not in UNITS and raw[0] in UNITS:
        number, code = raw[1:], raw[0]
    return Quantity(number[::-1].hex().upper(), digits(number), code)
