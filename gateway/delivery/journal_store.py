"""The journal's SQLite file: numbered batches per lane, bounded, used by exactly one thread.

Why these settings. WAL with `synchronous=FULL`: a commit that returned is on the disk, and readers (the
`journal` command) never wait for the writer. Page size stays at 4096 bytes, the block of the flash and file
systems we run on: an alarm of 300 bytes must not rewrite more. `auto_vacuum=INCREMENTAL`: a drained backlog
gives its space back in small steps, where a full VACUUM would stop the alarm lane and need the space twice.
Foreign keys: there are none.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from gateway.delivery.journal_draft import Draft
from gateway.delivery.journal_types import (
    MB,
    JournalBatch,
    JournalCorrupt,
    JournalDown,
    JournalFull,
    LaneCount,
    Limits,
    Packing,
    Write,
    millis,
)
from messages.text import printable
from messages.types import Lane

log = logging.getLogger(__name__)

VERSION = 1
CHECK_BYTES = (
    64 * MB
)  # larger files are not read from end to end at start: seconds on flash, alarms would wait
VACUUM_PAGES = 256
KEEP_COMMANDS = timedelta(days=30)
KEEP_ASIDE = 2
PARTS = ("", "-wal", "-shm")

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE lanes (lane TEXT PRIMARY KEY, next INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (
    lane TEXT NOT NULL, seq INTEGER NOT NULL, appended INTEGER NOT NULL, at_first INTEGER NOT NULL,
    at_last INTEGER NOT NULL, samples INTEGER NOT NULL, bytes INTEGER NOT NULL, items BLOB NOT NULL,
    PRIMARY KEY (lane, seq)
);
CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE commands (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
"""


class JournalStore:
    """An open journal file. Not thread-safe: every call comes from the one writer thread."""

    def __init__(
        self,
        path: Path,
        *,
        limits: Limits,
        packing: Packing,
        clock: Callable[[], datetime],
        new_epoch: Callable[[], str],
        free_disk: Callable[[Path], int],
    ) -> None:
        self.path = path
        self.epoch = ""
        self.lanes: dict[Lane, LaneCount] = {}
        self.state: dict[str, bytes] = {}
        self.set_aside: Path | None = None
        self._limits = limits
        self._packing = packing
        self._clock = clock
        self._new_epoch = new_epoch
        self._free_disk = free_disk
        self._lock: int | None = None
        self._db: sqlite3.Connection | None = None
        self._damage = ""

    # -- life ---------------------------------------------------------------------------------------------

    def open(self, *, thorough: bool = True) -> None:
        """Open or create the file; one that cannot be read is set aside and a new epoch begins."""
        try:
            self._take_lock()
            try:
                self._load(thorough=thorough)
            except JournalCorrupt as err:
                self._close_db()
                aside = self._move_aside()
                log.critical("journal %s cannot be read (%s): set aside as %s", self.path, err, aside.name)
                self._damage, self.set_aside = "", aside
                self._load(thorough=False)
        except (sqlite3.Error, OSError, JournalCorrupt, JournalDown) as err:
            self.close()
            if isinstance(err, JournalDown):
                raise
            raise JournalDown(f"{self.path}: {printable(str(err))}") from err

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._close_db()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        name = self.path.with_name(self.path.name + ".lock")
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            os.close(lock)
            raise JournalDown(
                f"{self.path}: another gateway runs with this state folder; give each its own `state_dir`"
            ) from err
        self._lock = lock

    def _load(self, *, thorough: bool) -> None:
        if self._damage:
            raise JournalCorrupt(self._damage)
        db = sqlite3.connect(self.path, isolation_level=None)
        self._db = db
        try:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version == 0:
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")  # only before the first table
            if db.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise JournalDown(f"{self.path}: no write-ahead log on this file system; use a local disk")
            db.execute("PRAGMA synchronous=FULL")
            db.execute(f"PRAGMA journal_size_limit={4 * MB}")
            if version > VERSION:
                raise JournalDown(f"{self.path}: made by a newer Gatehouse; install that, or move the file")
            if version == 0:
                self._create(db)
            elif thorough and self.path.stat().st_size <= CHECK_BYTES:
                found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise JournalCorrupt(printable(str(found)))
            self.epoch, self.lanes = read_numbers(db)
            self.state = {str(key): bytes(value) for key, value in db.execute("SELECT key, value FROM state")}
        except UnicodeDecodeError as err:
            # SQLite quotes the damaged schema, and Python cannot read the quote.
            raise JournalCorrupt("text in it is no UTF-8") from err
        except sqlite3.DatabaseError as err:
            if _is_damage(err):
                raise JournalCorrupt(printable(str(err))) from err
            raise

    def _create(self, db: sqlite3.Connection) -> None:
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise JournalCorrupt("a database, but not a journal")
        self.path.chmod(0o600)
        with _transaction(db):
            for statement in _SCHEMA.strip().split(";\n"):
                db.execute(statement)
            db.executemany("INSERT INTO lanes VALUES (?, 1, 0)", [(lane.value,) for lane in Lane])
            created = self._clock().isoformat(timespec="milliseconds")
            db.executemany(
                "INSERT INTO meta VALUES (?, ?)", [("epoch", self._new_epoch()), ("created", created)]
            )
            db.execute(f"PRAGMA user_version={VERSION}")

    def _move_aside(self) -> Path:
        stamp = self._clock().strftime("%Y%m%dT%H%M%S%fZ")
        aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}")
        for part in PARTS:
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + part).rename(aside.with_name(aside.name + part))
        kept = sorted(self.path.parent.glob(f"{self.path.name}.corrupt-*Z"))
        for old in kept[:-KEEP_ASIDE]:
            for part in PARTS:
                old.with_name(old.name + part).unlink(missing_ok=True)
        return aside

    def _close_db(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    # -- writing ------------------------------------------------------------------------------------------

    def commit(
        self, writes: Sequence[Write], forget: Mapping[Lane, int], epoch: str = ""
    ) -> list[JournalFull | None]:
        """Write all in one transaction; a write that finds its lane full is answered so and left out.

        `forget` holds per lane a number of `epoch` up to which batches may go; nothing goes if that is over.
        Raise `JournalDown` if the disk did not take it: then nothing of it is kept.
        """
        with self._guarded() as db:
            with _transaction(db):
                draft = Draft(
                    db,
                    self.lanes,
                    limits=self._limits,
                    packing=self._packing,
                    now_ms=millis(self._clock()),
                    free_disk=lambda: self._free_disk(self.path.parent),
                )
                for lane, through in forget.items() if epoch == self.epoch else ():
                    draft.forget(lane, through)
                answers = [draft.add(write) for write in writes]
                draft.flush()
            self.lanes = draft.lanes
            self.state.update(draft.state)
        return answers

    def begin_epoch(self) -> None:
        """Give the numbering another name; the batches stay, under the numbers that they have."""
        with self._guarded() as db, _transaction(db):
            epoch = self._new_epoch()
            db.execute("UPDATE meta SET value=? WHERE key='epoch'", (epoch,))
        self.epoch = epoch

    def claim(self, command_id: str) -> bool:
        """Write down that this command is about to run; False if that was written before."""
        now = self._clock()
        with self._guarded() as db, _transaction(db):
            db.execute("DELETE FROM commands WHERE at < ?", (millis(now - KEEP_COMMANDS),))
            done = db.execute("INSERT OR IGNORE INTO commands VALUES (?, ?)", (command_id, millis(now)))
            return done.rowcount == 1

    def give_back(self) -> None:
        """Return some free pages to the file system, if there are many."""
        with self._guarded() as db:
            if db.execute("PRAGMA freelist_count").fetchone()[0] > 4 * VACUUM_PAGES:
                db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()

    # -- reading ------------------------------------------------------------------------------------------

    def unsent(self, lane: Lane, after: int, limit: int, max_bytes: int) -> list[JournalBatch]:
        """Return the batches that follow a number: at most `limit`, and `max_bytes` unless one alone is more."""
        found: list[JournalBatch] = []
        size = 0
        with self._guarded() as db:
            rows = db.execute(
                "SELECT seq, items, samples, appended, at_first, at_last FROM batches"
                " WHERE lane=? AND seq>? ORDER BY seq LIMIT ?",
                (lane.value, after, limit),
            )
            with closing(rows):
                for seq, items, samples, appended, at_first, at_last in rows:
                    size += len(items)
                    if found and size > max_bytes:
                        break
                    found.append(JournalBatch(lane, seq, bytes(items), samples, appended, at_first, at_last))
        return found

    def was_claimed(self, command_id: str) -> bool:
        """True if this command was written down before."""
        with self._guarded() as db:
            return db.execute("SELECT 1 FROM commands WHERE id=?", (command_id,)).fetchone() is not None

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """Give the connection; turn SQLite's errors into `JournalDown`, and open anew after a suspect one."""
        if self._db is None:
            self.open(thorough=False)
        assert self._db is not None
        try:
            yield self._db
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as err:
            if _is_damage(err):
                self._damage = printable(str(err))
            if _code(err) != sqlite3.SQLITE_FULL:
                self._close_db()
            raise JournalDown(f"{self.path}: {printable(str(err))}") from err


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def read_numbers(db: sqlite3.Connection) -> tuple[str, dict[Lane, LaneCount]]:
    """Return epoch and lanes of an open journal; raise `JournalCorrupt` where they are not all there."""
    epoch = db.execute("SELECT value FROM meta WHERE key='epoch'").fetchone()
    counts = {str(lane): (int(after), int(size)) for lane, after, size in db.execute("SELECT * FROM lanes")}
    if epoch is None or set(counts) != {lane.value for lane in Lane}:
        raise JournalCorrupt("its epoch or its lanes are missing")
    lanes = {}
    for lane in Lane:
        after, size = counts[lane.value]
        oldest = db.execute(
            "SELECT seq, at_first FROM batches WHERE lane=? ORDER BY seq LIMIT 1", (lane.value,)
        ).fetchone()
        first, at = (after, None) if oldest is None else (int(oldest[0]), int(oldest[1]))
        lanes[lane] = LaneCount(first, after, size, at)
    return str(epoch[0]), lanes


def inspect(path: Path) -> tuple[str, dict[Lane, LaneCount]]:
    """Read epoch and lanes of a journal that may be in use; raise `JournalDown` or `FileNotFoundError`."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no journal yet; it is born when the gateway first runs")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            return read_numbers(db)
    except (sqlite3.Error, JournalCorrupt) as err:
        raise JournalDown(f"{path}: {printable(str(err))}") from err


def _code(err: sqlite3.Error) -> int:
    return int(getattr(err, "sqlite_errorcode", 0)) & 0xFF


def _is_damage(err: sqlite3.Error) -> bool:
    return _code(err) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
