"""Offers that are made, withdrawn and made again at once: what the broker keeps in the end is what holds."""

import asyncio

import pytest

from messages.configs import ConfigSaid, ConfigState
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
