"""The words of a site file: lines, devices, what can be wrong with them, and the steps of a story."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from messages.types import Id

Duration = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h)$")]
Endpoint = Annotated[str, msgspec.Meta(pattern=r"^[^\s/]{1,200}:[0-9]{1,5}$")]
FaultKind = Literal[
    "silent",
    "slow",
    "late",
    "busy",
    "crc_noise",
    "truncate",
    "double",
    "babble",
    "echo",
    "illegal_address",
    "wrong_word_order",
    "register_rollover",
    "meter_exchange",
    "clock_skew",
]
PhysicsKind = Literal[
    "auto", "electricity", "water", "door", "fire", "lift", "pump", "env", "static", "reads"
]
Frames = Literal["mbap", "rtu", "ascii"]
FieldProtocol = Literal[
    "dlt645",
    "cjt188",
    "mbus",
    "iec62056-21",
    "dsmr-p1",
    "osdp",
    "gb26875",
    "sia-dc09",
    "fire-printer",
    "http-push",
    "onvif",
]
PTY_BAUD = 9600  # where a site says none


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of everything read from a site file: an unknown key is an error."""


class Physics(Strict, frozen=True, kw_only=True):
    """What a device does apart from its protocol; `kind` auto follows the profile's class and resource.

    Of kind `reads`, each point holds the number of times it has been read.
    """

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
    code: Literal[5, 6] | None = None
    """The exception of a busy device: acknowledged for later (5), or busy (6)."""
    every: Duration | None = None
    sends: Literal["noise", "reply"] | None = None
    """What a babbling device sends unasked: bytes that mean nothing, or a sound reply that nobody asked for."""


class Device(Strict, frozen=True, kw_only=True):
    """One device; the lower half is only for the gateway configuration that `gatehouse-sim` can write."""

    id: Id
    profile: str
    unit: Annotated[int, msgspec.Meta(ge=1, le=247)]
    physics: Physics = Physics()
    faults: tuple[Fault, ...] = ()
    writable: tuple[str, ...] = ()
    """Points that a master may write besides what the profile's actions need."""
    holes: Literal["refused", "zero"] = "refused"
    """Addresses between its points, beyond the profile's `bridge` and `readable`, are refused or read 0."""
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
    framing: Frames | None = None
    baud: Annotated[int, msgspec.Meta(ge=300, le=1_000_000)] | None = None
    """Bytes take the time of this baud rate: always on a pty (9600 if nothing is said), on TCP where it is said.

    A pty understands nobody who opens it at another rate, and is not understood.
    """
    turnaround: Duration | None = None
    """How long a device takes to begin its answer: 5 ms on a bus with byte times, else nothing."""
    burst: Duration = "4ms"
    """Characters that are there within so much time are handed over together; 0ms: one by one."""
    strict: bool = False
    """True where devices do not hear a request that begins less than 3.5 characters after the last byte."""
    echo: bool = False
    """True where the adapter hands back what the master sends."""
    gateway: Id | None = None
    label: str = ""
    timeout: Duration | None = None
    poll: dict[str, Duration] = {}

    @property
    def frames(self) -> Frames:
        """The framing in force: said, or what is usual for the wire."""
        return self.framing or ("mbap" if self.tcp else "rtu")

    @property
    def rate(self) -> int | None:
        """The baud rate whose byte times are kept, None where bytes take no time."""
        return self.baud if self.tcp else self.baud or PTY_BAUD


class Say(Strict, frozen=True, kw_only=True):
    """What happens at one field device, and what the gateway must make of it."""

    at: Duration
    say: str
    """In the words of its simulator: `component 1 fire`, `BA:501`, `card`; `simulators.field_check` knows them."""
    tells: tuple[str, ...] = ()
    """`code raised`, `code cleared`, `code pulse` or `code record`: exactly the events that come of it."""
    note: str = ""


class FieldDevice(Strict, frozen=True, kw_only=True):
    """A device that speaks a protocol of its own."""

    id: Id
    profile: str
    address: str = ""
    kind: str = ""
    """What it counts, where its simulator plays several: `heat`, `cold`, …"""
    name: str = ""
    building: str = ""
    floor: str = ""
    place: str = ""
    poll: dict[str, Duration] = {}
    options: dict[str, Any] = {}
    meter: dict[str, str] | None = None
    secret: str = ""
    """The option that names a file with a key; the key is made anew for each run."""
    story: tuple[Say, ...] = ()


class FieldLine(Strict, frozen=True, kw_only=True):
    """Devices of one protocol: on a pseudo-terminal, behind a TCP endpoint, or speaking to a port of the gateway."""

    id: Id
    protocol: FieldProtocol
    devices: tuple[FieldDevice, ...]
    gateway: Id
    label: str = ""
    tcp: Endpoint | None = None
    pty: str | None = None
    baud: Annotated[int, msgspec.Meta(ge=300, le=1_000_000)] = 9600
    heard_within: str = "10m"
    poll: dict[str, Duration] = {}
    options: dict[str, Any] = {}


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
    mend: bool = False
    """True ends every fault of the device, before a new one of the same step begins."""
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
    field: tuple[FieldLine, ...] = ()
    """Lines of other protocols than Modbus: the demo plays them (`simulators.field_world`)."""

    def field_devices(self) -> Iterator[tuple[FieldLine, FieldDevice]]:
        """All devices of other protocols, each with its line."""
        for line in self.field:
            for device in line.devices:
                yield line, device

    def metered(self) -> Iterator[Device | FieldDevice]:
        """Every device, whatever it speaks."""
        for _, device in self.devices():
            yield device
        for _, field_device in self.field_devices():
            yield field_device

    def devices(self) -> Iterator[tuple[Line, Device]]:
        """All devices, each with the line that it is on."""
        for line in self.lines:
            for device in line.devices:
                yield line, device
