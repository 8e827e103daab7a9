"""Alarms in the database: whatever arrives, in whatever order, nothing is lost and one key has one open alarm."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from messages.types import ClockState, DeviceEvent, Edge, Lane, Severity
from server.alarms import AlarmEngine, actions, release_suppressed, store
from server.alarms.lifecycle import Move, NotAllowed, State
from server.db.engine import read, write
from server.db.tables_alarms import alarm_journal, alarms
from server.db.tables_core import outbox
from server.db.tables_devices import devices
from tests.support.ingest import T0, up
from tests.support.long import amount
from tests.support.web import ADDRESS, GATEWAY, SITE, House, open_house

ENGINE = AlarmEngine()


@pytest.fixture
def house(tmp_path: Path):
    made = open_house(tmp_path)
    yield made
    made.engine.dispose()


def rows(house: House) -> list[Any]:
    with read(house.engine) as conn:
        return list(conn.execute(select(alarms).order_by(alarms.c.id)).mappings())


def act(house: House, alarm_id: int, what: Move, q: int | None = None) -> None:
    with write(house.engine) as conn:
        alarm = store.alarm_by_id(conn, alarm_id)
        assert alarm is not None
        actions.act(conn, alarm, what, q=alarm["q"] if q is None else q, actor="wang", note="", now=house.now)


def silence(house: House, kind: str, device: str | None, *, on: bool = True) -> None:
    with write(house.engine) as conn:
        where = {"site": SITE, "gateway": GATEWAY, "device": device, "at": house.now}
        if on:
            ENGINE.raise_system(conn, kind, detail="", **where)
        else:
            ENGINE.clear_system(conn, kind, **where)


def test_an_alarm_knows_its_place_and_its_profile(house):
    house.event("fire-1", "zone3", detail="smoke\x1b[31m")
    (row,) = rows(house)
    assert (row["severity"], row["alarm_class"], row["label"]) == ("critical", "fire", "Smoke, zone 3")
    assert (row["building"], row["floor"], row["device_name"]) == ("A", "3", "Fire panel")
    assert (row["state"], row["latched"], row["late"]) == ("new", True, False)
    assert "\x1b" not in row["detail"]


def test_an_unknown_code_is_raised_not_dropped(house):
    house.event("m-1", "no-such-code")
    house.event("nobody", "zone3")
    found = [(row["device"], row["alarm_class"], row["severity"]) for row in rows(house)]
    assert found == [("m-1", "unknown", "high"), ("nobody", "unknown", "high")]


def test_every_move_has_a_journal_row_and_a_change(house):
    house.event("door-1", "forced")
    alarm_id = rows(house)[0]["id"]
    act(house, alarm_id, Move.ACK)
    house.event("door-1", "forced", Edge.CLEARED)
    (row,) = rows(house)
    assert row["state"] == State.CLOSED
    assert row["acked_by"] == "wang"
    with read(house.engine) as conn:
        journal = conn.execute(
            select(alarm_journal.c.action, alarm_journal.c.from_state, alarm_journal.c.to_state)
        ).all()
        changes = conn.execute(select(outbox.c.seq).where(outbox.c.topic == "alarms")).scalars().all()
        device_q = conn.execute(select(devices.c.q).where(devices.c.device == "door-1")).scalar_one()
        newest = conn.execute(select(func.max(outbox.c.seq))).scalar_one()
    assert [tuple(line) for line in journal] == [
        ("raised", "closed", "new"),
        ("ack", "new", "acked"),
        ("cleared", "acked", "closed"),
    ]
    assert len(changes) == 3
    assert row["q"] == changes[-1]
    assert device_q == newest


def test_the_database_refuses_a_second_open_alarm_of_one_key(house):
    house.event("door-1", "forced")
    (row,) = rows(house)
    copy = {name: value for name, value in row.items() if name != "id"}
    with pytest.raises(IntegrityError), write(house.engine) as conn:
        conn.execute(insert(alarms).values(copy))


def test_a_repeat_counts_and_does_not_make_the_guards_view_stale(house):
    house.event("door-1", "forced")
    seen = rows(house)[0]
    house.event("door-1", "forced")
    act(house, seen["id"], Move.ACK, q=seen["q"])
    (row,) = rows(house)
    assert (row["count"], row["state"]) == (2, "acked")


def test_what_moved_since_it_was_seen_is_stale(house):
    house.event("door-1", "forced")
    seen = rows(house)[0]
    house.event("door-1", "forced", Edge.CLEARED)
    with pytest.raises(actions.Stale):
        act(house, seen["id"], Move.ACK, q=seen["q"])
    assert rows(house)[0]["state"] == "cleared"


def test_fire_waits_for_its_reset(house):
    house.event("fire-1", "zone3")
    alarm_id = rows(house)[0]["id"]
    act(house, alarm_id, Move.ACK)
    with pytest.raises(NotAllowed, match="still stands"):
        act(house, alarm_id, Move.CLOSE)
    house.event("fire-1", "zone3", Edge.CLEARED)
    assert rows(house)[0]["state"] == "latched"
    act(house, alarm_id, Move.CLOSE)
    assert rows(house)[0]["state"] == "closed"


def test_a_pulse_is_over_at_once_and_still_waits_for_somebody(house):
    house.event("m-1", "overload", Edge.PULSE)
    (row,) = rows(house)
    assert (row["state"], row["cleared_at"]) == ("cleared", house.now)


def test_late_by_the_servers_clock(house):
    house.event("fire-1", "zone3", seen_at=house.now - timedelta(minutes=6))
    house.event("door-1", "forced", seen_at=house.now - timedelta(minutes=4))
    assert [row["late"] for row in rows(house)] == [True, False]


@pytest.mark.parametrize(
    ("told", "seen", "occurred"),
    [
        (None, 0, 0),
        (timedelta(hours=-2), 0, timedelta(hours=-2)),  # a controller's replay after an outage
        (timedelta(days=-9 * 365), 0, 0),  # a panel whose battery died
        (timedelta(hours=1), 0, 0),
        (None, timedelta(minutes=3), 0),  # the gateway's own clock is ahead
    ],
)
def test_when_it_happened(house, told, seen, occurred):
    zero = timedelta()
    at = None if told is None else house.now + told
    house.event("fire-1", "zone3", at=at, seen_at=house.now + (seen or zero))
    assert rows(house)[0]["occurred_at"] == house.now + (occurred or zero)


def test_an_older_edge_never_moves_the_live_state(house):
    """Batch 2 (cleared) came before batch 1 (raised): the condition is normal, and somebody must still see it."""
    raised = DeviceEvent(device="fire-1", code="zone3", edge=Edge.RAISED, seen_at=T0)
    cleared = DeviceEvent(device="fire-1", code="zone3", edge=Edge.CLEARED, seen_at=T0 + timedelta(seconds=5))
    house.store(up(2, cleared, lane=Lane.ALARM, address=ADDRESS))
    assert rows(house) == []
    house.store(up(1, raised, lane=Lane.ALARM, address=ADDRESS))
    (row,) = rows(house)
    assert (row["state"], row["late"]) == ("cleared", True)


def test_a_batch_sent_again_changes_nothing(house):
    event = DeviceEvent(device="fire-1", code="zone3", edge=Edge.RAISED, seen_at=T0)
    message = up(1, event, lane=Lane.ALARM, address=ADDRESS)
    house.store(message)
    before = rows(house)
    house.store(message, message)
    assert rows(house) == before


def test_another_journal_is_ordered_by_its_clock_unless_that_was_never_set(house):
    def event(edge: Edge, seconds: int, clock: ClockState = ClockState.SYNCED) -> DeviceEvent:
        seen = T0 + timedelta(seconds=seconds)
        return DeviceEvent(device="door-1", code="forced", edge=edge, seen_at=seen, clock=clock)

    house.store(up(9, event(Edge.RAISED, 10), lane=Lane.ALARM, address=ADDRESS))
    house.store(up(1, event(Edge.CLEARED, 5), lane=Lane.ALARM, epoch="e2", address=ADDRESS))
    assert rows(house)[0]["state"] == "new"
    house.store(up(2, event(Edge.CLEARED, 5, ClockState.UNSET), lane=Lane.ALARM, epoch="e2", address=ADDRESS))
    assert rows(house)[0]["state"] == "cleared"


def test_a_fire_after_a_new_journal_and_with_a_slow_clock_is_a_fire_now(house):
    """A new box in the old one's place, without a time server: what it says stands now, whatever year it thinks."""

    def fire(edge: Edge, years: int, clock: ClockState) -> DeviceEvent:
        seen = T0 - timedelta(days=365 * years)
        return DeviceEvent(device="fire-1", code="zone3", edge=edge, seen_at=seen, clock=clock)

    old = [fire(Edge.RAISED, 0, ClockState.SYNCED), fire(Edge.CLEARED, 0, ClockState.SYNCED)]
    house.store(up(1, *old, lane=Lane.ALARM, address=ADDRESS))
    slow = fire(Edge.RAISED, 2, ClockState.HOLDOVER)
    house.store(up(1, slow, lane=Lane.ALARM, epoch="e2", address=ADDRESS))
    assert [(row["state"], row["count"]) for row in rows(house)] == [("new", 2)]
    house.store(
        up(2, fire(Edge.CLEARED, 2, ClockState.HOLDOVER), lane=Lane.ALARM, epoch="e2", address=ADDRESS)
    )
    assert rows(house)[0]["state"] == "cleared"
    # What the old journal still had to say comes after it and is older: its journal was begun before.
    house.store(up(2, fire(Edge.RAISED, 3, ClockState.HOLDOVER), lane=Lane.ALARM, address=ADDRESS))
    assert rows(house)[0]["state"] == "cleared"


edges = st.lists(st.sampled_from(list(Edge)), min_size=1, max_size=8)


@settings(max_examples=amount(20, 500))
@given(edges=edges, data=st.data())
def test_in_any_order_of_arrival_the_condition_is_that_of_the_newest_edge(edges, data):
    """And every raise or pulse is in an alarm that somebody has to acknowledge: none is lost, at most one is open."""
    order = data.draw(st.permutations(range(len(edges))))
    with tempfile.TemporaryDirectory() as folder:
        house = open_house(Path(folder))
        try:
            for index in order:
                seen = T0 + timedelta(seconds=index)
                event = DeviceEvent(device="fire-1", code="zone3", edge=edges[index], seen_at=seen)
                house.store(up(index + 1, event, lane=Lane.ALARM, address=ADDRESS))
            found = rows(house)
        finally:
            house.engine.dispose()
    happened = sum(edge is not Edge.CLEARED for edge in edges)
    assert len(found) == (1 if happened else 0)
    if found:
        (row,) = found
        # A pulse leaves the condition as it was; a raise stands until a clear that is newer.
        lasting = [edge for edge in edges if edge is not Edge.PULSE]
        assert State(row["state"]).active is (lasting[-1:] == [Edge.RAISED])
        assert row["acked_at"] is None
        assert row["count"] == happened


# -- what the server itself notices -----------------------------------------------------------------------------


def test_silence_is_as_urgent_as_what_the_device_watches_over(house):
    for device in ("fire-1", "lift-1", "m-1"):
        silence(house, "device_silent", device)
    assert [row["severity"] for row in rows(house)] == [Severity.CRITICAL, Severity.HIGH, Severity.LOW]
    silence(house, "device_silent", "m-1")
    assert rows(house)[2]["count"] == 1, "again while it stands changes nothing"


def test_one_gateway_gone_is_one_alarm_not_sixty_five(house):
    silence(house, "device_silent", "m-1")  # noticed a moment before its gateway
    house.pass_time(seconds=1)
    silence(house, "gateway_silent", None)
    for device in ("fire-1", "door-1", "lift-1"):
        silence(house, "device_silent", device)
    found = rows(house)
    gateway = next(row for row in found if row["code"] == "gateway_silent")
    assert (gateway["severity"], gateway["alarm_class"]) == ("high", "comms")
    assert [row["suppressed_by"] for row in found if row is not gateway] == [gateway["id"]] * 4

    house.pass_time(seconds=300)
    silence(house, "gateway_silent", None, on=False)
    for device in ("m-1", "fire-1"):
        silence(house, "device_silent", device, on=False)
    with write(house.engine) as conn:
        assert release_suppressed(conn, house.now + timedelta(seconds=119)) == 0
    with house.engine.connect() as conn, conn.begin() as undone:
        assert release_suppressed(conn, house.now - timedelta(days=1)) == 2, (
            "the clock was set back meanwhile"
        )
        undone.rollback()
    with write(house.engine) as conn:
        assert release_suppressed(conn, house.now + timedelta(seconds=120)) == 2
        assert release_suppressed(conn, house.now + timedelta(seconds=121)) == 0
    standing = {row["device"]: row["suppressed_by"] for row in rows(house) if row["closed_at"] is None}
    assert standing == {"": None, "door-1": None, "lift-1": None}


def test_a_process_alarm_is_not_hidden_by_a_silent_gateway(house):
    house.event("fire-1", "zone3")
    silence(house, "gateway_silent", None)
    fire = rows(house)[0]
    assert (fire["state"], fire["suppressed_by"]) == ("new", None)


def test_an_end_is_never_in_the_future(house):
    ahead = house.now + timedelta(days=400)
    house.event("fire-1", "zone3", seen_at=ahead)
    house.event("fire-1", "zone3", Edge.CLEARED, seen_at=ahead)
    house.event("door-1", "forced", Edge.PULSE, seen_at=ahead)
    assert [(row["occurred_at"], row["cleared_at"]) for row in rows(house)] == [(house.now, house.now)] * 2


@pytest.mark.parametrize("clock", [ClockState.SYNCED, ClockState.HOLDOVER])
def test_a_clock_that_was_ahead_does_not_hide_the_next_journals_fire(house, clock):
    ahead = house.now + timedelta(days=400)
    for seq, edge in enumerate((Edge.RAISED, Edge.CLEARED), 1):
        event = DeviceEvent(device="fire-1", code="zone3", edge=edge, seen_at=ahead, clock=clock)
        house.store(up(seq, event, lane=Lane.ALARM, epoch="e1", address=ADDRESS))
    house.pass_time(minutes=1)
    event = DeviceEvent(device="fire-1", code="zone3", edge=Edge.RAISED, seen_at=house.now)
    house.store(up(1, event, lane=Lane.ALARM, epoch="e2", address=ADDRESS))
    (row,) = rows(house)
    assert (row["state"], row["count"]) == ("new", 2)
