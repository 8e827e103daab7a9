"""A fault of our own: it costs the read that brought it to light, and is never passed over in silence."""

import asyncio
import logging

import pytest

from gateway import faults
from gateway.polling import fleet
from gateway.polling.poller import Poller
from messages.types import Quality
from tests.support import place as place_support
from tests.support.gateway import GOOD, Bench, device_of, profile_of
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
    assert all(record.exc_info for record in told)


async def test_a_line_that_breaks_begins_again_and_its_neighbours_go_on(place, monkeypatch):
    monkeypatch.setattr(fleet, "FAULT_S", 0.05)
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
