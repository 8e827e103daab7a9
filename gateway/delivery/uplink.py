"""The uplink: hands the journal to the server through a broker, and lets go only of what the server has stored.

One session: subscribe, birth, state, then three tasks: send, receive, heartbeat. A lost session is followed by
a new one which begins again with everything that is not stored. Commands run outside the session: a broker
that goes away must not stop a door half-way.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from random import Random, SystemRandom

import msgspec

from gateway.delivery.answers import Answers
from gateway.delivery.journal import Journal, JournalBatch, JournalDown
from gateway.delivery.sendplan import Sending, SendPlan, Stream
from gateway.delivery.uplink_types import Inlet, UplinkCounts, UplinkSettings, first_of
from messages import topics
from messages.broker import (
    BrokerAddress,
    BrokerLost,
    Message,
    Publication,
    Session,
    connect,
    stay_connected,
)
from messages.codec import MessageError, batch_payload, decode_command, decode_stored, encode
from messages.text import printable
from messages.topics import Address, TopicError
from messages.types import Birth, Command, GatewayState, Lane, Rejected, Stored

__all__ = ["Inlet", "Sending", "Uplink", "UplinkCounts", "UplinkSettings"]

log = logging.getLogger(__name__)

COMMANDS_WAITING = 100
REJECTIONS_LOGGED = 5
JOURNAL_RETRY_S = 1.0


def _nothing(*_: object) -> None:
    return None


class Uplink:
    """The gateway's side of the delivery contract; run it with `run`, end it with `flush`, `farewell`, cancel."""

    def __init__(
        self,
        journal: Journal,
        address: Address,
        broker: BrokerAddress,
        *,
        boot: str,
        birth: Callable[[], Birth],
        state: Callable[[], GatewayState],
        on_command: Callable[[Command], Awaitable[None]],
        on_rejected: Callable[[Lane, Rejected], None] = _nothing,
        on_change: Callable[[bool, str], None] = _nothing,
        inlets: Mapping[str, Inlet] | None = None,
        settings: UplinkSettings | None = None,
        random: Random | None = None,
    ) -> None:
        self.counts = UplinkCounts()
        self.connected = False
        self.heard_at = 0.0
        """When the server last said that it has stored something of this journal, by the event loop's clock."""
        self._journal = journal
        self._address = address
        self._broker = broker
        self._boot = boot
        self._birth = birth
        self._state = state
        self._on_command = on_command
        self._on_rejected = on_rejected
        self._on_change = on_change
        self._inlets = dict(inlets or {})
        self._kept: dict[str, bytes] = {}
        self._untold: set[str] = set()
        self._settings = settings or UplinkSettings()
        self._random = random or SystemRandom()
        self._answers = Answers(broker.username or "", address.gateway, self._settings.unanswered_s)
        self._session: Session | None = None
        self._plan: SendPlan | None = None
        self._epoch = ""
        self._stored: dict[Lane, int] = {}
        self._behind = ""  # why this journal's numbers cannot be used any more
        self._commands: asyncio.Queue[Command] = asyncio.Queue(COMMANDS_WAITING)
        self._wake = asyncio.Event()
        self._beat = asyncio.Event()
        self._answered = asyncio.Event()
        self._hurry = self._gone = False
        self._birth_due = 0  # how many have asked for one that is not told yet
        self._cut_until = 0.0
        journal.watch(self._wake.set)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_commands(), name="uplink commands")
            group.create_task(self._stay_connected(), name="uplink session")

    @property
    def unanswered_s(self) -> float:
        """For how long the broker has taken batches of which no server says that they are stored."""
        return self._answers.unanswered(self._now())

    def beat(self) -> None:
        """Publish the state now, not at the next heartbeat."""
        self._beat.set()

    def reborn(self) -> None:
        """Publish the birth anew, now, and until it is told no batch that is not sent yet."""
        self._birth_due += 1
        self._beat.set()

    def keep(self, topic: str, payload: bytes) -> None:
        """Publish this as the retained message of a topic, now and at the beginning of each session."""
        self._kept[topic] = payload
        self._untold.add(topic)
        self._beat.set()

    async def publish(self, publication: Publication) -> None:
        """Publish once, now; raise `BrokerLost` where there is no session."""
        if self._session is None:
            raise BrokerLost("no broker")
        await self._publish(self._session, publication)

    def cut(self, seconds: float) -> None:
        """Leave the broker and stay away for so long: as when somebody pulls the cable."""
        self._cut_until = self._now() + seconds
        self._wake.set()

    async def flush(self, deadline: float) -> bool:
        """Wait until the server has stored everything, at most so many seconds; return whether it has."""
        self._hurry = True
        self._wake.set()
        try:
            async with asyncio.timeout(deadline):
                while not self._all_stored():
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            return False
        return True

    async def farewell(self, why: str, timeout: float = 2.0) -> bool:
        """Publish that this gateway ends, and no more heartbeats; return whether the broker has taken it."""
        self._gone = True
        session = self._session
        if session is None:
            return False
        last = msgspec.structs.replace(self._state(), online=False, boot=self._boot, why=why)
        try:
            await session.publish(self._retained_state(last), timeout=timeout)
        except BrokerLost as err:
            log.warning("uplink: could not say goodbye: %s", err)
            return False
        return True

    # -- the session --------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        will = GatewayState(online=False, boot=self._boot, why="connection lost")
        await stay_connected(
            self._serve,
            lambda: connect(
                self._broker,
                # A broker ends the older of two sessions of one name: with `boot` nobody can guess it and cut
                # another gateway off, and a gateway that comes back still takes the place of its own dead session.
                client_id=f"gatehouse-{self._address.gateway}-{self._boot}",
                will=self._retained_state(will),
                keepalive=self._settings.keepalive_s,
            ),
            where=f"{self._broker.host}:{self._broker.port}",
            random=self._random,
            on_change=self._on_change,
        )

    async def _serve(self, session: Session) -> None:
        self._refuse_cut()
        try:
            further = [inlet.filter for inlet in self._inlets.values()]
            await session.subscribe([self._address.stored_filter, self._address.command_filter, *further])
            self._begin_epoch()
            await self._be_born(session)
            self._answers.begin()
            self._session, self.connected = session, True
            self.counts.connected += 1
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(session), name="uplink receive")
                group.create_task(self._heartbeats(session), name="uplink heartbeat")
                group.create_task(self._send(session, group), name="uplink send")
        except BaseExceptionGroup as failures:
            lost, rest = failures.split(BrokerLost)
            if rest is not None:
                raise rest from None
            raise BrokerLost(str(first_of(lost))) from None
        finally:
            self._session, self._plan, self.connected = None, None, False

    def _refuse_cut(self) -> None:
        if self._now() < self._cut_until:
            raise BrokerLost("cut off for a test")

    async def _be_born(self, session: Session) -> None:
        due, birth = self._birth_due, encode(self._birth())
        await self._publish(session, Publication(self._address.birth, birth, retain=True))
        self._birth_due -= due
        self._wake.set()
        self._untold |= self._kept.keys()
        await self._tell_state(session)

    async def _tell_state(self, session: Session) -> None:
        while self._untold:
            topic = self._untold.pop()
            await self._publish(session, Publication(topic, self._kept[topic], retain=True))
        if not self._gone:
            await self._publish(session, self._retained_state(self._state()))

    def _begin_epoch(self) -> None:
        if self._journal.epoch != self._epoch:
            self._epoch, self._stored = self._journal.epoch, {}
        counts = self._journal.lane_counts()
        self._plan = SendPlan(self._settings.sending, counts, self._stored, self._now())

    async def _publish(self, session: Session, publication: Publication) -> None:
        await session.publish(publication, timeout=self._settings.publish_timeout_s)

    def _retained_state(self, state: GatewayState) -> Publication:
        return Publication(self._address.state, encode(state), retain=True)

    async def _heartbeats(self, session: Session) -> None:
        # Once more: a broker may drop a retained message between two ends that subscribe and publish in the
        # same instant (seen with NATS), and a server without the birth would know no device.
        await self._beat_within(self._settings.birth_again_s)
        await self._be_born(session)
        while True:
            await self._beat_within(self._settings.heartbeat_s)
            self._answers.look(self._now())
            if self._birth_due:
                await self._be_born(session)
            else:
                await self._tell_state(session)

    async def _beat_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._beat.wait()
        except TimeoutError:
            pass
        self._beat.clear()

    # -- sending ------------------------------------------------------------------------------------------

    async def _send(self, session: Session, group: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            self._refuse_cut()
            if self._journal.epoch != self._epoch:
                raise BrokerLost("the journal began a new epoch; connecting anew to tell it")
            try:
                if self._behind:
                    await self._journal.begin_epoch(self._behind)
                    self._behind = ""
                    continue
                wait = await self._fill(session, group)
            except JournalDown as err:
                log.warning("uplink: cannot read the journal: %s", err)
                wait = JOURNAL_RETRY_S
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _fill(self, session: Session, group: asyncio.TaskGroup) -> float | None:
        """Start publishing all that may be sent now; return the seconds after which to look again."""
        plan = self._plan
        assert plan is not None
        plan.hurry = self._hurry
        # What a birth is due for may be in any new batch: the server would know neither its class nor its place.
        while read := None if self._birth_due else plan.next_read(self._journal.lane_counts(), self._now()):
            found = await self._journal.unsent(
                read.stream.lane, read.after, read.limit, max_bytes=read.max_bytes
            )
            if self._birth_due:
                break
            if self._journal.epoch != self._epoch:
                return 0.0
            for batch in plan.took(read, found):
                self.counts.published += 1
                self.counts.resent += read.again
                task = self._publish_batch(session, plan, read.stream, batch)
                group.create_task(task, name=f"uplink {batch.lane} {batch.seq}")
        return None if self._birth_due else plan.next_due(self._journal.lane_counts(), self._now())

    async def _publish_batch(
        self, session: Session, plan: SendPlan, stream: Stream, batch: JournalBatch
    ) -> None:
        payload = batch_payload(self._address.gateway, self._epoch, batch.lane, batch.seq, batch.items)
        await self._publish(session, Publication(self._address.up(batch.lane), payload))
        self.counts.puback += 1
        self._answers.taken(self._now())
        plan.puback(stream, batch, self._now())
        self._wake.set()

    def _now(self) -> float:
        # The loop's own clock, and known in the thread that serves the metrics as well.
        return time.monotonic()

    # -- receiving ----------------------------------------------------------------------------------------

    async def _receive(self, session: Session) -> None:
        async for message in session.messages():
            try:
                self._take(message)
            except (MessageError, TopicError) as err:
                self.counts.ignored += 1
                log.warning("uplink: ignored a message on %s: %s", printable(message.topic), err)
            message.ack()

    def _take(self, message: Message) -> None:
        topic = topics.parse(message.topic)
        if topic.address != self._address:
            raise TopicError("it is for another gateway")
        if topic.kind == "stored":
            stored = decode_stored(message.payload)
            if stored.lane.value != topic.leaf:
                raise MessageError(f"lane: the payload says {stored.lane.value}")
            self._take_stored(stored)
        elif topic.kind == "command":
            self._take_command(decode_command(message.payload), topic.leaf, retained=message.retained)
        elif topic.kind in self._inlets:
            self._inlets[topic.kind].take(topic.leaf, message.payload, message.retained)

    def _take_stored(self, stored: Stored) -> None:
        self._answers.answered()
        if stored.epoch != self._epoch:
            self.counts.ignored += 1
            log.debug("uplink: an answer for epoch %s, this is %s", stored.epoch, self._epoch)
            return
        newest = self._journal.lane_counts()[stored.lane].next - 1
        if stored.through > newest:
            self.counts.ignored += 1
            self._behind = (
                f"the server has {stored.lane.value} batches through {stored.through}, and this journal has"
                f" numbered {newest}: it was put back from an older copy"
            )
            self._wake.set()
            return
        self.heard_at = self._now()
        self._stored[stored.lane] = max(stored.through, self._stored.get(stored.lane, 0))
        self._note_rejected(stored)
        self._journal.forget(stored.lane, stored.through, epoch=stored.epoch)
        if self._plan is not None:
            self.counts.stored += self._plan.stored(stored.lane, stored.through, self._now())
        self._wake.set()
        self._answered.set()

    def _note_rejected(self, stored: Stored) -> None:
        for rejected in stored.rejected:
            self.counts.rejected += 1
            self._on_rejected(stored.lane, rejected)
        for rejected in stored.rejected[:REJECTIONS_LOGGED]:
            log.warning(
                "uplink: the server quarantined %s batch %d, item %s: %s",
                stored.lane.value,
                rejected.seq,
                "all" if rejected.index is None else rejected.index,
                printable(rejected.reason),
            )

    def _take_command(self, command: Command, leaf: str, *, retained: bool) -> None:
        if command.id != leaf:
            raise MessageError(f"id: {printable(command.id, 64)} was sent on the topic of {leaf}")
        if retained:
            raise MessageError("a retained command would run again after each reconnect; it is refused")
        try:
            self._commands.put_nowait(command)
        except asyncio.QueueFull:
            raise MessageError(f"{COMMANDS_WAITING} commands wait already; it will expire") from None
        self.counts.commands += 1

    async def _run_commands(self) -> None:
        while True:
            await self._on_command(await self._commands.get())

    def _all_stored(self) -> bool:
        counts = self._journal.lane_counts()
        if self._journal.epoch != self._epoch:
            return all(count.waiting == 0 for count in counts.values())
        return all(
            count.next - 1 <= max(count.first - 1, self._stored.get(lane, 0))
            for lane, count in counts.items()
        )
