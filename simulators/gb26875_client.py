"""`gatehouse-sim gb26875`: a fire host that connects to a gateway and lives through alarms, resets and bad wires."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Annotated, Self

import typer
from rich.console import Console

from simulators.gb26875 import (
    FIRE,
    MOST_OBJECTS,
    NORMAL,
    Component,
    TransmissionDevice,
    component_states,
    operation,
    system_state,
)
from simulators.on_wires import ToOption, play, refuse, target

CHINA = timezone(timedelta(hours=8))

Clock = Callable[[], datetime]


class Host:
    """A transmission device on a connection. Use as `async with`."""

    def __init__(self, device: TransmissionDevice, host: str, port: int, clock: Clock) -> None:
        self.device = device
        self._where = host, port
        self._clock = clock
        self._changed = asyncio.Event()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(*self._where)
        self._task = asyncio.create_task(self._listen(self._reader, self._writer), name="fire host")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._task is not None:
            await self._task

    async def send(self, raw: bytes) -> None:
        """Send bytes, sound or not."""
        if self._writer is not None:
            self._writer.write(raw)
            await self._writer.drain()

    async def report(self, unit: bytes, *, damage: bool = False) -> None:
        """Send a data unit and wait for the centre's answer; a damaged one is sent right after it is denied."""
        raw = self.device.report(unit, self._clock())
        if damage:
            denied = len(self.device.denied)
            await self.send(raw[:-3] + bytes((raw[-3] ^ 0x55,)) + raw[-2:])
            await self.until(lambda: len(self.device.denied) > denied)
        await self.deliver(raw)

    async def deliver(self, raw: bytes) -> bool:
        """Send a message of the device's, perhaps once more; return whether it was acknowledged."""
        before = len(self.device.acknowledged)
        serial = self.device.repeat(raw, self._clock())
        await self.send(raw)
        await self.until(lambda: serial not in self.device.waiting)
        return serial in self.device.acknowledged[before:]

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait until something is so, sending again what is due; raise `ConnectionError` when the centre goes."""
        while not done():
            if self._task is None or self._task.done():
                raise ConnectionError("the centre has closed the connection")
            self._changed.clear()
            try:
                async with asyncio.timeout(1):
                    await self._changed.wait()
            except TimeoutError:
                for raw in self.device.again(self._clock()):
                    await self.send(raw)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                for raw in self.device.feed(data, self._clock()):
                    writer.write(raw)
                self._changed.set()
        except ConnectionError:
            pass
        finally:
            self._changed.set()
            writer.close()


@dataclass(frozen=True, slots=True)
class Course:
    """What a host lives through."""

    components: int = 50
    fires: int = 1
    damage: float = 0.0
    """The share of messages that are damaged once."""
    seed: int = 1


def detectors(count: int) -> list[Component]:
    """Return detectors with the texts of a Chinese panel."""
    return [
        Component(number=loop << 16 | point, kind=42, text=f"{loop}号楼{point}层走廊感烟")
        for index in range(count)
        for loop, point in [(index // 200 + 1, index % 200 + 1)]
    ]


async def live(host: Host, course: Course, clock: Clock) -> None:
    """Report all components as normal, some on fire, the system with them; then the reset and all as normal."""
    random = Random(course.seed)  # noqa: S311 - the same seed gives the same course
    everything = detectors(course.components)

    async def tell(unit: bytes) -> None:
        await host.report(unit, damage=random.random() < course.damage)

    async def tell_all(state: int) -> None:
        for first in range(0, len(everything), MOST_OBJECTS):
            some = everything[first : first + MOST_OBJECTS]
            await tell(component_states([(each, state) for each in some], clock()))

    await tell(system_state(NORMAL, clock()))
    await tell_all(NORMAL)
    for burning in random.sample(everything, min(course.fires, len(everything))):
        await tell(component_states([(burning, FIRE)], clock()))
        await tell(system_state(FIRE, clock()))
    await tell(operation(1, clock()))
    await tell(system_state(NORMAL, clock()))
    await tell_all(NORMAL)


def serve(
    to: ToOption,
    address: Annotated[str, typer.Option(help="The device's address, 12 hex digits.")] = "0140609623B2",
    components: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    fires: Annotated[int, typer.Option(min=0)] = 1,
    damage: Annotated[float, typer.Option(min=0, max=1, help="Share of messages damaged once.")] = 0.0,
    guard: Annotated[bool, typer.Option(help="Whether somebody answers roll-calls.")] = True,
    seconds: Annotated[float, typer.Option(min=0, help="Stay connected so long after the story.")] = 0.0,
    seed: int = 1,
) -> None:
    """Be a fire host: report components, burn, reset; wait for every acknowledgement."""
    where, port = target(to)
    if not re.fullmatch("[0-9A-Fa-f]{12}", address):
        refuse(f"--address {address}: is no address of 12 hex digits")
    device = TransmissionDevice(address, guard=guard)

    async def report() -> None:
        async with Host(device, where, port, _now) as host:
            await live(host, Course(components, fires, damage, seed), _now)
            await asyncio.sleep(seconds)

    play(report())
    told = f"{len(device.acknowledged)} acknowledged, {len(device.denied)} denied, {len(device.given_up)} given up"
    Console().print(f"{told}; the centre asked: {device.heard or 'nothing'}", highlight=False)


def _now() -> datetime:
    return datetime.now(CHINA)
