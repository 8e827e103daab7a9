"""The alarm desk over HTTP."""

import pytest
from sqlalchemy import func, select

from messages.types import DeviceEvent, Edge, Lane
from server.api.alarms import Detail, History, Snapshot
from server.auth.roles import Role
from server.db.engine import read
from server.db.tables_alarms import alarm_journal
from server.db.tables_auth import audit

ALARMS = "/api/v1/alarms"


def act(alarm, op="op-00001", **changes):
    return {"op_id": op, "q": alarm["q"], "note": "on my way"} | changes


async def first(client):
    return (await client.get(ALARMS, params={"open": "1"})).json()["alarms"][0]


async def test_the_snapshot_is_what_the_contract_says(house):
    house.event("fire-1", "zone3")
    async with house.person(Role.VIEWER) as client:
        answer = await client.get(ALARMS, params={"open": "1"})
        assert answer.headers["cache-control"] == "no-store"
        Snapshot.model_validate(answer.json())
        (alarm,) = answer.json()["alarms"]
        assert (alarm["class"], alarm["condition"], alarm["acked"], alarm["state"]) == (
            "fire",
            "active",
            False,
            "new",
        )
        assert alarm["key"] == "garden|fire-1|zone3"
        detail = (await client.get(f"{ALARMS}/{alarm['id']}")).json()
        Detail.model_validate(detail)
        assert [line["action"] for line in detail["journal"]] == ["raised"]
        assert (await client.get(f"{ALARMS}/999")).status_code == 404


async def test_a_guard_takes_it_by_name_and_a_viewer_may_not(house):
    house.event("door-1", "forced")
    async with house.person(Role.VIEWER) as viewer:
        alarm = await first(viewer)
        assert (await viewer.post(f"{ALARMS}/{alarm['id']}/ack", json=act(alarm))).status_code == 403
    async with house.person(Role.GUARD, "wang") as guard:
        answer = await guard.post(f"{ALARMS}/{alarm['id']}/ack", json=act(alarm))
        assert (answer.json()["alarm"]["acked_by"], answer.json()["alarm"]["state"]) == ("wang", "acked")
    house.event("door-1", "forced", Edge.CLEARED)
    async with house.machine(Role.VIEWER) as client:
        found = (await client.get(ALARMS)).json()
    assert found["alarms"] == []
    assert found["last_closed_at"] is not None


async def test_the_same_press_of_a_button_is_one_press(house):
    house.event("door-1", "forced")
    async with house.person(Role.GUARD) as guard:
        alarm = await first(guard)
        url = f"{ALARMS}/{alarm['id']}/ack"
        one = await guard.post(url, json=act(alarm))
        again = await guard.post(url, json=act(alarm))
        assert (again.status_code, again.content) == (200, one.content)
        other = await guard.post(url, json=act(alarm, note="something else"))
        assert (other.status_code, other.json()["error"]["code"]) == (422, "op_id_used")
    with read(house.engine) as conn:
        assert conn.execute(select(func.count()).select_from(alarm_journal)).scalar_one() == 2


async def test_somebody_was_faster(house):
    house.event("door-1", "forced")
    async with house.person(Role.GUARD, "wang") as one, house.person(Role.GUARD, "li") as other:
        alarm = await first(one)
        await one.post(f"{ALARMS}/{alarm['id']}/ack", json=act(alarm))
        answer = await other.post(f"{ALARMS}/{alarm['id']}/ack", json=act(alarm))
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "stale"
    assert answer.json()["alarm"]["acked_by"] == "wang"


async def test_closing_what_may_not_be_closed_says_what_to_do(house):
    house.event("fire-1", "zone3")
    async with house.person(Role.GUARD) as guard:
        alarm = await first(guard)
        answer = await guard.post(f"{ALARMS}/{alarm['id']}/close", json=act(alarm))
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_allowed")
        await guard.post(f"{ALARMS}/{alarm['id']}/ack", json=act(alarm, "op-00002"))
        house.event("fire-1", "zone3", Edge.CLEARED)
        alarm = await first(guard)
        assert alarm["state"] == "latched"
        answer = await guard.post(f"{ALARMS}/{alarm['id']}/close", json=act(alarm, "op-00003"))
        assert answer.json()["alarm"]["state"] == "closed"


async def test_in_bulk_neither_critical_nor_fire(house):
    for device, code in (("fire-1", "zone3"), ("door-1", "forced"), ("m-1", "overload"), ("fire-1", "odd")):
        house.event(device, code)
    async with house.person(Role.GUARD) as guard:
        ids = [alarm["id"] for alarm in (await guard.get(ALARMS)).json()["alarms"]]
        body = {"op_id": "op-00001", "ids": [*ids, "999"], "note": "drill"}
        found = (await guard.post(f"{ALARMS}/ack", json=body)).json()
        assert found == (await guard.post(f"{ALARMS}/ack", json=body)).json()
        states = {alarm["code"]: alarm["state"] for alarm in (await guard.get(ALARMS)).json()["alarms"]}
    assert states == {"zone3": "new", "forced": "acked", "overload": "acked", "odd": "acked"}
    assert len(found["done"]) == 3
    assert {(one["code"], one["why"]) for one in found["refused"]} == {
        ("critical", "critical alarms are acknowledged one by one"),
        ("not_found", "there is no such alarm"),
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"op_id": "short", "q": 1},
        {"op_id": "op-00001", "q": "1"},
        {"op_id": "op-00001", "q": -1},
        {"op_id": "op-00001", "q": 1, "note": "x" * 1001},
        {"op_id": "op-00001", "q": 1, "more": 1},
        {"op_id": "op-00001", "q": 2**70},
        [],
        "text",
    ],
)
async def test_a_body_that_is_not_one(house, body):
    house.event("door-1", "forced")
    async with house.person(Role.GUARD) as guard:
        answer = await guard.post(f"{ALARMS}/1/ack", json=body)
        assert answer.status_code == 422
        assert answer.json()["error"]["where"].startswith("body")
        broken = await guard.post(
            f"{ALARMS}/1/ack", content=b"{", headers={"content-type": "application/json"}
        )
        assert broken.status_code == 422


@pytest.mark.parametrize(
    "ids", [[], ["x"], ["0"], ["-1"], ["1"] * 501, [1], ["9" * 40], ["1" * 20], ["1" * 5000]]
)
async def test_ids_that_are_none(house, ids):
    async with house.person(Role.GUARD) as guard:
        answer = await guard.post(f"{ALARMS}/ack", json={"op_id": "op-00001", "ids": ids})
    assert answer.status_code == 422


async def test_history_by_pages(house):
    for number in range(5):
        house.event("m-1", f"code-{number}")
        house.pass_time(minutes=1)
    async with house.machine(Role.VIEWER) as client:
        seen, before = [], None
        while True:
            query = {"limit": 2} | ({"before": before} if before else {})
            page = (await client.get(f"{ALARMS}/history", params=query)).json()
            History.model_validate(page)
            seen += [alarm["code"] for alarm in page["alarms"]]
            before = page["next"]
            if before is None:
                break
        assert seen == [f"code-{number}" for number in (4, 3, 2, 1, 0)]
        since = page["alarms"][0]["raised_at"]
        got = (await client.get(f"{ALARMS}/history", params={"to": since})).json()["alarms"]
        assert got == []
        for query in ({"from": "yesterday"}, {"from": "2026-01-01T00:00:00"}, {"limit": 0}, {"before": "x"}):
            assert (await client.get(f"{ALARMS}/history", params=query)).status_code == 422


async def test_who_acknowledged_is_in_the_audit_log(house):
    house.event("door-1", "forced")
    async with house.person(Role.GUARD, "wang") as guard:
        alarm = await first(guard)
        await guard.post(f"{ALARMS}/{alarm['id']}/ack", json=act(alarm))
    with read(house.engine) as conn:
        row = conn.execute(select(audit).where(audit.c.action == "alarm-ack")).one()
    assert (row.actor, row.address, row.detail) == ("wang", "192.0.2.7", "on my way")


async def test_many_open_alarms_come_zipped(house):
    events = (
        DeviceEvent(device="m-1", code=f"code-{number}", edge=Edge.RAISED, seen_at=house.now)
        for number in range(500)
    )
    house.batch(*events, lane=Lane.ALARM)
    async with house.machine(Role.VIEWER) as client:
        answer = await client.get(ALARMS)
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.json()["alarms"]) == 500
