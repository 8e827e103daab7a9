"""Where the values of the standard's replies lie, counted from the byte after SER (CJ/T 188-2004, clause 7.6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

CURRENT: Final = "901F"
VALVE: Final = "A017"
ADDRESS: Final = "810A"
HISTORY: Final = tuple(f"D1{0x20 + month:02X}" for month in range(12))
"""The totals at the last settlement date, at the one before, … twelve of them."""

Field = Literal[
    "volume",
    "settled_volume",
    "energy",
    "settled_energy",
    "cooling_energy",
    "power",
    "flow",
    "supply_temperature",
    "return_temperature",
    "hours",
    "status",
]
NAMES: Final = {
    CURRENT: "current readings",
    **{di: f"total at settlement date, {month} before" for month, di in enumerate(HISTORY, 1)},
    "8102": "price table",
    "8103": "settlement date",
    "8104": "reading date",
    "8105": "amount bought",
    "8106": "key version",
    ADDRESS: "address",
    "A010": "write price table",
    "A011": "write settlement date",
    "A012": "write reading date",
    "A013": "write amount bought",
    "A014": "write key",
    "A015": "write clock",
    "A016": "write register",
    VALVE: "valve",
    "A018": "write address",
    "A019": "enable factory mode",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One value: how many bytes it has, and whether a unit code follows."""

    offset: int
    size: int
    unit: bool = False


WATER: Final[Mapping[str, Place]] = {
    "volume": Place(0, 4, unit=True),
    "settled_volume": Place(5, 4, unit=True),
    "clock": Place(10, 7),
    "status": Place(17, 2),
}
HEAT: Final[Mapping[str, Place]] = {
    # Where a meter counts cooling too, the first energy is that; else it is the one at the settlement date.
    "settled_energy": Place(0, 4, unit=True),
    "cooling_energy": Place(0, 4, unit=True),
    "energy": Place(5, 4, unit=True),
    "power": Place(10, 4, unit=True),
    "flow": Place(15, 4, unit=True),
    "volume": Place(20, 4, unit=True),
    "supply_temperature": Place(25, 3),
    "return_temperature": Place(28, 3),
    "hours": Place(31, 3),
    "clock": Place(34, 7),
    "status": Place(41, 2),
}
_TOTAL: Final = Place(0, 4, unit=True)
TOTAL: Final[Mapping[str, Place]] = {"settled_volume": _TOTAL, "settled_energy": _TOTAL}


def layout(di: str, meter_type: int) -> Mapping[str, Place]:
    """Return the fields of a reply by its data identification and the meter's type; empty for a vendor's own."""
    if di == CURRENT:
        return HEAT if meter_type >> 4 == 2 else WATER
    return TOTAL if di in HISTORY else {}


def by_length(di: str, size: int) -> Mapping[str, Place]:
    """Return the fields of a captured reply, whose length tells which layout it has; empty where none fits."""
    known = (WATER, HEAT) if di == CURRENT else (TOTAL,) if di in HISTORY else ()
    return next((places for places in known if length(places) == size), {})


def length(places: Mapping[str, Place]) -> int:
    """Return how many bytes follow SER in a reply of this layout."""
    return max((place.offset + place.size + place.unit for place in places.values()), default=0)
