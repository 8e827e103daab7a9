import asyncio
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

import gateway.delivery.recorder
from gateway.delivery.journal import Journal, JournalDown, JournalFull
from gateway.delivery.recorder import JournalRecorder
from messages.codec import MessageError, batch_payload, decode_batch
from messages.types import DeviceEvent, Edge, Item, Lane, Sample
from tests.support.gateway import START


def sample(number: int, device: str = "m") -> Sample:
    return Sample(device=device, at=START, values={"p": Decimal(number)})


EVENT = DeviceEvent(device="m", code="e", edge=Edge.RAISED, seen_at=START)


class Book:
    """A journal whose disk may fail; `kept` is what it has."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.kept: list[Item] = []
        self.tried = asyncio.Event()

    async def append(
        self, lane: Lane, items: Sequence[Item], *, state: Mapping[str, bytes] | None = None
    ) -> None:
        self.tried.set()
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if any(isinstance(item, Sample) and item.device == "poison" for item in items):
            raise MessageError("not a number")
        self.kept += items


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.delivery.recorder, "RETRY_S", 0.001)


def numbers(items: Sequence[Item]) -> list[int]:
    return [
        int(item.values["p"]) for item in items if isinstance(item, Sample) and item.values["p"] is not None
    ]


async def test_what_begins_is_a_warning_and_what_ends_or_is_said_once_is_not(caplog):
    caplog.set_level(logging.DEBUG)
    begun, over, card = (msgspec.structs.replace(EVENT, edge=edge) for edge in Edge)
    nothing = msgspec.structs.replace(over, part="1/1/42/7")
    book = Book()
    await JournalRecorder(book).events((begun, over, card, nothing), {}, quiet={nothing})
    assert book.kept == [begun, over, card, nothing]
    levels = [logging.WARNING, logging.INFO, logging.INFO, logging.DEBUG]
    assert [
        record.levelno for record in caplog.records if record.name == "gateway.delivery.recorder"
    ] == levels


async def test_samples_reach_a_real_journal_in_order_and_are_counted(tmp_path: Path):
    read: list[int] = []
    async with await Journal.open(tmp_path / "journal.sqlite") as journal:
        recorder = JournalRecorder(journal, read=read.append)
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run(Lane.TELEMETRY))
            group.create_task(recorder.run(Lane.BILLING))
            for number in range(1200):
                recorder.sample(Lane.TELEMETRY, sample(number), read=number % 2 == 0)
            recorder.close()
        batches = await journal.unsent(Lane.TELEMETRY, 0, 100)
    payloads = [batch_payload("g", "e", Lane.TELEMETRY, batch.seq, batch.items) for batch in batches]
    assert numbers([item for payload in payloads for item in decode_batch(payload).items]) == list(
        range(1200)
    )
    assert sum(read) == 600, "what did not come off a wire is not counted as read"


@pytest.mark.parametrize("error", [JournalDown("disk"), JournalFull("full")])
async def test_samples_wait_while_the_disk_takes_nothing(error: Exception):
    book = Book(error)
    recorder = JournalRecorder(book)
    running = asyncio.create_task(recorder.run(Lane.BILLING))
    for number in range(10):
        recorder.sample(Lane.BILLING, sample(number), read=True)
    await book.tried.wait()
    assert book.kept == []
    book.error = None
    recorder.close()
    await running
    assert numbers(book.kept) == list(range(10))


async def test_memory_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gateway.delivery.recorder, "MAX_WAITING", {Lane.TELEMETRY: 5, Lane.BILLING: 5})
    lost: list[int] = []
    book = Book()
    recorder = JournalRecorder(book, lost=lambda _lane, count: lost.append(count))
    for number in range(8):
        recorder.sample(Lane.TELEMETRY, sample(number), read=True)
    recorder.close()
    await recorder.run(Lane.TELEMETRY)
    assert numbers(book.kept) == [3, 4, 5, 6, 7]
    assert sum(lost) == 3


async def test_a_stop_with_a_dead_disk_ends_and_says_what_is_lost():
    lost: list[int] = []
    recorder = JournalRecorder(Book(JournalDown("disk")), lost=lambda _lane, count: lost.append(count))
    recorder.sample(Lane.TELEMETRY, sample(1), read=True)
    recorder.close()
    await recorder.run(Lane.TELEMETRY)
    assert sum(lost) == 1


async def test_one_sample_that_cannot_be_sent_costs_itself():
    lost: list[int] = []
    read: list[int] = []
    book = Book()
    recorder = JournalRecorder(book, read=read.append, lost=lambda _lane, count: lost.append(count))
    for number, device in enumerate(["m", "poison", "m"]):
        recorder.sample(Lane.TELEMETRY, sample(number, device), read=True)
    recorder.close()
    await recorder.run(Lane.TELEMETRY)
    assert numbers(book.kept) == [0, 2]
    assert (sum(lost), sum(read)) == (1, 2)


@pytest.mark.parametrize(
    ("error", "kept"),
    [(None, True), (JournalDown("x"), False), (JournalDown("x", kept=True), True), (JournalFull("x"), False)],
)
async def test_who_keeps_an_edge(error: Exception | None, kept: bool):
    assert await JournalRecorder(Book(error)).events((EVENT,), {"k": b"v"}) is kept
