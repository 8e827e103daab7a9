"""A small HTTP/JSON endpoint of this machine: tells what is counted, and lets steps happen while a site runs.

    GET  /counters              what `counters.json` will hold
    POST /counters/reset        count anew from nothing
    POST /steps                 a list of steps in the words of the story, without `at`: they happen now

Who may reach this port may do what a story may. So it listens only where it was asked to, on loopback, and takes
no request that a page in a browser could have sent: those name another host or another kind of content.
"""

import asyncio
import contextlib
import json
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from simulators.endpoints import shown
from simulators.vocabulary import Step

if TYPE_CHECKING:
    from simulators.world import World

log = logging.getLogger(__name__)

MOST_HEAD, MOST_BODY, MOST_STEPS = 8 * 1024, 256 * 1024, 1000
PATIENCE_S = 10.0
MOST_CLIENTS = 16
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 413: "Content Too Large"}
_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class _Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Control:
    """The endpoint of one running site."""

    def __init__(self, world: "World", host: str, port: int) -> None:
        self._world = world
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listen and return `host:port`."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=MOST_HEAD)
        host, port = self._server.sockets[0].getsockname()[:2]
        return shown(host, port)

    async def stop(self) -> None:
        """Close the endpoint and whoever talks to it."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._open) >= MOST_CLIENTS:
            writer.close()
            return
        self._open.add(task)
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, body = await self._answer(reader)
                head = (
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()  # the site stops: the task ends as asked, and quietly
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        try:
            method, path, body = await _request(reader)
            return 200, msgspec.json.encode(self._carry_out(method, path, body))
        except _Refused as refused:
            return refused.status, msgspec.json.encode({"error": str(refused)})

    def _carry_out(self, method: str, path: str, body: bytes) -> Any:
        match method, path:
            case "GET", "/counters":
                return self._world.counters.told()
            case "POST", "/counters/reset":
                self._world.counters.reset()
                return {"done": True}
            case "POST", "/steps":
                wrong = self._world.play(_steps(body))
                if wrong:
                    raise _Refused(400, "; ".join(wrong[:10]))
                return {"done": True}
        raise _Refused(404, f"there is no {method} {path}: GET /counters, POST /counters/reset, POST /steps")


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    except (asyncio.LimitOverrunError, UnicodeDecodeError):
        raise _Refused(400, "this is no HTTP/1.1 request") from None
    first, *lines = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        raise _Refused(400, "this is no HTTP/1.1 request")
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    if fields.get("host", "").rpartition(":")[0] not in _HOSTS or "origin" in fields:
        raise _Refused(403, "only programs of this machine may talk to a simulator")
    size = fields.get("content-length", "0")
    if not size.isdecimal() or int(size) > MOST_BODY:
        raise _Refused(413, f"a body has at most {MOST_BODY} bytes and says its length")
    if words[0] == "POST" and int(size) and fields.get("content-type") != "application/json":
        raise _Refused(400, "say `Content-Type: application/json`")
    return words[0], words[1], await reader.readexactly(int(size))


def _steps(body: bytes) -> list[Step]:
    try:
        rows = json.loads(body, parse_float=Decimal)
        if not isinstance(rows, list) or len(rows) > MOST_STEPS:
            raise _Refused(400, f"send a list of at most {MOST_STEPS} steps")
        return msgspec.convert([{"at": "0s"} | row for row in rows], list[Step])
    except (ValueError, TypeError, RecursionError, msgspec.ValidationError) as err:
        raise _Refused(400, str(err)) from None
