"""Lines of a vector file against this decoder: every field that a line expects, by the standard and not by the file."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from drivers.dlt645 import refusals
from drivers.dlt645.catalog import Field, Item, lookup
from drivers.dlt645.explain import identifier
from drivers.dlt645.frames import (
    HEAD,
    SHORTEST,
    START,
    WAKE_UP,
    Frame,
    Function,
    checksum,
    frames_in,
    parse,
)
from drivers.dlt645.values import text_of, value_of
from drivers.errors import DriverError, FrameDamaged, Misconfigured
from messages.text import printable
from messages.types import Value

Row = Mapping[str, Any]
_UTC: Final = timezone.utc  # noqa: UP017
_MAX_HEX: Final = 4096
# Remarks, and what is judged with another key.
_REMARKS: Final = frozenset({"note", "reason", "valid", "comment", "checksum_computed"})
_WORD: Final = re.compile(r"[A-Za-z]+|[0-9]+")
# Words of our names: a name that says one of them must mean it. Others are the writer's own.
_MEANT: Final = frozenset(
    {
        *(
            "forward",
            "reverse",
            "combined",
            "active",
            "reactive",
            "apparent",
            "demand",
            "quadrant",
            "neutral",
        ),
        *(
            "voltage",
            "factor",
            "frequency",
            "angle",
            "temperature",
            "battery",
            "block",
            "tariff",
            "settlement",
        ),
        *("freeze", "cover", "loss", "daily", "hourly", "timed", "instant", "A", "B", "C"),
        *map(str, range(1, 13)),
    }
)
_SAME: Final[Mapping[str, str]] = {"rate": "tariff", "import": "forward", "export": "reverse", "sum": "total"}
_WRITES: Final[Mapping[int, int]] = {Function.WRITE: 4, Function.WRITE_1997: 2}
_PHASE: Final = re.compile(r"\bL([123])\b")


def check_vector(row: Row) -> str | None:
    """Return None where our decoder agrees with the row, else the disagreement."""
    try:
        expected = row.get("expected", {})
        if not isinstance(expected, Mapping):
            return "expected: must be an object"
        text = row.get("hex")
        if not isinstance(text, str):
            return "hex: is missing: a row holds one frame"
        return next(_faults(_bytes(text), expected), None)
    except (DriverError, ValueError, TypeError, KeyError, ArithmeticError) as err:
        return printable(f"{type(err).__name__}: {err}", 400)


def _bytes(text: str) -> bytes:
    if len(text) > _MAX_HEX:
        raise Misconfigured(f"hex: more than {_MAX_HEX} characters")
    return bytes.fromhex(text)


def _faults(raw: bytes, expected: Row) -> Iterator[str]:
    try:
        frame = parse(raw)
    except FrameDamaged as err:
        around = list(frames_in(raw))
        if expected.get("valid") is False:
            yield from _sum_fault(raw, expected)
            return
        if len(around) != 1:
            yield f"our decoder refuses it: {err}"
            return
        frame = around[0]
    if expected.get("valid") is False:
        yield "our decoder takes it for a sound frame"
    for key, wanted in expected.items():
        if key in _REMARKS:
            continue
        ours = _FIELDS.get(key)
        if ours is None:
            yield f"{printable(str(key), 40)}: nothing here decodes that"
            continue
        fault = ours(frame, wanted)
        if fault:
            yield f"{key}: {printable(fault, 300)}"


def _sum_fault(raw: bytes, expected: Row) -> Iterator[str]:
    wanted = expected.get("checksum_computed")
    body = raw.lstrip(bytes((WAKE_UP,)))
    if wanted is None or len(body) < SHORTEST or body[0] != START:
        return
    found = checksum(body[: HEAD + body[9]])
    if found != int(str(wanted), 16):
        yield f"checksum_computed: the bytes add up to {found:02X}, expected {wanted}"


def _plain(read: Callable[[Frame], Any]) -> Callable[[Frame, Any], str]:
    """Compare what a frame says as it is; text regardless of case."""

    def fault(frame: Frame, wanted: Any) -> str:
        found = read(frame)
        same = str(found).casefold() == str(wanted).casefold()
        return "" if same or (wanted is None and found in {None, ""}) else f"is {found}, expected {wanted}"

    return fault


def _edition(frame: Frame, wanted: Any) -> str:
    if frame.edition is None:
        return "" if str(wanted) in {"1997", "2007", "None"} else f"is of both editions, expected {wanted}"
    return "" if str(wanted) == str(frame.edition) else f"is {frame.edition}, expected {wanted}"


def _value(frame: Frame, wanted: Any) -> str:
    values = _values(frame)
    if isinstance(wanted, list | tuple):
        same = len(wanted) == len(values) and all(map(_same, values, wanted))
    else:
        same = _same(values[0], wanted) if values else wanted is None
    shown = ", ".join(str(value) for value, _ in values) or "nothing"
    return "" if same else f"decodes to {shown}, expected {wanted}"


def _same(found: tuple[Value, Field], wanted: Any) -> bool:
    value, field = found
    if value is None or wanted is None or isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    try:
        return value == Decimal(str(wanted))
    except InvalidOperation:
        return re.sub(r"\D", "", str(wanted)) in _spelt(value, field)


def _spelt(value: Decimal, field: Field) -> set[str]:
    """Return how a date or time may be written, digits alone."""
    if field.kind == "time":
        at = datetime.fromtimestamp(int(value), _UTC)
        forms = ("%Y%m%d%H%M%S", "%Y%m%d%H%M", "%y%m%d%H%M%S", "%y%m%d%H%M")
        return {at.strftime(form) for form in forms}
    digits = f"{int(value):0{2 * field.size}d}"
    if field.layout != "YYMMDDWW":
        return {digits}
    return {digits, digits[:6], f"20{digits}", f"20{digits[:6]}"}


def _unit(frame: Frame, wanted: Any) -> str:
    item = _item(frame)
    if item is None:
        return "the identifier is not in the standard's table"
    found = item.fields[0].unit
    return "" if found.casefold() == str(wanted).casefold() else f"is {found!r}, expected {wanted!r}"


def _text(frame: Frame, wanted: Any) -> str:
    found = text_of(identifier(frame)[1])
    return "" if found.rstrip("\0 ") == str(wanted).rstrip("\0 ") else f"is {found!r}, expected {wanted!r}"


def _name(frame: Frame, wanted: Any) -> str:
    """Disagree where the name's own words, before a comma or bracket, contradict ours."""
    item = _item(frame)
    if item is None:
        return "the identifier is not in the standard's table"
    ours = set(_words(item.name))
    written = _PHASE.sub(lambda found: "ABC"[int(found[1]) - 1], re.split(r"[,(]", str(wanted))[0])
    said = [word for word in _words(written) if word in _MEANT]
    lacking = [word for word in said if word not in ours]
    return f"is {item.name}, expected {wanted}" if lacking else ""


def _words(text: str) -> list[str]:
    found = []
    for word in _WORD.findall(text):
        plain = word if word in {"A", "B", "C"} else word.casefold()
        found.append(_SAME.get(plain, plain))
    return found


def _item(frame: Frame) -> Item | None:
    di, _ = identifier(frame)
    return lookup(di) if di else None


def _values(frame: Frame) -> list[tuple[Value, Field]]:
    """Return every value of an answer with its field."""
    item, (_, data) = _item(frame), identifier(frame)
    if item is None or not frame.from_meter:
        return []
    rounds = len(data) // item.size if item.repeat else 1
    found: list[tuple[Value, Field]] = []
    for number in range(rounds):
        place = number * item.size
        for field in item.fields:
            raw = data[place : place + field.size]
            place += field.size
            value = value_of(field, raw, field.exp, _UTC).value if len(raw) == field.size else None
            found.append((value, field))
    return found


def _di(frame: Frame) -> str:
    """Return the identifier of a read, or of a write, whose data it begins."""
    size = _WRITES.get(frame.function)
    if size is None or frame.from_meter or len(frame.data) < size:
        return identifier(frame)[0]
    return frame.data[:size][::-1].hex().upper()


def _sequence(frame: Frame) -> Any:
    return frame.data[-1] if frame.function == 0x12 and frame.data else None


def _list(read: Callable[[Frame], Sequence[Any]]) -> Callable[[Frame, Any], str]:
    def fault(frame: Frame, wanted: Any) -> str:
        found = list(read(frame))
        return "" if list(wanted) == found else f"is {found}, expected {wanted}"

    return fault


def _error_byte(frame: Frame) -> int | None:
    return frame.data[0] if frame.abnormal and frame.data else None


_FIELDS: Final[Mapping[str, Callable[[Frame, Any], str]]] = {
    "wakeup_fe": _plain(lambda frame: frame.wake_up),
    "address": _plain(lambda frame: frame.address),
    "control": _plain(lambda frame: f"{frame.control:02X}"),
    "function": _plain(lambda frame: frame.function),
    "from_meter": _plain(lambda frame: frame.from_meter),
    "error": _plain(lambda frame: frame.abnormal),
    "more_frames": _plain(lambda frame: frame.more),
    "length": _plain(lambda frame: len(frame.data)),
    "data_minus_33": _plain(lambda frame: frame.data.hex()),
    "payload": _plain(lambda frame: identifier(frame)[1].hex()),
    "di": _plain(_di),
    "error_byte": _plain(_error_byte),
    "error_bits": _list(lambda frame: refusals.bits(_error_byte(frame) or 0)),
    "sequence": _plain(_sequence),
    "edition": _edition,
    "value": _value,
    "values": _value,
    "unit": _unit,
    "name": _name,
    "text": _text,
}
