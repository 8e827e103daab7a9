"""Lines of a real gateway on real wires, simulated devices at the far end, and a recorder that only remembers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from drivers import registry
from drivers.lines import Line, open_line
from gateway.polling.around import Surroundings, nap
from gateway.polling.edges import load
from gateway.polling.lessons import Lessons
from gateway.polling.line_rules import rules_of
from gateway.polling.polled import polled
from gateway.polling.poller import Poller
from gateway.site.config import LineConfig, load_site
from messages.types import ClockState
from simulators.vocabulary import Fault, Step
from simulators.world import World
from tests.support.gateway import Counted, Remembered
from tests.support.sims import simulated

HEAD = 'site: s\ngateway: g\nbroker: {url: "mqtt://127.0.0.1:1"}\n'


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Living:
    """One line at work."""

    config: LineConfig
    wire: Line
    poller: Poller
    recorder: Remembered = field(default_factory=Remembered)
    counted: Counted = field(default_factory=Counted)

    def reads(self, device: str) -> list[float]:
        """When this device was read, seconds since the epoch."""
        return [
            sample.at.timestamp()
            for _, sample in self.recorder.samples
            if sample.device == device and not sample.bad
        ]


def line_of(config: LineConfig) -> Living:
    """Make the wire and the poller of a configured line, as the gateway does."""
    around = Surroundings(now, lambda: ClockState.SYNCED, time.monotonic, Random(1), nap)
    wire = open_line(config.settings, clock=now, rng=Random(1), monotonic=time.monotonic)
    recorder, counted, lessons = Remembered(), Counted(), Lessons(now)
    devices = []
    for device in config.devices:
        made = registry.get(device.profile.protocol).device(device.profile, device.file.unit, device.options)
        devices.append(polled(device, made, load(device.profile.events, None), Random(1), lessons))
    poller = Poller(config.id, wire, devices, recorder, counted, around, rules=rules_of(config))
    return Living(config, wire, poller, recorder, counted)


@asynccontextmanager
async def at_work(
    simulated_site: str, gateway_lines: Callable[[Mapping[str, str]], str], folder: Path
) -> AsyncIterator[tuple[World, dict[str, Living]]]:
    """Simulated devices and the lines that poll them; `gateway_lines` is told where each can be reached."""
    async with simulated(simulated_site, folder) as world:
        assert world.info is not None
        places = {name: _absolute(line.endpoint) for name, line in world.info.lines.items()}
        path = folder / "gateway.yaml"
        path.write_text(HEAD + gateway_lines(places), encoding="utf-8")
        living = {line.id: line_of(line) for line in load_site(path).lines}
        async with asyncio.TaskGroup() as group:
            for each in living.values():
                group.create_task(each.poller.run(), name=f"line {each.config.id}")
            try:
                yield world, living
            finally:
                for each in living.values():
                    each.poller.stop()
        for each in living.values():
            await each.wire.aclose()


def _absolute(endpoint: str) -> str:
    return endpoint if ":" in endpoint else str(Path(endpoint).absolute())


def kill(world: World, *devices: str) -> None:
    """Let devices fall silent."""
    assert not world.play([Step(at="0s", device=name, fault=Fault(kind="silent")) for name in devices])


def mend(world: World, *devices: str) -> None:
    """End every fault of these devices."""
    assert not world.play([Step(at="0s", device=name, mend=True) for name in devices])
