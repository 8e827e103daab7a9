"""One connection of a user transmission device: frames in, acknowledgements and a few questions out.

Nothing is ever sent to a fire panel: the clock, the roll-call and the question for its state are the transmission
device's own (types 81, 90 and 91).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from drivers.api import Heard
from drivers.gb26875 import adu, frames
from drivers.gb26875.frames import ACK, CONTROL, DENY, REPLY, REQUEST, SEND, Damaged, Frame, FrameReader
from drivers.gb26875.meaning import Device
from drivers.gb26875.talk import Talk, Talks
from drivers.profile import Profile

_ANSWERED: Final = 1 << 5  # the operation "roll-call answered" of type 24


class Gb26875Session:
    """What one connection tells; several transmission devices may share it."""

    def __init__(
        self,
        devices: Mapping[str, tuple[Profile, Mapping[str, Any]]],
        options: Mapping[str, Any],
        talks: Talks | None = None,
    ) -> None:
        talks = talks or Talks()
        self._devices = {
            source: Device(profile, {**options, **own, "address": source})
            for source, (profile, own) in devices.items()
        }
        self._reader = FrameReader()
        self._talks = {source: talks.of(source, own) for source, (_, own) in devices.items()}
        self._here = object()

    def feed(self, data: bytes, now: datetime) -> Sequence[Heard]:
        """Take bytes in any portions; return the messages that are whole, and roll-calls that nobody answered."""
        found = [self._heard(frame, now) for frame in self._reader.feed(data)]
        return [*self._missed(now), *found]

    def tick(self, now: datetime) -> Sequence[bytes]:
        """Return the clock, roll-calls and questions that are due, and what must be sent again."""
        return [raw for source, talk in self._mine() for raw in talk.due(self._devices[source], now)]

    def _mine(self) -> Iterator[tuple[str, Talk]]:
        """Return the devices that were heard here last."""
        return ((source, talk) for source, talk in self._talks.items() if talk.place is self._here)

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
        talk = self._talks[frame.source]
        talk.heard(frame, self._here)
        if frame.command in {ACK, DENY, REPLY}:
            talk.answered(frame.serial)
        if unit and unit.type == 24 and any((item.operation or 0) & _ANSWERED for item in unit.objects):
            talk.roll_call_over()

    def _missed(self, now: datetime) -> Iterator[Heard]:
        for source, talk in self._mine():
            if talk.missed(now):
                told = self._devices[source].missed_roll_call()
                yield Heard(source, {}, told, label="roll-call not answered", spoke=False)
