"""What crosses the broker: a small set of frozen types.

Numbers are `Decimal` from the register to the bill; a binary float is refused wherever it is met.
Unknown is `None` with a `Quality`, never zero and never the last value with a new time.
All instants are aware UTC with millisecond resolution.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

import msgspec

VERSION = 1

Value = Decimal | bool | None

DEVICE_SILENT: Final = "device_silent"
"""The event code by which a gateway tells that it cannot hear a device; no profile may have an event of this name."""

# Bounds on everything a peer may send. They are part of the contract: a peer that exceeds one is refused.
MAX_ITEMS = 2000
MAX_POINTS = 1024
MAX_DEVICES = 5000

# No dot, slash, wildcard or blank: an id is one topic level on every broker, and one subject token on NATS.
# `(?!\n)`: before a closing line feed, a `$` alone would match.
Id = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(?!\n)$",
        description="a name of 1 to 64 letters, digits, - or _, beginning with a letter or digit",
    ),
]
Text = Annotated[str, msgspec.Meta(max_length=1000)]
Label = Annotated[str, msgspec.Meta(max_length=200)]
Hex = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2}){0,2048}(?!\n)$")]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Lane(StrEnum):
    """The three queues between a gateway and the server, in the order in which they are sent."""

    ALARM = "alarm"
    BILLING = "billing"
    TELEMETRY = "telemetry"


class Quality(StrEnum):
    """Why a value is not simply good; the word before the dot is the class."""

    GOOD = "good"
    STALE = "uncertain.stale"
    CLOCK = "uncertain.clock"
    SUSPECT = "uncertain.suspect"
    COMM = "bad.comm"
    TIMEOUT = "bad.timeout"
    CRC = "bad.crc"
    REFUSED = "bad.refused"
    CONFIG = "bad.config"
    RANGE = "bad.range"
    DEVICE = "bad.device"

    @property
    def bad(self) -> bool:
        """True where the value is unknown."""
        return self.value.startswith("bad")


class ClockState(StrEnum):
    """What the gateway knows of its own clock when it stamped something."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSET = "unset"


class Edge(StrEnum):
    """The direction of an event: a state began, a state ended, or something happened once."""

    RAISED = "raised"
    CLEARED = "cleared"
    PULSE = "pulse"


class Severity(StrEnum):
    """How urgent an alarm is, most urgent first (four priorities, as EEMUA 191 advises)."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Outcome(StrEnum):
    """How a command ended."""

    VERIFIED = "done-verified"
    UNVERIFIED = "done-unverified"
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"


class Sample(msgspec.Struct, frozen=True, tag="sample", tag_field="type", omit_defaults=True, kw_only=True):
    """Values of one device from one exchange; `at` is the middle of the exchange that read them.

    `values` holds every point that was asked for; a point that is not good is also in `bad`.
    `raw` holds the registers or bytes behind billing points, lower-case hex, as they were on the wire, and `config`
    the hash of the configuration by which they were read and scaled: in the billing lane, where it is evidence.
    """

    device: Id
    at: datetime
    values: Mapping[str, Value]
    bad: Mapping[str, Quality] = {}
    clock: ClockState = ClockState.SYNCED
    raw: Mapping[str, str] = {}
    config: Annotated[str, msgspec.Meta(pattern=r"^(sha256:[0-9a-f]{64})?(?!\n)$")] = ""


class DeviceEvent(
    msgspec.Struct, frozen=True, tag="event", tag_field="type", omit_defaults=True, kw_only=True
):
    """Something a device said or a gateway saw: an alarm edge, a card, a reset.

    `at` is the device's own time if it gave one, `seen_at` the gateway's. `code` is a key of the profile's
    `events`; `detail` is sanitised text, `evidence` the frame in hex or a snapshot's reference. `part` is what of the
    device it concerns (a detector of a fire panel), in the device's words: each part has an alarm of its own; the end
    of a part ends what stands below it (`1` ends `1/2`, an empty one ends all). `number` is the device's own.
    """

    device: Id
    code: Id
    edge: Edge
    seen_at: datetime
    at: datetime | None = None
    detail: Text = ""
    evidence: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    clock: ClockState = ClockState.SYNCED
    part: Annotated[str, msgspec.Meta(max_length=80)] = ""
    number: Annotated[str, msgspec.Meta(max_length=40)] = ""
    state: bool = False
    """True where the device says over and over how it is, the end among it; others may never say the end."""


class CommandResult(
    msgspec.Struct, frozen=True, tag="result", tag_field="type", omit_defaults=True, kw_only=True
):
    """How the command `id` ended at the gateway, with what was read back."""

    id: Id
    device: Id
    outcome: Outcome
    at: datetime
    detail: Text = ""
    read_back: Mapping[str, Value] = {}


class Gap(msgspec.Struct, frozen=True, tag="gap", tag_field="type", omit_defaults=True, kw_only=True):
    """A gateway's admission that batches `first`..`last` of a lane will never come, and why.

    `batches` and `samples` count what was dropped; `since`..`until` are the times of the first and last item.
    """

    lane: Lane
    first: Seq
    last: Seq
    batches: Count
    samples: Count
    since: datetime
    until: datetime
    reason: Text


Item = Sample | DeviceEvent | CommandResult | Gap


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Items of one lane under one number; (gateway, epoch, lane, seq) names it for ever."""

    gateway: Id
    epoch: Id
    lane: Lane
    seq: Seq
    items: tuple[Item, ...]
    v: int = VERSION


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """One item, or with `index` None a whole batch, that went to quarantine instead of the tables."""

    seq: Seq
    reason: Text
    index: Count | None = None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The server's word that all batches of a lane up to `through` are in the database or in quarantine."""

    epoch: Id
    lane: Lane
    through: Count
    rejected: tuple[Rejected, ...] = ()
    v: int = VERSION


class PointInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the server must know of a point to store, show and bill it."""

    label: Label
    label_zh: Label = ""
    unit: Label = ""
    kind: str = "gauge"  # register | gauge | state
    billing: bool = False
    period_s: float = 0
    modulus: Decimal | None = None


class EventInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the server must know of an event code to raise it as an alarm."""

    label: Label
    severity: Severity
    alarm_class: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,40}(?!\n)$")]
    label_zh: Label = ""
    latched: bool = False
    spoken: bool = False
    """True for what the device says itself: no reading tells whether it stands, so no heartbeat ends it."""
    record: bool = False
    """True for what is written down and is no alarm: a door that was opened by who may, a car that drove in."""


class ActionInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A command that a profile offers."""

    label: Label
    label_zh: Label = ""
    expires_s: float = 15
    within_s: Count = 0
    """So long after it was sent the device may still be on its way: no answer is due before. 0: it answers at once."""


class ProfileInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A device model as a birth tells it: points, events and actions by id."""

    vendor: Label
    model: Label
    device_class: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,40}(?!\n)$")]
    protocol: Label
    resource: Label = ""
    points: Mapping[str, PointInfo] = {}
    events: Mapping[str, EventInfo] = {}
    actions: Mapping[str, ActionInfo] = {}


class MeterInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a meter is installed: the metering point (计量点) it serves, its multiplier (倍率) and who answers for it."""

    metering_point: Label
    multiplier: Decimal = Decimal(1)
    reader: Label = ""
    serial: Label = ""
    rated_per_h: Mapping[str, Decimal] = {}
    """Per billing point, the most that it counts in an hour at its rating, in the point's unit, multiplier included."""


class DeviceInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A device as the gateway's configuration knows it."""

    id: Id
    profile: str
    line: Id
    name: Label = ""
    unit: int | None = None
    building: Label = ""
    floor: Label = ""
    place: Label = ""
    meter: MeterInfo | None = None
    address: Label = ""
    """Its address in the words of its protocol, where that is no unit number: how it names itself."""
    speaks: bool = False
    """True where it speaks unasked: it has no turns on a line that is polled."""
    heard_within_s: Count | None = None
    """After so many seconds without a word a device that speaks is silent; None: never, or it is polled."""


class LineInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A wire: one serial port or one TCP endpoint."""

    id: Id
    endpoint: Label
    label: Label = ""


class Birth(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Retained, per gateway: what it is and what it polls. The server learns devices from nothing else."""

    site: Id
    gateway: Id
    at: datetime
    boot: Id
    epoch: Id
    config: Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}(?!\n)$")]
    profiles: Mapping[str, ProfileInfo] = {}
    devices: tuple[DeviceInfo, ...] = ()
    lines: tuple[LineInfo, ...] = ()
    versions: Mapping[str, str] = {}
    timezone: Label = "Asia/Shanghai"
    v: int = VERSION


class LaneState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A journal lane: the oldest batch still kept, the next number, what is waiting."""

    first: Seq
    next: Seq
    bytes: Count = 0
    oldest_at: datetime | None = None


class GatewayState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Retained heartbeat, and as the last will with `online` false; `boot` ties a will to the life it ends.

    `raised` names the events that stand at each device now, the most urgent ones where there are too many: a
    server that lost their beginning, with its database for instance, learns of them here.

    `unread` names the events of devices that are not in `silent` of which this life of the gateway cannot say yet
    whether they stand: no good reading has told. None: not told, or too many to name. An event that is in neither
    has been read as normal, so that a server may end what a lost journal never ended.

    `missed` counts the polls of this life that ended after their deadline, by class (fire, alarm, billing, routine,
    tools); `fire_wait_ms` is the longest that a fire poll or a command has waited for its turn on a line.
    """

    online: bool
    boot: Id
    at: datetime | None = None
    epoch: str = ""
    config: str = ""
    clock: ClockState = ClockState.SYNCED
    lanes: Mapping[str, LaneState] = {}
    silent: tuple[str, ...] = ()
    raised: Mapping[Id, tuple[Id, ...]] = {}
    unread: Mapping[Id, tuple[Id, ...]] | None = None
    missed: Mapping[Id, Count] = {}
    fire_wait_ms: Count | None = None
    free_disk: int | None = None
    why: Label = ""
    v: int = VERSION


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """An order to a device. It expires at `until` and runs at most once; the gateway checks both again."""

    id: Id
    device: Id
    action: Id
    by: Label
    until: datetime
    args: Mapping[str, str] = {}
    v: int = VERSION
