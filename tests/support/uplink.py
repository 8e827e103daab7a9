"""An uplink with a real journal, a real broker and a toy server around it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from gateway.delivery.journal import Grouping, Journal
from gateway.delivery.uplink import Sending, Uplink, UplinkSettings
from messages.codec import decode_batch
from messages.topics import Address
from messages.types import Birth, Command, GatewayState, Lane, Rejected
from tests.support.broker import Broker
from tests.support.journal import number_of
from tests.support.toyserver import ToyServer

ADDRESS = Address("site-1", "gw-1")
QUICK = Grouping(group_s=0.01, retry_s=0.05)
BOOT = "boot1"


@dataclass
class Rig:
    """A journal, an uplink and a toy server around a broker."""

    journal: Journal
    broker: Broker
    server: ToyServer
    settings: UplinkSettings
    commands: list[Command] = field(default_factory=list)
    rejected: list[tuple[Lane, Rejected]] = field(default_factory=list)
    commanded: asyncio.Event = field(default_factory=asyncio.Event)
    uplink: Uplink = field(init=False)

    def __post_init__(self) -> None:
        self.uplink = self.new_uplink()

    def new_uplink(self) -> Uplink:
        return Uplink(
            self.journal,
            ADDRESS,
            self.broker.address(),
            boot=BOOT,
            birth=self.birth,
            state=lambda: GatewayState(online=True, boot=BOOT, epoch=self.journal.epoch),
            on_command=self.command,
            on_rejected=lambda lane, rejected: self.rejected.append((lane, rejected)),
            settings=self.settings,
            random=Random(1),
        )

    def birth(self) -> Birth:
        return Birth(
            site=ADDRESS.site,
            gateway=ADDRESS.gateway,
            at=datetime(2026, 5, 1, tzinfo=UTC),
            boot=BOOT,
            epoch=self.journal.epoch,
            config="sha256:" + "0" * 64,
        )

    async def command(self, command: Command) -> None:
        self.commands.append(command)
        self.commanded.set()

    def delivered(self, lane: Lane) -> list[int]:
        """The numbers of all items that the server has of this epoch, in the order of the batches."""
        return [
            number_of(item)
            for seq in self.server.seqs(lane, self.journal.epoch)
            for item in decode_batch(self.server.payloads[self.journal.epoch, lane, seq]).items
        ]

    @asynccontextmanager
    async def running(self, *what: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Run the uplink (or what is given) beside the test."""
        tasks: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for each in what or (self.uplink.run,):
                tasks.append(group.create_task(each()))  # type: ignore[arg-type]
            yield
            for task in tasks:
                task.cancel()


Make = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def make(broker: Broker, tmp_path: Path) -> AsyncIterator[Make]:
    journals: list[Journal] = []

    async def rig(**sending: float) -> Rig:
        journal = await Journal.open(tmp_path / f"journal-{len(journals)}.sqlite", grouping=QUICK)
        journals.append(journal)
        settings = UplinkSettings(sending=Sending(**sending), heartbeat_s=60, birth_again_s=0.3)  # type: ignore[arg-type]
        return Rig(journal, broker, ToyServer(broker.address()), settings)

    yield rig
    for journal in journals:
        await journal.close()
