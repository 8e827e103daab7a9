"""A gateway speaks for its own devices: what it says of others is refused where it can be seen, alarms never."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from messages.topics import Address
from messages.types import DeviceEvent, Edge, Lane
from server.db.engine import read
from server.db.tables_delivery import quarantine, series
from server.ingest import claims
from tests.support.ingest import GW, T0, Sinks, birth, born, database, reading, rows, up, writer

OTHER = Address(GW.site, "gw-b")
LATER = T0 + timedelta(hours=1)


class Site:
    """Two gateways of one site, gw-a with a meter of its own."""

    def __init__(self, folder):
        self.engine = database(folder)
        self.sinks = Sinks()
        self.store = writer(self.engine, self.sinks)
        self.seqs = defaultdict(int)
        self.store.store([born(birth("m-1"))], T0)

    def send(self, *items, address=OTHER, lane=Lane.TELEMETRY, now=LATER):
        self.seqs[address, lane] += 1
        seq = self.seqs[address, lane]
        (answer,) = self.store.store([up(seq, *items, address=address, lane=lane)], now)
        assert answer.stored.through == seq, "what is refused is answered: it blocks nothing"
        return [(one.index, one.reason) for one in answer.stored.rejected]

    def quarantined(self):
        with read(self.engine) as conn:
            return [tuple(row) for row in conn.execute(select(quarantine.c.gateway, quarantine.c.reason))]


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.engine.dispose()


def fire(edge, device="m-1", at=LATER):
    return DeviceEvent(device=device, code="alarm", edge=edge, seen_at=at)


def test_a_sample_for_a_device_of_another_gateway_is_refused_and_seen(site):
    why = "m-1 belongs to gateway gw-a: name it in one site file only"
    assert site.send(reading("m-1", LATER, energy="9"), reading("m-2", LATER, energy="1")) == [(0, why)]
    assert site.quarantined() == [("gw-b", why)]
    assert [(device, value) for device, *_, value in rows(site.engine)] == [("m-2", Decimal(1))]


def test_nobody_else_keeps_a_device_alive(site):
    site.send(reading("m-1", LATER, volts="230"))
    site.store.tick(LATER)
    assert ("clear", "device_silent", "m-1") not in site.sinks.system


def test_another_gateway_may_raise_an_alarm_and_never_end_one(site):
    assert site.send(fire(Edge.RAISED), fire(Edge.PULSE), lane=Lane.ALARM) == []
    (refused,) = site.send(fire(Edge.CLEARED), lane=Lane.ALARM)
    assert "belongs to gateway gw-a" in refused[1]
    assert [item.event.edge for item in site.sinks.events] == [Edge.RAISED, Edge.PULSE]


def test_nobody_ends_the_alarms_of_a_gateway_about_itself(site):
    (refused,) = site.send(fire(Edge.CLEARED, device="gw-a"), lane=Lane.ALARM)
    assert "belongs to gateway gw-a" in refused[1]
    assert site.send(fire(Edge.CLEARED, device="gw-b"), lane=Lane.ALARM) == []


def test_a_device_that_moved_keeps_what_was_read_before(site):
    site.store.store([born(birth("m-1", address=OTHER))], LATER)
    before, after = LATER - timedelta(minutes=1), LATER + timedelta(minutes=3)
    late = LATER + timedelta(minutes=5)
    assert (
        site.send(reading("m-1", before, energy="1"), fire(Edge.CLEARED, at=before), address=GW, now=late)
        == []
    )
    assert len(site.send(reading("m-1", after, energy="2"), address=GW, now=late)) == 1
    assert site.send(reading("m-1", after, energy="3"), address=OTHER, now=late) == []
    assert [value for *_, value in rows(site.engine)] == [Decimal(1), Decimal(3)]


def test_a_birth_in_the_same_breath_comes_before_its_samples(site):
    stored = site.store.store(
        [up(1, reading("m-1", LATER, energy="5"), address=OTHER), born(birth("m-1", address=OTHER))], LATER
    )
    assert [answer.stored.rejected for answer in stored] == [()]


def test_a_device_that_nobody_names_any_more_is_everybodys(site):
    site.store.store([born(birth("m-9", boot="b2"))], LATER)
    assert site.send(reading("m-1", LATER, energy="5")) == []


def test_names_that_no_birth_told_are_stored_up_to_a_bound(site, monkeypatch):
    monkeypatch.setattr(claims, "MAX_STRANGE", 5)
    many = reading("m-7", LATER, **{f"p{n}": "1" for n in range(5)})
    assert site.send(many) == []
    assert site.send(many) == [], "the same names again"
    (refused,) = site.send(reading("m-7", LATER, p5="1"))
    assert refused[1] == "no birth names this, and 5 such names of this gateway are stored already"
    assert site.send(reading("m-1", LATER, energy="1"), address=GW) == []
    with read(site.engine) as conn:
        assert len(conn.execute(select(series).where(series.c.device == "m-7")).all()) == 5


def test_events_that_no_birth_told_are_raised_up_to_a_bound(site, monkeypatch):
    monkeypatch.setattr(claims, "MAX_STRANGE", 2)
    events = [fire(Edge.RAISED, device=f"x-{n}") for n in range(3)]
    assert [index for index, _ in site.send(*events, lane=Lane.ALARM)] == [2]
    assert site.send(fire(Edge.RAISED, device="m-1"), lane=Lane.ALARM) == [], "a real device is always heard"


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "<b>", "电能"])
def test_a_point_without_a_proper_name_is_refused(site, name):
    (refused,) = site.send(reading("m-8", LATER, **{name: "1"}))
    assert refused[1].startswith("the name of a point")
