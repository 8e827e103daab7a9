"""The application layer of one telegram (EN 13757-3): its header, its records, or the error that it reports."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from drivers.errors import FrameDamaged
from drivers.exact import scaled
from drivers.mbus import records
from drivers.mbus.frames import Frame
from drivers.mbus.meaning import Meaning, meaning_of
from drivers.mbus.records import MORE, Record
from drivers.mbus.values import Datum, datum

LONG_HEADER, SHORT_HEADER, NO_HEADER, FIXED, ERROR, ALARM = 0x72, 0x7A, 0x78, 0x73, 0x70, 0x71
# The same in the mode that sends the high byte first.
_MSB: Final = {0x76: LONG_HEADER, 0x77: FIXED}
_HEADER_BYTES: Final = {LONG_HEADER: 12, SHORT_HEADER: 4, NO_HEADER: 0}
_FIXED_BYTES: Final = 16
# The modes of the configuration word that encrypt; the others are none, or not given out: old meters set anything.
ENCRYPTED: Final = {
    2: "DES, CBC",
    3: "DES, CBC",
    4: "AES-128, CBC",
    5: "AES-128, CBC",
    7: "AES-128, CBC, derived key",
    8: "AES-128, CTR",
    9: "AES-128, GCM",
    10: "AES-128, CCM",
    13: "TLS",
}
BUSY: Final = 0x08
ERRORS: Final = (
    "unspecified error",
    "unimplemented CI field",
    "buffer too long, truncated",
    "too many records",
    "premature end of record",
    "more than 10 DIFEs",
    "more than 10 VIFEs",
    "reserved",
    "application too busy for handling the request",
    "too many read-outs",
)

STATUS_BITS: Final = {"power_low": 2, "permanent_error": 3, "temporary_error": 4}


@dataclass(frozen=True, slots=True)
class Header:
    """Who speaks, as far as the telegram says: eight digits, maker, generation, medium, access number, status."""

    ident: str = ""
    manufacturer: str = ""
    maker: int | None = None
    version: int | None = None
    medium: int | None = None
    access: int | None = None
    status: int | None = None
    signature: int | None = None

    @property
    def encryption(self) -> int:
        """The mode of encryption, 0 for none."""
        mode = (self.signature or 0) >> 8 & 0x1F
        return mode if mode in ENCRYPTED else 0


@dataclass(frozen=True, slots=True)
class Item:
    """A record with its meaning and its value."""

    record: Record
    meaning: Meaning
    datum: Datum


@dataclass(frozen=True, slots=True)
class Telegram:
    """One telegram, understood."""

    kind: Literal["variable", "fixed", "error", "alarm"]
    header: Header = Header()
    items: tuple[Item, ...] = ()
    more: bool = False
    """Whether the device has further telegrams: ask again with the frame count bit turned."""
    code: int = 0
    """The code of an error, or the bits of an alarm."""
    encryption: int = 0
    """The mode by which the records are encrypted: then there are no items."""
    fixed_units: tuple[int, int] = (0, 0)


def parse(frame: Frame) -> Telegram:
    """Understand the data of a frame; raise `FrameDamaged` for what is malformed or of an unknown kind."""
    if frame.ci is None:
        raise FrameDamaged("a short frame holds no data")
    msb = frame.ci in _MSB
    kind = _MSB.get(frame.ci, frame.ci)
    if kind == FIXED:
        return _fixed(frame.data, msb=msb)
    if kind in {ERROR, ALARM}:
        code = frame.data[0] if frame.data else 0
        return Telegram("error" if kind == ERROR else "alarm", code=code)
    size = _HEADER_BYTES.get(kind)
    if size is None:
        raise FrameDamaged(f"CI {frame.ci:02X} is no answer with data that is known here")
    if len(frame.data) < size:
        raise FrameDamaged(f"the header has {size} bytes, and {len(frame.data)} are there")
    head = header(kind, frame.data[:size], msb=msb)
    if head.encryption:
        return Telegram("variable", head, encryption=head.encryption)
    found = records.parse(frame.data[size:], msb=msb)
    return Telegram("variable", head, tuple(map(_item, found)), bool(found) and found[-1].dif == MORE)


def header(kind: int, data: bytes, *, msb: bool = False) -> Header:
    """Read the header of variable data: of 12 bytes, of 4, or none."""
    if kind == NO_HEADER:
        return Header()
    order: Literal["big", "little"] = "big" if msb else "little"
    status = Header(access=data[-4], status=data[-3], signature=int.from_bytes(data[-2:], order))
    if kind == SHORT_HEADER:
        return status
    ident, maker = data[:4], int.from_bytes(data[4:6], order)
    return Header(
        ident=(ident if msb else ident[::-1]).hex().upper(),
        manufacturer=letters(maker),
        maker=maker,
        version=data[6],
        medium=data[7],
        access=status.access,
        status=status.status,
        signature=status.signature,
    )


def letters(maker: int) -> str:
    """Return the three letters of a manufacturer's code."""
    return "".join(chr(64 + (maker >> shift & 0x1F)) for shift in (10, 5, 0))


def maker_code(text: str) -> int:
    """Return the code of three letters; raise `ValueError`."""
    if len(text) != 3 or not all("A" <= letter <= "Z" for letter in text):
        raise ValueError(f"{text!r} is no manufacturer of three letters A to Z")
    first, second, third = (ord(letter) - 64 for letter in text)
    return first << 10 | second << 5 | third


def _item(record: Record) -> Item:
    if record.special:
        return Item(record, Meaning("manufacturer"), datum(record, Meaning("manufacturer")))
    meaning = meaning_of(record)
    return Item(record, meaning, datum(record, meaning))


def _fixed(data: bytes, *, msb: bool) -> Telegram:
    if len(data) != _FIXED_BYTES:
        raise FrameDamaged(f"fixed data have {_FIXED_BYTES} bytes, and {len(data)} are there")
    ident, status = data[:4], data[5]
    units = (data[6], data[7])
    medium = units[0] >> 6 | units[1] >> 4 & 0x0C
    head = Header((ident if msb else ident[::-1]).hex().upper(), medium=medium, access=data[4], status=status)
    counters = (data[8:12], data[12:16])
    items = tuple(
        _counter(count[::-1] if msb else count, unit & 0x3F, status, units[0] & 0x3F)
        for count, unit in zip(counters, units, strict=True)
    )
    return Telegram("fixed", head, items, fixed_units=(units[0] & 0x3F, units[1] & 0x3F))


def _counter(data: bytes, unit: int, status: int, first: int) -> Item:
    """Return a counter of fixed data as the record that would say the same."""
    stored, binary = bool(status & 2), bool(status & 1)
    record = Record((0x04 if binary else 0x0C) | (0x40 if stored else 0), data=data)
    same = unit == _SAME_BUT_HISTORIC
    if same:  # the unit of the other counter, at a set day
        record, unit = Record(record.dif | 0x40, data=data), first
    meaning = Meaning(*_FIXED_UNITS.get(unit, ("reserved", "", 0)), table="fixed", code=unit)
    return Item(record, meaning, datum(record, meaning))


_SAME_BUT_HISTORIC: Final = 0x3E


def _scale(first: int, quantity: str, unit: str, exp: int) -> dict[int, tuple[str, str, int]]:
    return {first + step: (quantity, unit, exp + step) for step in range(9)}


_FIXED_UNITS: Final = {
    0x00: ("time_of_day", "", 0),
    0x01: ("date_of_day", "", 0),
    **_scale(0x02, "energy", "Wh", 0),
    **_scale(0x0B, "energy", "J", 3),
    **_scale(0x14, "power", "W", 0),
    **_scale(0x1D, "power", "J/h", 3),
    **_scale(0x26, "volume", "m³", -6),
    **_scale(0x2F, "volume_flow", "m³/h", -6),
    0x38: ("external_temperature", "°C", -3),
    0x39: ("heat_cost", "", 0),
    0x3F: ("dimensionless", "", 0),
}


def fixed_count(item: Item) -> Decimal | None:
    """Return the bare counter of fixed data, without its unit's power of ten."""
    number = item.datum.number
    return None if number is None else scaled(number, -item.meaning.exp)
