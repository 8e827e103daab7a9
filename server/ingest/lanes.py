"""The lanes' book: cursors in memory, their truth in the database, changed in the same transaction as the items."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, delete, distinct, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql.functions import count
from sqlalchemy.sql.functions import max as sql_max

from messages.codec import MessageError
from messages.topics import Address
from messages.types import Gap, Lane, LaneState, Rejected
from server.db.tables_delivery import batches, gaps, lanes, quarantine
from server.db.types import to_ms
from server.ingest.cursor import Cursor

MAX_EPOCHS = 300  # of one gateway: each new one is a journal lost, and rows that stay here
BEFORE_DATABASE = "before this database"

_INSERT_BATCH = "INSERT INTO batches (id, lane_id, seq, at, items, quarantined) VALUES (?, ?, ?, ?, ?, 0)"
_INSERT_OLD = _INSERT_BATCH + " ON CONFLICT (lane_id, seq) DO NOTHING RETURNING id"


@dataclass(slots=True)
class LaneRow:
    """One lane of one journal, with its row's id."""

    id: int
    address: Address
    epoch: str
    lane: Lane
    cursor: Cursor
    dirty: bool = field(default=False)


class LaneBook:
    """Finds lanes, stores batch numbers, declares gaps. After a roll-back call `forget`."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Address, str, Lane], LaneRow] = {}
        self._new: list[tuple[int, int, int, int, int]] = []
        self._next_id = 0

    def forget(self) -> None:
        """Drop what is remembered: the next look reads the database again."""
        self._rows.clear()
        self._new.clear()
        self._next_id = 0

    def lane(self, conn: Connection, address: Address, epoch: str, lane: Lane, now: datetime) -> LaneRow:
        """Return the lane, made if it is new; raise `MessageError` where a gateway has had too many journals."""
        key = (address, epoch, lane)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self._load(conn, address, epoch, lane, now)
        return row

    def add_batch(self, conn: Connection, row: LaneRow, seq: int, now: datetime, items: int) -> int | None:
        """Return the new batch's id, or None when this number is stored already."""
        if not self._next_id:
            self._next_id = int(conn.execute(select(sql_max(batches.c.id))).scalar() or 0) + 1
        new = (self._next_id, row.id, seq, to_ms(now), items)
        if seq > row.cursor.highest:
            self._new.append(new)  # never seen: nothing to ask, `write` inserts it with the others
        else:
            # Not judged by the cursor: a batch that comes in spite of a declared gap is stored, not dropped.
            self.write(conn)
            if conn.exec_driver_sql(_INSERT_OLD, new).first() is None:
                return None
        row.cursor.see(seq)
        row.dirty = True
        self._next_id += 1
        return new[0]

    def write(self, conn: Connection) -> None:
        """Insert the batches that were added since the last call; `save` does it too."""
        if self._new:
            conn.exec_driver_sql(_INSERT_BATCH, self._new)
            self._new.clear()

    def count_quarantined(self, conn: Connection, batch_id: int, count: int) -> None:
        """Note on the batch how many of its items went to quarantine."""
        self.write(conn)
        conn.execute(update(batches).where(batches.c.id == batch_id).values(quarantined=count))

    def declare(
        self,
        conn: Connection,
        row: LaneRow,
        gap: Gap,
        since: datetime | None,
        until: datetime | None,
        now: datetime,
    ) -> None:
        """Record the gateway's own word for numbers that will never come."""
        conn.execute(
            delete(gaps).where(
                gaps.c.lane_id == row.id,
                gaps.c.reason == BEFORE_DATABASE,
                gaps.c.first >= gap.first,
                gaps.c.last <= gap.last,
            )
        )
        self._record(
            conn,
            row,
            (gap.first, gap.last),
            now,
            batches=gap.batches,
            samples=gap.samples,
            since=since,
            until=until,
            reason=gap.reason,
        )

    def rejected(self, conn: Connection, row: LaneRow, seq: int) -> list[Rejected]:
        """Return what was refused of a batch that is stored already: the first answer may have been lost."""
        site, gateway = row.address
        query = select(quarantine.c.idx, quarantine.c.reason).where(
            quarantine.c.site == site,
            quarantine.c.gateway == gateway,
            quarantine.c.epoch == row.epoch,
            quarantine.c.lane == row.lane.value,
            quarantine.c.seq == seq,
        )
        counted = select(batches.c.quarantined).where(batches.c.lane_id == row.id, batches.c.seq == seq)
        if not conn.execute(counted).scalar():
            return []
        return [Rejected(seq=seq, index=idx, reason=reason) for idx, reason in conn.execute(query)]

    def heal(self, conn: Connection, row: LaneRow, kept: LaneState, now: datetime) -> bool:
        """Close the holes below the oldest number that the gateway still has; say whether there were any."""
        holes = row.cursor.missing(upto=kept.first - 1)
        for first, last in holes:
            self._record(conn, row, (first, last), now, batches=last - first + 1, reason=BEFORE_DATABASE)
        return bool(holes)

    def save(self, conn: Connection, now: datetime) -> list[LaneRow]:
        """Write new batches and the cursors that moved; return their lanes."""
        self.write(conn)
        moved = [row for row in self._rows.values() if row.dirty]
        for row in moved:
            row.dirty = False
            conn.execute(
                update(lanes)
                .where(lanes.c.id == row.id)
                .values(through=row.cursor.through, highest=row.cursor.highest, changed_at=now)
            )
        return moved

    @staticmethod
    def _record(
        conn: Connection, row: LaneRow, span: tuple[int, int], now: datetime, **values: object
    ) -> None:
        first, last = span
        row.cursor.cover(first, last)
        row.dirty = True
        conn.execute(
            upsert(gaps)
            .values(lane_id=row.id, first=first, last=last, declared_at=now, **values)
            .on_conflict_do_nothing()
        )

    @staticmethod
    def _load(conn: Connection, address: Address, epoch: str, lane: Lane, now: datetime) -> LaneRow:
        site, gateway = address
        found = conn.execute(
            select(lanes.c.id, lanes.c.through, lanes.c.highest).where(
                lanes.c.site == site,
                lanes.c.gateway == gateway,
                lanes.c.epoch == epoch,
                lanes.c.lane == lane.value,
            )
        ).first()
        if found is None:
            _check_room(conn, address, epoch)
            key = conn.execute(
                insert(lanes).values(
                    site=site,
                    gateway=gateway,
                    epoch=epoch,
                    lane=lane.value,
                    through=0,
                    highest=0,
                    created_at=now,
                    changed_at=now,
                )
            ).inserted_primary_key
            assert key is not None
            return LaneRow(int(key[0]), address, epoch, lane, Cursor())
        # The batches themselves have the last word on which number is the highest: `add_batch` rests on it.
        stored = conn.execute(select(sql_max(batches.c.seq)).where(batches.c.lane_id == found.id)).scalar()
        cursor = load_cursor(conn, found.id, found.through, max(found.highest, stored or 0))
        return LaneRow(found.id, address, epoch, lane, cursor)


def _check_room(conn: Connection, address: Address, epoch: str) -> None:
    mine = (lanes.c.site == address.site) & (lanes.c.gateway == address.gateway) & (lanes.c.epoch != epoch)
    others = conn.execute(select(count(distinct(lanes.c.epoch))).where(mine)).scalar_one()
    if others >= MAX_EPOCHS:
        raise MessageError(f"epoch: this gateway has begun {others} journals: look at its disk")


def load_cursor(conn: Connection, lane_id: int, through: int, highest: int) -> Cursor:
    """Return a lane's cursor from its rows."""
    cursor = Cursor(through, highest)
    stored = select(batches.c.seq).where(batches.c.lane_id == lane_id, batches.c.seq > through)
    for (seq,) in conn.execute(stored.order_by(batches.c.seq)):
        cursor.see(seq)
    declared = select(gaps.c.first, gaps.c.last).where(gaps.c.lane_id == lane_id, gaps.c.last > through)
    for first, last in conn.execute(declared):
        cursor.cover(first, last)
    return cursor
