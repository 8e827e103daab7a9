"""The names by which libmbus calls media, quantities and units: for vectors and for engineers who know them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from drivers.mbus.meaning import FB, FD, MAIN, PLAIN
from drivers.mbus.telegram import Item

MEDIA: Final[Mapping[int, str]] = {
    0x00: "Other",
    0x01: "Oil",
    0x02: "Electricity",
    0x03: "Gas",
    0x04: "Heat: Outlet",
    0x05: "Steam",
    0x06: "Warm water (30-90°C)",
    0x07: "Water",
    0x08: "Heat Cost Allocator",
    0x09: "Compressed Air",
    0x0A: "Cooling load meter: Outlet",
    0x0B: "Cooling load meter: Inlet",
    0x0C: "Heat: Inlet",
    0x0D: "Heat / Cooling load meter",
    0x0E: "Bus/System",
    0x0F: "Unknown Medium",
    0x10: "Irrigation Water",
    0x11: "Water Logger",
    0x12: "Gas Logger",
    0x13: "Gas Converter",
    0x14: "Calorific value",
    0x15: "Hot water (>90°C)",
    0x16: "Cold water",
    0x17: "Dual water",
    0x18: "Pressure",
    0x19: "A/D Converter",
    0x1A: "Smoke Detector",
    0x1B: "Ambient Sensor",
    0x1C: "Gas Detector",
    0x20: "Breaker: Electricity",
    0x21: "Valve: Gas or Water",
    0x25: "Customer Unit: Display Device",
    0x28: "Waste Water",
    0x29: "Garbage",
    0x30: "Service Unit",
    0x36: "Radio Converter: System",
    0x37: "Radio Converter: Meter",
}
_RESERVED_MEDIA: Final = frozenset(range(0x22, 0x40)) - MEDIA.keys() - {0x35}
FIXED_MEDIA: Final = (
    "Other",
    "Oil",
    "Electricity",
    "Gas",
    "Heat",
    "Steam",
    "Hot Water",
    "Water",
    "H.C.A.",
    "Reserved",
    "Gas Mode 2",
    "Heat Mode 2",
    "Hot Water Mode 2",
    "Water Mode 2",
    "H.C.A. Mode 2",
    "Reserved",
)
FUNCTIONS: Final = {
    "inst": "Instantaneous value",
    "max": "Maximum value",
    "min": "Minimum value",
    "error": "Value during error state",
}
# Two characters of an acute accent stand in the place of an apostrophe there.
ERRORS: Final = (
    "Unspecified error",
    "Unimplemented CI-Field",
    "Buffer too long, truncated",
    "Too many records",
    "Premature end of record",
    "More than 10 DIFE´s",
    "More than 10 VIFE´s",
    "Reserved",
    "Application busy",
    "Too many readouts",
)

_QUANTITIES: Final[Mapping[str, str]] = {
    "date": "Time point (date)",
    "date_time": "Time point (date & time)",
    "heat_cost": "H.C.A.",
    "averaging_duration": "Averaging Duration",
    "actuality_duration": "Actuality Duration",
    "fabrication_number": "Fabrication No",
    "identification": "(Enhanced) Identification",
    "bus_address": "Bus Address",
    "any": "Any VIF",
    "manufacturer": "Manufacturer specific",
    "access_number": "Access Number (transmission count)",
    "manufacturer_code": "Manufacturer",
    "parameter_set": "Parameter set identification",
    "model": "Model / Version",
    "user_code": "Access Code User",
    "operator_code": "Access Code Operator",
    "system_operator_code": "Access Code System Operator",
    "developer_code": "Access Code Developer",
    "digital_output": "Digital Output",
    "digital_input": "Digital Input",
    "baud_rate": "Baudrate",
    "response_delay": "Response delay time",
    "first_storage": "First storage # for cyclic storage",
    "last_storage": "Last storage # for cyclic storage",
    "storage_size": "Size of storage block",
    "since_readout": "Duration since last readout",
    "tariff_duration": "Duration of tariff",
    "tariff_period": "Period of tariff",
    "day_of_week": "Day of week",
    "day_change": "Time point of day change",
    "parameter_activation": "State of parameter activation",
    "supplier_information": "Special supplier information",
    "since_cumulation": "Duration since last cumulation",
    "battery_time": "Operating time battery",
    "battery_change": "Date and time of battery change",
    "temperature_limit": "Cold / Warm Temperature Limit",
    "cumulated_power": "Cumul count max power",
}
_UNITS: Final[Mapping[str, str]] = {
    "m³": "m^3",
    "m³/h": "m^3/h",
    "m³/min": "m^3/min",
    "m³/s": "m^3/s",
    "ft³": "feet^3",
    "gal": "American gallon",
    "gal/min": "American gallon/min",
    "gal/h": "American gallon/h",
    "currency": "Currency units",
    "Bd": "Baud",
    "bit times": "Bittimes",
}
_SECONDS: Final[Mapping[str, Decimal]] = {
    "s": Decimal(1),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
    "month": Decimal("2629743.83"),
    "year": Decimal(31556926),
}


def _thousands(*units: str) -> Iterator[str]:
    return (step + unit for unit in units for step in ("", "10 ", "100 "))


# Codes that newer issues of the standard have given out since.
_NEWER: Final[Mapping[str, frozenset[int]]] = {
    FD: frozenset((0x19, 0x1F, 0x23, 0x2A, 0x2B, 0x30, *range(0x3B, 0x40), *range(0x71, 0x80))),
    FB: frozenset((*range(0x02, 0x08), *range(0x0A, 0x10), *range(0x12, 0x18), *range(0x1A, 0x21)))
    | frozenset((*range(0x2A, 0x30), *range(0x32, 0x58))),
    MAIN: frozenset((0x6F,)),
}
_FIXED_UNITS: Final = (
    "h,m,s",
    "D,M,Y",
    *_thousands("Wh", "kWh", "MWh"),
    *_thousands("kJ", "MJ", "GJ"),
    *_thousands("W", "kW", "MW"),
    *_thousands("kJ/h", "MJ/h", "GJ/h"),
    *_thousands("ml", "l", "m^3"),
    *_thousands("ml/h", "l/h", "m^3/h"),
    "1e-3 °C",
    "units for HCA",
    *["reserved"] * 4,
    "reserved but historic",
    "without units",
)


def medium(code: int) -> str:
    """Return the name of a medium (device type)."""
    if code in _RESERVED_MEDIA:
        return "Reserved"
    return MEDIA.get(code, f"Unknown medium (0x{code:02x})")


def fixed_unit(code: int) -> str:
    """Return the name of a unit of fixed data."""
    return _FIXED_UNITS[code & 0x3F]


def quantity(item: Item) -> str:
    """Return the name of what a record measures."""
    meaning = item.meaning
    if meaning.table == PLAIN:
        return meaning.unit
    if _newer(item):
        return "Reserved"
    name = meaning.quantity
    return _QUANTITIES.get(name, name[:1].upper() + name[1:].replace("_", " "))


def unit(item: Item) -> str:
    """Return the name of a record's unit, empty for none."""
    meaning = item.meaning
    if meaning.table == PLAIN or meaning.quantity in {"date", "date_time"}:
        return "-"
    if _newer(item) or meaning.quantity == "reserved":
        return "Reserved"
    if meaning.quantity == "heat_cost":
        return "Units for H.C.A."
    return "s" if meaning.unit in _SECONDS else _UNITS.get(meaning.unit, meaning.unit)


def factor(item: Item) -> Decimal:
    """Return by what the unit of `unit` is smaller than ours."""
    return _SECONDS.get(item.meaning.unit, Decimal(1)) if item.meaning.table != PLAIN else Decimal(1)


def reserved(item: Item) -> bool:
    """Whether the code had no meaning when these names were made."""
    return _newer(item)


def _newer(item: Item) -> bool:
    return item.meaning.code in _NEWER.get(item.meaning.table, frozenset())
