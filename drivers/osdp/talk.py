"""One talk with a reader, as a conversation of the line: take up the sequence, secure the channel, ask, poll.

Nothing else on the line may part its steps. Bounded: a reader that never comes to an end is cut short.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from drivers.api import Exchange
from drivers.errors import DeviceRefused, FrameDamaged
from drivers.osdp.codes import Block, Command, Nak, Reply, nak_meaning, name
from drivers.osdp.frames import SOM
from drivers.osdp.secure import RANDOM_BYTES, Channel, Keys, derive
from drivers.osdp.session import (
    COUNTER_BYTES,
    LOST,
    MOST_HEARD,
    Answer,
    Pending,
    Session,
    SessionReader,
    Standing,
)

MOST_STEPS: Final = 48
MOST_POLLS: Final = 8
MOST_BUSY: Final = 3
BUSY_PAUSE_S: Final = 0.05
USUAL_REPLY: Final = 64
"""A reply is rarely longer, whatever was asked; encrypted ones grow by whole blocks."""
_SECURE, _DEFAULT, _REFUSED = 1, 2, 4
# What answers a command; all others are acknowledged.
_FITS: Final = {
    Command.ID: {Reply.PDID},
    Command.CAP: {Reply.PDCAP},
    Command.LSTAT: {Reply.LSTATR},
    Command.ISTAT: {Reply.ISTATR},
    Command.OSTAT: {Reply.OSTATR},
    Command.RSTAT: {Reply.RSTATR},
    Command.OUT: {Reply.ACK, Reply.OSTATR},
    Command.COMSET: {Reply.COM},
}


@dataclass(frozen=True, slots=True)
class Ask:
    """A command of a talk; `effect` says that it acts, `sealed` that it must never be sent in clear."""

    code: int
    data: bytes = field(default=b"", repr=False)
    effect: bool = False
    sealed: bool = False
    expect: bytes | None = None
    """What the answer must hold, where it repeats what was ordered."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a whole talk has brought."""

    secure: bool
    default_key: bool
    refused: bool
    answers: tuple[tuple[int, bytes], ...] = ()
    heard: tuple[tuple[int, bytes], ...] = ()


class Talk:
    """One conversation; `begin` returns its first step."""

    def __init__(self, session: Session, asks: Iterable[Ask] = (), *, polls: bool = False) -> None:
        self._session = session
        self._asks = deque(asks)
        self._polls = MOST_POLLS if polls else 0
        self._fetch = polls
        self._answers: list[tuple[int, bytes]] = []
        self._left = MOST_STEPS
        self._busy = 0
        self._anew = False
        """True once this talk has had to begin the session anew: a second time would not help."""
        self._keys = iter(session.security.candidates())
        self._then: Callable[[Answer], Exchange | bytes] = self._passed

    def begin(self) -> Exchange:
        """Return the first step."""
        session = self._session
        if session.standing is Standing.REFUSED:
            session.restart()
        waiting = session.pending
        if waiting is not None:
            if session.repeatable(waiting):
                self._then = self._passed
                return self._carry(waiting)
            session.knocks += waiting.sequence == 0
            session.restart()
        if len(session.heard) >= MOST_HEARD:  # more must not be fetched before these are
            self._polls = 0
            self._asks.append(Ask(Command.ID, b"\0"))
        first = self._advance()
        assert isinstance(first, Exchange)
        return first

    # -- what comes next ----------------------------------------------------------------------------------

    def _advance(self) -> Exchange | bytes:
        session = self._session
        if session.standing is Standing.NEW:
            self._keys = iter(session.security.candidates())
            # Some readers answer nothing before a poll, some no poll outside a secure channel.
            knock = Ask(Command.POLL) if session.knocks % 2 else Ask(Command.ID, b"\0")
            return self._send(knock, self._identified)
        if session.standing is Standing.REFUSED:
            if any(ask.effect for ask in self._asks):
                raise DeviceRefused("no secure channel, and nothing is ordered without: see its keys")
            return self._end()
        if self._asks:
            ask = self._asks.popleft()
            if ask.sealed:
                _guard(session, ask)
            return self._send(ask, lambda answer: self._answered(ask, answer))
        if self._polls and len(session.heard) < MOST_HEARD:
            self._polls -= 1
            return self._send(Ask(Command.POLL), self._polled)
        return self._end()

    def _send(
        self,
        ask: Ask,
        then: Callable[[Answer], Exchange | bytes],
        block: int | None = None,
        block_data: bytes = b"",
    ) -> Exchange:
        self._then, self._busy = then, 0
        made = self._session.command(
            ask.code, ask.data, effect=ask.effect, block=block, block_data=block_data
        )
        return self._carry(made)

    def _carry(self, pending: Pending, pause: float = 0.0) -> Exchange:
        self._left -= 1
        if self._left < 0:
            raise FrameDamaged(f"the reader has not come to an end in {MOST_STEPS} frames")
        session = self._session

        def then(_: bytes) -> Exchange | bytes:
            assert pending.answer is not None
            return self._heard(pending, pending.answer)

        return Exchange(
            pending.raw,
            SessionReader(session, pending),
            reply_bytes=USUAL_REPLY,
            key=bytes((SOM, session.address)),
            then=then,
            pause=pause,
        )

    def _heard(self, pending: Pending, answer: Answer) -> Exchange | bytes:
        if answer.code == Reply.BUSY:
            self._busy += 1
            if self._busy > MOST_BUSY:
                raise DeviceRefused("the reader says that it is busy", code=Reply.BUSY, busy=True)
            return self._carry(pending, BUSY_PAUSE_S)
        return self._then(answer)

    def _passed(self, answer: Answer) -> Exchange | bytes:
        """Go on after the answer to what an earlier talk had asked: its news is kept by the session."""
        if _lost(self._session, answer):
            self._session.restart()
        return self._advance()

    def _once_more(self, code: int, answer: Answer) -> None:
        """Begin the session anew; raise `DeviceRefused` where this talk has done so already."""
        if self._anew:
            raise _refusal(code, answer)
        self._anew = True
        self._session.restart()

    # -- the secure channel -------------------------------------------------------------------------------

    def _identified(self, answer: Answer) -> Exchange | bytes:
        if _lost_number(answer):
            self._once_more(Command.ID, answer)
            return self._advance()
        return self._challenge()

    def _challenge(self) -> Exchange | bytes:
        session = self._session
        for which, key in self._keys:
            number = session.random(RANDOM_BYTES)
            kind = bytes((which,))

            def answered(
                answer: Answer, kind: bytes = kind, key: bytes = key, number: bytes = number
            ) -> Exchange | bytes:
                return self._proven(answer, kind, key, number)

            return self._send(Ask(Command.CHLNG, number), answered, Block.SCS_11, kind)
        session.standing = Standing.REFUSED if session.security.required else Standing.PLAIN
        return self._advance()

    def _proven(self, answer: Answer, kind: bytes, key: bytes, number: bytes) -> Exchange | bytes:
        """Judge the reader's cryptogram, and show ours."""
        if _lost_number(answer):
            self._once_more(Command.CHLNG, answer)
            return self._advance()
        if answer.code != Reply.CCRYPT or answer.block != Block.SCS_12 or len(answer.data) != 32:
            return self._challenge()
        keys = derive(key, number, answer.data[8:16])
        if answer.data[16:] != keys.pd_cryptogram:
            return self._challenge()
        return self._send(
            Ask(Command.SCRYPT, keys.cp_cryptogram),
            lambda said: self._secured(said, kind, keys),
            Block.SCS_13,
            kind,
        )

    def _secured(self, answer: Answer, kind: bytes, keys: Keys) -> Exchange | bytes:
        if _lost_number(answer):
            self._once_more(Command.SCRYPT, answer)
            return self._advance()
        agreed = answer.block == Block.SCS_14 and answer.block_data[:1] != b"\0"
        if answer.code != Reply.RMAC_I or not agreed or answer.data != keys.rmac_i:
            return self._challenge()
        self._session.secured(Channel(keys), default_key=kind == b"\0")
        return self._advance()

    # -- answers ------------------------------------------------------------------------------------------

    def _answered(self, ask: Ask, answer: Answer) -> Exchange | bytes:
        session = self._session
        if _lost(session, answer):
            self._once_more(ask.code, answer)
            self._asks.appendleft(ask)  # it was refused, so it was not carried out
            return self._advance()
        if answer.code == Reply.NAK:
            raise _refusal(ask.code, answer)
        if answer.code not in _FITS.get(Command(ask.code), {Reply.ACK}):
            return self._astray(ask, answer)
        if ask.expect is not None and answer.data != ask.expect:
            raise DeviceRefused(f"the reader has answered {Command(ask.code).name} with other settings")
        self._answers.append((answer.code, answer.data))
        if ask.code == Command.KEYSET:
            session.restart()  # the new key holds from now on
            return self._end(secure=True)
        return self._advance()

    def _astray(self, ask: Ask, answer: Answer) -> Exchange | bytes:
        """Begin anew where an answer belongs to something else: another panel speaks to this reader too."""
        self._session.restart()
        if ask.effect or self._anew:
            said = name(answer.code, reply=True)
            raise FrameDamaged(f"{name(ask.code, reply=False)} was answered by {said}")
        self._anew = True
        self._asks.appendleft(ask)
        return self._advance()

    def _polled(self, answer: Answer) -> Exchange | bytes:
        if _lost(self._session, answer):
            self._once_more(Command.POLL, answer)
            return self._advance()
        if answer.code in {Reply.ACK, Reply.NAK}:
            self._polls = 0
        return self._advance()

    def _end(self, *, secure: bool = False) -> bytes:
        session = self._session
        status = 0
        if session.standing is Standing.SECURE or secure:
            status |= _SECURE | (_DEFAULT if session.default_key else 0)
        if session.standing is Standing.REFUSED:
            status |= _REFUSED
        made = session.number() + bytes((status,))
        made += b"".join(_record(0, *answer) for answer in self._answers)
        if self._fetch:
            made += b"".join(_record(1, *heard) for heard in session.heard)
            session.heard.clear()
        return made


def _guard(session: Session, ask: Ask) -> None:
    """Raise `DeviceRefused` for a key that there is not, or that would go out in clear."""
    if not ask.data:
        raise DeviceRefused("no key is configured for this reader: see options.key_file")
    if session.standing is not Standing.SECURE:
        raise DeviceRefused("a key is set only in a secure channel, and there is none")


def _lost(session: Session, answer: Answer) -> bool:
    """Say whether the reader has lost the session: it refuses numbers or keys, or answers a channel in clear."""
    if answer.code != Reply.NAK:
        return False
    in_clear = session.standing is Standing.SECURE and not answer.guarded
    return in_clear or (len(answer.data) > 0 and answer.data[0] in LOST)


def _lost_number(answer: Answer) -> bool:
    return answer.code == Reply.NAK and answer.data[:1] == bytes((Nak.SEQUENCE,))


def _refusal(code: int, answer: Answer) -> DeviceRefused:
    reason = answer.data[0] if answer.data else 0
    text = f"{name(code, reply=False)} refused: {nak_meaning(reason)}"
    return DeviceRefused(text, code=reason, address=reason == Nak.UNKNOWN_COMMAND)


def _record(kind: int, code: int, data: bytes) -> bytes:
    return bytes((kind, code)) + len(data).to_bytes(2, "big") + data


def said(payload: bytes) -> Said | None:
    """Read a talk's payload; None for bytes that are none."""
    if len(payload) < COUNTER_BYTES + 1 or payload[COUNTER_BYTES] > 7:
        return None
    status = payload[COUNTER_BYTES]
    records = list(_records(payload[COUNTER_BYTES + 1 :]))
    if any(record is None for record in records):
        return None
    whole = [record for record in records if record is not None]
    return Said(
        bool(status & _SECURE),
        bool(status & _DEFAULT),
        bool(status & _REFUSED),
        tuple((code, data) for kind, code, data in whole if kind == 0),
        tuple((code, data) for kind, code, data in whole if kind == 1),
    )


def _records(rest: bytes) -> Iterator[tuple[int, int, bytes] | None]:
    while rest:
        size = 4 + int.from_bytes(rest[2:4], "big")
        if len(rest) < max(4, size) or rest[0] > 1:
            yield None
            return
        yield rest[0], rest[1], rest[4:size]
        rest = rest[size:]
