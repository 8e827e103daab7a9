"""The points of a model as this driver reads them: bytes of a reply to exact values, or None with a quality."""

from dataclasses import dataclass
from decimal import Decimal

from drivers.api import Reading
from drivers.cjt188.address import Options, PointAt, bind_point, check_unit
from drivers.cjt188.layout import Place, layout, length
from drivers.cjt188.values import UNITS, digits
from drivers.errors import Misconfigured
from drivers.exact import scaled
from drivers.profile import Point, Profile
from messages.types import Quality

_UNIT_BYTES = 1


@dataclass(frozen=True, slots=True)
class PointCodec:
    """One point: where it lies and what its bytes mean."""

    at: PointAt
    value: Place
    unit_at: int | None
    unit: str
    exp: int
    missing: frozenset[bytes]
    whole: int | None
    """How long the data of the standard's reply are; None where a maker's own are read."""

    @property
    def end(self) -> int:
        """How many bytes of data there must be."""
        last = self.value.offset + self.value.size
        return max(self.whole or 0, last, 0 if self.unit_at is None else self.unit_at + 1)

    @property
    def is_bool(self) -> bool:
        """Whether it is true or false."""
        return self.at.bit is not None

    def decode(self, body: bytes) -> Reading:
        """Decode what follows SER; a value that cannot be is None with a quality."""
        if len(body) < self.end or (self.whole is not None and len(body) != self.whole):
            return Reading(None, Quality.RANGE, body[: self.end])
        raw = body[self.value.offset : self.value.offset + self.value.size]
        if raw in self.missing or (self.at.type == "bcd" and not self._bits and not raw.strip(b"\xff")):
            return Reading(None, Quality.DEVICE, raw)
        if self._bits:
            return self._flag(raw)
        factor = 0
        if self.unit_at is not None:
            code = body[self.unit_at]
            unit, factor = UNITS.get(code, ("", 0))
            raw = raw + bytes((code,)) if self.unit_at > self.value.offset else bytes((code,)) + raw
            if unit != self.unit:
                # Another unit than the profile says would be another number: never guessed, never converted.
                return Reading(None, Quality.CONFIG, raw)
        number = self._number(body[self.value.offset : self.value.offset + self.value.size])
        if number is None:
            return Reading(None, Quality.RANGE, raw)
        return Reading(scaled(Decimal(number), self.exp + factor), Quality.GOOD, raw)

    @property
    def _bits(self) -> bool:
        return self.at.bit is not None or self.at.mask is not None

    def _number(self, raw: bytes) -> int | None:
        return digits(raw) if self.at.type == "bcd" else int.from_bytes(raw, "little")

    def _flag(self, raw: bytes) -> Reading:
        word = int.from_bytes(raw, "little")
        if self.at.bit is not None:
            return Reading(bool(word >> self.at.bit & 1), Quality.GOOD, raw)
        mask = int(self.at.mask or "0x0", 16)
        return Reading(scaled(Decimal((word & mask) // (mask & -mask)), self.exp), Quality.GOOD, raw)


def codecs(profile: Profile, options: Options) -> dict[str, PointCodec]:
    """Check every address of a profile and make its decoders; raise `Misconfigured` with every fault."""
    made: dict[str, PointCodec] = {}
    faults: list[str] = []
    for name, point in profile.points.items():
        try:
            made[name] = _codec(point, options, f"points.{name}")
        except Misconfigured as err:
            faults.append(str(err))
    if faults:
        raise Misconfigured("\n".join(faults))
    return made


def _codec(point: Point, options: Options, place: str) -> PointCodec:
    at, value = bind_point(point.at, options.meter_type, f"{place}.at")
    fault = check_unit(at, point.unit)
    if fault:
        raise Misconfigured(f"{place}.unit: {fault}")
    unit_at = at.unit_at
    if value.unit:
        first = options.unit_first
        unit_at = value.offset if first else value.offset + value.size
        value = Place(value.offset + _UNIT_BYTES if first else value.offset, value.size)
    missing = frozenset(bytes.fromhex(pattern) for pattern in point.missing)
    for index, pattern in enumerate(point.missing):
        if len(pattern) != 2 * value.size:
            text = f"{pattern} has {len(pattern)} hex digits, the value has {2 * value.size}"
            raise Misconfigured(f"{place}.missing[{index}]: {text}")
    whole = length(layout(at.di, options.meter_type)) if at.field is not None else None
    return PointCodec(at, value, unit_at, point.unit, point.exp, missing, whole)
