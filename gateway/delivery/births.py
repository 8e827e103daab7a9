"""What a gateway tells the server about itself: its retained birth and its heartbeat."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from platform import python_version
from typing import Protocol

from drivers.profile import Alarmed, Profile
from gateway.polling.edges import Edges
from gateway.polling.orders import patience
from gateway.polling.told import watches_over
from gateway.site.config import Device, LineConfig, ListeningLine, Site
from messages.codec import MAX_BIRTH_BYTES, encode, utc_ms
from messages.types import (
    DEVICE_SILENT,
    ActionInfo,
    Birth,
    DeviceInfo,
    EventInfo,
    LineInfo,
    PointInfo,
    ProfileInfo,
    Severity,
)

DISTRIBUTION = "gatehouse-iot"
MAX_LABEL = 200  # of the contract
MAX_RAISED_NAMED = 200  # a heartbeat is small; with more alarms than this somebody looks at them already
MAX_UNREAD_BYTES = 3000  # what is left of its message beside the longest names
_RANK = {severity: rank for rank, severity in enumerate(Severity)}
_SILENCE = EventInfo(label="Device silent", label_zh="设备失联", severity=Severity.HIGH, alarm_class="comms")


def versions() -> Mapping[str, str]:
    """Return what runs here."""
    try:
        ours = version(DISTRIBUTION)
    except PackageNotFoundError:
        ours = "source"
    return {"gatehouse": ours, "python": python_version()}


def profile_info(device: Device) -> ProfileInfo:
    """Return what the server must know of a device's model, at the pace at which this one is heard."""
    profile, paces = device.profile, _paces(device)
    return ProfileInfo(
        vendor=profile.vendor,
        model=profile.model,
        device_class=profile.device_class,
        protocol=profile.protocol,
        resource=profile.resource,
        points={
            name: PointInfo(
                label=point.label,
                label_zh=point.label_zh,
                unit=point.unit,
                kind=point.kind,
                billing=point.billing,
                period_s=paces[name],
                modulus=point.modulus,
            )
            for name, point in profile.points.items()
        },
        events={
            name: EventInfo(
                label=event.label,
                label_zh=event.label_zh,
                severity=event.severity,
                alarm_class=event.alarm_class,
                latched=event.latched,
                spoken=name in profile.signals,
                record=name in profile.signals and profile.signals[name].record,
            )
            for name, event in _alarmed(profile)
        }
        | ({DEVICE_SILENT: _SILENCE} if watches_over(profile) else {}),
        actions={
            name: ActionInfo(
                label=action.label,
                label_zh=action.label_zh,
                expires_s=action.expires_s,
                within_s=ceil(patience(action.read_back)[1]),
            )
            for name, action in profile.actions.items()
        },
    )


def _alarmed(profile: Profile) -> Iterator[tuple[str, Alarmed]]:
    yield from profile.events.items()
    yield from profile.signals.items()


def _profile_name(device: Device, known: Mapping[str, Mapping[str, float]]) -> str:
    """Name the profile of a device; devices of one model at different paces get one entry for each pace.

    The contract tells periods per profile, and the server takes silence from them.
    """
    base, mine = device.profile.profile, _paces(device)
    name, count = base, 1
    while name in known and known[name] != mine:
        count += 1
        name = f"{base}--{count}"
    return name


def _paces(device: Device) -> Mapping[str, float]:
    """Return how often each point is heard at least: a report by exception may be silent for longer than a period."""
    return {
        name: max(device.periods[point.poll], device.reports[name].max_silence)
        if name in device.reports
        else device.periods[point.poll]
        for name, point in device.profile.points.items()
    }


def birth(site: Site, *, at: datetime, boot: str, epoch: str) -> Birth:
    """Describe a gateway from its configuration."""
    periods: dict[str, Mapping[str, float]] = {}
    profiles: dict[str, ProfileInfo] = {}
    devices: list[DeviceInfo] = []
    for line in site.all_lines:
        for device in line.devices:
            name = _profile_name(device, periods)
            if name not in profiles:
                periods[name] = _paces(device)
                profiles[name] = profile_info(device)
            devices.append(_device_info(line, device, name))
    return Birth(
        site=site.file.site,
        gateway=site.file.gateway,
        at=utc_ms(at),
        boot=boot,
        epoch=epoch,
        config=site.hash,
        profiles=profiles,
        devices=tuple(devices),
        lines=tuple(
            LineInfo(id=line.id, endpoint=line.endpoint, label=line.file.label) for line in site.all_lines
        ),
        versions=versions(),
        timezone=site.file.timezone,
    )


def too_large(site: Site) -> str:
    """Say what to do about a site whose birth no server would take; empty where it fits."""
    size = len(encode(birth(site, at=datetime.fromtimestamp(0, UTC), boot="0" * 12, epoch="0" * 12)))
    if size <= MAX_BIRTH_BYTES:
        return ""
    return (
        f"the description of {len(site.devices)} devices takes {size} bytes, and a server takes {MAX_BIRTH_BYTES}: "
        "split the lines over two gateways"
    )


class Watched(Protocol):
    """Something with alarms: a device, or the gateway itself."""

    @property
    def id(self) -> str:
        """Under which its events are told."""

    @property
    def edges(self) -> Edges:
        """Its events."""


def raised(devices: Iterable[Watched]) -> dict[str, tuple[str, ...]]:
    """Name the events that stand, at most `MAX_RAISED_NAMED`, the most urgent first."""
    standing = [
        (_RANK[event.severity], device.id, code)
        for device in devices
        for code, event in device.edges.events.items()
        if code in device.edges.raised
    ]
    found: dict[str, tuple[str, ...]] = {}
    for _, device_id, code in sorted(standing)[:MAX_RAISED_NAMED]:
        found[device_id] = (*found.get(device_id, ()), code)
    return found


def unread(
    devices: Collection[Watched], silent: Collection[str], unknown: Collection[str] = ()
) -> dict[str, tuple[str, ...]] | None:
    """Name the events that no good reading has told yet, silent devices left out; None where not all can be named.

    Of the devices in `unknown` nobody knows whether they answer: their silence is such an event.

    None too where not all that stands can be named: what is in neither list would pass for normal.
    """
    if sum(len(device.edges.raised) for device in devices) > MAX_RAISED_NAMED:
        return None
    found, size = {}, 0
    for device in devices:
        codes = device.edges.unread + (DEVICE_SILENT,) * (device.id in unknown)
        if device.id not in silent and codes:
            found[device.id] = codes
            size += len(device.id) + 6 + sum(len(code) + 3 for code in codes)
            if size > MAX_UNREAD_BYTES:
                return None
    return found


def _device_info(line: LineConfig | ListeningLine, device: Device, profile: str) -> DeviceInfo:
    file = device.file
    source = line.ear.sources.get(device.id) if isinstance(line, ListeningLine) else None
    within = source.within if source else None
    return DeviceInfo(
        id=device.id,
        profile=profile,
        line=line.id,
        name=file.name,
        unit=file.unit,
        building=file.building,
        floor=file.floor,
        place=file.place,
        meter=device.meter,
        address=source.name[:MAX_LABEL] if source else file.address,
        speaks=source is not None,
        heard_within_s=None if within is None else ceil(within),
    )
