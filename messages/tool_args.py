"""What each tool may be told: checked by the server before it sends, and again by the gateway before it acts."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from messages.codec import MessageError
from messages.text import printable
from messages.types import Id

Parity = Literal["N", "E", "O"]
Unit = Annotated[int, msgspec.Meta(ge=0, le=255)]
Baud = Annotated[int, msgspec.Meta(ge=50, le=4_000_000)]
Milliseconds = Annotated[int, msgspec.Meta(ge=20, le=10_000)]
Units = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{1,3}(-[0-9]{1,3})?(,[0-9]{1,3}(-[0-9]{1,3})?){0,40}(?!\n)$",
        description="unit ids such as 1-32 or 1-10,40",
    ),
]
Number = Annotated[
    str, msgspec.Meta(pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,12})?(?!\n)$", description="a number such as 1234.5")
]
HexPdu = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([0-9A-Fa-f]{2}){1,253}(?!\n)$",
        description="function code and data, two hex digits a byte",
    ),
]
Short = Annotated[str, msgspec.Meta(max_length=80)]
PointNames = Annotated[tuple[Short, ...], msgspec.Meta(max_length=200)]
Devices = Annotated[tuple[Id, ...], msgspec.Meta(max_length=300)]


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Base of all: an unknown word is an error."""


class Serial(Args, frozen=True, kw_only=True, omit_defaults=True):
    """Other serial settings than the line's; left out, the line's own."""

    baud: Baud | None = None
    parity: Parity | None = None
    stop_bits: Literal[1, 2] | None = None


class ScanArgs(Args, frozen=True, kw_only=True, omit_defaults=True):
    """Look who answers: every unit at every baud and parity; empty lists mean the line's own settings.

    `protocol` is the one to speak; empty for that of the line's first device, Modbus where it has none.
    """

    units: Units = "1-32"
    bauds: Annotated[tuple[Baud, ...], msgspec.Meta(max_length=12)] = ()
    parities: Annotated[tuple[Parity, ...], msgspec.Meta(max_length=3)] = ()
    timeout_ms: Milliseconds = 200
    per_second: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    identify: bool = True
    protocol: Short = ""


class ReadArgs(Serial, frozen=True, kw_only=True, omit_defaults=True):
    """Read a device of the site by its id, or any unit as a profile; all points if none are named.

    `own_address` is for a device that names itself, a meter mostly, in the place of `unit`.
    `display` is a number that the device shows: which reading of which registers is it? `table`, `address` and
    `count` read registers that no profile names.
    """

    device: Id | None = None
    unit: Unit | None = None
    own_address: Short = ""
    profile: Short = ""
    points: PointNames = ()
    display: Number | None = None
    table: Literal["holding", "input", "coil", "discrete"] | None = None
    address: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=125)] = 2
    timeout_ms: Milliseconds | None = None


class WatchArgs(Args, frozen=True, kw_only=True, omit_defaults=True):
    """Read again and again: value, quality, age, round trip, errors of each point."""

    devices: Devices = ()
    points: PointNames = ()
    every_ms: Annotated[int, msgspec.Meta(ge=200, le=600_000)] = 2000
    for_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60


class TraceArgs(Args, frozen=True, kw_only=True, omit_defaults=True):
    """Show what crosses the wire. `units` narrows it; `newest` bounds how many frames are kept.

    `record` makes a capture of it that names no site, in the result as `capture`: its lines. `blur` takes the values
    out of it too.
    """

    units: Units | None = None
    for_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 30
    newest: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 500
    explain: bool = True
    record: bool = False
    blur: bool = False


class AskArgs(Serial, frozen=True, kw_only=True, omit_defaults=True):
    """Send one request of your own, in the words of `protocol`; what may change a device is refused."""

    unit: Unit
    pdu: HexPdu
    protocol: Short = "modbus"
    timeout_ms: Milliseconds | None = None


class CertifyArgs(Args, frozen=True, kw_only=True, omit_defaults=True):
    """Prove an installation: what was planned is there, answers well, and nothing is lost when a cable is pulled.

    `cable`: `none` leaves that test out, `pull` asks the engineer to pull the uplink, `cut` cuts it for `cut_s`.
    """

    engineer: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    devices: Devices = ()
    reads: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    cable: Literal["none", "pull", "cut"] = "none"
    cut_s: Annotated[int, msgspec.Meta(ge=2, le=600)] = 20
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""
    signals: Annotated[tuple[Short, ...], msgspec.Meta(max_length=100)] = ()
    """On a line that listens: what the engineer triggers at each device that can say it. Who has to say it, fails
    if it does not; without any, one event of each device is enough."""
    skip: Annotated[dict[Short, Short], msgspec.Meta(max_length=100)] = {}
    """Signals that are not triggered, each with the reason."""
    wait_s: Annotated[int, msgspec.Meta(ge=1, le=1800)] = 120
    """So long is waited after each thing that was heard."""


class ProfilesArgs(Args, frozen=True, kw_only=True, omit_defaults=True):
    """List the profiles that this gateway has: what a found device can be read as."""


class SnapshotArgs(Args, frozen=True, kw_only=True, omit_defaults=True):
    """Fetch a camera's picture: as it is now, or the kept one that an alarm's `evidence` names.

    Rows hold it in parts: `{"part": n, "jpeg": [base64, …]}`, in order; the result its `bytes` and `sha256`.
    """

    device: Id
    picture: Annotated[str, msgspec.Meta(pattern=r"^(picture:[A-Za-z0-9._/-]{1,140})?(?!\n)$")] = ""


ToolArgs = ScanArgs | ReadArgs | WatchArgs | TraceArgs | AskArgs | CertifyArgs | ProfilesArgs | SnapshotArgs

TOOLS: Final[Mapping[str, type[ToolArgs]]] = {
    "scan": ScanArgs,
    "read": ReadArgs,
    "watch": WatchArgs,
    "trace": TraceArgs,
    "ask": AskArgs,
    "certify": CertifyArgs,
    "profiles": ProfilesArgs,
    "snapshot": SnapshotArgs,
}
WITHOUT_LINE: Final = frozenset({"profiles"})
LONGEST_S: Final = 4 * 3600

READING: Final = frozenset({0x01, 0x02, 0x03, 0x04, 0x07, 0x0B, 0x0C, 0x11, 0x14, 0x18, 0x2B})
"""Modbus functions that change nothing at the device; 0x2B only as `read device identification` (0E)."""

READING_CODES: Final[Mapping[str, frozenset[int]]] = {
    # Control codes: 2007 and 1997; 03 reads again by 1997 and is a key exchange by 2007, so it is left out.
    "dlt645": frozenset({0x01, 0x02, 0x11, 0x12, 0x13}),
    "cjt188": frozenset({0x01, 0x03, 0x09}),
    "mbus": frozenset(
        {0x5A, 0x5B, 0x7A, 0x7B}
    ),  # requests for data, alone: whatever carries data may set something
    "osdp": frozenset(
        {0x61, 0x62, 0x64, 0x65, 0x66, 0x67}
    ),  # no poll: it would fetch a card away from the gateway
}
"""Of other protocols, the first bytes of requests that change nothing."""

_FORMS: Final = {
    "units": "unit ids such as 1-32 or 1-10,40",
    "display": "the number as the display shows it, with a point: 1234.5",
    "pdu": "function or control code and data, two hex digits a byte, such as 2B0E0100",
    "picture": "what the alarm's evidence says, such as picture:cam-1/20260921T102741250Z-black.jpg",
    "device": "a device's id as it stands in the site file",
}

T = TypeVar("T", bound=ToolArgs)


def tool_args(tool: str, args: Mapping[str, Any]) -> ToolArgs:
    """Return checked arguments; raise `MessageError` naming the word that is wrong."""
    kind = TOOLS.get(tool)
    if kind is None:
        raise MessageError(f"tool: {printable(tool, 40)!r} is none of {', '.join(TOOLS)}")
    try:
        made = msgspec.convert(args, kind, strict=True)
    except msgspec.ValidationError as err:
        raise MessageError(f"args: {_meant(printable(str(err), 300))}") from None
    _check(made)
    return made


def _meant(problem: str) -> str:
    """Say what a word must look like, where only its pattern was told."""
    what, _, place = problem.rpartition(" - at `$.")
    form = _FORMS.get(place.rstrip("`"))
    return f"{place.rstrip('`')}: write {form}" if form and "regex" in what else problem


def units_of(text: str) -> list[int]:
    """Return the unit ids that `1-32,40` means, each once, in order; raise `MessageError`."""
    found: dict[int, None] = {}
    for part in text.split(","):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if high < low or high > 255:
            raise MessageError(f"units: {part} is no range of unit ids from 0 to 255")
        found.update(dict.fromkeys(range(low, high + 1)))
    return list(found)


def refused_pdu(pdu: bytes, protocol: str = "modbus") -> str:
    """Say why a request is not sent for a tool: it is none that only reads. Empty where it is."""
    if protocol != "modbus":
        return _refused_code(pdu, protocol)
    if pdu[0] not in READING:
        return f"pdu: function {pdu[0]:02X} may change the device; tools only read"
    if pdu[0] == 0x2B and pdu[1:2] != b"\x0e":
        return "pdu: of function 2B only 0E, read device identification, is allowed"
    return ""


def _refused_code(pdu: bytes, protocol: str) -> str:
    codes = READING_CODES.get(protocol)
    if codes is None:
        served = ", ".join(["modbus", *READING_CODES])
        return f"protocol: nobody knows which requests of {printable(protocol, 40)} only read; it is known of {served}"
    if pdu[0] not in codes or (protocol == "mbus" and len(pdu) > 1):
        allowed = ", ".join(f"{code:02X}" for code in sorted(codes))
        return f"pdu: {pdu[0]:02X} may change the device; tools only read: {protocol} has {allowed} for that"
    return ""


def _check(args: ToolArgs) -> None:
    if isinstance(args, ScanArgs | TraceArgs):
        units_of(args.units or "0")
    elif isinstance(args, AskArgs):
        if why := refused_pdu(bytes.fromhex(args.pdu), args.protocol):
            raise MessageError(f"args: {why}")
    elif isinstance(args, ReadArgs):
        _check_read(args)


def _check_read(args: ReadArgs) -> None:
    raw = args.table is not None or args.address is not None
    if (args.device is not None) + (args.unit is not None) + bool(args.own_address) != 1:
        raise MessageError(
            "args: give `device`, or `unit` with `profile` or with `table` and `address`,"
            " or `own_address` with `profile`"
        )
    if args.own_address and (raw or not args.profile):
        raise MessageError("args: own_address: say as which `profile`")
    if raw and (args.table is None or args.address is None):
        raise MessageError("args: `table` and `address` go together")
    if args.unit is not None and not raw and not args.profile:
        raise MessageError("args: unit: say as which `profile`, or give `table` and `address`")
    if args.device is not None and (args.profile or raw):
        raise MessageError("args: a `device` has its own profile: give `unit` instead to read it as another")
    if raw and args.address is not None and args.address + args.count > 0x10000:
        raise MessageError("args: count: reaches beyond address 65535")
