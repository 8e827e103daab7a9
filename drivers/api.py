"""The seam between field protocols and everyone who uses them.

A driver is pure: it turns points into transactions, transactions into request bytes, and reply bytes into
values. It owns no socket, no clock and no task. A `Line` (drivers/lines/) owns the wire and carries one
`Exchange` at a time; nobody else writes to it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import msgspec

from drivers.errors import DeviceRefused
from drivers.profile import Profile
from messages.types import Edge, Quality, Value


class Reading(msgspec.Struct, frozen=True, gc=False):  # tens of thousands a second: made in C
    """One decoded point: its value or None with a quality, and the bytes that it was decoded from."""

    value: Value
    quality: Quality = Quality.GOOD
    raw: bytes = b""
    at: datetime | None = None
    """The instant of which the device says that the value was true, where that is not now: a register that it froze."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a device says of itself once: a card, a key, a fire, an entry of its event log.

    `code` is a key of the profile's `signals`; `at` is the device's own time, None where it gives none or none that
    can be. `detail` is text for people (sanitised by whoever shows or sends it), `evidence` the bytes behind it.
    `number` is the device's own running number of it, by which what it tells twice is known as the same. `part` is
    what of the device it concerns (a detector of a fire panel, a reader of a door panel), empty for the whole: each
    part has an alarm of its own.

    A part may lie in another, the greater first (`1/1/42/65537`, `Z001/1.1.Z1`): CLEARED ends the code at its part and
    at all below it, with an empty part at all parts (a reset of the panel). It may end what never stood: a driver keeps
    no book of what stands, and says of a state word what stands and what does not.
    """

    code: str
    edge: Edge = Edge.PULSE
    at: datetime | None = None
    detail: str = ""
    evidence: bytes = b""
    number: str = ""
    part: str = ""
    state: bool = False
    """True where the device says how it is, again and again, and not that something has begun: said twice, no news."""


class ReplyReader(Protocol):
    """Finds the one reply to one request in a stream of bytes; sans-I/O, made anew for each attempt."""

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return the reply's payload when whole, None while more is needed.

        Raises `DeviceRefused` for a sound refusal and `FrameDamaged` when what came can no longer become
        the reply. Bytes that are noise before the frame are passed over. Buffered bytes are bounded.
        """


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on the wire and the reader of its reply; `reader` None means that no reply will come."""

    request: bytes
    reader: ReplyReader | None
    reply_bytes: int = 0
    """How long the reply will be if all is well: for time-outs and the bus timetable."""
    key: bytes = b""
    """What two requests share if their answers can be mistaken for each other; empty: their first two bytes. A key that
    others begin with waits for theirs too: what nothing proves may be answered by anybody's late answer."""
    matched: bool = False
    """True where the protocol itself ties a reply to its request (Modbus TCP's transaction id), so that a late
    answer cannot be mistaken and the line need not fall silent after a time-out."""
    then: "Callable[[bytes], Exchange | bytes] | None" = None
    """For what takes several frames: given this reply, the next step, which nothing else on the line may part from
    this one, or the payload of the whole. Bounded by the driver; raises as a reader does."""
    pause: float = 0.0
    """Seconds of silence that the device needs before this step, where that is more than the line's own."""
    baud: int | None = None
    """Another speed from the moment at which this request has left: its reply comes at it, and what follows is sent at
    it (IEC 62056-21). The line goes back to its own afterwards."""
    secret: bool = False
    """The request holds a password: traces show how long it is and nothing else, and no error quotes what came."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What a transaction costs on a line, in seconds: a character, the silence between frames, and the time
    that a device takes to begin its answer."""

    byte_time: float = 0.0
    silence: float = 0.0
    turnaround: float = 0.005

    def seconds(self, request_bytes: int, reply_bytes: int, steps: int = 1) -> float:
        """Return how long the line is taken when all goes well."""
        wire = (request_bytes + reply_bytes) * self.byte_time
        return wire + steps * (2 * self.silence + self.turnaround)


@dataclass(frozen=True, slots=True)
class Known:
    """What the refusals of a device model have taught: where no block may reach across, and which points it lacks.

    `cuts` are places in the driver's own words; they outlive the process as text.
    """

    cuts: frozenset[str] = frozenset()
    bad: frozenset[str] = frozenset()


_USUAL, _NOTHING = Timing(), Known()


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is asked for at once: `points` are the ids it yields; `block` is the driver's own address of it."""

    points: tuple[str, ...]
    block: Any
    label: str = ""
    """For logs and traces: the protocol's words, for example `03 @1200+8`."""
    request_bytes: int = 0
    reply_bytes: int = 0
    """How long both frames are if all is well: what the transaction costs is reckoned from them."""
    steps: int = 1
    """How many requests it takes if all is well; the bytes above are those of all of them."""


@dataclass(frozen=True, slots=True)
class CommandPlan:
    """The exchanges of one command, write first, then read-back; one undivided piece on the line unless it may wait."""

    write: Transaction
    read_back: Transaction | None
    expect: Mapping[str, Value] = field(default_factory=dict)
    """Points and the values they must show afterwards; empty where the device offers none."""
    after: float = 0.0
    """Seconds from the write to the first read-back, the line free meanwhile. Drivers leave this and `within` out: who
    carries the plan out takes them from the profile's `read_back`."""
    within: float = 0.0
    """So many seconds after the write the device may still be on its way to what was ordered; 0: none."""


@runtime_checkable
class DeviceDriver(Protocol):
    """One device as its driver sees it: made by `Driver.device`, holds checked addresses, keeps no I/O."""

    def plan(
        self,
        points: Iterable[str],
        *,
        timing: Timing = _USUAL,
        known: Known = _NOTHING,
        longest: float | None = None,
    ) -> Sequence[Transaction]:
        """Put points into the transactions that cost the line the least; every point in exactly one, none split.

        No transaction lasts longer than `longest` seconds, as far as points can be parted. A transaction also
        yields any further point of the profile that lies wholly inside its block.
        """

    def exchange(self, transaction: Transaction) -> Exchange:
        """Build the request for one attempt."""

    def decode(self, transaction: Transaction, reply: bytes) -> Mapping[str, Reading]:
        """Decode a reply's payload; a point that cannot be a value gets None and a quality, never an exception."""

    def split(self, transaction: Transaction) -> Sequence[Transaction]:
        """Return smaller transactions over the same points; empty when it cannot be split further."""

    def cut(self, transaction: Transaction, error: DeviceRefused, longest_answered: int) -> str:  # noqa: ARG002
        """Say what plans must avoid, as a word for `Known.cuts`, once a transaction was refused and all its parts
        were answered; empty where nothing can be learned.

        `longest_answered` is the longest reply, in bytes, that this device model has given.
        """
        return ""

    def happenings(self, transaction: Transaction, reply: bytes) -> Sequence[Happening]:  # noqa: ARG002
        """Return what a reply tells besides values, in the device's order; never the same thing twice."""
        return ()

    def command(self, action: str, args: Mapping[str, str]) -> CommandPlan:
        """Plan a command of the profile; raise `Misconfigured` for one that the profile does not offer."""


class Driver(Protocol):
    """A protocol, found by name through the entry-point group `gatehouse.drivers`."""

    protocol: str

    def check(self, profile: Profile) -> None:
        """Check every address, option and captured example of a profile; raise `Misconfigured` naming the place."""

    def device(self, profile: Profile, unit: int | None, options: Mapping[str, Any]) -> DeviceDriver:
        """Bind a profile to a device; raise `Misconfigured`. `options` are the line's and device's, merged."""

    def explain(self, frame: bytes) -> str:
        """Describe one captured frame in the standard's words, for an engineer; raise `FrameDamaged`."""

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One message of a device that speaks unasked: what it holds and how it is answered.

    `source` is the device's address in the protocol's own words, by which the site file knows it; empty for a
    message that concerns no device (a link test). `reply` is sent only once the journal holds the message,
    `refuse` (which may be empty: the sender then tries again) where the journal cannot take it or nobody knows it.
    """

    source: str
    readings: Mapping[str, Reading] = field(default_factory=dict)
    happenings: tuple[Happening, ...] = ()
    reply: bytes = b""
    refuse: bytes = b""
    label: str = ""
    """For logs and traces: the protocol's words."""
    number: str = ""
    """The sender's number of this message, empty where it has none: the same number and bytes again are a repeat."""
    raw: bytes = b""
    wrong: bool = False
    """What came cannot be taken and its sender is told so: a wrong key, a damaged message. `label` says why."""
    joined: bool = False
    """The sender awaits one answer for this and what follows: its own `reply` must be empty and its `refuse` not.
    Where it cannot be kept, `refuse` is the answer to all of them, up to and with the next that is not joined."""
    spoke: bool = True
    """False for what is known of a device that said nothing just now (an answer that did not come): ends no silence."""


class PeerSession(Protocol):
    """One peer of a listening protocol: bytes in, messages out; sans-I/O, made anew for each connection."""

    def feed(self, data: bytes, now: datetime) -> Sequence[Heard]:
        """Take bytes in any portions (a datagram whole); return the messages that are whole, in their order.

        Raises `FrameDamaged` where the peer cannot be followed any more: it is cut off. What can be passed over
        (noise, one wrong checksum) is not raised but answered as the protocol says. Buffered bytes are bounded.
        No bytes, given about once a second, let a session end what only silence ends (the last line of a printer).
        """

    def tick(self, now: datetime) -> Sequence[bytes]:
        """Return what is to be sent unasked by now: time, roll-call. Called about once a second."""


@runtime_checkable
class ListenDriver(Protocol):
    """A protocol whose devices speak unasked; found like a `Driver`, and checks profiles as one does."""

    protocol: str

    def check(self, profile: Profile) -> None:
        """Check every address, option and captured example of a profile; raise `Misconfigured` naming the place."""

    def source(self, profile: Profile, options: Mapping[str, Any]) -> str:
        """Return how this device names itself, as in `Heard.source`; raise `Misconfigured`."""

    def session(
        self, devices: Mapping[str, tuple[Profile, Mapping[str, Any]]], options: Mapping[str, Any]
    ) -> PeerSession:
        """Begin with a new peer; `devices` by source are those of its line, `options` the line's.

        The options of a device are the same object for every peer as long as its line lives: what is due to a device
        and not to its connection may be kept by it.
        """

    def explain(self, frame: bytes) -> str:
        """Describe one captured frame in the standard's words, for an engineer; raise `FrameDamaged`."""

    def check_vector(self, row: Mapping[str, Any], maps: Sequence[Mapping[str, Any]]) -> str | None:
        """Return None where our decoder agrees with one line of a vector file, else the disagreement."""


class Mask(Protocol):
    """Hides keys in what one peer sends, for people who look on; bounded."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes in any portions; return as many, with stars in the place of what may be a key."""

    def message(self) -> None:
        """Know that a message of this peer was whole by now."""


@runtime_checkable
class HidesKeys(Protocol):
    """What a `ListenDriver` is besides where its peers send keys with their messages."""

    def mask(self) -> Mask:
        """Begin with a new peer."""
