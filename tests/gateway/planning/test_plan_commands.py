"""What a command may cost fire: the bound of `plan` holds on a real line while the ordered device says nothing."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.planning.forecast import Forecast, forecast
from gateway.planning.worst_case import LineLoad, Task, bound
from gateway.polling.line_rules import longest_of
from gateway.polling.orders import CommandRun
from gateway.polling.schedule import ALARM, FIRE
from gateway.site.config import LineConfig, load_site
from messages.types import Outcome
from tests.support.living import HEAD, Living, line_of, now
from tests.support.waiting import alongside, until
from tests.support.wire import rtu

PANEL, DOOR = 100, 2
THINKS = 0.01
SITE = """poll: {{fire: 0.5s}}
lines:
  - id: bus
    tcp: 127.0.0.1:{port}
    framing: rtu
    timeout: 400ms
    devices:
      - {{id: fire-1, profile: gatehouse-demo-fire-panel, unit: 100}}
      - {{id: door-1, profile: gatehouse-demo-door, unit: 2}}
"""


@dataclass
class Bus:
    """A serial server with a fire panel and a door that may say nothing, or not show what it was told."""

    dead: bool = False
    mute: bool = False
    """It takes orders, and answers no read."""
    thinks: float = THINKS
    """How long the door takes to answer."""
    asked: list[tuple[float, int, int]] = field(default_factory=list)
    """When, which unit, which function."""
    fire: list[float] = field(default_factory=list)
    """When the panel answered."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await reader.readexactly(8)
                unit, function = request[0], request[1]
                self.asked.append((time.monotonic(), unit, function))
                order = function in (5, 6)
                if unit == DOOR and (self.dead or (self.mute and not order)):
                    continue
                await asyncio.sleep(self.thinks if unit == DOOR else THINKS)
                count = int.from_bytes(request[4:6], "big")
                size = (count + 7) // 8 if function < 3 else 2 * count
                writer.write(request if order else rtu(request[:2] + bytes([size]) + bytes(size)))
                if unit == PANEL:
                    self.fire.append(time.monotonic())
        writer.close()

    def looks(self, since: float) -> list[float]:
        """When the door was read, from a time on."""
        return [at for at, unit, function in self.asked if unit == DOOR and function == 2 and at >= since]


async def with_bus(
    bus: Bus, folder: Path, work: Callable[[Living], Awaitable[CommandRun]]
) -> tuple[Forecast, CommandRun]:
    """Poll the bus, do `work`, and poll on for a moment; return what was foreseen and how the command ended."""
    server = await asyncio.start_server(bus.serve, "127.0.0.1", 0)
    path = folder / "site.yaml"
    path.write_text(HEAD + SITE.format(port=server.sockets[0].getsockname()[1]), encoding="utf-8")
    config = load_site(path).lines[0]
    living = line_of(config)
    async with alongside(living.poller.run()):
        await until(lambda: len(bus.fire) >= 3 and len(bus.looks(0.0)) >= 1)
        run = await work(living)
        seen = len(bus.fire)
        await until(lambda: len(bus.fire) >= seen + 2)
        living.poller.stop()
    await living.wire.aclose()
    server.close()
    await server.wait_closed()
    return foreseen(config), run


def foreseen(config: LineConfig) -> Forecast:
    return forecast(
        config, budget=config.fire_budget, longest=longest_of(config), turnaround=lambda _device: THINKS
    )


def fire_bound(found: Forecast) -> float:
    """The latency of the panel while one other device is dead."""
    latencies = [each.bounds[1].latency for each in found.foreseen if each.task.rank == FIRE]
    assert latencies
    assert all(latency is not None for latency in latencies)
    return max(latency for latency in latencies if latency is not None)


def longest_gap(bus: Bus) -> float:
    return max(later - sooner for sooner, later in itertools.pairwise(bus.fire))


async def release(living: Living) -> CommandRun:
    door = next(device for device in living.poller.devices if device.id == "door-1")
    return await living.poller.command(
        "door-1", door.driver.command("release", {}), now() + timedelta(seconds=30)
    )


@pytest.mark.parametrize(
    ("door", "outcome"),
    [
        ({"dead": True}, Outcome.FAILED),
        ({"mute": True}, Outcome.UNVERIFIED),
        ({"thinks": 0.3}, Outcome.FAILED),
    ],
    ids=["dead", "mute", "slow"],
)
async def test_fire_is_read_within_its_bound_while_an_order_goes_unheard(
    door: dict[str, float], outcome: Outcome, tmp_path: Path
) -> None:
    bus = Bus()

    async def work(living: Living) -> CommandRun:
        for name, value in door.items():
            setattr(bus, name, value)
        return await release(living)

    found, run = await with_bus(bus, tmp_path, work)
    assert run.outcome is outcome
    assert longest_gap(bus) <= fire_bound(found)
    wrote = next(at for at, _unit, function in bus.asked if function == 5)
    first, second = bus.looks(wrote)[:2]
    assert any(first < at < second for at, unit, _ in bus.asked if unit == PANEL), "fire goes between looks"


async def test_the_bound_holds_where_a_read_of_the_door_went_unanswered_before_and_is_not_loose(
    tmp_path: Path,
) -> None:
    """The worst of all: the order comes while such a read is on the wire, and its look waits for the guard."""
    bus = Bus()

    async def work(living: Living) -> CommandRun:
        bus.mute = True
        seen = len(bus.looks(0.0))
        await until(lambda: len(bus.looks(0.0)) > seen)
        return await release(living)

    found, run = await with_bus(bus, tmp_path, work)
    assert run.outcome is Outcome.UNVERIFIED
    wrote = next(at for at, _unit, function in bus.asked if function == 5)
    piece = next(at for at, unit, _ in bus.asked if unit == PANEL and at > wrote) - wrote
    # The guard of the read before is 0.9 s from when it was sent, and it took 0.4 s; then the look takes 0.4 s.
    assert piece > 0.85
    assert found.load.command == pytest.approx(0.92, abs=0.02)
    assert longest_gap(bus) <= fire_bound(found) < 1.7 * longest_gap(bus)


def test_fire_waits_for_a_command_or_a_look_and_what_is_below_for_both() -> None:
    panel = Task("panel", "panel", FIRE, 1.0, 0.04, 0.5)
    door = Task("door", "door", ALARM, 2.0, 0.04, 0.5)

    def response(task: Task, command: float, look: float) -> float:
        found = bound(task, LineLoad((panel, door), command=command, look=look)).response
        assert found is not None
        return found

    assert response(panel, 0.8, 0.5) == response(panel, 0.8, 0.0)
    assert response(panel, 0.1, 0.5) == pytest.approx(response(panel, 0.5, 0.0))
    assert response(door, 0.8, 0.5) >= response(door, 0.8, 0.0) + 0.5
