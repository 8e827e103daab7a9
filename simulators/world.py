"""A simulated site at work: everything of a site file put together, ticked, and told to the truth."""

import asyncio
import heapq
import itertools
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from drivers.profile import Profile
from messages.types import Value
from simulators.bus import Bus
from simulators.control import Control
from simulators.counters import COUNTERS, Counters
from simulators.device import Change, Exchanged, SimDevice
from simulators.endpoints import endpoint
from simulators.events import EventWatch
from simulators.registers import as_hex
from simulators.relay import Relay
from simulators.serial_server import Guest, SerialServer
from simulators.site import Line, Site, Step, misfits, seconds
from simulators.tcp_server import TcpServer
from simulators.truth import RUN, TruthWriter
from simulators.vocabulary import PTY_BAUD
from simulators.wire import Pace

USUAL_TURNAROUND_S = 0.005
MAX_CATCH_UP = 25  # ticks; after a longer sleep of the machine, time jumps and physics do not race after it


class LineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Where a line can be reached."""

    endpoint: str
    kind: str
    framing: str
    baud: int | None
    devices: tuple[str, ...]


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a running site tells others: `run.json`."""

    site: str
    pid: int
    started: int
    lines: dict[str, LineInfo]
    links: dict[str, str]
    control: str | None = None
    """`host:port` that takes steps while the site runs."""


@dataclass(order=True)
class _Due:
    at: float
    order: int
    act: Callable[[], None] = field(compare=False)


class World:
    """A site that runs on the loop that it was started on."""

    def __init__(
        self,
        site: Site,
        profiles: Mapping[str, Profile],
        folder: Path,
        truth: TruthWriter,
        *,
        clock_ms: Callable[[], int],
        broker: str | None = None,
        control: str | None = None,
        stranger: Callable[[int], bool] = lambda _port: False,
    ) -> None:
        """`broker` is where all links lead, `control` where steps are taken while the site runs.

        `stranger` says of a TCP client's port that no gateway of ours owns it.
        """
        self._stranger = stranger
        self.site = site
        self.profiles = profiles
        self.info: RunInfo | None = None
        self.frozen = False
        self.now = 0.0
        self.truth = truth
        self._folder = folder
        self._clock_ms = clock_ms
        self._rng = Random(site.seed)  # noqa: S311 - repeatable on purpose
        self._order = itertools.count()
        self.counters = Counters(
            (line.id for line in site.lines), (device.id for _, device in site.devices())
        )
        self.devices = {device.id: self._device(line.id, device) for line, device in site.devices()}
        self._watches = {name: EventWatch(name, device.profile) for name, device in self.devices.items()}
        self._servers: dict[str, TcpServer | SerialServer] = {
            line.id: self._server(line) for line in site.lines
        }
        self.relays = {
            link.id: Relay(link.id, *endpoint(link.listen), *endpoint(broker or link.to))
            for link in site.links
        }
        self.control = Control(self, *endpoint(control)) if control is not None else None
        self._due = [
            _Due(seconds(step.at), next(self._order), partial(self._step, step)) for step in site.story
        ]
        heapq.heapify(self._due)

    def play(self, steps: Sequence[Step]) -> list[str]:
        """Let steps happen now, whatever their time; return what is wrong with them, and then nothing happens."""
        wrong = misfits(self.site, steps, self.profiles)
        if not wrong:
            for step in steps:
                self._step(step)
        return wrong

    async def start(self) -> RunInfo:
        """Open every endpoint and write `run.json`."""
        self._tick(Decimal(0))
        lines = {}
        for line in self.site.lines:
            endpoint = await self._servers[line.id].start()
            lines[line.id] = LineInfo(
                endpoint=endpoint,
                kind="tcp" if line.tcp else "serial",
                framing=line.frames,
                baud=line.rate,
                devices=tuple(device.id for device in line.devices),
            )
        links = {name: await relay.start() for name, relay in self.relays.items()}
        info = RunInfo(
            site=self.site.site,
            pid=os.getpid(),
            started=self._clock_ms(),
            lines=lines,
            links=links,
            control=await self.control.start() if self.control is not None else None,
        )
        self.info = info
        write_whole(self._folder / RUN, msgspec.json.format(msgspec.json.encode(info), indent=2))
        return info

    async def stop(self) -> None:
        """Close every endpoint and write `counters.json`."""
        if self.control is not None:
            await self.control.stop()
        for relay in self.relays.values():
            await relay.stop()
        for server in self._servers.values():
            await server.stop()
        told = msgspec.json.encode(self.counters.told())
        write_whole(self._folder / COUNTERS, msgspec.json.format(told, indent=2) + b"\n")

    async def run(self) -> None:
        """Tick until cancelled or frozen."""
        loop = asyncio.get_running_loop()
        tick = seconds(self.site.tick)
        dt = Decimal(str(tick))
        start = loop.time() - self.now
        while not self.frozen:
            await asyncio.sleep(max(0.0, start + self.now + tick - loop.time()))
            behind = int((loop.time() - start - self.now) / tick)
            if behind > MAX_CATCH_UP:
                start += (behind - 1) * tick
                behind = 1
            for _ in range(behind):
                self.now += tick
                self._tick(dt)

    def freeze(self) -> None:
        """Stop physics and story, mend every fault and link: what the registers hold now, they keep."""
        self.frozen = True
        self._due.clear()
        for device in self.devices.values():
            device.faults.clear()
        for relay in self.relays.values():
            relay.mend()
        self.truth.fact("frozen")

    def mute(self) -> None:
        """Let no device answer any more, so that what was served is final while everybody still listens."""
        for device in self.devices.values():
            device.muted = True
        self.truth.fact("muted")

    def settle(self, later: float) -> None:
        """Let conditions that are only waiting for their hold or release time become edges."""
        self.now += later
        self._watch()

    def _tick(self, dt: Decimal) -> None:
        while self._due and self._due[0].at <= self.now:
            heapq.heappop(self._due).act()
        wall = self._clock_ms() / 1000
        for device in self.devices.values():
            device.tick(self.now, dt, wall)
        for server in self._servers.values():
            server.tick()
        self._watch()

    def _watch(self) -> None:
        for name, watch in self._watches.items():
            for edge in watch.look(self.devices[name].values, self.now):
                self.truth.fact(
                    "event",
                    device=name,
                    event=edge.event,
                    edge=edge.edge,
                    severity=edge.severity,
                    alarm_class=edge.alarm_class,
                )

    def _step(self, step: Step) -> None:
        if step.note:
            self.truth.fact("story", device=step.device or "", note=step.note)
        lasting = seconds(step.for_) if step.for_ is not None else None
        if step.link is not None:
            self._cut(step.link, seconds(step.cut))
            return
        if step.device is None:
            return
        device = self.devices[step.device]
        if step.release:
            self._release(device, step.release)
        if step.set is not None:
            self._hold(device, step.set)
            if lasting is not None:
                self._at(lasting, lambda: self._release(device, tuple(step.set or ())))
        if step.mend:
            device.faults.clear()
            self.truth.fact("mend", device=device.id)
        if step.fault is not None:
            device.faults.add(step.fault, self.now, lasting)
            self.truth.fact("fault", device=device.id, fault=step.fault.kind, seconds=lasting)

    def _hold(self, device: SimDevice, values: Mapping[str, Value]) -> None:
        device.hold(values)
        self.truth.fact(
            "set", device=device.id, values={name: _shown(value) for name, value in values.items()}
        )

    def _release(self, device: SimDevice, points: tuple[str, ...]) -> None:
        device.release(points)
        self.truth.fact("release", device=device.id, points=list(points))

    def _cut(self, link: str, lasting: float) -> None:
        self.relays[link].cut()
        self.truth.fact("link", link=link, cut=True)
        self._at(lasting, lambda: self._mend(link))

    def _mend(self, link: str) -> None:
        self.relays[link].mend()
        self.truth.fact("link", link=link, cut=False)

    def _at(self, later: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, _Due(self.now + later, next(self._order), act))

    def _report(self, news: Change | Exchanged) -> None:
        if isinstance(news, Change):
            self.truth.change(news.device, news.point, news.value, as_hex(news.words))
        else:
            registers = {name: [_shown(old), _shown(new)] for name, (old, new) in news.registers.items()}
            self.truth.fact("exchange", device=news.device, serial=news.serial, registers=registers)

    def _device(self, line: str, device: Any) -> SimDevice:
        rng = Random(f"{self.site.seed}/{device.id}")  # noqa: S311 - a device's course does not depend on its neighbours
        report = self._report if self.truth.records else None
        return SimDevice(device, line, self.profiles[device.profile], rng, report)

    def seat(self, line: str, guest: Guest) -> None:
        """Put devices of another protocol on the bus of a line with a pseudo-terminal."""
        server = self._servers[line]
        if not isinstance(server, SerialServer):
            raise TypeError(f"{line}: guests sit on a bus with a pseudo-terminal")
        server.guests.append(guest)

    def _server(self, line: Line) -> TcpServer | SerialServer:
        devices = {device.unit: self.devices[device.id] for device in line.devices}
        bus = Bus(line.id, devices, self.truth, self._clock_ms, self._rng, self.counters)
        usual = USUAL_TURNAROUND_S if line.rate else 0.0
        pace = Pace.of(
            line.rate,
            line.frames,
            usual if line.turnaround is None else seconds(line.turnaround),
            seconds(line.burst),
            strict=line.strict,
            echo=line.echo,
        )
        if line.tcp is not None:
            host, port = endpoint(line.tcp)
            return TcpServer(bus, host, port, line.frames, pace, self._clock_ms, stranger=self._stranger)
        path = self._folder / (line.pty or line.id)
        return SerialServer(bus, path, line.frames, line.rate or PTY_BAUD, pace, self._clock_ms)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[World]:
    """Start a world, tick it in a task of its own while the block runs, and stop it."""
    try:
        await world.start()
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(world.run(), name="physics")
            try:
                yield world
            finally:
                ticking.cancel()
    except BaseExceptionGroup as group_error:
        if len(group_error.exceptions) == 1:  # what the block itself raised: hand it on as it was
            raise group_error.exceptions[0] from None
        raise
    finally:
        await world.stop()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees all of it or none."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def _shown(value: Value) -> str | bool | None:
    return format(value, "f") if isinstance(value, Decimal) else value
