"""What `at` and `options` of a CJ/T 188 profile may say, as types."""

from typing import Annotated, Any, Final, Literal

import msgspec

from drivers.binding import bind
from drivers.cjt188.frames import ANY_ADDRESS
from drivers.cjt188.layout import CURRENT, Field, Place, layout
from drivers.errors import Misconfigured
from drivers.profile import Strict

Di = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9A-F]{4}$", description="a data identification of four hex digits, for example 901F"
    ),
]
Address = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9A-Fa-f]{1,14}$",
        description="the meter's address as on its nameplate, in quotes: up to 14 digits, maker's code first",
    ),
]
MeterType = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([1-4][0-9A-F]|AA)$",
        description="a meter type in hex and in quotes: 10 cold water, 11 hot water, 20 heat, 30 gas, AA any",
    ),
]
MAX_SIZE: Final = 16
_UNITS_OF: Final = {
    "volume": frozenset({"m³", "L"}),
    "settled_volume": frozenset({"m³", "L"}),
    "flow": frozenset({"m³/h", "L/h"}),
    "power": frozenset({"W", "kW", "MW"}),
    **dict.fromkeys(
        ("energy", "settled_energy", "cooling_energy"),
        frozenset({"Wh", "kWh", "MWh", "J", "kJ", "MJ", "GJ"}),
    ),
    "supply_temperature": frozenset({"°C"}),
    "return_temperature": frozenset({"°C"}),
    "hours": frozenset({"h"}),
    "status": frozenset({""}),
}


class PointAt(Strict, frozen=True, kw_only=True):
    """Where a point lies in a reply: a `field` of the standard's layout, or `offset` and `bytes` of a maker's own.

    `offset` counts from the byte after SER. `unit_at` is the offset of its unit code, where it has one.
    """

    di: Di = CURRENT
    field: Field | None = None
    offset: Annotated[int, msgspec.Meta(ge=0, le=250)] | None = None
    bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_SIZE)] | None = None
    unit_at: Annotated[int, msgspec.Meta(ge=0, le=250)] | None = None
    type: Literal["bcd", "binary"] = "bcd"
    bit: Annotated[int, msgspec.Meta(ge=0, le=63)] | None = None
    mask: Annotated[str, msgspec.Meta(pattern=r"^0x[0-9A-Fa-f]{1,16}$")] | None = None


class ActionAt(Strict, frozen=True, kw_only=True):
    """What a command does: write A017, which opens or closes the meter's valve."""

    valve: Literal["open", "close"]


class Options(Strict, frozen=True, kw_only=True):
    """Protocol options of a profile, a line or a device; the later wins."""

    address: Address | None = None
    type: MeterType = "10"
    di_order: Literal["low", "high"] = "low"
    """Which byte of the data identification is sent first: 1F 90 or 90 1F. Replies may have either."""
    wakeup: Annotated[int, msgspec.Meta(ge=0, le=32)] = 3
    """How many FE are sent before each request."""
    any_ser: bool = False
    """Take a reply with another SER than that of the request: for meters that do not repeat it."""
    unit_first: bool = False
    """The unit code stands before the four digits, not behind."""
    life_safety: bool = False
    """What hangs on the valve must never lose its supply (fire water): its commands are refused."""

    @property
    def meter_type(self) -> int:
        """The meter type that is asked for."""
        return int(self.type, 16)


def bind_point(data: Any, meter_type: int, place: str) -> tuple[PointAt, Place]:
    """Check the address of one point, its parts against each other too; raise `Misconfigured`."""
    at = bind(data, PointAt, place)
    fault = _fault(at, meter_type)
    if fault:
        raise Misconfigured(f"{place}{fault}")
    if at.field is not None:
        return at, layout(at.di, meter_type)[at.field]
    return at, Place(at.offset or 0, at.bytes or 0)


def check_unit(at: PointAt, unit: str) -> str:
    """Return what is wrong with a point's unit, empty where nothing is."""
    known = _UNITS_OF.get(at.field or "", frozenset({unit}))
    if unit in known:
        return ""
    return f"is {unit!r}, and {at.field} has {' or '.join(sorted(known)) or 'none'}"


def full_address(options: Options, unit: int | None) -> str:
    """Return the fourteen digits of a device: its option `address`, or a small number as `unit`."""
    if options.address is not None:
        return options.address.upper().rjust(14, "A" if set(options.address.upper()) == {"A"} else "0")
    if unit is None:
        raise Misconfigured(
            "options.address: is missing: give the meter's address as on its nameplate, in quotes; "
            f"{ANY_ADDRESS!r} where it is the only meter of its line"
        )
    return f"{unit:014d}"


def _fault(at: PointAt, meter_type: int) -> str:
    if (at.field is None) == (at.offset is None):
        return ": give either a field of the standard or offset and bytes"
    if at.field is not None:
        return _fault_of_field(at, meter_type)
    if at.bytes is None:
        return ".bytes: is missing: how long is the value?"
    return _fault_of_bits(at, at.bytes)


def _fault_of_field(at: PointAt, meter_type: int) -> str:
    known = layout(at.di, meter_type)
    if at.field not in known:
        offered = ", ".join(name for name in known if name != "clock") or "none: give offset and bytes"
        return f".field: {at.di} of a meter of type {meter_type:02X} has no {at.field}; it has {offered}"
    if at.bytes is not None or at.unit_at is not None or at.type != "bcd":
        return ".field: a field knows its bytes, its type and where its unit is: leave them out"
    if at.field != "status":
        return ".bit: only the status has bits" if (at.bit, at.mask) != (None, None) else ""
    if (at.bit, at.mask) == (None, None):
        return ".mask: is missing: which bits of the status, for example 0x0003 for the valve"
    return _fault_of_bits(at, 2)


def _fault_of_bits(at: PointAt, size: int) -> str:
    if at.bit is not None and at.mask is not None:
        return ".mask: give a bit or a mask, not both"
    if at.bit is not None and at.bit >= 8 * size:
        return f".bit: the highest bit is {8 * size - 1}"
    if at.mask is not None and not 0 < int(at.mask, 16) < 1 << (8 * size):
        return f".mask: must have a bit set, and none above bit {8 * size - 1}"
    return ""
