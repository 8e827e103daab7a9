"""A peer on a real socket or pseudo-terminal that does what a test tells it, and tiny Modbus frames of its own.

A script is a function from one request to what the peer does about it; `in_turn` makes one from a list. The
frames here are written apart from the product's codec on purpose.
"""

import asyncio
import contextlib
import os
import random
import struct
import termios
import tty
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from drivers.api import Exchange
from drivers.lines import Line, SerialSettings, TcpSettings, open_line
from drivers.modbus.mbap import MbapReader
from drivers.modbus.rtu import RtuReader


@dataclass(frozen=True)
class Send:
    data: bytes
    after: float = 0.0


@dataclass(frozen=True)
class Hangup:
    after: float = 0.0


@dataclass(frozen=True)
class Babble:
    """Bytes without end, until the peer is closed."""

    data: bytes
    every: float = 0.001


Act = Send | Hangup | Babble
Script = Callable[[bytes], Sequence[Act]]


def in_turn(*answers: Sequence[Act]) -> Script:
    """Answer the first request by the first entry, and so on; silence when they are used up."""
    rest = list(answers)
    return lambda _request: rest.pop(0) if rest else ()


class _Peer:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self._timers: set[asyncio.TimerHandle] = set()

    def _request(self, data: bytes) -> None:
        self.requests.append(data)
        self.asked.set()
        for act in self.script(data):
            self._do(act)

    def _do(self, act: Act) -> None:
        if isinstance(act, Babble):
            self._send(act.data)
            self._later(act.every, lambda: self._do(act))
        elif isinstance(act, Hangup):
            self._later(act.after, self.hang_up)
        elif act.after:
            self._later(act.after, lambda: self._send(act.data))
        else:
            self._send(act.data)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(handle)
            what()

        handle = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(handle)

    def say(self, data: bytes) -> None:
        """Send unasked."""
        self._send(data)

    def _send(self, data: bytes) -> None:
        raise NotImplementedError

    def hang_up(self) -> None:
        raise NotImplementedError

    def _quiet(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


class TcpPeer(_Peer):
    """A TCP device; every chunk that arrives is one request."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.connections = 0
        self._transports: list[asyncio.Transport] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _TcpSide(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._quiet()
        self.hang_up()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await asyncio.sleep(0)

    def made(self, transport: asyncio.Transport) -> None:
        self.connections += 1
        self._transports.append(transport)

    def took(self, data: bytes) -> None:
        self._request(data)

    def _send(self, data: bytes) -> None:
        if self._transports and not self._transports[-1].is_closing():
            self._transports[-1].write(data)

    def hang_up(self) -> None:
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    def deaf(self) -> None:
        """Stop reading what is sent to us."""
        self._transports[-1].pause_reading()

    def settings(self, **more: Any) -> TcpSettings:
        return TcpSettings("127.0.0.1", self.port, **more)


class _TcpSide(asyncio.Protocol):
    def __init__(self, peer: TcpPeer) -> None:
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._peer.made(transport)

    def data_received(self, data: bytes) -> None:
        self._peer.took(data)


class PtyPeer(_Peer):
    """A serial device on a pseudo-terminal, reached by a link that survives its vanishing, as by-id links do."""

    def __init__(self, script: Script, folder: Path, *, echo: bool = False) -> None:
        super().__init__(script)
        self.path = folder / "port"
        self._echo = echo
        self._master = self._slave = -1

    async def __aenter__(self) -> Self:
        self.appear()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._quiet()
        self.hang_up()

    def appear(self) -> None:
        # The other end stays open here too: a master that nobody listens to reads as an error, again and again.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave, termios.TCSANOW)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def hang_up(self) -> None:
        """Vanish, as an adapter that is pulled out."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1
            self.path.unlink(missing_ok=True)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except BlockingIOError:
            return
        if self._echo:
            self._send(data)
        self._request(data)

    def _send(self, data: bytes) -> None:
        if self._master >= 0:
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, data)

    def settings(self, **more: Any) -> SerialSettings:
        return SerialSettings(str(self.path), **({"baud": 115200} | more))


def line_to(settings: TcpSettings | SerialSettings, *, seed: int = 1) -> Line:
    return open_line(settings, clock=lambda: datetime.now(UTC), rng=random.Random(seed))


# Modbus frames, apart from the product's.


def crc(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def rtu(body: bytes) -> bytes:
    return body + crc(body)


def rtu_reply(request: bytes, *values: int) -> bytes:
    """The reply of the unit and function that `request` asks."""
    return rtu(request[:2] + bytes([2 * len(values)]) + struct.pack(f">{len(values)}H", *values))


def mbap_reply(request: bytes, *values: int) -> bytes:
    pdu = request[6:8] + bytes([2 * len(values)]) + struct.pack(f">{len(values)}H", *values)
    return request[:4] + struct.pack(">H", len(pdu)) + pdu


def asked_address(request: bytes) -> int:
    return int.from_bytes(request[2:4], "big")


def rtu_read(address: int, count: int = 1, *, unit: int = 1, function: int = 3) -> Exchange:
    pdu = struct.pack(">BHH", function, address, count)
    return Exchange(rtu(bytes([unit]) + pdu), RtuReader(unit, pdu), 5 + 2 * count)


def mbap_read(address: int, count: int = 1, *, transaction: int = 1, unit: int = 1) -> Exchange:
    pdu = struct.pack(">BHH", 3, address, count)
    request = struct.pack(">HHHB", transaction, 0, 6, unit) + pdu
    return Exchange(request, MbapReader(transaction, unit, pdu), 9 + 2 * count, matched=True)


def registers(payload: bytes) -> tuple[int, ...]:
    """The registers in a reply's PDU."""
    return struct.unpack(f">{payload[1] // 2}H", payload[2:])


def answering(request: bytes) -> list[Send]:
    """The script of a sound device: 7 and 8."""
    return [Send(mbap_reply(request, 7, 8))]
