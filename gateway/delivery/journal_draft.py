"""One journal transaction: numbering, room per lane, and the admission of what had to be dropped."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace

from gateway.delivery.journal_types import (
    MB,
    ROW_BYTES,
    Chunk,
    JournalFull,
    LaneCount,
    Limits,
    Packing,
    Write,
    instant,
)
from messages.types import Gap, Lane

EVICT_SHARE = 16  # a full lane drops a sixteenth at once: one Gap for many batches, not one for each
FORGET_ROWS = 500  # an alarm waits for at most so many deletions
GAP_ROOM = MB  # a Gap may go over the alarm lane's bound: an admission is never what is left out


class Draft:
    """Collects writes, then numbers and inserts them. It changes the database, and nothing else, until it is
    committed: its counts become the store's only then."""

    def __init__(
        self,
        db: sqlite3.Connection,
        lanes: dict[Lane, LaneCount],
        *,
        limits: Limits,
        packing: Packing,
        now_ms: int,
        free_disk: Callable[[], int],
    ) -> None:
        self.lanes = dict(lanes)
        self.state: dict[str, bytes] = {}
        self._db = db
        self._limits = limits
        self._packing = packing
        self._now_ms = now_ms
        self._free_disk = free_disk
        self._low: bool | None = None
        self._pending: dict[Lane, list[Chunk]] = {lane: [] for lane in Lane}
        self._pending_bytes: dict[Lane, int] = dict.fromkeys(Lane, 0)
        self._gap: Gap | None = None

    def forget(self, lane: Lane, through: int) -> None:
        """Delete the oldest batches up to a number, at most `FORGET_ROWS` of them."""
        rows = self._db.execute(
            "SELECT seq, bytes FROM batches WHERE lane=? AND seq<=? ORDER BY seq LIMIT ?",
            (lane.value, through, FORGET_ROWS),
        ).fetchall()
        if rows:
            self._delete(lane, int(rows[-1][0]), sum(int(size) for _, size in rows))

    def add(self, write: Write) -> JournalFull | None:
        """Take a write into the transaction, or say that its lane is full."""
        lane, need = write.lane, write.bytes
        over = self._used(lane) + need - self._capacity(lane)
        if over > 0 and not (lane is Lane.TELEMETRY and self._evict(over)):
            why = " and the disk is nearly full" if self._low else ""
            return JournalFull(
                f"the {lane.value} lane holds {self._used(lane)} bytes and has no room for {need} more{why}:"
                f" bring the server back, or raise journal.{lane.value}_mb"
            )
        self._pending[lane].extend(write.chunks)
        self._pending_bytes[lane] += need
        self.state.update(write.state)
        return None

    def flush(self) -> None:
        """Number and insert what was taken, and write the counters down."""
        if self._gap is not None:
            self._pending[Lane.ALARM].extend(self._packing.chunks([self._gap]))
        for lane, chunks in self._pending.items():
            for batch in self._packing.pack(chunks):
                self._insert(lane, batch)
        self._db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", self.state.items())
        self._db.executemany(
            "UPDATE lanes SET next=?, bytes=? WHERE lane=?",
            [(count.next, count.bytes, lane.value) for lane, count in self.lanes.items()],
        )

    def _insert(self, lane: Lane, batch: Chunk) -> None:
        count = self.lanes[lane]
        items = b"[" + batch.body + b"]"
        size = len(items) + ROW_BYTES
        self._db.execute(
            "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (lane.value, count.next, self._now_ms, batch.at_first, batch.at_last, batch.samples, size, items),
        )
        oldest = batch.at_first if count.first == count.next else count.oldest
        self.lanes[lane] = replace(count, next=count.next + 1, bytes=count.bytes + size, oldest=oldest)

    def _used(self, lane: Lane) -> int:
        return self.lanes[lane].bytes + self._pending_bytes[lane]

    def _capacity(self, lane: Lane) -> int:
        bound = self._limits.of(lane)
        if lane is not Lane.TELEMETRY:
            return bound  # alarm and billing may use the disk below the floor: that is what the floor is for
        if self._low is None:
            self._low = self._is_low()
        if not self._low:
            return bound
        # The file must not grow: telemetry has what it has, and the pages that are free inside the file.
        pages = int(self._db.execute("PRAGMA freelist_count").fetchone()[0])
        return min(
            bound, self.lanes[lane].bytes + pages * int(self._db.execute("PRAGMA page_size").fetchone()[0])
        )

    def _is_low(self) -> bool:
        try:
            return self._free_disk() < self._limits.free_disk_mb * MB
        except OSError:  # a disk that does not even say how full it is shall not be filled
            return True

    def _evict(self, over: int) -> bool:
        """Drop the oldest telemetry and admit it; False where there is not enough, or no room to admit it."""
        lane = Lane.TELEMETRY
        target = max(over, self.lanes[lane].bytes // EVICT_SHARE)
        room = self._limits.of(Lane.ALARM) + GAP_ROOM - self._used(Lane.ALARM)
        if self.lanes[lane].bytes < over or room < GAP_ROOM // 2:
            return False
        freed = batches = samples = last = 0
        since = until = None
        rows = self._db.execute(
            "SELECT seq, bytes, samples, at_first, at_last FROM batches WHERE lane=? ORDER BY seq",
            (lane.value,),
        )
        for seq, size, values, at_first, at_last in rows:
            last, freed, batches, samples = seq, freed + size, batches + 1, samples + values
            since = at_first if since is None else min(since, at_first)
            until = at_last if until is None else max(until, at_last)
            if freed >= target:
                break
        rows.close()
        if since is None or until is None or freed < over:
            return False
        gap = Gap(
            lane=lane,
            first=self.lanes[lane].first,
            last=last,
            batches=batches,
            samples=samples,
            since=instant(since),
            until=instant(until),
            reason="the disk was nearly full" if self._low else "the journal was full",
        )
        self._gap = gap if self._gap is None else _merged(self._gap, gap)
        self._delete(lane, last, freed)
        return True

    def _delete(self, lane: Lane, last: int, freed: int) -> None:
        self._db.execute("DELETE FROM batches WHERE lane=? AND seq<=?", (lane.value, last))
        row = self._db.execute(
            "SELECT seq, at_first FROM batches WHERE lane=? ORDER BY seq LIMIT 1", (lane.value,)
        ).fetchone()
        count = self.lanes[lane]
        first, oldest = (count.next, None) if row is None else (int(row[0]), int(row[1]))
        self.lanes[lane] = replace(count, first=first, bytes=count.bytes - freed, oldest=oldest)


def _merged(old: Gap, new: Gap) -> Gap:
    """Join two gaps of one transaction: always the oldest goes first, so they touch."""
    return Gap(
        lane=old.lane,
        first=old.first,
        last=new.last,
        batches=old.batches + new.batches,
        samples=old.samples + new.samples,
        since=min(old.since, new.since),
        until=max(old.until, new.until),
        reason=new.reason,
    )
