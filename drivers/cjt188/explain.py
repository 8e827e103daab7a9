"""A captured frame in the standard's words."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from drivers.cjt188 import frames
from drivers.cjt188.frames import Frame
from drivers.cjt188.layout import NAMES, VALVE, by_length
from drivers.cjt188.values import BATTERY_LOW, VALVE_MASK, VALVES, digits, instant, kind_of, quantity
from drivers.exact import in_digits, scaled

_WORDS: Final = {
    0x01: "read data",
    0x03: "read address",
    0x04: "write data",
    0x09: "read key version",
    0x15: "write address",
    0x16: "write register",
}
_COMMANDS: Final = {0x55: "open", 0x99: "close"}
_HUNDREDTH: Final = -2
_FLOW: Final = -4  # XXXX.XXXX in the table of formats; not every maker keeps to it


def standard_di(on_wire: str) -> str:
    """Return a data identification as the tables write it, whichever byte came first."""
    turned = frames.swapped(on_wire)
    return turned if turned in NAMES and on_wire not in NAMES else on_wire


def fields(frame: Frame) -> Mapping[str, Any]:
    """Return all that a frame says besides its head, by name; a value that is none is None."""
    di, body = standard_di(frame.di_on_wire), frame.body
    if not frame.from_meter:
        writes = di == VALVE and frame.control == frames.WRITE and body
        return {"command": _COMMANDS.get(body[0], "unknown")} if writes else {}
    if frame.control & ~frames.ABNORMAL == frames.READ_ADDRESS | frames.FROM_METER:
        return {} if frame.abnormal else {"read_address": frame.address}
    if len(body) == 2 and (frame.abnormal or frame.control & ~frames.FROM_METER == frames.WRITE):
        return _status(body)
    found: dict[str, Any] = {}
    for name, place in by_length(di, len(body)).items():
        found |= _field(name, body[place.offset : place.offset + place.size + place.unit])
    return found if found or not body else {"body": body.hex().upper()}


def explain(raw: bytes) -> str:
    """Describe one captured frame; raise `FrameDamaged`."""
    frame = frames.parse(raw)
    word = _WORDS.get(frame.control & 0x3F, "function of a manufacturer")
    side = ("abnormal reply" if frame.abnormal else "reply") if frame.from_meter else "request"
    meter = f"{kind_of(frame.meter_type)} ({frame.meter_type:02X}) {frame.address}"
    head = f"CJ/T 188, checksum right, {frame.wakeup} × FE"
    lines = [f"{head} · {meter} · {frame.control:02X} {word}, {side}"]
    if frame.di_on_wire:
        di = standard_di(frame.di_on_wire)
        known = NAMES.get(di, "data of a manufacturer")
        lines.append(f"  data identification {di} {known}, on the wire {frame.di_on_wire}")
    if frame.ser is not None:
        lines.append(f"  SER: {frame.ser}")
    lines += [f"  {name}: {_said(value)}" for name, value in fields(frame).items()]
    return "\n".join(lines)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return in_digits(value)
    return "no value" if value is None else str(value)


def _field(name: str, raw: bytes) -> dict[str, Any]:
    if name == "clock":
        at = instant(raw)
        return {"time": at.isoformat() if at else None}
    if name == "status":
        return _status(raw)
    if len(raw) == 3:
        count = digits(raw)
        exp = 0 if name == "hours" else _HUNDREDTH
        return {name: None if count is None else scaled(Decimal(count), exp)}
    seen = quantity(raw)
    value = seen.value(_FLOW if name == "flow" else _HUNDREDTH)
    return {name: value, f"{name}_unit": seen.unit or None, f"{name}_digits": seen.digits}


def _status(raw: bytes) -> dict[str, Any]:
    return {
        "status": raw.hex().upper(),
        "valve": VALVES.get(raw[0] & VALVE_MASK, "unknown"),
        "battery_low": bool(raw[0] & BATTERY_LOW),
    }
