"""Real wires: a pseudo-terminal and a TCP endpoint, at the pace of a bus, through the product's own line."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from drivers import registry
from drivers.errors import DeviceSilent
from drivers.lines import SerialSettings, TcpSettings
from drivers.profiles_store import SHIPPED, load_profile
from messages.types import Quality
from simulators.dlt645 import SimBus
from simulators.field_wire import FieldPty, FieldTcp
from tests.support.dlt645 import NOW, ZONE, device, meter
from tests.support.wire import line_to

PROFILE = load_profile(SHIPPED / "dlt645-ddzy-single-phase.yaml")


MIDNIGHT = NOW.replace(hour=0, minute=0, second=0)


def port(folder):
    return SerialSettings(str(folder / "port"), baud=115200)


def living():
    one = meter(longest=12, wake_up=4, openings=[(NOW - timedelta(days=1), None)])
    one.energies |= {0: one.energies[1], 2: [Decimal(0)] * 5}
    one.freeze(MIDNIGHT)
    one.settle()
    return one


async def everything(line, made, profile):
    readings, told = {}, []
    for transaction in made.plan(profile.points):
        reply = await line.exchange(made.exchange(transaction), timeout=2.0)
        readings |= made.decode(transaction, reply.payload)
        told += made.happenings(transaction, reply.payload)
    return readings, told


@pytest.mark.parametrize("kind", ["pty", "tcp"])
async def test_a_whole_meter_is_read(kind, tmp_path):
    bus = SimBus([meter(address="7"), living()])
    if kind == "pty":
        end: FieldPty | FieldTcp = FieldPty(bus, tmp_path / "port", baud=115200, turnaround=0.001, burst=5)
    else:
        end = FieldTcp(bus, baud=115200, turnaround=0.001, burst=3)
    async with end:
        settings = TcpSettings("127.0.0.1", end.port) if isinstance(end, FieldTcp) else port(tmp_path)
        async with line_to(settings) as line:
            readings, told = await everything(line, device(PROFILE), PROFILE)
    assert {name for name, reading in readings.items() if reading.quality is not Quality.GOOD} == set()
    assert set(readings) == set(PROFILE.points)
    assert readings["active_energy_import_t4"].value == Decimal("334.56")
    assert readings["frozen_at"].value == int(MIDNIGHT.timestamp())
    assert [happening.code for happening in told] == ["cover_opened"]


async def test_what_nobody_answers_is_silent_and_the_next_meter_answers(tmp_path):
    async with FieldPty(SimBus([living()]), tmp_path / "port", baud=115200):
        async with line_to(port(tmp_path)) as line:
            absent, here = device(PROFILE, address="99"), device(PROFILE)
            with pytest.raises(DeviceSilent):
                await line.exchange(absent.exchange(absent.plan(["voltage"])[0]), timeout=0.02)
            (asked,) = here.plan(["voltage"])
            reply = await line.exchange(here.exchange(asked), timeout=2.0)
            assert here.decode(asked, reply.payload)["voltage"].value == 230


async def test_the_installed_driver_sets_the_clock_of_a_meter_that_is_wrong(tmp_path):
    one = meter(now=lambda: datetime.now(ZONE), offset=timedelta(seconds=-200))
    made = registry.get("dlt645").device(PROFILE, None, {"address": "12345678"})
    async with FieldPty(SimBus([one]), tmp_path / "port"), line_to(port(tmp_path)) as line:
        plan = made.command("set_clock", {})
        await line.exchange(made.exchange(plan.write), timeout=1.0)
        reply = await line.exchange(made.exchange(plan.read_back), timeout=2.0)
    assert made.decode(plan.read_back, reply.payload)["clock_right"].value is True
    assert abs(one.offset) < timedelta(seconds=5)
