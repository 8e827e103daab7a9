"""The uplink when brokers die, backlogs are long, and journals are new or old: all that was appended arrives."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from gateway.delivery.journal import Grouping, Journal, Trouble
from messages.types import Lane
from tests.support import broker as broker_support
from tests.support import uplink as uplink_support
from tests.support.journal import event, sample, settled
from tests.support.uplink import QUICK, Make, Rig

broker, make = broker_support.broker, uplink_support.make  # the fixtures


async def published(rig: Rig, count: int) -> None:
    async with asyncio.timeout(90):
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
        assert await rig.uplink.flush(90)


@pytest.mark.slow
async def test_an_alarm_overtakes_a_long_backlog(make: Make, tmp_path: Path) -> None:
    rig = await make(backlog_per_s=100)
    one_each = Grouping(group_s=0.01, items=1)
    async with await Journal.open(tmp_path / "long.sqlite", grouping=one_each) as journal:
        await journal.append(Lane.TELEMETRY, [sample(number) for number in range(3_000)])
        assert journal.lane_counts()[Lane.TELEMETRY].waiting == 3_000
        rig.journal, server = journal, rig.server
        rig.uplink = rig.new_uplink()
        async with rig.running(rig.uplink.run, server.run):
            await server.until(lambda: len(server.payloads) > 100)
            await journal.append(Lane.ALARM, [event(1)])
            await journal.append(Lane.TELEMETRY, [sample(20_000)])
            await server.until(lambda: (journal.epoch, Lane.ALARM, 1) in server.payloads)
            await server.until(lambda: (journal.epoch, Lane.TELEMETRY, 3_001) in server.payloads)
            assert len(server.payloads) < 1500, "it waited for half of what was there before it"


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_broker_killed_under_load_loses_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messages.broker.LONGEST_WAIT_S", 0.5)  # it is killed often, and comes back each time
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
        assert await rig.uplink.flush(200)
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
        assert await rig.uplink.flush(90)
        old, store = rig.journal.epoch, rig.journal._store
        store._damage = "made up"
        rig.journal._thread.submit(store._close_db).result()
        await rig.journal.append(Lane.ALARM, [event(2)])
        assert rig.journal.epoch != old
        await rig.server.until(lambda: rig.server.seqs(Lane.ALARM, rig.journal.epoch) == [1])
        assert await rig.uplink.flush(90)
    assert rig.server.births[-1].epoch == rig.journal.epoch
    assert rig.delivered(Lane.ALARM) == [2]


async def test_a_journal_put_back_from_an_older_copy_swallows_nothing(make: Make, tmp_path: Path) -> None:
    rig = await make(resend_s=0.2, resend_max_s=0.4)
    async with rig.running(rig.uplink.run, rig.server.run):
        for number in range(5):
            await rig.journal.append(Lane.ALARM, [event(number)])
        assert await rig.uplink.flush(90)
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
            assert await rig.uplink.flush(90)
            await older.append(Lane.ALARM, [event(78)])
            assert await rig.uplink.flush(90)
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
