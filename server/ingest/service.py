"""The broker's side of ingest: read, group, hand to the writer's thread, acknowledge, answer `Stored`."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from random import Random
from typing import Protocol, TypeVar

import msgspec

from messages import codec
from messages.broker import BrokerLost, Message, Publication, Session
from messages.configs import ConfigOffer, encode_config
from messages.tools import ToolRequest, encode_tool
from messages.topics import BIRTH_FILTER, ECHO, STATE_FILTER, UP_FILTER, Address
from messages.types import Command, Lane, Stored
from server.ingest.echo import Echo
from server.ingest.judge import Incoming
from server.ingest.writer import Answer, StoreDown, Writer

T = TypeVar("T")

log = logging.getLogger(__name__)

# After a pause thousands of batches wait: large groups write each page of the table less often. But an alarm waits
# for the commit under way, so a group ends at some 30,000 values, which take a fifth of a second.
GROUP_MESSAGES = 200
GROUP_BYTES = 512 * 1024
TICK_S = 1.0
STOOD_STILL_S = 5.0
RETRY_S = 1.0
ANSWERS_AT_ONCE = 16
# A birth is never behind the alarms that it explains: an alarm without it has no class, no place and no name.
_FIRST = (f"/up/{Lane.ALARM.value}", "/birth")


class Listener(Protocol):
    """Somebody beside the writer to whom messages of some topics go."""

    filters: tuple[str, ...]

    def takes(self, message: Message) -> bool:
        """Tell whether it is for this one."""

    def heard(self, message: Message) -> None:
        """Take it and acknowledge it in time; never waits."""

    def connected(self) -> None:
        """Say that a session has begun."""


class Ingest:
    """Runs the writer's thread; `serve` is what `messages.broker.stay_connected` calls for each session."""

    def __init__(
        self,
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        random: Random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._random = random
        self._monotonic = monotonic
        self._ticked = monotonic()  # when the last tick was committed
        # One thread: SQLite has one writer, and the writer's memory needs no lock.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._listeners: list[Listener] = []
        self._session: Session | None = None
        self._store_down = False
        self.echo = Echo(random)
        """Whether the broker lets us read and write."""
        self.listening = asyncio.Event()
        """Set while a broker session is subscribed: what a gateway publishes now reaches us."""

    def add(self, listener: Listener) -> None:
        """Let somebody listen too, from the next session on."""
        self._listeners.append(listener)

    async def keep_time(self) -> None:
        """Tick once a second for ever: timers, newest values."""
        while True:
            await asyncio.sleep(TICK_S)
            await self._insist(self._tick)

    async def serve(self, session: Session) -> None:
        """Ingest through one broker session until it is lost."""
        queue = _Queue()
        answers = _Answers()
        self._session = session
        why = "the session ended"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(session, queue), name="ingest read")
                group.create_task(self._write(queue, answers), name="ingest write")
                group.create_task(_answer(session, answers), name="ingest answer")
                group.create_task(self._ask_echo(session), name="ingest echo")
        except* BrokerLost as lost:
            why = _reason(lost)
        finally:
            self._session = None
            self.listening.clear()
        # Outside: what is raised inside `except*` comes out wrapped in a group with Python before 3.11.4.
        raise BrokerLost(why)

    async def publish_command(self, address: Address, command: Command) -> None:
        """Publish one command, never retained; raise `BrokerLost` when no broker took it."""
        if self._session is None:
            raise BrokerLost("no broker")
        await self._session.publish(Publication(address.command(command.id), codec.encode(command)))

    async def publish_tool(self, address: Address, request: ToolRequest) -> None:
        """Publish what is asked of a gateway's tools, never retained; raise `BrokerLost` when no broker took it."""
        if self._session is None:
            raise BrokerLost("no broker")
        await self._session.publish(Publication(address.tool(request.id), encode_tool(request)))

    async def publish_config(self, address: Address, offer: ConfigOffer | None) -> None:
        """Publish an offer, retained, or take it back; raise `BrokerLost` when no broker took it."""
        if self._session is None:
            raise BrokerLost("no broker")
        payload = b"" if offer is None else encode_config(offer)
        await self._session.publish(Publication(address.config, payload, retain=True))

    async def publish_check(self, address: Address, offer: ConfigOffer) -> None:
        """Publish a text that is only to be checked, never retained; raise `BrokerLost` when no broker took it."""
        if self._session is None:
            raise BrokerLost("no broker")
        await self._session.publish(Publication(address.config, encode_config(offer)))

    async def close(self) -> None:
        """Write the newest values and end the writer's thread; waits for a commit under way."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._tick)
        except StoreDown as err:
            log.warning("newest values not written at the end: %s", err)
        self._thread.shutdown(wait=True)

    async def _read(self, session: Session, queue: "_Queue") -> None:
        also = [wanted for listener in self._listeners for wanted in listener.filters]
        await session.subscribe([UP_FILTER, BIRTH_FILTER, STATE_FILTER, ECHO, *also])
        self.listening.set()
        for listener in self._listeners:
            listener.connected()
        async for message in session.messages():
            if message.topic == ECHO:
                self.echo.heard(message.payload)
                message.ack()
                continue
            for listener in self._listeners:
                if listener.takes(message):
                    listener.heard(message)
                    break
            else:
                queue.put(message)
        raise BrokerLost("the session ended")

    async def _ask_echo(self, session: Session) -> None:
        await self.listening.wait()
        await self.echo.run(session)

    async def _write(self, queue: "_Queue", answers: "_Answers") -> None:
        loop = asyncio.get_running_loop()
        answers.add(await loop.run_in_executor(self._thread, self._writer.standing))
        while True:
            group = await queue.take()
            incoming = [Incoming(m.topic, m.payload, m.retained) for m in group]
            answers.add(await self._insist(partial(self._store, incoming)))
            # After the commit, and not before: a crash up to here means that the broker delivers again.
            for message in group:
                message.ack()

    def _store(self, group: Sequence[Incoming]) -> list[Answer]:
        return self._writer.store(group, self._clock())

    def _tick(self) -> None:
        # A full disk, a frozen machine, a debugger: what arrived meanwhile still waits to be read.
        stood_still = self._monotonic() - self._ticked > STOOD_STILL_S
        self._writer.tick(self._clock(), stood_still=stood_still)
        self._ticked = self._monotonic()
        if stood_still:
            log.warning("this server stood still for a while: time-outs begin anew")

    async def _insist(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        while True:
            try:
                result = await loop.run_in_executor(self._thread, work)
            except StoreDown as err:
                if not self._store_down:
                    log.error(  # noqa: TRY400 - what is wrong is in the text
                        "the database cannot write (%s): nothing is acknowledged until it can", err
                    )
                self._store_down = True
                await asyncio.sleep(RETRY_S * self._random.uniform(0.7, 1.3))
                continue
            if self._store_down:
                log.info("the database writes again")
            self._store_down = False
            return result


def _reason(lost: BaseException) -> str:
    while isinstance(lost, BaseExceptionGroup):
        lost = lost.exceptions[0]
    return str(lost)


class _Queue:
    """What arrived and is not stored; alarms and births are taken first. The broker's window bounds it."""

    def __init__(self) -> None:
        self._first: deque[Message] = deque()
        self._others: deque[Message] = deque()
        self._ready = asyncio.Event()

    def put(self, message: Message) -> None:
        (self._first if message.topic.endswith(_FIRST) else self._others).append(message)
        self._ready.set()

    async def take(self) -> list[Message]:
        """Return all that waits, up to a group: no timer, the commit under way is what groups."""
        await self._ready.wait()
        group: list[Message] = []
        size = 0
        while len(group) < GROUP_MESSAGES and size < GROUP_BYTES:
            source = self._first or self._others
            if not source:
                break
            group.append(source.popleft())
            size += len(group[-1].payload)
        if not self._first and not self._others:
            self._ready.clear()
        return group


class _Answers:
    """What is to be answered, newest per lane: `through` only grows, so one answer stands for many."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Address, str, Lane], Stored] = {}
        self._ready = asyncio.Event()

    def add(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            stored = answer.stored
            key = (answer.address, stored.epoch, stored.lane)
            before = self._waiting.pop(key, None)
            if before is not None:
                rejected = (before.rejected + stored.rejected)[-500:]
                stored = msgspec.structs.replace(
                    stored, through=max(before.through, stored.through), rejected=rejected
                )
            self._waiting[key] = stored
        if self._waiting:
            self._ready.set()

    async def take(self) -> list[Answer]:
        """Return some of what waits, alarm lanes first."""
        await self._ready.wait()
        keys = sorted(self._waiting, key=lambda key: key[2] is not Lane.ALARM)[:ANSWERS_AT_ONCE]
        taken = [Answer(key[0], self._waiting.pop(key)) for key in keys]
        if not self._waiting:
            self._ready.clear()
        return taken


async def _answer(session: Session, answers: _Answers) -> None:
    # A lost answer is no loss: the gateway sends the batch again and is answered again.
    while True:
        async with asyncio.TaskGroup() as group:
            for answer in await answers.take():
                topic = answer.address.stored(answer.stored.lane)
                payload = codec.encode(answer.stored)
                group.create_task(session.publish(Publication(topic, payload)), name=f"answer {topic}")
