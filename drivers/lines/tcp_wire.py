"""A TCP connection as a wire: no task of its own, no delay of small segments, dead peers noticed."""

import asyncio
import socket

from drivers.errors import LineDown, Misconfigured
from drivers.lines.settings import SerialMode, TcpSettings
from drivers.lines.wire import Sink
from messages.text import printable

# A peer that vanished without a word: unacknowledged data for 10 s, or 30 s idle and three probes unanswered.
_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 10_000),
)


class TcpWire:
    """One endpoint; each `open` makes a new connection to it."""

    def __init__(self, settings: TcpSettings) -> None:
        self._settings = settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.name = f"{printable(host)}:{settings.port}"
        self._connection: _Connection | None = None

    async def open(self, sink: Sink) -> None:
        """Connect within `connect_timeout`; raise `LineDown` saying why not."""
        limit = self._settings.connect_timeout
        connection = _Connection(sink, self.name)
        try:
            async with asyncio.timeout(limit):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: connection, self._settings.host, self._settings.port)
        except TimeoutError as err:
            raise LineDown(
                f"{self.name}: no connection in {limit:g} s: is the device powered and reachable?"
            ) from err
        except (OSError, UnicodeError) as err:
            raise LineDown(f"{self.name}: cannot connect: {_reason(err)}") from err
        except asyncio.CancelledError:
            if connection.transport is not None:  # connected in the very moment of being given up
                connection.sink = None
                connection.transport.abort()
            raise
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Send without waiting."""
        if self._connection is None or self._connection.transport is None:
            raise LineDown(f"{self.name}: not connected")
        self._connection.transport.write(data)

    def clear_unsent(self) -> bool:
        """Return False when bytes wait unsent: a TCP stream cannot take them back."""
        transport = self._connection.transport if self._connection else None
        return transport is None or transport.get_write_buffer_size() == 0

    def rest(self, seconds: float) -> None:
        """Go on as before: segments come whole, and nobody knows when."""

    def tune(self, mode: SerialMode | None) -> None:
        """Refuse: how a serial server talks to its bus is set in that server."""
        if mode is not None:
            raise Misconfigured(
                f"{self.name}: cannot change to {mode}: set it in the serial server, and give a device that needs "
                "another mode than its neighbours a port of its own"
            )

    def close(self) -> None:
        """Drop the connection at once."""
        if self._connection is not None:
            self._connection.sink = None
            if self._connection.transport is not None:
                self._connection.transport.abort()

    async def closed(self) -> None:
        """Wait until the event loop has let the connection go."""
        if self._connection is not None:
            await self._connection.gone.wait()
            self._connection = None


class _Connection(asyncio.Protocol):
    def __init__(self, sink: Sink, name: str) -> None:
        self.sink: Sink | None = sink
        self.transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        notice_dead_peer(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        if self.sink is not None:
            self.sink.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.gone.set()
        sink, self.sink = self.sink, None
        if sink is not None:
            why = _reason(exc) if exc else "the peer closed the connection"
            sink.lost(LineDown(f"{self._name}: {why}"))


def notice_dead_peer(sock: socket.socket) -> None:
    """Have a connection end by itself once its peer has vanished without a word."""
    for level, option, value in _OPTIONS:
        sock.setsockopt(level, option, value)


def _reason(err: Exception) -> str:
    # create_connection joins several failures in one OSError without an errno: its text is then all there is.
    text = err.strerror if isinstance(err, OSError) and err.strerror else str(err)
    return printable(text or type(err).__name__)
