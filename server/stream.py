"""The live stream: changes go out after their commit, in the order of the outbox, each frame encoded once per scope.

A subscriber registers before its backlog is read, so that nothing falls between the two; what comes twice is
harmless, because a frame carries whole objects with their `q`. A reader that cannot keep up is cut off and
comes back with its cursor.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql.functions import min as sql_min

from messages.text import printable
from server.configs.store import views_by_id as configs_by_id
from server.db.engine import read
from server.db.outbox import database_epoch, newest_seq
from server.db.tables_core import outbox
from server.ingest.sinks import LatestValue
from server.services import Clock
from server.tools.store import jobs_by_id
from server.views.alarms import alarms_by_id
from server.views.devices import devices_by_id, gateways_by_id
from server.views.records import records_by_id
from server.views.wire import iso, plain, to_json

log = logging.getLogger(__name__)

FRAME_MOST = 500
QUEUE_MOST = 200
COALESCE_S = 0.05
HEARTBEAT_S = 5.0
VALUES_S = 0.5
RETRY_S = 1.0
READERS_MOST = 1000
READERS_OF_ONE = 100  # of one user or token: a desk has one stream per browser, and nobody may hold them all
GREETING = b"retry: 1500\n: gatehouse\n\n"

_LOADERS = {
    "alarms": alarms_by_id,
    "devices": devices_by_id,
    "gateways": gateways_by_id,
    "tools": jobs_by_id,
    "configs": configs_by_id,
    "records": records_by_id,
}


class Cursor(NamedTuple):
    """A place in the outbox of one database."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """Read `<epoch>-<seq>`; None for anything else."""
        epoch, dash, seq = text[:200].rpartition("-")
        if not dash or not epoch or not (seq.isascii() and seq.isdigit()) or len(seq) > 18:
            return None
        return cls(epoch, int(seq))


class Topics(NamedTuple):
    """What one reader wants: object topics, and devices (`site/device`) whose values it draws."""

    objects: frozenset[str]
    values: frozenset[str]


def parse_topics(text: str) -> Topics:
    """Read the `topics` parameter; raise ValueError naming the word that is no topic."""
    objects: set[str] = set()
    values: set[str] = set()
    for word in filter(None, text.split(",")):
        if word in {"alarms", "tools", "configs", "records"}:
            objects.add(word)
        elif word == "devices":
            objects |= {"devices", "gateways"}
        elif word.startswith("values:") and word.count("/") == 1:
            values.add(word.removeprefix("values:"))
        else:
            raise ValueError(
                f"{word[:80]!r} is no topic: alarms, devices, records, tools, configs, values:<site>/<device>"
            )
    if len(values) > 200:
        raise ValueError("at most 200 devices' values in one stream")
    return Topics(frozenset(objects), frozenset(values))


def frame(event: str, data: bytes, cursor: Cursor | None = None) -> bytes:
    """Encode one server-sent event; `data` is JSON and therefore one line."""
    head = b"" if cursor is None else b"id: %s\n" % str(cursor).encode()
    return head + b"event: %s\ndata: %s\n\n" % (event.encode(), data)


@dataclass(eq=False)
class _Reader:
    topics: Topics
    whose: str = ""
    queue: "asyncio.Queue[bytes]" = field(default_factory=lambda: asyncio.Queue(QUEUE_MOST))
    cut: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, data: bytes) -> None:
        try:
            self.queue.put_nowait(data)
        except asyncio.QueueFull:
            self.cut.set()


class _Change(NamedTuple):
    seq: int
    topic: str
    object_id: str


class Hub:
    """Fans the outbox out to readers. Implements `server.ingest.sinks.CommitSink`; `run` must be running."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        coalesce_s: float = COALESCE_S,
        heartbeat_s: float = HEARTBEAT_S,
        values_s: float = VALUES_S,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._coalesce_s = coalesce_s
        self._heartbeat_s = heartbeat_s
        self._values_s = values_s
        self._readers: set[_Reader] = set()
        self._cursor = Cursor("", 0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._fresh_values = asyncio.Event()
        self._values: dict[tuple[str, str, str], LatestValue] = {}
        self._ready = asyncio.Event()
        self._closed: str | None = None
        self._watched: frozenset[tuple[str, str]] = frozenset()

    # -- called from any thread ------------------------------------------------------------------------------

    def committed(self, values: Sequence[LatestValue]) -> None:
        """Say that a transaction is committed; returns at once, from any thread."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(self._take, tuple(values))

    def notify(self) -> None:
        """Say that the outbox may have grown; returns at once, from any thread."""
        self.committed(())

    def watched(self) -> frozenset[tuple[str, str]]:
        """Return the (site, device) whose values somebody draws now: others need not be handed in."""
        return self._watched

    # -- the hub's own loop ----------------------------------------------------------------------------------

    @property
    def readers(self) -> int:
        """How many streams are open."""
        return len(self._readers)

    def full_for(self, whose: str) -> bool:
        """Tell whether this user or token may not open another stream now."""
        mine = sum(reader.whose == whose for reader in self._readers)
        return len(self._readers) >= READERS_MOST or mine >= READERS_OF_ONE

    async def run(self) -> None:
        """Carry changes until cancelled; starts at the outbox as it stands."""
        self._loop = asyncio.get_running_loop()
        self._cursor = await asyncio.to_thread(self._newest)
        self._ready.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(), name="stream-pump")
                group.create_task(self._send_values(), name="stream-values")
                group.create_task(self._beat(), name="stream-heartbeat")
        finally:
            self._loop = None
            self._ready.clear()

    def close(self, why: str = "shutdown") -> None:
        """Say good-bye to every reader and take no more; call it before the HTTP server is stopped."""
        self._closed = why
        for reader in list(self._readers):
            reader.cut.set()

    def _take(self, values: tuple[LatestValue, ...]) -> None:
        fresh = [value for value in values if (value.site, value.device) in self._watched]
        for value in fresh:
            self._values[value.site, value.device, value.point] = value
        if fresh:
            self._fresh_values.set()
        self._woken.set()

    async def _pump(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._carry()
            except OperationalError as err:
                # The cursor stands where it was: the same changes are read again.
                log.warning("the stream waits for the database: %s", printable(str(err.orig)))
                self._woken.set()
                await asyncio.sleep(RETRY_S)
            # The first change goes out at once; what follows within the gap goes out together.
            await asyncio.sleep(self._coalesce_s)

    async def _carry(self) -> None:
        while changes := await asyncio.to_thread(self._changes_after, self._cursor.seq):
            await self._broadcast(changes)

    async def _broadcast(self, changes: Sequence[_Change]) -> None:
        before, after = self._cursor, Cursor(self._cursor.epoch, changes[-1].seq)
        encoded: dict[frozenset[str], bytes] = {}
        scopes = {reader.topics.objects for reader in self._readers}
        if scopes:
            views = await asyncio.to_thread(self._render, changes, frozenset().union(*scopes))
            encoded = {scope: _frames(views, scope, before, after) for scope in scopes}
        self._cursor = after
        for reader in list(self._readers):
            # One that came while the objects were loaded reads these changes from the outbox itself.
            data = encoded.get(reader.topics.objects)
            if data:
                reader.offer(data)

    async def _send_values(self) -> None:
        while True:
            await self._fresh_values.wait()
            self._fresh_values.clear()
            fresh, self._values = self._values, {}
            by_device: dict[str, list[list[object]]] = defaultdict(list)
            for value in fresh.values():
                by_device[f"{value.site}/{value.device}"].append(_value_row(value))
            encoded: dict[frozenset[str], bytes] = {}
            for reader in list(self._readers):
                wanted = reader.topics.values
                if wanted not in encoded:
                    rows = [row for device in sorted(wanted) for row in by_device.get(device, [])]
                    encoded[wanted] = frame("values", to_json(rows)) if rows else b""
                # Never replayed and soon replaced: a reader that is behind does not need these.
                if encoded[wanted] and reader.queue.qsize() < QUEUE_MOST // 4:
                    reader.offer(encoded[wanted])
            await asyncio.sleep(self._values_s)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            data = frame("hb", b"%d" % int(self._clock().timestamp() * 1000), self._cursor)
            for reader in list(self._readers):
                reader.offer(data)

    # -- one reader ------------------------------------------------------------------------------------------

    async def stream(
        self, since: str, topics: Topics, allowed: Callable[[], Awaitable[bool]], *, whose: str = ""
    ) -> AsyncGenerator[bytes, None]:
        """Yield the frames of one reader: the backlog after `since`, `live`, then changes as they come.

        `allowed` is asked at every heartbeat; once it says no, the stream ends with `bye`. Close it (`aclose`).
        """
        await self._ready.wait()
        reader = _Reader(topics, whose)
        self._readers.add(reader)
        self._watch()
        try:
            yield GREETING
            async with aclosing(self._backlog(since, topics)) as backlog:
                async for data in backlog:
                    yield data
            yield frame("live", b"{}")
            async with aclosing(self._live(reader, allowed)) as live:
                async for data in live:
                    yield data
        finally:
            self._readers.discard(reader)
            self._watch()

    def _watch(self) -> None:
        # Replaced whole, never changed in place: other threads read it.
        devices = frozenset[str]().union(*(reader.topics.values for reader in self._readers))
        self._watched = frozenset((site, device) for site, _, device in (d.partition("/") for d in devices))

    async def _live(
        self, reader: _Reader, allowed: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        ask_at = loop.time() + self._heartbeat_s
        while True:
            data = await self._next(reader)
            if data is None:
                break
            yield data
            if loop.time() >= ask_at:
                ask_at = loop.time() + self._heartbeat_s
                if not await allowed():
                    yield frame("bye", b'{"why":"session"}')
                    return
        if self._closed is not None:
            yield frame("bye", to_json({"why": self._closed}))
        else:
            log.info("a stream fell %d frames behind and was cut off; it resumes by its cursor", QUEUE_MOST)

    async def _next(self, reader: _Reader) -> bytes | None:
        """Wait for the next frame; None once the reader is cut off."""
        if self._closed is not None or reader.cut.is_set():
            return None
        if not reader.queue.empty():
            return reader.queue.get_nowait()
        getting = asyncio.create_task(reader.queue.get(), name="stream-next")
        cutting = asyncio.create_task(reader.cut.wait(), name="stream-cut")
        try:
            await asyncio.wait({getting, cutting}, return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() and not reader.cut.is_set() else None
        finally:
            for waiting in (getting, cutting):
                waiting.cancel()
            await asyncio.gather(getting, cutting, return_exceptions=True)

    async def _backlog(self, since: str, topics: Topics) -> AsyncGenerator[bytes, None]:
        newest, oldest = await asyncio.to_thread(self._range)
        if not since:
            return
        cursor = Cursor.parse(since)
        if cursor is None or cursor.epoch != newest.epoch:
            yield frame("reset", b'{"why":"epoch"}', newest)
            return
        if cursor.seq > newest.seq or cursor.seq < oldest - 1:
            yield frame("reset", b'{"why":"gap"}', newest)
            return
        while changes := await asyncio.to_thread(self._changes_after, cursor.seq, newest.seq):
            after = Cursor(newest.epoch, changes[-1].seq)
            views = await asyncio.to_thread(self._render, changes, topics.objects)
            data = _frames(views, topics.objects, cursor, after)
            if data:
                yield data
            cursor = after

    # -- the database, on a worker thread --------------------------------------------------------------------

    def _newest(self) -> Cursor:
        with read(self._engine) as conn:
            return Cursor(database_epoch(conn), newest_seq(conn))

    def _range(self) -> tuple[Cursor, int]:
        with read(self._engine) as conn:
            newest = Cursor(database_epoch(conn), newest_seq(conn))
            oldest = conn.execute(select(sql_min(outbox.c.seq))).scalar()
        return newest, oldest if oldest is not None else newest.seq + 1

    def _changes_after(self, seq: int, up_to: int | None = None) -> list[_Change]:
        query = select(outbox.c.seq, outbox.c.topic, outbox.c.object_id).where(outbox.c.seq > seq)
        if up_to is not None:
            query = query.where(outbox.c.seq <= up_to)
        with read(self._engine) as conn:
            return [_Change(*row) for row in conn.execute(query.order_by(outbox.c.seq).limit(FRAME_MOST))]

    def _render(
        self, changes: Sequence[_Change], wanted: Iterable[str]
    ) -> dict[str, list[dict[str, object]]]:
        """Load each changed object once, as it is now: at least as new as its change, and its `q` says how new."""
        views: dict[str, list[dict[str, object]]] = {}
        with read(self._engine) as conn:
            for topic in sorted(set(wanted) & _LOADERS.keys()):
                ids = list(dict.fromkeys(c.object_id for c in changes if c.topic == topic))
                if ids:
                    found = _LOADERS[topic](conn, ids)
                    views[topic] = [found[one] for one in ids if one in found]
        return views


def _frames(
    views: dict[str, list[dict[str, object]]], scope: frozenset[str], before: Cursor, after: Cursor
) -> bytes:
    """Encode the views of one scope; only the last frame moves the cursor, lest a cut between two lose one."""
    mine = [(topic, rows) for topic, rows in views.items() if topic in scope and rows]
    last = len(mine) - 1
    return b"".join(
        frame(topic, to_json(rows), after if index == last else before)
        for index, (topic, rows) in enumerate(mine)
    )


def _value_row(value: LatestValue) -> list[object]:
    return [value.site, value.device, value.point, iso(value.at), plain(value.value), value.quality]
