"""From the unit of a device to the unit of a point: by powers of ten only, so that nothing is rounded."""

from collections.abc import Mapping
from typing import Final

_PREFIXES: Final[Mapping[str, int]] = {"k": 3, "M": 6, "G": 9}


def _scaled(unit: str, prefixes: str = "kMG") -> dict[str, tuple[str, int]]:
    return {unit: (unit, 0), **{prefix + unit: (unit, _PREFIXES[prefix]) for prefix in prefixes}}


_KNOWN: Final[Mapping[str, tuple[str, int]]] = {
    **_scaled("Wh"),
    **_scaled("J"),
    **_scaled("cal"),
    **_scaled("varh"),
    **_scaled("VAh"),
    **_scaled("W"),
    **_scaled("J/h"),
    **_scaled("var", "kM"),
    **_scaled("VA", "kM"),
    **_scaled("V", "k"),
    "mV": ("V", -3),
    **_scaled("A", "k"),
    "mA": ("A", -3),
    "m³": ("m³", 0),
    "L": ("m³", -3),
    "l": ("m³", -3),
    "m³/h": ("m³/h", 0),
    "L/h": ("m³/h", -3),
    "l/h": ("m³/h", -3),
    "m³/min": ("m³/min", 0),
    "L/min": ("m³/min", -3),
    "l/min": ("m³/min", -3),
    "m³/s": ("m³/s", 0),
    "L/s": ("m³/s", -3),
    "l/s": ("m³/s", -3),
    "kg": ("kg", 0),
    "t": ("kg", 3),
    "kg/h": ("kg/h", 0),
    "t/h": ("kg/h", 3),
    "bar": ("bar", 0),
    "mbar": ("bar", -3),
    "hPa": ("bar", -3),
    "kPa": ("bar", -2),
    "MPa": ("bar", 1),
    "Pa": ("bar", -5),
}


def base(unit: str) -> tuple[str, int]:
    """Return the unit that a unit is a power of ten of, and that power; itself where no other is known."""
    return _KNOWN.get(unit, (unit, 0))


def shift(given: str, wanted: str) -> int | None:
    """Return the power of ten that turns numbers in `given` into numbers in `wanted`; None where there is none."""
    one, other = base(given), base(wanted)
    return one[1] - other[1] if one[0] == other[0] else None
