"""A centre for simulators that are run from the command line."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ssl import SSLContext

from drivers.api import PeerSession
from tests.support.fire import NOW
from tests.support.threads import beside


@contextmanager
def centre(session: Callable[[], PeerSession], tls: SSLContext | None = None) -> Iterator[str]:
    """A centre that believes everything, on a port of its own, beside the command that runs its own loop."""
    ports: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = session()
        with contextlib.closing(writer):
            while data := await reader.read(4096):
                for heard in peer.feed(data, NOW):
                    writer.write(heard.reply)

    async def live(ready: Callable[[], None], done: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:

            def begun(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                group.create_task(answer(reader, writer), name="centre answers")

            server = await asyncio.start_server(begun, "127.0.0.1", 0, ssl=tls)
            ports.append(server.sockets[0].getsockname()[1])
            ready()
            async with server:
                await done.wait()

    with beside(live):
        yield f"127.0.0.1:{ports[0]}"
