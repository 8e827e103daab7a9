"""From a record's bytes to its value: the data types A to M of EN 13757-3.

What is no value stays none: digits above nine, the number that means "invalid", NaN, a date that is marked invalid.
"""

from dataclasses import dataclass
from datetime import datetime, time
from decimal import Context, Decimal
from typing import Final

from drivers.exact import scaled
from drivers.mbus.meaning import FD, MAIN, Meaning
from drivers.mbus.records import Record
from drivers.shortest import shortest32

INTEGERS: Final = frozenset({1, 2, 3, 4, 6, 7})
_BCD: Final = frozenset({9, 10, 11, 12, 14})
_REAL: Final = 5
_WIDE: Final = Context(prec=400)
_NO_DATA: Final = frozenset({0, 8})
# Bits and codes, not amounts: they have no sign and no number that means "invalid".
UNSIGNED: Final = frozenset(
    {
        "access_number",
        "medium",
        "manufacturer_code",
        "parameter_set",
        "model",
        "hardware_version",
        "firmware_version",
        "software_version",
        "error_flags",
        "error_mask",
        "digital_output",
        "digital_input",
        "control_signal",
        "remote_control",
        "parameter_activation",
        "bus_address",
        "fabrication_number",
        "identification",
    }
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment as a device tells it: its own clock's, of an unknown zone."""

    year: int
    month: int
    day: int
    hour: int | None = None
    minute: int = 0
    second: int = 0
    summer: bool = False
    unset: bool = False
    """Whether the device says that it has none: marked invalid, or all zero."""

    @property
    def valid(self) -> bool:
        """Whether it is a moment: there is such a day, such a time of day."""
        return not self.fault

    @property
    def fault(self) -> str:
        """What is wrong with it, empty for nothing."""
        if self.unset:
            return "the device says that it is no valid time"
        try:
            if self.year:
                self.local()
            else:
                time(self.hour or 0, self.minute, self.second)
        except ValueError:
            return "there is no such day or time of day"
        return ""

    def local(self) -> datetime:
        """Return it as the device's clock shows it; raise `ValueError` for what is no moment."""
        return datetime(self.year, self.month, self.day, self.hour or 0, self.minute, self.second)  # noqa: DTZ001

    def __str__(self) -> str:
        date = f"{self.year:04d}-{self.month:02d}-{self.day:02d}"
        return date if self.hour is None else f"{date}T{self.hour:02d}:{self.minute:02d}:{self.second:02d}"


@dataclass(frozen=True, slots=True)
class Datum:
    """What a record holds: one of number, text and stamp, or none of them and the reason."""

    number: Decimal | None = None
    text: str | None = None
    stamp: Stamp | None = None
    fault: str = ""
    unset: bool = False
    """Whether it is the device that says so: it has no value."""
    count: Decimal | None = None
    """The number as it was sent: the meaning's power of ten and offset make `number` of it."""


def datum(record: Record, meaning: Meaning) -> Datum:
    """Decode a record's data in the unit of its meaning."""
    if record.special:
        return Datum(text=record.data.hex(" ").upper())
    if _is_time(record, meaning):
        found = _stamp(record)
        return Datum(stamp=found, fault=found.fault, unset=found.unset)
    if record.lvar is not None and record.lvar < 0xC0:
        return Datum(text=record.data[::-1].decode("latin-1"))
    if record.coding in _NO_DATA:
        return Datum(fault="the record has no data", unset=True)
    count, fault = _count(record, meaning)
    if count is None:
        return Datum(fault=fault)
    number = scaled(count, meaning.exp)
    if meaning.offset is not None:
        number = _WIDE.add(number, scaled(Decimal(1), meaning.offset))
    return Datum(number, fault=fault or _marked(meaning), unset=bool(fault or meaning.fault), count=count)


def _marked(meaning: Meaning) -> str:
    return f"the device marks the record with error {meaning.fault:02X}" if meaning.fault else ""


def _count(record: Record, meaning: Meaning) -> tuple[Decimal | None, str]:
    data = record.data
    if record.coding == _REAL:
        number = shortest32(int.from_bytes(data, "little"))
        return number, "" if number is not None else "no number (NaN or infinite)"
    if record.coding in INTEGERS or (record.lvar or 0) >= 0xE0:
        unsigned = meaning.quantity in UNSIGNED and meaning.table in {MAIN, FD}
        number = Decimal(int.from_bytes(data, "little", signed=not unsigned))
        none = not data or (not unsigned and data[-1] == 0x80 and not any(data[:-1]))
        return number, "the number that means none" if none else ""
    if record.coding in _BCD or record.lvar is not None:
        return _digits(record)
    return None, f"the coding {record.coding} is not known"


def _digits(record: Record) -> tuple[Decimal | None, str]:
    text = record.data[::-1].hex()
    minus = record.lvar is not None and record.lvar >= 0xD0
    if text.startswith("f") and record.lvar is None:
        text, minus = text[1:], True
    if not text.isdecimal():
        return None, f"the digits {record.data[::-1].hex().upper()} are no number" if text else "no digits"
    return Decimal(-int(text) if minus else int(text)), ""


def _is_time(record: Record, meaning: Meaning) -> bool:
    if meaning.table == MAIN:
        sizes = {"date": (2,), "date_time": (3, 4, 6)}.get(meaning.quantity, ())
    elif meaning.table == FD:
        sizes = (2, 4, 6) if meaning.quantity in {"tariff_start", "battery_change"} else ()
    else:
        sizes = ()
    return record.coding in INTEGERS and len(record.data) in sizes


def _stamp(record: Record) -> Stamp:
    data = record.data
    if len(data) == 2:
        return Stamp(*_date(data), unset=data in {b"\0\0", b"\xff\xff"})
    if len(data) == 3:  # type J: a time of day
        return Stamp(0, 0, 0, data[2] & 0x1F, data[1] & 0x3F, data[0] & 0x3F)
    if len(data) == 4:  # type F
        year, month, day = _date(data[2:])
        century = data[1] >> 5 & 3
        # Old meters send two digits only: until 80 they mean this century.
        year = year % 100 + 1900 + 100 * (century or (1 if year % 100 <= 80 else 0))
        unset = bool(data[0] & 0x80) or not any(data)
        return Stamp(year, month, day, data[1] & 0x1F, data[0] & 0x3F, 0, bool(data[1] & 0x80), unset)
    unset = bool(data[1] & 0x80) or not any(data)  # type I
    clock = (data[2] & 0x1F, data[1] & 0x3F, data[0] & 0x3F)
    return Stamp(*_date(data[3:]), *clock, bool(data[0] & 0x40), unset)


def _date(data: bytes) -> tuple[int, int, int]:
    """Return the date of type G; the year is of two digits."""
    return 2000 + (data[0] >> 5 | data[1] >> 1 & 0x78), data[1] & 0x0F, data[0] & 0x1F
