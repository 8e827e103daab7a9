"""The far end of a listening line, and a journal behind it that takes its time."""

import asyncio
import contextlib

from tests.support.toylisten import Kept


class Panel:
    """A device's end of a connection; what is sent unasked is left out."""

    def __init__(self, reader, writer) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, text: str) -> str:
        self.writer.write(text.encode() + b"\n")
        return await self.answer()

    async def answer(self) -> str:
        async with asyncio.timeout(10):
            while (got := (await self.reader.readline()).decode().strip()) == "time":
                pass
            return got

    async def gone(self) -> bool:
        async with asyncio.timeout(10):
            try:
                while await self.reader.read(100):
                    pass
            except ConnectionResetError:
                pass
            return True


@contextlib.asynccontextmanager
async def panel(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Panel(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class Slow(Kept):
    """A journal that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def events(self, events, state, quiet=()) -> bool:
        self.begun.set()
        await self.go.wait()
        return await super().events(events, state, quiet)
