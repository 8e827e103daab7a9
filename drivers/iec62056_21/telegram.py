"""Whole messages taken apart: readouts, DSMR P1 telegrams with CRC, commands, requests, acknowledgements."""

import re
from dataclasses import dataclass
from typing import Final

from drivers.crc import crc16_8005
from drivers.errors import FrameDamaged
from drivers.iec62056_21 import data, frames
from drivers.iec62056_21.data import DataSet
from drivers.iec62056_21.frames import ACK, ETX, NAK, SOH, STX, Identification

MAX_MESSAGE: Final = 65536
# Four digits; one maker leaves leading zeros out.
_CRC_DIGITS: Final = re.compile(r"^[0-9A-Fa-f]{1,4}$")
_COMMAND: Final = re.compile(r"^([PWREB][0-9A-F])$")


@dataclass(frozen=True, slots=True)
class Message:
    """One message; parts that it has not are None or empty."""

    kind: str
    identification: Identification | None = None
    sets: tuple[DataSet, ...] = ()
    bcc_ok: bool | None = None
    crc_field: str | None = None
    crc_ok: bool | None = None
    command: str | None = None
    address: str | None = None
    acknowledged: str | None = None
    """The three characters of an acknowledgement: protocol, speed, mode."""


def crc16(text: bytes | bytearray | memoryview) -> int:
    """Return CRC-16/ARC, as DSMR P1 has it over `/` through `!` (DSMR 5.0.2 P1, clause 6.2)."""
    return crc16_8005(text, 0)


def parse(raw: bytes) -> Message:
    """Take one captured message apart; raise `FrameDamaged` for what is none. A wrong check is told, not raised."""
    if len(raw) > MAX_MESSAGE:
        raise FrameDamaged(f"more than {MAX_MESSAGE} bytes: give one message")
    if any(byte & 0x80 for byte in raw):
        raw = _ended(raw)
        plain = raw if not any(byte & 0x80 for byte in raw) else frames.strip_parity(raw)
        if plain is None:
            raise FrameDamaged("characters above 7F, and they are no even parity bits")
        raw = plain
    first = raw[:1]
    if first == bytes((ACK,)):
        return _acknowledgement(raw)
    if first == bytes((NAK,)):
        return Message("repeat request")
    if first in {bytes((STX,)), bytes((SOH,))}:
        return _checked(raw)
    return _lines(raw)


def _ended(raw: bytes) -> bytes:
    """Return a captured telegram without what came after its last line: an adapter's own words, or noise."""
    mark = raw.find(b"!")
    end = raw.find(b"\n", mark)
    return raw[: end + 1] if raw.startswith(b"/") and 0 <= mark < end else raw


def _acknowledgement(raw: bytes) -> Message:
    body = raw[1:].rstrip(b"\r\n").decode("ascii")
    if not body:
        return Message("acknowledgement")
    if len(body) != 3:
        raise FrameDamaged("an acknowledgement has three characters: protocol, speed, mode")
    return Message("acknowledgement", acknowledged=body)


def _checked(raw: bytes) -> Message:
    end = raw.find(ETX, 1)
    if end < 0 or end + 1 >= len(raw):
        raise FrameDamaged("a block ends with ETX and its BCC")
    right = frames.bcc(raw[1 : end + 1]) == raw[end + 1]
    text = raw[1:end].decode("ascii")
    if raw[0] == STX:
        return Message("data", sets=tuple(data.parse(text)), bcc_ok=right)
    command, _, rest = text.partition("\x02")
    if not _COMMAND.match(command):
        raise FrameDamaged("a command is P, W, R, E or B and a digit")
    sets = tuple(data.parse(rest))
    return Message(
        "command", sets=sets, bcc_ok=right, command=command, address=sets[0].address if sets else None
    )


def _lines(raw: bytes) -> Message:
    start = raw.find(b"/")
    text = raw[max(start, 0) :].decode("ascii")
    if text.startswith("/?"):
        address, mark, _ = text[2:].partition("!")
        if not mark or not re.match(frames.ADDRESS_PATTERN, address):
            raise FrameDamaged("a request is /?, an address of up to 32 characters, ! and the line end")
        return Message("request", address=address)
    if start < 0:
        return Message("data", sets=tuple(_some(data.parse(text))))
    head, _, rest = text.replace("\r", "\n").partition("\n")
    made = frames.identification(head)
    if not rest.strip("\n"):
        return Message("identification", identification=made)
    if STX in rest.encode("ascii"):
        inner = _checked(raw[raw.index(STX, start) :])
        return Message("readout", made, inner.sets, bcc_ok=inner.bcc_ok)
    body, mark, tail = text[len(head) :].partition("!")
    sets = tuple(data.parse(body))
    if not mark:
        raise FrameDamaged("a readout ends with !")
    said = tail.replace("\r", "\n").partition("\n")[0]
    if not _CRC_DIGITS.match(said):
        return Message("readout", made, sets)
    covered = text[: len(text) - len(tail)].encode("ascii")
    return Message("telegram", made, sets, crc_field=said.upper(), crc_ok=crc16(covered) == int(said, 16))


def _some(sets: list[DataSet]) -> list[DataSet]:
    if not sets:
        raise FrameDamaged("no message: neither an identification nor a block nor data sets")
    return sets
