"""What a whole read-out says of a profile's points: find each point's record, turn it into the point's unit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from drivers.api import Reading
from drivers.errors import DriverError, FrameDamaged
from drivers.exact import scaled
from drivers.mbus import frames, telegram
from drivers.mbus.address import Options, PointAt
from drivers.mbus.telegram import Item, Telegram
from drivers.mbus.units import shift
from drivers.mbus.values import Stamp
from drivers.profile import Point
from messages.types import Quality

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_APPLICATION: Final[Mapping[object, int]] = {
    "application_busy": 1,
    "application_error": 2,
    "abnormal_condition": 3,
}


@dataclass(frozen=True, slots=True)
class ReadOut:
    """The telegrams of one read-out, their records in one row."""

    telegrams: tuple[Telegram, ...]
    items: tuple[Item, ...]


def parse(payload: bytes) -> ReadOut:
    """Read the frames of a read-out one after the other; raise `FrameDamaged`."""
    found = tuple(telegram.parse(frames.parse(raw)) for raw in frames.split(payload))
    if not found:
        raise FrameDamaged("a read-out without a telegram")
    return ReadOut(found, tuple(item for one in found for item in one.items if not item.record.special))


def readings(
    payload: bytes,
    points: Iterable[str],
    addresses: Mapping[str, tuple[PointAt, Point]],
    options: Options,
) -> dict[str, Reading]:
    """Return a reading for each point; nothing of a read-out that is damaged, encrypted, or perhaps so."""
    names = list(points)
    try:
        found = parse(payload)
    except DriverError as err:
        return dict.fromkeys(names, Reading(None, err.quality))
    if any(one.kind in {"error", "alarm"} for one in found.telegrams):
        return dict.fromkeys(names, Reading(None, Quality.REFUSED))
    unread = any(
        one.encryption or (one.header.signature and not options.ignore_signature) for one in found.telegrams
    )
    if unread:
        return dict.fromkeys(names, Reading(None, Quality.CONFIG))
    return {name: _reading(found, *addresses[name], options) for name in names}


def _reading(found: ReadOut, at: PointAt, point: Point, options: Options) -> Reading:
    if at.status is not None:
        return _status(found, at)
    item = _item(found.items, at)
    if item is None:
        # A meter that is in error sends the same record under another function: that is no value.
        wrong = _item(found.items, msgspec.structs.replace(at, function="error"))
        return (
            Reading(None, Quality.CONFIG)
            if wrong is None
            else Reading(None, Quality.DEVICE, wrong.record.data)
        )
    raw, number = item.record.data, item.datum.number
    if item.datum.unset or raw.hex().upper() in {one.upper() for one in point.missing}:
        return Reading(None, Quality.DEVICE, raw)
    if item.datum.stamp is not None and item.datum.stamp.year and not item.datum.fault:
        return Reading(_seconds(item.datum.stamp, options), raw=raw)
    if number is None or item.datum.fault:
        return Reading(None, Quality.RANGE, raw)
    return _number(item, at, point, number)


def _seconds(stamp: Stamp, options: Options) -> Decimal | None:
    summer = timedelta(hours=1 if stamp.summer else 0)
    return Decimal(round((stamp.local().replace(tzinfo=options.timezone) - summer - _EPOCH).total_seconds()))


def _number(item: Item, at: PointAt, point: Point, number: Decimal) -> Reading:
    raw = item.record.data
    if at.bit is not None:
        if number != number.to_integral_value() or number < 0:
            return Reading(None, Quality.RANGE, raw)
        return Reading(bool(int(number) >> at.bit & 1), raw=raw)
    meaning = item.meaning
    given = meaning.unit or at.unit
    power = 0 if not given or at.quantity == "text" else shift(given, point.unit)
    unsaid = at.record is not None and point.unit and not given
    if power is None or unsaid:
        return Reading(None, Quality.CONFIG, raw)
    exp = power + point.exp
    if meaning.offset is None and item.datum.count is not None:
        # From what was sent at once: 5 kWh are 5 in kWh, not 5.000 by way of 5000 Wh.
        return Reading(scaled(item.datum.count, meaning.exp + exp), raw=raw)
    return Reading(scaled(number, exp), raw=raw)


def _item(items: Sequence[Item], at: PointAt) -> Item | None:
    """Return the one record that is meant; None for none, or for several that cannot be told apart."""
    if at.record is not None:
        return items[at.record] if at.record < len(items) else None
    matching = [item for item in items if _matches(item, at)]
    if at.nth is not None:
        return matching[at.nth] if at.nth < len(matching) else None
    return matching[0] if len(matching) == 1 else None


def _matches(item: Item, at: PointAt) -> bool:
    record, meaning = item.record, item.meaning
    place = (meaning.quantity, record.function, record.storage, record.tariff, record.subunit)
    if place != (at.quantity, at.function, at.storage, at.tariff, at.subunit):
        return False
    if meaning.quantity == "text" and meaning.unit != at.unit:
        return False
    return meaning.modifiers.hex().upper() == at.modifiers


def _status(found: ReadOut, at: PointAt) -> Reading:
    head = found.telegrams[0].header
    if head.status is None:
        return Reading(None, Quality.CONFIG)
    wanted = _APPLICATION.get(at.status)
    if wanted is not None:
        if found.telegrams[0].kind == "fixed":  # its lowest bits say how the counters are coded
            return Reading(None, Quality.CONFIG)
        return Reading(head.status & 3 == wanted, raw=bytes((head.status,)))
    bit = at.status if isinstance(at.status, int) else telegram.STATUS_BITS[at.status or ""]
    return Reading(bool(head.status >> bit & 1), raw=bytes((head.status,)))
