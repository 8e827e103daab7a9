"""Whether a camera's RTSP stream is there: OPTIONS and DESCRIBE on a connection of its own, and nothing is played."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from drivers.errors import FrameDamaged
from drivers.onvif.soap import Login
from drivers.rtsp.digest import authorization, challenge_in
from drivers.rtsp.frames import Answer, AnswerReader, request

PORT: Final = 554


@dataclass(frozen=True, slots=True)
class Stream:
    """What came of looking: `up` where somebody speaks RTSP; `described` and `login_ok` None where that is unknown."""

    up: bool
    described: bool | None = None
    login_ok: bool | None = None
    why: str = ""


async def look_at(url: str, login: Login | None, cnonce: str, timeout: float) -> Stream:
    """Ask a camera for the description of its stream."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError:
        return Stream(False, why="no RTSP address")
    if parts.scheme not in {"rtsp", "rtsps"} or not parts.hostname:
        return Stream(False, why="no RTSP address")
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(
                parts.hostname, port, ssl=_unverified() if parts.scheme == "rtsps" else None
            )
            try:
                return await _Talk(reader, writer, url, login, cnonce).look()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return Stream(False, why=f"no answer in {timeout:g} s")
    except (OSError, FrameDamaged, ValueError, EOFError) as err:
        return Stream(False, why=str(err))


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    # Certificates of cameras are their own, and only a digest login crosses.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass(slots=True)
class _Talk:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    url: str
    login: Login | None
    cnonce: str
    sequence: int = 0

    async def look(self) -> Stream:
        await self._ask("OPTIONS", {})
        headers = {"Accept": "application/sdp"}
        answer = await self._ask("DESCRIBE", headers)
        if answer.status == 401 and self.login is not None:
            challenge = challenge_in(answer.headers.get("www-authenticate", []))
            if challenge is None:
                return Stream(True, None, None, "it wants a login that would show the password")
            login = self.login
            value = authorization(
                challenge, login.username, login.password, "DESCRIBE", self.url, self.cnonce
            )
            answer = await self._ask("DESCRIBE", {**headers, "Authorization": value})
        if answer.status == 401:
            return Stream(True, None, None if self.login is None else False, "it refuses the login")
        described = answer.status == 200 and answer.tracks > 0
        return Stream(True, described, True, "" if described else f"{answer.status} {answer.reason}")

    async def _ask(self, method: str, headers: dict[str, str]) -> Answer:
        self.sequence += 1
        self.writer.write(request(method, self.url, self.sequence, headers))
        await self.writer.drain()
        waiting = AnswerReader(self.sequence)
        while True:
            data = await self.reader.read(4096)
            if not data:
                raise EOFError("the camera closed the connection")
            if (answer := waiting.feed(data)) is not None:
                return answer
