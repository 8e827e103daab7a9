"""One wire and the one exchange on it: whose turn it is, when to send, when to give up, what to believe."""

import asyncio
import functools
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from drivers.api import Exchange
from drivers.errors import DeviceSilent, FrameDamaged, LineDown
from drivers.lines.attempt import Attempt
from drivers.lines.conversation import converse
from drivers.lines.doubled import Doubled
from drivers.lines.echo import EchoFilter
from drivers.lines.late import LateAnswers
from drivers.lines.link import Link, caught_up
from drivers.lines.records import Pace, Reply
from drivers.lines.settings import SerialMode
from drivers.lines.unease import Unease
from drivers.lines.wire import Wire

log = logging.getLogger(__name__)

# A line that never falls silent is given up for this exchange after so long.
_NEVER_SILENT = 1.0
# The event loop's timers are coarse to a millisecond; the rest of a silence is waited out by yielding.
_COARSE = 0.001
# Waking so much later than meant, we have not watched the wire as a guard time demands.
_OVERSLEPT = 0.005
# Less is not worth the trouble of leaving a wire unwatched.
_LEAST_REST = 0.002
# A broadcast has no answer; devices get this long to act on it before the next request.
_TURNAROUND = 0.1
# After the time that a request takes on the wire, it has left the adapter too.
_SENT = 0.01


class Line(Link):
    """A TCP endpoint or a serial port; carries one exchange at a time and has no task of its own."""

    def __init__(
        self,
        wire: Wire,
        pace: Pace,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        rng: random.Random,
    ) -> None:
        super().__init__(wire, pace, monotonic=monotonic, rng=rng)
        self._clock = clock
        self._turn = asyncio.Lock()
        self._late = LateAnswers(pace.late_guard)
        self._echo = EchoFilter(pace.echo)
        self._unease = Unease()
        self._doubled = Doubled()
        self._expired = False
        self._window = self._last = self._deadline = 0.0
        """How long an answer may take to begin, and when it must have ended at the latest."""
        self._timer: asyncio.TimerHandle
        self._rests = self._repeat = self._living = False
        self._shifted: SerialMode | None = None
        """The mode that the exchange in flight is in: its device's, or what it has changed to on the way."""

    def clear_at(self, exchange: Exchange, *, repeat: bool = False) -> float:
        """Return the monotonic time from which this exchange need not wait for another's late answer.

        For a scheduler: what may go at once goes first. `exchange` itself waits as long as it must.
        """
        if exchange.matched:
            return 0.0
        return self._late.clear_at(
            exchange, repeat_at=self._now() if repeat and exchange.then is None else None
        )

    @property
    def owing(self) -> bool:
        """Whether a late answer may still come, so that `clear_at` is worth asking."""
        return bool(self._late)

    async def exchange(
        self,
        exchange: Exchange,
        *,
        timeout: float,
        quiet: float | None = None,
        limit: float | None = None,
        mode: SerialMode | None = None,
        repeat: bool = False,
        living: bool = False,
    ) -> Reply:
        """Send a request and return its reply; `timeout` is the device's time to answer, wire time is added.

        `quiet` is the least silence before the request where a device needs more than the wire. `limit` is the
        longest that the device may take, where `timeout` was measured and is shorter: late answers are guarded
        against by it. `mode` is for a device that needs another one than the line has; the line is changed over in
        silence. `repeat` lets a read go although an answer to the very same request is owed; never for a write.
        `living` says that some device of the line does answer: then no silence is a reason to open the wire anew.
        Raises `LineDown`, `DeviceSilent`, `FrameDamaged`, `DeviceRefused`, `Misconfigured` for a mode that the wire
        cannot have, and nothing else on purpose.
        """
        async with self._turn:
            before = self.stats.requests
            try:
                await self._ready()
                self._shifted, self._repeat, self._living = mode, repeat and exchange.then is None, living
                return await converse(exchange, functools.partial(self._step, timeout, quiet, limit))
            except LineDown as err:
                err.sent = self.stats.requests > before
                self._say_lost(err)
                raise

    async def _step(
        self, timeout: float, quiet: float | None, limit: float | None, exchange: Exchange
    ) -> Reply:
        mode = None if self._shifted == self._pace.mode else self._shifted
        if mode != self._mode:
            await self._retune(mode)
        if exchange.pause:
            quiet = max(exchange.pause, quiet or 0.0)
        if exchange.matched and quiet is None:
            self._note_idle()
        else:
            await self._settle(exchange, quiet)
        return await self._carry(exchange, timeout, max(timeout, limit or 0.0))

    # Before a request.

    async def _retune(self, mode: SerialMode | None) -> None:
        """Change the wire over between two silences: what comes meanwhile is unreadable, and is no answer."""
        await self._settle(None, None)
        try:
            self._wire.tune(mode)
        except LineDown as err:
            self._down(str(err))
            raise
        self._mode, self._time = mode, mode or self._pace
        self._busy_until = self._now()

    async def _settle(self, exchange: Exchange | None, quiet: float | None) -> None:
        """Wait until the wire is silent and no owed answer can be taken for the one to come."""
        silence = self._time.silence if quiet is None else max(quiet, self._time.silence)
        began = self._now()
        while True:
            await caught_up()
            self._note_idle()
            if not self._up:
                raise LineDown(self._why)
            now = self._now()
            silent = self._busy_until + self._unease.silence(silence)
            owed = 0.0 if exchange is None else self.clear_at(exchange, repeat=self._repeat)
            if now >= silent and now >= owed:
                return
            if now > max(began, owed) + silence + _NEVER_SILENT:
                self.stats.damaged += 1
                raise FrameDamaged(
                    f"{self.name}: the line never falls silent: look for a device that sends unasked, "
                    "a second master, or missing bias resistors"
                )
            await self._pause(max(silent, owed))
            if self._late and self._now() - max(silent, owed) > _OVERSLEPT:
                # This process stood still. What is owed may still be on its way up to us: watch once more. Where
                # nothing is owed, all that came meanwhile is seen in the next turn of the loop.
                self._busy_until = self._now()
                self._unease.overslept()

    async def _pause(self, until: float) -> None:
        """Return at `until`, or earlier when bytes came or the wire was lost."""
        loop = asyncio.get_running_loop()
        rest = until - self._now() - _COARSE
        if rest <= 0:
            while True:
                if self._now() >= until or self._idle or not self._up:
                    return
                await asyncio.sleep(0)
        waiter = self._waiter = loop.create_future()
        timer = loop.call_later(rest, self._wake)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _note_idle(self) -> None:
        for at, data in self._idle:
            if self._late.hear(data, at):
                self.stats.late_replies += 1
                self._unease.owed()
            else:
                self._unease.stray(len(data), owed=bool(self._late))
            self._doubled.stray(data)
        self._idle.clear()
        self._idle_bytes = 0

    # The exchange itself.

    async def _carry(self, exchange: Exchange, timeout: float, limit: float) -> Reply:
        attempt = Attempt(exchange, None if exchange.matched else self._echo)
        self._hushed = exchange.secret
        self._inbox.clear()
        self._unease.asked()
        since = self._late.asked(exchange, self._now(), repeat=self._repeat)
        began = self._send(exchange.request)
        sent = self._busy_until
        if exchange.reader is None:
            return await self._no_reply(began, sent)
        window = timeout if exchange.matched else self._late.window(exchange, timeout, limit)
        pace = self._time if exchange.baud is None else self._at(exchange.baud)  # at which the reply comes
        frame = exchange.reply_bytes * pace.byte_time
        self._window, self._last = window, sent + max(window, limit) + frame
        self._deadline = sent + window + frame
        self._timer = asyncio.get_running_loop().call_later(self._deadline - began, self._expire)
        self._listening, self._expired = True, False
        try:
            if exchange.baud is not None:
                await self._shift(exchange.baud)
            payload = await self._listen(attempt)
            # A process that stood still finds the answer waiting: the stamp must not be off by how long it stood.
            ended = min(self._now(), self._deadline)
            if not exchange.matched and self._doubled.suspect(exchange, payload):
                first, payload = payload, await self._second(attempt, payload)
                ended = ended if payload is first else min(self._now(), self._deadline)
        except (FrameDamaged, DeviceSilent) as err:
            self._count_failure(err, attempt)
            raise
        finally:
            self._timer.cancel()
            self._listening = False
            if self._rests:
                self._rests = False
                self._wire.rest(0.0)
            if attempt.answered:
                self._proven()
                self._late.answered_one(exchange, attempt.payload, sent=sent, timeout=limit)
            else:
                self._abandon(attempt, sent=sent, limit=limit, deadline=self._deadline)
        # An answer proves that the request has left, whatever was reckoned.
        self._busy_until = max(ended, self._heard_at)
        if not exchange.matched:
            self._doubled.believed(exchange, payload)
            self._unease.answered()
            if attempt.surplus:
                self._unease.stray(attempt.surplus)
                self._doubled.stray(attempt.tail)
            self._echo.answered()
            self._late.answered(exchange, ended - sent, timeout)
        return self._reply(payload, began, ended, since)

    async def _shift(self, baud: int) -> None:
        """Change speed once the request has left, for its reply and the steps after it."""
        # An adapter sends a little later than it is told to, and a device takes 20 ms at least to change over.
        await asyncio.sleep(self._busy_until - self._now() + _SENT)
        if not self._up:
            raise LineDown(self._why)
        self._shifted = self._at(baud)
        self._wire.tune(self._shifted)
        self._mode, self._time = self._shifted, self._shifted

    def _at(self, baud: int) -> SerialMode:
        return msgspec.structs.replace(self._shifted or self._pace.mode or SerialMode(), baud=baud)

    async def _second(self, attempt: Attempt, first: bytes) -> bytes:
        """Listen on until the time-out, and return the answer to believe."""
        exchange = attempt.exchange
        try:
            second = attempt.again() or await self._listen(attempt)
        except (DeviceSilent, FrameDamaged):
            self._doubled.cleared(exchange, first)
            return first
        if second == first:
            return first
        self._doubled.caught()
        self.stats.doubled += 1
        if self._doubled.suspect(exchange, second):
            attempt.doubt()
            raise FrameDamaged(
                f"{self.name}: two answers to one request, and both may be copies of older ones"
            )
        return second

    def _send(self, request: bytes) -> float:
        if not self._wire.clear_unsent():
            self._drop("the peer takes no more bytes: connection dropped")
            raise LineDown(self._why)
        self.stats.requests += 1
        self.stats.bytes_out += len(request)
        began = self._now()
        try:
            self._wire.write(request)
        except LineDown as err:
            if self._up:  # the wire found out by this very write, or died while it was opening
                self._wire.close()
                self.lost(err)
            raise
        self._busy_until = began + len(request) * self._time.byte_time
        if self._taps:
            self._show("tx", request, began)
        return began

    async def _listen(self, attempt: Attempt) -> bytes:
        loop, looked = asyncio.get_running_loop(), False
        while True:
            if self._inbox:
                data = bytes(self._inbox)
                self._inbox.clear()
                self._rests = False
                payload = attempt.take(data)
                if payload is not None:
                    return payload
                if self._late and self._late.hear(data, self._now()):
                    self.stats.late_replies += 1
                self._rest(attempt)
            if not self._up:
                raise LineDown(self._why)
            if self._expired and not self._may_end(attempt):
                if looked:
                    raise attempt.overdue(self.name)
                looked = True  # a process that stood still finds the answer waiting
                await caught_up()
                continue
            waiter = self._waiter = loop.create_future()
            try:
                await waiter
            finally:
                self._waiter = None

    def _rest(self, attempt: Attempt) -> None:
        """Once an answer has begun, leave the wire alone until the rest of it can have come.

        Not where another answer is owed: whose bytes these are must be known as they come.
        """
        if self._late or not attempt.heard:
            return
        seconds = min(attempt.needs * self._time.byte_time, self._deadline - self._now()) - _COARSE
        if seconds >= _LEAST_REST:
            self._rests = True
            self._wire.rest(seconds)

    def _count_failure(self, err: FrameDamaged | DeviceSilent, attempt: Attempt) -> None:
        if isinstance(err, FrameDamaged):
            self.stats.damaged += 1
        elif not attempt.answered:  # a serial server may answer for a device that is silent
            self.stats.timeouts += 1

    def _abandon(self, attempt: Attempt, *, sent: float, limit: float, deadline: float) -> None:
        """Leave the wire so that the next exchange is safe, however this one ended."""
        if not attempt.exchange.matched:
            self._doubled.stray(attempt.tail)
            # Though the wire be lost: a serial server sends it over the next one.
            self._late.unanswered(
                attempt.exchange,
                attempt.live_reader,
                sent=sent,
                timeout=limit,
                heard=attempt.heard > 0,
                asleep=max(0.0, self._now() - deadline),
            )
        if not self._up:
            return
        if attempt.exchange.matched and attempt.torn:
            # Part of a frame was taken: where the next begins in the stream is no longer known.
            self._renew("lost its place in the stream of bytes")
        elif not self._wire.clear_unsent():
            self._drop("the peer takes no more bytes: connection dropped")
        else:
            self._not_heard(living=self._living)

    async def _no_reply(self, began: float, sent: float) -> Reply:
        until = sent + _TURNAROUND
        while self._up and self._now() < until:
            await self._pause(until)
            self._note_idle()
        if not self._up:
            raise LineDown(self._why)
        return self._reply(b"", began, max(sent, began))

    def _reply(self, payload: bytes, began: float, ended: float, since: float | None = None) -> Reply:
        # Counted back from now, not forward from the start: a clock set meanwhile moves one stamp, not two.
        # It may be the answer to the first of several equal requests, and then is of that time.
        ago = self._now() - ((began if since is None else since) + ended) / 2
        return Reply(payload, began, ended, self._clock() - timedelta(seconds=ago), since is not None)

    def _may_end(self, attempt: Attempt) -> bool:
        """Give an answer that has begun the time to end: a request into its middle would break both."""
        if not attempt.heard or attempt.live_reader is None or not attempt.torn:
            return False
        until = min(self._heard_at + self._window, self._last)
        rest = until - self._now()
        if rest <= 0:
            return False
        self._deadline, self._expired = until, False
        self._timer = asyncio.get_running_loop().call_later(rest, self._expire)
        return True

    def _expire(self) -> None:
        self._expired = True
        self._wake()
