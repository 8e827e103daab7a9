"""What the journal is made of: its errors, limits, and the pure packing of items into batches."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec

from messages.codec import MAX_BATCH_BYTES, MessageError, encode_items
from messages.types import CommandResult, DeviceEvent, Gap, Item, Lane, LaneState, Sample

_ID_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789"
MB = 1024 * 1024
ROW_BYTES = 80  # what a row costs beside its items: counted, so that many small batches stay bounded too
MAX_CHUNK_BYTES = MAX_BATCH_BYTES - 4096  # leaves room for the envelope


class JournalDown(Exception):
    """The disk does not take what was appended (full, read-only, damaged, busy): it is NOT kept on disk.

    `kept` is True where the journal holds these alarm-lane items in memory and will write them by itself as
    soon as the disk is back: do not append them again, and know that they die with the process.
    """

    def __init__(self, text: str, *, kept: bool = False) -> None:
        super().__init__(text)
        self.kept = kept


class JournalFull(Exception):
    """The lane's reserved bytes are used up: what was appended is NOT kept."""


class JournalCorrupt(Exception):
    """The file is not a journal that can be read."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much disk each lane may use; below `free_disk_mb` of free disk telemetry stops growing."""

    alarm_mb: int = 64
    billing_mb: int = 256
    telemetry_mb: int = 512
    free_disk_mb: int = 200

    def of(self, lane: Lane) -> int:
        """Return the lane's bound in bytes."""
        megabytes = {
            Lane.ALARM: self.alarm_mb,
            Lane.BILLING: self.billing_mb,
            Lane.TELEMETRY: self.telemetry_mb,
        }
        return megabytes[lane] * MB


class Grouping(msgspec.Struct, frozen=True, kw_only=True):
    """How long billing and telemetry may wait to share a commit, and how often a lost disk is tried again."""

    group_s: float = 0.5
    """A power cut costs what was read in this time; half of it took a sixth more processor and twice the flash."""
    items: int = 500
    bytes: int = 60_000
    retry_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something to raise an alarm about: `journal_` and `down`, `back`, `full`, `corrupt` or `put_back`."""

    code: str
    detail: str


@dataclass(slots=True)
class JournalCounts:
    """What happened in this life of the process; for metrics."""

    items: int = 0
    samples: int = 0
    commits: int = 0
    refused_full: int = 0
    refused_down: int = 0
    ring_kept: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Encoded items that stay together: JSON objects joined by commas, without the array's brackets."""

    body: bytes
    count: int
    samples: int
    at_first: int
    at_last: int


@dataclass(frozen=True, slots=True)
class Write:
    """What one `append` asks for: chunks for one lane and the state that changes with them."""

    lane: Lane
    chunks: tuple[Chunk, ...]
    state: Mapping[str, bytes] = field(default_factory=dict)
    order: int = 0  # of the calls, over all lanes

    @property
    def bytes(self) -> int:
        """What this write will cost in its lane, at most."""
        return sum(len(chunk.body) + 2 + ROW_BYTES for chunk in self.chunks)

    @property
    def count(self) -> int:
        """How many items this is."""
        return sum(chunk.count for chunk in self.chunks)


@dataclass(slots=True)
class Waiting:
    """A write that is to be committed, and who waits for that: nobody (None) once it lies in the ring."""

    write: Write
    done: asyncio.Future[None] | None


@dataclass(frozen=True, slots=True)
class JournalBatch:
    """A numbered batch as it lies in the journal; `items` never changes. Times are milliseconds, UTC."""

    lane: Lane
    seq: int
    items: bytes
    samples: int
    appended: int
    at_first: int
    at_last: int


@dataclass(frozen=True, slots=True)
class LaneCount:
    """A lane in numbers; `first == next` where it is empty."""

    first: int
    next: int
    bytes: int
    oldest: int | None = None

    @property
    def waiting(self) -> int:
        """How many batches are kept."""
        return self.next - self.first

    def state(self) -> LaneState:
        """Return it as the heartbeat tells it."""
        at = None if self.oldest is None else instant(self.oldest)
        return LaneState(first=self.first, next=self.next, bytes=self.bytes, oldest_at=at)


@dataclass(frozen=True, slots=True)
class Packing:
    """How much may go into one batch."""

    items: int = 500
    bytes: int = 60_000

    def pack(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """Join neighbours into batches, in order; a chunk that is too large alone stays alone."""
        batches: list[list[Chunk]] = []
        count = size = 0
        for chunk in chunks:
            grown = size + len(chunk.body) + 1
            if not batches or count + chunk.count > self.items or grown > self.bytes:
                batches.append([])
                count, grown = 0, len(chunk.body) + 2
            batches[-1].append(chunk)
            count, size = count + chunk.count, grown
        return [_joined(batch) for batch in batches]

    def chunks(self, items: Sequence[Item]) -> tuple[Chunk, ...]:
        """Encode items into as few chunks as fit; raise `MessageError` for one that no batch can carry."""
        if not items:
            return ()
        body = encode_items(tuple(items))[1:-1]
        if len(items) > self.items or (len(items) > 1 and len(body) > self.bytes):
            middle = len(items) // 2
            return self.chunks(items[:middle]) + self.chunks(items[middle:])
        if len(body) > MAX_CHUNK_BYTES:
            raise MessageError(f"an item of {len(body)} bytes; one batch carries {MAX_CHUNK_BYTES}")
        times = [millis(_instant_of(item)) for item in items]
        return (Chunk(body, len(items), sum(map(samples_in, items)), min(times), max(times)),)


def random_id(random: Random, length: int = 12) -> str:
    """Return a random name that may be a topic level: for epochs and boots."""
    return "".join(random.choice(_ID_CHARS) for _ in range(length))


def samples_in(item: Item) -> int:
    """Count the point values of a sample; any other item counts as one."""
    return len(item.values) if isinstance(item, Sample) else 1


def millis(at: datetime) -> int:
    """Return the instant as milliseconds since 1970, UTC."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def instant(ms: int) -> datetime:
    """Return the instant of so many milliseconds since 1970, UTC, exactly."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def _instant_of(item: Item) -> datetime:
    match item:
        case Sample() | CommandResult():
            return item.at
        case DeviceEvent():
            return item.seen_at
        case Gap():
            return item.until


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    return Chunk(
        body=b",".join(chunk.body for chunk in chunks),
        count=sum(chunk.count for chunk in chunks),
        samples=sum(chunk.samples for chunk in chunks),
        at_first=min(chunk.at_first for chunk in chunks),
        at_last=max(chunk.at_last for chunk in chunks),
    )
