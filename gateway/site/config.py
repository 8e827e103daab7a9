"""From `site.yaml` to what runs: every problem found, each with its line, before anything is opened.

Nothing here touches the network. Files that the configuration names (profiles, password) are read once.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drivers import registry
from drivers.api import ListenDriver
from drivers.errors import Misconfigured
from drivers.lines import SerialSettings, TcpSettings
from drivers.profile import DEFAULT_PERIODS, Profile
from drivers.profiles_store import nearest
from drivers.secret import placed
from drivers.strict_yaml import Marks, Problem, YamlError, line_of, load_as, parse_duration, path_text
from gateway.cameras.place import Cameras
from gateway.polling.modes import check_framing, framing_of, mode_of
from gateway.polling.report_rules import check_line, report_rules
from gateway.polling.snapshots import Snapshots
from gateway.site.cameras import ear_of_cameras
from gateway.site.digest import digest_of
from gateway.site.endpoint import endpoint_of
from gateway.site.lines import Device, LineConfig, ListeningLine
from gateway.site.listening import CAMERAS, Socket, ear_of, options_of
from gateway.site.meters import multiplier_of, wrong_ratings
from gateway.site.password import PasswordMissing, password_of
from gateway.site.site_file import DeviceFile, LineFile, ListenFile, SiteFile
from gateway.site.twins import check_twins
from messages.broker import BrokerAddress, BrokerUrlError, parse_url
from messages.text import printable
from messages.types import MAX_DEVICES, MeterInfo

__all__ = ["Device", "LineConfig", "ListeningLine", "Site", "load_site", "site_of"]

SHORTEST_TIMEOUT_S, LONGEST_TIMEOUT_S = 0.01, 60.0
SHORTEST_PERIOD_S, LONGEST_PERIOD_S = 0.001, 86_400.0
DAY_S = 86_400.0
MODBUS = "modbus"
SHORTEST_BUDGET_S, LONGEST_BUDGET_S = 0.1, 60.0

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """A whole configuration that can run."""

    file: SiteFile
    broker: BrokerAddress
    state_dir: Path
    metrics: tuple[str, int] | None
    lines: tuple[LineConfig, ...]
    hash: str
    """`sha256:` and the digest of what is configured, the profiles in use among it, secrets not."""
    listening: tuple[ListeningLine, ...] = ()
    path: Path = field(default=Path(), compare=False)
    """The site file."""

    @property
    def all_lines(self) -> tuple[LineConfig | ListeningLine, ...]:
        """The lines that are polled, then those that listen."""
        return (*self.lines, *self.listening)

    @property
    def devices(self) -> tuple[Device, ...]:
        """All devices, line by line."""
        return tuple(device for line in self.all_lines for device in line.devices)


def load_site(path: Path, *, secrets: bool = True, certificates: bool = True) -> Site:
    """Read and check a site file; raise `YamlError` with all problems, in the order of lines.

    Without `secrets` the broker's password is neither wanted nor read: for whoever only speaks to devices. Without
    `certificates` those of listening lines are not looked at: a line says itself what it has none of, and tries again.
    """
    file, marks = load_as(path, SiteFile)
    return site_of(path, file, marks, secrets=secrets, certificates=certificates)


def site_of(
    path: Path, file: SiteFile, marks: Marks, name: str = "", *, secrets: bool, certificates: bool = True
) -> Site:
    """Check what was read from `path`, or under another `name`; raise `YamlError` with all problems."""
    return _Checker(path, file, marks, name or str(path), secrets=secrets, certificates=certificates).site()


@dataclass(slots=True)
class _Checker:
    """Collects problems while it builds; a part that cannot be built is left out and the rest is still checked."""

    path: Path
    file: SiteFile
    marks: Marks
    name: str
    problems: list[Problem] = field(default_factory=list)
    library: Mapping[str, Profile] = field(default_factory=dict)
    broken: bool = False  # a profile of the library cannot be read
    zone: ZoneInfo | None = None
    snapshots: Snapshots | None = None
    secrets: bool = True
    certificates: bool = True

    def site(self) -> Site:
        self.library = self._library()
        broker = self._broker()
        self._timezone()
        self._snapshot()
        self._same_ids()
        lines: list[LineConfig] = []
        listening: list[ListeningLine] = []
        for index, entry in enumerate(self.file.lines):
            if entry.listen is not None or entry.camera is not None:
                listening += self._listening(("lines", index), entry)
            elif (line := self._line(("lines", index), entry)) is not None:
                lines.append(line)
        self._same_endpoints([*lines, *listening])
        metrics = self._metrics()
        self._periods(("poll",), self.file.poll)
        self._budget(("fire_budget",), self.file.fire_budget)
        if self.problems or broker is None:
            raise YamlError(self.problems)
        state_dir, digest = self._place(self.file.state_dir), digest_of(self.file, [*lines, *listening])
        return Site(self.file, broker, state_dir, metrics, tuple(lines), digest, tuple(listening), self.path)

    def wrong(self, path: Path_, text: str) -> None:
        self.problems.append(Problem(line_of(self.marks, path), path_text(path), text, self.name))

    def _place(self, name: str) -> Path:
        return (self.path.parent / Path(name).expanduser()).absolute()

    def _library(self) -> Mapping[str, Profile]:
        folders = []
        for index, name in enumerate(self.file.profiles):
            folder = self._place(name)
            if folder.is_dir():
                folders.append(folder)
            else:
                self.wrong(("profiles", index), f"{folder} is no folder: make it or take the line out")
        try:
            return registry.checked_library(
                folders, {it.profile for line in self.file.lines for it in line.devices}
            )
        except YamlError as err:
            self.problems.extend(err.problems)
            self.broken = True
            return {}

    def _broker(self) -> BrokerAddress | None:
        broker = self.file.broker
        if broker.password_file and broker.password_env:
            self.wrong(("broker", "password_env"), "give password_file or password_env, not both")
        password = self._password()
        try:
            address = parse_url(broker.url, username=broker.username or None, password=password)
        except BrokerUrlError as err:
            self.wrong(("broker", "url"), str(err))
            return None
        if broker.ca_file:
            ca_file = self._place(broker.ca_file)
            if not address.tls:
                self.wrong(("broker", "ca_file"), "is for mqtts:// only: change the url or take this out")
            elif not ca_file.is_file():
                self.wrong(("broker", "ca_file"), f"{ca_file} is no file")
            return replace(address, ca_file=str(ca_file))
        return address

    def _password(self) -> str | None:
        if not self.secrets:
            return None
        try:
            return password_of(self.file.broker, self._place)
        except PasswordMissing as err:
            self.wrong(("broker", err.key), str(err))
            return None

    def _timezone(self) -> None:
        try:
            self.zone = ZoneInfo(self.file.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            name = printable(self.file.timezone, 60)
            self.wrong(("timezone",), f"{name!r} is no time zone: write a name such as Asia/Shanghai")

    def _snapshot(self) -> None:
        every, window = (
            parse_duration(text) for text in (self.file.snapshot.every, self.file.snapshot.window)
        )
        if not (60 <= every <= DAY_S and DAY_S % every == 0):
            self.wrong(("snapshot", "every"), "write 1m to 24h, and so that a day is a multiple of it")
        elif not 1 <= window <= every / 2:
            self.wrong(("snapshot", "window"), "write 1s to half of `every`")
        elif self.zone is not None:
            self.snapshots = Snapshots(self.zone, timedelta(seconds=every), timedelta(seconds=window))

    def _metrics(self) -> tuple[str, int] | None:
        if self.file.metrics is None:
            return None
        endpoint = endpoint_of(self.file.metrics.listen, lowest=0)
        if endpoint is None:
            self.wrong(("metrics", "listen"), "write address:port, for example 127.0.0.1:9101")
        return endpoint

    def _same_ids(self) -> None:
        lines: dict[str, Path_] = {}
        devices: dict[str, Path_] = {}
        for index, line in enumerate(self.file.lines):
            self._once(lines, line.id, ("lines", index, "id"))
            for place, device in enumerate(line.devices):
                self._once(devices, device.id, ("lines", index, "devices", place, "id"))
        if self.file.gateway in devices:
            self.wrong(devices[self.file.gateway], "is the gateway's own id: give the device another one")
        if len(devices) > MAX_DEVICES:
            self.wrong(("lines",), f"{len(devices)} devices, and a gateway may have {MAX_DEVICES}")

    def _once(self, seen: dict[str, Path_], name: str, path: Path_) -> None:
        if name in seen:
            first = line_of(self.marks, seen[name])
            self.wrong(path, f"{name} is already the id in line {first}: give each its own")
        else:
            seen[name] = path

    def _line(self, path: Path_, line: LineFile) -> LineConfig | None:
        settings = self._settings(path, line)
        timeout = self._timeout((*path, "timeout"), line.timeout)
        self._periods((*path, "poll"), line.poll)
        self._timeout((*path, "shortest_timeout"), line.shortest_timeout or "1s")
        if line.fire_budget is not None:
            self._budget((*path, "fire_budget"), line.fire_budget)
        check_twins(line, self.library, path, self.wrong)
        check_framing(line, path, self.wrong)
        check_line(line, self.library, (*path, "report"), self.wrong)
        devices = tuple(
            device
            for index, entry in enumerate(line.devices)
            if (device := self._device((*path, "devices", index), entry, line, timeout)) is not None
        )
        if settings is None:
            return None
        serial = isinstance(settings, SerialSettings)
        endpoint = (line.serial if serial else line.tcp) or ""
        budget = parse_duration(line.fire_budget or self.file.fire_budget)
        return LineConfig(line.id, line, settings, printable(endpoint), devices, budget, self.snapshots)

    def _listening(self, path: Path_, line: LineFile) -> Iterator[ListeningLine]:
        listen = line.listen or ListenFile()
        if line.camera is not None:
            places = self.path.parent, self._place(self.file.state_dir)
            ear = ear_of_cameras(
                line, line.camera, path, self.library, *places, self.wrong, secrets=self.secrets
            )
        else:
            ear = ear_of(
                line, listen, path, self.library, self.wrong, self._place, certificates=self.certificates
            )
        made = (
            self._device((*path, "devices", index), each, line, 1.0)
            for index, each in enumerate(line.devices)
        )
        devices = tuple(device for device in made if device is not None)
        if ear is not None:
            yield ListeningLine(
                line.id,
                line,
                ear,
                printable(line.serial or listen.at or ("cameras" if line.camera else "")),
                devices,
            )

    def _settings(self, path: Path_, line: LineFile) -> TcpSettings | SerialSettings | None:
        if (line.tcp is None) == (line.serial is None):
            self.wrong(path, "a line has exactly one of `tcp`, `serial`, `listen` and `camera`")
            return None
        guard = None if line.late_guard is None else self._timeout((*path, "late_guard"), line.late_guard)
        if line.serial is not None:
            return SerialSettings(
                port=line.serial,
                baud=line.baud,
                parity=line.parity,
                data_bits=line.data_bits,
                stop_bits=line.stop_bits,
                echo=line.echo,
                late_guard=guard,
            )
        endpoint = endpoint_of(line.tcp or "", lowest=1)
        if endpoint is None:
            self.wrong((*path, "tcp"), "write address:port, for example 192.168.1.10:502")
            return None
        return TcpSettings(*endpoint, echo=line.echo, late_guard=guard)

    def _same_endpoints(self, lines: Iterable[LineConfig | ListeningLine]) -> None:
        seen: dict[object, str] = {}
        index = {line.id: place for place, line in enumerate(self.file.lines)}
        for line in lines:
            settings = line.settings if isinstance(line, LineConfig) else line.ear.place
            if isinstance(settings, Cameras):
                continue
            key = (
                os.path.realpath(settings.port)
                if isinstance(settings, SerialSettings)
                else (settings.host.lower(), settings.port, isinstance(line, LineConfig))
            )
            if key in seen and not (isinstance(settings, Socket) and settings.port == 0):
                text = f"{line.endpoint} is already line {seen[key]}: one wire has one owner, put the devices there"
                self.wrong(("lines", index[line.id]), text)
            seen.setdefault(key, line.id)

    def _device(self, path: Path_, device: DeviceFile, line: LineFile, timeout: float) -> Device | None:
        profile = self.library.get(device.profile)
        self._periods((*path, "poll"), device.poll)
        if device.timeout is not None:
            timeout = self._timeout((*path, "timeout"), device.timeout)
        if profile is None:
            self._unknown_profile((*path, "profile"), device.profile)
            return None
        options = placed(options_of(line, device), self._place)
        if profile.protocol == MODBUS:
            options = {"framing": framing_of(line, device), **options}
        if line.listen is None and line.camera is None:
            self._driver(path, device, profile, options)
        given = {**self.file.poll, **line.poll, **device.poll}
        periods = {**DEFAULT_PERIODS, **{str(name): parse_duration(text) for name, text in given.items()}}
        meter = self._meter((*path, "meter"), device, profile)
        reports = report_rules(profile, line.report, device.report, (*path, "report"), self.wrong)
        mode = mode_of(line, device, path, self.wrong)
        return Device(device.id, device, profile, timeout, periods, options, meter, reports, mode)

    def _unknown_profile(self, path: Path_, name: str) -> None:
        if self.broken:
            return  # the library itself is, and that has been said
        near = nearest(name, self.library)
        hint = f"did you mean {near}?" if near else "`gatehouse-gateway profiles` lists them"
        self.wrong(path, f"no profile is called {printable(name, 60)!r}: {hint}")

    def _driver(self, path: Path_, device: DeviceFile, profile: Profile, options: Mapping[str, Any]) -> None:
        try:
            driver = registry.get(profile.protocol)
            if isinstance(driver, ListenDriver):
                kind = (
                    "is a camera: give its line `camera`"
                    if profile.protocol == CAMERAS
                    else "speaks unasked: give its line `listen`"
                )
                self.wrong(path, f"{device.id}: {profile.profile} {kind}")
                return
            bound = driver.device(profile, device.unit, options)
            bound.plan(profile.points)
        except Misconfigured as err:
            self.wrong(path, f"{device.id}: {err}")

    def _meter(self, path: Path_, device: DeviceFile, profile: Profile) -> MeterInfo | None:
        meter = device.meter
        if meter is None:
            return None
        if not any(point.billing for point in profile.points.values()):
            self.wrong(
                path, f"{profile.profile} has no billing point: take `meter` out or choose another profile"
            )
        try:
            multiplier = multiplier_of(meter)
        except ValueError as err:
            self.wrong(path, str(err))
            return None
        if profile.register_basis == "primary" and multiplier != 1:
            text = (
                f"a multiplier of {multiplier} on registers that already hold primary values would multiply twice: "
                "leave multiplier, ct and pt out"
            )
            self.wrong(path, text)
        for point, wrong in wrong_ratings(meter, profile):
            self.wrong((*path, "rated_per_h", point), wrong)
        return MeterInfo(
            metering_point=meter.metering_point,
            multiplier=multiplier,
            reader=meter.reader,
            serial=meter.serial,
            rated_per_h=meter.rated_per_h,
        )

    def _timeout(self, path: Path_, text: str) -> float:
        seconds = parse_duration(text)
        if not SHORTEST_TIMEOUT_S <= seconds <= LONGEST_TIMEOUT_S:
            self.wrong(path, f"{text} is not between 10ms and 60s")
        return seconds

    def _budget(self, path: Path_, text: str) -> None:
        if not SHORTEST_BUDGET_S <= parse_duration(text) <= LONGEST_BUDGET_S:
            self.wrong(path, f"{text} is not between 100ms and 60s: how late may a fire be seen?")

    def _periods(self, path: Path_, poll: Mapping[Any, str]) -> None:
        for name, text in poll.items():
            if not SHORTEST_PERIOD_S <= parse_duration(text) <= LONGEST_PERIOD_S:
                self.wrong((*path, name), f"{text} is not between 1ms and 24h")
