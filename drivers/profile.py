"""A device model as data: points, events, actions, and captured frames with what they must decode to.

A profile is one YAML file. It holds no code and no templates. Protocol-specific addresses (`at`, `options`)
are plain mappings here; the protocol's driver turns them into types once, at load.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from messages.types import Severity

PointId = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9_]{0,47}$",
        description="a name of 1 to 48 small letters, digits or _, beginning with a letter",
    ),
]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Wait = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m)$", description="a time such as 500ms, 5s or 1m"
    ),
]

DeviceClass = Literal[
    "meter", "access", "fire", "intrusion", "camera", "vehicle", "lift", "pump", "env", "power", "io"
]
PollClass = Literal["fire", "alarm", "billing", "routine", "slow"]

# Seconds between two reads, by class; a site may say otherwise per line or device.
DEFAULT_PERIODS: Mapping[str, float] = {
    "fire": 1.0,
    "alarm": 2.0,
    "billing": 60.0,
    "routine": 10.0,
    "slow": 300.0,
}


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of everything read from a file: an unknown key is an error."""


class Report(Strict, frozen=True, kw_only=True):
    """Report by exception: told when it changes by more than `deadband`, and before `max_silence` has passed."""

    deadband: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[0-9]{1,12}(\.[0-9]{1,9})?%?$",
            description="a distance in the point's unit such as '0.5', or per cent of the last value such as '2%'",
        ),
    ] = "0"
    max_silence: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h)$", description="a time such as 10s, 5m or 1h"
        ),
    ] = "5m"


class Point(Strict, frozen=True, kw_only=True):
    """One value of a device. `exp` is the power of ten that turns raw counts into `unit`."""

    label: Text
    at: dict[str, Any]
    label_zh: str = ""
    unit: str = ""
    kind: Literal["register", "gauge", "state"] = "gauge"
    poll: PollClass = "routine"
    exp: Annotated[int, msgspec.Meta(ge=-12, le=12)] = 0
    missing: tuple[str, ...] = ()
    """Raw register patterns (hex) by which the device says that it has no value."""
    billing: bool = False
    modulus: Decimal | None = None
    """Where the register wraps, in `unit`: explicit, never inferred (required for billing registers)."""
    report: Report | None = None
    """None: every reading is told. Not for billing registers, nor for points that an alarm rests on."""


class When(Strict, frozen=True, kw_only=True):
    """The condition of an event: exactly one of `is_`, `equals`, `above`, `below` on one point."""

    point: PointId
    is_: bool | None = msgspec.field(default=None, name="is")
    equals: Decimal | None = None
    above: Decimal | None = None
    below: Decimal | None = None
    deadband: Decimal = Decimal(0)


class Alarmed(Strict, frozen=True, kw_only=True):
    """What the desk is told of an event or a signal."""

    label: Text
    severity: Severity
    alarm_class: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,40}$")] = msgspec.field(name="class")
    label_zh: str = ""
    latched: bool = False


class Event(Alarmed, frozen=True, kw_only=True):
    """An alarm edge: when it is true for `hold_s`, the event is raised; when false for `release_s`, cleared."""

    when: When
    hold_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0
    release_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0


class Signal(Alarmed, frozen=True, kw_only=True):
    """Something that the device says of itself (`drivers.api.Happening`), not read from a point's value.

    `on` is what it says, in the words of its protocol: the driver checks and matches it. Shares its name space with
    `events`. A fire, a card, an entry of an event log.
    """

    on: dict[str, Any]
    record: bool = False
    """True for what is written down and is no alarm: a door that was opened by who may, a car that drove in."""


class ReadBack(Strict, frozen=True, kw_only=True):
    """What a point must show after a command.

    With neither `after` nor `within` it is read at once and in one piece with the write. Otherwise first after `after`,
    and then again and again until it shows or `within` is over, counted from the write; the line is free in between.
    """

    point: PointId
    is_: bool | None = msgspec.field(default=None, name="is")
    equals: Decimal | None = None
    after: Wait = "0s"
    within: Wait = "0s"


class Action(Strict, frozen=True, kw_only=True):
    """A command that the device takes; `at` is the protocol's own address and value to write."""

    label: Text
    at: dict[str, Any]
    label_zh: str = ""
    read_back: ReadBack | None = None
    expires_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 15


class Example(Strict, frozen=True, kw_only=True):
    """A frame and the decimal strings (or true, false, null) that it must decode to.

    `happens` are the signals that it holds, in their order: `code`, `code raised` or `code cleared`. `reply` is hex, or
    JSON or XML as it is.
    """

    reply: str
    expect: dict[PointId, Any] = {}
    happens: tuple[str, ...] = ()
    request: str = ""
    note: str = ""
    captured: bool = False
    """True for a frame from a real device; false for one made by the rule of the map."""


class Profile(Strict, frozen=True, kw_only=True):
    """One device model."""

    profile: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{2,60}$")]
    vendor: Text
    model: Text
    device_class: DeviceClass = msgspec.field(name="class")
    protocol: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
    examples: tuple[Example, ...]
    source: tuple[Text, ...]
    points: dict[PointId, Point] = {}
    resource: Literal["", "electricity", "water", "hot_water", "heat", "cooling", "gas"] = ""
    register_basis: Literal["", "primary", "secondary", "configurable"] = ""
    """Whether energy registers already hold CT/PT primary values; decides who multiplies (倍率)."""
    status: Literal["bronze", "silver", "gold"] = "bronze"
    caveats: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    atomic: tuple[tuple[PointId, ...], ...] = ()
    """Groups of points whose values belong together: read at once or not at all, whatever the line would save."""
    firmware: PointId | None = None
    """The point that tells the firmware: what refusals teach is kept apart for each."""
    events: dict[PointId, Event] = {}
    signals: dict[PointId, Signal] = {}
    actions: dict[PointId, Action] = {}
