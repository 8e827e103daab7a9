"""A whole gateway's surroundings: simulated devices on real wires, a real broker, and a toy server behind it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.app import Gateway, build
from gateway.site.config import Site, load_site
from messages.broker import Publication
from messages.codec import decode_batch, encode
from messages.topics import Address
from messages.types import Command, CommandResult, DeviceEvent, Item, Sample
from simulators.world import World
from tests.support.broker import Broker
from tests.support.sims import simulated
from tests.support.toyserver import ToyServer

HERE = Address("mews", "gw")
SIMULATED = """\
site: mews
tick: 50ms
lines:
  - id: net
    tcp: 127.0.0.1:0
    devices:
      - {id: m-1, profile: eastron-sdm630, unit: 1}
      - {id: door, profile: gatehouse-demo-door, unit: 3}
      - {id: panel, profile: gatehouse-demo-fire-panel, unit: 4}
  - id: over
    tcp: 127.0.0.1:0
    framing: rtu
    devices:
      - {id: m-2, profile: acrel-adl400-secondary, unit: 2}
  - id: bus
    pty: run/bus
    baud: 115200
    devices:
      - {id: w-1, profile: gatehouse-demo-water-mbus, unit: 5}
      - {id: air, profile: gatehouse-demo-air, unit: 6, faults: [{kind: silent}]}
story:
  - {at: 0ms, device: door, set: {tamper: true}}
  - {at: 800ms, device: panel, set: {zone_3_fire: true}}
  - {at: 2s, device: panel, set: {zone_3_fire: false}}
"""


def site_file(folder: Path, world: World, broker: Broker) -> Path:
    assert world.info is not None
    lines = world.info.lines
    text = f"""\
site: mews
gateway: gw
broker: {{url: "{broker.url}"}}
state_dir: state
metrics: {{listen: "127.0.0.1:0"}}
poll: {{fire: 100ms, alarm: 150ms, billing: 300ms, routine: 200ms, slow: 400ms}}
lines:
  - id: net
    label: The net
    timeout: 5s
    shortest_timeout: 5s
    tcp: {lines["net"].endpoint}
    devices:
      - {{id: m-1, profile: eastron-sdm630, unit: 1, name: Flat 1, building: A, floor: "1", place: riser,
          meter: {{metering_point: MP-1, reader: 张三}}}}
      - {{id: door, profile: gatehouse-demo-door, unit: 3}}
      - {{id: panel, profile: gatehouse-demo-fire-panel, unit: 4}}
  - id: over
    tcp: {lines["over"].endpoint}
    framing: rtu
    timeout: 5s
    shortest_timeout: 5s
    devices:
      - {{id: m-2, profile: acrel-adl400-secondary, unit: 2, meter: {{metering_point: MP-2, ct: 150/5}}}}
  - id: bus
    serial: {Path(lines["bus"].endpoint).absolute()}
    baud: 115200
    timeout: 5s
    shortest_timeout: 5s
    devices:
      - {{id: w-1, profile: gatehouse-demo-water-mbus, unit: 5}}
      - {{id: air, profile: gatehouse-demo-air, unit: 6, timeout: 200ms}}
"""
    path = folder / "gw.yaml"
    path.write_text(text, encoding="utf-8")
    return path


class Place:
    """Everything around a gateway."""

    def __init__(self, folder: Path, broker: Broker, world: World, toy: ToyServer) -> None:
        self.folder, self.broker, self.world, self.toy = folder, broker, world, toy
        self.path = site_file(folder, world, broker)
        self._decoded: dict[bytes, tuple[Item, ...]] = {}

    @property
    def site(self) -> Site:
        return load_site(self.path)

    @property
    def items(self) -> list[Item]:
        return [item for _, payload in sorted(self.toy.payloads.items()) for item in self._items_of(payload)]

    def _items_of(self, payload: bytes) -> tuple[Item, ...]:
        """Decode a payload once, however often a test looks at what has come."""
        if payload not in self._decoded:
            self._decoded[payload] = decode_batch(payload).items
        return self._decoded[payload]

    @property
    def samples(self) -> list[Sample]:
        return [item for item in self.items if isinstance(item, Sample)]

    @property
    def events(self) -> list[DeviceEvent]:
        return [item for item in self.items if isinstance(item, DeviceEvent)]

    @property
    def results(self) -> list[CommandResult]:
        return [item for item in self.items if isinstance(item, CommandResult)]

    def read_points(self) -> set[tuple[str, str]]:
        return {
            (s.device, point) for s in self.samples for point, value in s.values.items() if value is not None
        }

    async def command(self, name: str, device: str, action: str = "release", seconds: float = 15) -> None:
        assert self.toy.session is not None
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        order = Command(id=name, device=device, action=action, by="a test", until=until)
        await self.toy.session.publish(Publication(HERE.command(name), encode(order)))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    started = Broker(tmp_path / "broker").start()
    yield started
    started.stop()


@pytest.fixture
async def place(tmp_path: Path, broker: Broker) -> AsyncIterator[Place]:
    (tmp_path / "truth").mkdir()
    async with simulated(SIMULATED, tmp_path / "truth") as world:
        toy = ToyServer(broker.address())
        serving = asyncio.create_task(toy.run(), name="toy server")
        await toy.until(lambda: toy.session is not None)
        yield Place(tmp_path, broker, world, toy)
        serving.cancel()
        await asyncio.wait([serving])
        if not serving.cancelled():
            serving.result()


@asynccontextmanager
async def at_work(place: Place) -> AsyncIterator[Gateway]:
    """A gateway in this process; ended in order when the block ends."""
    stop = asyncio.Event()
    async with build(place.site) as gateway:
        running = asyncio.create_task(gateway.run(stop), name="gateway")
        try:
            yield gateway
        finally:
            stop.set()
            async with asyncio.timeout(20):
                await running
