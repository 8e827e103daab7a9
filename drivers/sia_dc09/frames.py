"""Frames of ANSI/SIA DC-09: LF, CRC, length, body, CR; the body `"ID"seqRrcvrLpref#acct[data][more]_timestamp`.

The CRC is the CRC-16 that ARC uses, over the body, as four hex digits or, from some panels, as two bytes. The length is
three hex digits behind a 0. An encrypted body is hex from behind its first bracket on.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from drivers.crc import crc16_8005
from drivers.errors import FrameDamaged
from messages.text import printable

LF, CR = b"\n", b"\r"
MAX_BODY: Final = 0xFFF
MAX_HEAD: Final = 9
MAX_FRAME: Final = MAX_HEAD + MAX_BODY + 1
BLOCK: Final = 16

_HEX_HEAD: Final = re.compile(rb"([0-9A-Fa-f]{4})(0[0-9A-Fa-f]{3})(?=\")")
_BIN_HEAD: Final = re.compile(rb"(.{2})(0[0-9A-Fa-f]{3})(?=\")", re.DOTALL)
_BODY: Final = re.compile(
    r'"(?P<star>\*?)(?P<token>[A-Z0-9-]{1,10})"(?P<sequence>[0-9]{4})'
    r"(?:R(?P<receiver>[0-9A-Fa-f]{1,6}))?L(?P<line>[0-9A-Fa-f]{1,6})(?:#(?P<account>[0-9A-Fa-f]{1,16}))?\[(?P<rest>.*)",
    re.DOTALL,
)
_STAMP: Final = re.compile(r"_?(\d\d):(\d\d):(\d\d),(\d\d)-(\d\d)-(\d{4})")
_BLOCKS: Final = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Framed:
    """One frame as it stands on the wire, sound or not."""

    body: bytes
    crc_field: bytes
    """The two bytes of the CRC that the sender gave."""
    length_field: int
    binary_crc: bool = False
    raw: bytes = b""

    @property
    def crc_ok(self) -> bool:
        """True where the CRC is that of the body."""
        return self.crc_field == crc16(self.body).to_bytes(2, "big")

    @property
    def length_ok(self) -> bool:
        """True where the length is that of the body."""
        return self.length_field == len(self.body)

    @property
    def sound(self) -> bool:
        """True for what a receiver may believe."""
        return self.crc_ok and self.length_ok


@dataclass(frozen=True, slots=True)
class Message:
    """The parts of a body. `data` is what stands in the first brackets, without them; of an encrypted body the hex."""

    token: str
    encrypted: bool
    sequence: str
    receiver: str | None
    line: str
    account: str | None
    data: str
    extended: tuple[str, ...] = ()
    stamp: str = ""

    @property
    def time(self) -> datetime | None:
        """The time stamp, which is UTC; None where there is none or none that can be."""
        return stamp_time(self.stamp)


def crc16(body: bytes) -> int:
    """Return the CRC-16/ARC of a body."""
    return crc16_8005(body, 0)


def encode(body: bytes, *, binary_crc: bool = False) -> bytes:
    """Put a body into a frame; raise `ValueError` if it is too long for the length field."""
    if len(body) > MAX_BODY:
        raise ValueError(f"a body has at most {MAX_BODY} bytes, this has {len(body)}")
    crc = crc16(body)
    head = crc.to_bytes(2, "big") if binary_crc else b"%04X" % crc
    return LF + head + b"0%03X" % len(body) + body + CR


def parse(raw: bytes) -> Framed:
    """Read exactly one frame, sound or not; raise `FrameDamaged` for what is none."""
    reader = FrameReader()
    found = reader.feed(raw if raw.endswith(CR) else raw + CR)
    if len(found) != 1:
        raise FrameDamaged(f"{len(found)} DC-09 frames where one was expected: LF, CRC, length, body, CR")
    return found[0]


def parse_body(body: bytes) -> Message:
    """Take a body apart; raise `FrameDamaged` where it has not the form of one."""
    text = text_of(body)
    match = _BODY.fullmatch(text)
    if match is None:
        raise FrameDamaged(f"no DC-09 body: {printable(text, 60)!r}")
    encrypted, rest = match["star"] == "*", match["rest"]
    data, extended, stamp = (rest, (), "") if encrypted else parse_data(rest)
    account = match["account"]
    if encrypted and not _is_cipher(data):
        raise FrameDamaged("the encrypted part is not hex in whole blocks of 16 bytes")
    return Message(
        match["token"],
        encrypted,
        match["sequence"],
        match["receiver"],
        match["line"],
        account,
        data,
        extended,
        stamp,
    )


def parse_data(rest: str) -> tuple[str, tuple[str, ...], str]:
    """Take apart what stands behind the first bracket: its content, further blocks, the time stamp's text."""
    data, bracket, tail = rest.partition("]")
    if not bracket:
        raise FrameDamaged("the data has no closing bracket")
    blocks = []
    while match := _BLOCKS.match(tail):
        blocks.append(match[1])
        tail = tail[match.end() :]
    if tail and not tail.startswith("_"):
        raise FrameDamaged(f"unexpected after the data: {printable(tail, 40)!r}")
    return data, tuple(blocks), tail


def stamp_time(text: str) -> datetime | None:
    """Read `_HH:MM:SS,MM-DD-YYYY`, the underscore being optional, as UTC; None where it is no time."""
    match = _STAMP.fullmatch(text)
    if match is None:
        return None
    hour, minute, second, month, day, year = (int(part) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def stamp(at: datetime) -> str:
    """Write a time stamp."""
    return at.astimezone(UTC).strftime("_%H:%M:%S,%m-%d-%Y")


def text_of(raw: bytes) -> str:
    """Decode what should be ASCII; panels put UTF-8 or their own code page into names."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


class FrameReader:
    """Finds frames in a stream; what stands before a frame, and what is longer than one, is passed over."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> list[Framed]:
        """Take bytes in any portions; return the frames that are whole. Keeps less than one longest frame."""
        data = self._kept + data
        found: list[Framed] = []
        place = 0
        while (start := data.find(LF, place)) >= 0:
            head = _HEX_HEAD.match(data, start + 1) or _BIN_HEAD.match(data, start + 1)
            if head is None:
                if len(data) - start <= MAX_HEAD:
                    break  # the head has not come whole
                place = start + 1
                continue
            end = data.find(CR, head.end(), start + MAX_FRAME + 1)
            again = data.find(LF, head.end(), end if end >= 0 else start + MAX_FRAME + 1)
            if again >= 0:  # no body holds a line feed: this frame was cut off
                place = again
                continue
            if end < 0:
                if len(data) - start <= MAX_FRAME:
                    break
                place = start + 1
                continue
            found.append(_framed(data[start : end + 1], head))
            place = end + 1
        self._kept = data[start:] if start >= 0 else b""
        return found


def _framed(raw: bytes, head: re.Match[bytes]) -> Framed:
    binary = len(head[1]) == 2
    crc = head[1] if binary else bytes.fromhex(head[1].decode())
    return Framed(raw[1 + len(head[0]) : -1], crc, int(head[2], 16), binary, raw)


def _is_cipher(text: str) -> bool:
    return bool(text) and len(text) % (2 * BLOCK) == 0 and set(text) <= set("0123456789abcdefABCDEF")
