"""A water meter's valve on a real line: it moves slowly, its meter is polled meanwhile, and the command is done."""

import itertools
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random

from drivers.cjt188.driver import Cjt188Driver
from drivers.lines import TcpSettings
from drivers.profile import DEFAULT_PERIODS
from drivers.profiles_store import load_library
from gateway.polling.edges import load
from gateway.polling.lessons import Lessons
from gateway.polling.orders import patient
from gateway.polling.polled import Polled, polled
from gateway.site.config import Device
from gateway.site.site_file import DeviceFile
from messages.types import Outcome
from simulators.cjt188 import CLOSED, SimBus, SimMeter
from simulators.field_wire import FieldTcp
from tests.support.gateway import START
from tests.support.polling import at_work, now
from tests.support.wire import line_to

ADDRESS = "00201707010069"
PROFILE = load_library()["cjt188-water-meter-valve"]


def meter() -> Polled:
    config = Device(
        "w-1",
        DeviceFile(id="w-1", profile=PROFILE.profile, unit=1),
        PROFILE,
        1.0,
        {**DEFAULT_PERIODS, "billing": 0.05},
        {"address": ADDRESS},
        None,
    )
    driver = Cjt188Driver().device(PROFILE, None, config.options)
    return polled(config, driver, load(PROFILE.events, None), Random(1), Lessons(now))


async def test_a_valve_that_moves_slowly_is_seen_to_have_closed_and_its_meter_is_read_meanwhile():
    reads = itertools.count()
    # The meter's clock goes on when it is read: without polls between the looks the valve would never arrive.
    slow = SimMeter(
        ADDRESS,
        lambda: START + timedelta(seconds=next(reads)),
        valve_takes=timedelta(seconds=12),
        total=Decimal("12.34"),
    )
    async with FieldTcp(SimBus([slow])) as server, line_to(TcpSettings("127.0.0.1", server.port)) as line:
        device = meter()
        async with at_work(line, device) as (poller, _):
            plan = device.driver.command("close_valve", {})
            as_shipped = patient(plan, PROFILE.actions["close_valve"].read_back)
            assert (as_shipped.after, as_shipped.within) == (5.0, 45.0)
            hasty = replace(as_shipped, after=0.05, within=5.0)  # the same, for a hasty test
            run = await poller.command("w-1", hasty, now() + timedelta(seconds=15))
        assert (run.outcome, run.detail, run.read_back) == (Outcome.VERIFIED, "", {"valve": CLOSED})
        assert slow.orders == [0x99]
