"""A camera that can go wrong: ONVIF device, media and pull point, a still picture, and what its owner can do to it.

Its SOAP and its digests are its own; it refuses whoever does not sign in, and tokens that its clock calls old.
"""

import asyncio
import base64
import hashlib
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from simulators.camera_scene import Scene

TOKEN_AGE_S = 60.0
POINT_LASTS_S = 120.0
KEPT = 1000
EVENT_NAMES = (
    'xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tt="http://www.onvif.org/ver10/schema" '
    'xmlns:tns1="http://www.onvif.org/ver10/topics" xmlns:tev="http://www.onvif.org/ver10/events/wsdl" '
    'xmlns:wsa="http://www.w3.org/2005/08/addressing" xmlns:tds="http://www.onvif.org/ver10/device/wsdl" '
    'xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:ter="http://www.onvif.org/ver10/error"'
)
TAMPER = "tns1:VideoSource/GlobalSceneChange/ImagingService"
RECORDING = "tns1:RecordingConfig/JobState"


@dataclass(frozen=True)
class Said:
    """One notification: the topic, the source item, the data item, and whether it is the first of its property."""

    topic: str
    source: tuple[str, str]
    data: tuple[str, str]
    operation: str
    at: datetime

    def xml(self) -> str:
        """Write it as a camera does."""
        return (
            f'<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
            f"{self.topic}</wsnt:Topic><wsnt:Message>"
            f'<tt:Message UtcTime="{stamp(self.at)}" PropertyOperation="{self.operation}">'
            f'<tt:Source><tt:SimpleItem Name="{self.source[0]}" Value="{self.source[1]}"/></tt:Source>'
            f'<tt:Data><tt:SimpleItem Name="{self.data[0]}" Value="{self.data[1]}"/></tt:Data>'
            "</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
        )


@dataclass
class Camera:
    """What the camera is and holds; `address` is what it believes to be its own."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    scene: Scene = field(default_factory=Scene)
    username: str = "admin"
    password: str = ""
    address: str = "192.168.7.7"
    serial: str = "SIM0001"
    firmware: str = "1.0.0"
    drift_s: float = 0.0
    rtsp: str = "rtsp://192.168.7.7:554/stream1"
    states: dict[str, Said] = field(default_factory=dict)
    waiting: dict[str, list[Said]] = field(default_factory=dict)
    """By pull point."""
    refused: int = 0
    asked: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    """What was asked lately, the newest last."""
    untold: set[str] = field(default_factory=set)
    """Topics whose last news nobody has fetched yet."""
    fetched: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while there are none."""
    _ends: dict[str, datetime] = field(default_factory=dict)
    _points: int = 0
    _nonces: dict[str, datetime] = field(default_factory=dict)
    """With the time that each was made; what is older is refused for its age."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.say(TAMPER, ("Source", "VideoSource_1"), ("State", "false"))
        self.record(on=True)

    @property
    def now(self) -> datetime:
        """The time that the camera believes."""
        return self.clock() + timedelta(seconds=self.drift_s)

    def say(self, topic: str, source: tuple[str, str], data: tuple[str, str]) -> None:
        """Tell all pull points of a property that changed; those whose time is over are no more."""
        said = Said(topic, source, data, "Changed", self.now)
        self.states[topic] = said
        self.untold.add(topic)
        self.fetched.clear()
        for point in [point for point, end in self._ends.items() if end < said.at]:
            self._forget(point)
        for queue in self.waiting.values():
            queue.append(said)
        self._news.set()
        self._news = asyncio.Event()

    def tamper(self, *, on: bool) -> None:
        """Have the camera see that it is tampered with, or no more."""
        self.say(TAMPER, ("Source", "VideoSource_1"), ("State", "true" if on else "false"))

    def record(self, *, on: bool) -> None:
        """Begin or end to record."""
        self.say(RECORDING, ("RecordingJobToken", "Job_1"), ("State", "Active" if on else "Idle"))

    def reboot(self) -> None:
        """Forget what a camera forgets at its start: who listens."""
        self.waiting.clear()
        self._ends.clear()
        self._news.set()
        self._news = asyncio.Event()

    async def answer(self, path: str, body: str) -> tuple[int, str]:
        """Answer a SOAP request."""
        wanted = re.search(r"Body[^>]*>\s*<(?:\w+:)?(\w+)", body)
        name = wanted[1] if wanted else ""
        self.asked.append(name)
        if name != "GetSystemDateAndTime" and not self._signed(body):
            self.refused += 1
            return 400, fault("ter:NotAuthorized", "Sender not authorized")
        answers = {
            "GetSystemDateAndTime": self._time,
            "GetDeviceInformation": self._information,
            "GetCapabilities": self._capabilities,
            "GetProfiles": lambda: (
                '<trt:GetProfilesResponse><trt:Profiles token="P1" fixed="true"/></trt:GetProfilesResponse>'
            ),
            "GetSnapshotUri": lambda: self._uri("GetSnapshotUri", f"http://{self.address}/snapshot.jpg"),
            "GetStreamUri": lambda: self._uri("GetStreamUri", self.rtsp),
            "CreatePullPointSubscription": self._subscribe,
        }
        if name in answers:
            return 200, envelope(answers[name]())
        return await self._at_point(path.rpartition("/")[2], name, body)

    async def _at_point(self, point: str, name: str, body: str) -> tuple[int, str]:
        if point not in self.waiting or self._ends[point] < self.now:
            self._forget(point)
            return 400, fault("ter:InvalidArgVal", "no such subscription")
        if name == "PullMessages":
            return 200, envelope(await self._pull(point, body))
        if name == "Renew":
            self._ends[point] = self.now + timedelta(seconds=_seconds(body, "TerminationTime"))
            return 200, envelope("<wsnt:RenewResponse/>")
        if name == "Unsubscribe":
            self._forget(point)
            return 200, envelope("<wsnt:UnsubscribeResponse/>")
        return 400, fault("ter:ActionNotSupported", "not here")

    def _forget(self, point: str) -> None:
        self.waiting.pop(point, None)
        self._ends.pop(point, None)

    async def _pull(self, point: str, body: str) -> str:
        queue = self.waiting[point]
        if not queue:
            try:
                async with asyncio.timeout(_seconds(body, "Timeout")):
                    await self._news.wait()
            except TimeoutError:
                pass
        self.untold -= {said.topic for said in queue if said.data == self.states[said.topic].data}
        if not self.untold:
            self.fetched.set()
        told = "".join(said.xml() for said in queue)
        queue.clear()
        return (
            f"<tev:PullMessagesResponse><tev:CurrentTime>{stamp(self.now)}</tev:CurrentTime>"
            f"<tev:TerminationTime>{stamp(self.now)}</tev:TerminationTime>{told}</tev:PullMessagesResponse>"
        )

    def _subscribe(self) -> str:
        self._points += 1
        point = str(self._points)
        self.waiting[point] = [
            Said(said.topic, said.source, said.data, "Initialized", self.now) for said in self.states.values()
        ]
        self._ends[point] = self.now + timedelta(seconds=POINT_LASTS_S)
        return (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
            f"<wsa:Address>http://{self.address}/onvif/pull/{point}</wsa:Address></tev:SubscriptionReference>"
            f"<wsnt:CurrentTime>{stamp(self.now)}</wsnt:CurrentTime>"
            f"<wsnt:TerminationTime>{stamp(self._ends[point])}</wsnt:TerminationTime>"
            "</tev:CreatePullPointSubscriptionResponse>"
        )

    def _time(self) -> str:
        now = self.now
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
            f"<tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
            f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
            f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
            "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _information(self) -> str:
        return (
            "<tds:GetDeviceInformationResponse><tds:Manufacturer>Gatehouse</tds:Manufacturer>"
            "<tds:Model>Sim &amp; Co</tds:Model>"
            f"<tds:FirmwareVersion>{self.firmware}</tds:FirmwareVersion><tds:SerialNumber>{self.serial}</tds:SerialNumber>"
            "<tds:HardwareId>1</tds:HardwareId></tds:GetDeviceInformationResponse>"
        )

    def _capabilities(self) -> str:
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities>"
            f"<tt:Events><tt:XAddr>http://{self.address}/onvif/events</tt:XAddr></tt:Events>"
            f"<tt:Media><tt:XAddr>http://{self.address}/onvif/media</tt:XAddr></tt:Media>"
            "</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _uri(self, name: str, uri: str) -> str:
        return f"<trt:{name}Response><trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri></trt:{name}Response>"

    def _signed(self, body: str) -> bool:
        if not self.password:
            return True
        parts = {
            name: found[1] if (found := re.search(rf"<\w+:{name}(?:\s[^>]*)?>([^<]*)<", body)) else ""
            for name in ("Username", "Password", "Nonce", "Created")
        }
        try:
            created = datetime.fromisoformat(parts["Created"].strip())
            nonce = base64.b64decode(parts["Nonce"], validate=True)
        except ValueError:
            return False
        if created.utcoffset() is None:
            return False
        digest = hashlib.sha1(nonce + parts["Created"].encode() + self.password.encode()).digest()  # noqa: S324 - the standard's own
        oldest = self.now - timedelta(seconds=TOKEN_AGE_S)
        self._nonces = {known: made for known, made in self._nonces.items() if made >= oldest}
        fresh = (
            abs((created - self.now).total_seconds()) <= TOKEN_AGE_S and parts["Nonce"] not in self._nonces
        )
        right = base64.b64encode(digest).decode() == parts["Password"] and parts["Username"] == self.username
        if right and fresh:
            self._nonces[parts["Nonce"]] = created
        return right and fresh


def envelope(body: str) -> str:
    """Wrap an answer."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope '
        f'xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" {EVENT_NAMES}>'
        f"<SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )


def fault(code: str, reason: str) -> str:
    """Refuse."""
    return envelope(
        "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value><SOAP-ENV:Subcode>"
        f"<SOAP-ENV:Value>{code}</SOAP-ENV:Value></SOAP-ENV:Subcode></SOAP-ENV:Code>"
        f'<SOAP-ENV:Reason><SOAP-ENV:Text xml:lang="en">{reason}</SOAP-ENV:Text></SOAP-ENV:Reason></SOAP-ENV:Fault>'
    )


def stamp(at: datetime) -> str:
    """Write a time as ONVIF does."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(body: str, name: str) -> float:
    found = re.search(rf"{name}[^>]*>PT(\d+)S<", body)
    return float(found[1]) if found else 60.0
