"""OSDP readers on a pair of wires: a pseudo-terminal, or a serial server that is a TCP endpoint."""

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, cast

from simulators.osdp_reader import Reader

MAX_CONNECTIONS = 8
MOST_UNREAD = 64 * 1024
_READ = 1024


class OsdpLine:
    """The readers of one pair; each hears everything and answers what is meant for it."""

    def __init__(self, readers: Sequence[Reader], clock_ms: Callable[[], int]) -> None:
        self.readers = {reader.address: reader for reader in readers}
        self.dead: set[int] = set()
        """Addresses whose readers have no power."""
        self.lose = 0
        """How many answers get lost on the wire from now on."""
        self._clock_ms = clock_ms

    def feed(self, data: bytes) -> bytes:
        """Take what a panel sends; return what the readers say."""
        said = b""
        for address, reader in self.readers.items():
            if address not in self.dead:
                said += reader.receive(data, self._clock_ms())
        if said and self.lose:
            self.lose -= 1
            return b""
        return said


class OsdpTcpServer:
    """Listens for one line; use as `async with`."""

    def __init__(self, line: OsdpLine, host: str = "127.0.0.1", port: int = 0) -> None:
        self.line = line
        self.port = port
        self._host = host
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.close()
            self.hang_up()
            await self._server.wait_closed()
        await self._empty.wait()

    def hang_up(self) -> None:
        """Cut every connection, as a serial server that loses its mains."""
        for transport in list(self._open):
            transport.abort()

    def came(self, transport: asyncio.Transport) -> bool:
        """Take a connection, or refuse one too many."""
        if len(self._open) >= MAX_CONNECTIONS:
            return False
        self._open.add(transport)
        self._empty.clear()
        return True

    def went(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._open.discard(transport)
        if not self._open:
            self._empty.set()


class _Connection(asyncio.Protocol):
    def __init__(self, server: OsdpTcpServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast("asyncio.Transport", transport)
        if self._server.came(made):
            self._transport = made
        else:
            made.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._transport is not None:
            self._server.went(self._transport)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is not None and transport.get_write_buffer_size() <= MOST_UNREAD:
            transport.write(self._server.line.feed(data))


class OsdpSerialServer:
    """Owns the master side of a pseudo-terminal; `path` becomes a link to the side that a gateway opens."""

    def __init__(self, line: OsdpLine, path: Path) -> None:
        self.line = line
        self.path = path
        self._master = self._slave = -1

    async def __aenter__(self) -> Self:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        if self.path.is_symlink():  # only a link of ours is replaced: a real file of that name is somebody's
            self.path.unlink()
        self.path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        return self

    async def __aexit__(self, *exc: object) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self._master)
        os.close(self._slave)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, _READ)
        except BlockingIOError:
            return
        said = self.line.feed(data)
        with contextlib.suppress(BlockingIOError):  # nobody reads: as on a wire, it is gone
            os.write(self._master, said)
