"""One listening line: its sockets or its port, the peers on them, and who has fallen silent."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drivers import registry
from drivers.api import ListenDriver, PeerSession
from drivers.errors import LineDown, Misconfigured
from drivers.lines import SerialSettings
from drivers.lines.serial_wire import SerialWire
from drivers.lines.tcp_wire import notice_dead_peer
from gateway import faults
from gateway.listening.attended import Attended
from gateway.listening.datagrams import Datagrams
from gateway.listening.hearing import Hearing
from gateway.listening.limits import Bucket, HostBuckets, Limits, allowed
from gateway.listening.peers import Peer
from gateway.site.config import ListeningLine
from gateway.site.listening import Socket
from messages.text import printable

if TYPE_CHECKING:
    from gateway.listening.tls import Secured

log = logging.getLogger(__name__)

LOOK_S = 1.0
REOPEN_S = 5.0
STOP_S = 2.0
CLOSE_S = 0.5
BACKLOG = 64
HELD = 64 * 1024


@dataclass(slots=True, eq=False)
class Listener:
    """Hears the devices of one line until `stop`."""

    config: ListeningLine
    hearing: Hearing
    devices: Sequence[Attended]
    changed: Callable[[], None] = lambda: None
    up: bool = False
    """Whether we listen: the port is open, or the sockets are bound."""
    port: int = 0
    """On which we listen, where the configuration left that open."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _hosts: HostBuckets = field(init=False)
    _peers: dict["asyncio.Task[None]", str] = field(default_factory=dict)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _group: asyncio.TaskGroup | None = None
    _said: str = ""
    _wire: SerialWire | None = None
    _secured: "Secured | None" = None

    def __post_init__(self) -> None:
        self._hosts = HostBuckets(self.limits)

    @property
    def limits(self) -> Limits:
        """What peers may do."""
        return self.config.ear.limits

    @property
    def line(self) -> str:
        """The line's id."""
        return self.config.id

    @property
    def peers(self) -> int:
        """How many are connected."""
        return len(self._peers)

    @property
    def trouble(self) -> str:
        """Why it does not listen; empty while it does, or has not tried yet."""
        return "" if self.up else self._said

    def hears(self, device: Attended) -> bool | None:
        """Tell whether a device is heard; none is while we cannot listen, and None says that nobody knows."""
        if device.silent or not self.up:
            return False if device.silent or device.heard else None
        return True if device.heard else None

    def stop(self) -> None:
        """Ask `run` to return after the messages in hand."""
        self._stop.set()

    async def run(self) -> None:
        """Listen, and listen again after trouble, until `stop`."""
        await self.hearing.begin()
        async with asyncio.TaskGroup() as group:
            self._group = group
            look = group.create_task(self.hearing.watch(LOOK_S), name=f"silence on {self.line}")
            while not self._stop.is_set():
                with faults.contained("line", self.line) as found:
                    await self._try()
                if found.fault:
                    self._say_down("a fault of our own: the log has the rest")
                    await self._wait(REOPEN_S)
            await self._end_peers()
            look.cancel()
            await self.hearing.end()
            if self._wire is not None:
                self._wire.close()
        self._group = None

    async def _try(self) -> None:
        try:
            await self._serve()
        except (OSError, LineDown, Misconfigured) as err:
            self._say_down(str(err))
            await self._wait(REOPEN_S)

    async def _serve(self) -> None:
        place = self.config.ear.place
        if isinstance(place, SerialSettings):
            await self._serve_port(place)
        elif isinstance(place, Socket):
            await self._serve_sockets(place)

    async def _serve_sockets(self, place: Socket) -> None:
        async with contextlib.AsyncExitStack() as stack:
            port = place.port
            if place.tls is not None:
                # Certificates are read, and what reads them is loaded, only where there are some.
                from gateway.listening.tls import Secured  # noqa: PLC0415

                self._secured = Secured(self.hearing, place.tls)
                self._secured.begin()
            if place.tcp:
                serve = asyncio.start_server if self._secured is None else self._secured.serve
                server = await serve(self._came, place.host, port, limit=HELD, backlog=BACKLOG)
                stack.callback(server.close)
                port = server.sockets[0].getsockname()[1]
            if place.udp:
                loop = asyncio.get_running_loop()
                transport, datagrams = await loop.create_datagram_endpoint(
                    lambda: Datagrams(self.hearing, self._session, self._hosts),
                    local_addr=(place.host, port),
                )
                stack.callback(transport.close)
                port = transport.get_extra_info("sockname")[1]
                assert self._group is not None
                self._group.create_task(datagrams.run(), name=f"datagrams of {self.line}")
                stack.callback(datagrams.stop)
            self.port = port
            self._say_up()
            await self._stop.wait()

    async def _serve_port(self, settings: SerialSettings) -> None:
        # One for all attempts: where a driver hangs in open(), it hangs in one thread.
        wire = self._wire = self._wire or SerialWire(settings)
        stream = _PortStream()
        await wire.open(stream)
        try:
            self._say_up()
            session = self._session()
            # A device on a port cannot be held back, and need not be: its speed is its limit.
            slow = Bucket(1e9, 1e9), Bucket(1e9, 1e9)
            peer = Peer(self.config.endpoint, session, self.hearing, None, *slow, self._stop.is_set)
            why = await peer.attend(stream.reader, _PortMouth(wire))
            if not self._stop.is_set():
                raise stream.why or LineDown(f"{wire.name}: {why}")
        finally:
            wire.close()
            await wire.closed()

    def _session(self) -> PeerSession:
        driver = registry.get(self.config.ear.protocol)
        assert isinstance(driver, ListenDriver)
        known: Mapping[str, Attended] = self.hearing.devices
        devices = {name: (device.config.profile, device.config.options) for name, device in known.items()}
        return driver.session(devices, self.config.file.options)

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = str((writer.get_extra_info("peername") or ("?",))[0])
        why = self._unwelcome(host)
        if why or self._group is None:
            self.hearing.meters.message(self.line, "turned_away")
            log.info("line %s: %s is turned away: %s", self.line, printable(host, 60), why)
            writer.transport.abort()
            return
        notice_dead_peer(writer.get_extra_info("socket"))
        if self._secured is not None:
            self._secured.wait(writer)
        task = self._group.create_task(self._attend(host, reader, writer), name=f"peer of {self.line}")
        self._peers[task] = host
        task.add_done_callback(lambda done: self._peers.pop(done, None))

    def _unwelcome(self, host: str) -> str:
        if not allowed(host, self.limits.allow):
            return "it is not on the list of those who may speak"
        if len(self._peers) >= self.limits.peers:
            return f"{self.limits.peers} are connected already"
        if sum(1 for known in self._peers.values() if known == host) >= self.limits.per_host:
            return f"it has {self.limits.per_host} connections already"
        return ""

    async def _attend(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = f"{host}:{(writer.get_extra_info('peername') or ('', 0))[1]}"
        with faults.contained("line", self.line, "a peer", said=host):
            await self._follow(host, name, reader, writer)

    async def _follow(
        self, host: str, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        rates = self._hosts.of(host)
        try:
            if self._secured is not None and not await self._secured.meets(writer, name, rates[1]):
                return
            peer = Peer(name, self._session(), self.hearing, self.limits.idle_s, *rates, self._stop.is_set)
            why = await peer.attend(reader, writer)
        except Misconfigured as err:  # a key file that is just being written anew
            self.hearing.meters.message(self.line, "turned_away")
            self.hearing.say_once(f"peers are turned away: {err}")
            why = "it is turned away"
        except OSError as err:
            why = str(err)
        finally:
            await _closed(writer)
        log.info("line %s: %s has gone: %s", self.line, printable(name, 60), printable(why))

    async def _end_peers(self) -> None:
        if self._peers:
            _, left = await asyncio.wait(self._peers, timeout=STOP_S)
            for task in left:
                task.cancel()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    def _say_up(self) -> None:
        self.up, self._said = True, ""
        self.ready.set()
        log.info("line %s listens on %s", self.line, printable(self.config.endpoint))
        self.changed()

    def _say_down(self, why: str) -> None:
        text = printable(why)
        if self.up or text != self._said:
            log.warning("line %s does not listen: %s; tried again every %g s", self.line, text, REOPEN_S)
        self._said = text
        if self.up:
            self.up = False
            self.changed()


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close in good order, but wait for no peer that does not take what is still to be sent."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_S):
            await writer.wait_closed()
    except TimeoutError:
        writer.transport.abort()
    except OSError:
        pass  # it is gone already


class _PortStream:
    """What a serial wire tells, as a stream."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader(limit=HELD)
        self.why: LineDown | None = None

    def received(self, data: bytes) -> None:
        self.reader.feed_data(data)

    def lost(self, why: LineDown) -> None:
        self.why = why
        self.reader.feed_eof()


class _PortMouth:
    def __init__(self, wire: SerialWire) -> None:
        self._wire = wire

    def write(self, data: bytes) -> None:
        self._wire.write(data)

    async def drain(self) -> None:
        """A port takes what it takes."""
