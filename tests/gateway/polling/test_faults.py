"""A fault of our own: it costs the read that brought it to light, and is never passed over in silence."""

import asyncio
import logging
from datetime import timedelta

import pytest

from drivers.api import CommandPlan, Transaction
from gateway import faults
from gateway.polling import poller as polling
from gateway.polling.poller import Poller
from messages.types import Outcome, Quality
from tests.support import place as place_support
from tests.support.gateway import GOOD, START, Bench, device_of, profile_of
from tests.support.place import at_work
from tests.support.waiting import until

place, broker = place_support.place, place_support.broker  # the fixtures
pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def _nothing_told_before(monkeypatch):
    monkeypatch.setattr(faults, "_counts", {})


async def test_a_driver_that_breaks_on_an_answer_costs_that_device_its_value_and_nobody_else(caplog):
    bench = Bench(
        device_of("bad", profile_of({"power": "routine"})),
        device_of("good", profile_of({"power": "routine"})),
    )
    bench.wire.script = lambda request: ZeroDivisionError("odd") if "bad" in str(request) else GOOD
    await bench.run(125)
    assert len(bench.recorder.of("good", "power")) == 13
    assert set(bench.recorder.of("bad", "power")) == {None}
    assert bench.recorder.bad("bad")[0].bad == {"power": Quality.COMM}
    assert bench.counted.results.count("fault") == 13
    told = [record for record in caplog.records if record.name == "gateway.faults"]
    assert [(record.levelno, record.args[1]) for record in told] == [(logging.ERROR, 1), (logging.ERROR, 10)]
    assert all(
        "ZeroDivisionError: odd" in record.getMessage() and "test_faults.py" not in record.message[:80]
        for record in told
    )


async def test_a_line_that_breaks_begins_again_and_its_neighbours_go_on(place, monkeypatch):
    monkeypatch.setattr(polling, "FAULT_S", 0.05)
    broken: list[str] = []
    step = Poller._step

    async def breaks_once(poller: Poller) -> None:
        if not broken and poller.silent == () and poller.wire.stats.replies > 2:
            broken.append(poller.line)
            raise ZeroDivisionError("odd")
        await step(poller)

    monkeypatch.setattr(Poller, "_step", breaks_once)
    async with at_work(place) as made:
        await until(lambda: broken)
        had = {poller.line: poller.wire.stats.replies for poller in made.pollers}
        await until(lambda: all(poller.wire.stats.replies > had[poller.line] + 3 for poller in made.pollers))


async def test_cancelling_passes_through():
    async def waits() -> None:
        with faults.contained("here"):
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_places_that_are_remembered_are_bounded(monkeypatch, caplog):
    monkeypatch.setattr(faults, "MOST_PLACES", 3)
    for number in range(10):
        with faults.contained(f"place {number}\x1b[31m") as found:
            raise ValueError
        assert found.fault
    assert len(faults._counts) <= 3
    assert len(caplog.records) == 10
    assert "\x1b" not in caplog.text


async def test_a_fault_while_a_command_is_given_says_that_it_may_have_been_carried_out():
    bench = Bench(device_of("door", profile_of({"open": "routine"})))
    bench.wire.script = lambda request: ZeroDivisionError("odd") if "write" in request else GOOD
    plan = CommandPlan(Transaction((), None, "write open"), None)
    order = asyncio.ensure_future(bench.poller.command("door", plan, START + timedelta(seconds=30)))
    await bench.run(1)
    run = await order
    assert run.outcome is Outcome.UNVERIFIED
    assert "may have been carried out" in run.detail


async def test_a_line_that_broke_is_known_as_down_keeps_its_commands_and_can_be_stopped(place, monkeypatch):
    monkeypatch.setattr(polling, "FAULT_S", 3600.0)
    step, broken = Poller._step, asyncio.Event()

    async def breaks(poller: Poller) -> None:
        if poller.line == "net" and poller.wire.stats.replies > 2:
            broken.set()
            raise ZeroDivisionError("odd")
        await step(poller)

    monkeypatch.setattr(Poller, "_step", breaks)
    async with at_work(place) as made:
        await broken.wait()
        (net,) = [poller for poller in made.pollers if poller.line == "net"]
        await until(lambda: not net.up)
        assert set(net.silent) == {"m-1", "door", "panel"}
        plan = CommandPlan(Transaction((), None, "write"), None)
        order = asyncio.create_task(net.command("door", plan, START + timedelta(days=10_000)))
        await asyncio.sleep(0)
    assert (await order).outcome is not Outcome.VERIFIED, "the stop has ended it"
