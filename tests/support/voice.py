"""What a gateway's tools say, handed to the server's desk of the tools."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from messages.broker import BrokerLost, Message
from messages.tools import SaidKind, ToolRequest, ToolSaid, encode_tool
from messages.topics import Address
from server.tools import ToolDesk
from tests.support.waiting import alongside, until
from tests.support.web import ADDRESS, House


class Hearing:
    """The desk with a gateway's voice."""

    def __init__(self, house: House, **options: Any) -> None:
        self.house, self.acked = house, 0
        self.seq: dict[str, int] = {}
        self.asked: list[tuple[Address, ToolRequest]] = []
        self.desk = ToolDesk(house.engine, house.hub, lambda: house.now, self._publish, **options)

    async def _publish(self, address: Address, request: ToolRequest) -> None:
        if self.house.broker_gone:
            raise BrokerLost("nobody there")
        self.asked.append((address, request))

    def message(
        self,
        job: str,
        kind: SaidKind,
        body: dict[str, Any] | None = None,
        *,
        seq: int | None = None,
        address: Address = ADDRESS,
        retained: bool = False,
        topic_id: str | None = None,
    ) -> Message:
        """What the gateway says of a job, numbered on; `acked` counts those that were taken."""
        number = self.seq[job] = seq or self.seq.get(job, 0) + 1
        said = ToolSaid(id=job, seq=number, at=self.house.now, kind=kind, body=body or {})

        def ack() -> None:
            self.acked += 1

        return Message(address.said(topic_id or job), encode_tool(said), retained, ack)

    async def say(self, *messages: Message) -> None:
        """Hand messages in and wait until each is acknowledged."""
        want = self.acked + len(messages)
        for message in messages:
            self.desk.heard(message)
        await until(lambda: self.acked >= want, "all acknowledged", every=0.005)


@asynccontextmanager
async def hearing(house: House, **options: Any) -> AsyncIterator[Hearing]:
    """A running desk."""
    voice = Hearing(house, **options)
    async with alongside(voice.desk.run()):
        yield voice
