"""What a record measures: the tables of VIF and VIFE (EN 13757-3), in our words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.mbus.records import EXTENDED, Record

MAIN, FD, FB, PLAIN = "", "FD", "FB", "text"
_MANUFACTURER: Final = 0x7F
_SECOND_TABLE: Final = 0x7C


@dataclass(frozen=True, slots=True)
class Meaning:
    """A quantity, its unit, and the power of ten that turns the number sent into it."""

    quantity: str
    unit: str = ""
    exp: int = 0
    table: str = MAIN
    code: int = 0
    offset: int | None = None
    """A power of ten of the unit that is added."""
    modifiers: bytes = b""
    """Extensions that change what is measured: two records that differ in them are two values."""
    fault: int = 0
    """What the device says is wrong with this record (a VIFE of 01H to 1CH), 0 for nothing."""


Entry = tuple[str, str, int]


def _powers(first: int, count: int, quantity: str, unit: str, exp: int) -> dict[int, Entry]:
    return {first + step: (quantity, unit, exp + step) for step in range(count)}


def _units(first: int, quantity: str, *units: str) -> dict[int, Entry]:
    return {first + step: (quantity, unit, 0) for step, unit in enumerate(units)}


def _names(first: int, *names: str) -> dict[int, Entry]:
    return {first + step: (name, "", 0) for step, name in enumerate(names)}


_TIMES: Final = ("s", "min", "h", "d")
_MAIN: Final[Mapping[int, Entry]] = {
    **_powers(0x00, 8, "energy", "Wh", -3),
    **_powers(0x08, 8, "energy", "J", 0),
    **_powers(0x10, 8, "volume", "m³", -6),
    **_powers(0x18, 8, "mass", "kg", -3),
    **_units(0x20, "on_time", *_TIMES),
    **_units(0x24, "operating_time", *_TIMES),
    **_powers(0x28, 8, "power", "W", -3),
    **_powers(0x30, 8, "power", "J/h", 0),
    **_powers(0x38, 8, "volume_flow", "m³/h", -6),
    **_powers(0x40, 8, "volume_flow", "m³/min", -7),
    **_powers(0x48, 8, "volume_flow", "m³/s", -9),
    **_powers(0x50, 8, "mass_flow", "kg/h", -3),
    **_powers(0x58, 4, "flow_temperature", "°C", -3),
    **_powers(0x5C, 4, "return_temperature", "°C", -3),
    **_powers(0x60, 4, "temperature_difference", "K", -3),
    **_powers(0x64, 4, "external_temperature", "°C", -3),
    **_powers(0x68, 4, "pressure", "bar", -3),
    **_names(0x6C, "date", "date_time", "heat_cost", "reserved"),
    **_units(0x70, "averaging_duration", *_TIMES),
    **_units(0x74, "actuality_duration", *_TIMES),
    **_names(0x78, "fabrication_number", "identification", "bus_address"),
    0x7E: ("any", "", 0),
    0x7F: ("manufacturer", "", 0),
}
_FD: Final[Mapping[int, Entry]] = {
    **_powers(0x00, 4, "credit", "currency", -3),
    **_powers(0x04, 4, "debit", "currency", -3),
    **_names(
        0x08, "access_number", "medium", "manufacturer_code", "parameter_set", "model", "hardware_version"
    ),
    **_names(0x0E, "firmware_version", "software_version", "customer_location", "customer"),
    **_names(0x12, "user_code", "operator_code", "system_operator_code", "developer_code", "password"),
    **_names(0x17, "error_flags", "error_mask", "security_key", "digital_output", "digital_input"),
    0x1C: ("baud_rate", "Bd", 0),
    0x1D: ("response_delay", "bit times", 0),
    **_names(
        0x1E, "retry", "remote_control", "first_storage", "last_storage", "storage_size", "tariff_descriptor"
    ),
    **_units(0x24, "storage_interval", *_TIMES, "month", "year"),
    **_names(0x2A, "operator_data", "second"),
    **_units(0x2C, "since_readout", *_TIMES),
    0x30: ("tariff_start", "", 0),
    **_units(0x31, "tariff_duration", *_TIMES[1:]),
    **_units(0x34, "tariff_period", *_TIMES, "month", "year"),
    0x3A: ("dimensionless", "", 0),
    0x3B: ("container", "", 0),
    **_units(0x3C, "transmission_period", *_TIMES),
    **_powers(0x40, 16, "voltage", "V", -9),
    **_powers(0x50, 16, "current", "A", -12),
    **_names(0x60, "reset_counter", "cumulation_counter", "control_signal", "day_of_week", "week_number"),
    **_names(0x65, "day_change", "parameter_activation", "supplier_information"),
    **_units(0x68, "since_cumulation", "h", "d", "month", "year"),
    **_units(0x6C, "battery_time", "h", "d", "month", "year"),
    0x70: ("battery_change", "", 0),
    0x71: ("signal_level", "dBm", 0),
    **_names(0x72, "summer_time", "listening_window"),
    0x74: ("battery_left", "d", 0),
    **_names(0x75, "stops", "manufacturer_container"),
}
_FB: Final[Mapping[int, Entry]] = {
    **_powers(0x00, 2, "energy", "Wh", 5),
    **_powers(0x02, 2, "reactive_energy", "varh", 3),
    **_powers(0x04, 2, "apparent_energy", "VAh", 3),
    **_powers(0x08, 2, "energy", "J", 8),
    **_powers(0x0C, 4, "energy", "cal", 5),
    **_powers(0x10, 2, "volume", "m³", 2),
    **_powers(0x14, 4, "reactive_power", "var", 0),
    **_powers(0x18, 2, "mass", "kg", 5),
    **_powers(0x1A, 2, "relative_humidity", "%", -1),
    0x20: ("volume", "ft³", 0),
    0x21: ("volume", "ft³", -1),
    **_powers(0x22, 2, "volume", "gal", -1),
    0x24: ("volume_flow", "gal/min", -3),
    0x25: ("volume_flow", "gal/min", 0),
    0x26: ("volume_flow", "gal/h", 0),
    **_powers(0x28, 2, "power", "W", 5),
    0x2A: ("phase_voltages", "°", -1),
    0x2B: ("phase_current", "°", -1),
    **_powers(0x2C, 4, "frequency", "Hz", -3),
    **_powers(0x30, 2, "power", "J/h", 8),
    **_powers(0x34, 4, "apparent_power", "VA", 0),
    **_powers(0x58, 4, "flow_temperature", "°F", -3),
    **_powers(0x5C, 4, "return_temperature", "°F", -3),
    **_powers(0x60, 4, "temperature_difference", "°F", -3),
    **_powers(0x64, 4, "external_temperature", "°F", -3),
    **_powers(0x70, 4, "temperature_limit", "°F", -3),
    **_powers(0x74, 4, "temperature_limit", "°C", -3),
    **_powers(0x78, 8, "cumulated_power", "W", -3),
}
_RESERVED: Final[Entry] = ("reserved", "", 0)

QUANTITIES: Final = frozenset(
    entry[0] for table in (_MAIN, _FD, _FB) for entry in table.values() if entry[0] != "reserved"
)
UNITS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(
        unit for table in (_MAIN, _FD, _FB) for quantity, unit, _ in table.values() if quantity == name
    )
    for name in QUANTITIES
}
"""The units in which a device may give a quantity."""


def meaning_of(record: Record) -> Meaning:
    """Look a record's VIF and its extensions up; what no table knows is `reserved`."""
    codes = bytes(code & ~EXTENDED for code in record.vif)
    table, entries, first = MAIN, _MAIN, codes[0]
    rest = codes[1:]
    if record.vif[0] in {0xFD, 0xFB} and rest:
        table, entries = (FD, _FD) if record.vif[0] == 0xFD else (FB, _FB)
        first, rest = rest[0], rest[1:]
    if table == MAIN and first == 0x7C:
        found, table = ("text", record.unit_text, 0), PLAIN
    else:
        found = entries.get(first, _RESERVED)
    made = Meaning(*found, table=table, code=first)
    return made if not rest else _extended(made, rest)


# EN 13757-3:2013, clause 8: of the codes below 20H only these are errors of a record.
_ERRORS: Final = frozenset({*range(0x01, 0x08), *range(0x0B, 0x10), *range(0x15, 0x19), 0x1C})
_AS_IT_IS: Final = frozenset({0x00, 0x1D})
"""No error; as the standard has it. An average, a deviation, a profile (12H to 14H, 1EH, 1FH) is another value."""


def _extended(made: Meaning, codes: bytes) -> Meaning:
    exp, offset, fault, others = made.exp, made.offset, 0, bytearray()
    # After a manufacturer's VIF, or VIFE, all codes are the manufacturer's.
    own = made.quantity == "manufacturer"
    second = False  # the code is one of the second table of extensions
    for code in codes:
        if own or second:
            others.append(code)
            second = False
        elif 0x70 <= code <= 0x77:
            exp += code - 0x76
        elif code == 0x7D:
            exp += 3
        elif 0x78 <= code <= 0x7B:
            offset = code - 0x7B
        elif code in _ERRORS:
            fault = code
        elif code not in _AS_IT_IS:
            others.append(code)
            own, second = code == _MANUFACTURER, code == _SECOND_TABLE
    return Meaning(made.quantity, made.unit, exp, made.table, made.code, offset, bytes(others), fault)
