"""A simulated site as data: its lines and devices, what goes wrong with them, and the story in time.

Everything is read and checked before the first socket is opened; every problem is told by file and line.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from drivers.profile import Profile
from drivers.strict_yaml import Marks, Problem, YamlError, line_of, load_as, parse_duration, path_text
from messages.types import Id, Value
from simulators.registers import MapError, cell, cells_of

Duration = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h)$")]
Endpoint = Annotated[str, msgspec.Meta(pattern=r"^[^\s/]{1,200}:[0-9]{1,5}$")]
FaultKind = Literal[
    "silent",
    "slow",
    "late",
    "busy",
    "crc_noise",
    "truncate",
    "illegal_address",
    "wrong_word_order",
    "register_rollover",
    "meter_exchange",
    "clock_skew",
]
PhysicsKind = Literal["auto", "electricity", "water", "door", "fire", "lift", "pump", "env", "static"]

# Loopback only: what listens here speaks for doors and fire panels and asks nobody who they are.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# What each kind of fault may say beside its times, and what it must say.
_FAULT_FIELDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "silent": (frozenset(), frozenset()),
    "busy": (frozenset(), frozenset()),
    "slow": (frozenset({"delay"}), frozenset({"delay"})),
    "late": (frozenset({"delay"}), frozenset({"delay"})),
    "crc_noise": (frozenset({"rate"}), frozenset()),
    "truncate": (frozenset({"rate"}), frozenset()),
    "illegal_address": (frozenset({"points"}), frozenset({"points"})),
    "wrong_word_order": (frozenset(), frozenset()),
    "register_rollover": (frozenset({"margin"}), frozenset()),
    "meter_exchange": (frozenset({"serial", "start"}), frozenset({"start"})),
    "clock_skew": (frozenset({"skew"}), frozenset({"skew"})),
}


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of everything read from a site file: an unknown key is an error."""


class Physics(Strict, frozen=True, kw_only=True):
    """What a device does apart from its protocol; `kind` auto follows the profile's class and resource."""

    kind: PhysicsKind = "auto"
    load_w: Decimal = Decimal(800)
    flow_lph: Decimal = Decimal(120)
    total: Decimal = Decimal(1000)
    values: dict[str, Decimal | bool | None] = {}
    """Points held at a value from the start, for example a CT ratio."""


class Fault(Strict, frozen=True, kw_only=True):
    """Something wrong with a device between `from` and `until` (after the start), or for as long as the story says."""

    kind: FaultKind
    from_: Duration = msgspec.field(default="0s", name="from")
    until: Duration | None = None
    delay: Duration | None = None
    rate: Decimal | None = None
    points: tuple[str, ...] = ()
    margin: Decimal | None = None
    """How far below its modulus a register is set, in its unit."""
    start: Decimal | None = None
    serial: str = ""
    skew: Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h)$")] | None = None


class Device(Strict, frozen=True, kw_only=True):
    """One device; the lower half is only for the gateway configuration that `gatehouse-sim` can write."""

    id: Id
    profile: str
    unit: Annotated[int, msgspec.Meta(ge=1, le=247)]
    physics: Physics = Physics()
    faults: tuple[Fault, ...] = ()
    writable: tuple[str, ...] = ()
    """Points that a master may write besides what the profile's actions need."""
    name: str = ""
    building: str = ""
    floor: str = ""
    place: str = ""
    timeout: Duration | None = None
    poll: dict[str, Duration] = {}
    options: dict[str, Any] = {}
    meter: dict[str, str] | None = None


class Line(Strict, frozen=True, kw_only=True):
    """A TCP endpoint or a serial bus on a pseudo-terminal, and the devices on it."""

    id: Id
    devices: tuple[Device, ...]
    tcp: Endpoint | None = None
    pty: str | None = None
    framing: Literal["mbap", "rtu"] | None = None
    baud: Annotated[int, msgspec.Meta(ge=300, le=1_000_000)] = 9600
    turnaround: Duration = "5ms"
    gateway: Id | None = None
    label: str = ""
    timeout: Duration | None = None
    poll: dict[str, Duration] = {}

    @property
    def frames(self) -> Literal["mbap", "rtu"]:
        """The framing in force: said, or what is usual for the wire."""
        return self.framing or ("mbap" if self.tcp else "rtu")


class Link(Strict, frozen=True, kw_only=True):
    """A TCP relay that can be cut, for example between a gateway and its broker."""

    id: Id
    to: Endpoint
    listen: Endpoint = "127.0.0.1:0"


class Step(Strict, frozen=True, kw_only=True):
    """One line of the story: at a time after the start, something happens to one device or one link."""

    at: Duration
    device: Id | None = None
    link: Id | None = None
    set: dict[str, Decimal | bool | None] | None = None
    release: tuple[str, ...] = ()
    """Points that are given back to physics after a `set`."""
    fault: Fault | None = None
    for_: Duration | None = msgspec.field(default=None, name="for")
    cut: Duration | None = None
    note: str = ""


class Site(Strict, frozen=True, kw_only=True):
    """A whole simulated site."""

    site: Id
    lines: tuple[Line, ...]
    seed: int = 1
    tick: Duration = "200ms"
    timezone: str = "Asia/Shanghai"
    links: tuple[Link, ...] = ()
    story: tuple[Step, ...] = ()

    def devices(self) -> Iterator[tuple[Line, Device]]:
        """All devices, each with the line that it is on."""
        for line in self.lines:
            for device in line.devices:
                yield line, device


def seconds(text: str | None) -> float:
    """Read a duration of a checked file; None is 0."""
    if text is None:
        return 0.0
    return -parse_duration(text[1:]) if text.startswith("-") else parse_duration(text)


def load_site(path: Path, profiles: Mapping[str, Profile]) -> Site:
    """Read and check a site file against the profiles; raise `YamlError` with every problem found."""
    site, marks = load_as(path, Site)
    check(site, profiles, marks, str(path))
    return site


def check(site: Site, profiles: Mapping[str, Profile], marks: Marks, file: str = "") -> None:
    """Raise `YamlError` where the parts of a site do not fit together."""
    found = [
        *_lines(site),
        *_devices(site, profiles),
        *_links(site),
        *_story(site, profiles),
    ]
    if seconds(site.tick) < 0.01:
        found.append((("tick",), "shorter than 10ms: no register changes that fast"))
    if found:
        raise YamlError([Problem(line_of(marks, path), path_text(path), text, file) for path, text in found])


_Found = Iterator[tuple[tuple[str | int, ...], str]]


def _lines(site: Site) -> _Found:
    seen: set[str] = set()
    endpoints: set[str] = set()
    for at, line in enumerate(site.lines):
        path = ("lines", at)
        if line.id in seen:
            yield (*path, "id"), f"`{line.id}` is used twice: give each line its own id"
        seen.add(line.id)
        if (line.tcp is None) == (line.pty is None):
            yield path, "give exactly one of `tcp` and `pty`"
            continue
        if line.tcp is not None:
            yield from _loopback(line.tcp, (*path, "tcp"))
        elif line.frames != "rtu":
            yield (*path, "framing"), "a serial line carries `rtu`"
        place = line.tcp or f"pty {line.pty}"
        if place in endpoints and not place.endswith(":0"):
            yield path, f"{place} already belongs to another line"
        endpoints.add(place)
        units: set[int] = set()
        for index, device in enumerate(line.devices):
            if device.unit in units:
                yield (*path, "devices", index, "unit"), f"unit {device.unit} is used twice on this line"
            units.add(device.unit)


def _loopback(endpoint: str, path: tuple[str | int, ...]) -> _Found:
    host, _, port = endpoint.rpartition(":")
    if host.strip("[]") not in LOOPBACK:
        yield path, f"{host} is not this machine: simulators listen on 127.0.0.1 only"
    if int(port) > 65535:
        yield path, f"{port} is no port: 0 (any free one) to 65535"


def _devices(site: Site, profiles: Mapping[str, Profile]) -> _Found:
    seen: set[str] = set()
    for at, line in enumerate(site.lines):
        for index, device in enumerate(line.devices):
            path = ("lines", at, "devices", index)
            if device.id in seen:
                yield (*path, "id"), f"`{device.id}` is used twice: give each device its own id"
            seen.add(device.id)
            profile = profiles.get(device.profile)
            if profile is None:
                known = ", ".join(sorted(profiles))
                yield (*path, "profile"), f"there is no profile `{device.profile}`; known are {known}"
                continue
            if profile.protocol != "modbus":
                yield (
                    (*path, "profile"),
                    f"`{device.profile}` speaks {profile.protocol}, which is not simulated here",
                )
                continue
            try:
                cells_of(profile.points)
            except MapError as err:
                yield (*path, "profile"), f"`{device.profile}`: {err}"
            yield from _values(profile, device.physics.values, (*path, "physics", "values"))
            yield from _known(profile, device.writable, (*path, "writable"))
            for number, fault in enumerate(device.faults):
                yield from _fault(fault, line, profile, (*path, "faults", number))


def _known(profile: Profile, points: Any, path: tuple[str | int, ...]) -> _Found:
    for point in points:
        if point not in profile.points:
            yield path, f"profile `{profile.profile}` has no point `{point}`"


def _values(profile: Profile, values: Mapping[str, Value], path: tuple[str | int, ...]) -> _Found:
    yield from _known(profile, values, path)
    for point, value in values.items():
        if point in profile.points:
            try:
                held = cell(point, profile.points[point])
                held.encode(held.grid(value))
            except MapError as err:
                yield (*path, point), str(err)


def _fault(fault: Fault, line: Line, profile: Profile, path: tuple[str | int, ...]) -> _Found:
    said = {name for name in ("delay", "rate", "margin", "start", "skew") if getattr(fault, name) is not None}
    said |= {name for name in ("points", "serial") if getattr(fault, name)}
    allowed, needed = _FAULT_FIELDS[fault.kind]
    for name in sorted(needed - said):
        yield path, f"a `{fault.kind}` fault needs `{name}`"
    for name in sorted(said - allowed):
        yield (*path, name), f"a `{fault.kind}` fault has no `{name}`"
    if fault.kind == "crc_noise" and line.frames == "mbap":
        yield path, "Modbus TCP has no checksum, so noise would pass as values: use it on an `rtu` line"
    if fault.rate is not None and not 0 <= fault.rate <= 1:
        yield (*path, "rate"), "is a share: write 0 to 1"
    if fault.until is not None and seconds(fault.until) <= seconds(fault.from_):
        yield (*path, "until"), "ends before it begins"
    yield from _known(profile, fault.points, (*path, "points"))


def _links(site: Site) -> _Found:
    seen: set[str] = set()
    for at, link in enumerate(site.links):
        if link.id in seen:
            yield ("links", at, "id"), f"`{link.id}` is used twice: give each link its own id"
        seen.add(link.id)
        yield from _loopback(link.listen, ("links", at, "listen"))


def _story(site: Site, profiles: Mapping[str, Profile]) -> _Found:
    devices = {device.id: (line, device) for line, device in site.devices()}
    links = {link.id for link in site.links}
    for at, step in enumerate(site.story):
        path = ("story", at)
        if (step.device is None) == (step.link is None):
            yield path, "give exactly one of `device` and `link`"
        elif step.link is not None:
            if step.link not in links:
                yield (*path, "link"), f"there is no link `{step.link}`"
            if step.cut is None or step.set is not None or step.fault is not None or step.release:
                yield path, "a link can be `cut`, and nothing else"
        elif step.device not in devices:
            yield (*path, "device"), f"there is no device `{step.device}`"
        else:
            yield from _device_step(step, path, devices[step.device], profiles)


def _device_step(
    step: Step, path: tuple[str | int, ...], place: tuple[Line, Device], profiles: Mapping[str, Profile]
) -> _Found:
    line, device = place
    profile = profiles.get(device.profile)
    if step.cut is not None:
        yield (*path, "cut"), "only a link can be cut"
    if step.set is None and step.fault is None and not step.release:
        yield path, "nothing happens here: give `set`, `release` or `fault`"
    if step.for_ is not None and step.fault is None and step.set is None:
        yield (*path, "for"), "only a `set` or a `fault` can last"
    if profile is not None:
        yield from _values(profile, step.set or {}, (*path, "set"))
        yield from _known(profile, step.release, (*path, "release"))
        if step.fault is not None:
            yield from _fault(step.fault, line, profile, (*path, "fault"))
