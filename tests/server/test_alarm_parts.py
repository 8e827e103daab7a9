"""Alarms of single parts of a device, and records of what is no alarm."""

import tempfile
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

import server.alarms.engine
from messages.codec import encode
from messages.types import DeviceEvent, Edge, EventInfo, GatewayState, Lane, Severity
from server.alarms import actions
from server.alarms.lifecycle import Move, NotAllowed, State
from server.alarms.parts import above, lies_in
from server.db.engine import read, write
from server.db.tables_alarms import alarm_journal, alarms, records
from server.ingest.writer import Incoming
from tests.support.ingest import up
from tests.support.long import amount
from tests.support.web import ADDRESS, house_birth, open_house

SPOKEN = {
    "fire": EventInfo(label="Fire", severity=Severity.CRITICAL, alarm_class="fire", spoken=True),
    "granted": EventInfo(
        label="Granted", severity=Severity.LOW, alarm_class="access", spoken=True, record=True
    ),
}


def spoken_birth():
    birth = house_birth()
    profiles = dict(birth.profiles)
    profiles["fire"] = msgspec.structs.replace(profiles["fire"], events={**profiles["fire"].events, **SPOKEN})
    return msgspec.structs.replace(birth, profiles=profiles)


@pytest.fixture
def house(tmp_path: Path):
    made = open_house(tmp_path)
    made.be_born(spoken_birth())
    yield made
    made.engine.dispose()


def rows(house):
    with read(house.engine) as conn:
        return list(conn.execute(select(alarms).order_by(alarms.c.id)).mappings())


def standing(house) -> set[str]:
    return {row["part"] for row in rows(house) if State(row["state"]).active}


def say(house, edge: Edge, part: str = "", **facts) -> None:
    house.event("fire-1", "fire", edge, part=part, **facts)


def test_each_part_has_an_alarm_of_its_own(house):
    say(house, Edge.RAISED, "1/2")
    say(house, Edge.RAISED, "1/3")
    say(house, Edge.RAISED, "1/2")
    assert [(row["part"], row["count"]) for row in rows(house)] == [("1/2", 2), ("1/3", 1)]
    say(house, Edge.CLEARED, "1/2")
    assert standing(house) == {"1/3"}


def test_the_end_of_a_part_ends_what_lies_in_it_and_says_by_what(house):
    for part in ("1", "1/2", "1/2/9", "10", "2"):
        say(house, Edge.RAISED, part)
    say(house, Edge.CLEARED, "1", detail="normal again")
    assert standing(house) == {"10", "2"}
    with read(house.engine) as conn:
        notes = [row.note for row in conn.execute(select(alarm_journal)) if row.action == "cleared"]
    assert sorted(notes) == ["normal again", "with 1: normal again", "with 1: normal again"]
    say(house, Edge.CLEARED, "", detail="reset")
    assert standing(house) == set()


def test_what_began_after_the_end_of_the_whole_is_not_ended_by_it(house):
    end = DeviceEvent(device="fire-1", code="fire", edge=Edge.CLEARED, seen_at=house.now)
    fire = DeviceEvent(device="fire-1", code="fire", edge=Edge.RAISED, seen_at=house.now, part="7")
    house.store(up(9, fire, lane=Lane.ALARM, address=ADDRESS))
    house.store(up(8, end, lane=Lane.ALARM, address=ADDRESS))
    assert standing(house) == {"7"}


def test_what_began_before_the_end_of_the_whole_comes_late_and_is_a_record_to_acknowledge(house):
    end = DeviceEvent(device="fire-1", code="fire", edge=Edge.CLEARED, seen_at=house.now)
    fire = DeviceEvent(device="fire-1", code="fire", edge=Edge.RAISED, seen_at=house.now, part="7")
    house.store(up(9, end, lane=Lane.ALARM, address=ADDRESS))
    house.store(up(8, fire, lane=Lane.ALARM, address=ADDRESS))
    assert [(row["part"], row["state"], row["late"]) for row in rows(house)] == [("7", "cleared", True)]


def test_beyond_a_bound_parts_share_the_alarm_of_the_device_and_their_ends_do_not_end_it(house, monkeypatch):
    monkeypatch.setattr(server.alarms.engine, "MOST_PARTS", 2)
    for part in ("1", "2", "3", "4"):
        say(house, Edge.RAISED, part, detail=f"detector {part}")
    assert standing(house) == {"1", "2", ""}
    assert rows(house)[-1]["detail"] == "detector 4"
    say(house, Edge.CLEARED, "3")
    assert standing(house) == {"1", "2", ""}
    say(house, Edge.CLEARED)
    assert standing(house) == set()


def act(house, what, note="") -> None:
    alarm = rows(house)[-1]
    with write(house.engine) as conn:
        actions.act(conn, alarm, what, q=alarm["q"], actor="wang", note=note, now=house.now)


def test_a_shared_alarm_calls_again_for_each_part_that_joins_it(house, monkeypatch):
    monkeypatch.setattr(server.alarms.engine, "MOST_PARTS", 0)
    say(house, Edge.RAISED, "1")
    act(house, Move.ACK)
    assert rows(house)[0]["state"] == "acked"
    say(house, Edge.RAISED, "2")
    assert (rows(house)[0]["state"], rows(house)[0]["acked_by"], rows(house)[0]["count"]) == ("new", None, 2)


def test_what_its_device_may_never_end_a_person_ends_with_a_word_on_what_was_seen(house):
    say(house, Edge.RAISED, "7")
    with pytest.raises(NotAllowed, match="nobody has acknowledged"):
        act(house, Move.CLOSE, "saw it")
    act(house, Move.ACK)
    with pytest.raises(NotAllowed, match="write what you have seen"):
        act(house, Move.CLOSE)
    act(house, Move.CLOSE, "burnt toast, aired, panel reset")
    assert rows(house)[0]["state"] == "closed"
    with read(house.engine) as conn:
        last = list(conn.execute(select(alarm_journal)))[-1]
    assert (last.action, last.note) == ("closed-by-hand", "burnt toast, aired, panel reset")
    say(house, Edge.RAISED, "7")
    assert standing(house) == {"7"}, "the next one is another alarm"


def test_what_its_device_says_over_and_over_nobody_else_ends(house):
    say(house, Edge.RAISED, "7", state=True)
    act(house, Move.ACK)
    with pytest.raises(NotAllowed, match="the condition still stands"):
        act(house, Move.CLOSE, "I would like it to be over")


def test_no_heartbeat_ends_what_only_the_device_can_say(house):
    say(house, Edge.RAISED)
    say(house, Edge.RAISED, "1")
    for _ in range(3):
        house.pass_time(seconds=30)
        state = GatewayState(
            online=True, boot="b1", at=house.now, epoch="e1", config=spoken_birth().config, unread={}
        )
        house.store(Incoming(ADDRESS.state, encode(state)))
    assert standing(house) == {"", "1"}


def test_a_record_is_written_down_and_raises_nothing(house):
    at = house.now - timedelta(hours=2)
    house.event("fire-1", "granted", Edge.PULSE, at=at, part="door/2", number="4711", detail="card …12")
    house.event("fire-1", "granted", Edge.PULSE, part="door/2", number="4712")
    assert rows(house) == []
    with read(house.engine) as conn:
        found = list(conn.execute(select(records).order_by(records.c.id)).mappings())
    assert [(row["number"], row["part"], row["late"], row["at"]) for row in found] == [
        ("4711", "door/2", True, at),
        ("4712", "door/2", False, None),
    ]
    assert (found[0]["label"], found[0]["device_name"], found[0]["detail"]) == (
        "Granted",
        "Fire panel",
        "card …12",
    )


def test_a_batch_that_comes_again_doubles_no_record(house):
    event = DeviceEvent(device="fire-1", code="granted", edge=Edge.PULSE, seen_at=house.now, number="1")
    for _ in range(2):
        house.store(up(1, event, lane=Lane.ALARM, address=ADDRESS))
    with read(house.engine) as conn:
        assert len(conn.execute(select(records)).all()) == 1


def test_parts_lie_in_parts():
    assert list(above("1/2/9")) == ["1/2", "1", ""]
    assert list(above("")) == []
    assert lies_in("1/2", "1")
    assert lies_in("1", "")
    assert not lies_in("10", "1")
    assert not lies_in("1", "1")


course = st.lists(
    st.tuples(st.sampled_from(["", "1", "1/2", "1/2/3", "4"]), st.sampled_from([Edge.RAISED, Edge.CLEARED])),
    min_size=1,
    max_size=8,
)


@settings(max_examples=amount(25, 500))
@given(course=course, data=st.data())
def test_in_any_order_of_arrival_no_alarm_that_stands_is_lost(course, data):
    expected: set[str] = set()
    for part, edge in course:
        if edge is Edge.RAISED:
            expected.add(part)
        else:
            expected = {each for each in expected if each != part and not lies_in(each, part)}
    order = data.draw(st.permutations(range(len(course))))
    with tempfile.TemporaryDirectory() as folder:
        house = open_house(Path(folder))
        try:
            house.be_born(spoken_birth())
            for index in order:
                part, edge = course[index]
                event = DeviceEvent(device="fire-1", code="fire", edge=edge, seen_at=house.now, part=part)
                house.store(up(index + 1, event, lane=Lane.ALARM, address=ADDRESS))
            assert expected <= standing(house)
            if list(order) == sorted(order):
                assert standing(house) == expected
            raised = {part for part, edge in course if edge is Edge.RAISED}
            assert raised <= {row["part"] for row in rows(house)}, "each beginning is to be seen"
        finally:
            house.engine.dispose()
