"""Of a device's silence there is one alarm, whether its gateway's journal or the heartbeats tell of it first."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from messages.codec import encode, utc_ms
from messages.topics import Address
from messages.types import (
    DEVICE_SILENT,
    DeviceEvent,
    Edge,
    EventInfo,
    GatewayState,
    Lane,
    LaneState,
    Sample,
    Severity,
)
from server.alarms import AlarmEngine, release_suppressed, store
from server.alarms.lifecycle import Move
from server.commands import CommandResults
from server.db.engine import read, write
from server.db.tables_alarms import alarm_journal, alarms
from server.db.tables_devices import devices
from server.ingest.judge import Incoming
from server.ingest.writer import Writer
from tests.support.ingest import T0, Monotonic, Sinks, born, database, up
from tests.support.long import amount
from tests.support.web import ADDRESS, house_birth

CONFIG = house_birth().config
SAYS = EventInfo(label="Device silent", severity=Severity.HIGH, alarm_class="comms")


def newer_birth(**changes):
    """As a gateway sends it that tells of silences."""
    birth = house_birth(**changes)
    fire = birth.profiles["fire"]
    profiles = {
        **birth.profiles,
        "fire": msgspec.structs.replace(fire, events={**fire.events, DEVICE_SILENT: SAYS}),
    }
    panel = tuple(device for device in birth.devices if device.id == "fire-1")
    return msgspec.structs.replace(birth, profiles=profiles, devices=panel)


class Desk:
    """A house whose fire panel falls silent, and what the desk sees of it."""

    def __init__(self, folder) -> None:
        self.engine, self.mono = database(folder), Monotonic()
        self.writer = Writer(
            self.engine,
            alarms=AlarmEngine(),
            results=CommandResults(),
            commits=Sinks(),
            monotonic=self.mono,
        )
        self.seq, self.samples, self.epoch = 0, 0, "e1"
        self.store(born(newer_birth()))

    @property
    def now(self):
        return T0 + timedelta(seconds=self.mono.now - 1000)

    def store(self, message):
        self.writer.store([message], self.now)

    def passes(self, seconds):
        """Time passes, and the server looks at its timers as it does each second."""
        step = 10 if seconds >= 60 else 1
        for _ in range(int(seconds) // step):
            self.mono.now += step
            self.writer.tick(self.now)

    def tells(self, *edges, device="fire-1"):
        """The gateway's journal: (edge, seconds ago) in one batch."""
        self.seq += 1
        events = [
            DeviceEvent(
                device=device,
                code=DEVICE_SILENT,
                edge=edge,
                seen_at=utc_ms(self.now - timedelta(seconds=ago)),
                detail="its gateway gets no answer" if edge is Edge.RAISED else "it answers again",
            )
            for edge, ago in edges
        ]
        self.store(up(self.seq, *events, lane=Lane.ALARM, epoch=self.epoch, address=ADDRESS))

    def beat(self, *, silent=(), ago=0.0, online=True, **facts):
        at = utc_ms(self.now - timedelta(seconds=ago))
        told = {"boot": "b1", "unread": {}} | facts
        state = GatewayState(
            online=online,
            at=at,
            epoch=self.epoch,
            config=CONFIG,
            lanes={"alarm": LaneState(first=1, next=self.seq + 1)},
            silent=tuple(silent),
            **told,
        )
        self.store(Incoming(ADDRESS.state, encode(state)))

    def good(self, *, ago=0.0, device="fire-1"):
        self.samples += 1
        sample = Sample(device=device, at=utc_ms(self.now - timedelta(seconds=ago)), values={"state": True})
        self.store(up(self.samples, sample, lane=Lane.TELEMETRY, epoch=self.epoch, address=ADDRESS))

    def wait(self, seconds, *, silent=(), good=False):
        """Time passes with heartbeats, and with samples if `good`."""
        for second in range(1, round(seconds) + 1):
            self.passes(1)
            if second % 10 == 0 or second == 1:
                self.beat(silent=silent)
            if good and second % 3 == 0:
                self.good()

    def rows(self):
        with read(self.engine) as conn:
            return list(conn.execute(select(alarms).where(alarms.c.code == DEVICE_SILENT)))

    def row(self):
        (one,) = self.rows()
        return one

    def journal(self):
        with read(self.engine) as conn:
            query = (
                select(alarm_journal)
                .join(alarms, alarms.c.id == alarm_journal.c.alarm_id)
                .where(alarms.c.code == DEVICE_SILENT)
                .order_by(alarm_journal.c.seq)
            )
            return [(row.actor, row.action, row.note) for row in conn.execute(query)]

    def conn(self):
        with read(self.engine) as conn:
            return conn.execute(select(devices.c.conn).where(devices.c.device == "fire-1")).scalar()


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.engine.dispose()


def test_a_silence_that_came_and_went_while_nobody_listened_is_one_alarm_with_both_times(desk):
    desk.wait(30, good=True)
    desk.passes(600)
    desk.beat()
    desk.tells((Edge.RAISED, 400), (Edge.CLEARED, 380))
    desk.wait(30, good=True)
    row = desk.row()
    assert (row.state, row.device, row.gateway, row.count, row.late) == ("cleared", "fire-1", "gw-a", 1, True)
    assert (row.alarm_class, row.severity, row.label_zh) == ("comms", "critical", "设备失联")
    assert row.cleared_at - row.occurred_at == timedelta(seconds=20)
    told = desk.journal()
    assert [(actor, action) for actor, action, _ in told] == [("gw-a", "raised"), ("gw-a", "cleared")]
    assert told[0][2] == f"seen {row.occurred_at.isoformat()} its gateway gets no answer"
    assert told[1][2] == f"seen {row.cleared_at.isoformat()} it answers again"


@pytest.mark.parametrize("first", ["journal", "heartbeat"])
def test_one_row_whoever_tells_first(desk, first):
    desk.wait(30, good=True)
    if first == "journal":
        desk.tells((Edge.RAISED, 3))
    desk.wait(12, silent=["fire-1"])
    if first == "heartbeat":
        desk.tells((Edge.RAISED, 15))
    row = desk.row()
    assert (row.state, row.count) == ("new", 1)
    assert row.occurred_at == min(row.occurred_at, row.raised_at)
    assert desk.conn() == "offline"
    desk.tells((Edge.CLEARED, 0))
    desk.beat()
    desk.wait(5, good=True)
    row = desk.row()
    assert (row.state, row.count) == ("cleared", 1)
    assert desk.conn() == "online"
    with write(desk.engine) as conn:
        alarm = store.alarm_by_id(conn, row.id)
        assert alarm is not None
        store.move(conn, alarm, Move.ACK, actor="guard", now=desk.now)
    desk.wait(60, good=True)
    assert desk.row().state == "closed"


def test_the_beginning_is_the_gateways_own_where_a_heartbeat_told_it_first(desk):
    desk.wait(30, good=True)
    began = desk.now
    desk.wait(12, silent=["fire-1"])
    desk.tells((Edge.RAISED, 12))
    assert desk.row().occurred_at == began


def test_a_gateway_that_tells_no_silences_is_as_before(desk):
    old = newer_birth(boot="b1")
    desk.store(born(msgspec.structs.replace(old, profiles=house_birth().profiles)))
    desk.wait(30, good=True)
    desk.wait(12, silent=["fire-1"])
    assert (desk.row().state, desk.conn()) == ("new", "offline")
    desk.wait(12, good=True)
    assert (desk.row().state, desk.conn()) == ("cleared", "online")


def test_a_backlog_of_good_readings_from_before_ends_no_silence(desk):
    desk.wait(30, good=True)
    desk.passes(60)
    desk.tells((Edge.RAISED, 20))
    desk.beat(silent=["fire-1"])
    for ago in range(50, 20, -5):
        desk.good(ago=ago)
    desk.passes(2)
    assert desk.row().state == "new"
    assert desk.conn() == "offline"
    assert [action for _, action, _ in desk.journal()] == ["raised"]


def test_a_heartbeat_that_was_overtaken_by_the_end_raises_nothing(desk):
    desk.wait(30, good=True)
    desk.tells((Edge.RAISED, 5))
    desk.wait(3, silent=["fire-1"])
    desk.tells((Edge.CLEARED, 0))
    desk.beat(silent=["fire-1"], ago=1)
    desk.passes(2)
    assert desk.row().state == "cleared"
    assert [action for _, action, _ in desk.journal()] == ["raised", "cleared"]


def test_one_that_answers_with_nothing_good_is_silent_again_after_its_time(desk):
    desk.wait(30, good=True)
    desk.tells((Edge.RAISED, 3))
    desk.wait(10, silent=["fire-1"])
    desk.tells((Edge.CLEARED, 0))
    assert desk.conn() == "unknown"
    desk.wait(40)
    assert (desk.row().state, desk.conn()) == ("new", "offline")


def test_an_end_that_was_lost_with_the_journal_is_told_by_heartbeats(desk):
    def lives(seconds, **facts):
        for _ in range(seconds // 10):
            desk.passes(10)
            desk.beat(**facts)
            desk.good()

    lives(120)
    desk.tells((Edge.RAISED, 60))
    lives(20, unread=None)
    assert (desk.row().state, desk.conn()) == ("new", "online"), "it is back, and nobody has said so"
    desk.epoch, desk.seq, desk.samples = "e2", 0, 0
    desk.store(born(newer_birth(epoch="e2", boot="b2")))
    lives(30, boot="b2", unread={"fire-1": (DEVICE_SILENT,)})
    assert desk.row().state == "new", "nobody knows yet"
    lives(30, boot="b2")
    assert desk.row().state == "cleared"
    assert [action for _, action, _ in desk.journal()] == ["raised", "cleared"]


def test_a_silence_in_the_shadow_of_its_gateway_waits_for_people(desk):
    desk.wait(30, good=True)
    desk.tells((Edge.RAISED, 3))
    desk.passes(40)  # no heartbeat: the gateway is silent, and the panel's alarm is folded away
    assert desk.row().suppressed_by is not None
    desk.beat()
    desk.tells((Edge.CLEARED, 5))
    row = desk.row()
    assert (row.state, row.suppressed_by) == ("cleared", None)


def test_what_the_gateway_says_itself_is_hidden_behind_nothing(desk):
    desk.wait(30, good=True)
    desk.wait(12, silent=["fire-1"])
    desk.passes(40)
    assert desk.row().suppressed_by is not None
    desk.tells((Edge.RAISED, 50))
    assert desk.row().suppressed_by is None
    with write(desk.engine) as conn:
        assert release_suppressed(conn, desk.now) == 0


def test_a_box_that_was_replaced_hides_no_silence_of_what_another_has_now(desk):
    desk.wait(30, good=True)
    desk.wait(12, silent=["fire-1"])
    desk.store(born(newer_birth(gateway="gw-b", boot="bb", epoch="eb")))
    for _ in range(4):  # the old box is switched off, and the new one speaks
        desk.passes(10)
        state = GatewayState(online=True, boot="bb", at=utc_ms(desk.now), epoch="eb", config=CONFIG)
        desk.store(Incoming(Address(ADDRESS.site, "gw-b").state, encode(state)))
    assert desk.row().suppressed_by is None
    with read(desk.engine) as conn:
        gone = conn.execute(select(alarms.c.gateway).where(alarms.c.code == "gateway_silent")).scalars()
        assert list(gone) == ["gw-a"]


def test_a_silence_that_is_hidden_is_called_out_when_another_gateway_takes_the_device(desk):
    desk.wait(30, good=True)
    desk.wait(12, silent=["fire-1"])
    desk.passes(40)
    assert desk.row().suppressed_by is not None
    desk.store(born(newer_birth(gateway="gw-b", boot="bb", epoch="eb")))
    with write(desk.engine) as conn:
        assert release_suppressed(conn, desk.now) == 1
    assert desk.row().suppressed_by is None


def test_the_same_batch_again_changes_nothing(desk):
    desk.wait(30, good=True)
    event = DeviceEvent(device="fire-1", code=DEVICE_SILENT, edge=Edge.RAISED, seen_at=utc_ms(desk.now))
    for _ in range(3):
        desk.store(up(1, event, lane=Lane.ALARM, epoch="e1", address=ADDRESS))
    assert desk.row().count == 1


@settings(max_examples=amount(5, 500), deadline=None)
@given(st.data())
def test_there_is_never_more_than_one_row_and_it_ends_as_the_panel_is(tmp_path_factory, data):
    desk, silent = Desk(tmp_path_factory.mktemp("h")), False
    try:
        desk.wait(3, good=True)
        for _ in range(data.draw(st.integers(1, 5))):
            silent = not silent
            for source in data.draw(st.permutations(["journal", "heartbeat", "sample"])):
                if source == "journal":
                    desk.tells((Edge.RAISED if silent else Edge.CLEARED, 0))
                elif source == "heartbeat":
                    desk.beat(silent=["fire-1"] if silent else [])
                elif not silent:
                    desk.good()
                desk.passes(data.draw(st.integers(0, 2)))
            desk.wait(11, silent=["fire-1"] if silent else [], good=not silent)
            (row,) = desk.rows()
            assert row.state == ("new" if silent else "cleared")
    finally:
        desk.engine.dispose()
