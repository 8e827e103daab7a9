"""The journal: what was read is on the disk, numbered, before anything is sent; kept until the server has it.

One writer thread owns the SQLite file. The event loop encodes, groups and waits, with one commit under way at
a time, so that items and state reach the disk in the order of the calls. Alarm items commit at once; those
that arrive while a commit is under way share the next one. Billing and telemetry wait up to `group_s` (or for
a full batch) and share one commit. `append` returns when its commit has returned, and never before.
"""

import asyncio
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import count
from pathlib import Path
from random import Random, SystemRandom
from types import TracebackType
from typing import Self, TypeVar

from gateway.clock import wall_clock
from gateway.delivery.journal_store import JournalStore, inspect
from gateway.delivery.journal_types import (
    Grouping,
    JournalBatch,
    JournalCounts,
    JournalDown,
    JournalFull,
    LaneCount,
    Limits,
    Packing,
    Trouble,
    Waiting,
    Write,
    random_id,
)
from messages.types import Item, Lane, LaneState

__all__ = [
    "Grouping",
    "Journal",
    "JournalBatch",
    "JournalDown",
    "JournalFull",
    "LaneCount",
    "Limits",
    "Trouble",
    "inspect",
    "random_id",
]

log = logging.getLogger(__name__)
T = TypeVar("T")

RING_ITEMS, RING_BYTES = 1000, 1024 * 1024


class Journal:
    """The gateway's memory of what the server does not have yet. Make one with `await Journal.open(...)`."""

    def __init__(
        self, store: JournalStore, *, grouping: Grouping, on_trouble: Callable[[Trouble], None]
    ) -> None:
        self.counts = JournalCounts()
        # Written by the writer thread; read from here only `epoch`, `lanes`, `state` and `set_aside`, each of
        # which is replaced whole or asked for one key.
        self._store = store
        self._packing = Packing(grouping.items, grouping.bytes)
        self._grouping = grouping
        self._on_trouble = on_trouble
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._loop = asyncio.get_running_loop()
        self._order = count(1)
        self._alarms: list[Waiting] = []
        self._grouped: list[Waiting] = []
        self._grouped_items = self._grouped_bytes = 0
        self._group_due = False
        self._group_timer: asyncio.TimerHandle | None = None
        self._ring: list[Write] = []
        self._ring_due = False
        self._ring_timer: asyncio.TimerHandle | None = None
        self._forget: dict[Lane, int] = {}
        self._forget_epoch = ""
        self._commit: asyncio.Future[list[JournalFull | None]] | None = None
        self._down = False
        self._full: set[Lane] = set()
        self._watchers: list[Callable[[], None]] = []
        self._aside: Path | None = None
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        limits: Limits | None = None,
        grouping: Grouping | None = None,
        clock: Callable[[], datetime] = wall_clock,
        random: Random | None = None,
        free_disk: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        on_trouble: Callable[[Trouble], None] = lambda _trouble: None,
    ) -> Self:
        """Open the journal, or begin one; raise `JournalDown` where the disk does not allow either."""
        dice, grouping = random or SystemRandom(), grouping or Grouping()
        store = JournalStore(
            path,
            limits=limits or Limits(),
            packing=Packing(grouping.items, grouping.bytes),
            clock=clock,
            new_epoch=lambda: random_id(dice),
            free_disk=free_disk,
        )
        journal = cls(store, grouping=grouping, on_trouble=on_trouble)
        try:
            await journal._run(store.open)
        except BaseException:
            journal._thread.shutdown(wait=True)
            raise
        journal._note_aside()
        return journal

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Write what is waiting, close the file and end the thread."""
        if self._closed:
            return
        self._closed = True
        self._cancel_timers()
        self._group_due = self._ring_due = True
        self._pump()
        try:
            while self._commit is not None:
                await asyncio.wait([self._commit])
        finally:
            self._cancel_timers()
            if self._ring:
                log.critical("journal: %d alarm items never reached the disk", self.ring_items)
            self._thread.submit(self._store.close)
            self._thread.shutdown(wait=True)

    @property
    def epoch(self) -> str:
        """The name of this numbering; it changes only when the file had to be set aside."""
        return self._store.epoch

    @property
    def down(self) -> bool:
        """True from a failed commit until the next one that succeeds."""
        return self._down

    @property
    def ring_items(self) -> int:
        """Alarm-lane items that are in memory only, waiting for the disk."""
        return sum(write.count for write in self._ring)

    def lane_counts(self) -> dict[Lane, LaneCount]:
        """Return the lanes in numbers."""
        return dict(self._store.lanes)

    def lanes(self) -> dict[Lane, LaneState]:
        """Return the lanes as the heartbeat tells them."""
        return {lane: count.state() for lane, count in self._store.lanes.items()}

    def load_state(self, key: str) -> bytes | None:
        """Return what the last committed `append` with this state key wrote."""
        return self._store.state.get(key)

    def state_keys(self) -> list[str]:
        """Return the keys under which state was written."""
        return list(self._store.state)

    # -- what the gateway writes --------------------------------------------------------------------------

    async def append(
        self, lane: Lane, items: Sequence[Item], *, state: Mapping[str, bytes] | None = None
    ) -> None:
        """Return when items and state are on the disk, in one transaction.

        Raise `JournalFull`, or `JournalDown` (see its `kept`), or `MessageError` for an item that cannot be
        sent. A cancelled call may or may not have been written.
        """
        if self._closed:
            raise JournalDown("the journal is closed")
        write = Write(lane, self._packing.chunks(items), dict(state or {}), next(self._order))
        if not write.chunks and not write.state:
            return
        done: asyncio.Future[None] = self._loop.create_future()
        if lane is Lane.ALARM:
            self._alarms.append(Waiting(write, done))
            # State is written in the order of the calls: an older value that still waits goes with this one.
            self._group_due |= any(key in older.write.state for key in write.state for older in self._grouped)
            self._pump()
        else:
            self._grouped.append(Waiting(write, done))
            self._grouped_items += write.count
            self._grouped_bytes += write.bytes
            self._group()
        await done

    async def claim_command(self, command_id: str) -> bool:
        """Write down, durably, that this command is about to run; False if it was written down before."""
        return await self._run(lambda: self._store.claim(command_id))

    async def was_run(self, command_id: str) -> bool:
        """True if this command was claimed before."""
        return await self._run(lambda: self._store.was_claimed(command_id))

    async def unsent(
        self, lane: Lane, after_seq: int, limit: int, *, max_bytes: int = 2**20
    ) -> list[JournalBatch]:
        """Return the kept batches of a lane that follow `after_seq`, in order; raise `JournalDown`."""
        return await self._run(lambda: self._store.unsent(lane, after_seq, limit, max_bytes))

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` on the event loop after each commit."""
        self._watchers.append(watcher)

    def forget(self, lane: Lane, through: int, *, epoch: str | None = None) -> None:
        """Delete the batches of `epoch` (this one) up to `through`, soon, together with the next commit.

        A deletion that is lost in a crash costs a second sending, which the server answers again.
        """
        epoch = epoch or self.epoch
        if epoch != self._forget_epoch:
            self._forget, self._forget_epoch = {}, epoch
        kept = self._store.lanes[lane]
        through = min(through, kept.next - 1)
        if through >= max(kept.first, self._forget.get(lane, 0)):
            self._forget[lane] = through
            self._start_group_timer()

    async def begin_epoch(self, why: str) -> None:
        """Send all that is kept, and what follows, under a new epoch; raise `JournalDown`."""
        await self._run(self._store.begin_epoch)
        self._forget.clear()  # those numbers were of the old epoch
        log.error("journal: %s: a new epoch has begun", why)
        self._on_trouble(Trouble("journal_put_back", f"{why}: what it kept is sent again under a new epoch"))

    # -- grouping -----------------------------------------------------------------------------------------

    def _group(self) -> None:
        if self._grouped_items >= self._grouping.items or self._grouped_bytes >= self._grouping.bytes:
            self._flush_groups()
        else:
            self._start_group_timer()

    def _start_group_timer(self) -> None:
        if self._group_timer is None and not self._closed:
            self._group_timer = self._loop.call_later(self._grouping.group_s, self._flush_groups)

    def _flush_groups(self) -> None:
        self._group_due = True
        self._pump()

    def _retry_ring(self) -> None:
        self._ring_timer, self._ring_due = None, True
        self._pump()

    def _cancel_timers(self) -> None:
        for timer in (self._group_timer, self._ring_timer):
            if timer is not None:
                timer.cancel()
        self._group_timer = self._ring_timer = None

    def _pump(self) -> None:
        """Start the next commit if one is due and none is under way."""
        if self._commit is not None or not (self._alarms or self._group_due or self._ring_due):
            return
        # What memory holds of earlier alarms goes first, into whatever is written next.
        group = [Waiting(write, None) for write in self._ring] + self._alarms
        self._ring, self._alarms, self._ring_due = [], [], False
        if self._group_due:
            group += self._grouped
            self._grouped, self._group_due = [], False
            self._grouped_items = self._grouped_bytes = 0
            if self._group_timer is not None:
                self._group_timer.cancel()
                self._group_timer = None
        group.sort(key=lambda waiting: waiting.write.order)
        forget, epoch = dict(self._forget), self._forget_epoch
        if group or forget:
            writes = [waiting.write for waiting in group]
            self._commit = self._start(lambda: self._store.commit(writes, forget, epoch))
            self._commit.add_done_callback(lambda done: self._committed(group, forget, done))

    # -- after a commit -----------------------------------------------------------------------------------

    def _committed(
        self,
        group: list[Waiting],
        forget: dict[Lane, int],
        job: "asyncio.Future[list[JournalFull | None]]",
    ) -> None:
        self._commit = None
        self._note_aside()
        failed = job.exception()
        if failed is None:
            self._note_back()
            self.counts.commits += 1
            for waiting, full in zip(group, job.result(), strict=True):
                self._answer(waiting, full)
            self._forgotten(forget)
            for watcher in self._watchers:
                watcher()
        else:
            self._refused(group, failed)
        if self._ring and not self._closed and self._ring_timer is None:
            self._ring_timer = self._loop.call_later(self._grouping.retry_s, self._retry_ring)
        self._pump()

    def _answer(self, waiting: Waiting, full: JournalFull | None) -> None:
        write, done = waiting.write, waiting.done
        if full is None:
            self._full.discard(write.lane)
            self.counts.items += write.count
            self.counts.samples += sum(chunk.samples for chunk in write.chunks)
            if done is not None and not done.done():
                done.set_result(None)
            return
        self.counts.refused_full += write.count
        if write.lane not in self._full:
            self._full.add(write.lane)
            log.error("journal: %s", full)
            self._on_trouble(Trouble("journal_full", str(full)))
        if done is None:
            self._ring.append(write)
        elif not done.done():
            done.set_exception(full)

    def _refused(self, group: list[Waiting], failed: BaseException) -> None:
        """Nothing of this commit is on the disk: tell the appenders, and hold alarms in memory."""
        down = isinstance(failed, JournalDown)
        for waiting in group:
            write, done = waiting.write, waiting.done
            kept = done is None or (down and write.lane is Lane.ALARM and self._ring_has_room(write))
            if kept:
                self._ring.append(write)
                self.counts.ring_kept += write.count if done is not None else 0
            else:
                self.counts.refused_down += write.count
            if done is not None and not done.done():
                done.set_exception(JournalDown(str(failed), kept=kept) if down else failed)
        lanes = {waiting.write.lane for waiting in group}
        self._ring_due = bool(self._ring) and lanes != {Lane.ALARM}  # alone they may still fit
        if down and not self._down:
            self._down = True
            log.error("journal: the disk takes nothing: %s", failed)
            self._on_trouble(Trouble("journal_down", str(failed)))

    def _ring_has_room(self, write: Write) -> bool:
        size = write.bytes + sum(held.bytes for held in self._ring)
        return self.ring_items + write.count <= RING_ITEMS and size <= RING_BYTES

    def _note_back(self) -> None:
        if self._down:
            self._down = False
            log.warning("journal: the disk takes writes again")
            self._on_trouble(Trouble("journal_back", "the disk takes writes again"))

    def _note_aside(self) -> None:
        aside = self._store.set_aside
        if aside is not None and aside != self._aside:
            self._aside = aside
            self._forget.clear()  # those numbers were of the old epoch
            text = f"the journal could not be read: it is kept as {aside.name}, and a new epoch has begun"
            self._on_trouble(Trouble("journal_corrupt", text))

    def _forgotten(self, forget: dict[Lane, int]) -> None:
        for lane, through in forget.items():
            if self._store.lanes[lane].first > through and self._forget.get(lane) == through:
                del self._forget[lane]
        if self._forget:
            self._start_group_timer()
        elif forget and not self._closed:
            self._start(self._store.give_back).add_done_callback(_log_failure)

    # -- the writer thread --------------------------------------------------------------------------------

    def _start(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        return self._loop.run_in_executor(self._thread, job)

    async def _run(self, job: Callable[[], T]) -> T:
        if self._closed:
            raise JournalDown("the journal is closed")
        return await asyncio.shield(self._start(job))


def _log_failure(job: "asyncio.Future[None]") -> None:
    error = None if job.cancelled() else job.exception()
    if isinstance(error, JournalDown):
        log.warning("journal: cannot give space back: %s", error)
    elif error is not None:
        raise error
