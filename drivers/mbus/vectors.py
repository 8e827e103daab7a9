"""Lines of a vector file against this driver: frames of real meters with what libmbus reads out of them."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from drivers.errors import DriverError, FrameDamaged
from drivers.exact import scaled
from drivers.mbus import frames, names, telegram
from drivers.mbus.products import product
from drivers.mbus.records import MANUFACTURER, MORE
from drivers.mbus.telegram import Item, Telegram
from drivers.mbus.values import INTEGERS, UNSIGNED
from messages.text import printable

Row = Mapping[str, Any]

MAX_HEX: Final = 2 * 16 * frames.LONGEST
# The numbers of the files are binary floats of six decimals.
_RELATIVE: Final = Decimal("1e-6")
_ABSOLUTE: Final = Decimal("1e-6")
# What stands there for a time that the device itself says is none.
_NO_TIME: Final = frozenset({"1900-01-00T00:00:00Z", "1900-01-00"})


def check_vector(row: Row, maps: Sequence[Row]) -> str | None:  # noqa: ARG001
    """Return None where our decoder agrees with the row, else the disagreement."""
    expected = row.get("expected")
    text = row.get("hex")
    if not isinstance(expected, Mapping) or not isinstance(text, str):
        return "needs `hex` and an object `expected`"
    try:
        return next(_faults(_bytes(text), expected), None)
    except (DriverError, ValueError, TypeError, KeyError, ArithmeticError) as err:
        return printable(f"{type(err).__name__}: {err}", 400)


def _bytes(text: str) -> bytes:
    if len(text) > MAX_HEX:
        raise FrameDamaged(f"more than {MAX_HEX} hex digits")
    return bytes.fromhex(text)


def _faults(raw: bytes, expected: Row) -> Iterator[str]:
    if "must" in expected:
        yield from _malformed(raw, expected.get("frame_ok"))
        return
    if expected.get("frame_ok") is False:
        if _is_sound(raw):
            yield "the frame is sound, and should be refused"
        return
    found = telegram.parse(frames.parse(raw))
    for key, wanted in expected.items():
        if key == "frame_ok":
            continue
        if key == "application_error":
            yield from _application_error(found, wanted)
        elif key == "slave":
            yield from _slave(found, wanted)
        elif key == "records":
            yield from _records(found, wanted)
        else:
            yield f"expected.{printable(str(key), 60)}: is not known here"


def _malformed(raw: bytes, said: Any) -> Iterator[str]:
    """What is malformed is refused, and nothing but our own error is raised."""
    try:
        frame = frames.parse(raw)
    except FrameDamaged as err:
        if isinstance(said, str) and said.startswith("link layer ok"):
            yield f"the link layer should be sound: {err}"
        return
    try:
        telegram.parse(frame)
    except FrameDamaged:
        return
    if said is False or isinstance(said, str):
        yield "is taken for sound data"


def _is_sound(raw: bytes) -> bool:
    try:
        telegram.parse(frames.parse(raw))
    except FrameDamaged:
        return False
    return True


def _application_error(found: Telegram, wanted: Any) -> Iterator[str]:
    said = (
        names.ERRORS[found.code] if found.code < len(names.ERRORS) else f"Unknown error (0x{found.code:02X})"
    )
    if found.kind != "error":
        yield "reports no application error"
    elif _same_text(said, wanted):
        return
    else:
        yield f"application_error is {said}, expected {wanted}"


def _slave(found: Telegram, wanted: Row) -> Iterator[str]:
    head = found.header
    fixed = found.kind == "fixed"
    medium = head.medium or 0
    said: dict[str, Any] = {
        "Id": head.ident.lstrip("0") or "0",
        "Medium": names.FIXED_MEDIA[medium] if fixed else names.medium(medium),
        "AccessNumber": str(head.access),
        "Status": f"{head.status or 0:02X}",
    }
    if not fixed:
        said |= {
            "Manufacturer": head.manufacturer,
            "Version": str(head.version),
            "ProductName": product(head),
            "Signature": f"{head.signature or 0:04X}",
        }
    for key, value in wanted.items():
        if key not in said:
            yield f"slave.{printable(str(key), 60)}: the telegram has no such field"
        elif not _same_text(said[key], "" if value is None else str(value)):
            yield f"slave.{key} is {said[key]}, expected {value}"


def _records(found: Telegram, wanted: Sequence[Row]) -> Iterator[str]:
    if found.encryption:
        yield f"the records are encrypted ({telegram.ENCRYPTED[found.encryption]})"
    elif len(found.items) != len(wanted):
        yield f"has {len(found.items)} records, expected {len(wanted)}"
    else:
        for index, (item, row) in enumerate(zip(found.items, wanted, strict=True)):
            for fault in _fixed(found, item, row) if found.kind == "fixed" else _record(item, row):
                yield f"records[{index}].{fault}"


def _fixed(found: Telegram, item: Item, row: Row) -> Iterator[str]:
    stored = bool((found.header.status or 0) & 2)
    units = dict(zip(map(id, found.items), found.fixed_units, strict=True))
    said = {
        "Function": "Stored value" if stored else "Actual value",
        "Unit": names.fixed_unit(units[id(item)]),
    }
    for key, wanted in row.items():
        if key == "Value":
            count = telegram.fixed_count(item)
            if not _same_number(count, wanted):
                yield f"Value is {count}, expected {wanted}"
        elif key in said and not _same_text(said[key], wanted):
            yield f"{key} is {said[key]}, expected {wanted}"


def _record(item: Item, row: Row) -> Iterator[str]:
    record = item.record
    said: dict[str, Any] = {"dif": f"{record.dif:02X}", "data": record.data.hex().upper()}
    if record.special:
        more = record.dif == MORE
        said["Function"] = "More records follow" if more else names.FUNCTIONS["inst"]
        if record.dif == MANUFACTURER:
            said["Function"] = "Manufacturer specific"
        said["StorageNumber"] = "0"
    else:
        said |= {
            "Function": names.FUNCTIONS[record.function],
            "StorageNumber": str(record.storage),
            "Quantity": names.quantity(item),
            "Unit": names.unit(item),
        }
        if record.difes:
            said |= {"Tariff": str(record.tariff), "Device": str(record.subunit)}
    for key, wanted in row.items():
        if key in said and not _same_text(said[key], wanted):
            yield f"{key} is {said[key]}, expected {wanted}"
        elif key in {"Tariff", "Device", "Quantity", "Unit"} and key not in said:
            yield f"{key}: the record has none, expected {wanted}"
        elif key == "Value" and not _same_value(item, wanted):
            yield f"Value is {_shown(item)}, expected {wanted}"


def _shown(item: Item) -> str:
    datum = item.datum
    found = next((one for one in (datum.number, datum.text, datum.stamp) if one is not None), None)
    return printable(datum.fault if found is None else str(found), 200)


def _same_value(item: Item, wanted: Any) -> bool:
    datum = item.datum
    if wanted is None:
        return datum.number is None and datum.text is None and (datum.stamp is None or not datum.stamp.valid)
    if isinstance(wanted, str) and datum.stamp is not None:
        if not datum.stamp.valid and wanted in _NO_TIME:
            return True
        # Two digits of the year, the century is a matter of agreement; the zone is not known, though a Z stands there.
        return str(datum.stamp) == wanted.removesuffix("Z")
    if datum.text is not None:
        text = datum.text.rstrip("\0 ")
        return text == str(wanted).rstrip("\0 ") or (text.isdecimal() and _same_number(Decimal(text), wanted))
    if isinstance(wanted, str) and (item.record.lvar or 0) >= 0xC0:
        return item.record.data[::-1].hex(" ").upper() == wanted
    number = _number(item)
    return _same_number(number, wanted) or _same_number(_signed(item, number), wanted)


def _signed(item: Item, number: Decimal | None) -> Decimal | None:
    """Return what an unsigned integer reads as where all are taken for signed, as libmbus does."""
    if number is None or item.record.coding not in INTEGERS or item.meaning.quantity not in UNSIGNED:
        return number
    return number - (1 << 8 * len(item.record.data))


def _number(item: Item) -> Decimal | None:
    number, meaning = item.datum.number, item.meaning
    if number is None:
        return None
    if names.reserved(item):
        # For want of a meaning the bare count is told, or nothing.
        return scaled(number, -meaning.exp) if meaning.table else Decimal(0)
    return number * names.factor(item)


def _same_number(ours: Decimal | None, wanted: Any) -> bool:
    if ours is None or wanted is None:
        return ours is None and wanted is None
    if isinstance(wanted, bool):
        return False
    try:
        other = Decimal(str(wanted))
    except InvalidOperation:
        return False
    return abs(ours - other) <= max(_ABSOLUTE, _RELATIVE * abs(other))


def _same_text(ours: str, wanted: Any) -> bool:
    return wanted is not None and (ours == wanted or ours == _mended(str(wanted)))


def _mended(text: str) -> str:
    """Undo an encoding done twice: the UTF-8 of a sign read as if it were Latin-1."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
