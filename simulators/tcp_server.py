"""Modbus TCP on a real socket of this machine, and a serial server: RTU or ASCII frames over TCP."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import cast

from simulators.bus import Bus, Outgoing
from simulators.endpoints import shown
from simulators.modbus_frames import MbapFraming, NotModbus, framing
from simulators.wire import Pace, Wire

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
MOST_UNREAD = 64 * 1024  # what a client does not fetch; a reply beyond that is not delivered


class TcpServer:
    """Listens for one line; every connection reaches all of the line's devices."""

    def __init__(
        self,
        bus: Bus,
        host: str,
        port: int,
        frames: str,
        pace: Pace,
        clock_ms: Callable[[], int],
        *,
        stranger: Callable[[int], bool] = lambda _port: False,
    ) -> None:
        self.bus = bus
        self.clock_ms = clock_ms
        self.turnaround = pace.turnaround
        self.open: set[_Connection] = set()
        self.empty = asyncio.Event()
        """Set when the last connection is gone."""
        self.wire = None if frames == "mbap" else Wire(bus, framing(frames), pace, clock_ms)
        self._host, self._port = host, port
        self._stranger = stranger
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen and return `host:port`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self._host, self._port)
        host, port = self._server.sockets[0].getsockname()[:2]
        self._port = port
        return shown(host, port)

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        self.empty.clear()
        for connection in list(self.open):
            connection.abort()
        if self.wire is not None:
            self.wire.close()
        if self._server is not None:
            await self._server.wait_closed()
        if self.open:
            await self.empty.wait()

    def is_stranger(self, port: int) -> bool:
        """Tell whether no gateway of ours owns the client's port."""
        return self._stranger(port)

    def tick(self) -> None:
        """Let devices babble that do."""
        frames = self.wire.frames if self.wire is not None else MbapFraming()
        for data, when in self.bus.babble(frames):
            if self.wire is not None:
                self.wire.later(when, partial(self.wire.babble, data, list(self.open)))
            else:
                self.bus.counts.babbled += 1
                for connection in self.open:
                    connection.write(data)


class _Connection(asyncio.Protocol):
    """One client of a line."""

    def __init__(self, server: TcpServer) -> None:
        self.stranger = False
        self._server = server
        self._bus = server.bus
        self._transport: asyncio.Transport | None = None
        self._frames = MbapFraming()
        self._timers: set[asyncio.TimerHandle] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if len(self._server.open) >= MAX_CONNECTIONS:
            self._transport.abort()
            return
        self.stranger = self._server.is_stranger(transport.get_extra_info("peername")[1])
        self._server.open.add(self)
        self._bus.counts.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self in self._server.open:
            self._bus.counts.connections -= 1
            self._server.open.discard(self)
            if not self._server.open:
                self._server.empty.set()

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self not in self._server.open:
            return
        if self._server.wire is not None:
            self._server.wire.take(data, self)
            return
        try:
            found = self._frames.feed(data)
        except NotModbus as err:
            log.info("%s: closed a connection that does not speak Modbus TCP: %s", self._bus.line, err)
            self._bus.counts.damaged_requests += 1
            self._transport.close()
            return
        for request in found:
            outgoing = self._bus.receive(
                request, self._frames, self._server.clock_ms(), stranger=self.stranger
            )
            self._later(outgoing.delay + self._server.turnaround, outgoing)

    def abort(self) -> None:
        """Close at once; nobody is told what was still on its way."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._transport is not None:
            self._transport.abort()

    def write(self, data: bytes) -> bool:
        """Hand bytes to the client; return False where there is none any more, or none that reads."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size() > MOST_UNREAD:
            return False
        transport.write(data)
        return True

    def _later(self, seconds: float, outgoing: Outgoing) -> None:
        if seconds <= 0 or outgoing.data is None:
            self._send(outgoing)
            return

        def ring() -> None:
            self._timers.discard(timer)
            self._send(outgoing)

        timer = asyncio.get_running_loop().call_later(seconds, ring)
        self._timers.add(timer)

    def _send(self, outgoing: Outgoing) -> None:
        data = outgoing.data
        delivered = data is None or self.write(data)
        self._bus.sent(outgoing, delivered=delivered)
        if data is not None and outgoing.again is not None and delivered:
            self._later(outgoing.again, Outgoing(data))
