"""Tools for the server: a request starts a job, and what the job says is kept until long after it has been told.

Every message of a job has a number. They are published in order; the server asks for those that it misses. What is
kept is bounded: of a job that says very much the oldest rows are forgotten, and said to be.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.tools.jobs import JobRefused, Jobs
from messages.broker import BrokerLost, Publication
from messages.codec import MessageError, utc_ms
from messages.text import printable
from messages.tools import AGAIN, STOP, SaidKind, ToolRequest, ToolSaid, encode_tool
from messages.topics import Address

log = logging.getLogger(__name__)

KEPT_BYTES = 4 * 1024 * 1024  # of one job
KEPT_JOBS = 16
KEPT_FOR = timedelta(minutes=10)
LONGEST = timedelta(hours=4)
CLOCKS_MAY_DIFFER = timedelta(seconds=120)
RETRY_S = 1.0


@dataclass(slots=True, eq=False)
class _Kept:
    """What one job has said, by number from 1."""

    id: str
    said: list[bytes | None] = field(default_factory=list)
    dropped: dict[int, int] = field(default_factory=dict)
    """Rows of a message that was forgotten, by its number."""
    rows: dict[int, int] = field(default_factory=dict)
    bytes: int = 0
    sent: int = 0
    """Everything through this number is with the broker."""
    oldest: int = 0
    ended_at: datetime | None = None


@dataclass(slots=True, eq=False)
class RemoteTools:
    """Takes requests (`take`) and tells what comes of them (`run`)."""

    jobs: Jobs
    address: Address
    publish: Callable[[Publication], Awaitable[None]]
    """Publish with QoS 1; raises `BrokerLost`."""
    clock: Callable[[], datetime]
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, request: ToolRequest) -> None:
        """Deal with a request; never waits for a wire. Nothing that is asked can raise."""
        if request.tool == AGAIN:
            self._again(request)
        elif request.tool == STOP:
            self._stop(request)
        elif request.id in self._kept:
            log.info("job %s came again: it is known", request.id)
        else:
            self._begin(request)
        self._wake.set()

    async def run(self) -> None:
        """Publish what jobs say, in order, until cancelled."""
        while True:
            self._wake.clear()
            self._forget_old()
            try:
                for kept in list(self._kept.values()):
                    await self._publish_all(kept)
            except BrokerLost:
                # Nobody says when a session is back; what a job says next is a good moment to try as well.
                await self._nap()
                continue
            await self._wake.wait()

    async def _publish_all(self, kept: _Kept) -> None:
        while kept.sent < len(kept.said):
            number = kept.sent + 1
            payload = kept.said[number - 1] or self._tombstone(kept, number)
            await self.publish(Publication(self.address.said(kept.id), payload))
            if kept.sent == number - 1:  # `again` may have moved it back meanwhile
                kept.sent = number

    async def _nap(self) -> None:
        try:
            async with asyncio.timeout(RETRY_S):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _begin(self, request: ToolRequest) -> None:
        kept = self._kept[request.id] = _Kept(request.id)
        now = self.clock()

        def say(kind: SaidKind, body: Mapping[str, Any]) -> None:
            self._keep(kept, kind, body)

        if now > request.until + CLOCKS_MAY_DIFFER:
            expired = request.until.isoformat(timespec="seconds")
            say(SaidKind.FAILED, {"why": f"it expired at {expired}: check the clocks of server and gateway"})
            return
        # What counts is how long it may take: the clocks of server and gateway may differ.
        seconds = max(1.0, min(request.until - request.at, LONGEST).total_seconds())
        try:
            self.jobs.begin(request.id, request.tool, request.line, request.args, seconds, say)
        except JobRefused as err:
            say(SaidKind.FAILED, {"why": printable(str(err), 600)})
        else:
            log.info("job %s: %s by %s", request.id, request.tool, printable(request.by, 60))
            say(SaidKind.PROGRESS, {"done": 0, "total": 0, "left_s": None, "text": "begun"})

    def _stop(self, request: ToolRequest) -> None:
        job = self.jobs.find(request.id)
        if job is not None:
            job.stop(f"stopped by {printable(request.by, 60)}")
        elif request.id not in self._kept:
            self._unknown(request)

    def _again(self, request: ToolRequest) -> None:
        kept, after = self._kept.get(request.id), request.args.get("after")
        if kept is None:
            self._unknown(request)
        elif isinstance(after, int) and 0 <= after < kept.sent:
            kept.sent = after

    def _unknown(self, request: ToolRequest) -> None:
        """A job of an earlier life, or one that never arrived: whoever waits for it is told that it has ended."""
        after = request.args.get("after", 0)
        kept = self._kept[request.id] = _Kept(request.id)
        if isinstance(after, int) and 0 < after < 200_000:
            kept.said, kept.sent = [None] * after, after
        why = "this gateway knows no such job: it was restarted since, or the request never arrived"
        self._keep(kept, SaidKind.FAILED, {"why": why})

    def _keep(self, kept: _Kept, kind: SaidKind, body: Mapping[str, Any]) -> None:
        number = len(kept.said) + 1
        said = ToolSaid(id=kept.id, seq=number, at=utc_ms(self.clock()), kind=kind, body=body)
        try:
            payload = encode_tool(said)
        except MessageError as err:
            log.warning("job %s: a message cannot be told: %s", kept.id, err)
            why = "what it found is too large to be told: ask for less at once"
            ended = SaidKind.FAILED if kind.final else SaidKind.ROW
            payload = encode_tool(ToolSaid(id=kept.id, seq=number, at=said.at, kind=ended, body={"why": why}))
        kept.said.append(payload)
        kept.bytes += len(payload)
        rows = body.get("rows")
        kept.rows[number] = len(rows) if isinstance(rows, list) else 0
        if kind.final:
            kept.ended_at = self.clock()
        while kept.bytes > KEPT_BYTES and kept.oldest < number - 1:
            self._drop(kept)
        self._wake.set()

    def _drop(self, kept: _Kept) -> None:
        kept.oldest += 1
        gone = kept.said[kept.oldest - 1]
        if gone is not None:
            kept.bytes -= len(gone)
            kept.said[kept.oldest - 1] = None
        kept.dropped[kept.oldest] = kept.rows.pop(kept.oldest, 0)

    def _tombstone(self, kept: _Kept, number: int) -> bytes:
        """Stand in for what was forgotten, so that the numbers have no hole."""
        body = {"rows": [], "dropped": kept.dropped.get(number, 0)}
        said = ToolSaid(id=kept.id, seq=number, at=utc_ms(self.clock()), kind=SaidKind.ROW, body=body)
        return encode_tool(said)

    def _forget_old(self) -> None:
        now = self.clock()
        ended = [one for one in self._kept.values() if one.ended_at is not None]
        too_many = max(0, len(self._kept) - KEPT_JOBS)
        for place, kept in enumerate(ended):
            told = kept.sent >= len(kept.said)
            if place < too_many or (told and kept.ended_at is not None and now - kept.ended_at > KEPT_FOR):
                del self._kept[kept.id]
