"""The types of `site.yaml`, exactly as people write it; `gateway.site.config` turns them into what runs."""

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from drivers.lines import Echo
from drivers.profile import PollClass, Report, Strict
from messages.types import Id, Label

Duration = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h)$", description="a time such as 500ms, 10s, 5m or 1h"
    ),
]
Megabytes = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Ratio = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?/[0-9]{1,9}(\.[0-9]{1,6})?$",
        description="a ratio such as 150/5, primary first",
    ),
]
Unit = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Where = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


EVERY = "*"
ReportFile = dict[str, Report | Literal["all"]]
"""Report by exception, by point; `*` is every point that may be thinned, `all` tells every reading."""


class BrokerFile(Strict, frozen=True, kw_only=True):
    """Where the broker is and as whom to sign in; the password itself is never in the file."""

    url: Where
    username: str = ""
    password_file: str = ""
    password_env: str = ""
    ca_file: str = ""


class MetricsFile(Strict, frozen=True, kw_only=True):
    """Where `/metrics` listens; port 0 takes any free one."""

    listen: Where = "127.0.0.1:9101"


class JournalFile(Strict, frozen=True, kw_only=True):
    """How much the journal may hold, by lane, and what it leaves free on the disk."""

    alarm_mb: Megabytes = 64
    billing_mb: Megabytes = 256
    telemetry_mb: Megabytes = 512
    free_disk_mb: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 200


Framing = Literal["mbap", "rtu", "ascii"]
Baud = Annotated[int, msgspec.Meta(ge=50, le=4_000_000)]


class MeterFile(Strict, frozen=True, kw_only=True):
    """How a meter is installed: `multiplier`, or `ct` and `pt` as `150/5`, from which it follows."""

    metering_point: Label
    multiplier: Decimal | None = None
    ct: Ratio | None = None
    pt: Ratio | None = None
    reader: Label = ""
    serial: Label = ""
    rated_per_h: dict[str, Decimal] = {}


NEVER = "never"
Within = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h)|never)$",
        description="a time such as 90s or 10m, or never",
    ),
]


class TlsFile(Strict, frozen=True, kw_only=True):
    """The certificate that a listening line shows, by its PEM files; a name is one beside the site file."""

    cert_file: Where
    """The certificate, and behind it those that vouch for it."""
    key_file: Where
    client_ca_file: Where | None = None
    """Who speaks must show a certificate of one of these."""


class ListenFile(Strict, frozen=True, kw_only=True):
    """A line whose devices speak unasked: where they connect to, and what each may do."""

    at: Where | None = None
    """Address and port of ours; none where the line has a `serial` port that only listens."""
    transport: Literal["tcp", "udp", "tcp+udp"] = "tcp"
    tls: TlsFile | None = None
    allow: tuple[Where, ...] = ()
    """Addresses and networks that may speak; none: all that reach us."""
    peers: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 64
    per_host: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8
    idle: Duration = "15m"
    messages_per_s: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50
    kilobytes_per_s: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 20
    heard_within: Within | None = None
    """A device that was not heard for so long is silent; usually 10m, and never on a serial port."""


class CameraFile(Strict, frozen=True, kw_only=True):
    """A line of cameras: each device is one, at its own `address`."""

    heard_within: Within | None = None
    """A camera that did not answer for so long is silent; usually 60s."""
    at_once: Annotated[int, msgspec.Meta(ge=1, le=16)] = 2
    """How many pictures are looked at in one moment."""
    evidence: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    """How many pictures are kept of each camera."""


class DeviceFile(Strict, frozen=True, kw_only=True):
    """One device on a line."""

    id: Id
    profile: str
    unit: Unit | None = None
    address: Label = ""
    """Its address in the words of its protocol, where that is no unit number."""
    heard_within: Within | None = None
    """On a line with `listen`: it is silent when it was not heard for so long."""
    name: Label = ""
    building: Label = ""
    floor: Label = ""
    place: Label = ""
    timeout: Duration | None = None
    framing: Framing | None = None
    baud: Baud | None = None
    """On a serial line, where this device needs another mode than the line has; so the three below."""
    parity: Literal["N", "E", "O"] | None = None
    data_bits: Literal[7, 8] | None = None
    stop_bits: Literal[1, 2] | None = None
    poll: dict[PollClass, Duration] = {}
    report: ReportFile = {}
    options: dict[str, Any] = {}
    meter: MeterFile | None = None


class LineFile(Strict, frozen=True, kw_only=True):
    """One wire: exactly one of `tcp`, `serial`, `listen.at` and `camera`."""

    id: Id
    label: Label = ""
    tcp: Where | None = None
    serial: Where | None = None
    listen: ListenFile | None = None
    camera: CameraFile | None = None
    framing: Framing | None = None
    baud: Baud = 9600
    parity: Literal["N", "E", "O"] = "N"
    data_bits: Literal[7, 8] = 8
    stop_bits: Literal[1, 2] = 1
    timeout: Duration = "1s"
    shortest_timeout: Duration | None = None
    """Below this no time-out is measured: for devices that now and then stop to think."""
    fire_budget: Duration | None = None
    echo: Echo = Echo.AUTO
    late_guard: Duration | None = None
    poll: dict[PollClass, Duration] = {}
    report: ReportFile = {}
    options: dict[str, Any] = {}
    devices: tuple[DeviceFile, ...] = ()


class SnapshotFile(Strict, frozen=True, kw_only=True):
    """When billing registers are read besides their period: at each multiple of `every` after local midnight."""

    every: Duration = "15m"
    window: Duration = "1m"


class SiteFile(Strict, frozen=True, kw_only=True):
    """The whole file."""

    site: Id
    gateway: Id
    broker: BrokerFile
    timezone: str = "Asia/Shanghai"
    state_dir: Where = "state"
    metrics: MetricsFile | None = None
    journal: JournalFile = JournalFile()
    poll: dict[PollClass, Duration] = {}
    fire_budget: Duration = "2s"
    """The longest that a change of a fire point may go unseen."""
    snapshot: SnapshotFile = SnapshotFile()
    profiles: tuple[Where, ...] = ()
    lines: tuple[LineFile, ...] = ()
