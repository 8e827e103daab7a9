"""Lines of a vector file against this driver: frames, register maps, and replies with what they must decode to."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from drivers.api import DeviceDriver, Transaction
from drivers.errors import DriverError, Misconfigured
from drivers.modbus import frames, pdu
from drivers.modbus.address import PointAt, bind_point
from drivers.modbus.plan import Block
from drivers.modbus.rtu import RtuReader
from drivers.modbus.vector_frames import check_frame
from drivers.profile import Point, Profile
from drivers.profiles_store import load_library
from messages.text import printable
from messages.types import Value

Row = Mapping[str, Any]
Bind = Callable[[Profile, int | None, Mapping[str, Any]], DeviceDriver]

_TABLES: Final = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_TYPES: Final = {
    "u16": "uint16",
    "s16": "int16",
    "u32": "uint32",
    "s32": "int32",
    "u64": "uint64",
    "s64": "int64",
    "float": "float32",
    "double": "float64",
}
_ORDERS: Final = {
    ("big", "big"): "big",
    ("little", "big"): "little",
    ("big", "little"): "big-swapped",
    ("little", "little"): "little-swapped",
}
_MAX_EXP: Final = 12
# The words of the register maps, in the terms of our points.
_TERMS: Final = {
    "Voltage": "voltage",
    "Current": "current",
    "Power": "active_power",
    "ApparentPower": "apparent_power",
    "ReactivePower": "reactive_power",
    "Cosphi": "power_factor",
    "PhaseAngle": "phase_angle",
    "Frequency": "frequency",
    "Import": "active_energy_import",
    "Export": "active_energy_export",
    "Sum": "active_energy_total",
    "ReactiveImport": "reactive_energy_import",
    "ReactiveExport": "reactive_energy_export",
    "ReactiveSum": "reactive_energy_total",
    "THD": "voltage_thd",
}


def check_vector(row: Row, maps: Sequence[Row], device: Bind) -> str | None:
    """Return None where our decoder agrees with the row, else the disagreement."""
    try:
        if not isinstance(row.get("expected", {}), Mapping):
            return "expected: must be an object"
        if row.get("protocol") == "modbus-decode":
            return next(_decode_faults(row, maps, device), None)
        if "hex" in row:
            return check_frame(row, _bytes(row, "hex"))
        if row.get("kind") == "register" or "address" in row:
            return _check_map(row)
    except (DriverError, ValueError, TypeError, KeyError, ArithmeticError) as err:
        return printable(f"{type(err).__name__}: {err}", 400)
    return "neither a frame (`hex`), nor a register (`address`), nor a decode row"


def point_id(name: str) -> str:
    """Return our point's id for a register map's name: `VoltageL1` is `voltage_l1`, `Import` is the import register."""
    phase = name[-2:] if name[-2:] in {"L1", "L2", "L3"} else ""
    term = _TERMS.get(name.removesuffix(phase), "")
    return "_".join(part for part in (term, phase.lower()) if part) if term else ""


def point_of(row: Row) -> Point:
    """Turn one line of a register map into a point; raise `Misconfigured` for one that cannot be read so."""
    function = row.get("function", 3)
    if not isinstance(function, int) or function not in _TABLES:
        raise Misconfigured(f"function: {printable(str(function), 40)} reads nothing; 1 to 4 do")
    at: dict[str, Any] = {"table": _TABLES[function], "address": row["address"]}
    if function in {3, 4}:
        at["type"] = _type_of(row)
        at["order"] = _order_of(row)
        at.update({key: row[key] for key in ("bit", "mask") if row.get(key) is not None})
    absent = row.get("not_available", ())
    missing = (absent,) if isinstance(absent, str) else tuple(str(code) for code in absent or ())
    return Point(label=str(row.get("name", "value")), at=at, exp=_exponent(row), missing=missing)


def _type_of(row: Row) -> str:
    words, name = row.get("words"), str(row.get("type", "")).lower()
    if name == "bcd":
        name = f"bcd{16 * int(words or 1)}"
    return _TYPES.get(name, name)


def _order_of(row: Row) -> str:
    word = str(row.get("word_order") or "big")
    return _ORDERS.get((word, str(row.get("byte_order") or "big")), word)


def _exponent(row: Row) -> int:
    scale = row.get("scale", 1)
    exp = scale.adjusted() if isinstance(scale, Decimal) else len(str(scale)) - 1
    if not isinstance(scale, int | Decimal) or abs(exp) > _MAX_EXP or scale != Decimal(1).scaleb(exp):
        raise Misconfigured(f"scale: {printable(str(scale), 40)} is no power of ten")
    return exp


def _check_map(row: Row) -> str | None:
    point = point_of(row)
    at = bind_point(point.at, "at")
    words = row.get("words")
    if words is not None and words != at.words:
        return f"words: {words}, and a {at.kind} has {at.words}"
    spelt = row.get("address_hex")
    if spelt is not None and int(spelt, 16) != at.address:
        return f"address_hex: {spelt} is not address {at.address}"
    wrong = [pattern for pattern in point.missing if len(bytes.fromhex(pattern)) != 2 * at.words]
    return f"not_available: {wrong[0]} is not of {at.words} words" if wrong else None


def _decode_faults(row: Row, maps: Sequence[Row], device: Bind) -> Iterator[str]:
    point, unit = _point_for(row, maps)
    made = device(_profile(point), 1, {"framing": "rtu", "max_registers": pdu.MAX_READ_REGISTERS})
    at = bind_point(point.at, "at")
    expected = row["expected"]
    if unit and expected.get("unit") not in {None, unit}:
        yield f"the unit is {expected['unit']} here and {unit} in the map"
    transaction = made.plan(["value"])[0]
    if row.get("registers_hex") is not None:
        raw = _bytes(row, "registers_hex")
        reply = bytes((transaction.block.function, len(raw))) + raw
        yield from _value_fault("registers", made.decode(transaction, reply)["value"].value, expected)
    if row.get("response_rtu") is not None:
        yield from _reply_faults(row, made, at, transaction.block)


def _reply_faults(row: Row, made: DeviceDriver, at: PointAt, own: Block) -> Iterator[str]:
    station, request = frames.request_of(_bytes(row, "request_rtu"))
    block = Block(
        request[0], int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big"), at.table
    )
    if block.function != own.function or not block.holds(at):
        yield f"the request asks for {block}, and the map has the value at {own}"
        return
    reply = RtuReader(station, request).feed(_bytes(row, "response_rtu"))
    if reply is None:
        yield "the response is not the whole and sound answer to the request"
        return
    reading = made.decode(Transaction(("value",), block), reply)["value"]
    yield from _value_fault("response", reading.value, row["expected"])


def _bytes(row: Row, key: str) -> bytes:
    text = row[key]
    if not isinstance(text, str):
        raise Misconfigured(f"{key}: must be hex in quotes")
    return frames.from_hex(text)


def _value_fault(what: str, value: Value, expected: Row) -> Iterator[str]:
    wanted = expected["value"]
    if wanted is None or value is None or isinstance(wanted, bool) or isinstance(value, bool):
        right = wanted is value
    else:
        right = abs(value - Decimal(wanted)) <= Decimal(expected.get("tolerance", 0))
    if not right:
        yield f"the {what} decode to {value}, expected {wanted}"


def _point_for(row: Row, maps: Sequence[Row]) -> tuple[Point, str]:
    model, name = row.get("model"), row.get("name")
    for line in maps:
        if line.get("model") == model and line.get("name") == name and "address" in line:
            return point_of(line), str(line.get("unit") or "")
    point = _shipped().get(str(model), {}).get(point_id(str(name)))
    if point is None:
        raise Misconfigured(
            f"no map has {printable(str(name), 60)!r} of {printable(str(model), 60)!r}: give the map with --maps"
        )
    return point, point.unit


@functools.cache
def _shipped() -> Mapping[str, Mapping[str, Point]]:
    library = load_library()
    return {f"{found.vendor} {found.model}": found.points for found in library.values()}


def _profile(point: Point) -> Profile:
    return Profile(
        profile="vector",
        vendor="-",
        model="-",
        device_class="io",
        protocol="modbus",
        points={"value": point},
        examples=(),
        source=("-",),
    )
