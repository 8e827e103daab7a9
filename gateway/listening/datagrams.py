"""Datagrams: each is a message whole, from whoever its sender says it is."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from drivers.api import PeerSession
from drivers.errors import FrameDamaged, Misconfigured
from gateway import faults
from gateway.listening.hearing import Hearing
from gateway.listening.limits import HostBuckets, allowed
from messages.text import printable

log = logging.getLogger(__name__)

MOST_WAITING = 1000
MOST_SESSIONS = 256
LONGEST = 8192
TICK_S = 1.0

Address = tuple[str, int]


@dataclass(slots=True, eq=False)
class Datagrams(asyncio.DatagramProtocol):
    """Takes what comes while there is room and the sender keeps its rate; what is left out is not answered."""

    hearing: Hearing
    session: Callable[[], PeerSession]
    hosts: HostBuckets
    _sessions: dict[Address, PeerSession] = field(default_factory=dict)
    _waiting: "asyncio.Queue[tuple[bytes, Address] | None]" = field(
        default_factory=lambda: asyncio.Queue(MOST_WAITING + 1)
    )
    _transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket to answer by."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take one, or leave it out: its sender will send again."""
        host, now = addr[0], self.hearing.around.monotonic()
        if not allowed(host, self.hosts.limits.allow):
            return
        _, messages = self.hosts.of(host)
        if len(data) > LONGEST or self._waiting.qsize() >= MOST_WAITING or not messages.has(1, now):
            self.hearing.meters.message(self.hearing.line, "left_out")
            return
        self._waiting.put_nowait((data, (host, addr[1])))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Answer nobody any more."""
        self._transport = None

    def error_received(self, exc: Exception) -> None:
        """An answer did not reach its sender: it will send again."""
        log.debug("line %s: %s", self.hearing.line, exc)

    def stop(self) -> None:
        """Let `run` end with the datagram in hand."""
        while not self._waiting.empty():  # their senders will send again
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def run(self) -> None:
        """Work through what came, and have sessions say what is due, until `stop`."""
        now = self.hearing.around.monotonic
        ticked = now()
        while (taken := await self._next()) is not None:
            data, address = taken
            if data:
                with faults.contained("line", self.hearing.line, "a datagram", said=address[0]):
                    await self._hear(data, address)
            if not data or now() - ticked >= TICK_S:
                ticked = now()
                await self._tick()

    async def _next(self) -> tuple[bytes, Address] | None:
        """Return what came, nothing of nobody after a while, or None to stop."""
        try:
            async with asyncio.timeout(TICK_S):
                return await self._waiting.get()
        except TimeoutError:
            return b"", ("", 0)

    async def _tick(self) -> None:
        for address, session in list(self._sessions.items()):
            with faults.contained("line", self.hearing.line, "a datagram", said=address[0]):
                if not await self._take(session, b"", address):
                    self._sessions.pop(address, None)
                    continue
                for data in session.tick(self.hearing.around.clock()):
                    self._say(data, address)

    async def _hear(self, data: bytes, address: Address) -> None:
        session = self._sessions.pop(address, None) or self._begin()
        if session is None:
            return
        self.hearing.taps.crossed(_name(address), "rx", data, self.hearing.around.monotonic())
        if not await self._take(session, data, address):
            return
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[address] = session

    async def _take(self, session: PeerSession, data: bytes, address: Address) -> bool:
        """Have a session take a datagram, or none; return whether it can be followed."""
        try:
            messages = session.feed(data, self.hearing.around.clock())
        except FrameDamaged as err:
            log.info("line %s: %s: %s", self.hearing.line, address[0], printable(str(err)))
            return False
        for heard in messages:
            self._say(await self.hearing.take(heard, _name(address)), address)
        return True

    def _say(self, data: bytes, address: Address) -> None:
        if data and self._transport is not None:
            self.hearing.taps.crossed(_name(address), "tx", data, self.hearing.around.monotonic())
            self._transport.sendto(data, address)

    def _begin(self) -> PeerSession | None:
        try:
            return self.session()
        except Misconfigured as err:  # a key file that is just being written anew
            self.hearing.meters.message(self.hearing.line, "left_out")
            self.hearing.say_once(f"datagrams are left out: {err}")
            return None


def _name(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
