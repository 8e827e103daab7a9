"""The points of a model as this driver reads them: checked once against the standard's table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.api import Reading
from drivers.binding import bind
from drivers.dlt645.address import ActionAt, Options, PointAt, SignalOn, block_part, zone_fault
from drivers.dlt645.catalog import Field, Item, lookup
from drivers.dlt645.values import NOT_A_VALUE, NOT_THERE, Zone, value_of
from drivers.errors import Misconfigured
from drivers.profile import Point, Profile
from messages.types import Quality

# What a profile may say in the place of the table's unit, and how many powers of ten lie between.
_SCALED: Final[Mapping[str, tuple[str, int]]] = {
    "W": ("kW", 3),
    "var": ("kvar", 3),
    "VA": ("kVA", 3),
    "Wh": ("kWh", 3),
    "varh": ("kvarh", 3),
    "VAh": ("kVAh", 3),
    "MWh": ("kWh", -3),
    "mA": ("A", 3),
}
_SECONDS: Final = frozenset({"", "s"})


@dataclass(frozen=True, slots=True)
class Bound:
    """One point: the identifier to read, and where in its data the value lies."""

    di: str
    item: Item | None
    field: Field
    place: int
    part: int
    exp: int
    bit: int | None
    missing: frozenset[bytes]

    def decode(self, data: bytes, part: int, zone: Zone, *, block: bool) -> Reading:
        """Return the value in a read's data, of which this point is item `part`; `block` where it has several."""
        size = self.item.size if self.item is not None else self.place + self.field.size
        if self.item is not None and (len(data) % size or (not block and len(data) != size)):
            return Reading(None, NOT_A_VALUE.quality, data)
        first = part * size + self.place
        raw = data[first : first + self.field.size]
        if len(raw) < self.field.size:
            return Reading(None, NOT_THERE.quality, raw)
        if raw[::-1] in self.missing:
            return Reading(None, Quality.DEVICE, raw)
        found = value_of(self.field, raw, self.exp, zone, self.bit)
        return Reading(found.value, found.quality, raw)


@dataclass(frozen=True, slots=True)
class Derived:
    """A point that follows from several reads."""

    what: str
    within: int

    @property
    def settles(self) -> bool:
        """True where the settlement day is read too."""
        return self.what == "settled"


class PointMap:
    """Addresses, signals and commands of a profile under some options; raises `Misconfigured` with every fault."""

    def __init__(self, profile: Profile, options: Options) -> None:
        self.profile, self.options = profile, options
        self.points: dict[str, Bound | Derived] = {}
        self.actions: dict[str, ActionAt] = {}
        self.signals: dict[str, str] = {}
        """The count's identifier, by signal."""
        faults = [f"options.zone: {fault}"] if (fault := zone_fault(options.zone)) else []
        faults += self._check_blocks()
        for name, point in profile.points.items():
            try:
                self.points[name] = self._bound(point, f"points.{name}")
            except Misconfigured as err:
                faults.append(str(err))
        for name, action in profile.actions.items():
            try:
                self.actions[name] = self._action(bind(action.at, ActionAt, f"actions.{name}.at"), name)
            except Misconfigured as err:
                faults.append(str(err))
        for name, signal in profile.signals.items():
            try:
                self.signals[name] = self._signal(bind(signal.on, SignalOn, f"signals.{name}.on"), name)
            except Misconfigured as err:
                faults.append(str(err))
        if faults:
            raise Misconfigured("\n".join(faults))

    def inside(self, di: str, point: str) -> int | None:
        """Return which item of a read a point is; None where the read does not hold it."""
        bound = self.points.get(point)
        if not isinstance(bound, Bound):
            return None
        return bound.part if bound.di == di else block_part(di, bound.di)

    def _digits(self) -> int:
        return 4 if self.options.edition == 1997 else 8

    def _check_blocks(self) -> list[str]:
        faults = []
        for index, block in enumerate(self.options.blocks):
            item = lookup(block)
            if len(block) != self._digits() or item is None or not item.repeat:
                faults.append(f"options.blocks[{index}]: {block} is no data block of {self.options.edition}")
        return faults

    def _bound(self, point: Point, place: str) -> Bound | Derived:
        at = bind(point.at, PointAt, f"{place}.at")
        if (at.di is None) == (at.derived is None):
            raise Misconfigured(f"{place}.at: give exactly one of di and derived")
        if at.derived is not None:
            return self._derived(at, point, place)
        di = at.di or ""
        if len(di) != self._digits():
            raise Misconfigured(
                f"{place}.at.di: {di} has {len(di)} digits, and the edition of {self.options.edition} needs "
                f"{self._digits()}: mend it, or say `edition` in the options"
            )
        item = lookup(di)
        found = _of_table(at, item, place) if item is not None else _own(at, place)
        _check_value(at, found[1], point, place, known=item is not None)
        missing = frozenset(bytes.fromhex(pattern) for pattern in point.missing)
        for index, pattern in enumerate(point.missing):
            if len(pattern) != 2 * found[1].size:
                raise Misconfigured(f"{place}.missing[{index}]: {pattern} is not of {found[1].size} bytes")
        return Bound(di, item, found[1], found[0], at.part, point.exp, at.bit, missing)

    def _derived(self, at: PointAt, point: Point, place: str) -> Derived:
        what = at.derived or ""
        if at != PointAt(derived=at.derived, within=at.within):
            raise Misconfigured(f"{place}.at: {what} stands alone: take out what belongs to an identifier")
        if (what == "clock_right") != (point.kind == "state"):
            raise Misconfigured(f"{place}.kind: clock_right is a state, the others are not")
        if point.exp or (what != "clock_right" and point.unit not in _SECONDS):
            raise Misconfigured(f"{place}.unit: a time is told in s since 1970, with no exp")
        return Derived(what, at.within)

    def _action(self, at: ActionAt, name: str) -> ActionAt:
        if at.do != "broadcast_time" and self.options.edition == 1997:
            raise Misconfigured(f"actions.{name}.at.do: the edition of 1997 has no relay control")
        return at

    def _signal(self, on: SignalOn, name: str) -> str:
        item = lookup(on.count[:6] + "01")
        if self.options.edition == 1997 or item is None or item.field("start") is None:
            raise Misconfigured(f"signals.{name}.on.count: no event log with records is known at {on.count}")
        if not any(isinstance(bound, Bound) and bound.di == on.count for bound in self.points.values()):
            raise Misconfigured(
                f"signals.{name}.on.count: needs a point that reads {on.count}, so that it is polled"
            )
        return on.count


def _of_table(at: PointAt, item: Item, place: str) -> tuple[int, Field]:
    if at.type is not None or at.bytes is not None or at.signed or at.offset or at.layout:
        raise Misconfigured(
            f"{place}.at: {at.di} is {item.name} of the standard: take out type, bytes, signed, offset and layout"
        )
    found = item.field(at.field)
    if found is None:
        names = ", ".join(field.name for field in item.fields)
        raise Misconfigured(f"{place}.at.field: {at.di} has no {at.field}; it has {names}")
    if at.part and not item.repeat:
        raise Misconfigured(f"{place}.at.part: {at.di} is {item.name}, which is no data block")
    return found


def _own(at: PointAt, place: str) -> tuple[int, Field]:
    if at.type is None or at.bytes is None:
        raise Misconfigured(f"{place}.at: {at.di} is not in the standard's table: say type and bytes")
    if at.field or at.part:
        raise Misconfigured(
            f"{place}.at: field and part are for identifiers of the standard's table: say offset"
        )
    if (at.type == "time") != bool(at.layout) or (at.layout and len(at.layout) != 2 * at.bytes):
        raise Misconfigured(
            f"{place}.at.layout: goes with type time and says its bytes, for example YYMMDDhhmm"
        )
    if at.type == "time" and not at.layout.startswith("YYMMDD"):
        raise Misconfigured(f"{place}.at.layout: a moment begins with YYMMDD; read others as digits")
    return at.offset, Field("value", at.type, at.bytes, signed=at.signed, layout=at.layout)


def _check_value(at: PointAt, field: Field, point: Point, place: str, *, known: bool) -> None:
    if field.kind == "text":
        raise Misconfigured(f"{place}.at.di: {at.di} is text, which is no value")
    if at.bit is not None and (field.kind != "bits" or at.bit >= 8 * field.size):
        raise Misconfigured(
            f"{place}.at.bit: bits are picked from a status word, the highest here is {8 * field.size - 1}"
        )
    if (at.bit is not None) != (point.kind == "state"):
        raise Misconfigured(f"{place}.kind: a state is one bit of a status word: say `bit`, or another kind")
    if field.kind != "bcd":
        if point.exp or (field.kind == "time" and point.unit not in _SECONDS):
            raise Misconfigured(f"{place}.exp: {field.kind} has no exp, and a time is told in s since 1970")
        return
    if not known:
        return
    base, shift = _SCALED.get(point.unit, (point.unit, 0))
    if base != field.unit:
        raise Misconfigured(f"{place}.unit: is {point.unit!r}, and {at.di} is in {field.unit!r}")
    if point.exp != field.exp + shift:
        raise Misconfigured(
            f"{place}.exp: is {point.exp}, and {at.di} in {point.unit!r} needs {field.exp + shift}"
        )
