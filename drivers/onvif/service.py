"""What is asked of a camera's services, and what the answers say. Pure: bodies out, elements in."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from drivers.errors import FrameDamaged
from drivers.onvif.events import Notification, instant, notifications_in
from drivers.onvif.markup import child, every, text
from messages.text import printable

DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
MEDIA: Final = "http://www.onvif.org/ver10/media/wsdl"
EVENTS: Final = "http://www.onvif.org/ver10/events/wsdl"
SCHEMA: Final = "http://www.onvif.org/ver10/schema"
WSNT: Final = "http://docs.oasis-open.org/wsn/b-2"
WSA: Final = "http://www.w3.org/2005/08/addressing"

GET_TIME: Final = f'<GetSystemDateAndTime xmlns="{DEVICE}"/>'
GET_INFORMATION: Final = f'<GetDeviceInformation xmlns="{DEVICE}"/>'
GET_CAPABILITIES: Final = f'<GetCapabilities xmlns="{DEVICE}"><Category>All</Category></GetCapabilities>'
GET_PROFILES: Final = f'<GetProfiles xmlns="{MEDIA}"/>'
UNSUBSCRIBE: Final = f'<Unsubscribe xmlns="{WSNT}"/>'
MOST_PROFILES: Final = 64
FIRST_YEAR, LAST_YEAR = 1970, 2199  # a clock without a battery begins in 1970


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a camera says that it is."""

    maker: str
    model: str
    firmware: str
    serial: str

    def __str__(self) -> str:
        return f"{self.maker} {self.model}, firmware {self.firmware}, serial {self.serial}"


@dataclass(frozen=True, slots=True)
class Services:
    """Where a camera's services are; empty for one that it lacks."""

    media: str = ""
    events: str = ""


@dataclass(frozen=True, slots=True)
class PullPoint:
    """Where notifications wait for us, and until when, in the camera's time."""

    url: str
    header: str = ""
    """Reference parameters that its requests carry, as the camera gave them."""
    until: datetime | None = None


def snapshot_uri(token: str) -> str:
    """Ask where a profile's still picture is."""
    return f'<GetSnapshotUri xmlns="{MEDIA}"><ProfileToken>{escape(token)}</ProfileToken></GetSnapshotUri>'


def stream_uri(token: str) -> str:
    """Ask where a profile's stream is."""
    return (
        f'<GetStreamUri xmlns="{MEDIA}"><StreamSetup><Stream xmlns="{SCHEMA}">RTP-Unicast</Stream>'
        f'<Transport xmlns="{SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
        f"<ProfileToken>{escape(token)}</ProfileToken></GetStreamUri>"
    )


def subscribe(seconds: int) -> str:
    """Ask for a pull point that lasts so long."""
    return (
        f'<CreatePullPointSubscription xmlns="{EVENTS}"><InitialTerminationTime>PT{seconds}S</InitialTerminationTime>'
        "</CreatePullPointSubscription>"
    )


def pull(seconds: int, most: int) -> str:
    """Ask for what waits, or wait so long for something."""
    timeout = f"<Timeout>PT{seconds}S</Timeout>"
    return f'<PullMessages xmlns="{EVENTS}">{timeout}<MessageLimit>{most}</MessageLimit></PullMessages>'


def renew(seconds: int) -> str:
    """Ask for more time."""
    return f'<Renew xmlns="{WSNT}"><TerminationTime>PT{seconds}S</TerminationTime></Renew>'


def addressed(action: str, url: str, header: str) -> str:
    """Return the WS-Addressing header of a request to a pull point."""
    return f'<a:Action xmlns:a="{WSA}">{escape(action)}</a:Action><a:To xmlns:a="{WSA}">{escape(url)}</a:To>{header}'


PULL_ACTION: Final = f"{EVENTS}/PullPointSubscription/PullMessagesRequest"
RENEW_ACTION: Final = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest"
END_ACTION: Final = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest"


def read_time(body: Element) -> datetime:
    """Return the camera's time; raise `FrameDamaged` where it says none."""
    utc = next(every(body, "UTCDateTime"), None)
    parts = [text(utc, "Date", name) for name in ("Year", "Month", "Day")]
    parts += [text(utc, "Time", name) for name in ("Hour", "Minute", "Second")]
    if not all(re.fullmatch(r"[0-9]{1,4}", part) for part in parts):
        raise FrameDamaged("the camera says no time")
    year, month, day, hour, minute, second = map(int, parts)
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise FrameDamaged("the camera says a time that cannot be")
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        raise FrameDamaged("the camera says a time that is none") from None


def read_identity(body: Element) -> Identity:
    """Return who it says that it is."""
    answer = child(body, "GetDeviceInformationResponse")
    names = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber")
    return Identity(*(printable(text(answer, name), 80) for name in names))


def read_services(body: Element, reached: str) -> Services:
    """Return where its services are, as they can be reached from here."""
    found = child(body, "GetCapabilitiesResponse", "Capabilities")
    media, events = text(found, "Media", "XAddr"), text(found, "Events", "XAddr")
    return Services(media and rewritten(media, reached), events and rewritten(events, reached))


def read_profiles(body: Element) -> list[str]:
    """Return the tokens of its media profiles."""
    found = [each.attrib.get("token", "") for each in every(body, "Profiles")]
    return [token for token in found if token][:MOST_PROFILES]


def read_uri(body: Element) -> str:
    """Return the address in an answer; raise `FrameDamaged` where there is none."""
    found = next(every(body, "Uri"), None)
    uri = text(found)
    if not uri or len(uri) > 1000:
        raise FrameDamaged("the camera says no address")
    return uri


def read_pull_point(body: Element, reached: str) -> PullPoint:
    """Return where to pull from; raise `FrameDamaged`."""
    answer = child(body, "CreatePullPointSubscriptionResponse")
    reference = child(answer, "SubscriptionReference")
    url = text(reference, "Address")
    if not url:
        raise FrameDamaged("the camera says no pull point")
    parameters = child(reference, "ReferenceParameters")
    header = "".join(_copied(each) for each in (parameters if parameters is not None else ()))
    return PullPoint(rewritten(url, reached), header[:2000], instant(text(answer, "TerminationTime")))


def read_messages(body: Element) -> list[Notification]:
    """Return the notifications of an answer to `pull`."""
    return notifications_in(body)


def rewritten(url: str, reached: str) -> str:
    """Return an address that the camera gave, on the host by which it was reached, and without a login.

    Cameras behind a router tell their inner address, and a strange one would be sent our login.
    """
    try:
        given, known = urlsplit(url.strip()), urlsplit(reached)
        port = given.port
    except ValueError:
        raise FrameDamaged(f"the camera says an address that is none: {printable(url, 80)!r}") from None
    host = known.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    if given.scheme in {"http", "https"} and given.hostname != host:
        scheme, place = known.scheme, known.netloc.rpartition("@")[2]
    elif given.scheme in {"http", "https", "rtsp", "rtsps"}:
        scheme, place = given.scheme, shown if port is None else f"{shown}:{port}"
    else:
        raise FrameDamaged(f"the camera says an address that is none: {printable(url, 80)!r}")
    return urlunsplit((scheme, place, given.path, given.query, ""))


def _copied(element: Element) -> str:
    """Write a reference parameter again: its name, its attributes left out, its text."""
    space, _, name = str(element.tag).rpartition("}")
    said = f' xmlns:p={quoteattr(space[1:])} a:IsReferenceParameter="true" xmlns:a="{WSA}"'
    return f"<p:{name}{said}>{escape(element.text or '')}</p:{name}>"
