"""Lines whose devices speak unasked: a socket of ours that they connect to, or a port that only listens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path as File
from typing import Any

from drivers import registry
from drivers.api import ListenDriver
from drivers.errors import Misconfigured
from drivers.lines import SerialSettings
from drivers.profile import Profile
from drivers.strict_yaml import parse_duration
from gateway.cameras.place import Cameras
from gateway.listening.limits import Limits, Network
from gateway.site.endpoint import endpoint_of
from gateway.site.site_file import NEVER, DeviceFile, LineFile, ListenFile, TlsFile
from messages.text import printable

Path = tuple[str | int, ...]
Wrong = Callable[[Path, str], None]
Beside = Callable[[str], File]
"""A name in the site file as a whole path."""

HEARD_WITHIN = "10m"
CAMERAS = "onvif"
SHORTEST_WITHIN_S, LONGEST_WITHIN_S = 5.0, 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the certificate of a line lies, its key, and those of whom peers need one."""

    cert: File
    key: File
    client_ca: File | None = None


@dataclass(frozen=True, slots=True)
class Socket:
    """Where a listening line listens."""

    host: str
    port: int
    tcp: bool = True
    udp: bool = False
    tls: TlsFiles | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """How a device of a listening line names itself, and after how long it is silent; None: never."""

    name: str
    within: float | None


@dataclass(frozen=True, slots=True)
class Ear:
    """What a listening line adds to a line: its protocol, where it listens, and what peers may do."""

    protocol: str
    place: Socket | SerialSettings | Cameras
    limits: Limits
    sources: Mapping[str, Source] = field(default_factory=dict)
    """By device."""


def ear_of(
    line: LineFile,
    listen: ListenFile,
    path: Path,
    library: Mapping[str, Profile],
    wrong: Wrong,
    beside: Beside,
    *,
    certificates: bool = True,
) -> Ear | None:
    """Check what makes a line a listening one; call `wrong` for each problem, and return None where it cannot be.

    Certificates are looked at where `certificates`.
    """
    place = _place(line, listen, path, wrong, beside, certificates=certificates)
    limits = _limits(listen, (*path, "listen"), wrong)
    profiles = [(index, entry, library.get(entry.profile)) for index, entry in enumerate(line.devices)]
    protocols = sorted({profile.protocol for _, _, profile in profiles if profile is not None})
    if len(protocols) > 1:
        wrong((*path, "devices"), f"speak {' and '.join(protocols)}: a listening line has one protocol")
    sources: dict[str, Source] = {}
    for index, entry, profile in profiles:
        if profile is not None:
            source = _source(line, listen, entry, profile, (*path, "devices", index), wrong)
            if source is None:
                continue
            twin = next((other for other, known in sources.items() if known.name == source.name), None)
            if twin is not None:
                wrong((*path, "devices", index), f"names itself {printable(source.name)} as {twin} does")
            sources[entry.id] = source
    if place is None or limits is None or len(protocols) != 1:
        if not line.devices:
            wrong(
                (*path, "devices"), "a listening line needs a device: its profile says which protocol it is"
            )
        return None
    return Ear(protocols[0], place, limits, sources)


def options_of(line: LineFile, device: DeviceFile) -> Mapping[str, Any]:
    """Return what the driver of a device is told: the line's options, the device's, and its address."""
    own = {"address": device.address} if device.address else {}
    return {**line.options, **device.options, **own}


def _place(
    line: LineFile, listen: ListenFile, path: Path, wrong: Wrong, beside: Beside, *, certificates: bool
) -> Socket | SerialSettings | None:
    if line.tcp is not None:
        wrong((*path, "tcp"), "a line with `listen` does not connect: write the address under listen.at")
    if (listen.at is None) == (line.serial is None):
        wrong((*path, "listen"), "needs exactly one of `at` (address:port) and the line's `serial`")
        return None
    if listen.tls is not None and (line.serial is not None or listen.transport != "tcp"):
        wrong((*path, "listen", "tls"), "is for `at` with `transport: tcp` only: take it out")
        return None
    if line.serial is not None:
        try:
            return SerialSettings(
                line.serial, line.baud, line.parity, line.data_bits, line.stop_bits, echo=line.echo
            )
        except Misconfigured as err:
            wrong((*path, "serial"), str(err))
            return None
    endpoint = endpoint_of(listen.at or "", lowest=0)
    if endpoint is None:
        wrong((*path, "listen", "at"), "write address:port, for example 0.0.0.0:5200")
        return None
    tls = None if listen.tls is None else _files(listen.tls, beside)
    if tls is not None and certificates:
        _check_certificate(tls, (*path, "listen", "tls"), wrong)
    return Socket(*endpoint, tcp="tcp" in listen.transport, udp="udp" in listen.transport, tls=tls)


def _files(given: TlsFile, beside: Beside) -> TlsFiles:
    named = given.client_ca_file
    return TlsFiles(beside(given.cert_file), beside(given.key_file), beside(named) if named else None)


def _check_certificate(files: TlsFiles, path: Path, wrong: Wrong) -> None:
    from gateway.site import tls  # noqa: PLC0415 - certificates are read only where there are some

    try:
        tls.certificate_of(files)
    except tls.TlsWrong as err:
        wrong((*path, err.key), printable(str(err), 300))


def _limits(listen: ListenFile, path: Path, wrong: Wrong) -> Limits | None:
    networks: list[Network] = []
    for index, text in enumerate(listen.allow):
        try:
            networks.append(ip_network(text))
        except ValueError as err:
            wrong((*path, "allow", index), f"{printable(str(err))}: write 10.1.2.3 or 10.1.0.0/16")
    if len(networks) != len(listen.allow):
        return None
    return Limits(
        peers=listen.peers,
        per_host=listen.per_host,
        idle_s=parse_duration(listen.idle),
        bytes_per_s=1000.0 * listen.kilobytes_per_s,
        burst_bytes=10_000.0 * listen.kilobytes_per_s,
        messages_per_s=float(listen.messages_per_s),
        burst_messages=10.0 * listen.messages_per_s,
        allow=tuple(networks),
    )


def _source(
    line: LineFile, listen: ListenFile, entry: DeviceFile, profile: Profile, path: Path, wrong: Wrong
) -> Source | None:
    try:
        driver = registry.get(profile.protocol)
        if profile.protocol == CAMERAS:
            wrong(path, f"{profile.profile} is a camera: give its line `camera` in the place of `listen`")
            return None
        if not isinstance(driver, ListenDriver):
            wrong(
                path,
                f"{profile.profile} is asked, it does not speak unasked: put it on a line without `listen`",
            )
            return None
        name = driver.source(profile, options_of(line, entry))
    except Misconfigured as err:
        wrong(path, f"{entry.id}: {err}")
        return None
    usual = NEVER if line.serial is not None else HEARD_WITHIN
    text = entry.heard_within or listen.heard_within or usual
    if text == NEVER:
        return Source(name, None)
    within = parse_duration(text)
    if not SHORTEST_WITHIN_S <= within <= LONGEST_WITHIN_S:
        wrong((*path, "heard_within"), "write 5s to 168h, or never where silence means nothing")
    return Source(name, within)
