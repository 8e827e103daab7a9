"""Devices that share a pair of wires: bytes in, what all who feel meant say, out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from operator import and_
from typing import Final, Generic, Protocol, TypeVar

MAX_BUFFER: Final = 600
MAX_WAKE_UP: Final = 16
_BEGIN, _WAKE_UP, _END = 0x68, 0xFE, 0x16

Request_contra = TypeVar("Request_contra", contravariant=True)
Request = TypeVar("Request")


class Answers(Protocol[Request_contra]):
    """One device on the wires."""

    def hears(self, request: Request_contra) -> bool:
        """Tell whether a request is meant for it."""

    def answer(self, request: Request_contra) -> bytes | None:
        """Return the whole answer to a request that it hears, None where it says nothing."""


class SharedWires(Generic[Request]):
    """A talker of `simulators.field_wire`; where several devices answer at once, what arrives is garbage."""

    def __init__(
        self, devices: Iterable[Answers[Request]], requests_in: Callable[[bytearray], Iterator[Request]]
    ) -> None:
        """`requests_in` takes the whole requests off the front of a buffer."""
        self._devices, self._requests_in = list(devices), requests_in
        self._buffer = bytearray()

    def silence(self) -> None:
        """Forget what has begun and is not whole."""
        self._buffer.clear()

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Take bytes in any portions; return what is said now, answer by answer."""
        self._buffer += data
        said = []
        for request in self._requests_in(self._buffer):
            answers = [device.answer(request) for device in self._devices if device.hears(request)]
            spoken = [answer for answer in answers if answer is not None]
            if spoken:
                said.append(collided(spoken))
        del self._buffer[:-MAX_BUFFER]
        return said


def frames_in(
    buffer: bytearray, length_at: int, sound: Callable[[bytes], bool] = lambda _frame: True
) -> Iterator[tuple[bytes, int]]:
    """Take the whole frames 68 … 16 off the front of a buffer, each with how many FE woke the line before it.

    At `length_at` stands how many bytes are left before checksum and end. What is part of no frame is dropped; wake-up
    bytes stay, for what comes next may belong to them.
    """
    awake = 0
    while buffer:
        if buffer[0] != _BEGIN:
            awake = awake + 1 if buffer[0] == _WAKE_UP else 0
            del buffer[0]
            continue
        size = length_at + 3 + buffer[length_at] if len(buffer) > length_at else len(buffer) + 1
        if len(buffer) < size:
            break
        frame = bytes(buffer[:size])
        if frame[-1] != _END or sum(frame[:-2]) % 256 != frame[-2] or not sound(frame):
            del buffer[0]
            awake = 0
            continue
        del buffer[:size]
        yield frame, awake
        awake = 0
    buffer[:0] = bytes((_WAKE_UP,)) * min(awake, MAX_WAKE_UP)


def collided(said: Sequence[bytes]) -> bytes:
    """Return what a line shows where several talk at once: a 0 of any of them wins."""
    size = max(map(len, said))
    padded = [one.ljust(size, b"\xff") for one in said]
    return bytes(reduce(and_, column) for column in zip(*padded, strict=True))
