"""From the lines into the journal: lines never wait for the disk, alarm edges never wait for samples.

Samples wait here in memory while the journal's group commit is under way, and while the disk takes nothing; not for
ever: what no longer fits is dropped, oldest telemetry first, counted and said.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.delivery.journal import JournalDown, JournalFull
from messages.codec import MessageError
from messages.types import DeviceEvent, Edge, Item, Lane, Sample

log = logging.getLogger(__name__)

AT_ONCE = 2000  # samples that are under way to the disk at a time
VALUES = (
    1200  # in one append: some 40 kB, less than a batch, so that the journal never has to encode it twice
)
MAX_WAITING: Mapping[Lane, int] = {Lane.BILLING: 200_000, Lane.TELEMETRY: 200_000}  # values: some 25 MB each
RETRY_S = 1.0
_LEVELS: Mapping[Edge, int] = {Edge.RAISED: logging.WARNING}


class Book(Protocol):
    """What is needed of the journal."""

    async def append(
        self, lane: Lane, items: Sequence[Item], *, state: Mapping[str, bytes] | None = None
    ) -> None:
        """As `Journal.append`."""


class _Waiting(NamedTuple):
    sample: Sample
    read: int
    """How many point values came off a wire."""
    settled: Callable[[bool], None] | None


@dataclass(slots=True, eq=False)
class _Queue:
    lane: Lane
    waiting: deque[_Waiting] = field(default_factory=deque)
    values: int = 0
    """Point values in memory, those that are on their way to the disk among them."""
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    lost: int = 0
    stuck: bool = False


@dataclass(slots=True, eq=False)
class JournalRecorder:
    """Takes samples and events from all lines; `run` is one task per lane of samples."""

    book: Book
    read: Callable[[int], None] = lambda _values: None
    """Told how many point values that came off a wire are now in the journal."""
    lost: Callable[[Lane, int], None] = lambda _lane, _samples: None
    _queues: dict[Lane, _Queue] = field(
        default_factory=lambda: {lane: _Queue(lane) for lane in (Lane.BILLING, Lane.TELEMETRY)}
    )
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def sample(
        self, lane: Lane, sample: Sample, *, read: bool, settled: Callable[[bool], None] | None = None
    ) -> None:
        """Take a sample; never waits. `settled` is told once whether the journal has it or it was dropped."""
        queue = self._queues[lane]
        queue.waiting.append(_Waiting(sample, len(sample.values) if read else 0, settled))
        queue.values += len(sample.values)
        while queue.values > MAX_WAITING[lane] and queue.waiting:
            oldest = queue.waiting.popleft()
            queue.values -= len(oldest.sample.values)
            self._dropped(queue, [oldest], "memory is full while the disk takes nothing")
        queue.filled.set()

    async def events(
        self, events: Sequence[DeviceEvent], state: Mapping[str, bytes], quiet: Collection[DeviceEvent] = ()
    ) -> bool:
        """Journal events with the state they lead to; False if nobody keeps them, so that they come again.

        Those in `quiet` are no news to whoever reads the log: a host of a thousand detectors says of each what it
        does not have.
        """
        for event in events:
            level = logging.DEBUG if event in quiet else _LEVELS.get(event.edge, logging.INFO)
            # What happened once may name people, their cards and cars: a log is no place for them.
            detail = "" if event.edge is Edge.PULSE else f" ({event.detail})"
            log.log(level, "%s: %s %s%s", event.device, event.code, event.edge.value, detail)
        try:
            await self.book.append(Lane.ALARM, events, state=state)
        except JournalDown as err:
            return err.kept  # the journal holds them in memory and writes them by itself
        except JournalFull:
            return False  # said by the journal
        return True

    async def run(self, lane: Lane) -> None:
        """Journal the samples of one lane until `close`, then what still waits."""
        queue = self._queues[lane]
        while queue.waiting or not self._closing.is_set():
            await queue.filled.wait()
            queue.filled.clear()
            while queue.waiting:
                if not await self._append(queue):
                    if self._closing.is_set():
                        self._dropped(
                            queue, list(queue.waiting), "the gateway stops and the disk takes nothing"
                        )
                        return
                    await self._pause()

    def close(self) -> None:
        """Let each `run` end when its queue is empty."""
        self._closing.set()
        for queue in self._queues.values():
            queue.filled.set()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(RETRY_S):
                await self._closing.wait()
        except TimeoutError:
            pass

    async def _append(self, queue: _Queue) -> bool:
        """Journal what waits, in pieces that share commits; False if some of it must wait for the disk."""
        pieces: list[list[_Waiting]] = []
        size = VALUES
        for _ in range(min(AT_ONCE, len(queue.waiting))):
            each = queue.waiting.popleft()
            if size >= VALUES:
                pieces.append([])
                size = 0
            pieces[-1].append(each)
            size += len(each.sample.values)
        taken = sum(len(each.sample.values) for piece in pieces for each in piece)
        left = await asyncio.gather(*(self._put(queue, piece) for piece in pieces))
        queue.waiting.extendleft(each for piece in reversed(left) for each in reversed(piece))
        queue.values -= taken - sum(len(each.sample.values) for piece in left for each in piece)
        if any(left):
            return False
        if queue.stuck:
            queue.stuck = False
            log.info("%s samples reach the journal again", queue.lane.value)
        return True

    async def _put(self, queue: _Queue, taken: Sequence[_Waiting]) -> Sequence[_Waiting]:
        """Journal these samples in one piece; return what must wait for the disk."""
        try:
            await self.book.append(queue.lane, [each.sample for each in taken])
        except (JournalDown, JournalFull) as err:
            if not queue.stuck:
                queue.stuck = True
                log.warning("%s samples wait in memory: %s", queue.lane.value, err)
            return taken
        except MessageError:
            return await self._one_by_one(queue, taken)
        self.read(sum(each.read for each in taken))
        _settle(taken, kept=True)
        return ()

    async def _one_by_one(self, queue: _Queue, taken: Sequence[_Waiting]) -> Sequence[_Waiting]:
        """Something in there cannot be sent: it costs itself and not its neighbours."""
        left = []
        for each in taken:
            try:
                await self.book.append(queue.lane, [each.sample])
            except (JournalDown, JournalFull):
                left.append(each)
            except MessageError as err:
                self._dropped(queue, [each], f"a sample of {each.sample.device} cannot be sent: {err}")
            else:
                self.read(each.read)
                _settle([each], kept=True)
        return left

    def _dropped(self, queue: _Queue, samples: Sequence[_Waiting], why: str) -> None:
        if queue.lost == 0:
            log.error("%s samples are lost: %s", queue.lane.value, why)
        queue.lost += len(samples)
        self.lost(queue.lane, len(samples))
        _settle(samples, kept=False)


def _settle(samples: Sequence[_Waiting], *, kept: bool) -> None:
    for each in samples:
        if each.settled is not None:
            each.settled(kept)
