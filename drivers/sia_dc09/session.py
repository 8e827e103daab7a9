"""One peer of a DC-09 receiver, over a connection or datagrams: messages in, ACK, NAK or DUH out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from drivers.api import Happening, Heard
from drivers.errors import FrameDamaged
from drivers.profile import Profile
from drivers.sia_dc09 import crypto, frames
from drivers.sia_dc09.codes import cid_name, sia_name
from drivers.sia_dc09.events import cid_event, sia_events, split_account
from drivers.sia_dc09.frames import Framed, FrameReader, Message
from drivers.sia_dc09.settings import Options, Signals, bind_options, key_of
from messages.types import Edge

SIA, CID, LINK = "SIA-DCS", "ADM-CID", frozenset({"NULL", "XNM"})
_BLOCKS: Final[Mapping[str, str]] = {
    "I": "text",
    "L": "location",
    "O": "building",
    "R": "room",
    "S": "site",
    "T": "trigger",
    "V": "verification",
    "M": "MAC",
    "X": "longitude",
    "Y": "latitude",
    "Z": "altitude",
}


@dataclass(frozen=True, slots=True)
class Account:
    """A panel of the line, its profile made ready."""

    options: Options
    signals: Signals
    key: bytes | None


def account_of(profile: Profile, options: Mapping[str, Any], signals: Signals) -> Account:
    """Make a panel's options and key ready; raise `Misconfigured`."""
    return Account(bind_options(profile, options), signals, key_of(options))


class Dc09Session:
    """What one peer tells; it may speak for several accounts."""

    def __init__(self, accounts: Mapping[str, Account], padding: crypto.Padding) -> None:
        self._accounts = accounts
        self._padding = padding
        self._reader = FrameReader()

    def feed(self, data: bytes, now: datetime) -> Sequence[Heard]:
        """Take bytes in any portions; return the messages that are whole. A damaged one gets no answer."""
        return [self._heard(framed, now) for framed in self._reader.feed(data)]

    def tick(self, now: datetime) -> Sequence[bytes]:  # noqa: ARG002
        """Return nothing: a receiver speaks only when it is spoken to."""
        return ()

    def _heard(self, framed: Framed, now: datetime) -> Heard:
        if not framed.sound:
            what = "length" if framed.crc_ok else "CRC"
            return Heard("", label=f"a wrong {what}: no answer", raw=framed.raw, wrong=True)
        try:
            message = frames.parse_body(framed.body)
        except FrameDamaged as err:
            return Heard("", label=str(err), raw=framed.raw, wrong=True)
        source = (message.account or split_account(message.data)[0]).upper()
        account = self._accounts.get(source)
        label = f"{'*' if message.encrypted else ''}{message.token} {message.sequence}"
        if not source:
            duh = _frame(message, "DUH", "]")
            return Heard("", reply=duh, label=f"{label} without an account", raw=framed.raw, wrong=True)
        if account is None:
            return Heard(source, label=label, number=message.sequence, raw=framed.raw)
        return self._known(source, account, message, framed, label, now)

    def _known(
        self, source: str, account: Account, message: Message, framed: Framed, label: str, now: datetime
    ) -> Heard:
        nak = _frame(replace(message, sequence="0000"), "NAK", "]" + frames.stamp(now))
        if message.encrypted:
            clear = _decrypted(message, account.key)
            if clear is None:
                return self._refused(source, account, framed, f"{label}: cannot be decrypted", nak)
            message = clear
        elif account.key is not None and not account.options.plain:
            return self._refused(
                source, account, framed, f"{label}: not encrypted, and the account has a key", nak
            )
        reply = self._reply(message, account, now)
        if message.token not in {SIA, CID, *LINK}:
            return Heard(
                source, {}, self._other(account, message, framed), reply, label=label, raw=framed.raw
            )
        told = tuple(self._happenings(message, account, framed, now))
        # Without a time, the first event after a restart would be the same as the first before it.
        number = message.sequence if message.time is not None else ""
        return Heard(source, {}, told, reply, label=label, number=number, raw=_content(message))

    def _refused(self, source: str, account: Account, framed: Framed, why: str, nak: bytes) -> Heard:
        code = account.signals.of_message("refused")
        told = (Happening(code, detail=why, evidence=framed.raw),) if code else ()
        return Heard(source, {}, told, nak, label=why, raw=framed.raw)

    def _reply(self, message: Message, account: Account, now: datetime) -> bytes:
        token = "ACK" if message.token in {SIA, CID, *LINK} else "DUH"
        if not message.encrypted or account.key is None or token == "DUH":  # noqa: S105
            return _frame(message, token, "]")
        rest = "]" + frames.stamp(now)
        return _frame(message, "*" + token, crypto.encrypt(rest, account.key, self._padding))

    def _other(self, account: Account, message: Message, framed: Framed) -> tuple[Happening, ...]:
        detail = f"{message.token} is not spoken here: {message.data}"
        return (Happening(account.signals.other, Edge.PULSE, message.time, detail, framed.raw),)

    def _happenings(
        self, message: Message, account: Account, framed: Framed, now: datetime
    ) -> Iterator[Happening]:
        if message.token in LINK or not message.data:
            return
        signals, at = account.signals, _occurred(message)
        tail = "".join(_extended(message)) + _clock_mark(message, account.options, now)

        def told(meant: tuple[str, Edge], detail: str, part: str) -> Happening:
            return Happening(meant[0], meant[1], at, detail + tail, framed.raw, part=part)

        if message.token == CID:
            yield _of_cid(message, signals, told)
            return
        found, strange = sia_events(message.data)
        for event in found:
            area = f"area {event.area}, " if event.area else ""
            number = f"number {event.number}" if event.number else ""
            text = f" {event.text!r}" if event.text else ""
            words = f"{event.code} {sia_name(event.code)}{', told late' if event.old else ''}: {area}{number}{text}"
            part = "/".join(part for part in (event.area, event.number) if part)
            for meant in signals.of_sia(event.code):
                yield told(meant, words.rstrip(" :,"), part)
        if strange or not found:
            yield told(
                (signals.other, Edge.PULSE), f"not to be read as SIA events: {strange or message.data}", ""
            )


def _of_cid(
    message: Message, signals: Signals, told: Callable[[tuple[str, Edge], str, str], Happening]
) -> Happening:
    event = cid_event(message.data)
    if event is None:
        return told((signals.other, Edge.PULSE), f"not to be read as Contact ID: {message.data}", "")
    letter = {1: "E", 3: "R", 6: "P"}.get(event.qualifier, str(event.qualifier))
    words = f"{letter}{event.event} {cid_name(event.event)}: partition {event.partition}, zone or user {event.zone}"
    return told(signals.of_cid(event.event, event.qualifier), words, f"{event.partition}/{event.zone}")


def _decrypted(message: Message, key: bytes | None) -> Message | None:
    if key is None:
        return None
    try:
        data, extended, stamp = frames.parse_data(crypto.decrypt(message.data, key))
    except FrameDamaged:
        return None
    clear = replace(message, data=data, extended=extended, stamp=stamp)
    return clear if clear.time is not None else None


def _content(message: Message) -> bytes:
    """Return what makes a message the same when it is sent again: padding differs each time."""
    parts = (message.token, message.sequence, message.data, *message.extended, message.stamp)
    return "\n".join(parts).encode()


def _occurred(message: Message) -> datetime | None:
    """Return when the panel says that it happened, else when it says that it sent the message."""
    times = (frames.stamp_time(block[1:]) for block in message.extended if block.startswith("H"))
    return next((at for at in times if at is not None), message.time)


def _extended(message: Message) -> Iterator[str]:
    for block in message.extended:
        if block[:1] != "H" and len(block) > 1:
            yield f"; {_BLOCKS.get(block[0], block[0])} {block[1:]}"


def _clock_mark(message: Message, options: Options, now: datetime) -> str:
    at = message.time
    if at is None:
        return "; the time stamp cannot be read" if message.stamp else ""
    ahead = (at - now).total_seconds()
    if -options.late_s <= ahead <= options.early_s:
        return ""
    return f"; the panel's clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"


def _frame(message: Message, token: str, rest: str) -> bytes:
    receiver = f"R{message.receiver}" if message.receiver is not None else ""
    account = f"#{message.account}" if message.account is not None else ""
    body = f'"{token}"{message.sequence}{receiver}L{message.line}{account}[{rest}'
    return frames.encode(body.encode())
