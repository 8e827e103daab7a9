"""Alarms of devices that are gone end once, however long the disk takes nothing, and not behind a device's back."""

import asyncio

import gateway.polling.orphans
from gateway.polling.orphans import Orphans, raised_in
from messages.types import ClockState, Edge
from tests.support.gateway import START
from tests.support.waiting import alongside, until


class Journal:
    """Takes events when it is let, and remembers them."""

    def __init__(self) -> None:
        self.takes = asyncio.Event()
        self.kept = True
        self.asked = asyncio.Event()
        self.tries = 0
        self.ended: list[tuple[str, str, Edge]] = []
        self.state: dict[str, bytes] = {}

    async def events(self, events, state) -> bool:
        self.asked.set()
        self.tries += 1
        await self.takes.wait()
        if self.kept:
            self.ended += [(event.device, event.code, event.edge) for event in events]
            self.state |= state
        return self.kept


def made(journal: Journal) -> Orphans:
    return Orphans(journal, lambda: START, lambda: ClockState.SYNCED)


async def test_they_end_once_with_their_state_after_any_number_of_tries(monkeypatch):
    monkeypatch.setattr(gateway.polling.orphans, "RETRY_S", 0.001)
    journal = Journal()
    orphans = made(journal)
    async with alongside(orphans.run()):
        journal.takes.set()
        journal.kept = False
        orphans.add("m", {"b", "a"})
        await until(lambda: journal.tries > 3, every=0.001)
        assert journal.ended == []
        journal.kept = True
        await until(lambda: journal.ended, every=0.001)
        ended = [("m", "a", Edge.CLEARED), ("m", "b", Edge.CLEARED)]
        assert journal.ended == ended
        assert journal.state == {"edges/m": b"[]", "signals/m": b"{}"}
        orphans.add("n", {"c"})
        await until(lambda: len(journal.ended) > 2, every=0.001)
        assert journal.ended == [*ended, ("n", "c", Edge.CLEARED)], "nothing comes again"


async def test_a_device_that_comes_back_waits_for_the_end_that_is_on_its_way():
    journal = Journal()
    orphans = made(journal)
    async with alongside(orphans.run()):
        orphans.add("m", {"a"})
        await journal.asked.wait()
        back = asyncio.create_task(orphans.wanted_again({"m"}))
        await asyncio.sleep(0)
        assert not back.done()
        journal.takes.set()
        await back
        assert "m" in orphans.settled, (
            "it begins with nothing raised, whatever the file says until the commit"
        )


async def test_a_device_that_comes_back_sooner_keeps_its_alarms():
    journal = Journal()
    orphans = made(journal)
    orphans.add("m", {"a"})
    await orphans.wanted_again({"m"})
    journal.takes.set()
    async with alongside(orphans.run()):
        orphans.add("n", {"c"})
        await until(lambda: journal.ended, every=0.001)
    assert journal.ended == [("n", "c", Edge.CLEARED)]
    assert "m" not in orphans.settled


def test_a_state_that_cannot_be_read_names_nothing():
    assert raised_in(b'["a", "b"]') == {"a", "b"}
    assert raised_in(b"{") == raised_in(None) == set()
