"""What a job says, in bundles: a phone at a cabinet is not woken for each row, and no job can flood the uplink."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from messages.codec import MessageError
from messages.text import printable
from messages.tools import SaidKind, check_plain

Say = Callable[[SaidKind, Mapping[str, Any]], None]

BUNDLE_S = 0.25
BUNDLE_ROWS = 50
BUNDLE_BYTES = 24 * 1024
MOST_ROW_BYTES = 12 * 1024
MOST_ROWS = 50_000
PROGRESS_S = 0.5
_encode = msgspec.json.Encoder().encode


class Voice:
    """Bundles rows and thins progress; `run` speaks while the job works, `end` says the rest and the last word."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._rows: list[Mapping[str, Any]] = []
        self._bytes = self._said = self._dropped = 0
        self._progress: Mapping[str, Any] | None = None
        self._ended = False
        self.doing = ""
        """What the job is at, in words, as it said last."""

    def row(self, row: Mapping[str, Any]) -> None:
        """Take a row; one too large, or beyond the most that a job may find, is counted as dropped."""
        size = _size(row)
        if size is None or size > MOST_ROW_BYTES or self._said >= MOST_ROWS:
            self._dropped += 1
            return
        if self._rows and self._bytes + size > BUNDLE_BYTES:
            self._speak()
        self._rows.append(row)
        self._bytes += size
        self._said += 1
        if len(self._rows) >= BUNDLE_ROWS:
            self._speak()

    def progress(self, progress: Mapping[str, Any]) -> None:
        """Take how far it is; the newest is told now and then."""
        self._progress = progress
        self.doing = printable(str(progress.get("text", "")), 200)

    async def run(self) -> None:
        """Speak until cancelled."""
        passed = PROGRESS_S
        while True:
            await asyncio.sleep(BUNDLE_S)
            passed += BUNDLE_S
            self._speak()
            if self._progress is not None and passed >= PROGRESS_S:
                passed = 0.0
                self._tell_progress()

    def end(self, kind: SaidKind, body: Mapping[str, Any]) -> None:
        """Say what is left and the last word; nothing after it."""
        if self._ended:
            return
        self._speak()
        if self._progress is not None:
            self._tell_progress()
        self._ended = True
        self._say(kind, body if _size(body) is not None else {"why": "its result is too large to be told"})

    def _tell_progress(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None and not self._ended:
            self._say(SaidKind.PROGRESS, progress)

    def _speak(self) -> None:
        if self._ended or not (self._rows or self._dropped):
            return
        rows, dropped = self._rows, self._dropped
        self._rows, self._bytes, self._dropped = [], 0, 0
        self._say(SaidKind.ROW, {"rows": rows, "dropped": dropped})


def _size(thing: Mapping[str, Any]) -> int | None:
    """Return how long a row is as JSON, None where it cannot cross."""
    try:
        check_plain(thing, "row")
    except MessageError:
        return None
    return len(_encode(thing))
