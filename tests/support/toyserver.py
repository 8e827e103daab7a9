"""The server's half of the delivery contract, in memory and scriptable: what a test needs to judge an uplink."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from messages import topics
from messages.broker import BrokerAddress, BrokerLost, Message, Publication, Session, connect, stay_connected
from messages.codec import decode_birth, decode_envelope, decode_state, encode
from messages.configs import ConfigSaid, decode_config_said
from messages.types import Birth, GatewayState, Lane, Stored


@dataclass
class ToyServer:
    """Stores what it gets, answers `Stored`, and can be told to be deaf, mute or forgetful."""

    broker: BrokerAddress
    answering: bool = True
    lose: Callable[[Lane, int], bool] = lambda _lane, _seq: False
    """Batches for which this is true are not stored and not answered, as if the broker had lost them."""
    payloads: dict[tuple[str, Lane, int], bytes] = field(default_factory=dict)
    arrivals: list[tuple[str, Lane, int]] = field(default_factory=list)
    doubles: int = 0
    changed_bytes: list[tuple[str, Lane, int]] = field(default_factory=list)
    births: list[Birth] = field(default_factory=list)
    states: list[GatewayState] = field(default_factory=list)
    config_said: list[ConfigSaid] = field(default_factory=list)
    session: Session | None = None
    _new: asyncio.Event = field(default_factory=asyncio.Event)
    _owed: dict[tuple[topics.Address, str, Lane], None] = field(default_factory=dict)
    _owing: asyncio.Event = field(default_factory=asyncio.Event)
    _through: dict[tuple[str, Lane], int] = field(default_factory=lambda: defaultdict(int))

    async def run(self) -> None:
        await stay_connected(
            self._serve,
            lambda: connect(self.broker, client_id="toy-server", clean=False),
            where="toy server",
            random=Random(1),
        )

    async def until(self, condition: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait until the condition is true; it is judged after each message."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._new.clear()
                await self._new.wait()

    def seqs(self, lane: Lane, epoch: str | None = None) -> list[int]:
        """The numbers stored in a lane, sorted."""
        return sorted(s for e, each, s in self.payloads if each is lane and epoch in {None, e})

    def through(self, epoch: str, lane: Lane) -> int:
        """Up to where the lane has no hole."""
        return self._through[epoch, lane]

    async def answer(self, address: topics.Address, epoch: str, lane: Lane) -> None:
        """Say `Stored` for a lane."""
        assert self.session is not None
        stored = Stored(epoch=epoch, lane=lane, through=self.through(epoch, lane))
        await self.session.publish(Publication(address.stored(lane), encode(stored)))

    async def _serve(self, session: Session) -> None:
        await session.subscribe(
            [topics.UP_FILTER, topics.BIRTH_FILTER, topics.STATE_FILTER, topics.CONFIG_SAID_FILTER]
        )
        self.session = session
        self._new.set()
        # Beside the reading, and one answer for all that came meanwhile, as the real server does.
        answering = asyncio.create_task(self._answer_all(), name="toy answers")
        try:
            async for message in session.messages():
                self._take(message)
                message.ack()
                self._new.set()
        finally:
            self.session = None
            answering.cancel()
            await asyncio.wait([answering])

    async def _answer_all(self) -> None:
        with suppress(BrokerLost):
            while True:
                await self._owing.wait()
                self._owing.clear()
                owed, self._owed = self._owed, {}
                for address, epoch, lane in owed:
                    await self.answer(address, epoch, lane)

    def _take(self, message: Message) -> None:
        topic = topics.parse(message.topic)
        if topic.kind == "birth":
            self.births.append(decode_birth(message.payload))
        elif topic.kind == "config_said":
            self.config_said.append(decode_config_said(message.payload))
        elif topic.kind == "state":
            self.states.append(decode_state(message.payload))
        else:
            self._store(topic.address, message.payload)

    def _store(self, address: topics.Address, payload: bytes) -> None:
        got = decode_envelope(payload)
        assert got.rejected == ()
        key = (got.epoch, got.lane, got.seq)
        self.arrivals.append(key)
        if self.lose(got.lane, got.seq):
            return
        if key in self.payloads:
            self.doubles += 1
            if self.payloads[key] != payload:
                self.changed_bytes.append(key)
        self.payloads[key] = payload
        while (got.epoch, got.lane, self._through[got.epoch, got.lane] + 1) in self.payloads:
            self._through[got.epoch, got.lane] += 1
        if self.answering:
            self._owed[address, got.epoch, got.lane] = None
            self._owing.set()
