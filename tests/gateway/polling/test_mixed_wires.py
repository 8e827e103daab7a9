"""Three protocols at two speeds on one pair of wires: all values right, fire within its bound, no silence broken."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.planning.forecast import forecast
from gateway.planning.worst_case import FIRE
from gateway.polling.line_rules import longest_of
from gateway.site.config import load_site
from gateway.tools.inside import PolledLine
from gateway.tools.jobs import TOOLS
from gateway.tools.work import Work
from messages.tool_args import tool_args
from simulators import cjt188, dlt645
from simulators.dlt645_life import household
from simulators.serial_server import Guest
from tests.support.living import at_work, kill
from tests.support.machine import waited
from tests.support.simbus import longest_gap
from tests.support.tools import Told
from tests.support.waiting import until

BUS = """\
site: s
tick: 50ms
lines:
  - id: bus
    pty: run/bus
    baud: 9600
    turnaround: 5ms
    devices:
      - {id: panel, profile: gatehouse-demo-fire-panel, unit: 20}
      - {id: m-1, profile: gatehouse-demo-air, unit: 1}
      - {id: m-dead, profile: gatehouse-demo-air, unit: 2}
"""
MACHINE_S = 0.3  # what timers and pseudo-terminals may add to any time that is measured here
ENERGY = [Decimal(text) for text in ("1234.56", "200.00", "300.00", "400.00", "334.56")]
WATER = Decimal("77.12")


def clock() -> datetime:
    return datetime.now(timezone(timedelta(hours=8)))


def bus_lines(places: Mapping[str, str]) -> str:
    return f"""\
lines:
  - id: bus
    serial: {places["bus"]}
    baud: 9600
    timeout: 500ms
    poll: {{fire: 1s, alarm: 2s, billing: 5s, routine: 15s, slow: 60s}}
    devices:
      - {{id: panel, profile: gatehouse-demo-fire-panel, unit: 20}}
      - {{id: m-1, profile: gatehouse-demo-air, unit: 1}}
      - {{id: m-dead, profile: gatehouse-demo-air, unit: 2}}
      - {{id: e-1, profile: dlt645-ddzy-single-phase, address: "000012345678", baud: 2400,
          meter: {{metering_point: MP-1, serial: "12345678"}}}}
      - {{id: e-dead, profile: dlt645-ddzy-single-phase, address: "000000000099", baud: 2400}}
      - {{id: w-1, profile: cjt188-water-meter, address: "00201707010069", baud: 2400}}
      - {{id: w-dead, profile: cjt188-water-meter, address: "00201707010070", baud: 2400}}
"""


def guests() -> list[Guest]:
    water = cjt188.SimMeter("00201707010069", lambda: clock().replace(tzinfo=None), total=WATER)
    power = household("000012345678", 2007, clock, Random(1)).meter
    power.energies[1] = ENERGY
    return [Guest(dlt645.SimBus([power]), 2400), Guest(cjt188.SimBus([water]), 2400)]


@pytest.mark.slow
@pytest.mark.long(30)
async def test_two_speeds_and_three_protocols_share_one_pair_of_wires(tmp_path: Path):
    async with at_work(BUS, bus_lines, tmp_path) as (world, lines):
        for guest in guests():
            world.seat("bus", guest)
        kill(world, "m-dead")
        bus = lines["bus"]
        dead = {"m-dead", "e-dead", "w-dead"}
        energy, volume = ("e-1", "active_energy_import"), ("w-1", "volume")
        read = (energy, volume, ("m-1", "temperature"))
        await until(lambda: set(bus.poller.silent) == dead, within=60)
        await until(lambda: all(len(bus.recorder.of(*each)) >= 2 for each in read), within=60)
        began, stood, had = time.time(), waited(), len(bus.reads("panel"))
        told = await tools(tmp_path, bus, READ)
        await until(lambda: len(bus.reads("panel")) >= had + 10, within=30)
        gap = longest_gap([at for at in bus.reads("panel") if at >= began])
        late = waited() - stood
        counts = world.counters.lines["bus"]
        manners = counts.broken_silences, counts.collisions
        # A scan asks whoever is there, dead ones too, at a speed that is not the line's: its manners are its own.
        told |= await tools(tmp_path, bus, SCAN)
    assert set(bus.recorder.of(*energy)) <= {ENERGY[0], None}
    assert set(bus.recorder.of(*volume)) <= {WATER, None}
    assert {ENERGY[0], WATER} <= {*bus.recorder.of(*energy), *bus.recorder.of(*volume)}
    foreseen = forecast(
        bus.config, budget=2.0, turnaround=lambda _: 0.03, longest=longest_of(bus.config)
    ).foreseen
    fire = next(seen for seen in foreseen if seen.task.rank == FIRE)
    assert fire.bounds[2].latency is not None
    assert gap <= fire.bounds[2].latency + MACHINE_S + late
    assert manners == (0, 0)
    # What an engineer reads beside the polls is asked at the device's own speed and in its own protocol.
    assert told["read"].by("point")["active_energy_import"]["value"] == "1234.56"
    # Though the panel is the line's first device, whoever speaks otherwise is found.
    assert [row["answer"] for row in told["scan"].rows] == ["answers"], told["scan"].rows
    assert told["scan"].rows[0]["configured"] == "e-1"
    assert told["scan"].rows[0]["profiles"][0]["profile"].startswith("dlt645-"), told["scan"].rows
    checks = {one["check"]: one for one in told["certify"].rows[0]["checks"]}
    assert [checks[name]["pass"] for name in ("found", "points", "reads", "serial")] == [True] * 4, checks


# Of DL/T 645 unit 79 is whose address ends in 78.
SCAN = {"scan": {"protocol": "dlt645", "units": "79", "bauds": [2400], "timeout_ms": 600}}
READ = {
    "read": {"device": "e-1", "points": ["active_energy_import"]},
    "certify": {"engineer": "x", "devices": ["e-1"], "reads": 2},
}


async def tools(folder: Path, bus, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, Told]:
    """Find, read and certify the electricity meter while the line is polled."""
    site = load_site(folder / "gateway.yaml")
    told = {}
    for tool, args in wanted.items():
        told[tool] = Told()
        wire = PolledLine(bus.poller, bus.config.settings)
        work = Work(site, site.lines[0], wire, told[tool].row, result=told[tool].result)
        await TOOLS[tool](work, tool_args(tool, args))
    return told
