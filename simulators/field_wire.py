"""Where simulated devices of any protocol are reached: a TCP endpoint as of a serial server, or a pseudo-terminal.

Knows no protocol: what came goes to a talker, what it says comes back after the time that the wire takes.
"""

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self, cast, runtime_checkable

from simulators.speeds import heard, speed_of

MAX_CONNECTIONS = 8
MOST_UNREAD = 64 * 1024
SILENCE_S = 0.3
"""After so long what came before is no part of what comes: no master pauses so in a request, on no machine."""
_READ = 1024


class Talker(Protocol):
    """The devices on a pair of wires."""

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Take bytes in any portions; return what is said now, answer by answer."""


@runtime_checkable
class Forgets(Protocol):
    """Devices that forget what has begun and is not whole when the pair was quiet."""

    def silence(self) -> None:
        """Forget it."""


class _Wire:
    """The pace of a pair of wires; without `baud` bytes take no time."""

    def __init__(self, talker: Talker, *, baud: int | None, turnaround: float, burst: int, bits: int) -> None:
        self._talker = talker
        self._char = bits / baud if baud else 0.0
        self._turnaround, self._burst = turnaround, burst
        self._timers: set[asyncio.TimerHandle] = set()
        self._heard_at = 0.0

    def hear(self, data: bytes, say: Callable[[bytes], None]) -> None:
        """Let the talker hear, and say what it answers: in bursts of characters, each when its last one is out."""
        now = asyncio.get_running_loop().time()
        if now - self._heard_at > SILENCE_S and isinstance(self._talker, Forgets):
            self._talker.silence()
        self._heard_at = now
        wait = len(data) * self._char + self._turnaround
        for answer in self._talker.feed(data):
            size = self._burst or max(1, len(answer))
            for place in range(0, len(answer), size):
                part = answer[place : place + size]
                wait += len(part) * self._char
                self._later(wait, part, say)

    def silence(self) -> None:
        """Forget what is still to be said."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _later(self, wait: float, part: bytes, say: Callable[[bytes], None]) -> None:
        if wait <= 0:
            say(part)
            return

        def ring() -> None:
            self._timers.discard(timer)
            say(part)

        timer = asyncio.get_running_loop().call_later(wait, ring)
        self._timers.add(timer)


class FieldTcp:
    """Listens for one line; all connections reach the same devices. Use as `async with`."""

    def __init__(
        self,
        talker: Talker,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        baud: int | None = None,
        turnaround: float = 0.0,
        burst: int = 0,
        bits: int = 11,
    ) -> None:
        self.host, self.port = host, port
        self._wire = _Wire(talker, baud=baud, turnaround=turnaround, burst=burst, bits=bits)
        self._open: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._wire.silence()
        if self._server is not None:
            self._server.close()
            for transport in list(self._open):
                transport.abort()
            await self._server.wait_closed()
        await self._empty.wait()

    def came(self, transport: asyncio.Transport) -> bool:
        """Take a connection, or refuse one too many."""
        if len(self._open) >= MAX_CONNECTIONS:
            return False
        self._open.add(transport)
        self._empty.clear()
        return True

    def went(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._open.discard(transport)
        if not self._open:
            self._empty.set()

    def heard(self, data: bytes, transport: asyncio.Transport) -> None:
        """Answer who asked."""

        def say(part: bytes) -> None:
            if not transport.is_closing() and transport.get_write_buffer_size() <= MOST_UNREAD:
                transport.write(part)

        self._wire.hear(data, say)


class _Connection(asyncio.Protocol):
    def __init__(self, server: FieldTcp) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast("asyncio.Transport", transport)
        if self._server.came(made):
            self._transport = made
        else:
            made.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._transport is not None:
            self._server.went(self._transport)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._server.heard(data, self._transport)


class FieldPty:
    """Owns the master side of a pseudo-terminal; `path` becomes a link to the side that a gateway opens."""

    def __init__(
        self,
        talker: Talker,
        path: Path,
        *,
        baud: int | None = None,
        turnaround: float = 0.0,
        burst: int = 0,
        bits: int = 11,
    ) -> None:
        """With `baud`, who opens it at another rate is not understood and understands nothing, as on a real pair."""
        self.path, self._baud = path, baud
        self._wire = _Wire(talker, baud=baud, turnaround=turnaround, burst=burst, bits=bits)
        self._master = self._slave = -1

    async def __aenter__(self) -> Self:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        # Only a link of ours is replaced: a real file of that name is somebody's.
        if self.path.is_symlink():
            self.path.unlink()
        self.path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        return self

    async def __aexit__(self, *exc: object) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        self._wire.silence()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self._master)
        os.close(self._slave)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, _READ)
        except BlockingIOError:
            return
        self._wire.hear(self._came(data), self._say)

    def _say(self, part: bytes) -> None:
        self.write(part if self._baud is None else heard(part, self._baud, self.speed() or self._baud))

    def write(self, data: bytes) -> int:
        """Say something at once; return how much went out: what nobody reads is gone, as on a wire."""
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0

    def speed(self) -> int:
        """The speed, in baud, that the gateway's side is set to now; 0 where it is none of the usual ones."""
        return speed_of(self._master)

    def _came(self, data: bytes) -> bytes:
        """Return what arrives of what the gateway sends at the speed that its side is set to."""
        return data if self._baud is None else heard(data, self.speed() or self._baud, self._baud)
