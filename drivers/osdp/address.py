"""What `at`, `on` and `options` of an OSDP profile may say, as types."""

from typing import Annotated, Any, Final, Literal

import msgspec

from drivers.binding import bind
from drivers.errors import Misconfigured
from drivers.osdp.codes import COLOURS, Command
from drivers.profile import Strict

Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
Status = Literal["tamper", "power", "input", "output", "reader"]
Colour = Literal["black", "red", "green", "amber", "blue", "magenta", "cyan", "white"]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
MAX_ADDRESS: Final = 126

_ASKED_BY: Final = {
    "tamper": Command.LSTAT,
    "power": Command.LSTAT,
    "input": Command.ISTAT,
    "output": Command.OSTAT,
    "reader": Command.RSTAT,
}


class PointAt(Strict, frozen=True, kw_only=True):
    """Where a point lies: exactly one of a status, the session itself, the reader's identity or a capability.

    `number` counts inputs, outputs and readers from 0. `invert` is for a contact that is closed at rest. `code`
    yields the byte itself in the place of true or false.
    """

    status: Status | None = None
    session: Literal["online", "secure", "default_key"] | None = None
    identity: Literal["vendor", "model", "version", "serial", "firmware"] | None = None
    capability: Annotated[int, msgspec.Meta(ge=1, le=255)] | None = None
    part: Literal["compliance", "number"] = "compliance"
    number: Byte = 0
    invert: bool = False
    code: bool = False

    @property
    def command(self) -> Command:
        """The command whose reply holds it; `POLL` for what any reply tells."""
        if self.status is not None:
            return _ASKED_BY[self.status]
        if self.identity is not None:
            return Command.ID
        return Command.POLL if self.session is not None else Command.CAP

    @property
    def truth(self) -> bool:
        """Whether it decodes to true or false."""
        if self.session is not None:
            return True
        return self.status is not None and self.status != "reader" and not self.code


class SignalOn(Strict, frozen=True, kw_only=True):
    """What a reader says by itself: exactly one of a card, keys, data of a smart card, a state, or a maker's own reply.

    `report` is a state that has just become true, `number` which input or output; `maker` is the IEEE OUI in hex.
    """

    card: Literal["any", "raw", "formatted"] | None = None
    keypad: Literal[True] | None = None
    smartcard: Literal[True] | None = None
    report: Literal["tamper", "power", "input", "output"] | None = None
    number: Byte = 0
    maker: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f]{6}$")] | None = None
    reader: Byte | None = None
    bits: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)] | None = None


class Led(Strict, frozen=True, kw_only=True):
    """One LED: a colour from now on, or for `seconds` and then as before; blinking where `off_100ms` is given."""

    color: Colour
    off_color: Colour = "black"
    led: Byte = 0
    reader: Byte = 0
    on_100ms: Annotated[int, msgspec.Meta(ge=1, le=255)] = 1
    off_100ms: Byte = 0
    seconds: Annotated[float, msgspec.Meta(gt=0, le=6553)] | None = None


class Buzzer(Strict, frozen=True, kw_only=True):
    """Tones: `count` times on and off in tenths of a second; count 0 sounds until told otherwise."""

    on_100ms: Byte = 2
    off_100ms: Byte = 2
    count: Byte = 1
    reader: Byte = 0
    silent: bool = False


class Display(Strict, frozen=True, kw_only=True):
    """Text on a reader's display, for `seconds` (255 at most) or for good."""

    text: Annotated[str, msgspec.Meta(max_length=32, pattern=r"^[ -~]*$")]
    row: Annotated[int, msgspec.Meta(ge=1, le=255)] = 1
    column: Annotated[int, msgspec.Meta(ge=1, le=255)] = 1
    reader: Byte = 0
    wrap: bool = False
    seconds: Annotated[int, msgspec.Meta(ge=1, le=255)] | None = None


class Output(Strict, frozen=True, kw_only=True):
    """One output on or off: for `seconds` and then back, or for good."""

    on: bool
    number: Byte = 0
    seconds: Annotated[float, msgspec.Meta(ge=0.1, le=6553)] | None = None


class ActionAt(Strict, frozen=True, kw_only=True):
    """What a command does: exactly one of these.

    `keyset` gives the reader its own key (the one of the options) and goes out only inside a secure channel; `comset`
    takes the arguments `address` and `baud`.
    """

    output: Output | None = None
    led: Led | None = None
    buzzer: Buzzer | None = None
    display: Display | None = None
    keyset: Literal[True] | None = None
    comset: Literal[True] | None = None


class Options(Strict, frozen=True, kw_only=True):
    """Protocol options of a profile, a line or a device; the later wins."""

    address: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,3}$")] | None = None
    """The reader's address, 0 to 126, where the site file has no `unit`."""
    framing: str = ""
    """The line's word for other protocols; nothing here."""
    check: Literal["crc", "checksum"] = "crc"
    mark: bool = True
    """A byte FF before each command, as the standard allows."""
    key_file: FileName | None = None
    key_env: FileName | None = None
    """The reader's own base key (SCBK), 32 hex digits."""
    sc_required: bool | None = None
    """Speak in a secure channel or not at all; as a matter of course where there is a key."""
    default_key: bool = False
    """Whether the key that everybody knows may be used: to bring a reader into use."""
    credential: Literal["hash", "clear", "none"] | None = None
    """What is told of a card: a keyed hash, its number, or nothing; by default a hash where there is a key for it."""
    credential_key_file: FileName | None = None
    credential_key_env: FileName | None = None


def one_of(at: Any, place: str, names: tuple[str, ...]) -> str:
    """Return which of `names` is given; raise `Misconfigured` unless it is exactly one."""
    given = [name for name in names if getattr(at, name) is not None]
    if len(given) != 1:
        raise Misconfigured(
            f"{place}: needs exactly one of {', '.join(names)}; it has {', '.join(given) or 'none'}"
        )
    return given[0]


def bind_point(data: Any, place: str) -> PointAt:
    """Check a point's address; raise `Misconfigured`."""
    at = bind(data, PointAt, place)
    one_of(at, place, ("status", "session", "identity", "capability"))
    if at.number and at.status not in {"input", "output", "reader"}:
        raise Misconfigured(f"{place}.number: goes with input, output or reader")
    if at.invert and not (at.status is not None and at.truth):
        raise Misconfigured(f"{place}.invert: goes with a status that is true or false")
    return at


def bind_signal(data: Any, place: str) -> SignalOn:
    """Check what a signal matches; raise `Misconfigured`."""
    on = bind(data, SignalOn, place)
    kind = one_of(on, place, ("card", "keypad", "smartcard", "report", "maker"))
    if on.bits is not None and kind != "card":
        raise Misconfigured(f"{place}.bits: goes with card")
    if on.reader is not None and kind not in {"card", "keypad"}:
        raise Misconfigured(f"{place}.reader: such a reply names none")
    if on.number and on.report not in {"input", "output"}:
        raise Misconfigured(f"{place}.number: goes with input or output")
    return on


def bind_action(data: Any, place: str) -> ActionAt:
    """Check what an action does; raise `Misconfigured`."""
    at = bind(data, ActionAt, place)
    one_of(at, place, ("output", "led", "buzzer", "display", "keyset", "comset"))
    return at


def colour(name: Colour) -> int:
    """Return a colour's number."""
    return COLOURS.index(name)
