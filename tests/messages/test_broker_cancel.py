"""A cancellation that arrives in the same instant as the broker's answer is heard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, cast

import aiomqtt
import pytest

from messages.broker import BrokerLost, Publication, Session, stay_connected


class AnswersOn:
    """Waits for its answer as aiomqtt does."""

    def __init__(self, event: asyncio.Event) -> None:
        self.event = event

    async def publish(self, *_: Any, **__: Any) -> None:
        await asyncio.wait_for(self.event.wait(), 5)

    async def subscribe(self, *_: Any, **__: Any) -> tuple[int, ...]:
        await asyncio.wait_for(self.event.wait(), 5)
        return (1,)


@pytest.mark.parametrize("what", ["publish", "subscribe"])
async def test_a_cancellation_beside_the_answer_is_not_swallowed(what: str) -> None:
    answer = asyncio.Event()
    session = Session(cast("aiomqtt.Client", AnswersOn(answer)))
    doing = session.publish(Publication("a", b"")) if what == "publish" else session.subscribe(["a"])
    task = asyncio.create_task(doing)
    for _ in range(5):
        await asyncio.sleep(0)  # let it wait for the answer
    answer.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_in_the_instant_that_the_broker_is_lost_is_not_swallowed() -> None:
    """A task group whose child raises does not say that it was cancelled as well."""
    serving = asyncio.Event()

    async def serve(_session: Session) -> None:
        serving.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise BrokerLost("as it happens, now")

    @asynccontextmanager
    async def opened() -> AsyncIterator[Session]:
        yield Session(cast("aiomqtt.Client", None))

    task = asyncio.create_task(stay_connected(serve, opened, where="test", random=Random(1)))
    await serving.wait()
    task.cancel()
    await asyncio.wait([task], timeout=20)
    assert task.cancelled()
