"""The whole gateway: simulated devices on real wires, a real journal, a real broker, and a toy server behind it."""

import asyncio
import json
import os
import resource
import signal
import sysconfig
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.app import Gateway, GatewayTrouble, build
from gateway.config import Site, load_site
from messages.broker import Publication
from messages.codec import decode_batch, encode
from messages.topics import Address
from messages.types import Command, CommandResult, DeviceEvent, Edge, Item, Lane, Outcome, Quality, Sample
from simulators.truth import Truth
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
    tcp: {lines["net"].endpoint}
    devices:
      - {{id: m-1, profile: eastron-sdm630, unit: 1, name: Flat 1, building: A, floor: "1", place: riser,
          meter: {{metering_point: MP-1, reader: 张三}}}}
      - {{id: door, profile: gatehouse-demo-door, unit: 3}}
      - {{id: panel, profile: gatehouse-demo-fire-panel, unit: 4}}
  - id: over
    tcp: {lines["over"].endpoint}
    framing: rtu
    devices:
      - {{id: m-2, profile: acrel-adl400-secondary, unit: 2, meter: {{metering_point: MP-2, ct: 150/5}}}}
  - id: bus
    serial: {Path(lines["bus"].endpoint).absolute()}
    baud: 115200
    timeout: 200ms
    devices:
      - {{id: w-1, profile: gatehouse-demo-water-mbus, unit: 5}}
      - {{id: air, profile: gatehouse-demo-air, unit: 6}}
"""
    path = folder / "gw.yaml"
    path.write_text(text, encoding="utf-8")
    return path


class Place:
    """Everything around a gateway."""

    def __init__(self, folder: Path, broker: Broker, world: World, toy: ToyServer) -> None:
        self.folder, self.broker, self.world, self.toy = folder, broker, world, toy
        self.path = site_file(folder, world, broker)

    @property
    def site(self) -> Site:
        return load_site(self.path)

    @property
    def items(self) -> list[Item]:
        return [
            item for _, payload in sorted(self.toy.payloads.items()) for item in decode_batch(payload).items
        ]

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


@pytest.mark.slow
async def test_everything_that_was_on_the_wire_is_stored_once_and_exactly(place: Place):
    async with at_work(place):
        await place.toy.until(
            lambda: {device for device, _ in place.read_points()} >= {"m-1", "m-2", "w-1", "door", "panel"}
        )
        await place.toy.until(lambda: sum(event.code == "zone_3_fire" for event in place.events) == 2)
    truth = Truth.load(place.folder / "truth")
    served = Counter((row.device, point, value) for row, point, value in truth.served())
    stored = Counter(
        (sample.device, point, value)
        for sample in place.samples
        for point, value in sample.values.items()
        if sample.device != "air"
    )
    assert stored == served, "decimal for decimal, nothing lost, nothing doubled"
    assert place.toy.changed_bytes == []
    fire = [(event.device, event.edge) for event in place.events if event.code == "zone_3_fire"]
    assert fire == [("panel", Edge.RAISED), ("panel", Edge.CLEARED)]


@pytest.mark.slow
async def test_times_lanes_raw_bytes_and_bad_values(place: Place):
    async with at_work(place) as gateway:
        await place.toy.until(lambda: {s.device for s in place.samples} >= {"m-1", "m-2", "w-1", "air"})
        await place.toy.until(lambda: "air" in place.toy.states[-1].silent)
        reads = gateway.site.hash
    truth = Truth.load(place.folder / "truth")
    billing = {
        (d.id, name) for d in place.site.devices for name, point in d.profile.points.items() if point.billing
    }
    for (_, lane, _), payload in place.toy.payloads.items():
        for item in decode_batch(payload).items:
            if not isinstance(item, Sample):
                assert lane is Lane.ALARM
                continue
            ms = int(item.at.timestamp() * 1000)
            for point, value in item.values.items():
                assert ((item.device, point) in billing) == (lane is Lane.BILLING)
                if value is not None:
                    assert value in truth.value_at(item.device, point, ms - 150, ms + 150)
                if lane is Lane.BILLING and value is not None:
                    assert len(item.raw[point]) % 4 == 0
    air = [sample for sample in place.samples if sample.device == "air"]
    assert all(value is None for sample in air for value in sample.values.values())
    assert {quality for sample in air for quality in sample.bad.values()} == {Quality.TIMEOUT}
    assert place.toy.states[-1].config == reads


@pytest.mark.slow
async def test_birth_state_and_goodbye(place: Place):
    async with at_work(place) as gateway:
        await place.toy.until(lambda: bool(place.toy.births) and bool(place.toy.states))
        port = gateway.metrics_port
        await place.toy.until(lambda: len(place.samples) > 5)
        text = await asyncio.to_thread(
            lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        )
    birth = place.toy.births[0]
    assert birth.boot == gateway.boot
    assert [device.id for device in birth.devices] == ["m-1", "door", "panel", "m-2", "w-1", "air"]
    assert birth.profiles["gatehouse-demo-door"].actions["release"].expires_s == 15
    assert not birth.profiles["gatehouse-demo-fire-panel"].actions
    assert birth.lines[0].label == "The net"
    m2 = next(device for device in birth.devices if device.id == "m-2")
    assert m2.meter is not None
    assert m2.meter.multiplier == 30
    info = birth.profiles["acrel-adl400-secondary"].points
    assert {point.period_s for point in info.values() if point.billing} == {0.3}
    last = place.toy.states[-1]
    assert (last.online, last.why, last.boot) == (False, "stopped", gateway.boot)
    online = [state for state in place.toy.states if state.online]
    assert online
    assert set(online[-1].lanes) == {"alarm", "billing", "telemetry"}
    assert online[-1].free_disk
    for name in ("gatehouse_samples_read_total", "gatehouse_transactions_total", "gatehouse_journal_bytes"):
        assert name in text
    assert not (place.folder / "state" / "metrics.port").exists()


@pytest.mark.slow
async def test_a_door_is_released_once_and_a_fire_panel_never(place: Place):
    async with at_work(place):
        await place.toy.until(lambda: ("door", "unlocked") in place.read_points())
        await place.command("c1", "door")
        await place.toy.until(lambda: len(place.results) == 1)
        await place.command("c1", "door")
        await place.command("c2", "panel")
        await place.command("c3", "nobody")
        await place.command("c4", "door", action="burn")
        await place.command("c5", "door", seconds=-1)
        await place.command("c6", "door", seconds=3600)
        await place.toy.until(lambda: len(place.results) == 6)
    ends = {result.id: result.outcome for result in place.results}
    assert ends == {
        "c1": Outcome.VERIFIED,
        "c2": Outcome.REFUSED,
        "c3": Outcome.REFUSED,
        "c4": Outcome.REFUSED,
        "c5": Outcome.EXPIRED,
        "c6": Outcome.REFUSED,
    }
    first = next(result for result in place.results if result.id == "c1")
    assert first.read_back == {"unlocked": True}
    truth = Truth.load(place.folder / "truth")
    writes = [row for row in truth.replies if row.device == "door" and row.function in {5, 6, 15, 16}]
    assert len(writes) == 1


async def test_a_port_in_use_is_told_with_the_mend(place: Place):
    async with build(place.site) as gateway:
        text = place.path.read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:0", f"127.0.0.1:{gateway.metrics_port}").replace(
            "state_dir: state", "state_dir: b"
        )
        place.path.write_text(text, encoding="utf-8")
        with pytest.raises(GatewayTrouble, match="choose another port"):
            async with build(place.site):
                pass


# -- as a process -----------------------------------------------------------------------------------------


def command_line(*words: str) -> list[str]:
    return [os.path.join(sysconfig.get_path("scripts"), "gatehouse-gateway"), *words]


async def start(place: Place) -> asyncio.subprocess.Process:
    log = (place.folder / "gateway.log").open("ab")
    try:
        return await asyncio.create_subprocess_exec(
            *command_line("run", str(place.path)), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
    finally:
        log.close()


@pytest.mark.slow
@pytest.mark.e2e
async def test_kill_and_start_again_loses_and_doubles_nothing_that_was_journaled(place: Place):
    for round_ in range(3):
        process = await start(place)
        before = len(place.toy.payloads)
        await place.toy.until(lambda before=before: len(place.toy.payloads) > before + 4)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        boots = {state.boot for state in place.toy.states}
        await place.toy.until(lambda: not place.toy.states[-1].online)
        assert len(boots) == round_ + 1
        assert place.toy.states[-1].why == "connection lost"
    process = await start(place)
    before = len(place.toy.payloads)
    await place.toy.until(lambda: len(place.toy.payloads) > before + 4)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    epochs = {epoch for epoch, _, _ in place.toy.payloads}
    assert len(epochs) == 1, "the journal lived on"
    for lane in (Lane.BILLING, Lane.TELEMETRY):
        numbers = place.toy.seqs(lane)
        assert numbers == list(range(1, len(numbers) + 1))
    assert place.toy.changed_bytes == []
    served = Counter(
        (row.device, point, value) for row, point, value in Truth.load(place.folder / "truth").served()
    )
    stored = Counter(
        (s.device, point, v)
        for s in place.samples
        for point, v in s.values.items()
        if s.device != "air" and not s.bad
    )
    assert not stored - served, "nothing is stored that was not on the wire, and nothing twice"
    fires = [event.edge for event in place.events if event.code == "zone_3_fire"]
    assert fires in ([], [Edge.RAISED, Edge.CLEARED]), "it may have come and gone while nobody looked"
    assert [event.edge for event in place.events if event.code == "tamper"] == [Edge.RAISED]


@pytest.mark.slow
@pytest.mark.e2e
async def test_logs_are_json_lines_and_the_stop_is_orderly(place: Place):
    process = await start(place)
    await place.toy.until(lambda: bool(place.toy.states) and "air" in place.toy.states[-1].silent)
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0
    lines = [json.loads(line) for line in (place.folder / "gateway.log").read_text().splitlines()]
    assert {"at", "level", "logger", "message"} <= set(lines[0])
    assert lines[-1]["message"] == "stopped"
    assert sum("air on bus is silent" in line["message"] for line in lines) == 1
    assert not any("password" in line["message"] for line in lines)


@pytest.mark.slow
@pytest.mark.e2e
async def test_two_gateways_do_not_share_a_journal(place: Place):
    async with at_work(place):
        process = await start(place)
        assert await process.wait() == 1
    said = (place.folder / "gateway.log").read_text()
    assert "another gateway runs with this state folder" in said
    assert "Traceback" not in said


async def said(process: asyncio.subprocess.Process, words: str) -> None:
    """Read the process's log until a line has these words."""
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while words not in (line := (await process.stderr.readline()).decode()):
            assert line, f"it ended and never said {words!r}"


@pytest.mark.slow
@pytest.mark.e2e
async def test_a_full_disk_loses_nothing_that_memory_can_hold(place: Place):
    # stderr is a pipe: the limit below is one on files.
    process = await asyncio.create_subprocess_exec(
        *command_line("run", str(place.path)),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await place.toy.until(lambda: len(place.toy.payloads) > 3)
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, hard))
        await said(process, "the disk takes nothing")
        await said(process, "samples wait in memory")
        before = len(place.toy.payloads)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await said(process, "samples reach the journal again")
        await place.toy.until(lambda: len(place.toy.payloads) > before + 4)
        await place.toy.until(
            lambda: [e.edge for e in place.events if e.code == "journal_trouble"][-1:] == [Edge.CLEARED]
        )
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    served = Counter(
        (row.device, point, value) for row, point, value in Truth.load(place.folder / "truth").served()
    )
    stored = Counter(
        (s.device, point, value)
        for s in place.samples
        for point, value in s.values.items()
        if s.device != "air" and not s.bad
    )
    assert stored == served
    own = [event.edge for event in place.events if event.code == "journal_trouble"]
    assert own == [Edge.RAISED, Edge.CLEARED]
    assert [event.edge for event in place.events if event.code == "tamper"] == [Edge.RAISED]
