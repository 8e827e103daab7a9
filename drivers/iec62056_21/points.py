"""The points of a model as this driver reads them: text of a readout to exact values, or None with a quality."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from drivers.api import Reading
from drivers.errors import Misconfigured
from drivers.exact import scaled
from drivers.iec62056_21.address import NUMBER_IDS, RESETS, PointAt, bind_point
from drivers.iec62056_21.data import DataSet, obis, with_period
from drivers.profile import Point, Profile
from messages.types import Quality

_NUMBER: Final = re.compile(r"^[+-]?[0-9]{1,24}(\.[0-9]{1,12})?$")
_HEX: Final = re.compile(r"^[0-9A-Fa-f]{1,64}$")
_UNITS: Final = {
    "m3": "m³",
    "m3/h": "m³/h",
    "l": "L",
    "l/h": "L/h",
    "KWH": "kWh",
    "kwh": "kWh",
    "KWh": "kWh",
    "KW": "kW",
    "kw": "kW",
    "C": "°C",
    "HZ": "Hz",
}
"""How meters write units that we write otherwise."""

_ABSENT: Final = Reading(None, Quality.DEVICE)


class PointCodec:
    """One point: which data set it is and what its text means."""

    def __init__(self, point: Point, at: PointAt) -> None:
        self.at = at
        self._point = point
        self._missing = frozenset(bytes.fromhex(pattern) for pattern in point.missing)

    @property
    def is_bool(self) -> bool:
        """Whether it is true or false."""
        return self.at.bit is not None

    def decode(self, readout: "Readout") -> Reading:
        """Find and decode the value; what is not there, or is none, is None with a quality."""
        found = readout.find(self.at)
        if not found:
            return _ABSENT
        groups = {one.group(self.at.group) for one in found}
        first = found[0].group(self.at.group)
        if first is None:
            return _ABSENT
        text, unit = first
        raw = found[0].groups[self.at.group].encode("ascii", "replace")
        if len(groups) > 1:  # two channels under one reduced id: which is meant is not known
            return Reading(None, Quality.RANGE, raw)
        # Blanks and dashes in the place of digits are what meters send where a phase is not connected.
        if text.encode("ascii", "replace") in self._missing or not text.strip(" -."):
            return Reading(None, Quality.DEVICE, raw)
        if not self._right_unit(unit):
            return Reading(None, Quality.CONFIG, raw)
        return self._value(text.strip(" "), raw)

    def _right_unit(self, unit: str | None) -> bool:
        if unit is None:
            return self.at.bare or not self._point.unit
        return _UNITS.get(unit, unit) == self._point.unit

    def _value(self, text: str, raw: bytes) -> Reading:
        if self.at.type == "hex":
            if not _HEX.match(text):
                return Reading(None, Quality.RANGE, raw)
            number = int(text, 16)
            if self.at.bit is not None:
                return Reading(bool(number >> self.at.bit & 1), Quality.GOOD, raw)
            return Reading(scaled(Decimal(number), self._point.exp), Quality.GOOD, raw)
        if not _NUMBER.match(text):
            return Reading(None, Quality.RANGE, raw)
        return Reading(scaled(Decimal(text), self._point.exp), Quality.GOOD, raw)


class Readout:
    """The data sets of one readout, looked up by address."""

    def __init__(self, sets: Iterable[DataSet]) -> None:
        self.sets = list(sets)
        self._codes = [(obis(one.address), one) for one in self.sets]

    def find(self, at: PointAt) -> list[DataSet]:
        """Return the data sets that an address means: none, one, or several where it is not clear which."""
        code = at.code
        if code is None:
            return [one for one in self.sets if one.address == at.obis]
        if at.ago is not None:
            period = self._period(at.ago)
            if period is None:
                return []
            code = with_period(code, period)
        return [one for found, one in self._codes if found is not None and code.means(found)]

    def _period(self, ago: int) -> str | None:
        for one in self.sets:
            code = obis(one.address)
            if code is not None and (code.c, code.d, code.e) == tuple(RESETS.split(".")) and not code.stored:
                value, _ = one.group(0) or ("", None)
                if value.isdecimal():
                    return str((int(value) - ago + 1) % 100)
        return None

    def numbers(self) -> set[str]:
        """Return what the meter says that its own number is, without leading zeros."""
        known = [obis(text) for text in NUMBER_IDS]
        named = [
            one
            for code, one in self._codes
            if one.address in NUMBER_IDS
            or (code is not None and any(own is not None and own.means(code) for own in known))
        ]
        return {one.groups[0].strip(" ").lstrip("0") for one in named}


def codecs(profile: Profile) -> Mapping[str, PointCodec]:
    """Check every address of a profile and make its decoders; raise `Misconfigured` with every fault."""
    made: dict[str, PointCodec] = {}
    faults: list[str] = []
    for name, point in profile.points.items():
        try:
            made[name] = PointCodec(point, bind_point(point.at, f"points.{name}.at"))
        except Misconfigured as err:
            faults.append(str(err))
    if faults:
        raise Misconfigured("\n".join(faults))
    return made
