"""The desk of configurations: listens to what gateways say of theirs, and stores it before it is acknowledged."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from messages import topics
from messages.broker import BrokerLost, Message
from messages.codec import MessageError
from messages.configs import Checked, ConfigOffer, ConfigSaid, decode_config_said
from messages.text import printable
from messages.topics import CONFIG_SAID_FILTER, Address, TopicError
from server.configs import store
from server.configs.post import OfferPost
from server.db.engine import write
from server.services import no_configs

log = logging.getLogger(__name__)

WAITING_MOST = 2000
CHECKED_WITHIN_S = 20.0
CHECKS_MOST = 50
RETRY_S = 1.0


class Notified(Protocol):
    """What is needed of the stream's hub."""

    def notify(self) -> None:
        """As `Hub.notify`."""


class NotChecked(Exception):
    """Nobody has said what is wrong with a text; the words tell a person why."""


class _Heard(NamedTuple):
    address: Address
    said: ConfigSaid
    message: Message


class ConfigDesk:
    """Listens to `config/said`. `run` must be running; `heard` and `connected` are called by ingest."""

    filters: tuple[str, ...] = (CONFIG_SAID_FILTER,)

    def __init__(
        self,
        engine: Engine,
        hub: Notified,
        clock: Callable[[], datetime],
        post: OfferPost,
        publish_check: Callable[[Address, ConfigOffer], Awaitable[None]] = no_configs,
        *,
        checked_within_s: float = CHECKED_WITHIN_S,
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._clock = clock
        self._post = post
        self._publish_check = publish_check
        self._checked_within_s = checked_within_s
        self._asked: dict[tuple[Address, str], asyncio.Future[Checked]] = {}
        self._session = asyncio.Event()
        self._waiting: asyncio.Queue[_Heard] = asyncio.Queue(WAITING_MOST)

    def takes(self, message: Message) -> bool:
        """Tell whether a message is for this desk."""
        return message.topic.endswith("/config/said")

    def heard(self, message: Message) -> None:
        """Take a message; it is acknowledged when it is stored, or cannot be."""
        try:
            topic = topics.parse(message.topic)
            if message.payload:
                said = decode_config_said(message.payload)
                self._settle(topic.address, said.checked)
                self._waiting.put_nowait(_Heard(topic.address, said, message))
                return
        except (MessageError, TopicError) as err:
            log.warning("configs: ignored a message on %s: %s", printable(message.topic), err)
        except asyncio.QueueFull:
            log.warning("configs: too many wait: %s is heard with the next session", printable(message.topic))
        message.ack()

    async def check(self, address: Address, offer: ConfigOffer) -> Checked:
        """Have a gateway check a text and return what it says; raise `NotChecked` or `BrokerLost`."""
        if len(self._asked) >= CHECKS_MOST:
            raise NotChecked("too many checks are under way: try again in a moment")
        key = (address, offer.id)
        answer: asyncio.Future[Checked] = asyncio.get_running_loop().create_future()
        self._asked[key] = answer
        try:
            await self._publish_check(address, offer)
            async with asyncio.timeout(self._checked_within_s):
                return await answer
        except TimeoutError:
            raise NotChecked(
                f"the gateway has not answered within {self._checked_within_s:.0f} s: it is busy, or its version is"
                " too old to check without running; what is applied is checked there first in any case"
            ) from None
        finally:
            del self._asked[key]

    def _settle(self, address: Address, checked: Checked | None) -> None:
        answer = self._asked.get((address, checked.id)) if checked is not None else None
        if answer is not None and checked is not None and not answer.done():
            answer.set_result(checked)

    def connected(self) -> None:
        """Say that a session with the broker has begun: retained words come by themselves, offers are made anew."""
        self._session.set()

    async def run(self) -> None:
        """Store and offer again until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store_for_ever(), name="configs store")
            group.create_task(self._offer_again_for_ever(), name="configs offer again")

    async def _offer_again_for_ever(self) -> None:
        while True:
            await self._session.wait()
            self._session.clear()
            # A broker may have lost what it was to keep, and kept what was taken back while it was away.
            for address in await asyncio.to_thread(self._post.open):
                try:
                    offer = await self._post.convey(address, again=True)
                except BrokerLost as err:
                    log.info("configs: what %s/%s is offered is told later: %s", *address, err)
                    break
                if offer:
                    await asyncio.to_thread(self._sent, offer)

    def _sent(self, offer_id: str) -> None:
        with write(self._engine) as conn:
            store.move(conn, offer_id, "sent", self._clock(), since=("pending",))

    async def _store_for_ever(self) -> None:
        while True:
            one = await self._waiting.get()
            if await self._insist(one):
                self._hub.notify()
            one.message.ack()

    async def _insist(self, one: _Heard) -> bool:
        while True:
            try:
                return await asyncio.to_thread(self._store, one)
            except OperationalError as err:
                log.warning("configs: the database cannot write: %s", printable(str(err.orig)))
                await asyncio.sleep(RETRY_S)

    def _store(self, one: _Heard) -> bool:
        with write(self._engine) as conn:
            return store.hear(conn, one.address, one.said, self._clock())
