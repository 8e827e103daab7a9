"""The poller on real wires: a bus with its byte times on a pseudo-terminal, and two hundred devices by TCP."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from drivers.errors import LineDown
from drivers.modbus.frames import explain
from gateway.planning.forecast import forecast
from gateway.planning.worst_case import FIRE
from gateway.polling.line_rules import longest_of
from messages.types import Quality
from tests.support.living import Living, at_work, kill, mend
from tests.support.machine import waited
from tests.support.simbus import longest_gap
from tests.support.waiting import until

METERS = [f"m-{n}" for n in range(6)]
BUS = "site: s\ntick: 50ms\nlines:\n  - id: bus\n    pty: run/bus\n    baud: 9600\n    turnaround: 5ms\n    devices:\n"
BUS += "      - {id: panel, profile: gatehouse-demo-fire-panel, unit: 20}\n"
BUS += "".join(f"      - {{id: {m}, profile: eastron-sdm630, unit: {n + 1}}}\n" for n, m in enumerate(METERS))

# What timers and pseudo-terminals may add to any time that is measured here, beside a machine that stands still.
MACHINE_S = 0.3


def bus_lines(places: Mapping[str, str]) -> str:
    devices = "      - {id: panel, profile: gatehouse-demo-fire-panel, unit: 20}\n"
    devices += "".join(
        f"      - {{id: {m}, profile: eastron-sdm630, unit: {n + 1}}}\n" for n, m in enumerate(METERS)
    )
    return (
        f"lines:\n  - id: bus\n    serial: {places['bus']}\n    baud: 9600\n    timeout: 300ms\n"
        f"    poll: {{fire: 500ms, routine: 1s}}\n    devices:\n{devices}"
    )


def bound_of(line: Living, dead: int) -> float:
    """The worst-case latency of the fire panel, with so many of 0, 1 or all others dead."""
    made = forecast(
        line.config,
        budget=line.config.fire_budget,
        turnaround=lambda _: 0.02,
        longest=longest_of(line.config),
    )
    fire = next(seen for seen in made.foreseen if seen.task.rank == FIRE)
    latency = fire.bounds[min(dead, 2)].latency
    assert latency is not None
    return latency


def fire_gap(line: Living, since: float) -> float:
    return longest_gap([at for at in line.reads("panel") if at >= since])


@pytest.mark.slow
@pytest.mark.long(19)
async def test_on_a_real_bus_fire_stays_under_its_bound_and_no_silence_is_broken(tmp_path: Path):
    async with at_work(BUS, bus_lines, tmp_path) as (world, lines):
        bus = lines["bus"]
        for dead in (0, 1, len(METERS)):
            kill(world, *METERS[:dead])
            began, stood, had = time.time(), waited(), len(bus.reads("panel"))
            await until(lambda: len(bus.reads("panel")) >= had + 10, within=60)  # noqa: B023 - done before the next
            assert fire_gap(bus, began) <= bound_of(bus, dead) + MACHINE_S + waited() - stood, dead
        await until(lambda: set(bus.poller.silent) == set(METERS), within=20)
        mend(world, *METERS)
        await until(lambda: not bus.poller.silent, within=40)
        counts = world.counters.lines["bus"]
    assert counts.broken_silences == 0
    assert counts.collisions == 0
    assert counts.damaged_requests == 0
    assert bus.poller.devices[0].trip.smooth is not None
    assert bus.poller.devices[0].trip.smooth < 0.1, "what a question waits for its turn is no round trip"


async def test_a_tool_asks_between_the_polls_and_is_told_what_the_wire_says(tmp_path: Path):
    async with at_work(BUS, bus_lines, tmp_path) as (_, lines):
        bus = lines["bus"]
        meter = bus.poller.devices[1]
        work = next(iter(bus.poller.presence.works(meter)))[1]
        exchange = meter.driver.exchange(work.transaction)
        reply = await bus.poller.ask(exchange, timeout=0.3)
        readings = meter.driver.decode(work.transaction, reply.payload)
        assert all(reading.quality is Quality.GOOD for reading in readings.values())
        assert "03" in explain(exchange.request) or "04" in explain(exchange.request)
        stranger = asyncio.create_task(bus.poller.ask(exchange, timeout=0.3))
        bus.poller.stop()
        done = await asyncio.gather(stranger, return_exceptions=True)
        assert isinstance(done[0], LineDown) or done[0].payload
        with pytest.raises(LineDown):
            await bus.poller.ask(exchange, timeout=0.3)


MANY = 200
NET = "site: s\ntick: 200ms\nlines:\n" + "".join(
    f"  - id: l{n}\n    tcp: 127.0.0.1:0\n    devices: [{{id: d{n}, profile: gatehouse-demo-air, unit: 1}}]\n"
    for n in range(MANY)
)


def net_lines(places: Mapping[str, str]) -> str:
    lines = "".join(
        f"  - id: {name}\n    tcp: {place}\n    poll: {{routine: 1s}}\n"
        f"    devices: [{{id: d{name[1:]}, profile: gatehouse-demo-air, unit: 1}}]\n"
        for name, place in places.items()
    )
    return f"lines:\n{lines}"


@pytest.mark.slow
@pytest.mark.long(6)
async def test_two_hundred_devices_in_one_process_each_keep_their_pace(tmp_path: Path):
    dead = [f"d{n}" for n in range(0, MANY, 20)]
    async with at_work(NET, net_lines, tmp_path) as (world, lines):
        await until(
            lambda: all(line.reads(f"d{name[1:]}") for name, line in lines.items()), within=20, every=0.1
        )
        kill(world, *dead)
        began, stood = time.time(), waited()

        def reads(name: str) -> list[float]:
            return [at for at in lines[name].reads(f"d{name[1:]}") if at >= began]

        living = [name for name in lines if f"d{name[1:]}" not in dead]
        others = [line for name, line in lines.items() if name not in living]
        await until(lambda: min(len(reads(name)) for name in living) >= 4, within=60, every=0.1)
        await until(lambda: all(line.poller.silent for line in others), within=60, every=0.1)
        kept = waited() - stood
        silent = {device for line in lines.values() for device in line.poller.silent}
    assert silent == set(dead)
    for name in living:
        assert longest_gap(reads(name)) < 2 + kept, name
