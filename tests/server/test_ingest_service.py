"""Ingest on a real broker: acknowledged after the commit, answered, back after every loss."""

import asyncio
import contextlib
import random
import sqlite3
from datetime import timedelta

import pytest
from sqlalchemy import select

from messages import broker as mqtt
from messages.broker import BrokerLost, Publication
from messages.codec import decode_command, decode_stored
from messages.types import Command, DeviceEvent, Edge, Lane
from server.db.engine import read
from server.db.tables_devices import devices
from server.ingest.service import GROUP_MESSAGES, Ingest
from tests.support.broker import broker  # noqa: F401
from tests.support.ingest import (
    GW,
    T0,
    Sinks,
    birth,
    born,
    database,
    nth,
    reading,
    rows,
    stored_numbers,
    up,
    writer,
)
from tests.support.waiting import alongside, until

NOW = T0 + timedelta(minutes=30)


@contextlib.asynccontextmanager
async def running(engine, where, sinks=None):
    """An ingest as the composition root runs it."""
    ingest = Ingest(writer(engine, sinks), clock=lambda: NOW, random=random.Random(1))
    task = asyncio.create_task(
        mqtt.stay_connected(
            ingest.serve,
            lambda: mqtt.connect(where, client_id="server", clean=False),
            where="test",
            random=random.Random(1),
        ),
        name="ingest",
    )
    try:
        async with asyncio.timeout(60):
            await ingest.listening.wait()
        yield ingest
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await ingest.close()


class Peer:
    """A gateway's session: sends until it is answered, as a gateway does."""

    def __init__(self, session):
        self.session = session
        self.got = []
        self.changed = asyncio.Condition()

    async def listen(self):
        async for message in self.session.messages():
            message.ack()
            async with self.changed:
                self.got.append((message.topic, message.payload))
                self.changed.notify_all()

    async def until(self, wanted):
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: any(wanted(*one) for one in self.got))

    async def stored(self, through, lane=Lane.TELEMETRY):
        def wanted(topic, payload):
            return topic == GW.stored(lane) and decode_stored(payload).through >= through

        await self.until(wanted)


@contextlib.asynccontextmanager
async def peer(where):
    async with mqtt.connect(where, client_id="gw-a") as session:
        await session.subscribe([GW.stored_filter, GW.command_filter])
        made = Peer(session)
        task = asyncio.create_task(made.listen(), name="peer")
        try:
            yield made
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, BrokerLost):
                await task


@pytest.fixture
def engine(tmp_path):
    made = database(tmp_path)
    yield made
    made.dispose()


async def test_batches_out_of_order_are_stored_and_answered(engine, broker):
    order = list(range(1, 121))
    random.Random(7).shuffle(order)
    async with running(engine, broker.address()), peer(broker.address()) as gw:
        async with asyncio.TaskGroup() as group:
            for seq in order + order[:20]:
                message = up(seq, nth(seq))
                group.create_task(gw.session.publish(Publication(message.topic, message.payload)))
        await gw.stored(120)
    assert stored_numbers(engine) == list(range(1, 121))
    assert len(rows(engine)) == 240


async def test_what_came_while_the_server_was_away_is_stored_when_it_is_back(engine, broker):
    async with peer(broker.address()) as gw:
        async with running(engine, broker.address()):
            message = up(1, nth(1))
            await gw.session.publish(Publication(message.topic, message.payload))
            await gw.stored(1)
        for seq in range(2, 30):
            message = up(seq, nth(seq))
            await gw.session.publish(Publication(message.topic, message.payload))
        async with running(engine, broker.address()):
            await gw.stored(29)
    assert stored_numbers(engine) == list(range(1, 30))


async def test_a_broker_that_is_killed_and_back_costs_nothing(engine, broker, monkeypatch):
    monkeypatch.setattr("messages.broker.LONGEST_WAIT_S", 0.5)  # it is killed often, and comes back each time
    async with running(engine, broker.address()):
        for life in range(3):
            async with peer(broker.address()) as gw:
                for seq in range(1, 20 * (life + 1)):
                    message = up(seq, nth(seq))
                    await gw.session.publish(Publication(message.topic, message.payload))
                await gw.stored(20 * (life + 1) - 1)
            broker.kill()
            broker.start()
    assert stored_numbers(engine) == list(range(1, 60))


async def test_nothing_is_acknowledged_while_the_database_cannot_write(engine, broker, tmp_path, caplog):
    with read(engine) as conn:
        conn.exec_driver_sql("PRAGMA busy_timeout=10").close()
    async with running(engine, broker.address()), peer(broker.address()) as gw:
        other = sqlite3.connect(tmp_path / "gatehouse.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        message = up(1, nth(1))
        await gw.session.publish(Publication(message.topic, message.payload))
        await until(lambda: "cannot write" in caplog.text, within=60)
        assert gw.got == []
        other.execute("ROLLBACK")
        other.close()
        await gw.stored(1)
    assert rows(engine) == rows(engine)
    assert caplog.text.count("cannot write") == 1, "said once"


async def test_an_alarm_overtakes_what_waits(engine, broker):
    sinks = Sinks()
    async with peer(broker.address()) as gw:
        async with running(engine, broker.address(), sinks):
            pass  # the session exists now, and the broker keeps for it
        for seq in range(1, 400):
            message = up(seq, *(reading(f"m-{n}", at=nth(seq).at, energy="1.0") for n in range(20)))
            await gw.session.publish(Publication(message.topic, message.payload))
        event = DeviceEvent(device="f-1", code="smoke", edge=Edge.RAISED, seen_at=T0)
        message = up(1, event, lane=Lane.ALARM)
        await gw.session.publish(Publication(message.topic, message.payload))
        async with running(engine, broker.address(), sinks):
            await gw.stored(1, Lane.ALARM)
            waiting = [
                t for t, p in gw.got if t == GW.stored(Lane.TELEMETRY) and decode_stored(p).through == 399
            ]
            assert waiting == [], "the alarm waited for all the telemetry before it"
            await gw.stored(399)
    assert len(sinks.events) == 1


class AllAtOnce:
    """A session in which everything has arrived already."""

    def __init__(self, *waiting):
        self.waiting = waiting
        self.taken = asyncio.Event()
        self.left = len(waiting)

    async def subscribe(self, topics):
        pass

    async def publish(self, publication, **_):
        pass

    def _ack(self):
        self.left -= 1
        if not self.left:
            self.taken.set()

    async def messages(self):
        for one in self.waiting:
            yield mqtt.Message(one.topic, one.payload, one.retained, self._ack)
        await asyncio.Event().wait()


class Named(Sinks):
    """Notes which devices are known when the alarms are told."""

    def apply_events(self, conn, site, gateway, events, now):
        self.known = conn.execute(select(devices.c.device)).scalars().all()
        super().apply_events(conn, site, gateway, events, now)


async def test_no_alarm_overtakes_the_birth_that_explains_it(engine):
    event = DeviceEvent(device="f-1", code="smoke", edge=Edge.RAISED, seen_at=T0)
    backlog = [up(seq, nth(seq)) for seq in range(1, 2 * GROUP_MESSAGES)]
    session = AllAtOnce(*backlog, born(birth("f-1")), up(1, event, lane=Lane.ALARM))
    sinks = Named()
    ingest = Ingest(writer(engine, sinks), clock=lambda: NOW, random=random.Random(1))
    async with alongside(ingest.serve(session)), asyncio.timeout(60):
        await session.taken.wait()
    await ingest.close()
    assert (len(sinks.events), sinks.known) == (1, ["f-1"])


async def test_a_command_reaches_its_gateway_once_and_is_not_retained(engine, broker):
    command = Command(id="c1", device="d-1", action="release", by="ann", until=NOW)
    async with running(engine, broker.address()) as ingest:
        async with peer(broker.address()) as gw:
            await ingest.publish_command(GW, command)
            await gw.until(
                lambda topic, payload: topic == GW.command("c1") and decode_command(payload) == command
            )
        async with peer(broker.address()) as late:
            message = up(1, nth(1))
            await late.session.publish(Publication(message.topic, message.payload))
            await late.stored(1)
            assert not [topic for topic, _ in late.got if "command" in topic]
    with pytest.raises(BrokerLost):
        await ingest.publish_command(GW, command)
