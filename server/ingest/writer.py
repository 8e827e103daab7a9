"""The one writer: a group of messages becomes one transaction. Runs on one thread, knows no broker."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, and_, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from messages.text import printable
from messages.topics import Address
from messages.types import Lane, Stored
from server.db.engine import read, write
from server.db.tables_delivery import lanes
from server.db.tables_devices import gateways
from server.devices.liveness import Liveness
from server.ingest.forks import TAKEN
from server.ingest.judge import Group, Incoming, Judge, Totals
from server.ingest.lanes import LaneBook
from server.ingest.retention import drop_old_records, drop_old_samples
from server.ingest.samples import SampleStore
from server.ingest.sinks import AlarmSink, CommitSink, ResultSink

log = logging.getLogger(__name__)

PRUNE_TICKS = 600
MAX_REJECTED = 500  # named in one answer; the batch's own count is in the database

# What a payload can provoke in our own code: it costs that message, never the group.
POISON = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, SQLAlchemyError)


class StoreDown(ConnectionError):
    """The database cannot write now (locked, full, read-only): nothing was stored, try again later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A `Stored` to publish, and for whom."""

    address: Address
    stored: Stored


class Writer:
    """Stores groups of messages; `store`, `tick` and `close` are called on one thread only."""

    def __init__(
        self,
        engine: Engine,
        *,
        alarms: AlarmSink,
        results: ResultSink,
        commits: CommitSink,
        monotonic: Callable[[], float],
        samples_days: int | None = None,
        records_days: int | None = None,
    ) -> None:
        self._engine = engine
        self._samples_days, self._records_days = samples_days, records_days
        self._ticks = 0
        self._commits = commits
        self._lanes = LaneBook()
        self._samples = SampleStore()
        self._live = Liveness(alarms, monotonic)
        self._judge = Judge(self._lanes, self._samples, self._live, alarms, results)
        self._loaded = False
        self.totals = Totals()

    def store(self, group: Sequence[Incoming], now: datetime) -> list[Answer]:
        """Store all of `group` and return what to answer; raise `StoreDown` with nothing stored.

        Returns only after the commit. If one message spoils the transaction, each is tried alone, and the
        guilty one goes to quarantine.
        """
        try:
            return self._attempt(group, now)
        except POISON as err:
            if len(group) > 1:
                log.warning(
                    "a group of %s messages could not be stored at once (%s)", len(group), type(err).__name__
                )
                return [answer for message in group for answer in self.store([message], now)]
            log.exception("a message on %s could not be stored", printable(group[0].topic))
            return self._set_aside(group[0], f"could not be stored: {_said(err)}", now)

    def tick(self, now: datetime, *, stood_still: bool = False) -> None:
        """About once a second: timers, newest values, last-seen times.

        `stood_still` says that this process has listened to nobody for a while: nobody's silence is theirs then.
        """
        with self._transaction() as conn:
            if stood_still:
                self._live.begin_anew()
            self._live.tick(conn, now)
            self._live.write_seen(conn)
            self._samples.write_latest(conn)
            if self._ticks % PRUNE_TICKS == 0:
                self._prune(conn, now)
        self._ticks += 1
        self._samples.latest_written()
        self._commits.committed([])

    def _prune(self, conn: Connection, now: datetime) -> None:
        if self._samples_days is not None:
            drop_old_samples(conn, now - timedelta(days=self._samples_days))
        days = self._records_days
        drop_old_records(conn, None if days is None else now - timedelta(days=days))

    def standing(self) -> list[Answer]:
        """Return where each living lane stands, to be told after a reconnect: an answer may have been lost."""
        query = (
            select(lanes.c.site, lanes.c.gateway, lanes.c.epoch, lanes.c.lane, lanes.c.through)
            .join(gateways, and_(gateways.c.site == lanes.c.site, gateways.c.gateway == lanes.c.gateway))
            .where(gateways.c.epoch == lanes.c.epoch)
        )
        with read(self._engine) as conn:
            return [
                Answer(Address(site, gateway), Stored(epoch=epoch, lane=Lane(lane), through=through))
                for site, gateway, epoch, lane, through in conn.execute(query)
            ]

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with write(self._engine) as conn:
                if not self._loaded:
                    self._samples.load(conn)
                    self._live.load(conn)
                    self._loaded = True
                yield conn
        except BaseException as err:
            # What is remembered may speak of rows that were never committed.
            self._lanes.forget()
            self._samples.forget()
            self._live.forget()
            self._judge.forget()
            self._loaded = False
            if isinstance(err, OperationalError):
                raise StoreDown(printable(str(err.orig))) from err
            raise

    def _attempt(self, messages: Sequence[Incoming], now: datetime) -> list[Answer]:
        group = Group()
        with self._transaction() as conn:
            # Births first: they took another way through the broker than the samples that they explain.
            for message in sorted(messages, key=_after_births):
                self._judge.apply(conn, message, group, now)
            self._samples.write(conn)
            for row in self._lanes.save(conn, now):
                group.lanes[row.id] = row
            if group.born:
                self._live.load(conn)
        self._count(group.totals)
        self._commits.committed(self._samples.values_of(self._commits.watched()))
        return _answers(group)

    def _set_aside(self, message: Incoming, reason: str, now: datetime) -> list[Answer]:
        group = Group()
        with self._transaction() as conn:
            self._judge.set_aside(conn, message, reason, group, now)
            self._lanes.save(conn, now)
        self._count(group.totals)
        return _answers(group)

    def _count(self, part: Totals) -> None:
        counts = self._samples.committed()
        part.values += counts.rows
        part.repeated_values += counts.repeated
        part.conflicting_values += counts.conflicts
        part.ahead_values += counts.ahead
        for name in Totals.__slots__:
            setattr(self.totals, name, getattr(self.totals, name) + getattr(part, name))


def _said(err: Exception) -> str:
    # A statement with its parameters is for our log: the reason goes to the page and back to the gateway.
    cause = getattr(err, "orig", None) or err
    return f"{type(cause).__name__}: {printable(str(cause))}"


def _after_births(message: Incoming) -> bool:
    return not message.topic.endswith("/birth")


def _answers(group: Group) -> list[Answer]:
    found = []
    for row in group.lanes.values():
        refused = tuple(group.rejected.get(row.id, ())[:MAX_REJECTED])
        through = TAKEN if row.id in group.forked else row.cursor.through
        stored = Stored(epoch=row.epoch, lane=row.lane, through=through, rejected=refused)
        found.append(Answer(row.address, stored))
    return found
