"""One camera, attended: is it there, does it know the time, what does it tell, and what do its pictures show?

Each camera has its own loops, so that one that hangs holds up no other. A camera that refuses the login is left alone
for a while: many lock out whoever tries again and again.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from drivers.api import Happening, Heard
from drivers.errors import DeviceRefused, DeviceSilent, DriverError, FrameDamaged
from drivers.onvif.events import Notification
from drivers.onvif.service import PullPoint
from drivers.onvif.session import NOT_TAKEN, TAKEN, CameraSession
from drivers.onvif.settings import OF_PICTURE, Signals, points_of
from drivers.onvif.soap import FAULT, LOGIN_REFUSED
from gateway.cameras.client import LASTS_S, CameraClient
from gateway.cameras.evidence import Evidence
from gateway.cameras.facts import BAD, Fact, no_picture, readings
from gateway.cameras.picture import PictureBroken, evidence_of
from gateway.cameras.stream import PORT, Stream, look_at
from gateway.cameras.watching import Watching
from gateway.listening.attended import Attended
from gateway.listening.hearing import Hearing
from messages.text import printable
from messages.types import Edge, Quality

log = logging.getLogger(__name__)

LEAVE_ALONE_S: Final = 600.0
"""After a refused login nothing that needs one is asked for so long."""
AGAIN_S: Final = 5.0
LONGEST_AGAIN_S: Final = 60.0
KEEP_TRYING_S: Final = 1.0
LEAST_GAP_S: Final = 0.5
GOODBYE_S: Final = 2.0
SAVE_EVERY: Final = 30
FRESH_S: Final = 60.0
MOST_STRANGE: Final = 100

T = TypeVar("T")


class Stopped(Exception):
    """The line stops: what was on its way is dropped."""


@dataclass(slots=True, eq=False)
class Attend:
    """Works on one camera until `stop`."""

    device: Attended
    client: CameraClient
    hearing: Hearing
    watching: Watching
    evidence: Evidence
    looking: asyncio.Semaphore
    stop: asyncio.Event
    online: bool | None = None
    found: bool = False
    login_ok: bool | None = None
    events_up: bool | None = None
    _left_alone: float = 0.0
    _points: dict[str, str] = field(init=False)
    _session: CameraSession = field(init=False)
    _identity: str | None = field(init=False)
    _picture: tuple[float, bytes] | None = None
    _rests_on: dict[str, str] = field(default_factory=dict)
    _seen: int = 0
    _strange: set[str] = field(default_factory=set)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _said: str = ""
    _owed: list[Heard] = field(default_factory=list)
    """What is still to be told: never while what is under way can be dropped by a stop."""

    def __post_init__(self) -> None:
        profile = self.device.config.profile
        self._points = dict(points_of(profile))
        self._session = CameraSession(self.device.source, profile)
        self._identity = Signals(profile).identity

    async def run(self) -> None:
        """Look, listen and ask until the stop."""
        await asyncio.to_thread(self.watching.load)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._until_stop(self._health()), name=f"health of {self.device.id}")
            if OF_PICTURE.intersection(self._points.values()):
                group.create_task(self._until_stop(self._pictures()), name=f"pictures of {self.device.id}")
            if self.client.camera.options.events:
                group.create_task(self._until_stop(self._events()), name=f"events of {self.device.id}")
        await asyncio.to_thread(self.watching.save)
        await self.client.http.aclose()

    async def picture(self) -> bytes:
        """Fetch a picture now, as it may be sent; raise `DriverError`."""
        if not self.found:
            raise DeviceSilent(f"{self.device.id} has not told where its picture is")
        data = await self.client.picture()
        try:
            return await asyncio.to_thread(evidence_of, data)
        except PictureBroken as err:
            raise FrameDamaged(f"the picture {err}") from None

    async def _until_stop(self, work: Awaitable[None]) -> None:
        with contextlib.suppress(Stopped):
            await work

    async def _or_stop(self, work: Awaitable[T]) -> T:
        """Return what comes of it, or raise `Stopped` at the stop."""
        doing = asyncio.ensure_future(work)
        stopping = asyncio.create_task(self.stop.wait(), name=f"stop of {self.device.id}")
        try:
            await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not doing.done():
                doing.cancel()
                await asyncio.wait((doing,))
        if doing.cancelled():
            raise Stopped
        return doing.result()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stop.wait()
        except TimeoutError:
            return
        raise Stopped

    def _period(self, facts: frozenset[str]) -> float:
        points = self.device.config.profile.points
        mine = [points[name].poll for name, fact in self._points.items() if fact in facts]
        periods = self.device.config.periods
        return min((periods[poll] for poll in mine), default=periods["routine"])

    async def _health(self) -> None:
        period = self._period(frozenset({"online", "onvif_up", "rtsp_up", "login_ok", "events_up"}))
        while True:
            facts = await self._or_stop(self._look_after())
            while self._owed:
                await self._tell(self._owed.pop(0))
            if facts is not None:
                await self._tell(
                    Heard(self.device.source, readings(self._points, facts), (), TAKEN, NOT_TAKEN)
                )
            await self._rest(period)

    async def _look_after(self) -> dict[str, Fact] | None:
        offset, up = await self._time()
        if not up:
            self.found = False
            self._ready.clear()
        elif not self.found and self._may_login():
            await self._find()
        stream = await self._stream()
        if stream.login_ok is False:
            self._refused(stream.why)
        online = up or stream.up
        if online != self.online:
            self.online = online
            log.info("%s: %s", self.device.id, "is there" if online else "does not answer")
        if not online:
            return None
        return {
            "online": True,
            "onvif_up": up,
            "rtsp_up": stream.up and stream.described is not False
            if stream.up or self.client.stream_url
            else None,
            "login_ok": self.login_ok,
            "events_up": self.events_up,
            "clock_offset_s": None
            if offset is None
            else Decimal(round(offset / timedelta(milliseconds=100))).scaleb(-1),
        }

    async def _time(self) -> tuple[timedelta | None, bool]:
        try:
            return await self.client.time(), True
        except DriverError as err:
            self._say(f"asked for its time: {err}")
            # A camera that wants a login even for that, or has a fault, is there all the same.
            return None, isinstance(err, DeviceRefused) and err.code in {LOGIN_REFUSED, FAULT}

    async def _find(self) -> None:
        try:
            identity = str(await self.client.identity())
            await self.client.find()
        except DriverError as err:
            self._failed("asked for its services", err)
            return
        if not self._may_login():
            return
        self.found, self.login_ok = True, True if self.client.login is not None else None
        self._ready.set()
        log.info("%s is %s", self.device.id, identity)
        if self._identity is not None:
            number = numbered(identity, self.device.signals.last_number(self._identity))
            told = Happening(
                self._identity, Edge.PULSE, detail=identity, evidence=identity.encode(), number=number
            )
            self._owed.append(Heard(self.device.source, {}, (told,), TAKEN, NOT_TAKEN, label="identity"))

    async def _stream(self) -> Stream:
        host = self.client.camera.host
        shown = f"[{host}]" if ":" in host else host
        url = self.client.stream_url or f"rtsp://{shown}:{PORT}/"
        login = self.client.login if self.found and self._may_login() else None
        seen = await look_at(url, login, self.client.random.randbytes(8).hex(), self.client.timeout)
        if not self.client.stream_url and seen.up:
            return Stream(True)  # what is at the address that we guessed says nothing of the stream
        return seen

    async def _pictures(self) -> None:
        period = self._period(OF_PICTURE)
        while True:
            await self._or_stop(self._ready.wait())
            if self._may_login():
                await self._tell(await self._or_stop(self._one_picture()))
            await self._rest(period)

    async def _one_picture(self) -> Heard:
        quality, facts, spoke = Quality.DEVICE, no_picture(True), True
        try:
            data = await self.client.picture()
            async with self.looking:
                facts = await self._judge(data)
        except PictureBroken as err:
            self._say(f"its picture {err}")
        except DeviceRefused as err:
            self._failed("asked for its picture", err)
            spoke = err.code != 0  # a camera that has no picture was not asked
            if err.code in {0, LOGIN_REFUSED}:
                quality, facts = Quality.REFUSED, no_picture(None)
        except DriverError as err:
            self._say(f"asked for its picture: {err}")
            spoke = False
            if not self.online or self.device.silent:
                quality, facts = err.quality, no_picture(None)
        told = readings(self._points, facts, self._rests_on, unknown=quality)
        return Heard(self.device.source, told, (), TAKEN, NOT_TAKEN, label="picture", spoke=spoke)

    async def _judge(self, data: bytes) -> dict[str, Fact]:
        facts = await asyncio.to_thread(self.watching.see, data)
        self._picture = self.hearing.around.monotonic(), data
        for fact in BAD:
            if facts.get(fact) is False:
                self._rests_on.pop(fact, None)
            elif (
                facts.get(fact) is True
                and fact not in self._rests_on
                and (kept := await self._keep(fact, data))
            ):
                self._rests_on[fact] = kept
        self._seen += 1
        if self._seen % SAVE_EVERY == 0:
            await asyncio.to_thread(self.watching.save)
        return dict(facts)

    async def _keep(self, why: str, data: bytes) -> str:
        def work() -> str:
            return self.evidence.keep(self.device.id, why, self.hearing.around.clock(), evidence_of(data))

        try:
            return await asyncio.to_thread(work)
        except (OSError, PictureBroken) as err:
            log.warning("%s: the picture is not kept: %s", self.device.id, printable(str(err)))
            return ""

    async def _events(self) -> None:
        again = AGAIN_S
        while True:
            await self._or_stop(self._ready.wait())
            try:
                if self._may_login():
                    point = await self._or_stop(self.client.subscribe())
                    log.info("%s: its events are heard", self.device.id)
                    again = AGAIN_S
                    await self._follow(point)
            except DriverError as err:
                self._failed("asked for events", err)
                if err.quality is Quality.REFUSED:
                    again = min(again * 2, LONGEST_AGAIN_S)
            self.events_up = False
            await self._rest(again)

    async def _follow(self, point: PullPoint) -> None:
        """Pull until something fails; what a camera forgets at its restart is asked for anew."""
        now = self.hearing.around.monotonic
        renewed, self.events_up = now(), True
        try:
            while self._may_login():  # it may have been refused elsewhere meanwhile
                began = now()
                for note in await self._or_stop(self.client.pull(point)):
                    await self._note(note)
                if now() - renewed >= LASTS_S / 2 and self._may_login():
                    await self._or_stop(self.client.renew(point))
                    renewed = now()
                if now() - began < LEAST_GAP_S:  # a camera that does not wait would be asked all the time
                    await self._rest(LEAST_GAP_S)
        except Stopped:
            with contextlib.suppress(DriverError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self.client.unsubscribe(point)
            raise

    async def _note(self, note: Notification) -> None:
        heard = self._session.heard(note)
        if not heard.happenings:
            if note.path not in self._strange and len(self._strange) < MOST_STRANGE:
                self._strange.add(note.path)
                log.info(
                    "%s: its topic %s makes no signal, or is no news of one", self.device.id, heard.label
                )
            return
        (happening,) = heard.happenings
        if happening.edge is Edge.RAISED and not self.device.config.profile.signals[happening.code].record:
            heard = await self._with_picture(heard, happening)
        await self._tell(heard)

    async def _with_picture(self, heard: Heard, happening: Happening) -> Heard:
        taken, data = self._picture or (0.0, b"")
        if not data or self.hearing.around.monotonic() - taken > FRESH_S:
            return heard
        kept = await self._keep(happening.code, data)
        parts: dict[str, Any] = {
            name: getattr(happening, name) for name in ("code", "edge", "at", "detail", "part", "state")
        }
        told = Happening(**parts, evidence=kept.encode() or happening.evidence)
        return Heard(heard.source, {}, (told,), TAKEN, NOT_TAKEN, label=heard.label, raw=heard.raw)

    async def _tell(self, heard: Heard) -> None:
        """Have it journaled, however long the disk takes nothing: a camera says nothing twice."""
        while await self.hearing.take(heard, self.client.camera.host) == NOT_TAKEN and heard.happenings:
            heard = replace(heard, spoke=False)  # that it is tried again is no word of the camera
            await self._rest(KEEP_TRYING_S)

    def _may_login(self) -> bool:
        return self.client.login is None or self.hearing.around.monotonic() >= self._left_alone

    def _failed(self, what: str, err: DriverError) -> None:
        if isinstance(err, DeviceRefused) and err.code == LOGIN_REFUSED:
            self._refused(f"{what}: {err}")
        else:
            self._say(f"{what}: {err}")

    def _refused(self, why: str) -> None:
        self.login_ok, self.found = False, False
        self._ready.clear()
        self._left_alone = self.hearing.around.monotonic() + LEAVE_ALONE_S
        self._say(f"{why}; it is asked again in {LEAVE_ALONE_S:g} s")

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            log.warning("%s: %s", self.device.id, printable(text))


def numbered(identity: str, last: str) -> str:
    """Return the number of the record of who a camera is: the last one if that says the same, else the next.

    The last is what the journal has, so that a change back is told as well, and none twice after a restart.
    """
    mark = hashlib.sha256(identity.encode()).hexdigest()[:16]
    known, _, count = last.partition("-")
    if known == mark:
        return last
    return f"{mark}-{int(count) + 1 if count.isdecimal() else 1}"
