"""The journal on real SQLite files: what `append` returned for is there, numbered, after whatever happens."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.delivery.journal import Grouping, Journal, JournalDown, inspect
from messages.codec import MessageError, encode_items
from messages.topics import checked
from messages.types import Lane, Sample
from tests.support.journal import START, Box, event, everything, items_of, numbers, sample, settled


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.fixture
async def journal(box: Box) -> AsyncIterator[Journal]:
    async with await box.open() as opened:
        yield opened


async def test_each_lane_numbers_from_one_and_survives_closing(box: Box) -> None:
    async with await box.open() as journal:
        epoch = journal.epoch
        await journal.append(Lane.ALARM, [event(1)])
        await journal.append(Lane.ALARM, [event(2)])
        await journal.append(Lane.BILLING, [sample(3)])
    async with await box.open() as journal:
        assert journal.epoch == epoch
        await journal.append(Lane.ALARM, [event(4)])
        alarms = await everything(journal, Lane.ALARM)
        assert [batch.seq for batch in alarms] == [1, 2, 3]
        assert numbers(alarms) == [1, 2, 4]
        assert [batch.seq for batch in await everything(journal, Lane.BILLING)] == [1]
        assert journal.lanes()[Lane.TELEMETRY].first == journal.lanes()[Lane.TELEMETRY].next == 1
    assert box.troubles == []


async def test_a_batch_holds_exactly_what_the_codec_encodes(journal: Journal) -> None:
    items = (sample(1, points=3), sample(2))
    await journal.append(Lane.TELEMETRY, items)
    (batch,) = await everything(journal, Lane.TELEMETRY)
    assert batch.items == encode_items(items)
    assert items_of(batch) == items
    assert batch.samples == 4


async def test_telemetry_that_arrives_together_becomes_one_batch(box: Box) -> None:
    async with await box.open(grouping=Grouping(group_s=0.2)) as journal, asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(journal.append(Lane.TELEMETRY, [sample(number)]))
    async with await box.open() as journal:
        (batch,) = await everything(journal, Lane.TELEMETRY)
        assert numbers([batch]) == list(range(20))


async def test_a_full_batch_does_not_wait_for_the_clock(box: Box) -> None:
    async with await box.open(grouping=Grouping(group_s=3600, items=10)) as journal:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(journal.append(Lane.TELEMETRY, [sample(number)]))
        assert numbers(await everything(journal, Lane.TELEMETRY)) == list(range(20))


async def test_an_alarm_commits_at_once_while_telemetry_waits(box: Box) -> None:
    async with await box.open(grouping=Grouping(group_s=3600)) as journal:
        slow = asyncio.create_task(journal.append(Lane.TELEMETRY, [sample(1)]))
        async with asyncio.timeout(10):
            await journal.append(Lane.ALARM, [event(2)])
        assert not slow.done()
        assert await everything(journal, Lane.TELEMETRY) == []
        await journal.close()
        await slow


async def test_alarms_that_come_during_a_commit_share_the_next_one_in_order(journal: Journal) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(journal.append(Lane.ALARM, [event(number)]))
    assert numbers(await everything(journal, Lane.ALARM)) == list(range(200))
    assert journal.counts.commits < 10


async def test_more_than_a_batch_carries_is_split_and_stays_in_order(box: Box) -> None:
    async with await box.open(grouping=Grouping(group_s=0.01, items=50, bytes=20_000)) as journal:
        await journal.append(Lane.BILLING, [sample(n, points=8, width=40) for n in range(300)])
        batches = await everything(journal, Lane.BILLING)
    assert [batch.seq for batch in batches] == list(range(1, len(batches) + 1))
    assert numbers(batches) == list(range(300))
    assert all(len(batch.items) <= 20_000 for batch in batches)


async def test_an_item_that_no_batch_can_carry_is_refused_and_nothing_of_it_is_kept(journal: Journal) -> None:
    huge = Sample(
        device="m", at=START, values={"n": Decimal(1)}, raw={f"p{n}": "00" * 2048 for n in range(200)}
    )
    with pytest.raises(MessageError, match="one batch carries"):
        await journal.append(Lane.BILLING, [sample(1), huge])
    with pytest.raises(MessageError):
        await journal.append(Lane.BILLING, [Sample(device="m", at=START, values={"n": Decimal("NaN")})])
    assert await everything(journal, Lane.BILLING) == []


async def test_nothing_to_append_is_no_batch(journal: Journal) -> None:
    await journal.append(Lane.ALARM, [])
    assert journal.lanes()[Lane.ALARM].next == 1


async def test_unsent_respects_number_count_and_bytes(box: Box) -> None:
    async with await box.open(grouping=Grouping(group_s=0.01, items=1)) as journal:
        await journal.append(Lane.TELEMETRY, [sample(n) for n in range(10)])
        assert [b.seq for b in await journal.unsent(Lane.TELEMETRY, 3, 4)] == [4, 5, 6, 7]
        assert [b.seq for b in await journal.unsent(Lane.TELEMETRY, 3, 4, max_bytes=1)] == [4]
        assert await journal.unsent(Lane.TELEMETRY, 10, 4) == []


async def test_forgetting_frees_the_lane_and_never_reuses_a_number(box: Box) -> None:
    async with await box.open(grouping=Grouping(group_s=0.01, items=1)) as journal:
        await journal.append(Lane.TELEMETRY, [sample(n) for n in range(1200)])
        journal.forget(Lane.TELEMETRY, 1199)
        await settled(journal, lambda: journal.lanes()[Lane.TELEMETRY].first == 1200)
        journal.forget(Lane.TELEMETRY, 10**9)  # a number never given: no later batch may fall to it
        await settled(journal, lambda: journal.lanes()[Lane.TELEMETRY].first == 1201)
        assert journal.lane_counts()[Lane.TELEMETRY].bytes == 0
    async with await box.open() as journal:
        await journal.append(Lane.TELEMETRY, [sample(5000)])
        (batch,) = await everything(journal, Lane.TELEMETRY)
        assert batch.seq == 1201


async def test_a_number_of_another_epoch_forgets_nothing(journal: Journal) -> None:
    await journal.append(Lane.ALARM, [event(1)])
    journal.forget(Lane.ALARM, 1, epoch="another")
    await journal.append(Lane.TELEMETRY, [sample(2)])
    assert numbers(await everything(journal, Lane.ALARM)) == [1]


async def test_state_is_there_after_a_restart_and_the_latest_append_wins(box: Box) -> None:
    async with await box.open(grouping=Grouping(group_s=3600)) as journal:
        older = asyncio.create_task(
            journal.append(Lane.TELEMETRY, [sample(1)], state={"edge": b"old", "x": b"1"})
        )
        await asyncio.sleep(0)  # let it take its place
        await journal.append(Lane.ALARM, [event(2)], state={"edge": b"new"})
        await older
        assert (journal.load_state("edge"), journal.load_state("x")) == (b"new", b"1")
    async with await box.open() as journal:
        assert (journal.load_state("edge"), journal.load_state("x")) == (b"new", b"1")
        assert journal.load_state("never") is None


async def test_a_command_is_claimed_once_for_ever(box: Box) -> None:
    async with await box.open() as journal:
        assert not await journal.was_run("c-1")
        assert [await journal.claim_command("c-1") for _ in range(3)] == [True, False, False]
    async with await box.open() as journal:
        assert await journal.was_run("c-1")
        assert not await journal.claim_command("c-1")


async def test_two_gateways_cannot_share_a_journal(box: Box) -> None:
    async with await box.open():
        with pytest.raises(JournalDown, match="another gateway"):
            await box.open()
    async with await box.open():
        pass


async def test_a_running_journal_can_be_inspected(box: Box, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no journal yet"):
        inspect(tmp_path / "none.sqlite")
    async with await box.open() as journal:
        await journal.append(Lane.ALARM, [event(1)])
        epoch, lanes = inspect(box.path)
        assert (epoch, lanes[Lane.ALARM].waiting) == (journal.epoch, 1)


async def test_a_closed_journal_refuses(box: Box) -> None:
    journal = await box.open()
    await journal.close()
    await journal.close()
    with pytest.raises(JournalDown, match="closed"):
        await journal.append(Lane.ALARM, [event(1)])
    with pytest.raises(JournalDown, match="closed"):
        await journal.claim_command("c")


async def test_a_file_of_a_newer_version_is_left_alone(box: Box) -> None:
    async with await box.open():
        pass
    with sqlite3.connect(box.path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(JournalDown, match="newer"):
        await box.open()
    assert sorted(path.name for path in box.path.parent.iterdir() if "corrupt" in path.name) == []


async def test_the_epoch_may_be_a_topic_level_and_differs(tmp_path: Path) -> None:
    epochs = set()
    for number in range(3):
        async with await Journal.open(tmp_path / f"{number}.sqlite") as journal:
            epochs.add(checked(journal.epoch))
    assert len(epochs) == 3
