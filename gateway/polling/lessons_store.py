"""Where lessons outlive the process: one small JSON file, replaced as a whole."""

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.polling.lessons import MOST_CUTS, MOST_MODELS, MOST_POINTS, Kept, Lessons
from messages.text import printable
from messages.types import MAX_DEVICES

log = logging.getLogger(__name__)

NAME = "lessons.json"
MAX_BYTES = 4 << 20
SAVE_EVERY_S = 60.0


def load_lessons(state_dir: Path, clock: Callable[[], datetime]) -> Lessons:
    """Return the lessons of earlier runs; a file that cannot be read costs some refusals, no more."""
    path = state_dir / NAME
    try:
        kept = _read(path)
    except FileNotFoundError:
        return Lessons(clock)
    except (OSError, ValueError) as err:
        log.warning("%s cannot be used, what devices refuse is found out anew: %s", path, printable(str(err)))
        return Lessons(clock)
    return Lessons(clock, kept)


def _read(path: Path) -> Kept:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    kept = msgspec.json.decode(path.read_bytes(), type=Kept)
    _check(kept)
    return kept


def _check(kept: Kept) -> None:
    if kept.v != 1:
        raise ValueError(f"of version {kept.v}")
    if len(kept.models) > MOST_MODELS:
        raise ValueError(f"more than {MOST_MODELS} models")
    if max(len(kept.firmware), len(kept.thinks_us)) > MAX_DEVICES:
        raise ValueError(f"more than {MAX_DEVICES} devices")
    for learned in kept.models.values():
        if len(learned.cuts) > MOST_CUTS or max(len(learned.bad), len(learned.differs)) > MOST_POINTS:
            raise ValueError("a model that has taught too much")
        if learned.since is not None and learned.since.tzinfo is None:
            raise ValueError("a time without a zone")


def save_lessons(state_dir: Path, kept: Kept) -> None:
    """Replace the file at once or not at all; raise `OSError`."""
    path, draft = state_dir / NAME, state_dir / f"{NAME}.new"
    with draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(kept, order="sorted"), indent=1))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


async def keep_lessons(lessons: Lessons, state_dir: Path, stop: asyncio.Event) -> None:
    """Store what is new once a minute, and once more at the end."""
    while True:
        stopping = stop.is_set()
        if lessons.dirty:
            try:
                await asyncio.to_thread(save_lessons, state_dir, lessons.kept())
            except OSError as err:
                lessons.dirty = True
                log.warning("what devices refuse cannot be stored: %s", printable(str(err)))
        if stopping:
            return
        try:
            async with asyncio.timeout(SAVE_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue
