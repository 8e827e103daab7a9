"""What the line reads with: an identification, then a data block; noise before is passed over, all is bounded."""

from typing import Final

from drivers.errors import DeviceRefused, FrameDamaged
from drivers.iec62056_21 import frames
from drivers.iec62056_21.frames import ACK, ETX, NAK, STX, Identification

MAX_NOISE: Final = 4096
MAX_BLOCK: Final = 65536


class Characters:
    """Seven-bit characters out of bytes: with hardware parity as they come, else checked and stripped here."""

    def __init__(self, software_parity: bool) -> None:
        self._strip = software_parity

    def take(self, data: bytes) -> bytes:
        """Return the characters; one with a wrong parity becomes FF, which belongs to no message."""
        if not self._strip:
            return data
        plain = frames.strip_parity(data)
        if plain is not None:
            return plain
        return b"".join(frames.strip_parity(data[place : place + 1]) or b"\xff" for place in range(len(data)))


class IdentificationReader:
    """Finds `/XXXZident` and its line end: CR LF, or one of the two alone.

    In mode A, and in B where the speed stays, the data follow at once: then the payload is the identification,
    a line feed, and the data.
    """

    def __init__(
        self, *, software_parity: bool, follows: "BlockReader | None" = None, mode_b_follows: bool = True
    ) -> None:
        self._characters = Characters(software_parity)
        self._buffer = bytearray()
        self._passed = 0
        self._follows = follows
        self._at_once = {"A", "B"} if mode_b_follows else {"A"}
        self._found: Identification | None = None
        self._head = b""

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return the payload when whole. Raises `FrameDamaged` after too much noise."""
        plain = self._characters.take(data)
        if self._found is not None:
            return self._rest(plain)
        self._buffer += plain
        while self._found is None:
            end = self._line()
            if end < 0:
                return None
            line = bytes(self._buffer[:end])
            self._drop(end)
            self._found = _identified(line)
            self._head = line
        if self._follows is None or self._found.mode not in self._at_once:
            return self._head
        left = bytes(self._buffer)
        self._buffer.clear()
        return self._rest(left)

    @property
    def pending(self) -> int:
        """How many bytes of what is not whole yet are held."""
        return len(self._buffer) + len(self._head)

    def _rest(self, plain: bytes) -> bytes | None:
        if self._follows is None:
            return None
        body = self._follows.take(plain)
        return None if body is None else self._head + b"\n" + body

    def _line(self) -> int:
        """Bring the next line that begins with / to the front; return where it ends, -1 while it is not whole."""
        while True:
            start = self._buffer.find(b"/")
            self._drop(start if start >= 0 else len(self._buffer))
            ends = [end for end in (self._buffer.find(b"\r"), self._buffer.find(b"\n")) if end >= 0]
            if ends:
                return min(ends)
            if len(self._buffer) <= frames.MAX_IDENTIFICATION:
                return -1
            self._drop(1)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._passed += count
        if self._passed > MAX_NOISE:
            raise FrameDamaged(f"{self._passed} bytes without an identification among them")


def _identified(line: bytes) -> Identification | None:
    try:
        return frames.identification(line.decode("ascii"))
    except (FrameDamaged, UnicodeDecodeError):
        return None  # noise that looked like one, or the echo of our own request


class BlockReader:
    """Finds STX, data, ETX and a right BCC; or, where the meter sends no BCC, lines that end with `!`."""

    def __init__(self, *, software_parity: bool, checked: bool = True) -> None:
        self._characters = Characters(software_parity)
        self._checked = checked
        self._buffer = bytearray()
        self._passed = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes in any portions; return the data when whole, None while more is needed.

        Raises `DeviceRefused` for NAK in the place of data, `FrameDamaged` for a wrong BCC or too much.
        """
        return self.take(self._characters.take(data))

    def take(self, plain: bytes) -> bytes | None:
        """As `feed`, of characters whose parity has been looked after."""
        self._buffer += plain
        if not self._checked:
            return self._plain()
        if not self._buffer.startswith(bytes((STX,))) and not self._started():
            return None
        end = self._buffer.find(ETX)
        if end < 0 or end + 1 >= len(self._buffer):
            if len(self._buffer) > MAX_BLOCK:
                raise FrameDamaged(f"a block of more than {MAX_BLOCK} bytes")
            return None
        right = frames.bcc(self._buffer[1 : end + 1])
        if self._buffer[end + 1] != right:
            raise FrameDamaged(f"the BCC is {self._buffer[end + 1]:02X}, right would be {right:02X}")
        return self._sound(bytes(self._buffer[1:end]))

    @property
    def pending(self) -> int:
        """How many bytes of what is not whole yet are held."""
        return len(self._buffer)

    def _started(self) -> bool:
        start = self._buffer.find(STX)
        before = self._buffer[: start if start >= 0 else len(self._buffer)]
        if NAK in before:
            raise DeviceRefused("the meter answers NAK: it did not understand the acknowledgement", code=NAK)
        del self._buffer[: len(before)]
        self._passed += len(before)
        if self._passed > MAX_NOISE:
            raise FrameDamaged(f"{self._passed} bytes without a data block among them")
        return start >= 0

    def _plain(self) -> bytes | None:
        if self._buffer[:1] == bytes((ACK,)):  # the echo of our own acknowledgement
            line = self._buffer.find(b"\n")
            if line < 0 and len(self._buffer) <= frames.MAX_IDENTIFICATION:
                return None
            del self._buffer[: line + 1]
        end = self._buffer.find(b"!")
        if end >= 0:
            return self._sound(bytes(self._buffer[:end]).lstrip(bytes((STX,))))
        if len(self._buffer) > MAX_BLOCK:
            raise FrameDamaged(f"more than {MAX_BLOCK} bytes without an end")
        return None

    def _sound(self, body: bytes) -> bytes:
        self._buffer.clear()
        if any(byte & 0x80 for byte in body):
            raise FrameDamaged(
                "characters above 7F: the line should be 7E1, or set the option software_parity where it is 8N1"
            )
        return body
