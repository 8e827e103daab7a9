"""The link layer of M-Bus (EN 13757-2, frame class FT 1.2): E5, short and long frames; sans-I/O.

Nothing but a sum of bytes protects a frame. The readers therefore ask for all of it: both lengths, both start bytes,
the sum, the stop byte, the direction, and the sender.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.errors import FrameDamaged

ACK: Final = 0xE5
SHORT: Final = 0x10
LONG: Final = 0x68
STOP: Final = 0x16

SND_NKE: Final = 0x40
SND_UD: Final = 0x53
REQ_UD2: Final = 0x5B
FCB: Final = 0x20

NETWORK: Final = 253  # whoever was selected by its secondary address
ANYONE: Final = 254  # every slave answers: for one slave on the wire
BROADCAST: Final = 255
MAX_PRIMARY: Final = 250

LONGEST: Final = 255 + 6
MAX_NOISE: Final = 4096
_SHORT_BYTES: Final = 5
_LEAST: Final = 3  # control, address, control information
_RSP_UD: Final = frozenset({0x08, 0x18, 0x28, 0x38})  # with or without access demand and data flow control


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the link layer; `ci` is None for a short one."""

    control: int
    address: int
    ci: int | None = None
    data: bytes = b""

    @property
    def answers(self) -> bool:
        """Whether a slave sends it with data."""
        return self.ci is not None and self.control in _RSP_UD


def short(control: int, address: int) -> bytes:
    """Return a frame without data for the wire."""
    return bytes((SHORT, control, address, control + address & 0xFF, STOP))


def long(control: int, address: int, ci: int, data: bytes) -> bytes:
    """Return a frame with data for the wire; raise `ValueError` above 252 bytes of it."""
    body = bytes((control, address, ci)) + data
    return bytes((LONG, len(body), len(body), LONG)) + body + bytes((sum(body) & 0xFF, STOP))


def parse(raw: bytes) -> Frame:
    """Read one whole frame; raise `FrameDamaged` naming what is wrong."""
    if len(raw) == _SHORT_BYTES and raw[0] == SHORT:
        _sound(raw[1:3], raw)
        return Frame(raw[1], raw[2])
    if len(raw) < _LEAST + 6 or raw[0] != LONG:
        raise FrameDamaged(
            "no M-Bus frame: it begins with neither 10, nor 68 and its length, nor is it E5 alone"
        )
    if raw[1] != raw[2] or raw[3] != LONG:
        raise FrameDamaged(f"the start {raw[:4].hex(' ').upper()} is not 68 L L 68")
    if raw[1] < _LEAST or len(raw) != raw[1] + 6:
        raise FrameDamaged(f"the length says {raw[1] + 6} bytes, and there are {len(raw)}")
    _sound(raw[4:-2], raw)
    return Frame(raw[4], raw[5], raw[6], raw[7:-2])


def split(raw: bytes) -> list[bytes]:
    """Part frames with data that follow each other; raise `FrameDamaged` where one does not end."""
    found = []
    while raw:
        size = raw[1] + 6 if len(raw) > 1 and raw[0] == LONG else len(raw)
        found.append(raw[:size])
        raw = raw[size:]
    return found


def _sound(body: bytes, raw: bytes) -> None:
    if raw[-1] != STOP:
        raise FrameDamaged(f"ends with {raw[-1]:02X}, not with 16")
    if sum(body) & 0xFF != raw[-2]:
        raise FrameDamaged(f"the checksum is {raw[-2]:02X}, right would be {sum(body) & 0xFF:02X}")


class AckReader:
    """Waits for E5, the acknowledgement of SND_NKE and of a selection.

    An E5 inside of a frame with data is none. Several devices that answer at once look like one: E5 over E5 is E5.
    Where what follows proves who it was, `request` is told with it: then it is no copy of what another request got.
    """

    def __init__(self, request: bytes = b"") -> None:
        self._payload = bytes((ACK,)) + request
        self._reader = ResponseReader(lambda frame: False)  # noqa: ARG005

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return `E5` and the request when it came, None while it did not."""
        for byte in data:
            if byte == ACK and not self._reader.pending:
                return self._payload
            self._reader.feed(bytes((byte,)))
        return None

    @property
    def pending(self) -> int:
        """How many bytes are held that may be part of a frame."""
        return self._reader.pending


class ResponseReader:
    """Finds the one answer with data for which `mine` says yes; others' frames and noise are passed over."""

    def __init__(self, mine: Callable[[Frame], bool]) -> None:
        self._mine = mine
        self._buffer = bytearray()
        self._passed = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return the whole frame, None while more is needed.

        Raises `FrameDamaged` after too much noise.
        """
        self._buffer += data
        while self._buffer:
            size = self._candidate()
            if size > len(self._buffer):
                return None
            taken = 1
            if size:
                raw = bytes(self._buffer[:size])
                if sum(raw[4:-2]) & 0xFF == raw[-2] and raw[-1] == STOP:
                    frame = Frame(raw[4], raw[5], raw[6], raw[7:-2])
                    taken = size
                    if frame.answers and self._mine(frame):
                        del self._buffer[:taken]
                        return raw
            del self._buffer[:taken]
            self._passed += taken
            if self._passed > MAX_NOISE:
                raise FrameDamaged(f"{self._passed} bytes without an answer of this device among them")
        return None

    @property
    def pending(self) -> int:
        """How many bytes are held that may be part of the answer."""
        return len(self._buffer)

    @property
    def needs(self) -> int:
        """How many more bytes must come, at the least, before the answer can be whole."""
        size = self._candidate() if self._buffer else 0
        return max(size if size > 4 else 0, _LEAST + 6) - len(self._buffer)

    def _candidate(self) -> int:
        """Return the length of the frame that may begin here, at least 4; 0 where none can."""
        head = self._buffer[:4]
        if head[0] != LONG or (len(head) > 1 and head[1] < _LEAST):
            return 0
        if (len(head) > 2 and head[2] != head[1]) or (len(head) > 3 and head[3] != LONG):
            return 0
        return head[1] + 6 if len(head) == 4 else 4
