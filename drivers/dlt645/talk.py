"""The conversation of one transaction: read after read, follow-up frames, records of an event log; nothing parts it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from drivers.api import Exchange
from drivers.dlt645 import clock, segments
from drivers.dlt645.address import Options
from drivers.dlt645.catalog import MAX_RECORDS
from drivers.dlt645.frames import Frame, Function, wire_address
from drivers.dlt645.plan import Talk, reply_bytes
from drivers.dlt645.reply import Reader, Tolerant
from drivers.dlt645.values import digits_of
from drivers.errors import FrameDamaged

Reads = Mapping[str, Sequence[bytes]]
_MOST_SEQUENCE: Final = 0xFF
AT_ONCE: Final = 3
# A meter needs a moment to copy its registers, and does not say when it has.
JUST_SETTLED: Final = timedelta(seconds=60)


def gathered(payload: bytes) -> dict[str, list[bytes]]:
    """Return the data of each identifier, as often as it was read."""
    found: dict[str, list[bytes]] = {}
    for di, data in segments.reads(payload):
        found.setdefault(di, []).append(data)
    return found


def count_of(reads: Reads, di: str) -> int | None:
    """Return an event count; None where it was not read or is none."""
    data = reads.get(di, (b"",))[0]
    digits = digits_of(data) if len(data) == 3 else None
    return None if digits is None else int(digits)


@dataclass(frozen=True, slots=True)
class Meter:
    """Whom to ask and how, and what the conversation needs to know: how many events were told, and our time."""

    address: str
    options: Options
    told: Mapping[str, int]
    """By count identifier, what the count was when its records were last told."""
    logs: frozenset[str]
    now: Callable[[], datetime]

    def begin(self, talk: Talk) -> Exchange:
        """Return the first exchange of a transaction; the others follow from its replies."""
        return self._read(talk, 0, b"")

    def request(self, function: int, data: bytes = b"") -> bytes:
        """Return a request with its wake-up bytes."""
        return Frame(self.address, function, data, self.options.wake_up).encode()

    def exchange(self, function: int, data: bytes, reader: Reader, answered: int) -> Exchange:
        """Return one request; answers of this meter to this function could be taken for each other.

        A refusal names no identifier, so that a late one may be taken for the answer to another read of the meter.
        """
        key = wire_address(self.address) + bytes((function,))
        return Exchange(self.request(function, data), reader, answered, key=key)

    def _read(self, talk: Talk, index: int, held: bytes) -> Exchange:
        di = talk.dis[index]
        raw = bytes.fromhex(di)[::-1]
        function = Function.READ if self.options.edition == 2007 else Function.READ_1997
        kind = Tolerant if _is_record(di) and index else Reader
        reader = kind(self.address, function, raw, any_address=self.options.wildcard_reply)
        made = self.exchange(function, raw, reader, reply_bytes(di))
        return replace(made, then=lambda segment: self._after(talk, index, held, segment, 1))

    def _after(self, talk: Talk, index: int, held: bytes, segment: bytes, frames: int) -> Exchange | bytes:
        held += segment
        if segments.more(segment):
            return self._follow(talk, index, held, frames)
        if talk.dis[index] == clock.TIME[self.options.edition]:
            held += segments.stamp(self.now())
        if index + 1 < len(talk.dis):
            return self._read(talk, index + 1, held)
        records = self._records(talk, held)
        if records:
            return self._read(Talk((*talk.dis, *records)), index + 1, held)
        self._agree(gathered(held))
        return held

    def _follow(self, talk: Talk, index: int, held: bytes, frames: int) -> Exchange:
        """Ask for the next frame of an answer: 2007 by its number, 1997 by the identifier alone."""
        if frames >= min(self.options.max_frames, _MOST_SEQUENCE):
            raise FrameDamaged(
                f"{talk.dis[index]}: more than {frames} frames, and the meter says that more follow"
            )
        raw = bytes.fromhex(talk.dis[index])[::-1]
        new = self.options.edition == 2007
        function = Function.READ_NEXT if new else Function.READ_NEXT_1997
        data = raw + bytes((frames,)) if new else raw
        reader = Reader(self.address, function, raw, any_address=self.options.wildcard_reply)
        made = self.exchange(function, data, reader, reply_bytes(talk.dis[index]))

        def then(segment: bytes) -> Exchange | bytes:
            if new and (len(segment) < 2 + len(raw) + 1 or segments.sequence(segment) != frames):
                raise FrameDamaged(f"{talk.dis[index]}: frame {frames} was asked for, and another one came")
            return self._after(talk, index, held, segment, frames + 1)

        return replace(made, then=then)

    def _records(self, talk: Talk, held: bytes) -> tuple[str, ...]:
        """Return what is to be read of event logs: the new records, oldest first, and then the counts once more."""
        reads = gathered(held)
        if any(_is_record(di) for di in talk.dis):
            return ()
        found: list[str] = []
        counts = [di for di in dict.fromkeys(talk.dis) if di in self.logs]
        for di in counts:
            found += [f"{di[:6]}{number:02X}" for number in self.new(di, reads)]
        return (*found, *counts) if found else ()

    def new(self, di: str, reads: Reads) -> Sequence[int]:
        """Return which records of an event log are told next: 1 is the last one, the oldest of the new come first.

        No more than a few at once, for nothing parts a conversation: the rest is told by the next reads.
        """
        count = count_of(reads, di)
        if count is None:
            return ()
        told = self.told.get(di, 0)
        # A count that fell was cleared: all that is there now is new.
        left = min(count - told if count >= told else count, MAX_RECORDS)
        return range(left, max(0, left - AT_ONCE), -1)

    def _agree(self, reads: Reads) -> None:
        """Raise `FrameDamaged` where the meter moved on in the middle of what belongs together."""
        edition, zone = self.options.edition, self.options.timezone
        clocks = {clock.DATE[edition], clock.TIME[edition]}
        if not clock.same_day(reads, edition):
            raise FrameDamaged("midnight came in the middle of the reading of the clock")
        for di, data in reads.items():
            if di not in clocks and any(other != data[0] for other in data[1:]):
                raise FrameDamaged(f"{di} changed in the middle of the reading of what belongs to it")
        number = self.options.settlement_days
        first = clock.settled_at(reads, edition, zone, number)
        if first != clock.settled_at(reads, edition, zone, number, last=True):
            raise FrameDamaged("a settlement instant came in the middle of the reading")
        now = clock.clock_of(reads, edition, zone, last=True)
        if first is not None and now is not None and now - first < JUST_SETTLED:
            raise FrameDamaged("the meter has only just settled: its registers may not be copied yet")


def _is_record(di: str) -> bool:
    return len(di) == 8 and di.startswith("03") and di[6:] != "00"
