"""Messages of IEC 62056-21 (edition 1.0, clause 6): request, identification, acknowledgement, blocks with BCC."""

import re
from dataclasses import dataclass
from typing import Final

from drivers.errors import FrameDamaged
from messages.text import printable

SOH, STX, ETX, EOT, ACK, NAK = 0x01, 0x02, 0x03, 0x04, 0x06, 0x15
MAX_IDENTIFICATION: Final = 80
BAUDS_C: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
BAUDS_B: Final = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
ADDRESS_PATTERN: Final = r"^[0-9A-Za-z ]{0,32}$"

_IDENTIFICATION: Final = re.compile(r"^/([A-Za-z]{3})(.)((?:\\.)*)([^\r\n/!]{0,64})$")
_PARITY: Final = bytes((value | 0x80 if value.bit_count() & 1 else value) for value in range(0x80))


@dataclass(frozen=True, slots=True)
class Identification:
    """How a meter introduces itself: `/XXXZident`."""

    manufacturer: str
    baud_char: str
    modes: str
    """Enhanced capabilities, each `\\` and a letter (clause 6.3.14)."""
    text: str

    @property
    def baud(self) -> int | None:
        """The speed that it offers to change to; None in mode A."""
        return BAUDS_C.get(self.baud_char) or BAUDS_B.get(self.baud_char)

    @property
    def mode(self) -> str:
        """A, B or C, as the baud character says."""
        return "C" if self.baud_char in BAUDS_C else "B" if self.baud_char in BAUDS_B else "A"


def identification(text: str) -> Identification:
    """Read an identification without its line end; raise `FrameDamaged`."""
    found = _IDENTIFICATION.match(text)
    if found is None:
        raise FrameDamaged(
            f"{printable(text, 60)!r} is no identification: /, three letters, a character, text"
        )
    return Identification(found[1], found[2], found[3], found[4])


def request(address: str) -> bytes:
    """Write the request message: an empty address asks whoever is there."""
    return f"/?{address}!\r\n".encode("ascii")


def acknowledge(baud_char: str, mode: str = "0") -> bytes:
    """Write the acknowledgement: normal protocol, the speed, and 0 for data readout."""
    return bytes((ACK,)) + f"0{baud_char}{mode}\r\n".encode("ascii")


def bcc(data: bytes | bytearray | memoryview) -> int:
    """Return the block check character of what follows STX or SOH, ETX included (ISO 1155)."""
    check = 0
    for byte in data:
        check ^= byte
    return check


def block(data: bytes) -> bytes:
    """Wrap data as a readout block: STX, data, ETX, BCC."""
    body = data + bytes((ETX,))
    return bytes((STX,)) + body + bytes((bcc(body),))


def add_parity(data: bytes) -> bytes:
    """Give seven-bit characters their even parity bit: 7E1 on a port that only does 8N1."""
    return data.translate(_PARITY + bytes(range(0x80, 0x100)))


def strip_parity(data: bytes) -> bytes | None:
    """Take the parity bits off; None where one is wrong."""
    plain = bytes(byte & 0x7F for byte in data)
    return plain if add_parity(plain) == data else None
