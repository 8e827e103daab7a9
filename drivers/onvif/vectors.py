"""Lines of a vector file against this driver: notifications as XML and the fields that they hold."""

from collections.abc import Iterator, Mapping
from typing import Any

from drivers.binding import from_hex
from drivers.errors import DriverError, FrameDamaged
from drivers.onvif.events import Notification, instant, notifications
from messages.text import printable

Row = Mapping[str, Any]

MAX_HEX = 1 << 20


def check_vector(row: Row) -> str | None:
    """Return None where our decoder agrees with the row, else the disagreement."""
    wanted = row.get("expected")
    if wanted is None and not row.get("must"):
        return "expected: is missing"
    try:
        found = notifications(_document(row))
    except (DriverError, ValueError, TypeError) as err:
        if row.get("must") == "raise" or (isinstance(wanted, Mapping) and wanted.get("valid") is False):
            return None
        return printable(f"{type(err).__name__}: {err}")
    if not isinstance(wanted, Mapping | list):
        return "expected: must be an object, or a list of them for several notifications"
    several = list(wanted) if isinstance(wanted, list) else [wanted]
    if len(found) != len(several):
        return f"{len(found)} notifications, expected {len(several)}"
    for note, each in zip(found, several, strict=True):
        if not isinstance(each, Mapping):
            return "expected: must be an object"
        if fault := next(_faults(note, each), None):
            return fault
    return None


def _document(row: Row) -> bytes:
    if isinstance(row.get("xml"), str):
        return str(row["xml"]).encode("utf-8", "surrogatepass")
    if isinstance(row.get("hex"), str):
        return from_hex(row["hex"], MAX_HEX)
    raise FrameDamaged("neither xml nor hex")


def _faults(note: Notification, wanted: Row) -> Iterator[str]:
    found: dict[str, Any] = {
        "topic": note.topic,
        "operation": note.operation,
        "utc": note.utc,
        "source": dict(note.source),
        "key": dict(note.key),
        "data": dict(note.data),
    }
    for key, want in wanted.items():
        if key in {"note", "comment", "valid"}:
            continue
        if key not in found:
            yield f"{printable(str(key), 40)}: is nothing that we decode here"
        elif found[key] != want and not (key == "utc" and _same_time(found[key], want)):
            yield f"{key}: we find {printable(repr(found[key]), 120)}, expected {printable(repr(want), 120)}"


def _same_time(one: Any, other: Any) -> bool:
    """Say whether two texts name one instant, however it is written."""
    first = instant(one) if isinstance(one, str) else None
    return first is not None and isinstance(other, str) and first == instant(other)
