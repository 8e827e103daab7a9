"""Tools on the wires of a simulated site, with the line to themselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.site.config import Site, load_site
from gateway.tools.access import OwnLine
from gateway.tools.jobs import TOOLS
from gateway.tools.work import Work
from messages.tool_args import tool_args
from simulators.world import World
from tests.support.sims import simulated

SIM = """\
site: bench
tick: 20ms
lines:
  - id: net
    tcp: 127.0.0.1:0
    devices:
      - {id: m-1, profile: eastron-sdm630, unit: 1, physics: {load_w: 1800, total: 8123.42}}
      - {id: m-2, profile: chint-dtsu666, unit: 2, physics: {load_w: 900, total: 10.5}}
  - id: bus
    pty: run/bus
    baud: 19200
    devices:
      - {id: m-3, profile: eastron-sdm630, unit: 3, physics: {load_w: 800, total: 12.5}}
      - {id: air-1, profile: gatehouse-demo-air, unit: 9}
"""
SITE = """\
site: bench
gateway: gw
broker: {{url: "mqtt://127.0.0.1:{broker}"}}
state_dir: state
lines:
  - id: net
    tcp: {net}
    timeout: 1s
    poll: {{billing: 2s, routine: 1s, slow: 5s, alarm: 1s}}
    devices:
      - {{id: m-1, profile: eastron-sdm630, unit: 1, meter: {{metering_point: MP-1, serial: SN-42}}}}
      - {{id: m-2, profile: chint-dtsu666, unit: 2}}
  - id: bus
    serial: {bus}
    baud: 19200
    timeout: 1s
    devices:
      - {{id: m-3, profile: eastron-sdm630, unit: 3}}
"""


def call(*words: str) -> Result:
    """What the command line answers."""
    return CliRunner().invoke(app, list(words))


def site_for(world: World, folder: Path, *, broker: int = 1, text: str = SITE) -> Site:
    """The gateway's configuration of that site."""
    assert world.info is not None
    ends = {name: line.endpoint for name, line in world.info.lines.items()}
    path = folder / "gateway.yaml"
    path.write_text(text.format(broker=broker, **ends), encoding="utf-8")
    return load_site(path)


@dataclass
class Told:
    """What a tool said."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    progress: list[Mapping[str, Any]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def row(self, row: Mapping[str, Any]) -> None:
        self.rows.append(dict(row))
        self.more.set()

    def by(self, name: str) -> dict[Any, dict[str, Any]]:
        """The rows by one of their words."""
        return {row[name]: row for row in self.rows}


@dataclass
class Shop:
    """A simulated site, its configuration, and tools that have its lines to themselves."""

    world: World
    site: Site

    @asynccontextmanager
    async def work(self, line: str, told: Told) -> AsyncIterator[Work]:
        config = next(one for one in self.site.lines if one.id == line)
        own = OwnLine(
            config.settings, clock=lambda: datetime.now(UTC), monotonic=time.monotonic, rng=Random(1)
        )
        async with own:
            yield Work(self.site, config, own, told.row, told.progress.append, result=told.result)

    async def run(self, tool: str, line: str, **args: Any) -> Told:
        """Run a tool to its end."""
        told = Told()
        async with self.work(line, told) as work:
            await TOOLS[tool](work, tool_args(tool, args))
        return told


@asynccontextmanager
async def shop(folder: Path, *, sim: str = SIM, text: str = SITE) -> AsyncIterator[Shop]:
    """Open a shop on a simulated site."""
    async with simulated(sim, folder) as world:
        yield Shop(world, site_for(world, folder, text=text))
