"""Late answers of a reader on a real line, in virtual time: none is lost, none counts twice, none costs another."""

import asyncio
import random

import pytest

from drivers.errors import DeviceSilent
from drivers.osdp.driver import OsdpDriver
from drivers.osdp.talk import USUAL_REPLY
from simulators.osdp_reader import Reader
from tests.support.osdp import KEY, PROFILE
from tests.support.virtual import ScriptedWire, in_no_time, line_over

CARD = bytes.fromhex("12345640")
QUICK = 0.005
TIMEOUT = 0.05


class Door:
    """A reader behind a wire, answering after as many seconds as are set."""

    def __init__(self, line, reader, device):
        self.line, self.reader, self.device = line, reader, device

    async def poll(self):
        """Do as the poller does: build the exchange first, then wait for the line."""
        transaction = self.device.plan(["online"])[0]
        reply = await self.line.exchange(self.device.exchange(transaction), timeout=TIMEOUT)
        assert self.device.decode(transaction, reply.payload)["online"].value is True
        return [made.code for made in self.device.happenings(transaction, reply.payload)]


@pytest.fixture(params=[None, KEY], ids=["in clear", "in a secure channel"])
def secured(request, monkeypatch):
    if request.param is None:
        return {}, {}
    monkeypatch.setenv("OSDP_TEST_KEY", request.param.hex())
    return {"key_env": "OSDP_TEST_KEY"}, {"key": request.param}


def at_the_door(secured, work, lateness):
    """Run a talk in which the answer to a card's poll is late by so many seconds each time, then quick."""
    options, keys = secured
    delays = []

    async def run():
        dice, loop = random.Random(1), asyncio.get_running_loop()
        reader = Reader(0, dice.randbytes, **keys)

        def answers(request, now):
            return [(delays.pop(0) if delays else QUICK, reader.receive(request, int(now * 1000)))]

        device = OsdpDriver(dice.randbytes, loop.time).device(PROFILE, 0, options)
        async with line_over(ScriptedWire(answers)) as line:
            door = Door(line, reader, device)
            assert await door.poll() == []
            reader.card(26, CARD)
            delays.extend(lateness)
            await work(door)

    in_no_time(run())


@pytest.mark.parametrize("lateness", [TIMEOUT + 0.02, 2 * TIMEOUT])
def test_one_late_answer_is_one_silence(secured, lateness):
    async def work(door):
        with pytest.raises(DeviceSilent):
            await door.poll()
        assert await door.poll() == ["card"]
        assert door.line.stats.late_replies == 1
        assert door.line.stats.timeouts == 1
        assert [await door.poll() for _ in range(4)] == [[]] * 4
        assert door.device._session.knocks == 0

    at_the_door(secured, work, [lateness])


def test_a_reader_that_has_become_slow_is_followed(secured):
    async def work(door):
        found = []
        for _ in range(6):
            try:
                found += await door.poll()
            except DeviceSilent:
                found.append("silent")
        assert found == ["silent", "card"]

    at_the_door(secured, work, [TIMEOUT + 0.02] * 3)


def at_once(secured, after=b""):
    """Run a talk with a long answer, behind which come bytes that are no part of it; return what silence follows."""
    options, keys = secured

    async def run():
        dice, loop = random.Random(1), asyncio.get_running_loop()
        reader = Reader(0, dice.randbytes, **keys)

        def answers(request, now):
            said = reader.receive(request, int(now * 1000))
            return [(QUICK, b"\xff" + said + (after if len(said) > USUAL_REPLY else b""))]

        device = OsdpDriver(dice.randbytes, loop.time).device(PROFILE, 0, options)
        async with line_over(ScriptedWire(answers)) as line:
            door = Door(line, reader, device)
            assert await door.poll() == []
            reader.formatted(b"7" * 100)
            assert await door.poll() == ["card"]
            return line._unease.silence(0.0)

    return in_no_time(run())


def test_a_long_answer_is_no_stray_frame(secured):
    assert at_once(secured) == 0


def test_bytes_behind_an_answer_are(secured):
    assert at_once(secured, after=b"\x55" * 8) > 0
