"""The relay that can be cut."""

import asyncio

import pytest

from simulators.relay import Relay


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_bytes_pass_until_the_cut_and_again_after_it() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    relay = Relay("gw", "127.0.0.1", 0, *server.sockets[0].getsockname()[:2])
    host, _, port = (await relay.start()).rpartition(":")
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            relay.cut()
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            writer.close()
            refused, other = await asyncio.open_connection(host, int(port))
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await refused.readexactly(1)
            other.close()
            relay.mend()
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"two")
            assert await reader.readexactly(3) == b"two"
            writer.close()
            await writer.wait_closed()
    finally:
        await relay.stop()
        server.close()
        await server.wait_closed()


async def test_a_broker_that_is_not_there_drops_the_connection_and_nothing_else() -> None:
    relay = Relay("gw", "127.0.0.1", 0, "127.0.0.1", 1)
    host, _, port = (await relay.start()).rpartition(":")
    try:
        async with asyncio.timeout(5):
            for _ in range(2):
                reader, writer = await asyncio.open_connection(host, int(port))
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readexactly(1)
                writer.close()
    finally:
        await relay.stop()
