"""Bytes of a data item to values: exact, and None where they cannot be one."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from drivers.dlt645.catalog import Field
from messages.types import Quality, Value

_SIGN: Final = 0x80
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - `timezone` is needed anyway
Zone = timezone


@dataclass(frozen=True, slots=True)
class Found:
    """A value and its quality; `raw` is the number's unscaled digits where it is one."""

    value: Value
    quality: Quality = Quality.GOOD


NOT_A_VALUE: Final = Found(None, Quality.RANGE)
NOT_THERE: Final = Found(None, Quality.DEVICE)


def digits_of(raw: bytes) -> str | None:
    """Return the decimal digits of BCD sent low byte first; None where one is above nine."""
    text = raw[::-1].hex()
    return text if text.isdecimal() else None


def number(raw: bytes, exp: int, *, signed: bool) -> Found:
    """Return BCD as a number: None where a digit is above nine, and where all bytes are FF (the meter has none)."""
    if not raw:
        return NOT_A_VALUE
    if raw == b"\xff" * len(raw):
        return NOT_THERE
    negative = signed and bool(raw[-1] & _SIGN)
    digits = digits_of(raw[:-1] + bytes((raw[-1] & ~_SIGN,)) if negative else raw)
    if digits is None:
        return NOT_A_VALUE
    found = Decimal(int(digits)).scaleb(exp)
    if exp > 0:
        found = found.quantize(Decimal(1))
    return Found(-found if negative and found else found)


def moment(raw: bytes, layout: str, zone: Zone) -> datetime | None:
    """Return a moment of the meter's clock; None where the bytes are none, all 00 and all FF among them."""
    digits = digits_of(raw)
    if digits is None or not int(digits):
        return None
    parts = {layout[at : at + 2]: int(digits[at : at + 2]) for at in range(0, len(layout), 2)}
    try:
        return datetime(
            2000 + parts["YY"],
            parts["MM"],
            parts["DD"],
            parts.get("hh", 0),
            parts.get("mm", 0),
            parts.get("ss", 0),
            tzinfo=zone,
        )
    except (ValueError, KeyError):
        return None


def unix(at: datetime) -> Decimal:
    """Return a moment as whole seconds since 1970."""
    return Decimal((at - _EPOCH) // timedelta(seconds=1))


def value_of(field: Field, raw: bytes, exp: int, zone: Zone, bit: int | None = None) -> Found:
    """Return what a field's bytes say; `exp` is the point's, `bit` picks one of a status word."""
    if field.kind == "bcd":
        return number(raw, exp, signed=field.signed)
    if field.kind == "digits":
        return number(raw, 0, signed=False)
    if field.kind == "bits":
        whole = int.from_bytes(raw, "little")
        return Found(bool(whole >> bit & 1) if bit is not None else Decimal(whole))
    if field.kind == "time":
        at = moment(raw, field.layout, zone)
        if at is not None:
            return Found(unix(at))
        empty = not raw.strip(b"\0") or not raw.strip(b"\xff")
        return NOT_THERE if empty else NOT_A_VALUE
    return NOT_A_VALUE


def text_of(raw: bytes) -> str:
    """Return ASCII that is sent last character first."""
    return raw[::-1].decode("ascii", "replace")
