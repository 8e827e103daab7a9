"""Quarantine has an end, and whoever reaches it is told; what is good goes on."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from messages.codec import encode
from messages.types import GatewayState, Lane, LaneState
from server.db.engine import read
from server.db.tables_delivery import lanes
from server.db.tables_delivery import quarantine as table
from server.ingest import quarantine
from server.ingest.judge import Incoming
from tests.support.ingest import GW, T0, Sinks, birth, born, database, reading, rows, up, writer


class Site:
    def __init__(self, folder):
        self.engine, self.sinks, self.seq = database(folder), Sinks(), 0
        self.store = writer(self.engine, self.sinks)
        self.store.store([born(birth("m-1"))], T0)
        self.sinks.system.clear()

    def bad(self, count, now=T0, store=None):
        """Send a batch of which every item but the last is refused."""
        self.seq += 1
        items = [reading("m-1", T0, **{f"no such {n} {self.seq}": "1"}) for n in range(count)]
        good = reading("m-1", T0 + timedelta(seconds=self.seq), energy="1")
        (answer,) = (store or self.store).store([up(self.seq, *items, good, lane=Lane.BILLING)], now)
        assert len(answer.stored.rejected) == count, "each is answered, kept or not"
        assert answer.stored.through == self.seq

    def held(self):
        with read(self.engine) as conn:
            return conn.execute(select(func.count(), func.sum(func.length(table.c.payload)))).one()


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.engine.dispose()


def test_a_gateway_cannot_fill_the_disk_with_rows(site, monkeypatch):
    monkeypatch.setattr(quarantine, "MAX_ROWS", 5)
    site.bad(4)
    assert site.sinks.system == []
    site.bad(4)
    assert site.held()[0] == 5
    said = [("raise", "quarantine_full", None), ("clear", "quarantine_full", None)]
    assert site.sinks.system == said
    site.bad(3)
    assert site.sinks.system == said, "said once"
    site.bad(1, T0 + timedelta(hours=2))
    assert site.sinks.system == said * 2, "and once again later"
    assert len(rows(site.engine)) == 4, "what is good is stored all the while"
    assert site.store.totals.quarantined == 12


def test_a_restart_remembers_how_much_is_there(site, monkeypatch):
    monkeypatch.setattr(quarantine, "MAX_ROWS", 5)
    site.bad(4)
    site.bad(4, store=writer(site.engine))
    assert site.held()[0] == 5


def test_payloads_are_left_out_before_reasons_are(site, monkeypatch):
    monkeypatch.setattr(quarantine, "MAX_BYTES", 300)
    site.bad(6)
    rows_, size = site.held()
    assert rows_ == 6
    assert 0 < size <= 300
    with read(site.engine) as conn:
        assert all(row.size > 0 for row in conn.execute(select(table.c.size)))


def test_one_gateways_share_is_not_anothers(site, monkeypatch):
    monkeypatch.setattr(quarantine, "MAX_ROWS", 2)
    site.bad(3)
    other = GW._replace(gateway="gw-b")
    site.store.store([up(1, reading("m-9", T0, **{"no such": "1"}), address=other)], T0)
    assert site.held()[0] == 3


def test_a_gateway_that_loses_a_journal_a_minute_leaves_no_rows_for_ever(site, monkeypatch):
    monkeypatch.setattr("server.ingest.lanes.MAX_EPOCHS", 3)
    answers = [
        site.store.store([up(1, reading("m-1", T0, energy="1"), epoch=f"e{n}")], T0) for n in range(1, 6)
    ]
    assert [len(one) for one in answers] == [1, 1, 1, 0, 0]
    state = GatewayState(online=True, boot="b", epoch="e9", lanes={"alarm": LaneState(first=1, next=1)})
    site.store.store([Incoming(GW.state, encode(state))], T0)
    with read(site.engine) as conn:
        assert conn.execute(select(func.count()).select_from(lanes)).scalar() == 3
        reasons = {reason for (reason,) in conn.execute(select(table.c.reason))}
    assert reasons == {"epoch: this gateway has begun 3 journals: look at its disk"}
    (again,) = site.store.store([up(2, reading("m-1", T0, energy="2"), epoch="e1")], T0)
    assert again.stored.through == 2, "the journals that are known go on"


def test_the_reason_of_our_own_failure_tells_no_statement(site):
    site.store.store([born(birth("m-2", "m-2", boot="b2"))], T0)
    with read(site.engine) as conn:
        (row,) = conn.execute(select(table)).all()
    assert row.reason.startswith("could not be stored: IntegrityError: UNIQUE constraint failed")
    assert not any(word in row.reason for word in ("INSERT", "SQL", "parameters"))
