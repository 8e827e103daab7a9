"""Offers that are made, withdrawn and made again at once: what the broker keeps in the end is what holds."""

import asyncio
from datetime import timedelta

import pytest

from messages.configs import ConfigOffer, ConfigSaid, ConfigState
from server.auth.roles import Role
from server.configs import ConfigDesk, store
from server.db.engine import read, write
from tests.support.waiting import alongside, until
from tests.support.web import ADDRESS

URL = "/api/v1/gateways/gw-a/config/offers"
ONE = "sha256:" + "1" * 64


def ask(number: int):
    return {"base": ONE, "yaml": "lines: []\n", "reason": "Riser moved", "op_id": f"op-0000{number}"}


@pytest.fixture
def told(house):
    said = ConfigSaid(state=ConfigState.LOCAL, active=ONE, at=house.now, site_yaml="lines: []")
    with write(house.engine) as conn:
        store.hear(conn, ADDRESS, said, house.now)
    return house


class Gate:
    """Holds the next thing that is published until it is let through."""

    def __init__(self, house) -> None:
        self.house, self.held, self.let_through = house, asyncio.Event(), asyncio.Event()
        house.post._publish = self.publish

    async def publish(self, address, offer) -> None:
        if not self.held.is_set():
            self.held.set()
            await self.let_through.wait()
        await self.house._offer(address, offer)


async def made_and_refused(house, wang, number: int) -> str:
    """Make an offer that its gateway refuses at once."""
    made = (await wang.post(URL, json=ask(number))).json()["offer"]["id"]
    said = ConfigSaid(
        state=ConfigState.REFUSED, active=ONE, at=house.now, id=made, why="no", site_yaml="lines: []"
    )
    with write(house.engine) as conn:
        store.hear(conn, ADDRESS, said, house.now)
    return made


def states(house):
    with read(house.engine) as conn:
        return [row["state"] for row in store.history(conn, ADDRESS, 9)]


async def test_what_is_withdrawn_while_it_is_offered_again_is_not_put_back(told):
    desk = ConfigDesk(told.engine, told.hub, lambda: told.now, told.post)
    async with told.person(Role.ENGINEER) as wang, alongside(desk.run()):
        made = (await wang.post(URL, json=ask(1))).json()["offer"]
        gate = Gate(told)
        desk.connected()
        await gate.held.wait()
        gone = asyncio.create_task(wang.delete(f"{URL}/{made['id']}"))
        await until(lambda: states(told) == ["withdrawn"], every=0.005)
        gate.let_through.set()
        assert (await gone).json()["offer"]["state"] == "withdrawn"
    assert told.offered[-1] == (ADDRESS, None)


async def test_a_late_withdrawal_does_not_erase_a_newer_offer(told):
    async with told.person(Role.ENGINEER) as wang:
        made = (await wang.post(URL, json=ask(1))).json()["offer"]
        gate = Gate(told)
        gone = asyncio.create_task(wang.delete(f"{URL}/{made['id']}"))
        await gate.held.wait()
        told.pass_time(seconds=1)
        newer = asyncio.create_task(wang.post(URL, json=ask(2)))
        await until(lambda: states(told) == ["pending", "withdrawn"], every=0.005)
        gate.let_through.set()
        await gone
        second = (await newer).json()["offer"]
    assert second["state"] == "sent"
    assert [offer.id if offer else None for _, offer in told.offered] == [made["id"], None, second["id"]]


async def test_what_was_withdrawn_without_a_broker_is_taken_back_once_there_is_one(told):
    desk = ConfigDesk(told.engine, told.hub, lambda: told.now, told.post)
    async with told.person(Role.ENGINEER) as wang, alongside(desk.run()):
        made = (await wang.post(URL, json=ask(1))).json()["offer"]
        told.broker_gone = True
        assert (await wang.delete(f"{URL}/{made['id']}")).status_code == 503
        told.broker_gone = False
        desk.connected()
        await until(lambda: told.offered[-1] == (ADDRESS, None), every=0.005)


async def test_a_clock_that_was_set_back_keeps_no_withdrawn_offer_at_the_broker(told):
    async with told.person(Role.ENGINEER) as wang:
        await made_and_refused(told, wang, 1)
        told.pass_time(days=-1)
        made = (await wang.post(URL, json=ask(2))).json()["offer"]
        assert (made["state"], states(told)) == ("sent", ["sent", "refused"])
        await wang.delete(f"{URL}/{made['id']}")
    assert told.offered[-1] == (ADDRESS, None)


async def test_however_many_are_newer_by_a_clock_that_was_ahead_the_one_that_waits_is_offered(told):
    desk = ConfigDesk(told.engine, told.hub, lambda: told.now, told.post)
    async with told.person(Role.ENGINEER) as wang, alongside(desk.run()):
        made = (await wang.post(URL, json=ask(0))).json()["offer"]["id"]
        told.offered.clear()
        for number in range(1, 7):
            later = ConfigOffer(
                id=f"f{number}",
                at=told.now + timedelta(days=number),
                by="li",
                base=ONE,
                site_yaml="lines: []",
            )
            with write(told.engine) as conn:
                store.create(conn, ADDRESS, later, "ahead")
                store.move(conn, later.id, "withdrawn", told.now, since=("pending",))
        assert len(states(told)) == 7
        desk.connected()
        await until(lambda: told.offered, every=0.005)
        await wang.delete(f"{URL}/{made}")
    assert [offer.id if offer else None for _, offer in told.offered] == [made, None]


async def test_only_what_a_broker_took_is_called_sent(told):
    async with told.person(Role.ENGINEER) as wang:
        told.post._latest = lambda address: None
        assert (await wang.post(URL, json=ask(1))).json()["offer"]["state"] == "pending"
