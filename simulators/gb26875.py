"""A user transmission device of GB/T 26875.3, with an encoder of its own: what a fire host tells a centre, and how it
takes the centre's acknowledgements, clock and roll-calls. Sans-I/O; `gb26875_client` carries it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

NORMAL, FIRE, FAULT, DISABLED = 1, 2, 4, 8
SYSTEM, COMPONENT, ANALOG, OPERATION, DEVICE, DEVICE_OPERATION = 1, 2, 3, 4, 21, 24
ANSWERED = 0x20
MOST_OBJECTS = 22
"""Component states that fit into one message."""

_HEAD = struct.Struct("<HBB6s6s6sHB")
_SEND, _ACK, _REPLY = 2, 3, 5
_WAIT, _TRIES = timedelta(seconds=10), 4


@dataclass(frozen=True, slots=True)
class Component:
    """One detector or module of a panel."""

    number: int
    kind: int = 42
    text: str = ""
    system: int = 1
    system_kind: int = 1


def stamp(at: datetime) -> bytes:
    """Write a wall clock."""
    return bytes((at.second, at.minute, at.hour, at.day, at.month, at.year - 2000))


def component_states(states: list[tuple[Component, int]], at: datetime) -> bytes:
    """Write the states of some components as one data unit."""
    parts = [bytes((COMPONENT, len(states)))]
    for what, state in states:
        text = what.text.encode("gb18030")[:31]
        head = struct.pack("<BBBIH", what.system_kind, what.system, what.kind, what.number, state)
        parts.append(head + text + bytes(31 - len(text)) + stamp(at))
    return b"".join(parts)


def system_state(state: int, at: datetime, system: int = 1) -> bytes:
    """Write the state of a system."""
    return struct.pack("<BBBBH", SYSTEM, 1, 1, system, state) + stamp(at)


def device_state(state: int, at: datetime) -> bytes:
    """Write the device's own state."""
    return bytes((DEVICE, 1, state)) + stamp(at)


def operation(bits: int, at: datetime, system: int = 1, operator: int = 1) -> bytes:
    """Write what somebody did at the panel: bit 0 reset, 1 silence, 2 manual alarm, 3 cancel, 4 self-test, 6 test."""
    return bytes((OPERATION, 1, 1, system, bits, operator)) + stamp(at)


def analog(what: Component, quantity: int, value: int, at: datetime) -> bytes:
    """Write an analog value in the quantity's smallest steps."""
    head = struct.pack(
        "<BBBBBIBh", ANALOG, 1, what.system_kind, what.system, what.kind, what.number, quantity, value
    )
    return head + stamp(at)


@dataclass(slots=True)
class _Waiting:
    raw: bytes
    at: datetime
    tries: int = 1


@dataclass(slots=True)
class TransmissionDevice:
    """Numbers its messages, sends again what is not acknowledged, and answers a centre."""

    address: str
    centre: str = "000000000000"
    guard: bool = True
    """Whether somebody answers roll-calls."""
    version: tuple[int, int] = (1, 1)
    clock_offset: timedelta = timedelta(0)
    waiting: dict[int, _Waiting] = field(default_factory=dict)
    acknowledged: list[int] = field(default_factory=list)
    denied: list[int] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    """The types of what the centre asked or ordered."""
    given_up: list[int] = field(default_factory=list)
    _serial: int = 0
    _kept: bytes = b""

    def report(self, unit: bytes, now: datetime) -> bytes:
        """Return the next message with this data unit; it waits for its acknowledgement from now on."""
        self._serial = self._serial % 0xFFFF + 1
        raw = self._frame(self._serial, _SEND, unit, now)
        self.repeat(raw, now)
        return raw

    def repeat(self, raw: bytes, now: datetime) -> int:
        """Let a message of ours wait for its acknowledgement from now on; return its serial number."""
        serial = int.from_bytes(raw[2:4], "little")
        self.waiting[serial] = _Waiting(raw, now)
        return serial

    def again(self, now: datetime) -> Iterator[bytes]:
        """Yield what must be sent once more: ten seconds without an answer, three times."""
        for serial, sent in list(self.waiting.items()):
            if now - sent.at < _WAIT:
                continue
            if sent.tries == _TRIES:
                del self.waiting[serial]
                self.given_up.append(serial)
                continue
            sent.at, sent.tries = now, sent.tries + 1
            yield sent.raw

    def feed(self, data: bytes, now: datetime) -> list[bytes]:
        """Take what the centre sends; return what is answered."""
        self._kept += data
        answers: list[bytes] = []
        while len(self._kept) >= 30:
            size = 30 + int.from_bytes(self._kept[24:26], "little")
            if len(self._kept) < size:
                break
            raw, self._kept = self._kept[:size], self._kept[size:]
            if raw[:2] != b"@@" or raw[-2:] != b"##" or sum(raw[2:-3]) % 256 != raw[-3]:
                raise ValueError(f"the centre sent what is no frame: {raw.hex()}")
            answers += self._take(raw, now)
        return answers

    def _take(self, raw: bytes, now: datetime) -> list[bytes]:
        serial, command, unit = int.from_bytes(raw[2:4], "little"), raw[26], raw[27:-3]
        if command == _ACK and serial in self.waiting:
            del self.waiting[serial]
            self.acknowledged.append(serial)
        elif command == 6:
            self.denied.append(serial)
        elif unit:
            self.heard.append(unit[0])
            return self._obey(serial, unit, now)
        return []

    def _obey(self, serial: int, unit: bytes, now: datetime) -> list[bytes]:
        if unit[0] == 81:
            return [self._frame(serial, _REPLY, device_state(NORMAL, self._own(now)), now)]
        answers = [self._frame(serial, _ACK, b"", now)]
        if unit[0] == 90:
            second, minute, hour, day, month, year = unit[2:8]
            given = datetime(2000 + year, month, day, hour, minute, second, tzinfo=now.tzinfo)
            self.clock_offset = given - now
        elif unit[0] == 91 and self.guard:
            said = bytes((DEVICE_OPERATION, 1, ANSWERED, 1)) + stamp(self._own(now))
            answers.append(self.report(said, now))
        return answers

    def _own(self, now: datetime) -> datetime:
        return now + self.clock_offset

    def _frame(self, serial: int, command: int, unit: bytes, now: datetime) -> bytes:
        head = _HEAD.pack(
            serial,
            *self.version,
            stamp(self._own(now)),
            bytes.fromhex(self.address)[::-1],
            bytes.fromhex(self.centre)[::-1],
            len(unit),
            command,
        )
        return b"@@" + head + unit + bytes((sum(head + unit) % 256,)) + b"##"
