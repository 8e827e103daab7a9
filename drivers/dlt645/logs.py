"""Event logs: records to happenings, each with a number by which it is known again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from drivers.api import Happening
from drivers.dlt645.catalog import Item, lookup
from drivers.dlt645.talk import Reads
from drivers.dlt645.values import Zone, digits_of, moment

_TIMES: Final = ("start", "end")


def happenings(
    code: str, di: str, reads: Reads, count: int, new: Sequence[int], zone: Zone
) -> Sequence[Happening]:
    """Return what the records of one log say, oldest first; one that the meter no longer has is told without time."""
    return [_happening(code, f"{di[:6]}{number:02X}", reads, count - number + 1, zone) for number in new]


def numbered(found: Iterable[Happening], last: str) -> Iterator[Happening]:
    """Tell events of the same second apart: the second has its time and /2; `last` is what the last one told had."""
    for one in found:
        base, _, ordinal = last.partition("/")
        last = f"{base}/{int(ordinal or 1) + 1}" if one.number == base else one.number
        yield replace(one, number=last)


def _happening(code: str, di: str, reads: Reads, running: int, zone: Zone) -> Happening:
    data = reads.get(di, (b"",))[0]
    item = lookup(di)
    times = _times(item, data) if item is not None else {}
    start = moment(times.get("start", b""), "YYMMDDhhmmss", zone)
    digits = digits_of(times.get("start", b"")) or ""
    end = moment(times.get("end", b""), "YYMMDDhhmmss", zone)
    said = f"number {running} in the meter's log"
    if end is not None:
        said += f", ended {end:%Y-%m-%d %H:%M:%S} by the meter's clock"
    # By its own time: the running number of a record is another one when a new one comes while they are read.
    number = f"{di[:6]}@{digits}" if start is not None else f"{di[:6]}#{running}"
    return Happening(code, at=start, detail=said, evidence=data, number=number)


def _times(item: Item, data: bytes) -> Mapping[str, bytes]:
    """Return the times of a record, as far as it goes: some meters leave the registers after them out."""
    found = {}
    for name in _TIMES:
        field = item.field(name)
        if field is not None and len(data) >= field[0] + field[1].size:
            found[name] = data[field[0] : field[0] + field[1].size]
    return found
