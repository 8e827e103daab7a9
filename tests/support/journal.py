"""Items for journal and uplink tests, told apart by a number, and a way to read batches back."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from gateway.delivery.journal import Grouping, Journal, JournalBatch, Limits, Trouble
from messages.codec import batch_payload, decode_batch
from messages.types import DeviceEvent, Edge, Item, Lane, Sample

START = datetime(2026, 5, 1, tzinfo=UTC)
NO_END = 2**31
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


def sample(number: int, *, points: int = 1, width: int = 0) -> Sample:
    """A sample whose first value is `number`; `width` adds so many digits to the others."""
    values: dict[str, Decimal | bool | None] = {"n": Decimal(number)}
    values |= {f"p{index}": Decimal("1" * max(1, min(width, 40))) for index in range(1, points)}
    return Sample(device="m-1", at=START + timedelta(milliseconds=number), values=values)


def event(number: int) -> DeviceEvent:
    """An alarm whose detail is `number`."""
    return DeviceEvent(
        device="d-1",
        code="smoke",
        edge=Edge.RAISED,
        seen_at=START + timedelta(milliseconds=number),
        detail=str(number),
    )


def number_of(item: Item) -> int:
    """The number that `sample` or `event` was given."""
    if isinstance(item, Sample):
        value = item.values["n"]
        assert isinstance(value, Decimal)
        return int(value)
    assert isinstance(item, DeviceEvent), item
    return int(item.detail)


def items_of(batch: JournalBatch) -> tuple[Item, ...]:
    """Decode a batch as the server will."""
    return decode_batch(batch_payload("gw", "epoch", batch.lane, batch.seq, batch.items)).items


def numbers(batches: Sequence[JournalBatch]) -> list[int]:
    """All numbers in order of the batches."""
    return [number_of(item) for batch in batches for item in items_of(batch)]


async def everything(journal: Journal, lane: Lane) -> list[JournalBatch]:
    """Every batch that is kept in a lane."""
    return await journal.unsent(lane, 0, NO_END, max_bytes=NO_END)


async def settled(journal: Journal, condition: Callable[[], bool], seconds: float = 90.0) -> None:
    """Wait until the condition is true; it is judged after each commit."""
    committed = asyncio.Event()
    journal.watch(committed.set)
    async with asyncio.timeout(seconds):
        while not condition():
            committed.clear()
            await committed.wait()
