"""The meter's own clock and settlement day, from the identifiers that hold them; pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from drivers.dlt645.values import Zone, digits_of, moment

DATE: Final[Mapping[int, str]] = {2007: "04000101", 1997: "C010"}
TIME: Final[Mapping[int, str]] = {2007: "04000102", 1997: "C011"}
_DAYS_2007: Final = ("04000B01", "04000B02", "04000B03")
_DAYS_1997: Final = ("C117",)
LAST_DAY: Final = 28
# Beyond this a meter's clock is wrong, and so are the instants at which it froze.
NEAR: Final = timedelta(minutes=5)

Reads = Mapping[str, Sequence[bytes]]


def days(edition: int, number: int) -> tuple[str, ...]:
    """Return the identifiers of the first settlement days."""
    return _DAYS_2007[:number] if edition == 2007 else _DAYS_1997


def clock_of(reads: Reads, edition: int, zone: Zone, *, last: bool = False) -> datetime | None:
    """Return the meter's time, the first or the last that was read; None where it is none."""
    dates, times = reads.get(DATE[edition], ()), reads.get(TIME[edition], ())
    if not dates or not times:
        return None
    date, time = dates[-1 if last else 0], times[-1 if last else 0]
    if len(date) != 4 or len(time) != 3:
        return None
    # The weekday, sent first, is left out: it is no part of the moment, and often never set.
    return moment(time + date[1:], "YYMMDDhhmmss", zone)


def settled_at(reads: Reads, edition: int, zone: Zone, number: int, *, last: bool = False) -> datetime | None:
    """Return the last settlement instant before the meter's time; None where its settlement day is none."""
    now = clock_of(reads, edition, zone, last=last)
    if now is None:
        return None
    found = [
        instant
        for di in days(edition, number)
        for data in reads.get(di, ())[:1]
        if (instant := _before(now, data)) is not None
    ]
    return max(found, default=None)


def is_right(reads: Reads, edition: int, zone: Zone, ours: datetime | None) -> bool:
    """Say whether nothing speaks against the meter's clock: it was not read, or was near ours."""
    meters = clock_of(reads, edition, zone, last=True)
    return ours is None or meters is None or abs(meters - ours) <= NEAR


def same_day(reads: Reads, edition: int) -> bool:
    """Say whether each time of day was read between two equal dates: no midnight in between."""
    dates = reads.get(DATE[edition], ())
    return all(before == after for before, after in zip(dates[::2], dates[1::2], strict=False))


def _before(now: datetime, data: bytes) -> datetime | None:
    digits = digits_of(data)
    if digits is None or len(digits) != 4:
        return None
    day, hour = int(digits[:2]), int(digits[2:])
    if not 1 <= day <= LAST_DAY or hour > 23:  # 99 and 00 are settlement days that are not in use
        return None
    instant = now.replace(day=day, hour=hour, minute=0, second=0, microsecond=0)
    if instant <= now:
        return instant
    year, month = (now.year, now.month - 1) if now.month > 1 else (now.year - 1, 12)
    return instant.replace(year=year, month=month)
