"""A card reader with keypad, inputs and outputs, as a peripheral device of OSDP v2; pure, with its own encoder.

What it is (doors, cards, timers) and how it says so (frames, sequence, secure channel) lie side by side here, but no
code is shared with the driver. Time and random numbers are handed in.
"""

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from simulators.osdp_secure import Session, crc, reply_frame

DEFAULT_KEY = bytes(range(0x30, 0x40))
FORGETS_MS = 8000  # a reader that hears nothing for so long counts its panel as gone
MOST_WAITING = 64
LONGEST = 1440
_ACK, _NAK = 0x40, 0x41


@dataclass(slots=True)
class Output:
    """A relay: what it is for good, and for a time."""

    on: bool = False
    until_ms: int | None = None
    timed: bool = False

    def now(self, now_ms: int) -> bool:
        """Tell whether it is on."""
        if self.until_ms is not None and now_ms < self.until_ms:
            return self.timed
        return self.on


@dataclass(slots=True)
class Identity:
    """What a reader says that it is."""

    vendor: bytes = b"\x5a\x42\x43"
    model: int = 1
    version: int = 2
    serial: int = 4711
    firmware: tuple[int, int, int] = (1, 4, 2)


@dataclass(slots=True, eq=False)
class Reader:
    """One reader on a line; `receive` takes what the wire brings and returns what the reader says."""

    address: int
    random: Callable[[int], bytes]
    key: bytes | None = None
    default_key: bool = True
    enforce: bool = False
    identity: Identity = field(default_factory=Identity)
    tamper: bool = False
    power_fail: bool = False
    inputs: list[int] = field(default_factory=lambda: [0, 0])
    outputs: list[Output] = field(default_factory=lambda: [Output(), Output()])
    knows: frozenset[int] = frozenset(range(256))
    """The commands that this model has."""
    wants_poll: bool = False
    """Whether it answers nothing before its first poll, as some readers do."""
    busy: int = 0
    """How many commands it answers with BUSY from now on."""
    shown: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    """LED, buzzer and text commands that it has carried out lately."""
    _waiting: deque[tuple[int, bytes]] = field(default_factory=deque)
    _buffer: bytearray = field(default_factory=bytearray)
    _sequence: int | None = None
    _asked: bytes = b""
    _said: bytes = b""
    _heard_ms: int = 0
    _session: Session | None = None
    _proving: Session | None = None

    # -- what happens at the door -------------------------------------------------------------------------

    def card(self, bits: int, data: bytes, reader: int = 0) -> None:
        """Show a card; it waits for the next poll."""
        self._wait(0x50, struct.pack("<BBH", reader, 1, bits) + data)

    def formatted(self, text: bytes, reader: int = 0) -> None:
        """Show a card whose number the reader tells as characters."""
        self._wait(0x51, bytes((reader, 0, len(text))) + text)

    def keys(self, digits: bytes, reader: int = 0) -> None:
        """Press keys."""
        self._wait(0x53, bytes((reader, len(digits))) + digits)

    def maker(self, vendor: bytes, data: bytes) -> None:
        """Say something that only its maker understands."""
        self._wait(0x90, vendor + data)

    def smartcard(self, data: bytes, size: int = 40) -> None:
        """Say what a smart card holds, in parts."""
        for offset in range(0, len(data), size):
            piece = data[offset : offset + size]
            self._wait(0x80, struct.pack("<HHH", len(data), offset, len(piece)) + piece)

    def set_tamper(self, tamper: bool) -> None:
        """Open or close the housing; the next poll hears of it."""
        self.tamper = tamper
        self._wait(0x48, self._local())

    def set_input(self, number: int, state: int) -> None:
        """Open or close a contact; the next poll hears of it."""
        self.inputs[number] = state
        self._wait(0x49, bytes(self.inputs))

    def reboot(self) -> None:
        """Lose power for a moment: sequence, session and what waits are gone."""
        self._sequence, self._session, self._proving = None, None, None
        self._waiting.clear()
        self._buffer.clear()

    @property
    def secure(self) -> bool:
        """Whether a secure channel is up."""
        return self._session is not None

    @property
    def waiting(self) -> int:
        """How many things no poll has fetched yet."""
        return len(self._waiting)

    def _wait(self, code: int, data: bytes) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append((code, data))

    # -- the wire -----------------------------------------------------------------------------------------

    def receive(self, data: bytes, now_ms: int) -> bytes:
        """Take bytes in any portions; return all replies that they call for."""
        self._buffer += data
        said = b""
        while (frame := self._next()) is not None:
            said += self._answer(frame, now_ms)
        return said

    def silence(self) -> None:
        """Forget what has begun and is not whole."""
        self._buffer.clear()

    def _next(self) -> bytes | None:
        buffer = self._buffer
        while buffer:
            if buffer[0] != 0x53:
                del buffer[0]
                continue
            if len(buffer) < 5:
                return None
            size = buffer[2] | buffer[3] << 8
            if not 7 <= size <= LONGEST:
                del buffer[0]
                continue
            if len(buffer) < size:
                return None
            frame = bytes(buffer[:size])
            if not _sound(frame):
                del buffer[0]
                continue
            del buffer[:size]
            return frame
        return None

    def _answer(self, frame: bytes, now_ms: int) -> bytes:
        if frame[1] not in {self.address, 0x7F}:
            return b""
        if now_ms - self._heard_ms > FORGETS_MS:
            self._sequence, self._session = None, None
        self._heard_ms = now_ms
        sequence = frame[4] & 3
        if self._deaf(frame):
            return b""
        if self.busy:
            self.busy -= 1
            return reply_frame(self.address, 0, 0x79, b"")
        if sequence and sequence == self._sequence and frame == self._asked:
            return self._said  # the panel has not heard us: the very same again
        if sequence == 0:
            self._session = self._proving = None
        elif self._sequence is None or sequence != self._sequence % 3 + 1:
            return reply_frame(self.address, sequence, _NAK, b"\x04")
        self._sequence, self._asked = sequence, frame
        self._said = self._reply(frame, sequence, now_ms)
        return self._said

    def _deaf(self, frame: bytes) -> bool:
        """Tell whether a reader that waits for its first poll passes this over."""
        if self._sequence is None and self.wants_poll:
            return frame[5] != 0x60
        return False

    def _reply(self, frame: bytes, sequence: int, now_ms: int) -> bytes:
        end = len(frame) - (2 if frame[4] & 4 else 1)
        if not frame[4] & 8:
            code, data = frame[5], frame[6:end]
            if self._session is not None or (self.enforce and code not in {0x61, 0x62}):
                self._session = None
                return reply_frame(self.address, sequence, _NAK, b"\x06")
            return reply_frame(self.address, sequence, *self._do(code, data, now_ms))
        if end < 8:  # a security block and a command, or the key that is meant, do not fit
            return reply_frame(self.address, sequence, _NAK, b"\x02")
        size, kind = frame[5], frame[6]
        if kind in {0x11, 0x13}:
            return self._handshake(kind, frame[7], frame[5 + size + 1 : end], sequence)
        if self._session is None:
            return reply_frame(self.address, sequence, _NAK, b"\x06")
        try:
            code, data = self._session.open(frame)
        except ValueError:
            self._session = None
            return reply_frame(self.address, sequence, _NAK, b"\x06")
        session = self._session
        return session.seal(self.address, sequence, *self._do(code, data, now_ms))

    def _handshake(self, kind: int, which: int, data: bytes, sequence: int) -> bytes:
        if kind == 0x11:
            self._session = None
            key = (DEFAULT_KEY if self.default_key else None) if which == 0 else self.key
            if key is None or len(data) != 8:
                return reply_frame(self.address, sequence, _NAK, b"\x05")
            own = self.random(8)
            self._proving = Session(key, data, own)
            unique = self.identity.vendor + struct.pack("<BI", self.identity.model, self.identity.serial)
            said = unique + own + self._proving.proof
            return reply_frame(self.address, sequence, 0x76, said, bytes((3, 0x12, which)))
        proving, self._proving = self._proving, None
        if proving is None or data != proving.wanted:
            return reply_frame(self.address, sequence, _NAK, b"\x06")
        self._session = proving
        return reply_frame(self.address, sequence, 0x78, proving.begin(), b"\x03\x14\x01")

    # -- what it does --------------------------------------------------------------------------------------

    def _do(self, code: int, data: bytes, now_ms: int) -> tuple[int, bytes]:
        if code not in self.knows:
            return _NAK, b"\x03"
        if code == 0x60:
            return self._waiting.popleft() if self._waiting else (_ACK, b"")
        if code == 0x61:
            who = self.identity
            return 0x45, who.vendor + struct.pack("<BBI", who.model, who.version, who.serial) + bytes(
                who.firmware
            )
        if code == 0x62:
            return 0x46, bytes((1, 1, len(self.inputs), 2, 4, len(self.outputs), 9, 1, 1, 13, 0, 1))
        if code in {0x64, 0x65, 0x66, 0x67}:
            return self._status(code, now_ms)
        if code == 0x68:
            return self._switch(data, now_ms)
        if code in {0x69, 0x6A, 0x6B}:
            self.shown.append((code, data))
            return _ACK, b""
        if code == 0x6E and len(data) == 5:
            return 0x54, data
        if code == 0x75:
            return self._take_key(data)
        return _NAK, b"\x03"

    def _status(self, code: int, now_ms: int) -> tuple[int, bytes]:
        if code == 0x64:
            return 0x48, self._local()
        if code == 0x65:
            return 0x49, bytes(self.inputs)
        if code == 0x66:
            return 0x4A, bytes(output.now(now_ms) for output in self.outputs)
        return 0x4B, b"\x00"

    def _local(self) -> bytes:
        return bytes((self.tamper, self.power_fail))

    def _switch(self, data: bytes, now_ms: int) -> tuple[int, bytes]:
        if not data or len(data) % 4:
            return _NAK, b"\x02"
        for place in range(0, len(data), 4):
            number, control, tenths = struct.unpack_from("<BBH", data, place)
            if number >= len(self.outputs) or not 1 <= control <= 6:
                return _NAK, b"\x09"
            output = self.outputs[number]
            if control in {5, 6}:
                output.until_ms, output.timed = now_ms + 100 * tenths, control == 5
            else:
                output.on = control in {2, 4}
                if control in {1, 2}:
                    output.until_ms = None
        return 0x4A, bytes(output.now(now_ms) for output in self.outputs)

    def _take_key(self, data: bytes) -> tuple[int, bytes]:
        if self._session is None or len(data) != 18 or data[:2] != b"\x01\x10":
            return _NAK, b"\x09"
        self.key, self.default_key = data[2:], False
        return _ACK, b""


def _sound(frame: bytes) -> bool:
    return crc(frame[:-2]) == frame[-2:] if frame[4] & 4 else sum(frame) & 0xFF == 0
