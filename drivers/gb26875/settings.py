"""Options, signals and points of a profile for GB/T 26875.3, as types."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from drivers.binding import bind
from drivers.errors import Misconfigured
from drivers.gb26875.frames import TimeForm, label_time, time_label
from drivers.gb26875.tables import COMPONENT_BITS, DEVICE_BITS, OPERATIONS, SYSTEM_BITS
from drivers.profile import Profile, Strict

Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
Codes = tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=48)], ...]


class Options(Strict, frozen=True, kw_only=True):
    """`options` of a profile, its line and its device, merged."""

    address: Annotated[
        str, msgspec.Meta(pattern=r"^([0-9A-Fa-f]{12})?$", description="twelve hex digits")
    ] = ""
    """The source address of the transmission device, highest byte first."""
    time: TimeForm = "binary"
    no_time: tuple[Byte, ...] = ()
    """Types whose objects the maker sends without their time label."""
    timezone: str = "Asia/Shanghai"
    time_sync_h: Annotated[int, msgspec.Meta(ge=0, le=168)] = 24
    """Hours between two settings of the device's clock, the first when it is heard; 0: never."""
    roll_call_h: Annotated[int, msgspec.Meta(ge=0, le=168)] = 0
    """Hours between two roll-calls (查岗); 0: never."""
    roll_call_min: Annotated[int, msgspec.Meta(ge=1, le=60)] = 5
    """Minutes that the guard has to answer one."""
    ask_state: bool = False
    """Whether to ask for the device's state when it is first heard."""


class On(Strict, frozen=True, kw_only=True):
    """What makes a signal: one bit of a state word or of an operation, or something about the messages themselves."""

    component: str | None = None
    system: str | None = None
    device: str | None = None
    operation: str | None = None
    device_operation: str | None = None
    message: Literal["unreadable", "roll_call_missed"] | None = None
    component_types: tuple[Byte, ...] = ()
    """Only of components of these types; all where none is given."""
    once: bool = False
    """The bit is something that happens and does not last."""
    ends_all: Codes = ()
    """Signals that it ends at this system and all its components: a reset."""


class PointAt(Strict, frozen=True, kw_only=True):
    """An analog value (type 3): whose, and which quantity by the standard's number."""

    analog: Byte
    component: Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
    component_type: Byte
    system: Byte
    system_type: Byte = 1


class ActionAt(Strict, frozen=True, kw_only=True):
    """Nothing: a fire panel takes no command."""


TABLES: Final[Mapping[str, Mapping[int, tuple[str, str]]]] = {
    "component": COMPONENT_BITS,
    "system": SYSTEM_BITS,
    "device": DEVICE_BITS,
    "operation": OPERATIONS,
    "device_operation": OPERATIONS,
}


class Signals:
    """The signals of a profile by what makes them."""

    def __init__(self, profile: Profile) -> None:
        self.on = {
            name: bind(signal.on, On, f"signals.{name}.on") for name, signal in profile.signals.items()
        }
        faults = [fault for name, on in self.on.items() for fault in _faults(name, on, self.on)]
        if faults:
            raise Misconfigured("\n".join(faults))

    def of_bits(self, kind: str) -> Iterator[tuple[str, On, int]]:
        """Return the signals of one kind of word, each with its bit."""
        for name, on in self.on.items():
            word = getattr(on, kind)
            if word is not None:
                yield name, on, _bit(TABLES[kind], word)

    def of_message(self, what: str) -> str | None:
        """Return the signal for something about the messages, if the profile has one."""
        return next((name for name, on in self.on.items() if on.message == what), None)


class Clock:
    """The panel's wall clock: its zone and how it writes time labels."""

    def __init__(self, options: Options) -> None:
        self._form: TimeForm = options.time
        try:
            self._zone = ZoneInfo(options.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Misconfigured(f"options.timezone: there is no time zone {options.timezone!r}") from None

    def read(self, label: bytes | None) -> datetime | None:
        """Return the instant of a time label; None where it is none."""
        at = label_time(label, self._form) if label else None
        return at.replace(tzinfo=self._zone).astimezone(UTC) if at else None

    def label(self, at: datetime) -> bytes:
        """Write an instant as a time label."""
        return time_label(at.astimezone(self._zone), self._form)


def bind_options(profile: Profile, options: Mapping[str, Any]) -> Options:
    """Check the options of a device of this profile; raise `Misconfigured`."""
    return bind({**profile.options, **options}, Options, "options")


def bind_points(profile: Profile) -> dict[tuple[int, ...], str]:
    """Return the points by the analog value that they are; raise `Misconfigured`."""
    made: dict[tuple[int, ...], str] = {}
    for name, point in profile.points.items():
        at = bind(point.at, PointAt, f"points.{name}.at")
        key = (at.system_type, at.system, at.component_type, at.component, at.analog)
        if key in made:
            raise Misconfigured(f"points.{name}.at: is where {made[key]} is already")
        made[key] = name
    return made


def _faults(name: str, on: On, known: Mapping[str, On]) -> Iterator[str]:
    place = f"signals.{name}.on"
    given = [kind for kind in (*TABLES, "message") if getattr(on, kind) is not None]
    if len(given) != 1:
        yield f"{place}: needs exactly one of {', '.join(TABLES)}, message; it has {', '.join(given) or 'none'}"
        return
    words = [word for word, _ in TABLES[given[0]].values()] if given[0] in TABLES else []
    if words and getattr(on, given[0]) not in words:
        yield f"{place}.{given[0]}: is none of {', '.join(words)}"
    if on.component_types and given != ["component"]:
        yield f"{place}.component_types: goes with component"
    for other in on.ends_all:
        if other not in known:
            yield f"{place}.ends_all: there is no signal {other!r}"


def _bit(table: Mapping[int, tuple[str, str]], word: str) -> int:
    return next(bit for bit, (name, _) in table.items() if name == word)
