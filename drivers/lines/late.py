"""Which answers are still owed by a bus whose protocol cannot say to which request an answer belongs.

On Modbus RTU a late answer looks exactly like the answer to the next request of the same unit and function.
So a request that stayed unanswered is remembered as owed. Until its answer has been heard, or is too late to
come, nothing is asked that it could be mistaken for. Only the very same read may be repeated meanwhile, where that is
urgent: whichever answer comes first is one to that question, at worst as old as the first time it was put. Pure: time
is an argument.
"""

from dataclasses import dataclass, field

from drivers.api import Exchange, ReplyReader
from drivers.errors import DriverError, FrameDamaged

# Seconds beyond the time-out in which an answer may still come, where nothing else is set or learned.
_LEAST_GUARD = 0.5
# An answer heard so long after its request is still learned from.
_MEMORY = 10.0
# A slow device is given more time than was set, but never more than this many time-outs.
_MOST_STRETCH = 3.0
_MARGIN = 1.25
# Each is shown all bytes that come. The oldest go first: their guards are past, for each cost a time-out.
_MOST_OWED = 64
_MOST_SLOW = 1024
# So often one question is put before it waits for its guard like any other.
_MOST_REPEATS = 8
# Where its guard is past so soon, a question that was answered last time waits for that: then nothing is in doubt.
SOON_S = 0.05


@dataclass(frozen=True, slots=True)
class _Sent:
    """One request that may still be answered: when it was sent, till when it should be, and till when it can be."""

    at: float
    due: float
    until: float


@dataclass(slots=True)
class _Owed:
    """What is owed under one key: answers to one request, sent once or, repeated, several times."""

    request: bytes
    reader: ReplyReader | None
    sent: list[_Sent]
    """Those that may still be answered, oldest first."""
    forget: float
    told: set[bytes] = field(default_factory=set)
    """Answers that came since the first repeat: the same bytes again may be a copy, and then nothing is paid."""
    asking: bool = False
    """True while the request is repeated: what comes is for its reader."""
    lost: bool = True
    """Whether the last of them went unanswered as well."""
    claimed: bool = False
    """Whether another request waits for the end of the guard: repeats that are not urgent then wait too."""

    @property
    def until(self) -> float:
        """When none of them can be answered any more."""
        return max(each.until for each in self.sent)

    def since(self, now: float) -> float | None:
        """Return when the first was sent that an answer from `now` on is likely to be one to.

        After a silence any of them is. Once one was answered in good time, no other is that should have been answered
        by now: a device that is later than was set for it, again and again, is the only one that is stamped too late.
        """
        return next((each.at for each in self.sent if self.lost or now < each.due), None)


def key_of(exchange: Exchange) -> bytes:
    """Return what two requests share if their answers can be mistaken for each other.

    The first two bytes: unit and function in Modbus. The length is left out on purpose, for a refusal has none.
    A key that other keys begin with stands for all of them: it waits for each, and none of them for it.
    A protocol whose frames all begin alike shares one key, which waits more than it must and is never wrong.
    """
    return exchange.key or exchange.request[:2]


def guard_s(timeout: float, late_guard: float | None = None) -> float:
    """Return for how long after a request without any answer its like is not sent."""
    return max(2 * timeout, timeout + _LEAST_GUARD) if late_guard is None else late_guard


class LateAnswers:
    """What a line's devices owe it, and how late they have been."""

    def __init__(self, guard: float | None = None) -> None:
        self._guard = guard
        self._owed: dict[bytes, _Owed] = {}
        self._slow: dict[bytes, float] = {}

    def __bool__(self) -> bool:
        return bool(self._owed)

    def window(self, exchange: Exchange, timeout: float, limit: float | None = None) -> float:
        """Return how long to wait for an answer: the time-out, or more for one known to be slow.

        `limit` is what was set for the device, where `timeout` was measured: the stretch is reckoned from it. What
        is repeated because it went unanswered gets all of it, for two silences make a device silent.
        """
        key = key_of(exchange)
        owed = self._owed.get(key)
        if owed is not None and owed.asking and owed.lost:
            timeout = max(timeout, limit or 0.0)
        slow = self._slow.get(key)
        if slow is None:
            return timeout
        return max(timeout, min(slow * _MARGIN, (limit or timeout) * _MOST_STRETCH))

    def clear_at(self, exchange: Exchange, *, repeat_at: float | None = None) -> float:
        """Return when this exchange may be sent without taking another's answer; 0 when nothing is owed.

        `repeat_at` says that it is a read which may go now, at that time, although its own answer is owed. Who may not
        go yet has a claim on the end of the guard: from then on such a read is repeated only where it went unanswered,
        or nothing else of its key would ever have its turn.
        """
        own = key_of(exchange)
        latest = 0.0
        for key, owed in self._owed.items():
            if key.startswith(own) and not (
                repeat_at is not None and key == own and _may_repeat(owed, exchange, repeat_at)
            ):
                owed.claimed = True
                latest = max(latest, owed.until)
            elif key in self._slow:  # it cannot be mistaken, but it would collide on the wire
                latest = max(latest, min(owed.until, owed.sent[-1].at + self._slow[key] * _MARGIN))
        return latest

    def asked(self, exchange: Exchange, now: float, *, repeat: bool = False) -> float | None:
        """Note that a request is being sent: what its key owed is past, and so is what is too old.

        Where it may be answered by what an earlier one like it is owed, return when the first of these was sent.
        """
        if not self._owed:
            return None
        own, since = key_of(exchange), None
        for key, owed in list(self._owed.items()):
            owed.asking = False  # whatever became of an exchange that never came to its end
            if key == own and repeat and now < owed.until and owed.request == exchange.request:
                owed.sent = [each for each in owed.sent if now < each.until]
                owed.asking, since = True, owed.since(now)
            elif key == own or now >= owed.forget:
                del self._owed[key]
        return since

    def unanswered(
        self,
        exchange: Exchange,
        reader: ReplyReader | None,
        *,
        sent: float,
        timeout: float,
        heard: bool,
        asleep: float = 0.0,
    ) -> None:
        """Note that an answer is owed; `reader` recognises it, `heard` says that damaged bytes did come.

        `asleep` are the seconds by which the end of the wait was noticed too late: a guard is a time of
        watching, and a process that was held up has not watched.
        """
        key = key_of(exchange)
        one = self._sent(key, sent, timeout, heard=heard, asleep=asleep)
        if not heard:
            self._slow.pop(key, None)
        before = self._owed.pop(key, None)
        self._make_room()
        owed = self._owed[key] = _Owed(exchange.request, reader, [one], max(one.until, sent + _MEMORY))
        if before is not None and before.asking:
            owed.reader = reader or before.reader
            owed.sent = [*before.sent, one]
            owed.forget = max(owed.forget, before.forget)
            owed.told, owed.claimed = before.told, before.claimed

    def answered_one(self, exchange: Exchange, payload: bytes, *, sent: float, timeout: float) -> None:
        """Note that an answer came, a refusal (empty) among them: if it was repeated, nobody knows to which of them.

        As answers come in their order, it was the first; the others are owed as before, up to the guard of the last.
        """
        key = key_of(exchange)
        owed = self._owed.get(key)
        if owed is None or not owed.asking:
            return
        owed.asking = owed.lost = False
        owed.sent = [*owed.sent[1:], self._sent(key, sent, timeout, heard=False)]
        owed.forget = max(owed.until, sent + _MEMORY)
        owed.told.add(payload)
        owed.reader = exchange.reader
        if _told_by(owed, b"") is not None:
            owed.reader = None  # it has more, or tells the same again: time alone ends the wait

    def hear(self, data: bytes, now: float) -> bool:
        """Show bytes to all who are owed; return True if an answer came, late."""
        told = {
            key: payload
            for key, owed in self._owed.items()
            if not owed.asking and (payload := _told_by(owed, data)) is not None
        }
        for key, payload in told.items():
            owed = self._owed[key]
            if len(told) > 1:
                owed.reader = None  # nobody knows whose it was: time alone ends the wait
                continue
            self._slow[key] = max(self._slow.get(key, 0.0), now - owed.sent[0].at)
            if payload in owed.told:
                continue  # a copy perhaps
            owed.told.add(payload)
            del owed.sent[0]
            if not owed.sent:
                del self._owed[key]
            elif _told_by(owed, b"") is not None:
                owed.reader = None
        return bool(told)

    def answered(self, exchange: Exchange, took: float, timeout: float) -> None:
        """Note an answer in good order: a slow device that has become quick is trusted again, by and by."""
        key = key_of(exchange)
        slow = self._slow.get(key)
        if slow is not None:
            slow = max(took, slow * 0.9 + took * 0.1)
            if slow * _MARGIN <= timeout:
                del self._slow[key]
            else:
                self._slow[key] = slow

    def keys_owed(self) -> tuple[bytes, ...]:
        """Return the keys that owe an answer, oldest first."""
        return tuple(self._owed)

    def _sent(self, key: bytes, at: float, timeout: float, *, heard: bool, asleep: float = 0.0) -> _Sent:
        guard, slow = self._guard, self._slow.get(key, 0.0) * _MARGIN
        if guard is None:
            # Damaged bytes most likely were the answer; silence says nothing of how late it may be.
            guard = 2 * timeout if heard else guard_s(timeout)
        return _Sent(at, at + max(timeout, slow), at + max(guard, slow) + asleep)

    def _make_room(self) -> None:
        while len(self._owed) >= _MOST_OWED:
            del self._owed[next(iter(self._owed))]
        while len(self._slow) >= _MOST_SLOW:
            del self._slow[next(iter(self._slow))]


def _may_repeat(owed: _Owed, exchange: Exchange, now: float) -> bool:
    same = owed.request == exchange.request and len(owed.sent) < _MOST_REPEATS
    return same and (owed.lost or (not owed.claimed and owed.until - now > SOON_S))


def _told_by(owed: _Owed, data: bytes) -> bytes | None:
    """Return the answer that these bytes complete, empty for a refusal; None where they complete none."""
    if owed.reader is None:
        return None
    try:
        return owed.reader.feed(data)
    except FrameDamaged:
        owed.reader = None  # it will recognise nothing any more; time alone ends the wait
        return None
    except DriverError:  # a sound refusal is an answer too
        return b""
