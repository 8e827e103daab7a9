"""One wire and the one exchange on it: whose turn it is, when to send, when to give up, what to believe."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, Self

from drivers.api import Exchange
from drivers.errors import DeviceSilent, FrameDamaged, LineDown
from drivers.lines.attempt import Attempt
from drivers.lines.backoff import Backoff
from drivers.lines.echo import EchoFilter
from drivers.lines.late import LateAnswers
from drivers.lines.records import Frame, Pace, Reply, Stats
from drivers.lines.unease import Unease
from drivers.lines.wire import Wire

log = logging.getLogger(__name__)

# A line that never falls silent is given up for this exchange after so long.
_NEVER_SILENT = 1.0
# The event loop's timers are coarse to a millisecond; the rest of a silence is waited out by yielding.
_COARSE = 0.001
# A wire is opened anew only after so many requests without a byte; one dead device among many never causes it.
_UNHEARD = 3
# Waking so much later than meant, we have not watched the wire as a guard time demands.
_OVERSLEPT = 0.005
# Bytes kept while nobody waits for any, so that a late answer is recognised.
_IDLE_BYTES = 4096
# A broadcast has no answer; devices get this long to act on it before the next request.
_TURNAROUND = 0.1


class Line:
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
        self.name = wire.name
        self.stats = Stats()
        self._wire, self._pace = wire, pace
        self._clock, self._now = clock, monotonic
        self._turn = asyncio.Lock()
        self._backoff = Backoff(rng)
        self._late = LateAnswers(pace.late_guard)
        self._echo = EchoFilter(pace.echo)
        self._unease = Unease()
        self._taps: tuple[Callable[[Frame], None], ...] = ()
        self._up = self._closed = self._opened = self._lost_said = False
        self._why = ""
        self._inbox = bytearray()
        self._idle: list[tuple[float, bytes]] = []
        self._idle_bytes = 0
        self._listening = self._expired = False
        self._unheard = 0
        self._heard_at = 0.0
        self._waiter: asyncio.Future[None] | None = None
        self._busy_until = 0.0
        """Until when the last byte, sent or seen, is on the wire."""

    @property
    def up(self) -> bool:
        """Whether the wire is open now; a line that was not used yet is not."""
        return self._up

    @property
    def why_down(self) -> str:
        """Why the wire is not open, for a person; empty when it is or was never tried."""
        return "" if self._up else self._why

    def tap(self, callback: Callable[[Frame], None]) -> Callable[[], None]:
        """Show every raw chunk of bytes to `callback`; return the function that ends it."""
        self._taps = (*self._taps, callback)

        def untap() -> None:
            self._taps = tuple(tap for tap in self._taps if tap is not callback)

        return untap

    def clear_at(self, exchange: Exchange) -> float:
        """Return the monotonic time from which this exchange need not wait for another's late answer.

        For a scheduler: what may go at once goes first. `exchange` itself waits as long as it must.
        """
        return 0.0 if exchange.matched else self._late.clear_at(exchange)

    @property
    def owing(self) -> bool:
        """Whether a late answer may still come, so that `clear_at` is worth asking."""
        return bool(self._late)

    async def exchange(
        self, exchange: Exchange, *, timeout: float, quiet: float | None = None, limit: float | None = None
    ) -> Reply:
        """Send a request and return its reply; `timeout` is the device's time to answer, wire time is added.

        `quiet` is the least silence before the request where a device needs more than the wire. `limit` is the
        longest that the device may take, where `timeout` was measured and is shorter: late answers are guarded
        against by it.
        Raises `LineDown`, `DeviceSilent`, `FrameDamaged` and `DeviceRefused`, and nothing else on purpose.
        """
        async with self._turn:
            try:
                await self._ready()
                if exchange.matched and quiet is None:
                    self._note_idle()
                else:
                    await self._settle(exchange, quiet)
                return await self._carry(exchange, timeout, max(timeout, limit or 0.0))
            except LineDown as err:
                self._say_lost(err)
                raise

    async def aclose(self) -> None:
        """Close the wire for good; an exchange under way ends with `LineDown`."""
        self._closed = True
        self._down("closed")
        self._wire.close()
        await self._wire.closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # What the wire tells us.

    def received(self, data: bytes) -> None:
        """Take bytes from the wire (called by it)."""
        now = self._now()
        self._busy_until = max(self._busy_until, now)
        self._heard_at, self._unheard = now, 0
        self.stats.bytes_in += len(data)
        if self._listening:
            self._inbox += data
        else:
            self.stats.late_bytes += len(data)
            if self._idle_bytes < _IDLE_BYTES:
                self._idle.append((now, data[:_IDLE_BYTES]))
                self._idle_bytes += len(data)
        if self._taps:
            self._show("rx", data, now)
        self._wake()

    def lost(self, why: LineDown) -> None:
        """Take note that the wire is gone (called by it)."""
        self._backoff.lost(self._now())
        self._down(str(why))

    # Opening and losing.

    async def _ready(self) -> None:
        if self._up:
            return
        self._refuse_closed()
        wait = self._backoff.wait(self._now())
        if wait > 0:
            raise LineDown(f"{self._why}; tried again in {wait:.1f} s")
        await self._wire.closed()
        try:
            await self._wire.open(self)
        except LineDown as err:
            self._backoff.failed(self._now())
            self._down(str(err))
            raise
        if self._closed:  # while it was opening
            self._wire.close()
            await self._wire.closed()
            self._refuse_closed()
        if self._opened:
            self.stats.reopened += 1
        self._up = self._opened = True
        self._busy_until = self._heard_at = self._now()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise LineDown(f"{self.name}: this line was closed")

    def _down(self, why: str) -> None:
        self._why = why
        if self._up:
            self.stats.downs += 1
        self._up = False
        self._wake()

    def _say_lost(self, why: LineDown) -> None:
        # Said when somebody is let down, not for a device that closes after each answer; once, until one comes again.
        if not self._lost_said and not self._closed:
            self._lost_said = True
            log.warning("line lost: %s", why)

    def _proven(self) -> None:
        self.stats.replies += 1
        self._backoff.proven()
        if self._lost_said:
            self._lost_said = False
            log.info("line %s is back", self.name)

    def _drop(self, why: str) -> None:
        self._wire.close()
        self.lost(LineDown(f"{self.name}: {why}"))

    def _renew(self, why: str) -> None:
        # No failure of the wire, so no back-off: the next exchange opens it and goes on.
        self._unheard = 0
        self._wire.close()
        self._down(f"{self.name}: {why}: opened anew")

    # Before a request.

    async def _settle(self, exchange: Exchange, quiet: float | None) -> None:
        """Wait until the wire is silent and no owed answer can be taken for the one to come."""
        silence = self._pace.silence if quiet is None else max(quiet, self._pace.silence)
        began = self._now()
        while True:
            # The loop reads the wire between two steps of a task, and hands on what it read in the next one:
            # after these two, all bytes that have reached this machine are known, however long it was busy.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self._note_idle()
            if not self._up:
                raise LineDown(self._why)
            now = self._now()
            silent = self._busy_until + self._unease.silence(silence)
            owed = 0.0 if exchange.matched else self._late.clear_at(exchange)
            if now >= silent and now >= owed:
                return
            if now > max(began, owed) + silence + _NEVER_SILENT:
                self.stats.damaged += 1
                raise FrameDamaged(
                    f"{self.name}: the line never falls silent: look for a device that sends unasked, "
                    "a second master, or missing bias resistors"
                )
            await self._pause(max(silent, owed))
            if self._now() - max(silent, owed) > _OVERSLEPT:
                # This process stood still. What came meanwhile may still be on its way up to us: watch once more.
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
            else:
                self._unease.stray(len(data))
        self._idle.clear()
        self._idle_bytes = 0

    # The exchange itself.

    async def _carry(self, exchange: Exchange, timeout: float, limit: float) -> Reply:
        attempt = Attempt(exchange, None if exchange.matched else self._echo)
        byte_time = self._pace.byte_time
        self._inbox.clear()
        self._unease.asked()
        self._late.asked(exchange, self._now())
        began = self._send(exchange.request)
        sent = self._busy_until
        if exchange.reader is None:
            return await self._no_reply(began, sent)
        window = timeout if exchange.matched else self._late.window(exchange, timeout, limit)
        loop = asyncio.get_running_loop()
        deadline = sent + window + exchange.reply_bytes * byte_time
        timer = loop.call_later(deadline - began, self._expire)
        self._listening, self._expired = True, False
        try:
            payload = await self._listen(attempt)
        except (FrameDamaged, DeviceSilent) as err:
            self._count_failure(err, attempt)
            raise
        finally:
            timer.cancel()
            self._listening = False
            if attempt.answered:
                self._proven()
            else:
                self._abandon(attempt, sent=sent, limit=limit, deadline=deadline)
        # An answer proves that the request has left, whatever was reckoned.
        ended = self._busy_until = self._now()
        if not exchange.matched:
            self._unease.answered()
            self._unease.stray(attempt.surplus)
            self._echo.answered()
            self._late.answered(exchange, ended - sent, timeout)
        return self._reply(payload, began, ended)

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
        self._busy_until = began + len(request) * self._pace.byte_time
        if self._taps:
            self._show("tx", request, began)
        return began

    async def _listen(self, attempt: Attempt) -> bytes:
        loop = asyncio.get_running_loop()
        while True:
            if self._inbox:
                data = bytes(self._inbox)
                self._inbox.clear()
                payload = attempt.take(data)
                if payload is not None:
                    return payload
                if self._late and self._late.hear(data, self._now()):
                    self.stats.late_replies += 1
            if not self._up:
                raise LineDown(self._why)
            if self._expired:
                raise attempt.overdue(self.name)
            waiter = self._waiter = loop.create_future()
            try:
                await waiter
            finally:
                self._waiter = None

    def _count_failure(self, err: FrameDamaged | DeviceSilent, attempt: Attempt) -> None:
        if isinstance(err, FrameDamaged):
            self.stats.damaged += 1
        elif not attempt.answered:  # a serial server may answer for a device that is silent
            self.stats.timeouts += 1

    def _abandon(self, attempt: Attempt, *, sent: float, limit: float, deadline: float) -> None:
        """Leave the wire so that the next exchange is safe, however this one ended."""
        if (
            not attempt.exchange.matched
        ):  # though the wire be lost: a serial server sends it over the next one
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
        self._unheard += 1
        if attempt.exchange.matched and attempt.torn:
            # Part of a frame was taken: where the next begins in the stream is no longer known.
            self._renew("lost its place in the stream of bytes")
        elif not self._wire.clear_unsent():
            self._drop("the peer takes no more bytes: connection dropped")
        elif self._unheard >= _UNHEARD and self._now() - self._heard_at >= self._pace.reopen_after:
            self._renew(f"nothing heard for {self._pace.reopen_after:g} s")

    async def _no_reply(self, began: float, sent: float) -> Reply:
        until = sent + _TURNAROUND
        while self._up and self._now() < until:
            await self._pause(until)
            self._note_idle()
        if not self._up:
            raise LineDown(self._why)
        return self._reply(b"", began, max(sent, began))

    def _reply(self, payload: bytes, began: float, ended: float) -> Reply:
        # Counted back from now, not forward from the start: a clock set meanwhile moves one stamp, not two.
        middle = self._clock() - timedelta(seconds=self._now() - (began + ended) / 2)
        return Reply(payload, began, ended, middle)

    def _expire(self) -> None:
        self._expired = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _show(self, direction: Literal["tx", "rx"], data: bytes, at: float) -> None:
        frame = Frame(direction, data, at)
        for tap in self._taps:
            tap(frame)
