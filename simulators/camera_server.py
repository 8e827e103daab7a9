"""A simulated camera on real sockets: HTTP for ONVIF and its picture, RTSP for its stream; `gatehouse-sim camera`."""

import asyncio
import contextlib
import hashlib
import re
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.console import Console

from simulators.camera import Camera
from simulators.camera_scene import FAULTS, Scene
from simulators.endpoints import endpoint, not_here, shown
from simulators.on_wires import play, refuse, secret

MOST = 1 << 20


@dataclass
class CameraServer:
    """Serves one camera; `mute` takes what comes and answers nothing, `stream` says whether RTSP describes one."""

    camera: Camera
    port: int = 0
    rtsp_port: int = 0
    mute: bool = False
    stream: bool = True
    pictures: int = 0
    """How many were asked for."""
    last: bytes = b""
    """The picture that it gave last."""
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    _closing: bool = False
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1") -> AsyncIterator["CameraServer"]:
        """Serve while the context lasts."""
        http = await asyncio.start_server(self._web, host, self.port)
        rtsp = await asyncio.start_server(self._rtsp, host, self.rtsp_port)
        self.port, self.rtsp_port = (each.sockets[0].getsockname()[1] for each in (http, rtsp))
        address = self.camera.address
        self.camera.rtsp = f"rtsp://{address.rpartition(':')[0] or address}:{self.rtsp_port}/stream1"
        try:
            yield self
        finally:
            http.close()
            rtsp.close()
            self._closing = True  # the stream protocol logs a task that ends cancelled
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def another(self) -> None:
        """Return when the next picture is asked for."""
        await self._asked.wait()

    async def _web(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer, self._web_answer)

    async def _rtsp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer, self._rtsp_answer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"(?im)^content-length:\s*(\d{1,7})", head)
                body = await reader.readexactly(min(int(length[1]), MOST)) if length else b""
                if self.mute:
                    await asyncio.Event().wait()
                writer.write(await answer(head, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass
        except asyncio.CancelledError:
            if not self._closing:
                raise
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _web_answer(self, head: str, body: bytes) -> bytes:
        method, path = head.split(" ", 2)[:2]
        if method == "POST":
            status, text = await self.camera.answer(path, body.decode("utf-8", "replace"))
            return _reply("HTTP/1.1", status, text.encode(), "application/soap+xml; charset=utf-8")
        if path.partition("?")[0] != "/snapshot.jpg" or self.camera.scene.fault == "absent":
            return _reply("HTTP/1.1", 404, b"", "text/plain")
        if not self._signed(head, method, path):
            return _reply("HTTP/1.1", 401, b"", "text/plain", self._challenge())
        self.pictures += 1
        self._asked.set()
        self._asked = asyncio.Event()
        self.last = await asyncio.to_thread(self.camera.scene.picture)
        return _reply("HTTP/1.1", 200, self.last, "image/jpeg")

    async def _rtsp_answer(self, head: str, _body: bytes) -> bytes:
        method, url = head.split(" ", 2)[:2]
        sequence = re.search(r"(?im)^cseq:\s*(\d+)", head)
        extra = f"CSeq: {sequence[1] if sequence else 0}\r\n"
        if method == "OPTIONS":
            return _reply("RTSP/1.0", 200, b"", "", extra + "Public: OPTIONS, DESCRIBE\r\n")
        if not self._signed(head, method, url):
            return _reply("RTSP/1.0", 401, b"", "", extra + self._challenge())
        if not self.stream:
            return _reply("RTSP/1.0", 404, b"", "", extra)
        sdp = b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=sim\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
        return _reply("RTSP/1.0", 200, sdp, "application/sdp", extra)

    def _challenge(self) -> str:
        return f'WWW-Authenticate: Digest realm="sim", nonce="{self._nonce}", qop="auth", algorithm=MD5\r\n'

    def _signed(self, head: str, method: str, url: str) -> bool:
        camera = self.camera
        if not camera.password:
            return True
        line = re.search(r"(?im)^authorization:\s*digest (.*)$", head)
        if line is None:
            return False
        said = {name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|[^\s,]+)', line[1])}
        first = _md5(f"{camera.username}:sim:{camera.password}")
        second = _md5(f"{method}:{url}")
        wanted = _md5(f"{first}:{self._nonce}:{said.get('nc')}:{said.get('cnonce')}:auth:{second}")
        right = said.get("response") == wanted and said.get("uri") == url
        camera.refused += not right
        return right


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - the standard's own


def _reply(protocol: str, status: int, body: bytes, kind: str, extra: str = "") -> bytes:
    head = f"{protocol} {status} {'OK' if status == 200 else 'No'}\r\nContent-Length: {len(body)}\r\n{extra}"
    return (head + (f"Content-Type: {kind}\r\n" if kind else "") + "\r\n").encode() + body


def serve(
    listen: Annotated[
        str, typer.Option(help="Address and port of ONVIF and the picture.")
    ] = "127.0.0.1:18080",
    rtsp: Annotated[int, typer.Option(help="Port of RTSP.", min=0, max=65535)] = 18554,
    password_env: Annotated[
        str, typer.Option(help="Environment variable with the password of `admin`; none: open.")
    ] = "",
    fault: Annotated[
        list[str] | None,
        typer.Option(help=f"SECONDS:FAULT, again and again; of {', '.join(FAULTS)}, or well."),
    ] = None,
    drift: Annotated[float, typer.Option(help="Seconds by which its clock is ahead.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Another scene.")] = 1,
) -> None:
    """Serve a simulated camera until Ctrl-C."""
    steps = [step.partition(":") for step in fault or []]
    wrong = [step for step in steps if not step[0].isdigit() or step[2] not in {*FAULTS, "well"}]
    if wrong or (why := not_here(listen)):
        refuse("write --fault 20:blurred" if wrong else f"--listen {listen}: {why}")
    password = secret("--password-env", password_env, r"[^\r\n]+", "a password")
    camera = Camera(scene=Scene(seed), password=password, drift_s=drift, address=listen)
    playing = [(int(after), name) for after, _, name in steps]
    host, port = endpoint(listen)
    play(_live(CameraServer(camera, port, rtsp), host, playing))


async def _live(server: CameraServer, host: str, steps: list[tuple[int, str]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with server.running(host):
        server.camera.address = shown(host, server.port)
        Console().print(
            f"camera at http://{shown(host, server.port)}/onvif/device_service, rtsp port {server.rtsp_port}",
            highlight=False,
        )
        for after, name in steps:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(after):
                    await stop.wait()
            if stop.is_set():
                return
            server.camera.scene.fault = "" if name == "well" else name
            Console().print(name, highlight=False)
        await stop.wait()
