"""Modbus ASCII framing (Modbus over Serial Line V1.02, clause 2.5.2): a colon, hex digits, an LRC, CR LF.

As in RTU nothing ties a reply to its request but unit, function and length. The LRC is one byte: of frames damaged
at random it lets one in 256 through, where the CRC of RTU lets one in 65,536. Use RTU where a device can.
"""

from typing import Final

from drivers.errors import FrameDamaged
from drivers.modbus.pdu import EXCEPTION, MAX_PDU, AnyReply, expected_reply, refusal
from drivers.modbus.rtu import MAX_NOISE

START: Final = b":"
END: Final = b"\r\n"
MAX_FRAME: Final = 1 + 2 * (1 + MAX_PDU + 1) + 2
_DIGITS: Final = frozenset(b"0123456789ABCDEFabcdef")


def lrc(data: bytes | bytearray | memoryview) -> int:
    """Return the check byte: the two's complement of the sum."""
    return -sum(data) & 0xFF


def frame(unit: int, pdu: bytes) -> bytes:
    """Wrap a PDU for the wire."""
    body = bytes((unit,)) + pdu
    return START + (body + bytes((lrc(body),))).hex().upper().encode() + END


def is_ascii(raw: bytes) -> bool:
    """Say whether the bytes begin and end as one frame does."""
    return raw[:1] == START and raw[-2:] == END and len(raw) <= MAX_FRAME


def unwrap(raw: bytes) -> tuple[int, bytes]:
    """Return unit and PDU of one whole frame; raise `FrameDamaged` saying what is wrong with it."""
    digits = raw[1:-2]
    if not is_ascii(raw) or len(digits) % 2 or not set(digits) <= _DIGITS:
        raise FrameDamaged("no Modbus ASCII: a colon, pairs of hex digits, CR LF")
    body = bytes.fromhex(digits.decode())
    if len(body) < 3:
        raise FrameDamaged(f"{len(body)} bytes are too few for a frame")
    if sum(body) & 0xFF:
        raise FrameDamaged(f"the LRC is {body[-1]:02X}, right would be {lrc(body[:-1]):02X}")
    return body[0], body[1:-1]


class AsciiReader:
    """Finds the reply to one request among noise, the request's echo and frames of others."""

    def __init__(self, unit: int, request: bytes, expected: AnyReply | None = None) -> None:
        self._unit = unit
        self._expected = expected or expected_reply(request)
        self._buffer = bytearray()
        self._passed = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return the reply's PDU when whole, None while more is needed.

        Raises `DeviceRefused` for an exception, `FrameDamaged` after too much noise.
        """
        self._buffer += data
        while self._seek():
            end = self._buffer.find(END)
            if end < 0:
                if len(self._buffer) < MAX_FRAME:
                    return None
                self._pass(1)
                continue
            size = end + len(END)
            pdu = self._answer(bytes(self._buffer[:size]))
            if pdu is None:
                self._pass(size)
                continue
            del self._buffer[:size]
            if pdu[0] & EXCEPTION:
                raise refusal(self._expected.function, pdu[1])
            return pdu
        return None

    def _seek(self) -> bool:
        """Drop what stands before the last colon of the first frame: a colon always begins one anew."""
        while self._buffer:
            end = self._buffer.find(END)
            start = self._buffer.rfind(START, 0, end if end >= 0 else len(self._buffer))
            if start >= 0:
                self._pass(start)
                return True
            self._pass(end + len(END) if end >= 0 else len(self._buffer))
        return False

    def _pass(self, count: int) -> None:
        if not count:
            return
        del self._buffer[:count]
        self._passed += count
        if self._passed > MAX_NOISE:
            raise FrameDamaged(f"{self._passed} bytes without an answer of unit {self._unit} among them")

    def _answer(self, raw: bytes) -> bytes | None:
        try:
            unit, pdu = unwrap(raw)
        except FrameDamaged:
            return None
        if unit != self._unit:
            return None
        refused = len(pdu) == 2 and pdu[0] == self._expected.function | EXCEPTION
        return pdu if refused or self._expected.matches(pdu) else None
