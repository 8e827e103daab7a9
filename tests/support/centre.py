"""A centre for simulators that are run from the command line."""

import asyncio
import threading
from contextlib import contextmanager

from tests.support.fire import NOW


@contextmanager
def centre(session, tls=None):
    """A centre that believes everything, on a port of its own, beside the command that runs its own loop."""
    ports: list[int] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def answer(reader, writer):
        peer = session()
        while data := await reader.read(4096):
            for heard in peer.feed(data, NOW):
                writer.write(heard.reply)
        writer.close()

    async def serve():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        async with server:
            await stop.wait()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
