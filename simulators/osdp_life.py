"""OSDP readers that live: people show their cards and type their PINs, housings are opened."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from simulators.osdp_reader import Reader

PEOPLE: Final = 40
TURNAROUND_S: Final = 0.003
CHARACTER_BITS: Final = 10  # 8N1
_BITS: Final = 26


class OsdpLine:
    """The readers of one pair; each hears everything and answers what is meant for it."""

    def __init__(self, readers: Sequence[Reader], clock_ms: Callable[[], int]) -> None:
        self.readers = {reader.address: reader for reader in readers}
        self.dead: set[int] = set()
        """Addresses whose readers have no power."""
        self.lose = 0
        """How many answers get lost on the wire from now on."""
        self._clock_ms = clock_ms

    def silence(self) -> None:
        """Forget what has begun and is not whole."""
        for reader in self.readers.values():
            reader.silence()

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Take what a panel sends; return what the readers say, one by one."""
        said = []
        for address, reader in self.readers.items():
            answer = b"" if address in self.dead else reader.receive(data, self._clock_ms())
            if answer and self.lose:
                self.lose -= 1
            elif answer:
                said.append(answer)
        return said


def wiegand(facility: int, card: int) -> bytes:
    """Return a card of 26 bits: even parity, facility, card, odd parity."""
    body = facility << 16 | card
    even = (body >> 12).bit_count() & 1
    odd = 1 - ((body & 0xFFF).bit_count() & 1)
    return ((even << 25 | body << 1 | odd) << 6).to_bytes(4, "big")


class Hall:
    """The people of a house at its readers: one of them at a time, by chance."""

    def __init__(self, readers: Sequence[Reader], rng: Random) -> None:
        self._readers, self._rng = readers, rng
        self.cards = [wiegand(17, rng.randrange(1, 0x10000)) for _ in range(PEOPLE)]
        self._open: Reader | None = None

    def step(self) -> None:
        """Let one thing happen at one reader."""
        reader = self._rng.choice(self._readers)
        what = self._rng.random()
        if self._open is not None:  # whoever opened a reader closes it again
            self._open.set_tamper(False)
            self._open = None
        elif what < 0.02:
            reader.set_tamper(True)
            self._open = reader
        elif what < 0.2:
            reader.keys(bytes(self._rng.choices(b"0123456789", k=4)))
        else:
            reader.card(_BITS, self._rng.choice(self.cards))


async def live(hall: Hall, rng: Random, every: float) -> None:
    """Let things happen, `every` so many seconds on average."""
    while True:
        await asyncio.sleep(rng.expovariate(1 / every))
        hall.step()
