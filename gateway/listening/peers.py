"""One peer on a stream of bytes: a connection, or a serial port that only listens."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.api import PeerSession
from drivers.errors import FrameDamaged
from gateway.listening.hearing import Hearing
from gateway.listening.limits import Bucket
from messages.text import printable

log = logging.getLogger(__name__)

CHUNK = 4096
TICK_S = 1.0
WRITE_S = 5.0
LONGEST_BRAKE_S = 5.0


class Source(Protocol):
    """Where bytes come from: an `asyncio.StreamReader`."""

    async def read(self, n: int = -1) -> bytes:
        """Return what came, nothing at the end."""


class Mouth(Protocol):
    """Where bytes go: an `asyncio.StreamWriter`."""

    def write(self, data: bytes) -> None:
        """Send without waiting."""

    async def drain(self) -> None:
        """Wait until the peer takes more."""


@dataclass(slots=True, eq=False)
class Peer:
    """Carries bytes between a peer and its session until either ends."""

    name: str
    session: PeerSession
    hearing: Hearing
    idle_s: float | None
    bytes_rate: Bucket
    messages_rate: Bucket
    stopping: Callable[[], bool]

    async def attend(self, source: Source, mouth: Mouth) -> str:
        """Work until the peer goes, is silent for too long, cannot be followed, or we stop; return why.

        Raises `OSError` for a connection that is lost.
        """
        now = self.hearing.around.monotonic
        heard_at = ticked_at = now()
        while not self.stopping():
            try:
                async with asyncio.timeout(TICK_S) as tick:
                    data = await source.read(CHUNK)
                if not data:
                    return "it has closed the connection"
                heard_at = now()
            except TimeoutError:
                if not tick.expired():
                    raise  # the connection's own: nobody has acknowledged what was sent
                data = b""
            try:
                brake = await self._take(data, mouth)
                if now() - ticked_at >= TICK_S or not data:
                    ticked_at = now()
                    await self._say(mouth, b"".join(self.session.tick(self.hearing.around.clock())))
            except FrameDamaged as err:
                return f"it cannot be followed: {printable(str(err))}"
            except TimeoutError:
                return "it takes no answers"
            if self.idle_s is not None and now() - heard_at >= self.idle_s:
                return f"nothing came for {self.idle_s:g} s"
            if brake:
                # What is not read stays with the sender: TCP holds it back, and nothing is lost by that.
                await asyncio.sleep(min(brake, LONGEST_BRAKE_S))
        return "we stop"

    async def _take(self, data: bytes, mouth: Mouth) -> float:
        now = self.hearing.around.monotonic
        brake = self.bytes_rate.take(len(data), now()) if data else 0.0
        refused = b""
        self.hearing.taps.crossed(self.name, "rx", data, now())
        for heard in self.session.feed(data, self.hearing.around.clock()):
            brake = max(brake, self.messages_rate.take(1, now()))
            answer = await self.hearing.take(heard, self.name)
            if heard.joined:  # what was kept of them is known when the sender tells all of them again
                refused = refused or answer
                continue
            await self._say(mouth, refused or answer)
            refused = b""
        return brake

    async def _say(self, mouth: Mouth, data: bytes) -> None:
        if data:
            self.hearing.taps.crossed(self.name, "tx", data, self.hearing.around.monotonic())
            mouth.write(data)
            async with asyncio.timeout(WRITE_S):
                await mouth.drain()
