"""Lines of a vector file against this driver: whole frames, and data units alone."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from drivers.binding import from_hex
from drivers.errors import DriverError
from drivers.gb26875 import adu, frames
from drivers.gb26875.tables import BITS_OF_TYPE, bits
from messages.text import printable

Row = Mapping[str, Any]

# Other people's words for a state bit, in ours.
_BIT_WORDS: Final[Mapping[str, str]] = {
    "alarm": "fire",
    "fire_alarm": "fire",
    "shielded": "disabled",
    "shield": "disabled",
    "isolated": "disabled",
    "masked": "disabled",
    "supervision": "supervisory",
    "supervised": "supervisory",
    "start": "started",
    "delayed": "delay",
    "main_fault": "main_power_fault",
    "backup_fault": "backup_power_fault",
    "standby_power_fault": "backup_power_fault",
    "manual_mode": "manual",
    "configuration_changed": "config_changed",
    "config_change": "config_changed",
    "channel_fault": "center_link_fault",
    "center_channel_fault": "center_link_fault",
    "centre_channel_fault": "center_link_fault",
    "center_comm_fault": "center_link_fault",
    "comm_fault": "center_link_fault",
    "link_fault": "center_link_fault",
    "line_fault": "monitor_line_fault",
    "monitoring_line_fault": "monitor_line_fault",
    "detection_line_fault": "monitor_line_fault",
}
_COMMAND_WORDS: Final[Mapping[str, str]] = {
    "confirm": "ack",
    "acknowledge": "ack",
    "acknowledgement": "ack",
    "send": "send data",
    "response": "reply",
    "answer": "reply",
    "denial": "deny",
    "nak": "deny",
    "negative": "deny",
}
_UNITS: Final[Mapping[str, str]] = {"°C": "degC", "℃": "degC", "m³/min": "m3/min", "pcs": "", "count": ""}
_COMMENTS: Final = frozenset({"note", "comment", "error", "reason"})


def check_vector(row: Row) -> str | None:
    """Return None where our decoder agrees with the row, else the disagreement."""
    wanted = row.get("expected")
    if not isinstance(wanted, Mapping):
        return "expected: must be an object"
    if not isinstance(row.get("hex"), str):
        return "hex: is missing"
    try:
        raw = from_hex(row["hex"])
    except DriverError as err:
        return str(err)
    try:
        if row.get("kind", "frame") == "adu":
            return next(_adu_faults(adu.parse(raw), wanted), None)
        return next(_frame_faults(raw, wanted), None)
    except (ValueError, TypeError, ArithmeticError, AttributeError) as err:
        return printable(f"{type(err).__name__}: {err}", 200)


def _frame_faults(raw: bytes, wanted: Row) -> Iterator[str]:
    try:
        frame = frames.parse(raw)
    except DriverError as err:
        if wanted.get("valid", True):
            yield f"expected a sound frame: {err}"
        return
    if not wanted.get("valid", True):
        yield "expected a frame to refuse, and it is sound"
        return
    found = {
        "valid": True,
        "serial": frame.serial,
        "version": _version(frame.version),
        "time": _time(frame.time),
        "source": frame.source,
        "dest": frame.dest,
        "command": frame.command,
        "command_name": frames.COMMANDS.get(frame.command, "user-defined"),
        "adu_len": len(frame.adu),
        "checksum": frame.raw[-frames.TAIL],
    }
    yield from _compare(found, {key: wanted[key] for key in wanted if key not in {"adu", *_COMMENTS}})
    inner = wanted.get("adu")
    if isinstance(inner, Mapping):
        yield from (f"adu.{fault}" for fault in _adu_faults(adu.parse(frame.adu), inner))
    elif "adu" in wanted and inner is None and frame.adu:
        yield f"adu: we find {len(frame.adu)} bytes, expected none"


def _adu_faults(found: adu.Adu, wanted: Row) -> Iterator[str]:
    plain = {"type": found.type, "objects": found.count}
    ours = [_item(found.type, item) for item in found.objects]
    items = wanted.get("items")
    yield from _compare(plain, {key: wanted[key] for key in wanted if key not in {"items", *_COMMENTS}})
    if items is None:
        return
    if not isinstance(items, list) or len(items) != len(ours):
        yield f"items: we find {len(ours)}{' (' + found.fault + ')' if found.fault else ''}"
        return
    for place, (have, want) in enumerate(zip(ours, items, strict=True)):
        if not isinstance(want, Mapping):
            yield f"items[{place}]: must be an object"
            return
        yield from (f"items[{place}].{fault}" for fault in _compare(have, want))


def _item(kind: int, item: adu.Object) -> dict[str, Any]:
    """Return an object as a plain mapping, in the words of the vector files."""
    made: dict[str, Any] = {
        name: getattr(item, name)
        for name in (
            "system_type", "system_addr", "component_type", "component_addr", "state", "analog_type", "operation",
            "operator", "text", "records",
        )
        if getattr(item, name) is not None
    }  # fmt: skip
    if item.time is not None:
        made["time"] = _time(item.time)
    if item.version is not None:
        made["version"] = _version(item.version)
    if item.minutes is not None:
        made["minutes"] = made["timeout_min"] = made["timeout"] = item.minutes
    if item.records is not None:
        made["count"] = item.records
    if item.state is not None and kind in BITS_OF_TYPE:
        made["bits"] = bits(item.state, BITS_OF_TYPE[kind])
    if item.analog is not None:
        scale = adu.ANALOGS.get(item.analog_type or 0)
        made["raw"] = item.analog
        made["value"] = adu.analog_value(item)
        made["quantity"] = scale.word if scale else None
        made["unit"] = scale.unit if scale else None
    return made


def _compare(found: Row, wanted: Row) -> Iterator[str]:
    for key, want in wanted.items():
        if key not in found:
            yield f"{printable(str(key), 40)}: is nothing that we decode here"
            continue
        have = found[key]
        rule = _RULES.get(key)
        if not (rule(have, want) if rule else _same(have, want)):
            yield f"{key}: we find {printable(repr(have), 120)}, expected {printable(repr(want), 120)}"


def _same(have: Any, want: Any) -> bool:
    if isinstance(have, bool) or isinstance(want, bool):
        return have is want
    if isinstance(have, int | Decimal) and isinstance(want, int | float | Decimal):
        return Decimal(have) == Decimal(str(want))
    return bool(have == want)


def _same_words(have: Any, want: Any) -> bool:
    return isinstance(want, list) and list(have) == [
        _BIT_WORDS.get(_word(word), _word(word)) for word in want
    ]


def _same_name(have: Any, want: Any) -> bool:
    first = _word(want).replace("_", " ")
    return bool(have == first or have == _COMMAND_WORDS.get(first.split(" ")[0]))


def _same_quantity(have: Any, want: Any) -> bool:
    return bool(have == want or (have is not None and have == _word(want).replace("_", " ")))


def _same_time(have: Any, want: Any) -> bool:
    return bool(have == want or (have and want and datetime.fromisoformat(str(want)).isoformat() == have))


def _word(text: Any) -> str:
    return re.sub(r"[\s-]+", "_", str(text).strip().lower())


_RULES: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "bits": _same_words,
    "command_name": _same_name,
    "quantity": _same_quantity,
    "unit": lambda have, want: have == _UNITS.get(want, want),
    "time": _same_time,
    "source": lambda have, want: str(want).upper() == have,
    "dest": lambda have, want: str(want).upper() == have,
}


def _version(pair: tuple[int, int]) -> str:
    return f"{pair[0]}.{pair[1]}"


def _time(raw: bytes) -> str | None:
    at = frames.label_time(raw)
    return at.isoformat() if at else None
