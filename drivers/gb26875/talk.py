"""What was said to a transmission device, on whatever connection: its clock, its roll-calls, and what it still owes.

A device may connect anew many times a day, or send datagrams: what is due goes by the device, and is said where it was
heard last.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from drivers.gb26875 import frames
from drivers.gb26875.frames import CONTROL, REQUEST, Frame
from drivers.gb26875.meaning import Device

RESEND_S: Final = 10
TRIES: Final = 4  # the first, and three resends
MOST_TALKS: Final = 4096

ASK_APART: Final = timedelta(minutes=5)
"""A device that comes on another connection with every message is not asked for its state each time."""
FAR_BACK: Final = timedelta(hours=1)
"""When our clock was set back so far, nobody waits for it to catch up."""

Kind = Literal["state", "clock", "roll_call"]


@dataclass(slots=True)
class _Sent:
    serial: int
    at: datetime
    tries: int = 1


@dataclass(slots=True)
class Talk:
    """What has been said to one transmission device."""

    centre: str = ""
    version: tuple[int, int] = (1, 0)
    place: object = None
    """Where it was heard last: only there something is said to it."""
    asked: object = None
    """Where its state was asked for last."""
    asked_at: datetime | None = None
    synced: datetime | None = None
    called: datetime | None = None
    answer_by: datetime | None = None
    _open: dict[Kind, _Sent] = field(default_factory=dict)
    _serial: int = 0

    def heard(self, frame: Frame, place: object) -> None:
        """Note a frame of the device."""
        self.centre, self.version, self.place = frame.dest, frame.version, place

    def answered(self, serial: int) -> None:
        """Note that the device has dealt with what we sent under this number."""
        for kind in [kind for kind, sent in self._open.items() if sent.serial == serial]:
            del self._open[kind]

    def roll_call_over(self) -> None:
        """Note that a roll-call waits for nothing any more."""
        self.answer_by = None
        self._open.pop("roll_call", None)

    def missed(self, now: datetime) -> bool:
        """Say, once, that a roll-call was not answered in time."""
        if self.answer_by is None or now <= self.answer_by:
            return False
        self.roll_call_over()
        return True

    def due(self, device: Device, now: datetime) -> Iterator[bytes]:
        """Return what is to be said to the device now."""
        options = device.options
        if options.ask_state and self.asked is not self.place and _over(self.asked_at, ASK_APART, now):
            self.asked, self.asked_at = self.place, now
            yield self._say("state", device, now)
        if options.time_sync_h and _over(self.synced, timedelta(hours=options.time_sync_h), now):
            self.synced = now
            yield self._say("clock", device, now)
        if options.roll_call_h and self.called is None:
            self.called = now  # not at once: a device that has just come back has other things to tell
        elif options.roll_call_h and _over(self.called, timedelta(hours=options.roll_call_h), now):
            self.called = now
            self.answer_by = now + timedelta(minutes=options.roll_call_min)
            yield self._say("roll_call", device, now)
        yield from self._again(device, now)

    def _say(self, kind: Kind, device: Device, now: datetime) -> bytes:
        self._serial = self._serial % 0xFFFF + 1
        self._open[kind] = _Sent(self._serial, now)
        return self._frame(kind, self._serial, device, now)

    def _again(self, device: Device, now: datetime) -> Iterator[bytes]:
        for kind, sent in list(self._open.items()):
            if -FAR_BACK <= now - sent.at < timedelta(seconds=RESEND_S):
                continue
            if sent.tries >= TRIES:
                del self._open[kind]
                continue
            sent.at, sent.tries = now, sent.tries + 1
            yield self._frame(kind, sent.serial, device, now)

    def _frame(self, kind: Kind, serial: int, device: Device, now: datetime) -> bytes:
        """Write a question as of now: what is sent again is not to set a clock to the time of its first try."""
        label, minutes = device.clock.label(now), device.options.roll_call_min
        command, unit = {
            "state": (REQUEST, b"\x51\x01\x00"),
            "clock": (CONTROL, b"\x5a\x01" + label),
            "roll_call": (CONTROL, bytes((0x5B, 1, minutes))),
        }[kind]
        source = device.options.address.upper()
        return frames.encode(Frame(serial, self.version, label, self.centre, source, command, unit))


class Talks:
    """The talks with the devices of all lines: by the options that a line holds of a device as long as it lives."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[Mapping[str, Any], Talk]] = {}

    def of(self, source: str, options: Mapping[str, Any]) -> Talk:
        """Return the talk with the device that has these options: this very object, not an equal one."""
        # The options are kept with their talk, so that no others can have their id.
        key = source, id(options)
        made = self._known.pop(key, None) or (options, Talk())
        while len(self._known) >= MOST_TALKS:
            del self._known[next(iter(self._known))]
        self._known[key] = made
        return made[1]


def _over(last: datetime | None, apart: timedelta, now: datetime) -> bool:
    if last is None:
        return True
    passed = now - last
    return passed >= apart or passed < -FAR_BACK
