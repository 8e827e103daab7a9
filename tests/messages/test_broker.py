"""The broker session against a real broker: acknowledged by us, lost and found, secrets kept."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from messages.broker import (
    BrokerAddress,
    BrokerLost,
    BrokerUrlError,
    Message,
    Publication,
    Session,
    connect,
    longer,
    parse_url,
    stay_connected,
)
from tests.support.broker import Broker, broker, free_port  # noqa: F401

TOPIC = "gatehouse/1/s/g/birth"
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def first(session: Session) -> Message:
    async for message in session.messages():
        return message
    raise AssertionError("the stream ended")


async def test_what_is_published_arrives(broker: Broker) -> None:
    async with (
        connect(broker.address(), client_id="a") as ours,
        connect(broker.address(), client_id="b") as theirs,
        asyncio.timeout(10),
    ):
        await theirs.subscribe([TOPIC])
        await ours.publish(Publication(TOPIC, b"\x00\xff", retain=False))
        got = await first(theirs)
    assert (got.topic, got.payload, got.retained) == (TOPIC, b"\x00\xff", False)


async def test_an_unacknowledged_message_comes_again(broker: Broker) -> None:
    async with asyncio.timeout(30), connect(broker.address(), client_id="a") as ours:
        async with connect(broker.address(), client_id="b", clean=False) as theirs:
            await theirs.subscribe([TOPIC])
            await ours.publish(Publication(TOPIC, b"order"))
            assert (await first(theirs)).payload == b"order"  # seen, never acknowledged
        async with connect(broker.address(), client_id="b", clean=False) as theirs:
            again = await first(theirs)
            assert again.payload == b"order"
            again.ack()


async def test_the_will_is_published_when_the_client_vanishes(broker: Broker) -> None:
    async with asyncio.timeout(20), connect(broker.address(), client_id="watch") as watcher:
        await watcher.subscribe([TOPIC])
        will = Publication(TOPIC, b"gone", retain=True)
        with pytest.raises(ZeroDivisionError):
            async with connect(broker.address(), client_id="a", will=will) as ours:
                ours._client._client._sock.shutdown(2)  # the cable, not a farewell
                raise ZeroDivisionError
        assert (await first(watcher)).payload == b"gone"


async def test_stay_connected_over_a_killed_broker(broker: Broker) -> None:
    told: list[bool] = []
    served = asyncio.Event()
    lives = 0

    async def serve(session: Session) -> None:
        nonlocal lives
        lives += 1
        await session.subscribe(["t"])
        served.set()
        async for _ in session.messages():
            pass

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(
            stay_connected(
                serve,
                lambda: connect(broker.address(), client_id="a"),
                where="test",
                random=Random(1),
                on_change=lambda here, _why: told.append(here),
            )
        )
        for _ in range(3):
            await served.wait()
            served.clear()
            broker.kill()
            broker.start()
        await served.wait()
        task.cancel()
    assert lives == 4
    assert told == [True, False, True, False, True, False, True]


async def test_a_connection_that_ends_unheard_is_lost_too(
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("messages.broker.WATCH_S", 0.02)
    async with asyncio.timeout(30):
        with pytest.raises(BrokerLost):
            async with connect(BrokerAddress("127.0.0.1", broker.port), client_id="unheard") as session:
                await session.subscribe(["some/where"])
                client = session._client
                client._client.on_disconnect = (
                    None  # as a callback that falls over on its way: nobody is told
                )
                client._client._sock_close()
                async for _ in session.messages():
                    pass


async def test_nobody_there_is_lost_with_the_address_and_without_the_password() -> None:
    address = BrokerAddress("127.0.0.1", free_port(), "gw", "hunter2secret")
    with pytest.raises(BrokerLost, match=str(address.port)) as caught:
        async with connect(address, client_id="a"):
            pass
    assert "hunter2secret" not in str(caught.value) + repr(address)


async def drops_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def ends_after_the_greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.close()


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(100):
        pass
    writer.close()


@asynccontextmanager
async def in_front(peer: Peer) -> AsyncIterator[tuple[BrokerAddress, asyncio.Event]]:
    """What stands where a broker should; with the address, and when a connection has ended on its side."""
    over = asyncio.Event()

    async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await peer(reader, writer)
            await writer.wait_closed()
        over.set()

    async with await asyncio.start_server(came, "127.0.0.1", 0) as server:
        yield BrokerAddress("127.0.0.1", server.sockets[0].getsockname()[1]), over


@pytest.mark.parametrize("peer", [drops_at_once, ends_after_the_greeting])
async def test_a_connection_that_is_taken_and_dropped_is_lost_at_once(peer: Peer) -> None:
    """As behind a proxy, a tunnel or a load balancer while the broker is away."""
    async with (
        asyncio.timeout(5),
        in_front(peer) as (address, over),
    ):  # one that says nothing gets ten seconds
        with pytest.raises(BrokerLost, match=str(address.port)):
            async with connect(address, client_id="a"):
                pass
        await over.wait()


async def test_an_attempt_in_vain_leaves_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messages.broker.ANSWER_S", 0.05)
    async with asyncio.timeout(5), in_front(says_nothing) as (address, over):
        with pytest.raises(BrokerLost, match="timed out"):
            async with connect(address, client_id="a"):
                pass
        await over.wait()


async def test_an_attempt_that_is_given_up_ends_at_once() -> None:
    asked = asyncio.Event()

    async def hears(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        await says_nothing(reader, writer)

    async def attempt(address: BrokerAddress) -> None:
        async with connect(address, client_id="a"):
            pass

    async with asyncio.timeout(5), in_front(hears) as (address, over):
        task = asyncio.create_task(attempt(address))
        await asked.wait()
        task.cancel()
        await over.wait()
        await asyncio.wait([task])
    assert task.cancelled()


async def test_a_wrong_password_is_lost_with_a_reason(tmp_path: Path) -> None:
    with Broker(tmp_path, users={"gw": "right-password"}) as guarded:
        with pytest.raises(BrokerLost, match=r"(?i)author|refused|not"):
            async with connect(BrokerAddress("127.0.0.1", guarded.port, "gw", "wrong"), client_id="a"):
                pass


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [("mqtt://h", "h", 1883, False), ("mqtts://h", "h", 8883, True), ("mqtt://[::1]:99/", "::1", 99, False)],
)
def test_urls(url: str, host: str, port: int, tls: bool) -> None:
    got = parse_url(url)
    assert (got.host, got.port, got.tls) == (host, port, tls)


@pytest.mark.parametrize(
    "url", ["", "h:1883", "http://h", "mqtt://", "mqtt://u:p@h", "mqtt://h:99999", "mqtt://h/x"]
)
def test_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(BrokerUrlError):
        parse_url(url)


def test_a_broker_is_asked_every_second_for_a_minute_and_then_less_often() -> None:
    waits, gone = [0.1], 0.0
    while gone < 100:
        waits.append(longer(waits[-1], gone))
        gone += waits[-1]
    assert waits[:5] == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert max(waits[:60]) == 1.0
    assert waits[-1] == 5.0
