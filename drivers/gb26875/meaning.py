"""What a data unit of GB/T 26875.3 says of a device, by its profile: happenings and readings.

No book is kept of what stands: a state word says of each of its bits whether it stands, and replaces what was said of
the same part before. So a message that had to be told twice, or that was lost, leaves nothing wrong behind.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from drivers.api import Happening, Reading
from drivers.gb26875.adu import Adu, Object, analog_value
from drivers.gb26875.settings import TABLES, Clock, On, Options, Signals, bind_options, bind_points
from drivers.gb26875.tables import COMPONENTS, SYSTEMS, named
from drivers.profile import Profile
from messages.types import Edge, Quality

_STATES: Final = {1: "system", 2: "component", 21: "device"}
_OPERATIONS: Final = {4: "operation", 24: "device_operation"}
_USER_DEFINED: Final = 128


class Device:
    """A device of a line with its profile made ready."""

    def __init__(self, profile: Profile, options: Mapping[str, Any]) -> None:
        self.options: Options = bind_options(profile, options)
        self.clock = Clock(self.options)
        self.signals = Signals(profile)
        self._points = bind_points(profile)

    def happenings(self, unit: Adu, evidence: bytes) -> tuple[Happening, ...]:
        """Return what a data unit tells, in its order; `evidence` is its frame, of several objects only the object."""
        if unit.fault:
            return tuple(self._unreadable(unit, evidence))
        if unit.type in _STATES:
            kind = _STATES[unit.type]
            return tuple(
                told for item in unit.objects for told in self._state(kind, item, _of(unit, item, evidence))
            )
        if unit.type in _OPERATIONS:
            kind = _OPERATIONS[unit.type]
            return tuple(
                told
                for item in unit.objects
                for told in self._operation(kind, item, _of(unit, item, evidence))
            )
        return ()

    def readings(self, unit: Adu) -> dict[str, Reading]:
        """Return the points whose analog values a data unit holds."""
        found = {}
        for item in unit.objects if unit.type == 3 else ():
            key = (
                item.system_type,
                item.system_addr,
                item.component_type,
                item.component_addr,
                item.analog_type,
            )
            name = self._points.get(tuple(number or 0 for number in key))
            if name is not None:
                value = analog_value(item)
                raw = (item.analog or 0).to_bytes(2, "little", signed=True)
                found[name] = Reading(value, Quality.GOOD if value is not None else Quality.CONFIG, raw)
        return found

    def missed_roll_call(self) -> tuple[Happening, ...]:
        """Return what is told when nobody answered a roll-call."""
        code = self.signals.of_message("roll_call_missed")
        minutes = self.options.roll_call_min
        return (Happening(code, detail=f"no answer within {minutes} min (查岗无应答)"),) if code else ()

    def _state(self, kind: str, item: Object, evidence: bytes) -> Iterator[Happening]:
        word, at, part = item.state or 0, self.clock.read(item.time), part_of(item)
        for code, on, bit in self.signals.of_bits(kind):
            if on.component_types and item.component_type not in on.component_types:
                continue
            stands = bool(word >> bit & 1)
            detail = _detail(item, TABLES[kind][bit])
            if on.once:
                if stands:
                    yield Happening(code, Edge.PULSE, at, detail, evidence, part=part)
                    yield from self._ended(on, part, Happening(code, Edge.PULSE, at, detail, evidence))
            else:
                edge = Edge.RAISED if stands else Edge.CLEARED
                yield Happening(code, edge, at, detail, evidence, part=part, state=True)

    def _operation(self, kind: str, item: Object, evidence: bytes) -> Iterator[Happening]:
        at, part = self.clock.read(item.time), part_of(item)
        for code, on, bit in self.signals.of_bits(kind):
            if (item.operation or 0) >> bit & 1:
                detail = f"{_detail(item, TABLES[kind][bit])}; operator {item.operator}"
                told = Happening(code, Edge.PULSE, at, detail, evidence, part=part)
                yield told
                yield from self._ended(on, part, told)

    @staticmethod
    def _ended(on: On, part: str, told: Happening) -> Iterator[Happening]:
        for other in on.ends_all:
            yield Happening(other, Edge.CLEARED, told.at, told.detail, told.evidence, part=part)

    def _unreadable(self, unit: Adu, evidence: bytes) -> Iterator[Happening]:
        code = self.signals.of_message("unreadable")
        if code and unit.type < _USER_DEFINED:
            detail = f"data unit of type {unit.type} with {len(unit.raw)} bytes: {unit.fault}"
            yield Happening(code, Edge.PULSE, None, detail, evidence, part=f"type-{unit.type}")


def _of(unit: Adu, item: Object, frame: bytes) -> bytes:
    return frame if len(unit.objects) == 1 else item.raw


def part_of(item: Object) -> str:
    """Name what an object is of: the system, and the component in it; empty for the transmission device itself."""
    if item.system_type is None:
        return ""
    system = f"{item.system_type}/{item.system_addr}"
    return system if item.component_type is None else f"{system}/{item.component_type}/{item.component_addr}"


def _detail(item: Object, bit: tuple[str, str]) -> str:
    """Say it to a guard: the panel's own text first, which is what he knows."""
    places = [item.text] if item.text else []
    if item.component_type is not None and item.component_addr is not None:
        high, low = divmod(item.component_addr, 1 << 16)
        places.append(f"{named(COMPONENTS, item.component_type)} {item.component_addr} ({high}-{low})")
    if item.system_type is not None:
        places.append(f"{named(SYSTEMS, item.system_type)} {item.system_addr}")
    head = "; ".join(places) or "用户信息传输装置 transmission device"
    word = f" 0x{item.state:04X}" if item.state is not None else ""
    return f"{head}: {bit[1]} {bit[0]}{word}"
