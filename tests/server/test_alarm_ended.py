"""An alarm whose end was lost with its gateway's journal ends by what the heartbeats say, and by nothing less."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from messages.codec import encode
from messages.topics import Address
from messages.types import ClockState, DeviceEvent, Edge, GatewayState, Lane, LaneState
from server.alarms import store
from server.alarms.lifecycle import Move
from server.db.engine import read, write
from server.db.tables_alarms import alarm_journal, alarms
from server.ingest.judge import Incoming
from tests.support.ingest import born, up
from tests.support.long import amount
from tests.support.web import ADDRESS, House, house_birth, open_house

CONFIG = house_birth().config
FIRE = {"fire-1": ("zone3",)}


@pytest.fixture
def house(tmp_path):
    made = open_house(tmp_path)
    yield made
    made.engine.dispose()


def send(house: House, seq: int, edge: Edge, *, epoch="e2", device="fire-1", code="zone3", **facts):
    facts.setdefault("seen_at", house.now)
    event = DeviceEvent(device=device, code=code, edge=edge, **facts)
    house.store(up(seq, event, lane=Lane.ALARM, epoch=epoch, address=ADDRESS))


def journal_lost(house: House, boot="b2", **changes):
    """The gateway comes back with an empty journal."""
    house.pass_time(minutes=5)
    house.store(born(house_birth(boot=boot, epoch="e2", **changes)))


def beat(house: House, *, next_=1, first=None, after=10.0, epoch="e2", address=ADDRESS, **facts):
    house.pass_time(seconds=after)
    told = {"unread": {}, "config": CONFIG, "boot": "b2"} | facts
    state = GatewayState(
        online=True, epoch=epoch, lanes={"alarm": LaneState(first=first or next_, next=next_)}, **told
    )
    house.store(Incoming(address.state, encode(state)))


def beats(house: House, count=3, **facts):
    for _ in range(count):
        beat(house, **facts)


def found(house: House):
    with read(house.engine) as conn:
        return [tuple(row) for row in conn.execute(select(alarms.c["device", "code", "state", "count"]))]


def journal(house: House):
    with read(house.engine) as conn:
        return [row.action for row in conn.execute(select(alarm_journal).order_by(alarm_journal.c.seq))]


def test_a_fire_that_is_over_ends_and_still_waits_for_people(house):
    send(house, 1, Edge.RAISED, epoch="e1")
    journal_lost(house)
    beat(house)
    assert found(house) == [("fire-1", "zone3", "new", 1)], "one heartbeat proves nothing"
    beat(house)
    assert found(house) == [("fire-1", "zone3", "cleared", 1)], "nobody has seen it: it stays in the list"
    with read(house.engine) as conn:
        row = conn.execute(select(alarms)).one()
        last = conn.execute(select(alarm_journal).order_by(alarm_journal.c.seq.desc())).first()
    assert row.cleared_at == house.now
    assert (last.actor, last.action, "journal" in last.note) == ("gw-a", "cleared", True)
    beats(house, 6)
    assert journal(house) == ["raised", "cleared"], "once"


def test_an_acknowledged_fire_waits_for_its_reset(house):
    send(house, 1, Edge.RAISED, epoch="e1")
    with write(house.engine) as conn:
        row = store.open_alarm(conn, "garden|fire-1|zone3")
        assert row is not None
        store.move(conn, row, Move.ACK, actor="guard", now=house.now)
    journal_lost(house)
    beats(house)
    assert found(house) == [("fire-1", "zone3", "latched", 1)]


@pytest.mark.parametrize(
    "told",
    [
        {"unread": None},  # an older gateway, or one that cannot name them all
        {"unread": FIRE},
        {"raised": FIRE},
        {"silent": ("fire-1",)},
        {"config": "sha256:" + "1" * 64},  # not that of the birth that is known here
        {"epoch": "e3"},
        {"next_": 2, "first": 1},  # an event is on its way
    ],
    ids="-".join,
)
def test_nothing_less_than_a_good_reading_ends_it(house, told):
    send(house, 1, Edge.RAISED, epoch="e1")
    journal_lost(house)
    beats(house, 5, **told)
    assert found(house)[0][:3] == ("fire-1", "zone3", "new")


@pytest.mark.parametrize("second", [{"boot": "b3"}, {"after": 1.0}, {"after": -60.0}, {"unread": FIRE}])
def test_two_heartbeats_prove_nothing_if_anything_moved_between_them(house, second):
    send(house, 1, Edge.RAISED, epoch="e1")
    journal_lost(house)
    beat(house)
    beat(house, **second)
    assert found(house) == [("fire-1", "zone3", "new", 1)]


def test_an_alarm_that_is_still_on_does_not_flap(house):
    send(house, 1, Edge.RAISED, epoch="e1")
    journal_lost(house)
    beats(house, 2, unread=FIRE)
    send(house, 1, Edge.RAISED)
    beats(house, 3, next_=2, raised=FIRE)
    assert found(house) == [("fire-1", "zone3", "new", 2)]
    assert journal(house) == ["raised", "raised"]


def test_a_heartbeat_that_an_alarm_has_overtaken_does_not_end_it(house):
    """The broker carries them on two topics, and alarms are stored first."""
    send(house, 1, Edge.RAISED, epoch="e1")
    journal_lost(house)
    beat(house)
    send(house, 1, Edge.RAISED)
    beat(house)  # written before that
    assert found(house) == [("fire-1", "zone3", "new", 2)]
    send(house, 3, Edge.RAISED)  # and one that left a hole behind
    beats(house, 2, next_=2)
    assert found(house)[0][2] == "new"


@pytest.mark.parametrize("clock", ClockState)
def test_a_late_event_of_the_lost_journal_leaves_a_record_and_no_standing_alarm(house, clock):
    send(house, 1, Edge.RAISED, epoch="e1")
    then = house.now
    journal_lost(house)
    beats(house, 2)
    send(house, 2, Edge.RAISED, epoch="e1", seen_at=then + timedelta(seconds=1), clock=clock)
    beats(house, 3)
    assert found(house) == [("fire-1", "zone3", "cleared", 2)]


def test_a_clock_that_was_ahead_is_no_reason_to_try_for_ever(house):
    send(house, 1, Edge.RAISED, epoch="e1", seen_at=house.now + timedelta(days=400))
    journal_lost(house)
    beats(house, 6)
    assert (found(house)[0][2], journal(house)) == ("cleared", ["raised", "cleared"])


def test_a_backup_that_does_not_have_the_end_gets_it_too(house):
    """The same journal: what was stored after the backup is nowhere."""
    send(house, 1, Edge.RAISED, epoch="e1")
    beats(house, 3, epoch="e1", next_=4, first=2, boot="b1")
    assert found(house) == [("fire-1", "zone3", "new", 1)], "not while the end may still come"
    beats(house, 2, epoch="e1", next_=4, boot="b1")
    assert found(house) == [("fire-1", "zone3", "cleared", 1)]


def test_only_a_devices_own_gateway_ends_its_alarms(house):
    send(house, 1, Edge.RAISED, epoch="e1")
    other = Address("garden", "gw-b")
    house.store(born(house_birth(gateway="gw-b", epoch="e2", devices=())))
    beats(house, 4, address=other)
    assert found(house) == [("fire-1", "zone3", "new", 1)]
    house.store(born(house_birth(gateway="gw-b", epoch="e2", boot="b9")))  # now it has the devices
    beats(house, 4)
    assert found(house) == [("fire-1", "zone3", "new", 1)], "the former one"
    beats(house, 2, address=other)
    assert found(house) == [("fire-1", "zone3", "cleared", 1)]


def test_what_the_profile_no_longer_knows_is_not_read_at_all(house):
    send(house, 1, Edge.RAISED, epoch="e1", code="made-up")
    journal_lost(house)
    beats(house, 4)
    assert found(house) == [("fire-1", "made-up", "new", 1)]


def test_a_gateways_alarms_of_itself(house):
    send(house, 1, Edge.RAISED, epoch="e1", device="gw-a", code="journal_trouble")
    journal_lost(house)
    beats(house, 2, raised={"gw-a": ("journal_trouble",)})
    assert found(house)[0][2] == "new"
    beats(house, 2, unread={"gw-a": ("journal_trouble",)})
    assert found(house)[0][2] == "new"
    beats(house, 2)
    assert found(house)[0][2] == "cleared"


def test_thousands_end_in_portions(house, monkeypatch):
    monkeypatch.setattr("server.alarms.standing.MOST_ENDED", 2)
    usual = house_birth()
    more = tuple(msgspec.structs.replace(usual.devices[1], id=f"fire-{n}") for n in range(2, 7))
    house.store(born(house_birth(devices=(*usual.devices, *more), boot="b8")))
    for seq in range(1, 6):
        send(house, seq, Edge.RAISED, epoch="e1", device=f"fire-{seq + 1}")
    journal_lost(house, devices=(*usual.devices, *more))
    over = []
    for _ in range(6):
        beat(house)
        over.append(journal(house).count("cleared"))
    assert over == [0, 2, 2, 4, 4, 5]


STEPS = st.lists(
    st.sampled_from(["fire", "fire read", "normal", "normal read", "lost", "restart", "beats", "late"]),
    max_size=30,
)


@settings(max_examples=amount(20, 500))
@given(STEPS)
@example(["fire read", "lost", "beats"])
@example(["fire read", "lost", "normal read", "restart", "beats"])
@example(["fire read", "lost", "normal read", "beats", "late"])
def test_an_alarm_stands_while_its_fire_does(tmp_path_factory, steps):
    """A gateway that is what it says, with a journal that it may lose: never cleared while the fire was last read."""
    house = open_house(tmp_path_factory.mktemp("house"))
    fire = raised = told = last_read = False
    epoch, life, seq, boot = "e1", 1, 0, 1
    late: list[Incoming] = []
    for step in [*steps, "read", "beats"]:
        house.pass_time(seconds=6)
        if step.startswith(("fire", "normal")):
            fire = step.startswith("fire")
        if step.endswith("read"):
            told, last_read = not fire, fire
            if fire != raised:
                raised, seq = fire, seq + 1
                send(house, seq, Edge.RAISED if fire else Edge.CLEARED, epoch=epoch)
        elif step == "lost":
            event = DeviceEvent(device="fire-1", code="zone3", edge=Edge.RAISED, seen_at=house.now)
            late.append(up(seq + 1, event, lane=Lane.ALARM, epoch=epoch, address=ADDRESS))
            life, boot, seq, raised, told = life + 1, boot + 1, 0, False, False
            epoch = f"e{life}"
            house.store(born(house_birth(boot=f"b{boot}", epoch=epoch)))
        elif step == "restart":
            boot, told = boot + 1, False
        elif step == "late" and late:
            house.store(late.pop())
        elif step == "beats":
            now = {"unread": {} if raised or told else FIRE, "raised": FIRE if raised else {}}
            beats(house, 2, next_=seq + 1, epoch=epoch, boot=f"b{boot}", **now)
        if last_read:
            assert "new" in [row[2] for row in found(house)], f"after {step}: it was last read as burning"
    standing = "new" in [row[2] for row in found(house)]
    house.engine.dispose()
    assert standing is fire, "and in the end it is as it is"
