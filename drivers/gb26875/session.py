"""One connection of a user transmission device: frames in, acknowledgements and a few questions out.

Nothing is ever sent to a fire panel: the clock, the roll-call and the question for its state are the transmission
device's own (types 81, 90 and 91).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from drivers.api import Heard
from drivers.gb26875 import adu, frames
from drivers.gb26875.frames import ACK, CONTROL, DENY, REPLY, REQUEST, SEND, Damaged, Frame, FrameReader
from drivers.gb26875.meaning import Device
from drivers.profile import Profile

RESEND_S: Final = 10
TRIES: Final = 4  # the first, and three resends
_ANSWERED: Final = 1 << 5  # the operation "roll-call answered" of type 24


@dataclass(slots=True)
class _Sent:
    raw: bytes
    at: datetime
    tries: int = 1


@dataclass(slots=True)
class _Talk:
    """What has been said to one transmission device of this connection."""

    centre: str
    version: tuple[int, int]
    asked: bool = False
    synced: datetime | None = None
    called: datetime | None = None
    answer_by: datetime | None = None
    open: dict[int, _Sent] = field(default_factory=dict)


class Gb26875Session:
    """What one connection tells; several transmission devices may share it."""

    def __init__(
        self, devices: Mapping[str, tuple[Profile, Mapping[str, Any]]], options: Mapping[str, Any]
    ) -> None:
        self._devices = {
            source: Device(profile, {**options, **own, "address": source})
            for source, (profile, own) in devices.items()
        }
        self._reader = FrameReader()
        self._talks: dict[str, _Talk] = {}
        self._serial = 0

    def feed(self, data: bytes, now: datetime) -> Sequence[Heard]:
        """Take bytes in any portions; return the messages that are whole, and roll-calls that nobody answered."""
        found = [self._heard(frame, now) for frame in self._reader.feed(data)]
        return [*self._missed(now), *found]

    def tick(self, now: datetime) -> Sequence[bytes]:
        """Return the clock, roll-calls and questions that are due, and what must be sent again."""
        return [raw for source in self._talks for raw in self._say(source, now)]

    def _heard(self, frame: Frame | Damaged, now: datetime) -> Heard:
        if isinstance(frame, Damaged):
            bad = frame.frame
            label = f"checksum {bad.raw[-3]:02X}, right would be {frame.right_sum:02X}"
            return Heard("", reply=self._answer(bad, DENY, now), label=label, raw=bad.raw, wrong=True)
        device = self._devices.get(frame.source)
        unit = adu.parse(frame.adu, device.options.no_time if device else ()) if frame.adu else None
        label = frames.COMMANDS.get(frame.command, f"command {frame.command}")
        label += f" {unit.type} {adu.type_name(unit.type)}" if unit else ""
        if device is not None:
            self._note(frame, unit)
        told = device is not None and unit is not None and frame.command in {SEND, REPLY}
        return Heard(
            frame.source,
            device.readings(unit) if told and device and unit else {},
            device.happenings(unit, frame.raw) if told and device and unit else (),
            reply=self._reply(frame, now),
            refuse=self._answer(frame, DENY, now) if frame.command == SEND else b"",
            label=label,
            # Without a time, the first message after a restart would be the same as the first before it.
            number=str(frame.serial) if any(frame.time) else "",
            raw=frame.raw,
        )

    def _reply(self, frame: Frame, now: datetime) -> bytes:
        if frame.command in {ACK, DENY, REPLY}:
            return b""
        # A centre takes no orders and has nothing that could be asked for; anything else is only to be acknowledged.
        return self._answer(frame, DENY if frame.command in {CONTROL, REQUEST} else ACK, now)

    def _answer(self, frame: Frame, command: int, now: datetime) -> bytes:
        device = self._devices.get(frame.source)
        label = device.clock.label(now) if device else frame.time
        return frames.encode(
            Frame(frame.serial, frame.version, label, frame.dest, frame.source, command, b"")
        )

    def _note(self, frame: Frame, unit: adu.Adu | None) -> None:
        talk = self._talks.setdefault(frame.source, _Talk(frame.dest, frame.version))
        talk.centre, talk.version = frame.dest, frame.version
        if frame.command in {ACK, DENY, REPLY}:
            talk.open.pop(frame.serial, None)
        if unit and unit.type == 24 and any((item.operation or 0) & _ANSWERED for item in unit.objects):
            talk.answer_by = None

    def _missed(self, now: datetime) -> Iterator[Heard]:
        for source, talk in self._talks.items():
            if talk.answer_by is not None and now > talk.answer_by:
                talk.answer_by = None
                yield Heard(
                    source, {}, self._devices[source].missed_roll_call(), label="roll-call not answered"
                )

    def _say(self, source: str, now: datetime) -> Iterator[bytes]:
        talk, device = self._talks[source], self._devices[source]
        options = device.options
        if options.ask_state and not talk.asked:
            talk.asked = True
            yield self._ask(source, REQUEST, b"\x51\x01\x00", now)
        if options.time_sync_h and _due(talk.synced, options.time_sync_h, now):
            talk.synced = now
            yield self._ask(source, CONTROL, b"\x5a\x01" + device.clock.label(now), now)
        if options.roll_call_h and talk.called is None:
            talk.called = now  # not at once: a device that has just come back has other things to tell
        elif options.roll_call_h and _due(talk.called, options.roll_call_h, now):
            talk.called = now
            talk.answer_by = now + timedelta(minutes=options.roll_call_min)
            yield self._ask(source, CONTROL, bytes((0x5B, 1, options.roll_call_min)), now)
        yield from _again(talk, now)

    def _ask(self, source: str, command: int, unit: bytes, now: datetime) -> bytes:
        talk = self._talks[source]
        self._serial = self._serial % 0xFFFF + 1
        label = self._devices[source].clock.label(now)
        raw = frames.encode(Frame(self._serial, talk.version, label, talk.centre, source, command, unit))
        talk.open[self._serial] = _Sent(raw, now)
        return raw


def _due(last: datetime | None, hours: int, now: datetime) -> bool:
    return last is None or now - last >= timedelta(hours=hours)


def _again(talk: _Talk, now: datetime) -> Iterator[bytes]:
    for serial, sent in list(talk.open.items()):
        if now - sent.at < timedelta(seconds=RESEND_S):
            continue
        if sent.tries >= TRIES:
            del talk.open[serial]
            continue
        sent.at, sent.tries = now, sent.tries + 1
        yield sent.raw
