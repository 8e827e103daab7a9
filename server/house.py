"""The data folder: who owns it, and the database in it. Small, for the command line asks nothing else of the server."""

import contextlib
import fcntl
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from server.db.engine import sqlite_engine
from server.db.migrate import upgrade
from server.settings import Settings

LOCK_TRIES = 10
LOCK_WAIT_S = 0.05


class AlreadyRunning(RuntimeError):
    """Another server holds this data folder."""


def utc_now() -> datetime:
    """Return the wall clock in UTC."""
    return datetime.now(UTC)


def make_folder(folder: Path) -> None:
    """Make the data folder; what is in it is nobody else's business on this machine."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Own the data folder; raise `AlreadyRunning` if another server does."""
    make_folder(folder)
    with (folder / "server.lock").open("w") as lock:
        for left in reversed(range(LOCK_TRIES)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # The command line holds it for a moment to see whether a server runs.
                if not left:
                    why = f"another server runs on {folder}: stop it, or give another --data-dir"
                    raise AlreadyRunning(why) from None
                time.sleep(LOCK_WAIT_S)
        yield


def running_pid(settings: Settings) -> int | None:
    """Return the process id of the server that holds the data folder, None when there is none."""
    try:
        with (settings.data / "server.lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(json.loads(settings.run_file.read_text())["pid"])
            return None
    except (OSError, ValueError, KeyError):
        return None


def open_database(settings: Settings) -> Engine:
    """Return the engine on an up-to-date database."""
    make_folder(settings.data)
    engine = sqlite_engine(settings.database)
    upgrade(engine)
    return engine
