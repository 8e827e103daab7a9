"""One captured frame in the standard's words."""

from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Final

from drivers.dlt645 import refusals
from drivers.dlt645.catalog import Field, Item, lookup
from drivers.dlt645.frames import BROADCAST, WILDCARD, Frame, Function, frames_in, parse
from drivers.dlt645.values import text_of, value_of
from drivers.errors import FrameDamaged
from messages.text import printable

_NAMES: Final[Mapping[int, str]] = {
    Function.READ_1997: "read data",
    Function.READ_NEXT_1997: "read following data",
    Function.REREAD_1997: "read again",
    Function.WRITE_1997: "write data",
    Function.BROADCAST_TIME: "broadcast time",
    Function.WRITE_ADDRESS_1997: "write address",
    Function.CHANGE_RATE_1997: "change rate",
    Function.CHANGE_PASSWORD_1997: "change password",
    Function.CLEAR_DEMAND_1997: "clear demand",
    Function.READ: "read data",
    Function.READ_NEXT: "read following data",
    Function.READ_ADDRESS: "read address",
    Function.WRITE: "write data",
    Function.WRITE_ADDRESS: "write address",
    Function.FREEZE: "freeze",
    Function.CHANGE_RATE: "change rate",
    Function.CHANGE_PASSWORD: "change password",
    Function.CLEAR_DEMAND: "clear demand",
    Function.CLEAR_METER: "clear meter",
    Function.CLEAR_EVENTS: "clear events",
    Function.CONTROL: "relay control",
    Function.MULTI_TERMINAL: "multi-terminal output",
}
# Functions whose data begins with a password: what follows the address is not shown.
_SECRET: Final = frozenset(
    {
        Function.WRITE_1997,
        Function.CHANGE_PASSWORD_1997,
        Function.WRITE,
        Function.CHANGE_PASSWORD,
        Function.CLEAR_DEMAND,
        Function.CLEAR_METER,
        Function.CLEAR_EVENTS,
        Function.CONTROL,
        Function.MULTI_TERMINAL,
    }
)
_READS: Final = frozenset({Function.READ, Function.READ_NEXT, Function.READ_1997, Function.READ_NEXT_1997})
_UTC: Final = timezone.utc  # noqa: UP017 - a fixed zone, as the meter's
_MOST_ROUNDS: Final = 4


def identifier(frame: Frame) -> tuple[str, bytes]:
    """Return the data identifier of a read and what follows it; empty where the frame has none."""
    size = 4 if frame.edition == 2007 else 2
    if frame.function not in _READS or frame.abnormal or len(frame.data) < size:
        return "", frame.data
    rest = frame.data[size:]
    if frame.function == Function.READ_NEXT and frame.from_meter:
        rest = rest[:-1]
    return frame.data[:size][::-1].hex().upper(), rest


def explain(raw: bytes) -> str:
    """Describe one captured frame in the standard's words; raise `FrameDamaged` for what is none."""
    try:
        frame = parse(raw)
    except FrameDamaged:
        found = list(frames_in(raw))
        if len(found) != 1:
            raise
        frame = found[0]
    parts = [
        f"DL/T 645{f'-{frame.edition}' if frame.edition else ''}",
        _whom(frame),
        f"{frame.control:02X} {_NAMES.get(frame.function, 'unknown function')}",
    ]
    if frame.wake_up:
        parts.insert(1, f"{frame.wake_up} wake-up bytes")
    return printable(", ".join([*parts, *_content(frame)]), 1000)


def _whom(frame: Frame) -> str:
    if frame.address == BROADCAST:
        whom = "everybody"
    elif frame.address == WILDCARD:
        whom = "any meter"
    else:
        whom = f"meter {frame.address}"
    return f"{'answer of' if frame.from_meter else 'request to'} {whom}"


def _content(frame: Frame) -> list[str]:
    if frame.abnormal:
        code = frame.data[0] if frame.data else 0
        return [f"refused: {', '.join(refusals.words(frame.function, code))} ({code:02X})"]
    if frame.function in _SECRET and not frame.from_meter:
        return [f"{len(frame.data)} bytes of data, not shown: a password is among them"]
    di, rest = identifier(frame)
    found = [f"DI {di}"] if di else []
    item = lookup(di) if di else None
    if item is not None:
        found.append(item.name)
        if frame.from_meter:
            found += [f"{name} {shown}".strip() for name, shown in described(item, rest)]
    elif rest and di:
        found.append(f"data {rest.hex().upper()}")
    elif frame.data and not di:
        found.append(f"data {frame.data.hex().upper()}")
    if frame.from_meter and frame.more:
        found.append("more frames follow")
    return found


def described(item: Item, data: bytes) -> list[tuple[str, str]]:
    """Return name and text of each field of an answer, the first few rounds of a block."""
    rounds = len(data) // item.size if item.repeat else 1
    found: list[tuple[str, str]] = []
    for number in range(min(rounds, _MOST_ROUNDS)):
        place = number * item.size
        for field in item.fields:
            raw = data[place : place + field.size]
            place += field.size
            if len(raw) < field.size:
                return [*found, ("", f"and only {len(raw)} bytes of {field.name}")]
            name = "" if field.name == "value" else field.name
            found.append((name, f"= {_shown(field, raw)}"))
    return found if rounds <= _MOST_ROUNDS else [*found, ("", f"and {rounds - _MOST_ROUNDS} more")]


def _shown(field: Field, raw: bytes) -> str:
    if field.kind == "text":
        return repr(text_of(raw).rstrip("\0 "))
    if field.kind == "bits":
        return f"{int.from_bytes(raw, 'little'):0{2 * field.size}X}"
    if field.kind == "digits":
        return raw[::-1].hex().upper()
    value = value_of(field, raw, field.exp, _UTC).value
    if value is None:
        return f"no value ({raw.hex().upper()})"
    if field.kind == "time" and isinstance(value, Decimal):
        return datetime.fromtimestamp(int(value), _UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{value} {field.unit}".strip()
