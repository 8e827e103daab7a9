"""The standard's table of data identifiers, as rules: name, fields, length, decimals and unit of each (annex A).

Identifiers are written as the standard prints them, DI3 first: `00010000` of 2007, `9010` of 1997.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal

Kind = Literal["bcd", "time", "digits", "bits", "text"]
MAX_SETTLEMENTS: Final = 12
MAX_TARIFFS: Final = 63


@dataclass(frozen=True, slots=True)
class Field:
    """One part of a data item. `exp` is the power of ten of its last digit; `layout` that of a time."""

    name: str
    kind: Kind
    size: int
    exp: int = 0
    unit: str = ""
    signed: bool = False
    """The top bit of the most significant byte is the sign."""
    layout: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """What one identifier stands for; with `repeat`, the fields come again and again (a data block)."""

    name: str
    fields: tuple[Field, ...]
    repeat: bool = False

    @property
    def size(self) -> int:
        """The bytes of one round of its fields."""
        return sum(field.size for field in self.fields)

    def field(self, name: str) -> tuple[int, Field] | None:
        """Return a field and where it begins; the first where no name is given; None where there is none such."""
        place = 0
        for field in self.fields:
            if name in {"", field.name}:
                return place, field
            place += field.size
        return None


@cache
def lookup(di: str) -> Item | None:
    """Return what the standard says of an identifier of 8 (2007) or 4 (1997) hex digits; None for makers' own."""
    raw = bytes.fromhex(di)
    if len(raw) == 2:
        return _of_1997(raw[0], raw[1])
    return _of_2007(di, *raw) if len(raw) == 4 else None


def _bcd(size: int, exp: int, unit: str, *, signed: bool = False, name: str = "value") -> Field:
    return Field(name, "bcd", size, exp, unit, signed)


def _time(layout: str, name: str = "time") -> Field:
    """A moment; what has no year is only digits."""
    size = len(layout) // 2
    whole = layout.startswith("YYMMDD") and layout != "YYMMDDWW"
    return Field(name, "time" if whole else "digits", size, layout=layout)


# Energies: 00 DI2 DI1 DI0. DI2 names the quantity, in steps of 14H the phase; DI1 the tariff, DI0 the settlement.
_QUANTITIES: Final = (
    ("combined active", "kWh", True),
    ("forward active", "kWh", False),
    ("reverse active", "kWh", False),
    ("combined reactive 1", "kvarh", True),
    ("combined reactive 2", "kvarh", True),
    ("quadrant 1 reactive", "kvarh", False),
    ("quadrant 2 reactive", "kvarh", False),
    ("quadrant 3 reactive", "kvarh", False),
    ("quadrant 4 reactive", "kvarh", False),
    ("forward apparent", "kVAh", False),
    ("reverse apparent", "kVAh", False),
)
_FURTHER: Final = (
    ("associated", "kWh", True),
    ("forward fundamental active", "kWh", False),
    ("reverse fundamental active", "kWh", False),
    ("forward harmonic active", "kWh", False),
    ("reverse harmonic active", "kWh", False),
    ("copper loss active", "kWh", False),
    ("iron loss active", "kWh", False),
)
_PHASES: Final = ("", "phase A ", "phase B ", "phase C ")
_PHASE_STEP: Final = 0x14


def _quantity(di2: int) -> tuple[str, str, bool] | None:
    table = _FURTHER if di2 & 0x80 else _QUANTITIES
    phase, place = divmod(di2 & 0x7F, _PHASE_STEP)
    if phase >= len(_PHASES) or place >= len(table) or (phase and not place and not di2 & 0x80):
        return None
    name, unit, signed = table[place]
    return _PHASES[phase] + name, unit, signed


def _places(di1: int, di0: int) -> str | None:
    """Return the words for tariff and settlement; None for places that the standard does not have."""
    if (di1 > MAX_TARIFFS and di1 != 0xFF) or (di0 > MAX_SETTLEMENTS and di0 != 0xFF):
        return None
    tariff = "total and tariffs" if di1 == 0xFF else f"tariff {di1}" if di1 else "total"
    if not di0:
        return tariff
    return f"{tariff}, current and settlements" if di0 == 0xFF else f"{tariff}, settlement {di0}"


def _energy(di2: int, di1: int, di0: int) -> Item | None:
    quantity, places = _quantity(di2), _places(di1, di0)
    if quantity is None or places is None:
        return None
    name, unit, signed = quantity
    return Item(f"{name} energy {places}", (_bcd(4, -2, unit, signed=signed),), 0xFF in {di1, di0})


def _demand(di2: int, di1: int, di0: int) -> Item | None:
    quantity, places = _quantity(di2), _places(di1, di0)
    if quantity is None or places is None or di2 == 0 or di2 & 0x80:
        return None
    name, unit, signed = quantity
    value = _bcd(3, -4, unit.removesuffix("h"), signed=signed)
    fields = (value, _time("YYMMDDhhmm"))
    return Item(f"maximum demand {name} {places}", fields, 0xFF in {di1, di0})


# Variables: 02 DI2 DI1 00; DI1 is the phase, from the one given here on.
_VARIABLES: Final[Mapping[int, tuple[str, Field, int]]] = {
    0x01: ("voltage", _bcd(2, -1, "V"), 1),
    0x02: ("current", _bcd(3, -3, "A", signed=True), 1),
    0x03: ("active power", _bcd(3, -4, "kW", signed=True), 0),
    0x04: ("reactive power", _bcd(3, -4, "kvar", signed=True), 0),
    0x05: ("apparent power", _bcd(3, -4, "kVA", signed=True), 0),
    0x06: ("power factor", _bcd(2, -3, "", signed=True), 0),
    0x07: ("phase angle", _bcd(2, -1, "°"), 1),
    0x08: ("voltage distortion", _bcd(2, -2, "%"), 1),
    0x09: ("current distortion", _bcd(2, -2, "%"), 1),
}
_HARMONICS: Final[Mapping[int, str]] = {0x0A: "voltage", 0x0B: "current"}
_LETTERS: Final = ("total", "A", "B", "C")


def _variable(di2: int, di1: int, di0: int) -> Item | None:
    if di2 in _HARMONICS and 1 <= di1 <= 3 and (1 <= di0 <= 21 or di0 == 0xFF):
        which = "harmonics" if di0 == 0xFF else f"harmonic {di0}"
        return Item(f"{_HARMONICS[di2]} {_LETTERS[di1]} {which}", (_bcd(2, -2, "%"),), di0 == 0xFF)
    found = _VARIABLES.get(di2)
    if found is None or di0:
        return None
    name, field, first = found
    if di1 == 0xFF:
        return Item(f"{name} block", (field,), repeat=True)
    return Item(f"{name} {_LETTERS[di1]}", (field,)) if first <= di1 <= 3 else None


# Freezes: 05 DI2 DI1 DI0. DI2 is the kind, DI1 what was frozen, DI0 how many freezes ago.
_FREEZES: Final = (
    "timed freeze",
    "instant freeze",
    "time zone switch freeze",
    "day period switch freeze",
    "hourly freeze",
    "tariff price switch freeze",
    "daily freeze",
    "step switch freeze",
)
_HOURLY: Final = 4
_FROZEN_POWERS: Final = 0x10


def _freeze(di2: int, di1: int, di0: int) -> Item | None:
    if di2 >= len(_FREEZES) or not 1 <= di0 <= 0xFE:
        return None
    name = f"{_FREEZES[di2]} {di0}"
    if di1 == 0:
        return Item(f"{name} time", (_time("YYMMDDhhmm"),))
    if di2 == _HOURLY:
        if di1 not in {1, 2}:
            return None
        quantity, unit, _ = _QUANTITIES[di1]
        return Item(f"{name} {quantity} energy total", (_bcd(4, -2, unit),))
    if 1 <= di1 <= 8:
        quantity, unit, signed = _QUANTITIES[di1]
        return Item(f"{name} {quantity} energy", (_bcd(4, -2, unit, signed=signed),), repeat=True)
    if di1 in {9, 10}:
        value = _bcd(3, -4, "kW")
        return Item(
            f"{name} {_QUANTITIES[di1 - 8][0]} maximum demand", (value, _time("YYMMDDhhmm")), repeat=True
        )
    if di1 == _FROZEN_POWERS:
        return Item(f"{name} powers", (_bcd(3, -4, "kW", signed=True),), repeat=True)
    return None


_COUNT: Final = (_bcd(3, 0, "", name="count"),)
_SPAN: Final = (_time("YYMMDDhhmmss", "start"), _time("YYMMDDhhmmss", "end"))
_OPERATOR: Final = Field("operator", "digits", 4)
_OPENED: Final = (
    *_SPAN,
    *(
        _bcd(4, -2, unit, name=f"{quantity} {when}".replace(" ", "_"))
        for when in ("before", "after")
        for quantity, unit, _ in (*_QUANTITIES[1:3], *_QUANTITIES[5:9])
    ),
)
# Event records: at DI0 = 00 how often it has happened, from 01 on the last ones.
_EVENTS: Final[Mapping[str, tuple[str, tuple[Field, ...]]]] = {
    "031100": ("power loss", _SPAN),
    "033000": ("programming", (_time("YYMMDDhhmmss", "start"), _OPERATOR)),
    "033004": ("clock set", (_OPERATOR, _time("YYMMDDhhmmss", "before"), _time("YYMMDDhhmmss", "start"))),
    "03300D": ("meter cover open", _OPENED),
    "03300E": ("terminal cover open", _OPENED),
}
MAX_RECORDS: Final = 10
_BITS: Final = Field("value", "bits", 2)


def _text(size: int) -> tuple[Field, ...]:
    return (Field("value", "text", size),)


_EXACT: Final[Mapping[str, Item]] = {
    "00900100": Item("remaining energy", (_bcd(4, -2, "kWh"),)),
    "00900101": Item("overdrawn energy", (_bcd(4, -2, "kWh"),)),
    "00900200": Item("remaining amount", (_bcd(4, -2, "CNY"),)),
    "00900201": Item("overdrawn amount", (_bcd(4, -2, "CNY"),)),
    "02800001": Item("neutral current", (_bcd(3, -3, "A", signed=True),)),
    "02800002": Item("frequency", (_bcd(2, -2, "Hz"),)),
    "02800003": Item("active power of one minute", (_bcd(3, -4, "kW", signed=True),)),
    "02800004": Item("active demand", (_bcd(3, -4, "kW", signed=True),)),
    "02800005": Item("reactive demand", (_bcd(3, -4, "kvar", signed=True),)),
    "02800006": Item("apparent demand", (_bcd(3, -4, "kVA", signed=True),)),
    "02800007": Item("temperature", (_bcd(2, -1, "°C", signed=True),)),
    "02800008": Item("clock battery voltage", (_bcd(2, -2, "V"),)),
    "02800009": Item("reading battery voltage", (_bcd(2, -2, "V"),)),
    "0280000A": Item("battery working time", (_bcd(4, 0, "min"),)),
    "0280000B": Item("step price", (_bcd(4, -4, "CNY/kWh"),)),
    "04000101": Item("date and weekday", (_time("YYMMDDWW"),)),
    "04000102": Item("time of day", (_time("hhmmss"),)),
    "04000103": Item("demand period", (_bcd(1, 0, "min"),)),
    "04000104": Item("sliding time", (_bcd(1, 0, "min"),)),
    "0400010C": Item("date, weekday and time", (_time("YYMMDDWWhhmmss"),)),
    "04000204": Item("number of tariffs", (_bcd(1, 0, ""),)),
    "04000306": Item("current transformer ratio", (_bcd(3, 0, ""),)),
    "04000307": Item("voltage transformer ratio", (_bcd(3, 0, ""),)),
    "04000401": Item("communication address", (Field("value", "digits", 6),)),
    "04000402": Item("meter number", (Field("value", "digits", 6),)),
    "04000403": Item("asset number", _text(32)),
    "04000404": Item("rated voltage", _text(6)),
    "04000405": Item("rated current", _text(6)),
    "04000406": Item("maximum current", _text(6)),
    "04000407": Item("active accuracy class", _text(4)),
    "04000408": Item("reactive accuracy class", _text(4)),
    "04000409": Item("active constant", (_bcd(3, 0, "imp/kWh"),)),
    "0400040A": Item("reactive constant", (_bcd(3, 0, "imp/kvarh"),)),
    "0400040B": Item("model", _text(10)),
    "0400040C": Item("date of manufacture", _text(10)),
    "0400040D": Item("protocol version", _text(16)),
    **{f"0400050{n}": Item(f"status word {n}", (_BITS,)) for n in range(1, 8)},
    "040005FF": Item("status words", (_BITS,), repeat=True),
    **{f"04000B0{n}": Item(f"settlement day {n}", (_time("DDhh"),)) for n in range(1, 4)},
}


def _of_2007(di: str, di3: int, di2: int, di1: int, di0: int) -> Item | None:
    exact = _EXACT.get(di.upper())
    if exact is not None:
        return exact
    if di3 == 3:
        event = _EVENTS.get(di.upper()[:6])
        if event is None or di0 > MAX_RECORDS:
            return None
        name, fields = event
        return Item(f"{name} record {di0}", fields) if di0 else Item(f"{name} count", _COUNT)
    rule = {0: _energy, 1: _demand, 2: _variable, 5: _freeze}.get(di3)
    return rule(di2, di1, di0) if rule is not None else None


# 1997: the high byte is 1001 (energy), 1010 (demand), 1011 (its time) with two bits for the month and two for active
# or reactive; the low byte is direction and tariff.
_MONTHS: Final = ("", ", last month", ", month before last")
_REACTIVE_1997: Final = {
    1: "forward reactive",
    2: "reverse reactive",
    3: "quadrant 1 reactive",
    4: "quadrant 4 reactive",
    5: "quadrant 2 reactive",
    6: "quadrant 3 reactive",
}
_ACTIVE_1997: Final = {1: "forward active", 2: "reverse active"}
_DEMAND_TIME: Final = _time("MMDDhhmm")
_BLOCK_1997: Final = 0xF
_EXACT_1997: Final[Mapping[str, Item]] = {
    "B210": Item("last programming time", (_DEMAND_TIME,)),
    "B211": Item("last demand reset time", (_DEMAND_TIME,)),
    "B212": Item("programming count", (_bcd(2, 0, ""),)),
    "B213": Item("demand reset count", (_bcd(2, 0, ""),)),
    "B214": Item("battery working time", (_bcd(3, 0, "min"),)),
    "B310": Item("phase loss count", (_bcd(2, 0, ""),)),
    "B320": Item("phase loss time", (_bcd(3, 0, "min"),)),
    **{
        f"B{di}": Item(f"{name} {letter}", (field,))
        for first, name, field in (
            ("61", "voltage", _bcd(2, 0, "V")),
            ("62", "current", _bcd(2, -2, "A")),
            ("63", "active power", _bcd(3, -4, "kW")),
            ("64", "reactive power", _bcd(2, -2, "kvar")),
            ("65", "power factor", _bcd(2, -3, "")),
        )
        for place, letter in enumerate(_LETTERS)
        if place or first not in {"61", "62"}
        for di in (f"{first}{place}",)
    },
    "B61F": Item("voltage block", (_bcd(2, 0, "V"),), repeat=True),
    "B62F": Item("current block", (_bcd(2, -2, "A"),), repeat=True),
    "B63F": Item("active power block", (_bcd(3, -4, "kW"),), repeat=True),
    "C010": Item("date and weekday", (_time("YYMMDDWW"),)),
    "C011": Item("time of day", (_time("hhmmss"),)),
    "C020": Item("status word", (replace(_BITS, size=1),)),
    "C021": Item("grid status word", (replace(_BITS, size=1),)),
    "C030": Item("active constant", (_bcd(3, 0, "imp/kWh"),)),
    "C031": Item("reactive constant", (_bcd(3, 0, "imp/kvarh"),)),
    "C032": Item("meter number", (Field("value", "digits", 6),)),
    "C033": Item("user number", (Field("value", "digits", 6),)),
    "C034": Item("device number", (Field("value", "digits", 6),)),
    "C117": Item("settlement day 1", (_time("DDhh"),)),
}


def _of_1997(di1: int, di0: int) -> Item | None:
    exact = _EXACT_1997.get(f"{di1:02X}{di0:02X}")
    if exact is not None:
        return exact
    group, month, reactive = di1 >> 4, di1 >> 2 & 3, di1 & 3
    names = {0: _ACTIVE_1997, 1: _REACTIVE_1997}.get(reactive)
    name = None if names is None else names.get(di0 >> 4)
    if name is None or month >= len(_MONTHS) or group not in {9, 0xA, 0xB}:
        return None
    tariff = di0 & 0xF
    which = "total and tariffs" if tariff == _BLOCK_1997 else f"tariff {tariff}" if tariff else "total"
    which += _MONTHS[month]
    repeat = tariff == _BLOCK_1997
    if group == 9:
        return Item(f"{name} energy {which}", (_bcd(4, -2, "kvarh" if reactive else "kWh"),), repeat)
    if group == 0xA:
        return Item(f"maximum demand {name} {which}", (_bcd(3, -4, "kvar" if reactive else "kW"),), repeat)
    return Item(f"maximum demand time {name} {which}", (replace(_DEMAND_TIME, name="value"),), repeat)
