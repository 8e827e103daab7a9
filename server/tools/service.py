"""The desk of the tools: sends what is asked, stores what gateways say, and asks again for what was missed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from sqlalchemy import Engine, RowMapping
from sqlalchemy.exc import OperationalError

from messages import topics
from messages.broker import BrokerLost, Message
from messages.codec import MessageError
from messages.text import printable
from messages.tools import AGAIN, ToolRequest, ToolSaid, decode_tool_said
from messages.topics import SAID_FILTER, Address, TopicError
from server.alarms import pictures
from server.db.engine import read, write
from server.tools import store

log = logging.getLogger(__name__)

GROUP = 100
RETRY_S = 1.0
WAITING_MOST = 5000
ASK_AGAIN_S = 2.0
QUIET_S = 15.0  # a job of which nothing was heard for so long is asked about
ANSWER_WITHIN = timedelta(seconds=30)

Publish = Callable[[Address, ToolRequest], Awaitable[None]]


class Notified(Protocol):
    """What is needed of the stream's hub."""

    def notify(self) -> None:
        """As `Hub.notify`."""


class _Heard(NamedTuple):
    address: Address
    said: ToolSaid
    message: Message


class ToolDesk:
    """Listens to `tool/+/said`. `run` must be running; `heard` and `connected` are called by ingest."""

    filters: tuple[str, ...] = (SAID_FILTER,)

    def __init__(
        self,
        engine: Engine,
        hub: Notified,
        clock: Callable[[], datetime],
        publish: Publish,
        *,
        quiet_s: float = QUIET_S,
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._clock = clock
        self._publish = publish
        self._waiting: asyncio.Queue[_Heard] = asyncio.Queue(WAITING_MOST)
        self._connected = asyncio.Event()
        self._quiet_s = quiet_s
        self._asked: dict[str, float] = {}
        self._heard_at: dict[str, float] = {}

    def takes(self, message: Message) -> bool:
        """Tell whether a message is for this desk."""
        return message.topic.endswith("/said") and "/tool/" in message.topic

    def heard(self, message: Message) -> None:
        """Take a message; it is acknowledged when it is stored, or cannot be."""
        try:
            self._waiting.put_nowait(_opened(message))
        except (MessageError, TopicError) as err:
            log.warning("tools: ignored a message on %s: %s", printable(message.topic), err)
            message.ack()
        except asyncio.QueueFull:
            message.ack()  # the hole shows itself, and is asked for again

    def connected(self) -> None:
        """Say that a session with the broker has begun: what was said meanwhile may be missing."""
        self._connected.set()

    async def run(self) -> None:
        """Store and ask again until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store_for_ever(), name="tools store")
            group.create_task(self._catch_up_for_ever(), name="tools catch up")

    async def _store_for_ever(self) -> None:
        while True:
            group = [await self._waiting.get()]
            while len(group) < GROUP and not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            holes = await self._insist(group)
            now = asyncio.get_running_loop().time()
            for one in group:
                self._heard_at[one.said.id] = now
                one.message.ack()
            self._hub.notify()
            for (address, job_id), after in holes.items():
                await self._ask_again(address, job_id, after)

    async def _insist(self, group: Sequence[_Heard]) -> dict[tuple[Address, str], int]:
        while True:
            try:
                return await asyncio.to_thread(self._store, group)
            except OperationalError as err:
                log.warning("tools: the database cannot write: %s", printable(str(err.orig)))
                await asyncio.sleep(RETRY_S)

    def _store(self, group: Sequence[_Heard]) -> dict[tuple[Address, str], int]:
        holes: dict[tuple[Address, str], int] = {}
        with write(self._engine) as conn:
            for one in group:
                after = store.hear(conn, one.address, one.said, self._clock())
                if after is not None:
                    holes[one.address, one.said.id] = after
                elif one.said.kind.final:
                    pictures.settle(conn, one.said.id)
        return holes

    async def _catch_up_for_ever(self) -> None:
        while True:
            fresh = await self._connected_within(self._quiet_s)
            now = asyncio.get_running_loop().time()
            jobs = [job for job in await asyncio.to_thread(self._open) if job["state"] != "pending"]
            self._heard_at = {job["id"]: self._heard_at.get(job["id"], now) for job in jobs}
            for job in jobs:
                # A gateway that was restarted meanwhile knows nothing of the job, and says so when it is asked.
                if fresh or now - self._heard_at[job["id"]] >= self._quiet_s:
                    await self._ask_again(Address(job["site"], job["gateway"]), job["id"], job["last_seq"])

    async def _connected_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._connected.wait()
        except TimeoutError:
            return False
        self._connected.clear()
        return True

    def _open(self) -> Sequence[RowMapping]:
        with read(self._engine) as conn:
            return store.open_jobs(conn)

    async def _ask_again(self, address: Address, job_id: str, after: int) -> None:
        now = asyncio.get_running_loop().time()
        self._asked = {job: at for job, at in self._asked.items() if now - at < ASK_AGAIN_S}
        if job_id in self._asked:
            return
        self._asked[job_id] = now
        at = self._clock()
        request = ToolRequest(id=job_id, tool=AGAIN, at=at, until=at + ANSWER_WITHIN, args={"after": after})
        try:
            await self._publish(address, request)
        except BrokerLost as err:
            log.info("tools: %s is asked for again later: %s", job_id, err)


def _opened(message: Message) -> _Heard:
    topic = topics.parse(message.topic)
    if topic.kind != "said" or message.retained:
        raise TopicError("not a message of a job")
    said = decode_tool_said(message.payload)
    if said.id != topic.leaf:
        raise MessageError(f"id: {printable(said.id, 64)} was sent on the topic of {topic.leaf}")
    return _Heard(topic.address, said, message)
