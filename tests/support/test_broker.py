"""The test broker itself: it serves, dies, and comes back with what it had acknowledged."""

import asyncio
from pathlib import Path

from messages.broker import Publication, connect
from tests.support.broker import Broker, listening


async def test_a_retained_message_survives_kill_and_restart(tmp_path: Path) -> None:
    with Broker(tmp_path, users={"a": "secret-a"}) as broker:
        async with connect(broker.address("a"), client_id="one") as session:
            await session.publish(Publication("gatehouse/1/s/g/birth", b"born", retain=True))
        broker.kill()
        assert not listening(broker.port)
        broker.start()
        async with connect(broker.address("a"), client_id="two") as session:
            await session.subscribe(["gatehouse/1/s/g/birth"])
            async with asyncio.timeout(10):
                async for message in session.messages():
                    assert (message.payload, message.retained) == (b"born", True)
                    message.ack()
                    break
    assert not listening(broker.port)
    assert broker.starts == 2
