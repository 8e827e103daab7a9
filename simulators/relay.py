"""A TCP relay that can be cut: the network between a gateway and its broker."""

import asyncio
import contextlib
import logging

from simulators.endpoints import shown

log = logging.getLogger(__name__)

READ_SIZE = 65536


class Relay:
    """Passes bytes both ways until it is cut; while it is cut, connections are dropped and new ones refused."""

    def __init__(self, name: str, host: str, port: int, to_host: str, to_port: int) -> None:
        self.name = name
        self._listen = (host, port)
        self._to = (to_host, to_port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.is_cut = False

    async def start(self) -> str:
        """Listen and return `host:port`."""
        self._server = await asyncio.start_server(self._serve, *self._listen)
        return shown(*self._server.sockets[0].getsockname()[:2])

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        await self._drop()
        if self._server is not None:
            await self._server.wait_closed()

    def cut(self) -> None:
        """Drop everything and take nothing new."""
        self.is_cut = True
        for task in self._open:
            task.cancel()

    def mend(self) -> None:
        """Let new connections through again."""
        self.is_cut = False

    async def _drop(self) -> None:
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self.is_cut:
            writer.transport.abort()
            return
        self._open.add(task)
        other: asyncio.StreamWriter | None = None
        try:
            there, other = await asyncio.open_connection(*self._to)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, other), name=f"{self.name} up")
                group.create_task(_pump(there, writer), name=f"{self.name} down")
        except OSError as err:
            log.info("%s: %s:%s does not answer: %s", self.name, *self._to, err)
        except asyncio.CancelledError:
            log.debug("%s: connection cut", self.name)  # by us: the task ends here, quietly
        finally:
            self._open.discard(task)
            for end in (writer, other):
                if end is not None:
                    end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(READ_SIZE):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
