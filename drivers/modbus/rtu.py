"""Modbus RTU framing (Modbus over Serial Line V1.02, clause 2.5), on a wire or through a TCP serial server.

Nothing in RTU ties a reply to its request but unit, function and length. The reader therefore accepts only a
frame of exactly these with a right CRC, wherever it begins; that a late reply to an earlier, equal request
does not reach it is the line's duty (it falls silent after a time-out).
"""

from typing import Final

from drivers.crc import crc16_8005
from drivers.errors import FrameDamaged
from drivers.modbus.pdu import EXCEPTION, expected_reply, refusal

MAX_NOISE: Final = 4096
_EXCEPTION_FRAME: Final = 5


def crc16(data: bytes | bytearray | memoryview) -> int:
    """Return the CRC of RTU frames, sent low byte first."""
    return crc16_8005(data, 0xFFFF)


def frame(unit: int, pdu: bytes) -> bytes:
    """Wrap a PDU for the wire."""
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


def crc_ok(raw: bytes | bytearray | memoryview) -> bool:
    """Say whether the last two bytes are the CRC of those before."""
    return len(raw) >= 4 and crc16(raw[:-2]) == raw[-2] | raw[-1] << 8


class RtuReader:
    """Finds the reply to one request among noise, the request's echo and frames of others.

    The echo of a single write equals its reply: on a wire that echoes, the line takes the echo off first.
    """

    def __init__(self, unit: int, request: bytes) -> None:
        self._unit = unit
        self._expected = expected_reply(request)
        self._buffer = bytearray()
        self._passed = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return the reply's PDU when whole, None while more is needed.

        Raises `DeviceRefused` for an exception, `FrameDamaged` after too much noise.
        """
        self._buffer += data
        while self._buffer:
            length = self._candidate()
            if length > len(self._buffer):
                return None
            if length and crc_ok(memoryview(self._buffer)[:length]):
                return self._take(length)
            del self._buffer[0]
            self._passed += 1
            if self._passed > MAX_NOISE:
                raise FrameDamaged(f"{self._passed} bytes without an answer of unit {self._unit} among them")
        return None

    @property
    def needs(self) -> int:
        """How many more bytes must come, at the least, before `feed` can tell anything."""
        buffer = self._buffer
        wanted = self._candidate() if buffer else 0
        if wanted and len(buffer) <= len(self._expected.head):
            # Not all of a head: the next byte may refute it, and a refusal begin behind, or have begun already.
            other = buffer.find(self._unit, 1)
            wanted = min(wanted, (other if other > 0 else len(buffer)) + _EXCEPTION_FRAME)
        # A frame's first two bytes say nothing of its length yet: it may be a refusal.
        return max(wanted, _EXCEPTION_FRAME) - len(buffer)

    def _candidate(self) -> int:
        """Return the length of the frame that may begin here; 0 where none can."""
        buffer, expected = self._buffer, self._expected
        if buffer[0] != self._unit:
            return 0
        if len(buffer) == 1:
            return 2
        if buffer[1] == expected.function | EXCEPTION:
            return _EXCEPTION_FRAME
        head = buffer[1 : 1 + len(expected.head)]
        return 1 + expected.length + 2 if expected.begins(head) else 0

    def _take(self, length: int) -> bytes | None:
        pdu = bytes(self._buffer[1 : length - 2])
        del self._buffer[:length]
        if pdu[0] & EXCEPTION:
            raise refusal(self._expected.function, pdu[1])
        return pdu
