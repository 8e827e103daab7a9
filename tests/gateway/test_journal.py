"""The journal on real SQLite files: what `append` returned for is there, numbered, after whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from gateway.journal import Grouping, Journal, Limits, Trouble
from messages.codec import encode_items
from messages.types import Lane
from tests.support.journal import START, event, everything, items_of, numbers, sample

QUICK = Grouping(group_s=0.01, retry_s=0.01)
PLENTY = 2**40


class Box:
    """Opens the same journal file again and again, with one clock and a list of troubles."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.sqlite"
        self.troubles: list[Trouble] = []
        self.free = PLENTY
        self.now = START
        self.random = Random(7)

    def clock(self) -> datetime:
        return self.now

    async def open(self, *, limits: Limits | None = None, grouping: Grouping = QUICK) -> Journal:
        return await Journal.open(
            self.path,
            limits=limits,
            grouping=grouping,
            clock=self.clock,
            random=self.random,
            free_disk=lambda _folder: self.free,
            on_trouble=self.troubles.append,
        )

    @property
    def codes(self) -> list[str]:
        return [trouble.code for trouble in self.troubles]


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
