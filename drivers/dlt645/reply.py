"""Finds the one answer to one request in a stream of bytes.

An answer carries the meter's address and the function code, and, where it is no refusal, the data identifier: all
are checked, wherever in the stream the frame begins.
"""

from typing import Final

from drivers.dlt645.frames import (
    ABNORMAL,
    FROM_METER,
    FUNCTION,
    HEAD,
    SHORTEST,
    WILDCARD,
    Frame,
    length_at,
    parse,
    sound,
    wire_address,
)
from drivers.dlt645.refusals import refusal
from drivers.errors import FrameDamaged

MAX_NOISE: Final = 4096
_ABNORMAL_DATA: Final = 1
_ANYBODY: Final = wire_address(WILDCARD)


class Reader:
    """The answer to a request of `function` to `address`, whose data begins with `begins` (without 33H).

    AA in the address stands for any two digits. `any_address` takes an answer under the wildcard too: some meters of
    1997 answer so.
    The payload is one segment: control, length, data (see `drivers.dlt645.segments`).
    """

    def __init__(
        self,
        address: str,
        function: int,
        begins: bytes = b"",
        *,
        size: int | None = None,
        any_address: bool = False,
    ) -> None:
        self._address, self._function, self._begins, self._size = address, function, begins, size
        self._wire, self._any = wire_address(address), any_address
        self._buffer = bytearray()
        self._passed = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return the answer's segment when whole, None while more is needed.

        Raises `DeviceRefused` for a refusal, `FrameDamaged` after too much noise.
        """
        self._buffer += data
        buffer, place = self._buffer, 0
        try:
            while place < len(buffer):
                length = self._candidate(place)
                if length > len(buffer) - place:
                    return None
                if length and sound(memoryview(buffer)[place : place + length]):
                    raw = bytes(buffer[place : place + length])
                    place += length
                    return self._take(parse(raw))
                place += 1
                self._passed += 1
                if self._passed > MAX_NOISE:
                    raise FrameDamaged(
                        f"{self._passed} bytes without an answer of {self._address} among them"
                    )
        finally:
            del buffer[:place]
        return None

    @property
    def needs(self) -> int:
        """How many more bytes must come, at the least, before `feed` can tell anything."""
        length = self._candidate(0) if self._buffer else 0
        return max(length, SHORTEST) - len(self._buffer)

    def _candidate(self, place: int) -> int:
        """Return the length of the answer that may begin at `place`; 0 where none can."""
        buffer = self._buffer
        length = length_at(buffer, place)
        if not length or not self._ours(place):
            return 0
        if len(buffer) - place <= 8:
            return length
        control = buffer[place + 8]
        if not control & FROM_METER or control & FUNCTION != self._function:
            return 0
        if len(buffer) - place < HEAD:
            return length
        data = length - SHORTEST
        if control & ABNORMAL:
            return length if data == _ABNORMAL_DATA else 0
        if data < len(self._begins) or (self._size is not None and data != self._size):
            return 0
        come = buffer[place + HEAD : place + HEAD + len(self._begins)]
        wanted = bytes((byte + 0x33) & 0xFF for byte in self._begins[: len(come)])
        return length if come == wanted else 0

    def _ours(self, place: int) -> bool:
        """Say whether the address, as far as it has come, is that of the meter; AA stands for any digits."""
        raw = self._buffer[place + 1 : place + 7]
        if self._any and raw == _ANYBODY[: len(raw)]:
            return True
        return all(own in {0xAA, byte} for own, byte in zip(self._wire, raw, strict=False))

    def _take(self, frame: Frame) -> bytes:
        if frame.abnormal:
            raise refusal(self._function, frame.data[0])
        return segment(frame)


class Tolerant(Reader):
    """As `Reader`, but a refusal is an answer too: its segment has no data identifier."""

    def _take(self, frame: Frame) -> bytes:
        return segment(frame)


def segment(frame: Frame) -> bytes:
    """Return an answer as a payload holds it: control, length of the data, data."""
    return bytes((frame.control, len(frame.data))) + frame.data
