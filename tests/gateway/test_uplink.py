"""The uplink against a real broker: everything that was appended reaches the server, whatever is killed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from gateway.journal import Grouping, Journal, Trouble
from gateway.uplink import Sending, Uplink, UplinkSettings
from messages.broker import Publication, connect
from messages.codec import decode_batch, encode
from messages.topics import Address
from messages.types import Birth, Command, GatewayState, Lane, Rejected, Stored
from tests.support import broker as broker_support
from tests.support.broker import Broker
from tests.support.journal import event, everything, number_of, numbers, sample, settled
from tests.support.toyserver import ToyServer

broker = broker_support.broker  # the fixture
ADDRESS = Address("site-1", "gw-1")
ROOT = Path(__file__).parents[2]
QUICK = Grouping(group_s=0.01, retry_s=0.05)
BOOT = "boot1"
CHILD = """
import asyncio
from datetime import UTC, datetime
from pathlib import Path
from gateway.journal import Journal
from gateway.uplink import Uplink
from messages.broker import BrokerAddress
from messages.topics import Address
from messages.types import Birth, GatewayState

async def main():
    journal = await Journal.open(Path("{path}"))
    birth = Birth(site="site-1", gateway="gw-1", at=datetime.now(UTC), boot="child", epoch=journal.epoch,
                  config="sha256:" + "0" * 64)
    state = GatewayState(online=True, boot="child")
    await Uplink(journal, Address("site-1", "gw-1"), BrokerAddress("127.0.0.1", {port}), boot="child",
                 birth=lambda: birth, state=lambda: state, on_command=None).run()

asyncio.run(main())
"""


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


async def test_birth_and_state_are_retained_and_every_lane_arrives(make: Make) -> None:
    rig = await make()
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.journal.append(Lane.ALARM, [event(1)])
        await rig.journal.append(Lane.BILLING, [sample(2)])
        await rig.journal.append(Lane.TELEMETRY, [sample(3)])
        assert await rig.uplink.flush(20)
        await rig.server.until(lambda: bool(rig.server.births and rig.server.states))
        assert rig.uplink.connected
    assert rig.server.births[0].epoch == rig.journal.epoch
    assert rig.server.states[0].online
    assert [rig.delivered(lane) for lane in Lane] == [[1], [2], [3]]
    assert rig.uplink.counts.stored == rig.uplink.counts.puback == 3
    assert not rig.uplink.connected


async def test_what_is_stored_is_forgotten_and_what_is_not_is_kept(make: Make) -> None:
    rig = await make()
    rig.server.lose = lambda lane, seq: lane is Lane.BILLING and seq == 2
    async with rig.running(rig.uplink.run, rig.server.run):
        for number in range(3):
            await rig.journal.append(Lane.BILLING, [sample(number)])
            await rig.journal.append(Lane.ALARM, [event(number)])
        await rig.server.until(lambda: len(rig.server.seqs(Lane.BILLING)) == 2)
        await settled(rig.journal, lambda: rig.journal.lanes()[Lane.BILLING].first == 2)
        await settled(rig.journal, lambda: rig.journal.lanes()[Lane.ALARM].first == 4)
    assert numbers(await everything(rig.journal, Lane.BILLING)) == [1, 2]


async def test_a_lost_batch_is_sent_again_and_closes_the_hole(make: Make) -> None:
    rig = await make(resend_s=0.1, resend_max_s=0.2)
    lost: list[int] = []

    def lose(lane: Lane, seq: int) -> bool:
        lost.append(seq)
        return seq in {2, 5} and lost.count(seq) < 3  # twice lost, then it comes through

    rig.server.lose = lose
    async with rig.running(rig.uplink.run, rig.server.run):
        for number in range(8):
            await rig.journal.append(Lane.BILLING, [sample(number)])
        assert await rig.uplink.flush(20)
    assert rig.delivered(Lane.BILLING) == list(range(8))
    assert rig.server.changed_bytes == []
    assert rig.uplink.counts.resent >= 4


async def test_a_lost_answer_is_asked_for_again_and_the_resend_is_byte_identical(make: Make) -> None:
    rig = await make(resend_s=0.1, resend_max_s=0.2)
    rig.server.answering = False
    async with rig.running(rig.uplink.run, rig.server.run):
        for number in range(5):
            await rig.journal.append(Lane.ALARM, [event(number)])
        await rig.server.until(lambda: rig.server.doubles >= 3)
        # While the server says nothing, only the oldest is sent again.
        assert {seq for _, _, seq in rig.server.arrivals[5:]} == {1}
        rig.server.answering = True
        assert await rig.uplink.flush(20)
    assert rig.server.changed_bytes == []
    assert rig.delivered(Lane.ALARM) == list(range(5))


async def test_an_answer_for_another_epoch_or_of_no_sense_forgets_nothing(make: Make) -> None:
    rig = await make(resend_s=60)
    rig.server.answering = False
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.journal.append(Lane.ALARM, [event(1)])
        await rig.server.until(lambda: rig.server.seqs(Lane.ALARM) == [1])
        assert rig.server.session is not None
        wrong = [
            encode(Stored(epoch="another", lane=Lane.ALARM, through=1)),
            encode(Stored(epoch=rig.journal.epoch, lane=Lane.BILLING, through=0)),
            b"{}",
            b"\xff" * 1000,
        ]
        for payload in wrong:
            await rig.server.session.publish(Publication(ADDRESS.stored(Lane.ALARM), payload))
        await rig.server.session.publish(Publication(ADDRESS.command("c-1"), b"[]"))
        rejected = Rejected(seq=1, index=0, reason="no such\x1b[31m device")
        last = Stored(epoch=rig.journal.epoch, lane=Lane.ALARM, through=0, rejected=(rejected,))
        await rig.server.session.publish(Publication(ADDRESS.stored(Lane.ALARM), encode(last)))
        async with asyncio.timeout(10):
            while not rig.rejected:
                await rig.server.session.publish(
                    Publication(ADDRESS.state, encode(GatewayState(online=True, boot="x")))
                )
                await rig.server.until(lambda: bool(rig.server.states))
                rig.server.states.clear()
        assert not await rig.uplink.flush(0.01)
        assert rig.uplink.counts.ignored == 5
        assert rig.uplink.counts.rejected == 1
        await rig.server.answer(ADDRESS, rig.journal.epoch, Lane.ALARM)
        assert await rig.uplink.flush(10)
    assert rig.rejected == [(Lane.ALARM, rejected)]


async def test_a_command_arrives_once_and_a_retained_one_never(make: Make) -> None:
    rig = await make()
    until = datetime.now(UTC) + timedelta(seconds=15)

    def command(name: str) -> Command:
        return Command(id=name, device="door-1", action="release", by="guard", until=until)

    async with connect(rig.broker.address(), client_id="old") as session:
        stale = Publication(ADDRESS.command("c-old"), encode(command("c-old")), retain=True)
        await session.publish(stale)
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.server.until(lambda: bool(rig.server.states))
        assert rig.server.session is not None
        other = Publication(ADDRESS.command("c-2"), encode(command("c-1")))
        await rig.server.session.publish(other)
        await rig.server.session.publish(Publication(ADDRESS.command("c-1"), encode(command("c-1"))))
        async with asyncio.timeout(10):
            await rig.commanded.wait()
    assert rig.commands == [command("c-1")]
    assert rig.uplink.counts.ignored == 2


async def test_the_last_will_speaks_when_the_gateway_dies_and_farewell_when_it_stops(make: Make) -> None:
    rig = await make()
    async with rig.running(rig.server.run):
        await rig.server.until(lambda: rig.server.session is not None)
        async with rig.running(rig.uplink.run):
            await rig.server.until(lambda: bool(rig.server.states))
            assert await rig.uplink.farewell("stopped")
            rig.uplink.beat()
        await rig.server.until(lambda: len(rig.server.states) >= 2)
        last = rig.server.states[-1]
        assert (last.online, last.boot, last.why, last.epoch) == (False, BOOT, "stopped", rig.journal.epoch)

        code = CHILD.format(port=rig.broker.port, path=str(rig.broker.folder / "child.sqlite"))
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
        await rig.server.until(lambda: rig.server.states[-1].boot == "child" and rig.server.states[-1].online)
        child.kill()
        await child.wait()
        await rig.server.until(lambda: not rig.server.states[-1].online)
    last = rig.server.states[-1]
    assert (last.boot, last.why) == ("child", "connection lost")


async def test_beat_publishes_the_state_now(make: Make) -> None:
    rig = await make()
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.server.until(lambda: len(rig.server.births) >= 1)
        for _ in range(3):
            before = len(rig.server.states)
            rig.uplink.beat()
            await rig.server.until(lambda before=before: len(rig.server.states) > before)  # type: ignore[misc]


async def published(rig: Rig, count: int) -> None:
    async with asyncio.timeout(10):
        while rig.uplink.counts.published < count:
            await asyncio.sleep(0)
    assert rig.uplink.counts.published == count


async def test_a_frozen_broker_holds_six_of_eight_and_alarms_take_the_rest(make: Make) -> None:
    rig = await make(window=8)
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.server.until(lambda: bool(rig.server.states))
        rig.broker.freeze()
        try:
            for number in range(20):
                await rig.journal.append(Lane.BILLING, [sample(number)])
            await published(rig, 6)
            for number in range(5):
                await rig.journal.append(Lane.ALARM, [event(number)])
            await published(rig, 8)
            for number in range(5, 10):
                await rig.journal.append(Lane.ALARM, [event(number)])
            assert rig.uplink.counts.published == 8
        finally:
            rig.broker.thaw()
        assert await rig.uplink.flush(20)


@pytest.mark.slow
async def test_an_alarm_overtakes_a_long_backlog(make: Make, tmp_path: Path) -> None:
    rig = await make(backlog_per_s=100)
    one_each = Grouping(group_s=0.01, items=1)
    async with await Journal.open(tmp_path / "long.sqlite", grouping=one_each) as journal:
        await journal.append(Lane.TELEMETRY, [sample(number) for number in range(10_000)])
        assert journal.lane_counts()[Lane.TELEMETRY].waiting == 10_000
        rig.journal, server = journal, rig.server
        rig.uplink = rig.new_uplink()
        async with rig.running(rig.uplink.run, server.run):
            await server.until(lambda: len(server.payloads) > 100)
            await journal.append(Lane.ALARM, [event(1)])
            await journal.append(Lane.TELEMETRY, [sample(20_000)])
            await server.until(lambda: (journal.epoch, Lane.ALARM, 1) in server.payloads)
            await server.until(lambda: (journal.epoch, Lane.TELEMETRY, 10_001) in server.payloads)
            assert len(server.payloads) < 500


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_broker_killed_under_load_loses_nothing(make: Make) -> None:
    rig = await make(resend_s=0.5, resend_max_s=1)
    appended, server = dict.fromkeys(Lane, 0), rig.server
    random = Random(5)

    async def load() -> None:
        while True:
            lane = random.choice(list(Lane))
            item = event(appended[lane]) if lane is Lane.ALARM else sample(appended[lane])
            await rig.journal.append(lane, [item])
            appended[lane] += 1
            await asyncio.sleep(0.002)  # a load, not a flood: the pace of the test

    async with rig.running(rig.uplink.run, server.run, load):
        for _ in range(4):
            wanted = len(server.payloads) + random.randrange(20, 80)
            await server.until(lambda wanted=wanted: len(server.payloads) >= wanted)  # type: ignore[misc]
            rig.broker.kill()
            more = sum(appended.values()) + 20
            await settled(rig.journal, lambda more=more: sum(appended.values()) >= more)  # type: ignore[misc]
            rig.broker.start()
    async with rig.running(rig.uplink.run, server.run):
        assert await rig.uplink.flush(40)
    for lane in Lane:
        found = rig.delivered(lane)
        assert found == list(range(len(found)))
        assert len(found) in {appended[lane], appended[lane] + 1}  # the last append may have been cut off
    assert server.changed_bytes == []
    assert rig.uplink.counts.connected >= 3  # a kill may come before it is back from the last one


async def test_a_new_epoch_is_told_with_a_new_birth(make: Make) -> None:
    rig = await make()
    async with rig.running(rig.uplink.run, rig.server.run):
        await rig.journal.append(Lane.ALARM, [event(1)])
        assert await rig.uplink.flush(20)
        old, store = rig.journal.epoch, rig.journal._store
        store._damage = "made up"
        rig.journal._thread.submit(store._close_db).result()
        await rig.journal.append(Lane.ALARM, [event(2)])
        assert rig.journal.epoch != old
        await rig.server.until(lambda: rig.server.seqs(Lane.ALARM, rig.journal.epoch) == [1])
        assert await rig.uplink.flush(20)
    assert rig.server.births[-1].epoch == rig.journal.epoch
    assert rig.delivered(Lane.ALARM) == [2]


async def test_a_journal_put_back_from_an_older_copy_swallows_nothing(make: Make, tmp_path: Path) -> None:
    rig = await make(resend_s=0.2, resend_max_s=0.4)
    async with rig.running(rig.uplink.run, rig.server.run):
        for number in range(5):
            await rig.journal.append(Lane.ALARM, [event(number)])
        assert await rig.uplink.flush(20)
        old, troubles = rig.journal.epoch, list[Trouble]()
    copy = tmp_path / "copy.sqlite"
    async with await Journal.open(copy, grouping=QUICK) as older:
        # A copy that was taken after the first two: the server has three more than it knows of.
        older._thread.submit(rename_epoch, older, old).result()
        for number in range(2):
            await older.append(Lane.ALARM, [event(number)])
    async with await Journal.open(copy, grouping=QUICK, on_trouble=troubles.append) as older:
        assert older.epoch == old
        await older.append(Lane.ALARM, [event(77)])
        rig.journal, server = older, rig.server
        rig.uplink = rig.new_uplink()
        async with rig.running(rig.uplink.run, server.run):
            await settled(older, lambda: older.epoch != old)
            assert await rig.uplink.flush(20)
            await older.append(Lane.ALARM, [event(78)])
            assert await rig.uplink.flush(20)
        assert rig.delivered(Lane.ALARM) == [0, 1, 77, 78]
        assert [trouble.code for trouble in troubles] == ["journal_put_back"]
        assert "put back from an older copy" in troubles[0].detail
    async with await Journal.open(copy) as again:
        assert again.epoch not in {"", old}, "the new name is on the disk"


def rename_epoch(journal: Journal, epoch: str) -> None:
    """Give a journal the name of another's numbering, as a copy has it."""
    store = journal._store
    assert store._db is not None
    store._db.execute("UPDATE meta SET value=? WHERE key='epoch'", (epoch,))
    store.epoch = epoch
