"""A simulated site as data: its lines and devices, what goes wrong with them, and the story in time.

Everything is read and checked before the first socket is opened; every problem is told by file and line.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from drivers.profile import Profile
from drivers.strict_yaml import Marks, Problem, YamlError, line_of, load_as, parse_duration, path_text
from messages.types import Value
from simulators.endpoints import not_here
from simulators.field_check import field_misfits
from simulators.registers import MapError, cell, cells_of
from simulators.vocabulary import Device, Fault, FaultKind, Line, Link, Physics, Site, Step

__all__ = [
    "Device",
    "Fault",
    "FaultKind",
    "Line",
    "Link",
    "Physics",
    "Site",
    "Step",
    "check",
    "is_zone",
    "load_site",
    "misfits",
    "seconds",
]

# What each kind of fault may say beside its times, and what it must say.
_FAULT_FIELDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "silent": (frozenset(), frozenset()),
    "busy": (frozenset({"code"}), frozenset()),
    "slow": (frozenset({"delay"}), frozenset({"delay"})),
    "late": (frozenset({"delay"}), frozenset({"delay"})),
    "crc_noise": (frozenset({"rate"}), frozenset()),
    "truncate": (frozenset({"rate"}), frozenset()),
    "double": (frozenset({"rate", "delay"}), frozenset()),
    "babble": (frozenset({"every", "sends"}), frozenset({"every"})),
    "echo": (frozenset(), frozenset()),
    "illegal_address": (frozenset({"points"}), frozenset({"points"})),
    "wrong_word_order": (frozenset(), frozenset()),
    "register_rollover": (frozenset({"margin"}), frozenset()),
    "meter_exchange": (frozenset({"serial", "start"}), frozenset({"start"})),
    "clock_skew": (frozenset({"skew"}), frozenset({"skew"})),
}


def seconds(text: str | None) -> float:
    """Read a duration of a checked file; None is 0."""
    if text is None:
        return 0.0
    return -parse_duration(text[1:]) if text.startswith("-") else parse_duration(text)


def is_zone(name: str) -> bool:
    """Say whether there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # none, no name, or a folder of some
        return False
    return True


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
        *field_misfits(site, profiles, not_here),
    ]
    if not is_zone(site.timezone):
        found.append((("timezone",), f"`{site.timezone}` is no time zone, as Asia/Shanghai"))
    if seconds(site.tick) < 0.01:
        found.append((("tick",), "shorter than 10ms: no register changes that fast"))
    if found:
        raise YamlError([Problem(line_of(marks, path), path_text(path), text, file) for path, text in found])


def misfits(site: Site, steps: Sequence[Step], profiles: Mapping[str, Profile]) -> list[str]:
    """Say what is wrong with steps that come while the site runs; empty where they may be taken."""
    told = msgspec.structs.replace(site, story=tuple(steps))
    return [f"{path_text(path)}: {text}" for path, text in _story(told, profiles)]


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
        elif line.frames == "mbap":
            yield (*path, "framing"), "a serial line carries `rtu` or `ascii`"
        if line.frames == "mbap":
            for name in ("baud", "strict", "echo"):
                if getattr(line, name):
                    yield (*path, name), "Modbus TCP has no characters to time: use `framing: rtu`"
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
    if wrong := not_here(endpoint):
        yield path, wrong


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
    optional = ("delay", "rate", "margin", "start", "skew", "code", "every", "sends")
    said = {name for name in optional if getattr(fault, name) is not None}
    said |= {name for name in ("points", "serial") if getattr(fault, name)}
    allowed, needed = _FAULT_FIELDS[fault.kind]
    for name in sorted(needed - said):
        yield path, f"a `{fault.kind}` fault needs `{name}`"
    for name in sorted(said - allowed):
        yield (*path, name), f"a `{fault.kind}` fault has no `{name}`"
    if fault.kind == "crc_noise" and line.frames == "mbap":
        yield path, "Modbus TCP has no checksum, so noise would pass as values: use it on an `rtu` line"
    if fault.kind == "echo" and line.frames == "mbap":
        yield path, "only a pair of wires can echo: use it on an `rtu` or `ascii` line"
    if fault.kind == "babble" and line.frames == "mbap" and fault.sends != "reply":
        yield path, "what a Modbus TCP device sends unasked is a reply: say `sends: reply`"
    if fault.every is not None and seconds(fault.every) <= 0:
        yield (*path, "every"), "is no time: a device that never stops is not simulated"
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
            if (
                step.cut is None
                or step.set is not None
                or step.fault is not None
                or step.release
                or step.mend
            ):
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
    if step.set is None and step.fault is None and not step.release and not step.mend:
        yield path, "nothing happens here: give `set`, `release`, `fault` or `mend`"
    if step.for_ is not None and step.fault is None and step.set is None:
        yield (*path, "for"), "only a `set` or a `fault` can last"
    if profile is not None:
        yield from _values(profile, step.set or {}, (*path, "set"))
        yield from _known(profile, step.release, (*path, "release"))
        if step.fault is not None:
            yield from _fault(step.fault, line, profile, (*path, "fault"))
