"""One camera over HTTP: SOAP with its logins, still pictures, and a pull point. Every answer is bounded."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final, cast
from xml.etree.ElementTree import Element

import httpx

from drivers.errors import DeviceRefused, DeviceSilent, FrameDamaged
from drivers.onvif import service
from drivers.onvif.events import Notification
from drivers.onvif.markup import MAX_BYTES
from drivers.onvif.service import Identity, PullPoint, Services
from drivers.onvif.settings import Camera
from drivers.onvif.soap import LOGIN_REFUSED, NONCE_BYTES, Login, body_of, envelope
from drivers.rtsp.digest import authorization, challenge_in
from gateway.cameras.picture import MAX_BYTES as MAX_PICTURE

log = logging.getLogger(__name__)
# It tells every request with its whole address: several a second, and a query may hold a key.
logging.getLogger("httpx").setLevel(logging.WARNING)

TIMEOUT_S: Final = 10.0
PULL_S: Final = 20
LASTS_S: Final = 120
MOST_MESSAGES: Final = 100
CONNECTIONS: Final = 2  # cheap cameras have few: one waits for events, one asks


@dataclass(slots=True, eq=False)
class CameraClient:
    """Asks one camera. Raises `DeviceSilent`, `DeviceRefused` (code 401: the login) or `FrameDamaged`."""

    camera: Camera
    http: httpx.AsyncClient
    clock: Callable[[], datetime]
    random: Random
    timeout: float = TIMEOUT_S
    offset: timedelta = timedelta()
    """How far its clock is ahead of ours, where it has said so."""
    services: Services = field(default_factory=Services)
    token: str = ""
    snapshot_url: str = ""
    stream_url: str = ""

    @property
    def login(self) -> Login | None:
        """Who asks."""
        username, password = self.camera.options.username, self.camera.password
        return Login(username, password) if username and password is not None else None

    async def time(self) -> timedelta | None:
        """Ask its time, which needs no login; return and keep how far it is ahead, None where it says none."""
        began = self.clock()
        body = await self._ask(self.camera.service, service.GET_TIME, login=False)
        try:
            self.offset = service.read_time(body) - (began + (self.clock() - began) / 2)
        except FrameDamaged as err:
            log.debug("%s: %s", self.camera.host, err)
            return None
        return self.offset

    async def identity(self) -> Identity:
        """Ask who it is."""
        return service.read_identity(await self._ask(self.camera.service, service.GET_INFORMATION))

    async def find(self) -> None:
        """Ask where its services, its still picture and its stream are."""
        options, reached = self.camera.options, self.camera.service
        self.services = service.read_services(await self._ask(reached, service.GET_CAPABILITIES), reached)
        self.token = options.profile_token
        if not self.token and self.services.media:
            tokens = service.read_profiles(await self._ask(self.services.media, service.GET_PROFILES))
            self.token = tokens[0] if tokens else ""
        self.snapshot_url = options.snapshot_url or await self._uri(service.snapshot_uri)
        self.stream_url = options.rtsp_url or await self._uri(service.stream_uri)

    async def _uri(self, asked: Callable[[str], str]) -> str:
        if not self.token or not self.services.media:
            return ""
        try:
            body = await self._ask(self.services.media, asked(self.token))
            return service.rewritten(service.read_uri(body), self.camera.service)
        except DeviceRefused as err:
            if err.code == LOGIN_REFUSED:
                raise
        except FrameDamaged as err:
            log.info("%s: %s", self.camera.host, err)
        return ""

    async def picture(self) -> bytes:
        """Fetch a still picture, as it is sent."""
        if not self.snapshot_url:
            raise DeviceRefused("the camera has no still picture")
        return await self._carry("GET", self.snapshot_url, None, MAX_PICTURE, self.timeout)

    async def subscribe(self) -> PullPoint:
        """Begin to collect events."""
        if not self.services.events:
            raise DeviceRefused("the camera has no event service")
        body = await self._ask(self.services.events, service.subscribe(LASTS_S))
        return service.read_pull_point(body, self.camera.service)

    async def pull(self, point: PullPoint) -> list[Notification]:
        """Wait for events; none after a while."""
        asked = service.pull(PULL_S, MOST_MESSAGES)
        body = await self._at(point, asked, service.PULL_ACTION, self.timeout + PULL_S)
        return service.read_messages(body)

    async def renew(self, point: PullPoint) -> None:
        """Ask for more time."""
        await self._at(point, service.renew(LASTS_S), service.RENEW_ACTION, self.timeout)

    async def unsubscribe(self, point: PullPoint) -> None:
        """End it: a camera has room for few."""
        await self._at(point, service.UNSUBSCRIBE, service.END_ACTION, self.timeout)

    async def _at(self, point: PullPoint, body: str, action: str, timeout: float) -> Element:
        header = service.addressed(action, point.url, point.header)
        return await self._ask(point.url, body, header=header, timeout=timeout)

    async def _ask(
        self, url: str, body: str, *, login: bool = True, header: str = "", timeout: float | None = None
    ) -> Element:
        nonce = self.random.randbytes(NONCE_BYTES)
        created = self.clock() + self.offset
        sent = envelope(
            body, login=self.login if login else None, created=created, nonce=nonce, header=header
        )
        return body_of(await self._carry("POST", url, sent, MAX_BYTES, timeout or self.timeout))

    async def _carry(self, method: str, url: str, sent: bytes | None, most: int, timeout: float) -> bytes:
        headers = {"Accept-Encoding": "identity"}
        if sent is not None:
            headers["Content-Type"] = "application/soap+xml; charset=utf-8"
        try:
            async with asyncio.timeout(timeout):
                answer, data = await self._once(method, url, sent, headers, most)
                if answer.status_code == LOGIN_REFUSED and (value := self._signed(method, url, answer)):
                    headers["Authorization"] = value
                    answer, data = await self._once(method, url, sent, headers, most)
        except TimeoutError:
            raise DeviceSilent(f"no answer in {timeout:g} s") from None
        except httpx.InvalidURL:
            raise FrameDamaged("the camera says an address that is none") from None
        except (httpx.HTTPError, OSError) as err:
            raise DeviceSilent(type(err).__name__) from None
        if answer.status_code == LOGIN_REFUSED:
            raise DeviceRefused("the camera refuses the login", code=LOGIN_REFUSED)
        soap_fault = sent is not None and answer.status_code in {400, 500} and data.lstrip().startswith(b"<")
        if answer.status_code != 200 and not soap_fault:
            raise DeviceRefused(f"HTTP {answer.status_code}", code=answer.status_code)
        return data

    async def _once(
        self, method: str, url: str, sent: bytes | None, headers: Mapping[str, str], most: int
    ) -> tuple[httpx.Response, bytes]:
        async with self.http.stream(method, url, content=sent, headers=dict(headers)) as answer:
            return answer, await _bounded(answer, most)

    def _signed(self, method: str, url: str, answer: httpx.Response) -> str:
        challenge = challenge_in(answer.headers.get_list("www-authenticate"))
        login = self.login
        if challenge is None or login is None:
            return ""
        uri = httpx.URL(url).raw_path.decode("ascii", "replace")
        cnonce = self.random.randbytes(8).hex()
        return authorization(challenge, login.username, login.password, method, uri, cnonce)


async def _bounded(answer: httpx.Response, most: int) -> bytes:
    held = bytearray()
    # Never unpacked: a little may become very much.
    raw = cast("AsyncGenerator[bytes, None]", answer.aiter_raw())
    async with aclosing(raw) as parts:
        async for part in parts:
            held += part
            if len(held) > most:
                raise FrameDamaged(f"an answer of more than {most} bytes")
    return bytes(held)


def browser() -> httpx.AsyncClient:
    """Return the connections to one camera; certificates of cameras are their own, so none is checked."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return httpx.AsyncClient(limits=limits, timeout=TIMEOUT_S + PULL_S, verify=False, trust_env=False)  # noqa: S501 - a digest login is all that crosses
