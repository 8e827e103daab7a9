"""Lines and devices as a checked configuration has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.lines import SerialMode, SerialSettings, TcpSettings
from drivers.profile import Profile
from gateway.polling.report import Rule
from gateway.polling.snapshots import Snapshots
from gateway.site.listening import Ear
from gateway.site.site_file import DeviceFile, LineFile
from messages.types import MeterInfo


@dataclass(frozen=True, slots=True)
class Device:
    """One device, checked: its profile, its times and what its driver needs to know."""

    id: str
    file: DeviceFile
    profile: Profile
    timeout: float
    periods: Mapping[str, float]
    options: Mapping[str, Any]
    meter: MeterInfo | None
    reports: Mapping[str, Rule] = field(default_factory=dict)
    mode: SerialMode | None = None  # where its line has another


@dataclass(frozen=True, slots=True)
class LineConfig:
    """One wire, checked."""

    id: str
    file: LineFile
    settings: TcpSettings | SerialSettings
    endpoint: str
    devices: tuple[Device, ...]
    fire_budget: float = 2.0
    """The longest in seconds that a change of a fire point may go unseen."""
    snapshots: Snapshots | None = None
    """When its billing registers are read for the books."""


@dataclass(frozen=True, slots=True)
class ListeningLine:
    """A wire on which devices speak unasked, checked."""

    id: str
    file: LineFile
    ear: Ear
    endpoint: str
    devices: tuple[Device, ...]
