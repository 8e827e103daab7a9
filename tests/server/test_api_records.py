"""Records of what is no alarm: as they are asked for, as they arrive on the stream, and how long they are kept."""

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from messages.types import DeviceEvent, Edge, Lane
from server.auth.roles import Role
from server.db.engine import read, write
from server.db.tables_alarms import records
from server.ingest.retention import drop_old_records
from server.views.records import Before, page_of_records
from server.views.wire import iso
from tests.support.ingest import writer
from tests.support.long import amount
from tests.support.records import record_birth
from tests.support.web import Frames, House, open_house


@pytest.fixture
def gate(house):
    house.be_born(record_birth(house.now))
    return house


def happen(house: House, device: str, code: str, **facts) -> None:
    house.event(device, code, Edge.PULSE, **facts)


async def asked(house: House, path: str, **params) -> dict:
    async with house.machine(Role.VIEWER) as client:
        answer = await client.get(f"/api/v1/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_a_record_is_told_whole(gate):
    happened = gate.now - timedelta(seconds=2)
    happen(gate, "door-1", "granted", at=happened, part="reader 2", number="7", detail="card 0012345678")
    (record,) = (await asked(gate, "devices/garden/door-1/records"))["records"]
    now = iso(gate.now)
    assert record == {
        "id": "1",
        "site": "garden",
        "gateway": "gw-a",
        "device": "door-1",
        "device_name": "Gate",
        "building": "A",
        "floor": "G",
        "place": "",
        "code": "granted",
        "class": "access_card",
        "label": "Door opened",
        "label_zh": "刷卡开门",
        "part": "reader 2",
        "number": "7",
        "detail": "card 0012345678",
        "evidence": "",
        "at": iso(happened),
        "seen_at": now,
        "stored_at": now,
        "late": False,
    }


async def test_the_filters_are_the_places_and_kinds_of_things(gate):
    happen(gate, "door-1", "granted")
    happen(gate, "lane-1", "vehicle_in", detail="沪A12345")
    gate.pass_time(hours=1)
    happen(gate, "door-1", "keys")
    codes = {
        "": ["keys", "vehicle_in", "granted"],
        "site=garden": ["keys", "vehicle_in", "granted"],
        "site=other": [],
        "class=vehicle": ["vehicle_in"],
        "device=door-1": ["keys", "granted"],
        "building=B": ["vehicle_in"],
        "code=granted": ["granted"],
        f"from={iso(gate.now)}": ["keys"],
        f"to={iso(gate.now)}": ["vehicle_in", "granted"],
    }
    for text, wanted in codes.items():
        params = dict([text.split("=", 1)]) if text else {}
        found = await asked(gate, "records", **params)
        assert [one["code"] for one in found["records"]] == wanted, text
        assert found["next"] is None
    found = await asked(gate, "devices/garden/door-1/records", code="keys")
    assert [one["code"] for one in found["records"]] == ["keys"]


async def test_what_cannot_be_answered_is_refused_by_name(gate):
    async with gate.machine(Role.VIEWER) as client:
        nobody = await client.get("/api/v1/devices/garden/nobody/records")
        assert (nobody.status_code, nobody.json()["error"]["where"]) == (404, "device")
        for before in ("88", "x-1", "1-", "9" * 20 + "-1", "1-" + "9" * 20, "-1-1"):
            answer = await client.get("/api/v1/records", params={"before": before})
            assert (answer.status_code, answer.json()["error"]["where"]) == (422, "query.before"), before
        assert (await client.get("/api/v1/records", params={"limit": 1001})).status_code == 422
    async with gate.client() as client:
        assert (await client.get("/api/v1/records")).status_code == 401


times = st.lists(st.integers(0, 5), min_size=1, max_size=12)


@settings(max_examples=amount(10, 300))
@given(times, st.integers(1, 5))
def test_pages_hold_each_record_once_newest_first(seconds, limit):
    with tempfile.TemporaryDirectory() as folder:
        house = open_house(Path(folder), born_now=False)
        try:
            house.be_born(record_birth(house.now))
            seen = [house.now - timedelta(seconds=one) for one in seconds]
            items = [
                DeviceEvent(device="door-1", code="granted", edge=Edge.PULSE, seen_at=one) for one in seen
            ]
            house.batch(*items, lane=Lane.ALARM)
            found, before = [], None
            with read(house.engine) as conn:
                for _ in range(len(seconds) + 1):
                    page = page_of_records(conn, {"site": "garden"}, None, None, before, limit)
                    assert len(page["records"]) <= limit
                    found += [(one["seen_at"], int(one["id"])) for one in page["records"]]
                    if page["next"] is None:
                        break
                    before = Before.parse(page["next"])
            everything = [(iso(one), n) for n, one in enumerate(seen, 1)]
            assert found == sorted(everything, reverse=True)
        finally:
            house.engine.dispose()


async def test_the_stream_tells_a_record_once_it_is_stored(gate):
    auth = {"authorization": f"Bearer {gate.token(Role.VIEWER)}"}
    async with gate.serving() as base:
        cursor = (await asked(gate, "alarms"))["cursor"]
        happen(gate, "door-1", "granted")
        path = f"/api/v1/stream?since={cursor}&topics=records"
        async with Frames.open(base, path, auth) as frames:
            told = await frames.until("live")
    [frame] = [one for one in told if one["event"] == "records"]
    assert frame["data"] == (await asked(gate, "records"))["records"]


def kept(house: House) -> list[int]:
    with read(house.engine) as conn:
        return list(conn.execute(select(records.c.id).order_by(records.c.id)).scalars())


def test_old_records_go_and_too_many(gate):
    for n in range(6):
        happen(gate, "door-1", "granted", number=str(n))
        gate.pass_time(days=1)
    with write(gate.engine) as conn:
        assert drop_old_records(conn, None) == 0
        assert drop_old_records(conn, gate.now - timedelta(days=4)) == 2
    assert kept(gate) == [3, 4, 5, 6]
    with write(gate.engine) as conn:
        assert drop_old_records(conn, None, most=3) == 1
    assert kept(gate) == [4, 5, 6]
    happen(gate, "door-1", "granted")
    assert kept(gate) == [4, 5, 6, 7], "a number is never given twice"


def test_the_writer_forgets_only_when_told(gate):
    happen(gate, "door-1", "granted")
    gate.pass_time(days=40)
    writer(gate.engine).tick(gate.now)
    assert kept(gate) == [1]
    writer(gate.engine, records_days=30).tick(gate.now)
    assert kept(gate) == []


@pytest.mark.parametrize("narrow", [{}, {"site": "garden"}, {"site": "garden", "device": "door-1"}])
def test_a_page_reads_an_index_and_sorts_nothing(gate, narrow):
    before = Before(gate.now, 5)
    asked_for: list[str] = []
    with read(gate.engine) as conn:
        page_of_records(_Listening(conn, asked_for), narrow, gate.now, gate.now, before, 10)
        plan = " ".join(str(row) for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + asked_for[0]).all())
    assert "USING INDEX ix_records_" in plan, plan
    assert "B-TREE" not in plan, plan


class _Listening:
    """A connection that tells what it was asked, with its values in place."""

    def __init__(self, conn, heard: list[str]) -> None:
        self._conn, self._heard = conn, heard

    def execute(self, query):
        text = query.compile(self._conn.engine, compile_kwargs={"literal_binds": True})
        self._heard.append(str(text))
        return self._conn.execute(query)
