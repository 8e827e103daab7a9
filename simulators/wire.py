"""A pair of wires with the byte times of its baud rate: one talks at a time, and who does not keep that is counted.

Nothing here knows whether the pair ends in a pseudo-terminal or, through a serial server, in TCP connections.
There is no task a request: what is still to happen is a timer of the loop.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simulators.bus import Bus, Outgoing
from simulators.modbus_frames import Framing, Request

BITS_PER_CHAR = 10  # start, eight data, stop: 8N1; start, seven data, parity, stop: 7E1
GAP_CHARS = 3.5
FIXED_GAP_S = 0.00175  # above 19200 baud, serial line specification clause 2.5.1.1
SHORTEST_SILENCE_S = 0.02  # a pseudo-terminal hands over bursts, not characters
ASCII_SILENCE_S = 1.0  # no longer pause may be between two characters, clause 2.5.2.1
# What a clock of this machine may be wrong by without anybody having broken a silence.
TOLERANCE_S = 0.0002
# An event loop's timers ring up to a millisecond late; the last character of a reply is waited for instead.
EARLY_S = 0.0011


class Port(Protocol):
    """Where a master listens."""

    stranger: bool
    """True where the master is none of ours."""

    def write(self, data: bytes) -> bool:
        """Hand over bytes; return False where nobody takes them any more."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of a pair: of a character, and of a device that is about to answer; 0 takes no time."""

    char_s: float = 0.0
    gap_s: float = 0.0
    turnaround: float = 0.0
    burst_s: float = 0.004
    strict: bool = False
    echo: bool = False

    @classmethod
    def of(
        cls, baud: int | None, frames: str, turnaround: float, burst: float, *, strict: bool, echo: bool
    ) -> "Pace":
        """Return the times of a baud rate; None takes no time at all."""
        char = BITS_PER_CHAR / baud if baud else 0.0
        gap = 0.0 if frames == "ascii" or not baud else FIXED_GAP_S if baud > 19200 else GAP_CHARS * char
        return cls(char, gap, turnaround, burst, strict, echo)


@dataclass(slots=True, eq=False)
class _Owed:
    """A request that was heard and is not answered yet."""

    request: Request
    port: Port
    t0: int
    ends: float
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True, eq=False)
class _Sending:
    outgoing: Outgoing
    data: bytes
    port: Port
    start: float
    place: int = 0
    spoiled: bool = False


class Wire:
    """What comes from masters goes in by `take`; answers go out to the port that asked."""

    def __init__(self, bus: Bus, framing: Framing, pace: Pace, clock_ms: Callable[[], int]) -> None:
        self.frames = framing
        self._bus = bus
        self._counts = bus.counts
        self._pace = pace
        self._clock_ms = clock_ms
        self._free = 0.0
        """When the last byte ends that is known to come."""
        self._began = 0.0
        self._damaged = False
        self._deaf_until = 0.0
        self._owed: set[_Owed] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._sending: _Sending | None = None
        self._queue: deque[_Sending] = deque()
        self._silence: asyncio.TimerHandle | None = None
        ascii_ = pace.gap_s == 0.0 and pace.char_s > 0.0
        self._silent_after = ASCII_SILENCE_S if ascii_ else max(2 * pace.gap_s, SHORTEST_SILENCE_S)

    def close(self) -> None:
        """Forget everything that is still to happen."""
        for owed in self._owed:
            if owed.timer is not None:
                owed.timer.cancel()
        for timer in self._timers:
            timer.cancel()
        if self._silence is not None:
            self._silence.cancel()
        self._owed.clear()
        self._timers.clear()
        self._queue.clear()
        self._sending = None

    def take(self, data: bytes, port: Port) -> None:
        """Take what a master says, in any portions."""
        now = asyncio.get_running_loop().time()
        if now < self._deaf_until:
            return
        if not self.frames.begun:
            if not self._may_begin(now, len(data)):
                return
            self._began, self._damaged = now, False
        skipped = self.frames.skipped
        found = self.frames.feed(data)
        self._judge(skipped)
        self._hear(found, port, now)
        if not found:
            self._free = max(self._free, now + len(data) * self._pace.char_s)
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        if self.frames.begun:
            loop = asyncio.get_running_loop()
            self._silence = loop.call_later(self._silent_after, self._silent, port)

    def babble(self, data: bytes, ports: list[Port]) -> None:
        """Say something that nobody asked for, whoever is talking now."""
        now = asyncio.get_running_loop().time()
        self._counts.babbled += 1
        if self._sending is not None:
            self._sending.spoiled = True
        for owed in [owed for owed in self._owed if owed.ends > now]:  # it is still on its way to the device
            self._counts.damaged_requests += 1
            self._owed.discard(owed)
            if owed.timer is not None:
                owed.timer.cancel()
            self._bus.sent(self._bus.unheard(owed.request, owed.t0))
        for port in ports:
            port.write(data)
        self._free = max(self._free, now + len(data) * self._pace.char_s)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something later, unless the line is closed by then."""

        def ring() -> None:
            self._timers.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(max(0.0, seconds), ring)
        self._timers.add(timer)

    def spoken(self) -> None:
        """Note that somebody else on the pair has just ended: the silence begins here."""
        self._free = max(self._free, asyncio.get_running_loop().time())

    def _may_begin(self, now: float, size: int) -> bool:
        """Judge the silence before a request; False where nobody can hear it."""
        silence = now - self._free
        if self._sending is not None and silence < 0:
            self._counts.collisions += 1
            self._deaf_until = now + size * self._pace.char_s
            return False
        if self._owed:
            self._counts.impatient += 1
        if self._pace.gap_s and self._free:
            shown = max(0.0, silence) * 1000
            least = self._counts.shortest_silence_ms
            self._counts.shortest_silence_ms = shown if least is None else min(least, shown)
            if silence < self._pace.gap_s - TOLERANCE_S:
                self._counts.broken_silences += 1
                if self._pace.strict:
                    self._counts.dropped += 1
                    self._deaf_until = self._free = now + size * self._pace.char_s
                    return False
        return True

    def _judge(self, skipped: int) -> None:
        """Count a request in which something was passed over, once however often we look at it."""
        if self.frames.skipped > skipped and not self._damaged:
            self._damaged = True
            self._counts.damaged_requests += 1

    def _silent(self, port: Port) -> None:
        self._silence = None
        skipped = self.frames.skipped
        found = self.frames.silence()
        self._judge(skipped)
        self._hear(found, port, asyncio.get_running_loop().time())

    def _hear(self, found: list[Request], port: Port, now: float) -> None:
        for request in found:
            # It came as one burst; on a real pair it takes this long, and then the silence that ends it.
            took = request.size * self._pace.char_s
            ends = self._free = max(self._began + took, now)
            self._began = ends
            self._counts.busy_s += took
            if self._pace.echo or self._bus.echoes(request.unit):
                port.write(self.frames.wrap(request, request.pdu))
            owed = _Owed(request, port, self._clock_ms(), ends)
            self._owed.add(owed)
            due = ends + self._pace.gap_s + self._pace.turnaround
            if due <= now:
                self._answer(owed, now)
            else:
                owed.timer = asyncio.get_running_loop().call_at(due - EARLY_S, self._answer, owed, due)

    def _answer(self, owed: _Owed, due: float) -> None:
        outgoing = self._bus.receive(owed.request, self.frames, owed.t0, stranger=owed.port.stranger)
        if outgoing.data is None:
            self._owed.discard(owed)
            self._bus.sent(outgoing)
        elif outgoing.delay > 0:
            loop = asyncio.get_running_loop()
            owed.timer = loop.call_at(due + outgoing.delay, self._begin, owed, outgoing, due + outgoing.delay)
        else:
            self._begin(owed, outgoing, due)

    def _begin(self, owed: _Owed, outgoing: Outgoing, due: float) -> None:
        self._owed.discard(owed)
        self._counts.busy_s += max(0.0, due - owed.ends)
        self._send(outgoing, owed.port, due)

    def _send(self, outgoing: Outgoing, port: Port, due: float) -> None:
        sending = _Sending(outgoing, outgoing.data or b"", port, due)
        if self._sending is not None:
            self._queue.append(sending)
        else:
            self._start(sending)

    def _start(self, sending: _Sending) -> None:
        sending.start = max(sending.start, self._free)
        took = len(sending.data) * self._pace.char_s
        self._sending, self._free = sending, sending.start + took
        self._counts.busy_s += took
        self._next()

    def _next(self) -> None:
        """Wait for the next burst of characters: each is there when its last bit is."""
        sending, loop = self._sending, asyncio.get_running_loop()
        if sending is None:
            return
        end = self._burst_end(sending)
        due = sending.start + end * self._pace.char_s
        if end == len(sending.data):
            due -= EARLY_S
        if due > loop.time():
            loop.call_at(due, self._push)
        else:
            self._push()

    def _burst_end(self, sending: _Sending) -> int:
        char = self._pace.char_s
        burst = max(1, int(self._pace.burst_s / char)) if char else len(sending.data)
        return min(len(sending.data), sending.place + burst)

    def _push(self) -> None:
        sending, loop = self._sending, asyncio.get_running_loop()
        if sending is None:
            return
        end = self._burst_end(sending)
        last = end == len(sending.data)
        if last and (left := sending.start + end * self._pace.char_s - loop.time()) > 0:
            # Up to a millisecond, so that a master is measured and not the loop's timers.
            time.sleep(min(left, EARLY_S))
        now = loop.time()
        taken = sending.port.write(sending.data[sending.place : end])
        sending.place = end
        if taken and not last:
            self._next()
        else:
            self._finish(sending, now, delivered=taken)

    def _finish(self, sending: _Sending, now: float, *, delivered: bool) -> None:
        self._sending = None
        self._free = now
        self._bus.sent(sending.outgoing, delivered=delivered, spoiled=sending.spoiled)
        again = sending.outgoing.again
        if again is not None and delivered:
            copy = Outgoing(sending.data)
            self.later(again, lambda: self._send(copy, sending.port, asyncio.get_running_loop().time()))
        if self._queue and self._sending is None:
            self._start(self._queue.popleft())
