"""From a line that listens to one that polls and back, in one change each: what stands goes along, nobody is missed."""

import asyncio

import pytest

import gateway.listening.listener
from gateway.silences import Silences, guarding, state_of
from messages.types import ClockState
from tests.support.gateway import SimTime
from tests.support.toylisten import install, line, listening, polled_line
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    install(monkeypatch)
    monkeypatch.setattr(gateway.listening.listener, "LOOK_S", 0.02)


FIRE, DOOR, OTHER_DOOR = line("p1"), line("d1", line_id="door"), line("d1", "d2", line_id="door")
NET = polled_line("p1")


async def test_a_device_is_always_on_one_line_and_its_silence_stands():
    async with listening(DOOR) as heart:
        await heart.change([DOOR], [NET])
        watched = lambda: guarding((*heart.fleet.hears(), *heart.listeners.hears()))  # noqa: E731
        time, told = SimTime(), state_of(["p1"])
        silences = Silences(
            heart.recorder, watched, told, time.clock, lambda: ClockState.SYNCED, time.monotonic, time.nap
        )
        seen: list[int] = []

        async def look_on() -> None:
            while True:
                seen.append([name for name, _ in watched()].count("p1"))
                silences.look()
                await asyncio.sleep(0)

        looker = asyncio.create_task(look_on())
        await until(lambda: bool(seen))
        await heart.change([OTHER_DOOR, FIRE])
        await heart.change([DOOR], [NET])
        looker.cancel()
        await asyncio.wait([looker])
        assert set(seen) == {1}
        assert silences._waiting == []


async def test_what_stands_goes_along_between_listening_and_polling():
    async with listening(FIRE) as heart:
        _, writer = await asyncio.open_connection("127.0.0.1", heart.port)
        writer.write(b"p1 - fire on z\n")
        await until(lambda: bool(heart.recorder.edges))
        writer.close()
        heart.recorder.state.clear()  # the journal's file knows it later
        await heart.change([], [NET])
        (device,) = heart.fleet.devices
        assert device.signals.standing == {"fire|z"}
        await heart.change([FIRE])
        (device,) = heart.listeners.devices
        assert device.signals.standing == {"fire|z"}
        assert heart.orphans._waiting == {}


async def test_births_are_due_before_a_new_line_begins():
    async with listening(FIRE) as heart:
        found = []

        def took() -> None:
            found.append([device.id for device in (*heart.fleet.devices, *heart.listeners.devices)])
            found.append([living.task for living in heart.fleet._lines.values()])
            found.append(sorted(heart.listeners._tasks))

        await heart.change([DOOR], [NET], took)
        assert found == [["p1", "d1"], [None], []]
