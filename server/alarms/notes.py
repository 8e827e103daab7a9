"""What a journal says beside an event: when it was seen, when it was by the device's own clock, and what it told."""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from messages.text import printable
from server.ingest.sinks import EventItem

ON_ITS_WAY = timedelta(seconds=10)
LONGEST = 1000

_NOTE = re.compile(
    r"seen (?P<seen>[0-9T:.+-]+)(?:, by its own clock (?P<at>[0-9T:.+-]+))?(?: (?P<detail>.*))?"
)


class Told(NamedTuple):
    """What a note says of its event; None where it does not say it."""

    seen: datetime | None
    at: datetime | None
    detail: str


def seen_at(item: EventItem, now: datetime) -> datetime:
    """Return the gateway's time of an event, ours where its clock is ahead: nothing has happened tomorrow."""
    return item.event.seen_at if item.sane_time else now


def note_of(item: EventItem, now: datetime, *, whole: bool = False) -> str:
    """Say an event: when it was seen if it was long on its way; all times, to the millisecond, where `whole`."""
    event, seen = item.event, seen_at(item, now)
    told = ""
    if whole:
        told = f"seen {seen.isoformat(timespec='milliseconds')}"
        if event.at is not None:
            told += f", by its own clock {event.at.isoformat(timespec='milliseconds')}"
    elif now - seen > ON_ITS_WAY:
        told = f"seen {seen.isoformat(timespec='seconds')}"
    return printable(f"{told} {event.detail}".strip(), LONGEST)


def read_note(note: str) -> Told:
    """Read what `note_of` said; of a note without times all is detail."""
    found = _NOTE.fullmatch(note)
    seen = _instant(found["seen"]) if found else None
    if found is None or seen is None:
        return Told(None, None, note)
    return Told(seen, _instant(found["at"]), found["detail"] or "")


def _instant(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
