"""A cancellation that arrives in the same instant as the broker's answer is heard."""

import asyncio
from typing import Any, cast

import aiomqtt
import pytest

from messages.broker import Publication, Session


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
