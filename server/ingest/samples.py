"""The hot path: samples to rows, a series' number, the same instant twice, and the newest value of each series."""

from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.sql.functions import max as sql_max

from messages.topics import Address
from messages.types import Quality, Sample
from server.db.tables_core import meta
from server.db.tables_delivery import batches, latest, samples, series
from server.db.tables_devices import devices, profile_points
from server.db.types import CLOCK_CODE, QUALITIES, QUALITY_CODE, from_ms, text_value, to_ms
from server.ingest.sinks import LatestValue

HOUR_MS = 3_600_000
AHEAD_MS = (
    120_000  # a sample further ahead of the server's clock than this has a clock that cannot be trusted
)

GOOD, CLOCK, SUSPECT = (QUALITY_CODE[q] for q in (Quality.GOOD, Quality.CLOCK, Quality.SUSPECT))
_WRITTEN = "latest_through_batch"

# The one statement that differs by database: SQLite here, COPY on PostgreSQL.
_INSERT = (
    "INSERT OR IGNORE INTO samples (bucket, series_id, offset_ms, dup, value, quality, clock, batch_id, idx, raw) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# Many rows in one statement: SQLite gives the interpreter lock away at every step, and a busy event loop keeps
# it for milliseconds. A step for each row made the writer wait for most of its time.
_AT_ONCE = 100
_INSERT_MANY = _INSERT + ", (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" * (_AT_ONCE - 1)
_SERIES = "INSERT INTO series (site, device, point, known) VALUES (?, ?, ?, ?) RETURNING id"
_LATEST = (
    "INSERT INTO latest (series_id, at, value, quality, clock, received_at) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (series_id) DO UPDATE SET at=excluded.at, value=excluded.value, quality=excluded.quality, "
    "clock=excluded.clock, received_at=excluded.received_at"
)

Row = tuple[int, int, int, int, str | None, int, int, int, int, bytes | None]
Newest = tuple[int, int, str | None, int, int, int]
"""(instant to compare by, at, value, quality, clock, received), all times in ms."""


@dataclass(slots=True)
class Counts:
    """What became of the values of one group."""

    rows: int = 0
    repeated: int = 0  # the same value for the same instant, again: not stored
    conflicts: int = 0  # another value for the same instant: stored with dup > 0
    ahead: int = 0  # stamped in the future: stored as uncertain


class SampleStore:
    """Collects the rows of one transaction, then writes them; `committed` or `forget` must follow."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], dict[str, int]] = {}
        self._named: dict[tuple[str, str], frozenset[str]] = {}
        self._names: dict[int, tuple[str, str, str]] = {}
        self._rows: list[Row] = []
        self._fresh: dict[int, Newest] = {}
        self._newest: dict[int, Newest] = {}
        self._unwritten: set[int] = set()
        self._received_ms = 0
        self.counts = Counts()

    def load(self, conn: Connection) -> None:
        """Read the newest values back, those that a crash kept from being written among them."""
        for row in conn.execute(
            select(*latest.c["series_id", "at", "value", "quality", "clock", "received_at"])
        ):
            at, received = to_ms(row.at), to_ms(row.received_at)
            # Stored by the same rules, so the codes are read back through the same types.
            value = None if row.value is None else _text(row.value)
            newest = (
                min(at, received),
                at,
                value,
                QUALITY_CODE[row.quality],
                CLOCK_CODE[row.clock],
                received,
            )
            self._newest[row.series_id] = newest
        written = conn.execute(select(meta.c.value).where(meta.c.name == _WRITTEN)).scalar()
        last = conn.execute(select(sql_max(batches.c.id), sql_max(batches.c.at))).one()
        if last[0] is None or (written is not None and int(written) >= last[0]):
            return
        since = to_ms(last[1]) // HOUR_MS - 1
        query = (
            "SELECT s.series_id, s.bucket * 3600000 + s.offset_ms, s.value, s.quality, s.clock, b.at "
            "FROM samples s JOIN batches b ON b.id = s.batch_id WHERE s.bucket >= ? AND s.batch_id > ?"
        )
        for sid, at, value, quality, clock, received in conn.exec_driver_sql(
            query, (since, int(written or 0))
        ):
            self._note(sid, (min(at, received), at, value, quality, clock, received))
        self._merge()

    def reborn(self) -> None:
        """A birth has changed what is known of devices and points."""
        self._named.clear()

    def forget(self) -> None:
        """The transaction was rolled back: drop its rows, and series that may not exist."""
        self._rows.clear()
        self._fresh.clear()
        self._series.clear()
        self._named.clear()
        self.counts = Counts()

    def add(
        self, conn: Connection, address: Address, sample: Sample, index: int, batch_id: int, received_ms: int
    ) -> bool:
        """Turn one sample into rows; say whether any of its values is good."""
        ids = self._series.get((address.site, sample.device))
        if ids is None:
            ids = self._load_series(conn, address.site, sample.device)
        at = to_ms(sample.at)
        bucket, offset = divmod(at, HOUR_MS)
        clock, bad, raw = CLOCK_CODE[sample.clock], sample.bad, sample.raw
        good = CLOCK if at > received_ms + AHEAD_MS else GOOD
        any_good, append = False, self._rows.append
        values = sample.values
        if bad and not bad.keys() <= values.keys():
            values = {**dict.fromkeys(bad), **values}
        for point, value in values.items():
            sid = ids.get(point) or self._new_series(conn, address.site, sample.device, point, ids)
            quality = QUALITY_CODE[bad[point]] if bad and point in bad else good
            if value is None:
                text, quality = None, SUSPECT if quality == GOOD else quality  # unknown is never good
            elif isinstance(value, bool):
                text = "true" if value else "false"
            else:
                text = format(value, "f")
            if quality == GOOD:
                any_good = True
            hex_ = bytes.fromhex(raw[point]) if raw and raw.get(point) else None
            append((bucket, sid, offset, 0, text, quality, clock, batch_id, index, hex_))
        self._received_ms = received_ms
        if good == CLOCK:
            self.counts.ahead += len(values)
        return any_good

    def write(self, conn: Connection) -> None:
        """Insert the collected rows."""
        if not self._rows:
            return
        # In key order each page of the table is touched once.
        self._rows.sort(key=_key)
        self._note_rows()
        inserted = _insert(conn, self._rows)
        self.counts.rows += inserted
        if inserted < len(self._rows):
            self._keep_others(conn)
        self._rows.clear()

    def committed(self) -> Counts:
        """The transaction is in the database: newest values become visible. Return what it counted."""
        self._merge()
        counts, self.counts = self.counts, Counts()
        return counts

    def write_latest(self, conn: Connection) -> int:
        """Write the newest values that changed since the last call, in the caller's transaction."""
        rows = [(sid, *self._newest[sid][1:]) for sid in self._unwritten]
        if not rows:
            return 0
        conn.exec_driver_sql(_LATEST, rows)
        last = conn.execute(select(sql_max(batches.c.id))).scalar() or 0
        conn.exec_driver_sql(
            "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value=excluded.value",
            (_WRITTEN, str(last)),
        )
        return len(rows)

    def latest_written(self) -> None:
        """The transaction of `write_latest` is committed."""
        self._unwritten.clear()

    def values_of(self, watched: frozenset[tuple[str, str]]) -> list[LatestValue]:
        """Return the newest values of the watched devices that are newer than what `latest` holds."""
        found: list[LatestValue] = []
        if not watched:
            return found
        for sid in self._unwritten:
            name = self._names.get(sid)
            if name and name[:2] in watched:
                _, at, value, quality, _, _ = self._newest[sid]
                found.append(LatestValue(*name, from_ms(at), text_value(value), QUALITIES[quality]))
        return found

    def _note(self, sid: int, newest: Newest) -> None:
        known = self._fresh.get(sid) or self._newest.get(sid)
        if known is None or newest[0] >= known[0]:
            self._fresh[sid] = newest

    def _note_rows(self) -> None:
        # In key order the last row of a series is its newest: one look for each series, not for each value.
        received = self._received_ms
        for sid, row in {row[1]: row for row in self._rows}.items():
            at = row[0] * HOUR_MS + row[2]
            self._note(sid, (min(at, received), at, row[4], row[5], row[6], received))

    def _merge(self) -> None:
        self._newest.update(self._fresh)
        self._unwritten.update(self._fresh)
        self._fresh.clear()

    def _keep_others(self, conn: Connection) -> None:
        for row in self._rows:
            there = conn.execute(
                select(*samples.c["dup", "value", "quality", "batch_id", "idx"]).where(
                    samples.c.bucket == row[0], samples.c.series_id == row[1], samples.c.offset_ms == row[2]
                )
            ).all()
            if any((other.batch_id, other.idx) == (row[7], row[8]) for other in there):
                continue
            if any(_text(other.value) == row[4] and other.quality == QUALITIES[row[5]] for other in there):
                self.counts.repeated += 1
                continue
            conn.exec_driver_sql(_INSERT, (*row[:3], max(other.dup for other in there) + 1, *row[4:]))
            self.counts.conflicts += 1
            self.counts.rows += 1

    def _load_series(self, conn: Connection, site: str, device: str) -> dict[str, int]:
        query = select(series.c.point, series.c.id).where(series.c.site == site, series.c.device == device)
        ids = {row.point: row.id for row in conn.execute(query)}
        self._series[site, device] = ids
        self._names.update({sid: (site, device, point) for point, sid in ids.items()})
        return ids

    def _new_series(self, conn: Connection, site: str, device: str, point: str, ids: dict[str, int]) -> int:
        # Births and samples travel on different topics, so a sample may come first. It is stored all the same.
        named = self._named.get((site, device))
        if named is None:
            named = self._named[site, device] = _points_of(conn, site, device)
        row = conn.exec_driver_sql(_SERIES, (site, device, point, point in named)).one()
        ids[point] = int(row[0])
        self._names[ids[point]] = (site, device, point)
        return ids[point]


def _points_of(conn: Connection, site: str, device: str) -> frozenset[str]:
    """Return the points of a device that its gateway's birth has named."""
    query = (
        select(profile_points.c.point)
        .join(devices, profile_points.c.profile_id == devices.c.profile_id)
        .where(devices.c.site == site, devices.c.device == device)
    )
    return frozenset(point for (point,) in conn.execute(query))


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return ("true" if value else "false") if isinstance(value, bool) else format(value, "f")


_key = itemgetter(0, 1, 2)


def _insert(conn: Connection, rows: list[Row]) -> int:
    """Insert rows; return how many were not there already."""
    inserted = 0
    whole = len(rows) - len(rows) % _AT_ONCE
    for first in range(0, whole, _AT_ONCE):
        bound = tuple(chain.from_iterable(rows[first : first + _AT_ONCE]))
        inserted += conn.exec_driver_sql(_INSERT_MANY, bound).rowcount
    if whole < len(rows):
        inserted += conn.exec_driver_sql(_INSERT, rows[whole:]).rowcount
    return inserted
