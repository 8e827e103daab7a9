"""Commands: recorded, sent once, answered or honestly unknown; never to fire equipment."""

from datetime import timedelta

import pytest
from msgspec import structs
from sqlalchemy import select

from messages.codec import encode
from messages.types import CommandResult, GatewayState, Lane, Outcome
from server.api.app import sweep
from server.api.orders import CommandAnswer
from server.auth.roles import Role
from server.commands import ANSWER_GRACE
from server.db.engine import read
from server.db.tables_auth import audit
from server.db.tables_commands import commands
from server.ingest.writer import Incoming
from server.views.wire import iso
from tests.support.web import ADDRESS, house_birth, open_house

URL = "/api/v1/commands"


def order(**changes):
    return {
        "site": "garden",
        "device": "door-1",
        "action": "release",
        "args": {},
        "reason": "a visitor",
        "op_id": "op-00001",
    } | changes


def answer_of(house, command_id, outcome=Outcome.VERIFIED, device="door-1", **facts):
    result = CommandResult(id=command_id, device=device, outcome=outcome, at=house.now, **facts)
    house.batch(result, lane=Lane.ALARM)


async def state_of(client, command_id):
    found = (await client.get(f"{URL}/{command_id}")).json()
    CommandAnswer.model_validate(found)
    return found["command"]["state"]


async def test_a_guard_releases_a_door_and_sees_it_verified(house):
    async with house.person(Role.GUARD, "wang") as guard:
        made = (await guard.post(URL, json=order())).json()["command"]
        ((address, command),) = house.sent
        assert made["state"] == "sent"
        assert address == ADDRESS
        assert (command.id, command.device, command.action, command.by) == (
            made["id"],
            "door-1",
            "release",
            "wang",
        )
        assert command.until == house.now + timedelta(seconds=15)
        answer_of(house, made["id"], read_back={"open": True})
        found = (await guard.get(f"{URL}/{made['id']}")).json()["command"]
    assert (found["state"], found["read_back"]) == ("done-verified", {"open": True})
    with read(house.engine) as conn:
        assert conn.execute(select(audit.c.actor).where(audit.c.action == "command")).scalar_one() == "wang"


async def test_the_same_press_of_a_button_opens_the_door_once(house):
    async with house.person(Role.GUARD) as guard:
        one = (await guard.post(URL, json=order())).json()["command"]
        again = (await guard.post(URL, json=order())).json()["command"]
        assert one["id"] == again["id"]
        assert len(house.sent) == 1
        assert (await guard.post(URL, json=order(reason="another one"))).status_code == 422
        other = (await guard.post(URL, json=order(op_id="op-00002"))).json()["command"]
        assert other["id"] != one["id"]
        assert len(house.sent) == 2


@pytest.mark.parametrize(
    ("role", "changes", "status", "code"),
    [
        (Role.ADMIN, {"device": "fire-1", "action": "silence"}, 409, "fire_device"),
        (Role.ADMIN, {"device": "fire-1", "action": "release"}, 409, "fire_device"),
        (Role.ADMIN, {"device": "nobody"}, 404, "no_such_device"),
        (Role.ADMIN, {"site": "elsewhere"}, 404, "no_such_device"),
        (Role.ADMIN, {"action": "explode"}, 404, "no_such_action"),
        (Role.GUARD, {"action": "reboot"}, 403, "forbidden"),
        (Role.ENGINEER, {"action": "reboot"}, 200, ""),
        (Role.GUARD, {"reason": "访客"}, 200, ""),
        (Role.VIEWER, {}, 403, "forbidden"),
        (Role.BILLER, {}, 403, "forbidden"),
        (Role.ADMIN, {"reason": ""}, 422, "invalid"),
        (Role.ADMIN, {"reason": "x  "}, 422, "invalid"),
        (Role.ADMIN, {"args": {"seconds": 5}}, 422, "invalid"),
        (Role.ADMIN, {"device": "door-1/#"}, 422, "invalid"),
    ],
)
async def test_who_may_order_what(house, role, changes, status, code):
    async with house.person(role) as client:
        answer = await client.post(URL, json=order(**changes))
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] == code
    assert len(house.sent) == (status == 200)


async def test_a_fire_panel_shows_no_actions(house):
    async with house.machine(Role.ADMIN) as client:
        devices = (await client.get("/api/v1/devices")).json()["devices"]
    actions = {device["id"]: [action["id"] for action in device["actions"]] for device in devices}
    assert actions == {"door-1": ["reboot", "release"], "fire-1": [], "lift-1": [], "m-1": []} or actions == {
        "door-1": ["release", "reboot"],
        "fire-1": [],
        "lift-1": [],
        "m-1": [],
    }


async def test_nothing_is_sent_to_a_gateway_that_is_not_there(tmp_path):
    house = open_house(tmp_path, born_now=False)
    house.be_born(online=False)
    try:
        async with house.person(Role.GUARD) as guard:
            answer = await guard.post(URL, json=order())
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "gateway_offline")
            assert house.sent == []
            state = GatewayState(online=True, boot="b1", at=house.now, epoch="e1")
            house.store(Incoming(ADDRESS.state, encode(state)))
            assert (await guard.post(URL, json=order())).status_code == 200, "a refusal is not remembered"
    finally:
        house.engine.dispose()


async def test_what_no_broker_took_has_failed(house):
    house.broker_gone = True
    async with house.person(Role.GUARD) as guard:
        made = (await guard.post(URL, json=order())).json()["command"]
    assert (made["state"], made["detail"]) == ("failed", "not sent: nobody there")


async def test_what_takes_its_time_is_waited_for(house):
    told = house_birth()
    door = told.profiles["door"]
    slow = structs.replace(door.actions["release"], within_s=45)
    actions = {**door.actions, "release": slow, "reboot": structs.replace(slow, within_s=2**60)}
    profiles = {**told.profiles, "door": structs.replace(door, actions=actions)}
    house.be_born(structs.replace(told, boot="b2", profiles=profiles))
    async with house.person(Role.ENGINEER) as engineer:
        made = (await engineer.post(URL, json=order())).json()["command"]
        assert (made["until"], made["answer_by"]) == (
            iso(house.now + timedelta(seconds=15)),
            iso(house.now + timedelta(seconds=60)),
        )
        house.pass_time(seconds=59)
        house.now += ANSWER_GRACE
        assert sweep(house.services, thorough=False) == 0
        assert await state_of(engineer, made["id"]) == "sent", "the valve may be on its way"
        house.pass_time(seconds=1)
        assert sweep(house.services, thorough=False) == 1
        assert await state_of(engineer, made["id"]) == "expired-unknown"
        hostile = order(action="reboot", op_id="op-00002")
        made = (await engineer.post(URL, json=hostile)).json()["command"]
        assert made["answer_by"] <= iso(house.now + timedelta(minutes=11)), (
            "no gateway keeps one open for ever"
        )


async def test_what_nobody_answers_is_unknown_and_a_late_answer_still_counts(house):
    async with house.person(Role.GUARD) as guard:
        made = (await guard.post(URL, json=order())).json()["command"]
        house.pass_time(seconds=15)
        sweep(house.services, thorough=True)
        assert await state_of(guard, made["id"]) == "sent", "its answer may be on the way"
        house.now += ANSWER_GRACE
        assert sweep(house.services, thorough=False) == 1
        assert await state_of(guard, made["id"]) == "expired-unknown"
        answer_of(house, made["id"], Outcome.EXPIRED)
        assert await state_of(guard, made["id"]) == "expired"
        answer_of(house, made["id"], Outcome.VERIFIED)
        assert await state_of(guard, made["id"]) == "expired", "the first answer stands"


async def test_an_answer_from_somebody_else_changes_nothing(house):
    async with house.person(Role.GUARD) as guard:
        made = (await guard.post(URL, json=order())).json()["command"]
        answer_of(house, made["id"], device="m-1")
        answer_of(house, "c-unknown")
        assert await state_of(guard, made["id"]) == "sent"
        assert (await guard.get(f"{URL}/c-unknown")).status_code == 404
    with read(house.engine) as conn:
        assert len(conn.execute(select(commands)).all()) == 1
