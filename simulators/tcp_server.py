"""Modbus TCP, and RTU frames over TCP, on a real socket of this machine."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from simulators.bus import Bus, Outgoing
from simulators.modbus_frames import Framing, NotModbus, Request, framing

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
SILENCE_S = 0.05  # an RTU request over TCP that stopped for this long will not be finished
READ_SIZE = 4096


class TcpServer:
    """Listens for one line; every connection reaches all of the line's devices."""

    def __init__(
        self,
        bus: Bus,
        host: str,
        port: int,
        frames: str,
        clock_ms: Callable[[], int],
        *,
        stranger: Callable[[int], bool] = lambda _port: False,
    ) -> None:
        self._bus = bus
        self._host, self._port = host, port
        self._frames = frames
        self._clock_ms = clock_ms
        self._stranger = stranger
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listen and return `host:port`."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        host, port = self._server.sockets[0].getsockname()[:2]
        self._port = port
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._open) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._open.add(task)
        try:
            stranger = self._stranger(writer.get_extra_info("peername")[1])
            async with asyncio.TaskGroup() as group:
                await self._requests(reader, partial(self._answer, writer, group, stranger))
                # The client is gone: nobody waits for what is still on its way.
                writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()  # the server stops: the task ends as asked, and quietly
        finally:
            self._open.discard(task)
            writer.close()

    async def _requests(self, reader: asyncio.StreamReader, take: Callable[[Framing, Request], None]) -> None:
        frames = framing(self._frames)
        waiting: float | None = None
        while True:
            try:
                async with asyncio.timeout(waiting):
                    data = await reader.read(READ_SIZE)
            except TimeoutError:
                found, waiting = frames.silence(), None
            except OSError:
                return
            else:
                if not data:
                    return
                try:
                    found = frames.feed(data)
                except NotModbus as err:
                    log.info(
                        "%s: closed a connection that does not speak Modbus TCP: %s", self._bus.line, err
                    )
                    return
                waiting = SILENCE_S if self._frames == "rtu" else None
            for request in found:
                take(frames, request)

    def _answer(
        self,
        writer: asyncio.StreamWriter,
        group: asyncio.TaskGroup,
        stranger: bool,
        frames: Framing,
        request: Request,
    ) -> None:
        outgoing = self._bus.receive(request, frames, self._clock_ms(), stranger=stranger)
        if outgoing.delay > 0:
            group.create_task(self._later(writer, outgoing), name=f"{self._bus.line} late reply")
        else:
            self._send(writer, outgoing)

    async def _later(self, writer: asyncio.StreamWriter, outgoing: Outgoing) -> None:
        await asyncio.sleep(outgoing.delay)
        self._send(writer, outgoing)

    def _send(self, writer: asyncio.StreamWriter, outgoing: Outgoing) -> None:
        delivered = outgoing.data is None or not writer.is_closing()
        if outgoing.data is not None and delivered:
            writer.write(outgoing.data)
        self._bus.sent(outgoing, delivered=delivered)
