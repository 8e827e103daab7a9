"""Notifications of an ONVIF device: topic, operation, time, and the simple items of source and data."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from xml.etree.ElementTree import Element, tostring

from drivers.errors import FrameDamaged
from drivers.onvif.markup import child, every, parse, text

OPERATIONS: Final = frozenset({"Initialized", "Changed", "Deleted"})
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,12})?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
MAX_TOPIC: Final = 500


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification as it was sent; `operation` and `utc` are None where what stands there is none."""

    topic: str
    operation: str | None
    utc: str | None
    source: Mapping[str, str] = field(default_factory=dict)
    key: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = b""

    @property
    def at(self) -> datetime | None:
        """The device's time of it."""
        return instant(self.utc or "")

    @property
    def path(self) -> str:
        """The topic without the prefixes of its name spaces, which each device chooses for itself."""
        return bare(self.topic)


def bare(topic: str) -> str:
    """Return a topic without prefixes: `tns1:RuleEngine/tnsx:Motion` is `RuleEngine/Motion`."""
    return "|".join("/".join(word.rpartition(":")[2] for word in way.split("/")) for way in topic.split("|"))


def instant(written: str) -> datetime | None:
    """Return the instant that an xs:dateTime names, None for what is none; without a zone it is UTC, as ONVIF says."""
    match = _TIME.fullmatch(written.strip())
    if match is None:
        return None
    *numbers, fraction, zone = match.groups()
    micro = int(f"{(fraction or '.0')[1:]:0<6}"[:6])
    try:
        at = datetime(*map(int, numbers), micro, tzinfo=UTC)  # type: ignore[misc,arg-type]
        if zone and zone != "Z":
            ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
            at += ahead if zone[0] == "-" else -ahead
    except (ValueError, OverflowError):
        return None
    return at


def notifications(data: bytes) -> list[Notification]:
    """Return what a document holds: a message alone, a Notify, or the answer to PullMessages; raise `FrameDamaged`."""
    return notifications_in(parse(data))


def notifications_in(root: Element) -> list[Notification]:
    """Return the notifications below an element, in their order; one with no topic or an endless one is damaged."""
    return [_notification(each) for each in every(root, "NotificationMessage")]


def _notification(element: Element) -> Notification:
    topic = text(element, "Topic")
    if not topic:
        raise FrameDamaged("a notification without a topic")
    if len(topic) > MAX_TOPIC:
        raise FrameDamaged(f"a notification with a topic of {len(topic)} characters: {MAX_TOPIC} are allowed")
    message = child(element, "Message", "Message")
    if message is None:
        message = child(element, "Message")
    attributes = message.attrib if message is not None else {}
    operation, utc = attributes.get("PropertyOperation"), attributes.get("UtcTime")
    return Notification(
        topic,
        operation if operation in OPERATIONS else None,
        utc if utc is not None and instant(utc) is not None else None,
        _items(child(message, "Source")),
        _items(child(message, "Key")),
        _items(child(message, "Data")),
        tostring(element),
    )


def _items(element: Element | None) -> Mapping[str, str]:
    found: Sequence[Element] = [] if element is None else [*every(element, "SimpleItem")]
    return {item.attrib["Name"]: item.attrib.get("Value", "") for item in found if "Name" in item.attrib}
