"""Which answers are still owed by a bus whose protocol cannot say to which request an answer belongs.

On Modbus RTU a late answer looks exactly like the answer to the next request of the same unit and function.
So a request that stayed unanswered is remembered as owed. Until its answer has been heard, or is too late to
come, nothing is asked that it could be mistaken for. Pure: time is an argument.
"""

from dataclasses import dataclass

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


@dataclass(slots=True)
class _Owed:
    reader: ReplyReader | None
    sent: float
    until: float
    forget: float


def key_of(exchange: Exchange) -> bytes:
    """Return what two requests share if their answers can be mistaken for each other.

    The first two bytes: unit and function in Modbus. The length is left out on purpose, for a refusal has none.
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

        `limit` is what was set for the device, where `timeout` was measured: the stretch is reckoned from it.
        """
        slow = self._slow.get(key_of(exchange))
        if slow is None:
            return timeout
        return max(timeout, min(slow * _MARGIN, (limit or timeout) * _MOST_STRETCH))

    def clear_at(self, exchange: Exchange) -> float:
        """Return when this exchange may be sent without taking another's answer; 0 when nothing is owed."""
        own = key_of(exchange)
        latest = 0.0
        for key, owed in self._owed.items():
            if key == own:
                latest = max(latest, owed.until)
            elif key in self._slow:  # it cannot be mistaken, but it would collide on the wire
                latest = max(latest, min(owed.until, owed.sent + self._slow[key] * _MARGIN))
        return latest

    def asked(self, exchange: Exchange, now: float) -> None:
        """Note that a request is being sent: what its key owed is past, and so is what is too old."""
        if self._owed:
            self._owed.pop(key_of(exchange), None)
            for key in [key for key, owed in self._owed.items() if now >= owed.forget]:
                del self._owed[key]

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
        guard = self._guard
        if guard is None:
            # Damaged bytes most likely were the answer; silence says nothing of how late it may be.
            guard = 2 * timeout if heard else guard_s(timeout)
        slow = self._slow.get(key, 0.0)
        if not heard:
            self._slow.pop(key, None)
        guard = max(guard, slow * _MARGIN)
        until = sent + guard + asleep
        self._owed.pop(key, None)
        self._make_room()
        self._owed[key] = _Owed(reader, sent, until, max(until, sent + _MEMORY))

    def hear(self, data: bytes, now: float) -> bool:
        """Show bytes to all who are owed; return True if an answer came, late."""
        paid = [key for key, owed in self._owed.items() if _answers(owed, data)]
        for key in paid:
            owed = self._owed.pop(key)
            self._slow[key] = max(self._slow.get(key, 0.0), now - owed.sent)
        return bool(paid)

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

    def _make_room(self) -> None:
        while len(self._owed) >= _MOST_OWED:
            del self._owed[next(iter(self._owed))]
        while len(self._slow) >= _MOST_SLOW:
            del self._slow[next(iter(self._slow))]


def _answers(owed: _Owed, data: bytes) -> bool:
    if owed.reader is None:
        return False
    try:
        return owed.reader.feed(data) is not None
    except FrameDamaged:
        owed.reader = None  # it will recognise nothing any more; time alone ends the wait
        return False
    except DriverError:  # a sound refusal is an answer too
        return True
