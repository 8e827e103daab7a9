"""Peers that mean harm or know no better: on the broker with an account of their own, on the wire, over HTTP."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil

from messages.broker import BrokerAddress, BrokerLost, Session, connect, parse_url
from messages.codec import decode_stored
from messages.types import Lane, Stored
from simulators.processes import program, run_once, until
from tests.support.installation import Installation

NOISE = bytes(range(256)) * 16


async def account(site: Installation, gateway: str) -> BrokerAddress:
    """Make one more gateway's account on the running broker and return how it signs in."""
    secret = site.folder / "secrets" / gateway
    words = [*program("gatehouse-server"), "gateway", "add", site.site.site, gateway]
    await run_once("gateway add", [*words, "--password-file", secret, "--data-dir", site.estate.data])
    return of_gateway(site, gateway)


def of_gateway(site: Installation, gateway: str) -> BrokerAddress:
    """How an existing gateway signs in: for somebody who took over its box."""
    word = (site.folder / "secrets" / gateway).read_text().strip()
    return parse_url(site.estate.info.mqtt, username=gateway, password=word)


@asynccontextmanager
async def on_the_broker(address: BrokerAddress, client_id: str) -> AsyncIterator[Session]:
    """A session as that account; an account that was just made is not known at once."""
    async with asyncio.timeout(20):
        while True:
            try:
                async with connect(address, client_id=client_id):
                    break
            except BrokerLost:
                await asyncio.sleep(0.1)
    async with connect(address, client_id=client_id) as session:
        yield session


async def stored(session: Session, lane: Lane, through: int, *, timeout: float = 60.0) -> list[Stored]:
    """The answers on one lane, up to the one that reaches `through`; the session listens to nothing else."""
    found: list[Stored] = []
    async with asyncio.timeout(timeout):
        async for message in session.messages():
            message.ack()
            answer = decode_stored(message.payload)
            if answer.lane is lane:
                found.append(answer)
                if answer.through >= through:
                    return found
    raise AssertionError("the session ended")


def memory_mb(pid: int) -> float:
    """What a process holds in memory."""
    return psutil.Process(pid).memory_info().rss / 1e6


Misdeed = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Talk without being asked, as fast as the other side takes it."""
    while True:
        writer.write(NOISE)
        await writer.drain()


async def _asked(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One Modbus TCP request: its transaction, and the whole of the right reply with zeros in every register."""
    head = await reader.readexactly(8)
    transaction, _, size, unit, function = struct.unpack(">HHHBB", head)
    body = await reader.readexactly(size - 2)
    count = int.from_bytes(body[2:4], "big")
    data = bytes(2 * count if function in {3, 4} else (count + 7) // 8)
    pdu = bytes([unit, function, len(data)]) + data
    return transaction, struct.pack(">HHH", transaction, 0, len(pdu)) + pdu


async def truncate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send half of the right answer and no more."""
    while True:
        _, reply = await _asked(reader)
        writer.write(reply[: len(reply) // 2])
        await writer.drain()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send half of the right answer and close."""
    _, reply = await _asked(reader)
    writer.write(reply[: len(reply) // 2])
    await writer.drain()


async def promise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Announce 64 KiB and begin to send them."""
    while True:
        transaction, reply = await _asked(reader)
        writer.write(struct.pack(">HHH", transaction, 0, 0xFFFF) + reply[6:] + bytes(4096))
        await writer.drain()


async def somebody_elses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer in the name of another unit and of another transaction."""
    while True:
        transaction, reply = await _asked(reader)
        other = bytes([reply[6] + 1])
        writer.write(reply[:6] + other + reply[7:])
        writer.write(struct.pack(">H", transaction ^ 0x5555) + reply[2:])
        await writer.drain()


async def too_short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer in good form with fewer registers than were asked for."""
    while True:
        transaction, reply = await _asked(reader)
        pdu = reply[6:8] + bytes([2, 0xFF, 0xFF])
        writer.write(struct.pack(">HHH", transaction, 0, len(pdu)) + pdu)
        await writer.drain()


@asynccontextmanager
async def misbehaving(deed: Misdeed) -> AsyncIterator[int]:
    """Listen on a free port of this machine, do that on every connection, and yield the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError, struct.error):
                await deed(reader, writer)
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        running = list(tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


async def log_says(path: Path, *words: str, timeout: float = 60.0) -> str:
    """Wait for a line of a log that holds any of the words, and return it."""

    async def look() -> str | None:
        lines = path.read_text(errors="replace").splitlines()
        return next((line for line in lines if any(word in line for word in words)), None)

    return await until(f"{words} in {path.name}", look, timeout=timeout)
