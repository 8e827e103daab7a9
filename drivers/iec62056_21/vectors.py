"""Lines of a vector file against this driver: readouts, P1 telegrams and single messages."""

from collections.abc import Mapping
from typing import Any, Final

from drivers.binding import from_hex
from drivers.errors import DriverError
from drivers.iec62056_21 import telegram
from drivers.iec62056_21.data import DataSet
from drivers.iec62056_21.telegram import Message
from messages.text import printable

Row = Mapping[str, Any]
_REMARKS: Final = frozenset({"note", "remark"})
_MOST_HEX: Final = 2 * telegram.MAX_MESSAGE


def check_vector(row: Row) -> str | None:
    """Return None where our decoder agrees with the row, else the disagreement."""
    expected, text = row.get("expected", {}), row.get("hex")
    if not isinstance(expected, Mapping) or not isinstance(text, str):
        return "needs a message in `hex` and an object `expected`"
    refused = expected.get("valid") is False or "must" in expected
    try:
        message = telegram.parse(from_hex(text, _MOST_HEX))
    except DriverError as err:
        # A damaged block need not look like one any more: that its check is wrong is all that is asked.
        damaged = refused or expected.get("bcc_ok") is False or expected.get("crc_ok") is False
        return None if damaged else printable(str(err), 400)
    if refused and message.bcc_ok is not False and message.crc_ok is not False:
        return "the message is sound, and is expected not to be"
    known = fields(message)
    for key, wanted in expected.items():
        if key in _REMARKS or (refused and key in {"valid", "must", "reason"}):
            continue
        if wanted is None and (known.get(key) is None or known[key] == ""):
            continue
        if key not in known:
            return f"{printable(str(key), 40)}: this message says nothing of it"
        fault = _items(known[key], wanted) if key == "items" else _one(key, known, wanted)
        if fault:
            return fault
    return None


def fields(message: Message) -> dict[str, Any]:
    """Return all that a message says, by the names of the vector files."""
    found: dict[str, Any] = {"kind": message.kind, "items": [_item(one) for one in message.sets]}
    head = message.identification
    if head is not None:
        found |= {"manufacturer": head.manufacturer, "baud_char": head.baud_char}
        found |= {"identification": head.text, "modes": head.modes, "mode": head.mode, "baud": head.baud}
    for name in ("bcc_ok", "crc_field", "crc_ok", "command", "address", "acknowledged"):
        if getattr(message, name) is not None:
            found[name] = getattr(message, name)
    if message.acknowledged:
        found |= dict(zip(("protocol_char", "baud_char", "mode_char"), message.acknowledged, strict=True))
    if len(message.sets) == 1 and message.sets[0].groups:
        found |= {key: value for key, value in _item(message.sets[0]).items() if key != "address"}
        found.setdefault("address", message.sets[0].address)
    return found


def _item(one: DataSet) -> dict[str, Any]:
    value, unit = one.group(0) or ("", None)
    more = {"more": list(one.groups[1:])} if len(one.groups) > 1 else {}
    return {"address": one.address, "value": value, "unit": unit, **more}


def _items(found: list[dict[str, Any]], wanted: Any) -> str | None:
    if not isinstance(wanted, list):
        return "items: must be a list"
    if len(found) != len(wanted):
        return f"items: {len(found)} data sets, expected {len(wanted)}"
    for place, (one, two) in enumerate(zip(found, wanted, strict=True)):
        if one != two:
            return f"items[{place}]: {printable(str(one), 120)}, expected {printable(str(two), 120)}"
    return None


def _one(key: str, known: Row, wanted: Any) -> str | None:
    found = known[key]
    if found == wanted or (key == "crc_field" and str(wanted).upper() == found):
        return None
    if key == "identification" and wanted in _with_modes(known["modes"], found):
        return None
    return f"{printable(str(key), 40)}: {printable(str(found), 120)}, expected {printable(str(wanted), 120)}"


def _with_modes(modes: str, text: str) -> tuple[str, str]:
    """The same identification by those who take its capabilities for a part of the text, with and without `\\`."""
    return modes + text, modes.replace("\\", "") + text
