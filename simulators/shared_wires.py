"""Devices that share a pair of wires: bytes in, what all who feel meant say, out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from operator import and_
from typing import Final, Generic, Protocol, TypeVar

MAX_BUFFER: Final = 600

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


def collided(said: Sequence[bytes]) -> bytes:
    """Return what a line shows where several talk at once: a 0 of any of them wins."""
    size = max(map(len, said))
    padded = [one.ljust(size, b"\xff") for one in said]
    return bytes(reduce(and_, column) for column in zip(*padded, strict=True))
