"""The history of one point, thinned for a chart so that no peak, no dip and no hole is lost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from messages.types import Quality, Value
from server.db.tables_delivery import samples, series
from server.db.tables_devices import devices, profile_points
from server.db.types import to_ms
from server.views.wire import plain

HOUR_MS = 3_600_000
READ_MOST = 1_000_000  # rows looked at for one answer
FEW = 5  # rows of a slice that are all kept


class TooMuch(ValueError):
    """More samples in the span than are looked at for one answer."""


class Sampled(NamedTuple):
    """One stored sample."""

    ms: int
    value: Value
    quality: Quality


def history_of(
    conn: Connection, site: str, device: str, point: str, since: datetime, until: datetime, limit: int
) -> dict[str, Any] | None:
    """Return the samples of `[since, until)`, at most about `limit`; None for a point that nobody knows.

    Raise `TooMuch` rather than leave the end out: it would look like a hole.
    """
    series_id = conn.execute(
        select(series.c.id).where(series.c.site == site, series.c.device == device, series.c.point == point)
    ).scalar()
    unit = conn.execute(
        select(profile_points.c.unit)
        .join(devices, devices.c.profile_id == profile_points.c.profile_id)
        .where(devices.c.site == site, devices.c.device == device, profile_points.c.point == point)
    ).scalar()
    if series_id is None and unit is None:
        return None
    rows: Iterable[Sampled] = ()
    if series_id is not None:
        rows = _stored(conn, series_id, to_ms(since), to_ms(until))
    shown, count = thin(rows, limit, to_ms(since), to_ms(until))
    return {
        "point": point,
        "unit": unit or "",
        "rows": [[row.ms, plain(row.value), row.quality] for row in shown],
        "thinned": len(shown) < count,
    }


def _stored(conn: Connection, series_id: int, since_ms: int, until_ms: int) -> Iterator[Sampled]:
    """Yield the samples of a span in order, hour by hour along the table's key."""
    left = READ_MOST
    for first in range(since_ms // HOUR_MS, until_ms // HOUR_MS + 1, 500):
        buckets = range(first, min(first + 500, until_ms // HOUR_MS + 1))
        query = (
            select(samples.c.bucket, samples.c.offset_ms, samples.c.value, samples.c.quality)
            .where(samples.c.series_id == series_id, samples.c.bucket.in_(buckets), samples.c.dup == 0)
            .order_by(samples.c.bucket, samples.c.offset_ms)
            .limit(left + 1)
        )
        for bucket, offset, value, quality in conn.execute(query):
            ms = bucket * HOUR_MS + offset
            left -= 1
            if left < 0:
                raise TooMuch(f"more than {READ_MOST} samples lie in this span: ask for a shorter one")
            if since_ms <= ms < until_ms:
                yield Sampled(ms, value, quality)


def thin(rows: Iterable[Sampled], limit: int, since_ms: int, until_ms: int) -> tuple[list[Sampled], int]:
    """Keep about `limit` rows: of each slice of time the first, lowest, highest, last and where it was not good.

    Return them and how many there were; no more than the answer is held at once, however few slices that are.
    """
    source = iter(rows)
    begin = list(islice(source, limit + 1))
    if len(begin) <= limit:
        return begin, len(begin)
    slices = max(1, limit // 5)
    width = max(1, -(-(until_ms - since_ms) // slices))
    kept: list[Sampled] = []
    part = _Slice()
    here, count = -1, 0
    for row in chain(begin, source):
        count += 1
        slot = (row.ms - since_ms) // width
        if slot != here:
            kept.extend(part.notable())
            part, here = _Slice(), slot
        part.take(row)
    kept.extend(part.notable())
    return kept, count


@dataclass(slots=True)
class _Slice:
    """What is kept of a slice of time, however many rows it has."""

    few: list[Sampled] = field(default_factory=list)
    """The first of them: where there are no more, all are kept."""
    last: Sampled | None = None
    lowest: Sampled | None = None
    highest: Sampled | None = None
    hole: Sampled | None = None

    def take(self, row: Sampled) -> None:
        """Look at the next row."""
        if len(self.few) <= FEW:
            self.few.append(row)
        self.last = row
        if isinstance(row.value, Decimal):
            if self.lowest is None or _number(row) < _number(self.lowest):
                self.lowest = row
            if self.highest is None or _number(row) > _number(self.highest):
                self.highest = row
        if self.hole is None and row.quality is not Quality.GOOD:
            self.hole = row

    def notable(self) -> Iterable[Sampled]:
        """Return what is kept, in order."""
        if len(self.few) <= FEW:
            return self.few
        chosen = {self.few[0], self.last, self.lowest, self.highest, self.hole}
        return sorted((row for row in chosen if row is not None), key=lambda row: row.ms)


def _number(row: Sampled) -> Decimal:
    assert isinstance(row.value, Decimal)
    return row.value
