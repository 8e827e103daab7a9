"""What was told before its birth is an alarm without a class; the birth makes of it what it is."""

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select, update

from messages.types import (
    DEVICE_SILENT,
    DeviceEvent,
    DeviceInfo,
    Edge,
    EventInfo,
    Lane,
    ProfileInfo,
    Severity,
)
from server.alarms import actions, store
from server.alarms.explained import explainable
from server.alarms.lifecycle import Move
from server.db.engine import read, write
from server.db.tables_alarms import alarm_journal, alarms, records
from tests.support.ingest import born, up
from tests.support.web import ADDRESS, SITE, House, house_birth, open_house

EVENTS = {
    "smoke": EventInfo(
        label="Smoke", label_zh="烟雾", severity=Severity.CRITICAL, alarm_class="fire", spoken=True
    ),
    "filter": EventInfo(label="Filter", severity=Severity.LOW, alarm_class="hvac"),
    "card": EventInfo(label="Card", severity=Severity.LOW, alarm_class="access", record=True),
}


@pytest.fixture
def house(tmp_path):
    made = open_house(tmp_path)
    yield made
    made.engine.dispose()


def with_it(boot: str = "b1"):
    """The birth that names `new` at last."""
    known = house_birth(boot=boot)
    model = ProfileInfo(vendor="Acme", model="N", device_class="fire", protocol="x", events=EVENTS)
    info = DeviceInfo(id="new", profile="n", line="riser", name="New panel", building="B", floor="2")
    return msgspec.structs.replace(
        known, profiles={**known.profiles, "n": model}, devices=(*known.devices, info)
    )


def rows(house: House, table=alarms):
    with read(house.engine) as conn:
        return list(conn.execute(select(table).order_by(table.c.id)).mappings())


def journal(house: House):
    with read(house.engine) as conn:
        lines = select(alarm_journal.c.action, alarm_journal.c.from_state, alarm_journal.c.to_state)
        return [tuple(line) for line in conn.execute(lines.order_by(alarm_journal.c.seq))]


def ack(house: House):
    with write(house.engine) as conn:
        alarm = store.alarm_by_id(conn, rows(house)[0]["id"])
        actions.act(conn, alarm, Move.ACK, q=alarm["q"], actor="wang", note="", now=house.now)


def test_a_fire_is_a_fire_once_its_gateway_has_said_what_it_is(house):
    house.event("new", "smoke", detail="zone 1")
    ack(house)
    assert [rows(house)[0][name] for name in ("alarm_class", "building")] == ["unknown", ""]
    house.be_born(with_it())
    (row,) = rows(house)
    assert (row["alarm_class"], row["severity"], row["label"], row["label_zh"]) == (
        "fire",
        "critical",
        "Smoke",
        "烟雾",
    )
    assert (row["device_name"], row["building"], row["floor"]) == ("New panel", "B", "2")
    assert (row["latched"], row["by_hand"], row["detail"]) == (True, True, "zone 1")
    assert (row["state"], row["acked_by"]) == ("new", None), "who took it for something lesser looks again"
    assert journal(house)[1:] == [("ack", "new", "acked"), ("explained", "acked", "new")]
    house.be_born(with_it("b2"))
    assert len(journal(house)) == 3, "said once"


def test_what_has_ended_or_is_less_urgent_stays_where_it_stands(house):
    house.event("new", "filter")
    ack(house)
    house.event("new", "smoke")
    house.event("new", "smoke", Edge.CLEARED)
    house.be_born(with_it())
    stand = {row["code"]: (row["state"], row["severity"], row["acked_by"]) for row in rows(house)}
    assert stand == {"filter": ("acked", "low", "wang"), "smoke": ("cleared", "critical", None)}


def test_a_record_is_no_standing_alarm(house):
    house.event("new", "card", Edge.PULSE, detail="card 4711")
    house.be_born(with_it())
    (row,), (kept,) = rows(house), rows(house, records)
    assert (row["state"], journal(house)[-1]) == ("closed", ("recorded", "cleared", "closed"))
    assert (kept["code"], kept["detail"], kept["building"], kept["site"]) == ("card", "card 4711", "B", SITE)


def test_each_time_it_was_told_is_a_record_with_its_own_time_and_words(house):
    began, second = house.now, timedelta(seconds=1)
    house.event("new", "card", Edge.PULSE, at=began - second, detail="card 1", evidence="picture:1")
    house.pass_time(minutes=3)
    house.event("new", "card", Edge.RAISED, detail="card 2")
    house.event("new", "card", Edge.RAISED, seen_at=house.now - 2 * second, detail="card 3", part="r1")
    house.pass_time(minutes=10)
    house.event("new", "card", Edge.PULSE, seen_at=began + 60 * second, detail="card 4")
    house.be_born(with_it())
    told = [
        (row["detail"], row["part"], row["at"], row["seen_at"], row["late"], row["evidence"])
        for row in sorted(rows(house, records), key=lambda row: row["detail"])
    ]
    assert told == [
        ("card 1", "", began - second, began, False, ""),
        ("card 2", "", None, began + 180 * second, False, ""),
        ("card 3", "r1", None, began + 178 * second, False, ""),
        ("card 4", "", None, began + 60 * second, True, ""),
    ]
    assert {row["state"] for row in rows(house)} == {"closed"}


def test_what_came_late_and_only_once_keeps_its_evidence(house):
    house.event("new", "card", seen_at=house.now - timedelta(hours=1), evidence="picture:1")
    house.be_born(with_it())
    (kept,) = rows(house, records)
    assert (kept["evidence"], kept["late"], kept["epoch"], kept["seq"]) == ("picture:1", True, "e1", 1)


def test_a_birth_loads_only_what_it_may_explain(house):
    for code in ("smoke", "no-such-code", DEVICE_SILENT):
        house.event("new", code)
        house.event("stranger", code)
    house.be_born(with_it(), online=False)
    with write(house.engine) as conn:
        house_wide = conn.execute(explainable(SITE)).all()
        assert house_wide == [], "all is explained"
        conn.execute(update(alarms).values(alarm_class="unknown", device_name=""))
        left = conn.execute(explainable(SITE)).mappings().all()
    assert sorted((row["device"], row["code"]) for row in left) == [("new", DEVICE_SILENT), ("new", "smoke")]


def test_the_silence_of_one_that_nobody_knew_is_as_urgent_as_what_it_watches(house):
    house.event("new", DEVICE_SILENT)
    assert rows(house)[0]["severity"] == "low"
    house.be_born(with_it())
    assert [rows(house)[0][name] for name in ("severity", "building")] == ["critical", "B"]


def test_what_no_profile_knows_stays_as_it_is(house):
    house.event("new", "no-such-code")
    house.be_born(with_it())
    assert (rows(house)[0]["alarm_class"], len(journal(house))) == ("unknown", 1)


def test_birth_and_alarm_in_one_group_need_no_correction(house):
    event = DeviceEvent(device="new", code="smoke", edge=Edge.RAISED, seen_at=house.now)
    house.store(up(1, event, lane=Lane.ALARM, address=ADDRESS), born(with_it()))
    assert (rows(house)[0]["alarm_class"], journal(house)) == ("fire", [("raised", "closed", "new")])
