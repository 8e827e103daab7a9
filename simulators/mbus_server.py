"""M-Bus slaves on a pseudo-terminal, or behind a level converter that is a TCP endpoint."""

import asyncio
import contextlib
import os
import tty
from pathlib import Path
from typing import Self, cast

from simulators.mbus import MbusBus

MAX_CONNECTIONS = 8
MOST_UNREAD = 64 * 1024
_READ = 1024


class MbusTcpServer:
    """Listens for one line; all connections reach the same slaves. Use as `async with`."""

    def __init__(self, bus: MbusBus, host: str = "127.0.0.1", port: int = 0, *, segment: int = 0) -> None:
        self.bus = bus
        self.segment = segment
        """An answer is handed over in portions of so many bytes, 0 for all at once."""
        self.port = port
        self.open: set[asyncio.Transport] = set()
        self._host = host
        self._server: asyncio.Server | None = None
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
            for transport in list(self.open):
                transport.abort()
            await self._server.wait_closed()
        await self._empty.wait()

    def came(self, transport: asyncio.Transport) -> bool:
        """Take a connection, or refuse one too many."""
        if len(self.open) >= MAX_CONNECTIONS:
            return False
        self.open.add(transport)
        self._empty.clear()
        return True

    def went(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self.open.discard(transport)
        if not self.open:
            self._empty.set()


class _Connection(asyncio.Protocol):
    def __init__(self, server: MbusTcpServer) -> None:
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
        if self._transport is None:
            return
        answer = self._server.bus.feed(data)
        step = self._server.segment or max(1, len(answer))
        for place in range(0, len(answer), step):
            if self._transport.get_write_buffer_size() > MOST_UNREAD:
                return
            self._transport.write(answer[place : place + step])


class MbusSerialServer:
    """Owns the master side of a pseudo-terminal; `path` becomes a link to the side that a gateway opens."""

    def __init__(self, bus: MbusBus, path: Path) -> None:
        self.bus = bus
        self.path = path
        self._master = self._slave = -1

    async def __aenter__(self) -> Self:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        # Only a link of ours is replaced: a real file of that name is somebody's.
        if self.path.is_symlink():
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
        answer = self.bus.feed(data)
        with contextlib.suppress(BlockingIOError):  # nobody reads: as on a wire, it is gone
            os.write(self._master, answer)
