"""Commands go before polls, are written once at most, and are always answered."""

import asyncio
from datetime import timedelta

import pytest

from drivers.errors import (
    DeviceRefused,
    DeviceSilent,
    FrameDamaged,
    LineDown,
)
from messages.types import Outcome
from tests.support.gateway import DOOR, GOOD, START, Answer, Bench, device_of, profile_of


def lost_on_its_way() -> LineDown:
    lost = LineDown("x")
    lost.sent = True
    return lost


async def test_a_command_goes_before_polls_and_is_one_piece():
    busy = [device_of(f"m{n}", profile_of({"power": "alarm"})) for n in range(20)]
    bench = Bench(device_of("door", DOOR), *busy)
    bench.wire.cost = 0.2
    plan = bench.poller.devices[0].driver.command("release", {})
    order = asyncio.ensure_future(bench.poller.command("door", plan, START + timedelta(seconds=30)))
    await asyncio.sleep(0)
    await bench.run(10)
    run = await order
    assert run.outcome is Outcome.VERIFIED
    assert run.read_back == {"open": True}
    requests = [request for _, request in bench.wire.log]
    assert requests[:2] == ["door:write release", "door:open-open"]


@pytest.mark.parametrize(
    ("write", "back", "outcome", "writes"),
    [
        (GOOD, GOOD, Outcome.VERIFIED, 1),
        (GOOD, b"\x00", Outcome.FAILED, 1),
        (GOOD, DeviceSilent("x"), Outcome.UNVERIFIED, 1),
        (DeviceRefused("illegal address", code=2, address=True), GOOD, Outcome.REFUSED, 1),
        (DeviceSilent("x"), GOOD, Outcome.VERIFIED, 1),
        (FrameDamaged("x"), GOOD, Outcome.VERIFIED, 1),
        (FrameDamaged("x"), DeviceSilent("x"), Outcome.FAILED, 1),
        (LineDown("x"), GOOD, Outcome.FAILED, 1),
        (lost_on_its_way(), GOOD, Outcome.UNVERIFIED, 1),
        (GOOD, LineDown("x"), Outcome.UNVERIFIED, 1),
    ],
)
async def test_how_commands_end(write: Answer, back: Answer, outcome: Outcome, writes: int):
    bench = Bench(device_of("door", DOOR))
    bench.wire.script = lambda request: write if "write" in request else back
    plan = bench.poller.devices[0].driver.command("release", {})
    order = asyncio.ensure_future(bench.poller.command("door", plan, START + timedelta(seconds=30)))
    await asyncio.sleep(0)
    await bench.run(1)
    run = await order
    assert run.outcome is outcome
    assert ("may have been carried out" in run.detail) == (
        getattr(write, "sent", False) or "none to" in run.detail
    )
    assert len(bench.wire.times("door:write")) == writes, "a write is never sent twice"


async def test_a_command_that_waited_too_long_expires_unsent():
    bench = Bench(device_of("door", DOOR))
    plan = bench.poller.devices[0].driver.command("release", {})
    order = asyncio.ensure_future(bench.poller.command("door", plan, START - timedelta(seconds=1)))
    await asyncio.sleep(0)
    await bench.run(1)
    assert (await order).outcome is Outcome.EXPIRED
    assert bench.wire.times("door:write") == []


async def test_commands_that_wait_at_the_stop_are_answered():
    bench = Bench(device_of("door", DOOR))
    plan = bench.poller.devices[0].driver.command("release", {})
    order = asyncio.ensure_future(bench.poller.command("door", plan, START + timedelta(seconds=30)))
    await asyncio.sleep(0)
    bench.poller.stop()
    await bench.poller.run()
    assert (await order).outcome is Outcome.FAILED
    assert (await bench.poller.command("door", plan, START)).outcome is Outcome.FAILED
    assert bench.wire.log == []
