"""Connections that ask nothing, or never end asking, are given up; others do not notice."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
import uvicorn

from server import patience
from server.app import TAKEN_WITHIN_S, _listen
from server.patience import Patience
from server.settings import Http, Settings

HELLO = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def slow_app(scope, receive, send) -> None:
    """Answers in its own time, which may be longer than a head has."""
    await asyncio.sleep(0.3)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serving(**traits: float) -> AsyncIterator[int]:
    Patience._told = False
    protocol = type("Hasty", (Patience,), {"head_within_s": 0.15, **traits})
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(slow_app, http=protocol, log_config=None, lifespan="off", timeout_keep_alive=1)
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server._serve([listener]), name="http")
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await asyncio.wait([running])
            listener.close()


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What came until the server ended the connection."""
    got = b""
    async with asyncio.timeout(5):
        try:
            while data := await reader.read(1000):
                got += data
        except ConnectionResetError:
            pass
    return got


@pytest.mark.parametrize("words", [b"", b"GET / HT", HELLO[:-2]])
async def test_a_head_that_never_ends_is_given_up(words: bytes) -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(words)
        assert await closed(reader) == b""
        writer.close()


async def test_dripping_does_not_help() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def drip() -> None:
            while not writer.is_closing():
                writer.write(b"x")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        writer.write(b"GET / HTTP/1.1\r\nx: ")
        assert await closed(reader) == b""
        dripping.cancel()
        writer.close()


async def test_an_answer_may_take_longer_and_the_next_head_has_its_own_time() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(HELLO)
            async with asyncio.timeout(5):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        writer.write(b"GET")
        assert await closed(reader) == b""
        writer.close()


async def test_there_is_an_end_to_connections_and_those_before_are_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(most=3, head_within_s=30) as port, AsyncExitStack() as stack:
        first = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await closed(reader) == b""
            writer.close()
        first[0][1].write(HELLO)
        async with asyncio.timeout(5):
            assert (await first[0][0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
        for _, writer in first:
            writer.close()
            await writer.wait_closed()
        client = await stack.enter_async_context(httpx.AsyncClient())
        async with asyncio.timeout(5):
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 204
    assert [record.getMessage() for record in caplog.records if "connections" in record.getMessage()] == [
        "3 connections: no more are taken until some end"
    ]


def test_the_limit_of_files_is_raised_and_half_of_it_is_for_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = []
    monkeypatch.setattr(Patience, "most", 0)
    monkeypatch.setattr(patience.resource, "setrlimit", lambda _kind, limits: told.append(limits))
    for limits, raised, most in [
        ((1024, 4096), [(4096, 4096)], 2000),
        ((1024, 1024), [], 512),
        ((256, resource.RLIM_INFINITY), [(8192, resource.RLIM_INFINITY)], 2000),
        ((20_000, 20_000), [], 2000),
    ]:
        told.clear()
        monkeypatch.setattr(patience.resource, "getrlimit", lambda _kind, limits=limits: limits)
        patience.enough_files()
        assert (told, Patience.most) == (raised, most)


async def test_whoever_takes_nothing_of_an_answer_is_given_up_by_the_kernel() -> None:
    with (
        _listen(Settings(http=Http(port=0))) as listener,
        socket.create_connection(listener.getsockname()) as _peer,
    ):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            limit = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert limit == TAKEN_WITHIN_S * 1000
