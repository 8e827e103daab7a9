"""Application data units of GB/T 26875.3-2011: type, number of objects, objects of one layout in a row.

Makers shorten and lengthen objects. What does not fit the standard's layout stays bytes: it is never guessed at.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

TEXT_BYTES: Final = 31
VARIABLE: Final = -1


@dataclass(frozen=True, slots=True)
class Object:
    """One information object; what its type does not hold is None. `time` is the label's six bytes."""

    system_type: int | None = None
    system_addr: int | None = None
    component_type: int | None = None
    component_addr: int | None = None
    state: int | None = None
    analog_type: int | None = None
    analog: int | None = None
    operation: int | None = None
    operator: int | None = None
    version: tuple[int, int] | None = None
    text: str | None = None
    records: int | None = None
    minutes: int | None = None
    time: bytes | None = None
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Adu:
    """One application data unit; `fault` says why `objects` is empty although there should be some."""

    type: int
    count: int
    objects: tuple[Object, ...]
    raw: bytes
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Analog:
    """One kind of analog value: the English and Chinese word, the unit, the power of ten."""

    word: str
    label_zh: str
    unit: str
    exp: int


ANALOGS: Final[Mapping[int, Analog]] = {
    1: Analog("event count", "事件计数", "", 0),
    2: Analog("height", "高度", "m", -2),
    3: Analog("temperature", "温度", "degC", -1),
    4: Analog("pressure", "压力", "MPa", -1),
    5: Analog("pressure", "压力", "kPa", -1),
    6: Analog("gas concentration", "气体浓度", "%LEL", -1),
    7: Analog("time", "时间", "s", 0),
    8: Analog("voltage", "电压", "V", -1),
    9: Analog("current", "电流", "A", -1),
    10: Analog("flow", "流量", "L/s", -1),
    11: Analog("air volume", "风量", "m3/min", -1),
    12: Analog("wind speed", "风速", "m/s", 0),
}


def analog_value(item: Object) -> Decimal | None:
    """Return the scaled value of an analog object; None where its type is not the standard's."""
    kind = ANALOGS.get(item.analog_type or 0)
    return None if kind is None or item.analog is None else Decimal(item.analog).scaleb(kind.exp)


def text_of(raw: bytes) -> str:
    """Decode the panel's text up to its first NUL; what no GB18030 character is becomes U+FFFD."""
    return raw.partition(b"\0")[0].decode("gb18030", "replace").strip()


_SYSTEM: Final = ("system_type", "system_addr")
_COMPONENT: Final = (*_SYSTEM, "component_type", "component_addr")
_LAYOUTS: Final[Mapping[int, tuple[str, ...]]] = {
    1: (*_SYSTEM, "state", "time"),
    2: (*_COMPONENT, "state", "text", "time"),
    3: (*_COMPONENT, "analog_type", "analog", "time"),
    4: (*_SYSTEM, "operation", "operator", "time"),
    5: (*_SYSTEM, "version"),
    6: (*_SYSTEM, "long_text"),
    7: (*_COMPONENT, "text"),
    8: (*_SYSTEM, "time"),
    21: ("state1", "time"),
    24: ("operation", "operator", "time"),
    25: ("version",),
    26: ("long_text",),
    28: ("time",),
    61: _SYSTEM,
    62: _COMPONENT,
    63: _COMPONENT,
    64: (*_SYSTEM, "records", "time"),
    65: _SYSTEM,
    66: _SYSTEM,
    67: _COMPONENT,
    68: _SYSTEM,
    81: ("spare",),
    84: ("records", "time"),
    85: ("spare",),
    86: ("spare",),
    88: ("spare",),
    89: ("spare",),
    90: ("time",),
    91: ("minutes",),
}
_SIZES: Final[Mapping[str, int]] = {
    "component_addr": 4,
    "state": 2,
    "analog": 2,
    "version": 2,
    "text": TEXT_BYTES,
    "long_text": VARIABLE,
    "time": 6,
}
_READ: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "version": lambda raw: (raw[0], raw[1]),
    "analog": lambda raw: int.from_bytes(raw, "little", signed=True),
    "text": text_of,
    "time": bytes,
}

TYPES: Final[Mapping[int, tuple[str, str]]] = {
    1: ("system state", "系统状态"),
    2: ("component state", "部件运行状态"),
    3: ("component analog value", "部件模拟量值"),
    4: ("operation", "操作信息"),
    5: ("software version", "软件版本"),
    6: ("system configuration", "系统配置"),
    7: ("component configuration", "部件配置"),
    8: ("system time", "系统时间"),
    21: ("device state", "用传运行状态"),
    24: ("device operation", "用传操作信息"),
    25: ("device version", "用传软件版本"),
    26: ("device configuration", "用传配置"),
    28: ("device time", "用传系统时间"),
    61: ("read system state", "读系统状态"),
    62: ("read component state", "读部件运行状态"),
    63: ("read component analog value", "读部件模拟量值"),
    64: ("read operations", "读操作信息"),
    65: ("read software version", "读软件版本"),
    66: ("read system configuration", "读系统配置"),
    67: ("read component configuration", "读部件配置"),
    68: ("read system time", "读系统时间"),
    81: ("read device state", "读用传运行状态"),
    84: ("read device operations", "读用传操作信息记录"),
    85: ("read device version", "读用传软件版本"),
    86: ("read device configuration", "读用传配置"),
    88: ("read device time", "读用传系统时间"),
    89: ("initialise device", "初始化用传"),
    90: ("set device clock", "同步用传时钟"),
    91: ("roll-call", "查岗"),
}


def type_name(number: int) -> str:
    """Return the standard's word for a type of data unit."""
    if number in TYPES:
        return f"{TYPES[number][0]} ({TYPES[number][1]})"
    return "user-defined (用户自定义)" if 128 <= number <= 254 else "reserved (预留)"


def parse(raw: bytes, no_time: Collection[int] = ()) -> Adu:
    """Read a data unit; never raises: what does not fit its layout has no objects and a `fault`.

    `no_time` are types whose objects this maker sends without their time label.
    """
    if len(raw) < 2:
        return Adu(raw[0] if raw else 0, 0, (), raw, "too short for a type and a number of objects")
    kind, count, body = raw[0], raw[1], raw[2:]
    layout = _LAYOUTS.get(kind)
    if layout is None:
        return Adu(kind, count, (), raw, "a type without a layout in the standard")
    if kind in no_time and layout[-1] == "time":
        layout = layout[:-1]
    objects: list[Object] = []
    place = 0
    for _ in range(count):
        made, place = _object(layout, body, place)
        if made is None:
            return Adu(kind, count, (), raw, "truncated: the objects do not fit the standard's layout")
        objects.append(made)
    if place != len(body):
        return Adu(kind, count, (), raw, "the objects do not fit the standard's layout: bytes are left over")
    return Adu(kind, count, tuple(item for item in objects if item != Object(raw=item.raw)), raw)


def _object(layout: tuple[str, ...], body: bytes, place: int) -> tuple[Object | None, int]:
    fields: dict[str, Any] = {}
    begin = place
    for name in layout:
        size = _SIZES.get(name, 1)
        if size == VARIABLE:
            if place >= len(body):
                return None, place
            size, place = body[place], place + 1
        part = body[place : place + size]
        if len(part) != size:
            return None, place
        place += size
        if name == "spare":
            continue
        target = {"long_text": "text", "state1": "state"}.get(name, name)
        fields[target] = _READ.get(target, _unsigned)(part)
    return Object(**fields, raw=body[begin:place]), place


def _unsigned(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
