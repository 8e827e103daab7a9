"""A real poller on a real line, with the Modbus driver and what a test says of the far end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Literal

from msgspec.structs import replace

from drivers.lines import Line
from drivers.modbus.driver import ModbusDriver
from drivers.profile import DEFAULT_PERIODS
from gateway.polling.around import Rules, Surroundings, nap
from gateway.polling.edges import load
from gateway.polling.lessons import Lessons
from gateway.polling.polled import Polled, polled
from gateway.polling.poller import Poller
from gateway.site.config import Device
from gateway.site.site_file import DeviceFile
from messages.types import ClockState
from tests.support.gateway import Counted, Remembered
from tests.support.modbus import profile

POINTS = {
    "low": {"table": "holding", "address": 10, "type": "uint16"},
    "high": {"table": "holding", "address": 13, "type": "uint16"},
}


def now() -> datetime:
    return datetime.now(UTC)


def device(name: str, unit: int, lessons: Lessons, poll: Literal["fire", "routine"] = "routine") -> Polled:
    made = profile(POINTS)
    made = replace(made, points={key: replace(point, poll=poll) for key, point in made.points.items()})
    periods = {**DEFAULT_PERIODS, poll: 0.05}
    config = Device(
        name,
        DeviceFile(id=name, profile=made.profile, unit=unit),
        made,
        0.3,
        periods,
        {"framing": "rtu"},
        None,
    )
    driver = ModbusDriver().device(made, unit, config.options)
    return polled(config, driver, load({}, None), Random(unit), lessons)


@asynccontextmanager
async def at_work(line: Line, *devices: Polled) -> AsyncIterator[tuple[Poller, Remembered]]:
    loop = asyncio.get_running_loop()
    recorder = Remembered()
    around = Surroundings(now, lambda: ClockState.SYNCED, loop.time, Random(1), nap)
    poller = Poller("bus", line, devices, recorder, Counted(), around, rules=Rules())
    async with asyncio.TaskGroup() as group:
        group.create_task(poller.run(), name="poller")
        try:
            yield poller, recorder
        finally:
            poller.stop()
