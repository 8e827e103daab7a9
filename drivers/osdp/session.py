"""What a control panel knows of one reader: sequence, secure channel, the frame in the air, and what was heard.

A reader repeats its reply until the next sequence number tells it that it was heard. So a frame without an answer
is sent again as it was, and an answer counts once, whenever it comes. What acts (a door) is not: after its answer was
lost the next talk begins anew at sequence 0, as after eight seconds: by then the reader has forgotten us.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from drivers.errors import FrameDamaged
from drivers.osdp.codes import WITH_MAC, Command, Nak, Reply
from drivers.osdp.frames import Finder, Frame, build
from drivers.osdp.multipart import IN_PARTS, Assembler
from drivers.osdp.secure import SCBK_D, Channel

FORGOTTEN_AFTER_S: Final = 8.0
"""A reader that hears nothing new for so long counts its panel as gone (SIA OSDP 2.2)."""
MOST_HEARD: Final = 32
MOST_NOISE: Final = 4096
COUNTER_BYTES: Final = 8
LOST: Final = frozenset({Nak.SEQUENCE, Nak.NO_SECURITY, Nak.SECURITY_CONDITIONS})
"""Refusals by which a reader says that it knows nothing of this session."""
_LOST: Final = frozenset(bytes((reason,)) for reason in LOST)
_TELLS_NOTHING: Final = frozenset({Reply.ACK, Reply.NAK})


class Standing(Enum):
    """How far a reader and its panel have come."""

    NEW = "nothing agreed"
    PLAIN = "in clear"
    SECURE = "in a secure channel"
    REFUSED = "a secure channel is required and could not be had"


@dataclass(frozen=True, slots=True)
class Security:
    """Which base keys may be tried, and whether it may go without."""

    key: bytes | None = field(default=None, repr=False)
    default_key: bool = False
    required: bool = False

    def candidates(self) -> tuple[tuple[int, bytes], ...]:
        """Return the keys to try in turn, each with the word of the challenge for it: 1 its own, 0 the default."""
        own = () if self.key is None else ((1, self.key),)
        return (*own, (0, SCBK_D)) if self.default_key else own


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that was taken, its data in clear."""

    code: int
    data: bytes
    block: int | None = None
    block_data: bytes = b""
    guarded: bool = False
    """Whether it came with a right MAC."""


@dataclass(slots=True, eq=False)
class Pending:
    """A command in the air and, once it is there, its answer."""

    code: int
    sequence: int
    raw: bytes
    effect: bool
    since: float
    answer: Answer | None = None


class Session:
    """One reader; changed by what is sent and by what is heard, and by nothing else."""

    def __init__(
        self,
        address: int,
        security: Security,
        *,
        random: Callable[[int], bytes],
        monotonic: Callable[[], float],
        crc: bool = True,
        mark: bool = True,
    ) -> None:
        self.address, self.security, self.random = address, security, random
        self.standing = Standing.NEW
        self.default_key = False
        """Whether the secure channel rests on the key that everybody knows."""
        self.pending: Pending | None = None
        self.heard: list[tuple[int, bytes]] = []
        """What polls have brought and nobody has fetched yet: code and data."""
        self.knocks = 0
        """How often the first command of all stayed without an answer."""
        self._crc, self._mark, self._now = crc, mark, monotonic
        self._sequence = 0
        self._channel: Channel | None = None
        self._counter = itertools.count()
        self._parts = Assembler()

    def repeatable(self, pending: Pending) -> bool:
        """Say whether the reader, if it has heard this command, still waits for it to be repeated."""
        if pending.effect or self._now() - pending.since >= FORGOTTEN_AFTER_S:
            return False
        return pending.sequence > 0 or pending.code == Command.POLL  # a first question is simply asked anew

    def restart(self) -> None:
        """Forget what was agreed: the next command goes out with sequence 0, in clear."""
        self.standing, self.default_key = Standing.NEW, False
        self.pending, self._channel, self._sequence = None, None, 0

    def secured(self, channel: Channel, *, default_key: bool) -> None:
        """Begin to speak in a secure channel."""
        self.standing, self._channel, self.default_key = Standing.SECURE, channel, default_key

    def command(
        self,
        code: int,
        data: bytes,
        *,
        effect: bool = False,
        block: int | None = None,
        block_data: bytes = b"",
    ) -> Pending:
        """Put a new command into the air, sealed where there is a secure channel."""
        assert self.pending is None
        frame = Frame(
            self.address, False, self._sequence, code, data, self._crc, block=block, block_data=block_data
        )
        if self._channel is not None:
            frame = self._channel.seal(frame)
        self.pending = Pending(code, self._sequence, build(frame, mark=self._mark), effect, self._now())
        return self.pending

    def take(self, pending: Pending, frame: Frame) -> bytes | None:
        """Take a reply as the answer to a command; return its payload, None where it is none or was taken before."""
        if pending is not self.pending or frame.address != self.address:
            return None
        again = frame.code == Reply.BUSY or (
            frame.code == Reply.NAK and frame.data[:1] == bytes((Nak.CHECK,)) and frame.block is None
        )
        if again:  # the command was not taken, so its number is not used up
            pending.answer = Answer(Reply.BUSY, b"")
            return self.number()
        data = self._clear(pending, frame)
        if data is None:
            return None
        guarded = frame.block in WITH_MAC
        pending.answer = Answer(frame.code, data, frame.block, frame.block_data, guarded)
        self.pending = None
        self._sequence = self._sequence % 3 + 1
        trusted = guarded or not (self._channel or self.security.required)
        if pending.code == Command.POLL and frame.code not in _TELLS_NOTHING and trusted:
            self._hear(frame.code, data)
        return self.number()

    def _hear(self, code: int, data: bytes) -> None:
        """Keep what a poll has brought; what comes in parts once it is whole."""
        if code in IN_PARTS:
            try:
                whole = self._parts.add(code, data)
            except FrameDamaged:
                return  # the reader begins such a message anew, or never ends it
            if whole is None:
                return
            data = whole
        self.heard.append((code, data))

    def _clear(self, pending: Pending, frame: Frame) -> bytes | None:
        """Return the data of a reply that may be the answer, None where it cannot be."""
        if self._channel is not None and frame.block is not None:
            if frame.sequence != pending.sequence:
                return None
            try:
                return self._channel.open(frame)
            except FrameDamaged:
                return None  # not of this session: the true one may still come
        if frame.block in WITH_MAC:
            return None
        if frame.code == Reply.NAK and frame.block is None and frame.data[:1] in _LOST:
            return frame.data  # a reader that has lost its place cannot know ours
        if frame.sequence != pending.sequence or (self._channel is not None and frame.code != Reply.NAK):
            return None
        return frame.data

    def number(self) -> bytes:
        """Return bytes that no other payload of this session begins with: equal replies are not the same reply."""
        return next(self._counter).to_bytes(COUNTER_BYTES, "big")

    def repeats(self, pending: Pending, frame: Frame) -> bool:
        """Say whether a reply only repeats the answer to a command, which was taken before."""
        taken = pending.answer is not None and pending is not self.pending
        return taken and frame.address == self.address and frame.sequence == pending.sequence


class SessionReader:
    """Finds the answer to one command of a session in a stream of bytes."""

    def __init__(self, session: Session, pending: Pending) -> None:
        self._session, self._pending = session, pending
        self._finder = Finder(session.address)
        self._told = False
        self.taken = 0
        """How many bytes the answer had, with the mark before it; 0 while there is none."""

    @property
    def pending(self) -> int:
        """How many bytes may be the beginning of the answer."""
        return self._finder.pending

    @property
    def needs(self) -> int:
        """How many more bytes must come, at the least."""
        return self._finder.needs

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return a payload once the answer is there, None while more is needed.

        Raises `FrameDamaged` after too much noise.
        """
        for frame, raw in self._finder.feed(data):
            taken = self._session.take(self._pending, frame)
            if taken is None and not self._told and self._session.repeats(self._pending, frame):
                # The late answer came after this repeat of its command was built and before it was sent.
                taken = self._session.number()
            if taken is not None:
                self._told = True
                self.taken = len(raw) + min(1, self._finder.passed)
                return taken
        if self._finder.passed > MOST_NOISE:
            raise FrameDamaged(
                f"{self._finder.passed} bytes without an answer of address {self._session.address}"
            )
        return None
