"""What the data of a DC-09 message says: SIA events (DC-03) or one Contact ID event (DC-05)."""

import re
from dataclasses import dataclass
from typing import Final

MAX_EVENTS: Final = 32

_CID: Final = re.compile(r"\s*([0-9A-Fa-f])([0-9A-Fa-f]{3})\s+([0-9A-Fa-f]{2})\s+([0-9A-Fa-f]{3})\s*")
_MODIFIER: Final = re.compile(
    r"(?:ri(?P<area>\d{1,6})|ti(?P<time>\d\d:\d\d(?::\d\d)?)|id(?P<id>[0-9A-F]+(?=[/a-z])|[0-9]*)"
    r"|(?P<other>[a-z]{2}[^/|A-Z]*))/?"
)
_EVENT: Final = re.compile(
    r"(?P<code>[A-Z]{2})(?P<number>(?:[0-9][0-9A-F]*)?)(?P<tail>[^/^|]*)(?:\^(?P<text>[^^|]*)\^?)?/?"
)


@dataclass(frozen=True, slots=True)
class SiaEvent:
    """One event of a SIA block; `old` for one that the panel tells late."""

    code: str
    number: str
    area: str | None = None
    id: str | None = None
    time: str | None = None
    text: str = ""
    old: bool = False


@dataclass(frozen=True, slots=True)
class CidEvent:
    """One Contact ID event: qualifier 1 begun or open, 3 ended or closed, 6 still standing."""

    qualifier: int
    event: str
    partition: str
    zone: str


def split_account(data: str) -> tuple[str, str]:
    """Return the account that stands before the first bar, with or without a #, and the rest."""
    account, bar, rest = data.partition("|")
    return (account.strip().removeprefix("#"), rest) if bar else ("", data)


def cid_event(data: str) -> CidEvent | None:
    """Return the event of an ADM-CID message; None where the data is none."""
    match = _CID.fullmatch(split_account(data)[1])
    return None if match is None else CidEvent(int(match[1], 16), match[2].upper(), match[3], match[4])


def sia_events(data: str) -> tuple[list[SiaEvent], str]:
    """Return the events of a SIA-DCS message, and what of it could not be read."""
    found: list[SiaEvent] = []
    strange: list[str] = []
    text = ""
    for block in split_account(data)[1].split("|"):
        if block[:1] in {"N", "O"}:
            rest = _block(block, found)
            if rest:
                strange.append(rest)
        elif block[:1] == "A":  # ASCII text that goes with the events before it
            text = block[1:].strip()
        elif block.strip():
            strange.append(block)
    if text and found:
        last = found[-1]
        found[-1] = SiaEvent(
            last.code, last.number, last.area, last.id, last.time, last.text or text, last.old
        )
    return found, "|".join(strange)


def _block(block: str, found: list[SiaEvent]) -> str:
    place = 1
    said: dict[str, str | None] = {"area": None, "time": None, "id": None}
    while place < len(block):
        modifier = _MODIFIER.match(block, place)
        event = None if modifier else _EVENT.match(block, place)
        if modifier:
            said |= {name: modifier[name] for name in said if modifier[name] is not None}
            place = modifier.end()
        elif event and len(found) < MAX_EVENTS:
            text = (event["text"] or event["tail"] or "").strip()
            found.append(
                SiaEvent(
                    event["code"],
                    event["number"],
                    said["area"],
                    said["id"],
                    said["time"],
                    text,
                    block[0] == "O",
                )
            )
            place = event.end()
        else:
            return block[place:]
    return ""
