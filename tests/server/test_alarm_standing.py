"""A server that lost the beginning of an alarm hears of it from the heartbeats; nothing is raised that was not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from messages.codec import encode
from messages.types import DeviceEvent, Edge, GatewayState, Lane, LaneState
from server.db.engine import read, write
from server.db.tables_alarms import alarm_journal, alarm_keys, alarms
from server.ingest.judge import Incoming
from tests.support.ingest import up
from tests.support.long import amount
from tests.support.web import ADDRESS, House, open_house

FIRE = {"fire-1": ("zone3",)}


@pytest.fixture
def house(tmp_path):
    made = open_house(tmp_path)
    yield made
    made.engine.dispose()


def beat(house: House, raised=FIRE, *, first=1, next_=1, retained=False, boot="b1", after=10.0):
    house.pass_time(seconds=after)
    lanes = {"alarm": LaneState(first=first, next=next_)}
    state = GatewayState(online=True, boot=boot, epoch="e1", lanes=lanes, raised=raised)
    house.store(Incoming(ADDRESS.state, encode(state), retained))


def event(house: House, edge=Edge.RAISED):
    return DeviceEvent(device="fire-1", code="zone3", edge=edge, seen_at=house.now)


def found(house: House):
    with read(house.engine) as conn:
        return [tuple(row) for row in conn.execute(select(alarms.c["device", "code", "state", "count"]))]


def test_a_fire_that_a_lost_database_had_is_a_fire_again(house):
    house.store(up(1, event(house), lane=Lane.ALARM, address=ADDRESS))
    with write(house.engine) as conn:
        for table in (alarm_journal, alarms, alarm_keys):
            conn.execute(delete(table))
    beat(house, first=2, next_=2)
    assert found(house) == [], "one heartbeat proves nothing"
    beat(house, first=2, next_=2)
    assert found(house) == [("fire-1", "zone3", "new", 1)]
    for _ in range(4):
        beat(house, first=2, next_=2)
    assert found(house) == [("fire-1", "zone3", "new", 1)], "once"
    house.store(up(2, event(house, Edge.CLEARED), lane=Lane.ALARM, address=ADDRESS))
    assert found(house) == [("fire-1", "zone3", "cleared", 1)], "its real end ends it"


def test_an_end_that_a_restored_backup_has_does_not_hide_a_later_fire(house):
    house.store(up(1, event(house), lane=Lane.ALARM, address=ADDRESS))
    house.store(up(2, event(house, Edge.CLEARED), lane=Lane.ALARM, address=ADDRESS))
    for _ in range(2):
        beat(house, first=4, next_=4)  # number 3 raised it again, and was stored after the backup was made
    assert found(house) == [("fire-1", "zone3", "new", 2)]


def test_what_is_on_its_way_is_not_lost(house):
    for _ in range(5):
        beat(house, first=1, next_=2)
    assert found(house) == []
    house.store(up(1, event(house), lane=Lane.ALARM, address=ADDRESS))
    for _ in range(5):
        beat(house, first=2, next_=2)
    assert found(house) == [("fire-1", "zone3", "new", 1)]


@pytest.mark.parametrize(
    "second",
    [
        {"next_": 2, "first": 2},
        {"boot": "b2"},
        {"raised": {}},
        {"after": 1.0},
        {"retained": True},
        {"after": -60.0},
    ],
)
def test_two_heartbeats_prove_nothing_if_anything_moved_between_them(house, second):
    beat(house)
    beat(house, **second)
    assert found(house) == []


def test_a_heartbeat_of_another_gateways_device_or_of_none_is_no_flood(house):
    raised = {f"x-{n}": ("made-up",) for n in range(100)}
    for _ in range(6):
        beat(house, raised)
    assert len(found(house)) == 100
    assert {row[3] for row in found(house)} == {1}


@settings(max_examples=amount(25, 500))
@given(st.lists(st.sampled_from(["raise", "clear", "beat"]), max_size=12))
def test_an_honest_gateway_never_gets_an_alarm_more(tmp_path_factory, steps):
    house = open_house(tmp_path_factory.mktemp("house"))
    seq, standing, raised = 0, False, 0
    for step in steps:
        if step == "beat":
            beat(house, FIRE if standing else {}, first=seq + 1, next_=seq + 1)
            continue
        standing, seq = step == "raise", seq + 1
        raised += standing
        edge = Edge.RAISED if standing else Edge.CLEARED
        house.store(up(seq, event(house, edge), lane=Lane.ALARM, address=ADDRESS))
        house.pass_time(seconds=1)
    assert sum(row[3] for row in found(house)) == raised
    house.engine.dispose()
