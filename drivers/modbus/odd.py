"""Requests that no profile makes: who are you (2B/0E, 11), and any other function that an engineer may ask for.

How long their answers are stands in the answers themselves (Modbus Application Protocol V1.1b3, clauses 6.5 to
6.21). A function that the standard does not know ends, on RTU, where its CRC is right at the last byte that came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from drivers.errors import FrameDamaged, Misconfigured
from drivers.modbus import frames
from drivers.modbus.pdu import EXCEPTION, MAX_PDU, refusal
from drivers.modbus.rtu import MAX_NOISE, crc_ok

BASIC_ID: Final = bytes((0x2B, 0x0E, 0x01, 0x00))
REGULAR_ID: Final = bytes((0x2B, 0x0E, 0x02, 0x00))
SERVER_ID: Final = bytes((0x11,))
_MORE: Final = -1
_UNKNOWN: Final = 0
_EXCEPTION_FRAME: Final = 5
_MAX_FRAME: Final = 1 + MAX_PDU + 2
_COUNTED: Final = frozenset({0x01, 0x02, 0x03, 0x04, 0x0C, 0x11, 0x14, 0x15, 0x17})
_FIXED: Final = {0x05: 5, 0x06: 5, 0x07: 2, 0x0B: 5, 0x0F: 5, 0x10: 5, 0x16: 7}
_NAMES: Final = (
    "VendorName",
    "ProductCode",
    "MajorMinorRevision",
    "VendorUrl",
    "ProductName",
    "ModelName",
    "UserApplicationName",
)


@dataclass(frozen=True, slots=True)
class OpenReply:
    """What the answer to any request must be: of its function, and as long as it says itself."""

    request: bytes

    @property
    def function(self) -> int:
        """The function code."""
        return self.request[0]

    @property
    def length(self) -> str:
        """How long it must be, for a person."""
        return "as many as it says itself"

    def size(self, pdu: bytes | bytearray) -> int:
        """Return the length of the PDU that begins so, `-1` while that cannot be said, 0 if it never can."""
        function = self.function
        if function in _COUNTED:
            return 2 + pdu[1] if len(pdu) > 1 else _MORE
        if function in _FIXED:
            return _FIXED[function]
        if function == 0x08:
            return len(self.request)
        if function == 0x18:
            return 3 + int.from_bytes(pdu[1:3], "big") if len(pdu) > 2 else _MORE
        if function == 0x2B and self.request[1:2] == b"\x0e":
            return _identification(pdu)
        return _UNKNOWN

    def matches(self, pdu: bytes) -> bool:
        """Say whether a whole PDU can be the answer."""
        return pdu[0] == self.function and self.size(pdu) in {len(pdu), _UNKNOWN}


def _identification(pdu: bytes | bytearray) -> int:
    if len(pdu) < 7:
        return _MORE
    place = 7
    for _ in range(pdu[6]):
        if len(pdu) < place + 2:
            return _MORE
        place += 2 + pdu[place + 1]
    return place


class OpenRtuReader:
    """Finds on RTU the answer to any request; bytes that cannot begin it are passed over."""

    def __init__(self, unit: int, expected: OpenReply) -> None:
        self._unit, self._expected = unit, expected
        self._buffer = bytearray()
        self._passed = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return the reply's PDU when whole, None while more is needed.

        Raises `DeviceRefused` for an exception, `FrameDamaged` after too much noise.
        """
        self._buffer += data
        for start in range(len(self._buffer)):
            pdu = self._at(start)
            if pdu is not None:
                del self._buffer[: start + len(pdu) + 3]
                if pdu[0] & EXCEPTION:
                    raise refusal(self._expected.function, pdu[1])
                return pdu
        spare = len(self._buffer) - _MAX_FRAME
        if spare > 0:
            del self._buffer[:spare]
            self._passed += spare
        if self._passed > MAX_NOISE:
            raise FrameDamaged(f"{self._passed} bytes without an answer of unit {self._unit} among them")
        return None

    def _at(self, start: int) -> bytes | None:
        frame = self._buffer[start:]
        if frame[0] != self._unit or len(frame) < 4:
            return None
        function = self._expected.function
        if frame[1] == function | EXCEPTION:
            size = _EXCEPTION_FRAME
        elif frame[1] == function:
            found = self._expected.size(frame[1:])
            size = len(frame) if found == _UNKNOWN else found + 3
        else:
            return None
        whole = 4 <= size <= min(len(frame), _MAX_FRAME) and crc_ok(frame[:size])
        return bytes(frame[1 : size - 2]) if whole else None


def check_request(request: bytes) -> None:
    """Raise `Misconfigured` for what is no request PDU."""
    if not 1 <= len(request) <= MAX_PDU:
        raise Misconfigured(f"a request has 1 to {MAX_PDU} bytes, this has {len(request)}")
    if not 1 <= request[0] < EXCEPTION:
        raise Misconfigured(f"{request[0]:02X} is no function code: they are 01 to 7F")


def identity(pdu: bytes) -> Mapping[str, str]:
    """Return what a device says of itself in the answer to 2B/0E or 11, by name; empty for any other bytes."""
    try:
        readings = frames.parse_pdu(1, pdu)
    except FrameDamaged:
        return {}
    for parsed in readings:
        if parsed.role == "response" and parsed.function == 0x2B:
            objects: Mapping[str, str] = parsed.fields["objects"]
            return {_name(int(number)): text for number, text in objects.items()}
        if parsed.role == "response" and parsed.function == 0x11:
            return {"ServerId": _server_id(bytes.fromhex(parsed.fields["data"]))}
    return {}


def _name(number: int) -> str:
    return _NAMES[number] if number < len(_NAMES) else f"Object{number:02X}"


def _server_id(data: bytes) -> str:
    """Return the id as text where it is one; what follows it, the run status first, is the maker's own."""
    text = data.rstrip(b"\0\xff").decode("latin-1")
    return text if text.isascii() and text.isprintable() and text else data.hex(" ")
