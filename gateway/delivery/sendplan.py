"""What to send next, decided without I/O: four streams, one window, and time handed in.

Streams in the order of their right of way: alarm, billing, live telemetry, backlog (telemetry older than this
connection, at a limited rate). A batch that the broker has acknowledged leaves the window, and stays in its
stream until the server says `Stored`. Only numbers are kept here; the bytes stay in the journal.

What stays unanswered is sent again, the oldest first. While the server is heard, up to a window of them; while
it is silent, one per lane: a server that is down for a night must not find each batch a thousand times in its
broker. `Stored.through` is one number per lane, so that live telemetry cannot be answered before the backlog
below it has been sent: until then it is not overdue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from gateway.delivery.journal_types import JournalBatch, LaneCount
from messages.types import Lane


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """How the uplink sends."""

    window: int = 32
    window_bytes: int = 256 * 1024  # of billing and telemetry: an alarm waits behind no more on a slow link
    resend_s: float = 10.0
    resend_max_s: float = 60.0
    backlog_per_s: float = 50.0
    unanswered: int = 1000  # per stream; then the stream rests until the server answers
    unanswered_live: int = 10_000

    @property
    def shared(self) -> int:
        """Slots of the window that others than alarms may use."""
        return self.window - min(self.window - 1, max(1, self.window // 4))


@dataclass(slots=True)
class _Sent:
    size: int
    wait: float
    due: float | None = None  # None while in flight


@dataclass(slots=True)
class Stream:
    """One queue: the numbers of a lane after `cursor`, up to and with `end` if that is given."""

    lane: Lane
    cursor: int
    cap: int
    end: int | None = None
    unanswered: dict[int, _Sent] = field(default_factory=dict)  # in the order of their numbers

    def drop(self, through: int) -> int:
        """Let go of all numbers up to `through`; return how many were waiting for that."""
        count = 0
        for seq in list(self.unanswered):
            if seq > through:
                break
            del self.unanswered[seq]
            count += 1
        self.cursor = max(self.cursor, through)
        return count

    def last(self, counts: Mapping[Lane, LaneCount]) -> int:
        """Return the highest number that this stream may send now."""
        newest = counts[self.lane].next - 1
        return newest if self.end is None else min(newest, self.end)


@dataclass(frozen=True, slots=True)
class Read:
    """What to read from the journal: batches after a number; `again` if that is a resend of just one."""

    stream: Stream
    after: int
    limit: int
    last: int
    max_bytes: int
    again: bool = False


class SendPlan:
    """The window of one connection. Everything that the server has not stored is sent anew in each one."""

    def __init__(
        self, settings: Sending, counts: Mapping[Lane, LaneCount], stored: Mapping[Lane, int], now: float
    ) -> None:
        self.in_flight = 0
        self.hurry = False  # a gateway that stops does not hold its backlog back
        self._settings = settings
        self._flying_bytes = 0
        self._tokens = self._burst = max(1.0, settings.backlog_per_s / 5)
        self._filled = now
        self._heard: dict[Lane, float] = {}

        def begin(lane: Lane) -> int:
            return max(counts[lane].first - 1, stored.get(lane, 0))

        newest = max(counts[Lane.TELEMETRY].next - 1, begin(Lane.TELEMETRY))
        self._alarm = Stream(Lane.ALARM, begin(Lane.ALARM), settings.unanswered)
        self._billing = Stream(Lane.BILLING, begin(Lane.BILLING), settings.unanswered)
        self._live = Stream(Lane.TELEMETRY, newest, settings.unanswered_live)
        self._backlog = Stream(Lane.TELEMETRY, begin(Lane.TELEMETRY), settings.unanswered, newest)
        self.streams = (self._alarm, self._billing, self._live, self._backlog)

    # -- what to do ---------------------------------------------------------------------------------------

    def next_read(self, counts: Mapping[Lane, LaneCount], now: float) -> Read | None:
        """Return the most urgent thing that may be sent now, or None."""
        self._refill(now)
        for stream in self.streams:
            slots = self._slots(stream)
            if slots < 1:
                continue
            seq = self._overdue(stream, counts, now)
            if seq is not None:
                return Read(stream, seq - 1, 1, seq, 1, again=True)
            read = self._new(stream, counts, slots)
            if read is not None:
                return read
        return None

    def took(self, read: Read, batches: Sequence[JournalBatch]) -> list[JournalBatch]:
        """Note what the journal answered; return the batches that are now to be published."""
        stream = read.stream
        mine = found = [batch for batch in batches if batch.seq <= read.last]
        if read.again:
            if not mine:
                stream.unanswered.pop(read.last, None)  # stored meanwhile, or dropped and declared as a gap
                return []
            sent = stream.unanswered.get(read.last)
            if sent is None:
                return []
            sent.due, sent.wait = None, min(sent.wait * 2, self._settings.resend_max_s)
        else:
            # Those that were stored while they were read: the server had them of an earlier connection.
            mine = [batch for batch in found if batch.seq > stream.cursor]
            for batch in mine:
                stream.unanswered[batch.seq] = _Sent(len(batch.items), self._settings.resend_s)
            # An empty answer means that there is nothing up to there any more: it was dropped as a gap.
            stream.cursor = max(stream.cursor, found[-1].seq if found else read.last)
            if stream is self._backlog:
                self._tokens -= len(mine)
        self.in_flight += len(mine)
        self._flying_bytes += sum(len(batch.items) for batch in mine)
        return mine

    def next_due(self, counts: Mapping[Lane, LaneCount], now: float) -> float | None:
        """Return after how many seconds `next_read` must be asked again even if nothing happens."""
        dues = [
            sent.due - now
            for stream in self.streams
            if self._answerable(stream, counts)
            for sent in islice(stream.unanswered.values(), self._heads(stream, now))
            if sent.due is not None and sent.due > now
        ]
        backlog = self._backlog
        if backlog.cursor < backlog.last(counts) and self._tokens < 1 and not self.hurry:
            dues.append((1 - self._tokens) / self._settings.backlog_per_s)
        return min(dues, default=None)

    # -- what happened ------------------------------------------------------------------------------------

    def puback(self, stream: Stream, batch: JournalBatch, now: float) -> None:
        """The broker has it: the window is free, and the server's answer is waited for from now on."""
        self.in_flight -= 1
        self._flying_bytes -= len(batch.items)
        sent = stream.unanswered.get(batch.seq)
        if sent is not None:
            sent.due = now + sent.wait

    def stored(self, lane: Lane, through: int, now: float) -> int:
        """The server has all up to there; return how many batches waited for that."""
        self._heard[lane] = now
        return sum(stream.drop(through) for stream in self.streams if stream.lane is lane)

    # -- rules --------------------------------------------------------------------------------------------

    def _refill(self, now: float) -> None:
        grown = self._tokens + (now - self._filled) * self._settings.backlog_per_s
        self._tokens, self._filled = min(self._burst, grown), now

    def _slots(self, stream: Stream) -> int:
        if stream.lane is Lane.ALARM:
            return self._settings.window - self.in_flight
        if self.in_flight and self._flying_bytes >= self._settings.window_bytes:
            return 0
        return self._settings.shared - self.in_flight

    def _new(self, stream: Stream, counts: Mapping[Lane, LaneCount], slots: int) -> Read | None:
        stream.cursor = max(stream.cursor, min(counts[stream.lane].first - 1, stream.last(counts)))
        last = stream.last(counts)
        limit = min(slots, stream.cap - len(stream.unanswered), last - stream.cursor)
        if stream is self._backlog and not self.hurry:
            limit = min(limit, int(self._tokens))
        if limit < 1:
            return None
        # A look at a few: what comes in while these are read may be more urgent than the rest.
        room = max(1, self._settings.window_bytes - self._flying_bytes)
        return Read(stream, stream.cursor, min(limit, 8), last, room)

    def _answerable(self, stream: Stream, counts: Mapping[Lane, LaneCount]) -> bool:
        backlog = self._backlog
        return stream is not self._live or (not backlog.unanswered and backlog.cursor >= backlog.last(counts))

    def _heads(self, stream: Stream, now: float) -> int:
        heard = self._heard.get(stream.lane)
        alive = heard is not None and now - heard < self._settings.resend_s
        return self._settings.window if alive else 1

    def _overdue(self, stream: Stream, counts: Mapping[Lane, LaneCount], now: float) -> int | None:
        if not self._answerable(stream, counts):
            return None
        for seq, sent in islice(stream.unanswered.items(), self._heads(stream, now)):
            if sent.due is not None and sent.due <= now:
                return seq
        return None
