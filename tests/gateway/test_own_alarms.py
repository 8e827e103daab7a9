import asyncio
from collections.abc import Mapping, Sequence

import pytest

import gateway.own_alarms
from gateway.delivery.journal import Trouble
from gateway.own_alarms import OwnAlarms
from messages.types import ClockState, DeviceEvent, Edge
from tests.support.gateway import START
from tests.support.waiting import alongside


class Kept:
    """A recorder that remembers, and wakes the test at each write."""

    def __init__(self) -> None:
        self.events_: list[DeviceEvent] = []
        self.state: dict[str, bytes] = {}
        self.takes = True
        self.tried = asyncio.Event()

    async def events(self, events: Sequence[DeviceEvent], state: Mapping[str, bytes]) -> bool:
        if self.takes:
            self.events_ += events
            self.state.update(state)
        self.tried.set()
        return self.takes

    def said(self) -> list[tuple[str, Edge]]:
        return [(event.code, event.edge) for event in self.events_]


class World:
    def __init__(self, kept: Kept) -> None:
        self.down, self.clock = False, ClockState.SYNCED
        self.kept = kept
        self.own = OwnAlarms("gw", kept, kept.state.get, lambda: self.down, lambda: START, lambda: self.clock)

    async def look(self, times: int = 1) -> None:
        """Run until it has looked; a `Trouble` wakes it without waiting."""
        async with alongside(self.own.run()):
            for _ in range(10 * times):
                await asyncio.sleep(0)


async def test_a_clock_that_is_not_set_is_an_alarm_and_ends():
    world = World(Kept())
    await world.look()
    assert world.kept.said() == []
    world.clock = ClockState.UNSET
    await world.look()
    await world.look()
    world.clock = ClockState.HOLDOVER
    await world.look()
    assert world.kept.said() == [("clock", Edge.RAISED), ("clock", Edge.CLEARED)]
    assert {event.device for event in world.kept.events_} == {"gw"}


async def test_a_disk_that_takes_nothing_is_an_alarm_though_it_is_kept_late():
    world = World(Kept())
    world.down, world.kept.takes = True, False
    await world.look()
    world.kept.takes = True
    await world.look()
    world.down = False
    await world.look()
    assert world.kept.said() == [("journal_trouble", Edge.RAISED), ("journal_trouble", Edge.CLEARED)]


@pytest.mark.parametrize("code", ["journal_full", "journal_corrupt"])
async def test_what_has_no_end_is_a_pulse_and_is_said_once(code: str):
    world = World(Kept())
    world.kept.takes = False
    world.own.trouble(Trouble(code, "what happened"))
    await world.look()
    world.kept.takes = True
    await world.look()
    await world.look()
    assert world.kept.said() == [("journal_trouble", Edge.PULSE)]
    assert world.kept.events_[0].detail == f"{code}: what happened"


async def test_the_journals_word_wakes_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gateway.own_alarms, "LOOK_S", 3600)
    world = World(Kept())
    async with alongside(world.own.run()), asyncio.timeout(5):
        await asyncio.sleep(0)
        world.down = True
        world.own.trouble(Trouble("journal_down", "x"))
        await world.kept.tried.wait()
    assert world.kept.said() == [("journal_trouble", Edge.RAISED)]


async def test_a_flood_of_troubles_is_bounded():
    world = World(Kept())
    for _ in range(1000):
        world.own.trouble(Trouble("journal_full", "x"))
    await world.look()
    assert len(world.kept.events_) == gateway.own_alarms.MAX_TROUBLES


async def test_something_told_while_an_alarm_goes_to_the_disk_takes_nothing_back():
    class Slow(Kept):
        """The first event waits on the disk until the second has come."""

        def __init__(self) -> None:
            super().__init__()
            self.go = asyncio.Event()

        async def events(self, events, state) -> bool:
            if not self.go.is_set():
                self.tried.set()
                await self.go.wait()
            return await super().events(events, state)

    kept = Slow()
    world = World(kept)
    world.clock = ClockState.UNSET
    async with asyncio.TaskGroup() as group:
        run = group.create_task(world.own.run())
        await kept.tried.wait()
        pulse = group.create_task(world.own.tell("config_rolled_back", "it did not answer"))
        await asyncio.sleep(0)
        kept.go.set()
        assert await pulse
        run.cancel()
    assert kept.said() == [("clock", Edge.RAISED), ("config_rolled_back", Edge.PULSE)]
    assert OwnAlarms(
        "gw", kept, kept.state.get, lambda: False, lambda: START, lambda: ClockState.SYNCED
    ).edges.raised == {"clock"}
