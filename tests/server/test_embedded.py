"""The embedded broker and the database that it works for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from messages.broker import BrokerAddress, BrokerLost, Publication, connect
from messages.topics import Address
from server.db.engine import read
from server.db.outbox import broker_session, database_epoch
from server.embedded import Account, EmbeddedServer, hash_password
from server.settings import EmbeddedBroker
from tests.support.ingest import database
from tests.support.waiting import alongside

WORD = "a word"
GATEWAY = Address("garden", "gw-a")


@contextlib.asynccontextmanager
async def running(folder: Path, session: str) -> AsyncIterator[EmbeddedServer]:
    account = Account("gw-a", GATEWAY, hash_password(WORD))
    broker = EmbeddedServer(folder, EmbeddedBroker(port=0), lambda: [account], session)
    async with alongside(broker.run()):
        await asyncio.wait_for(broker.ready.wait(), 20)
        yield broker


async def batch(broker: EmbeddedServer, payload: bytes) -> None:
    """Let a batch come."""
    gateway = BrokerAddress("127.0.0.1", broker.port, "gw-a", WORD)
    async with connect(gateway, client_id="g") as session:
        await session.publish(Publication("gatehouse/1/garden/gw-a/up/alarm", payload))


async def first_of(broker: EmbeddedServer, client_id: str) -> bytes | None:
    """Return what a session hears first: what was kept for it, else what comes only now."""
    async with asyncio.timeout(20), connect(broker.address, client_id=client_id, clean=False) as session:
        await session.subscribe(["gatehouse/1/+/+/up/+"])
        await batch(broker, b"comes now")
        async for message in session.messages():
            message.ack()
            return message.payload
    return None


async def wait_for_nobody(broker: EmbeddedServer, client_id: str) -> None:
    """A server subscribes and goes away; then a batch comes."""
    async with connect(broker.address, client_id=client_id, clean=False) as session:
        await session.subscribe(["gatehouse/1/+/+/up/+"])
    await batch(broker, b"waits")


@pytest.mark.slow
async def test_what_waits_for_a_database_that_is_gone_does_not_wait_for_ever(tmp_path: Path):
    """Its session would keep every message until the store is full, and then no gateway could send any more."""
    store = tmp_path / "store"
    async with running(tmp_path, "one") as broker:
        await wait_for_nobody(broker, "server-one")
    async with running(tmp_path, "one") as broker:
        assert await first_of(broker, "server-one") == b"waits", "the same database: a restart"
        await wait_for_nobody(broker, "server-one")
    kept = {path.name for path in store.rglob("*")}
    async with running(tmp_path, "two") as broker:
        assert await first_of(broker, "server-one") == b"comes now"
    assert kept, "there was something to be thrown away"


async def test_a_gateway_hears_nothing_that_is_not_for_it(tmp_path: Path):
    async with running(tmp_path, "one") as broker:
        gateway = BrokerAddress("127.0.0.1", broker.port, "gw-a", WORD)
        for topic in (
            "#",
            "$MQTT/sub/#",
            "$JS/#",
            "$SYS/#",
            "gatehouse/1/garden/+/stored/+",
            "gatehouse/1/#",
        ):
            async with connect(gateway, client_id="spy") as session:
                with pytest.raises(BrokerLost, match="refuses a subscription"):
                    await session.subscribe([topic])


def test_the_name_of_the_session_is_no_cursor(tmp_path: Path):
    """Everybody who may look sees the cursor; whoever knows the session's name can take its place."""
    engine = database(tmp_path)
    with read(engine) as conn:
        session, epoch = broker_session(conn), database_epoch(conn)
    engine.dispose()
    assert len(session) == 32
    assert epoch not in session
