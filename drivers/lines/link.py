"""A wire as its line sees it: open or not and why, tried again with back-off, and the bytes that it brings."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Literal, Self

from drivers.errors import LineDown
from drivers.lines.backoff import Backoff
from drivers.lines.records import Frame, Pace, Stats
from drivers.lines.settings import SerialMode
from drivers.lines.wire import Wire

log = logging.getLogger(__name__)

# Bytes kept while nobody waits for any, so that a late answer is recognised.
_IDLE_BYTES = 4096
# A wire is opened anew only after so many requests without a byte.
_UNHEARD = 3


async def caught_up() -> None:
    """Return when all bytes are known that have reached this machine, however long it was busy."""
    # The loop reads the wire between two steps of a task, and hands on what it read in the next one.
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class Link:
    """What a line is without its exchanges; no task of its own."""

    def __init__(self, wire: Wire, pace: Pace, *, monotonic: Callable[[], float], rng: random.Random) -> None:
        self.name = wire.name
        self.stats = Stats()
        self._wire, self._pace = wire, pace
        self._mode: SerialMode | None = None
        """What the wire was changed over to; None while it is as it was opened."""
        self._time: Pace | SerialMode = pace
        self._now = monotonic
        self._backoff = Backoff(rng)
        self._taps: tuple[Callable[[Frame], None], ...] = ()
        self._hushed = False
        """Whether what is on the wire is shown as so many zeros: a request with a password, or its echo."""
        self._up = self._closed = self._opened = self._lost_said = False
        self._why = ""
        self._inbox = bytearray()
        self._idle: list[tuple[float, bytes]] = []
        self._idle_bytes = 0
        self._listening = False
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
        self._mode, self._time = None, self._pace

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

    def _not_heard(self, *, living: bool) -> None:
        """Count a request without an answer; open the wire anew where nobody on it has said anything for long."""
        self._unheard += 1
        silence = self._now() - self._heard_at
        if not living and self._unheard >= _UNHEARD and silence >= self._pace.reopen_after:
            self._renew(f"nothing heard for {self._pace.reopen_after:g} s")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _show(self, direction: Literal["tx", "rx"], data: bytes, at: float) -> None:
        frame = Frame(direction, bytes(len(data)) if self._hushed else data, at)
        for tap in self._taps:
            tap(frame)
